/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which packages that a listener has mapped a transaction is about to replace. */
#ifndef SSHD_HEAL_LOOK_UPCOMING_H
#define SSHD_HEAL_LOOK_UPCOMING_H

#include "base/error.h"
#include "host/context.h"
#include "report.h"

/*
 * Reads from fd the files that a transaction is about to remove, one in a line,
 * and gives the packages, with their present version, of those that a listener of
 * ours has mapped. Where there is none, no library is loaded.
 * Errors: -ENOMEM, those of /proc and of the package database.
 */
int heal_event_of_files(struct heal_context *ctx, int fd, struct heal_event *ret,
			struct heal_notes *notes, struct heal_error *error);

#endif
