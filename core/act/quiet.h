/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The moment to act. */
#ifndef SSHD_HEAL_ACT_QUIET_H
#define SSHD_HEAL_ACT_QUIET_H

#include <stdbool.h>
#include <stddef.h>

#include "host/context.h"
#include "report.h"

/*
 * Whether the process of a listener's child, by its /proc/PID/cmdline of len
 * bytes, may still need the listener to serve its client.
 */
bool quiet_is_waiting(const char *cmdline, size_t len);

/*
 * Waits until the listener has handed over the clients that it has accepted, a
 * second at most: an action before that cuts them.
 */
void heal_await_quiet(const struct heal_context *ctx, const struct heal_process *process);

#endif
