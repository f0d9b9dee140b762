/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is kept in /run/sshd-heal. */
#ifndef SSHD_HEAL_HOST_STATE_H
#define SSHD_HEAL_HOST_STATE_H

#include <stdbool.h>

#include "host/context.h"

/* Opens /run/sshd-heal, made when create is set. Gives a descriptor or -errno. */
int heal_state_open(struct heal_context *ctx, bool create);

#endif
