/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who else holds a listener's port. */
#ifndef SSHD_HEAL_LOOK_HOLDER_H
#define SSHD_HEAL_LOOK_HOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/context.h"
#include "report.h"

/*
 * Names who listens where a process that has ended did, or does not any more: "0.0.0.0:2222
 * is held by process 812 of user 1000 (/usr/bin/nc)". Empty where nobody is found in the
 * little time that is given to it.
 */
void heal_holder_find(struct heal_context *ctx, const struct heal_process *process, char *ret,
		      size_t size);

/* Whether the process of a /proc/PID directory has a socket open; false where it is not seen in time. */
bool heal_holder_has(int dirfd, uint64_t inode, int64_t deadline_ms);

/* Fills in where a listener does not listen any more since an action of ours, and says who does. */
void heal_lost_find(struct heal_context *ctx, struct heal_listener *listener);

#endif
