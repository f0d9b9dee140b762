/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What would be started, and in what place. */
#ifndef SSHD_HEAL_TRY_COMMAND_H
#define SSHD_HEAL_TRY_COMMAND_H

#include "base/error.h"
#include "base/words.h"
#include "host/context.h"
#include "report.h"

/* How sshd is run: the program, its options, the directory that it is started in. */
struct heal_start {
	const char *path;
	struct heal_words options;
	char *cwd; /* NULL: / */
};

/* What SIGHUP and a restart would run. */
struct heal_starts {
	struct heal_start hup; /* sshd goes to / before it listens, and re-executes itself there */
	struct heal_start restart;
};

/*
 * Finds out what would be started, once nothing of anybody else's can be taken for
 * root's. Sets the trial's is_hup_fatal: that SIGHUP would not find its files is no error
 * where there is a unit. Errors: with the option or the directory named.
 */
int heal_starts_find(struct heal_context *ctx, struct heal_listener *listener,
		     struct heal_starts *starts, struct heal_error *error);
void heal_starts_done(struct heal_starts *starts);
/* Likewise for the unit alone, whose listener has ended. */
int heal_start_find(struct heal_context *ctx, struct heal_listener *listener,
		    struct heal_start *ret, struct heal_error *error);
/* The arguments that the unit starts sshd with, expanded, and where; NULL for /. */
int heal_start_arguments(struct heal_context *ctx, const struct heal_listener *listener,
			 struct heal_words *argv, char **cwd, struct heal_error *error);
void heal_start_done(struct heal_start *start);

#endif
