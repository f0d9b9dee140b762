/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sessions of a listener. */
#ifndef SSHD_HEAL_LOOK_SESSION_H
#define SSHD_HEAL_LOOK_SESSION_H

#include <stdbool.h>

#include "host/context.h"
#include "report.h"

/* Parses /proc/PID/cgroup, ended by a NUL. Gives the path, to be freed; -ENODATA without one. */
int session_cgroup(const char *buf, char **ret);

/*
 * Fills in sessions: those that the listener started and that are past
 * authentication; sessions of an earlier listener count for the first of ours.
 */
int heal_sessions_count(struct heal_context *ctx, struct heal_listeners *listeners);

/*
 * Whether sessions are in the control group of a listener's process, cgroups(7), where
 * what ends all of that ends them. Errors: those of /proc.
 */
int heal_sessions_inside(struct heal_context *ctx, const struct heal_process *process,
			 bool *ret);

#endif
