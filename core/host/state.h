/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is kept in /run/sshd-heal. */
#ifndef SSHD_HEAL_HOST_STATE_H
#define SSHD_HEAL_HOST_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "host/context.h"

/* Opens /run/sshd-heal, made when create is set. Gives a descriptor or -errno. */
int heal_state_open(struct heal_context *ctx, bool create);

/*
 * Takes the lock of who acts, at most until deadline_ms of CLOCK_MONOTONIC. Gives a
 * descriptor that holds it, or -errno: -EBUSY, without a message, for another run's.
 */
int heal_state_lock(struct heal_context *ctx, int64_t deadline_ms, struct heal_error *error);

#endif
