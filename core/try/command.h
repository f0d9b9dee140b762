/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What would be started, and in what place. */
#ifndef SSHD_HEAL_TRY_COMMAND_H
#define SSHD_HEAL_TRY_COMMAND_H

#include <stddef.h>

#include "base/error.h"
#include "base/words.h"
#include "host/context.h"
#include "report.h"

/* How sshd is run, and in what place. */
struct heal_start {
	const char *path;
	struct heal_words options;
	struct heal_words environment; /* as the unit gives it; empty: nothing but PATH */
	struct heal_words runtime; /* directories below /run that the start makes first */
	char *cwd;    /* NULL: / */
	char *log;    /* of -E, absolute; NULL: none */
	char label[256]; /* the listener's security label, see command_label() */
	int mount_fd; /* the listener's mount namespace, setns(2); -1: it is our own */
};
#define HEAL_START_NONE {.mount_fd = -1}

/* What SIGHUP and a restart would run. */
struct heal_starts {
	struct heal_start hup; /* sshd goes to / before it listens, and re-executes itself there */
	struct heal_start restart;
};
#define HEAL_STARTS_NONE {.hup = HEAL_START_NONE, .restart = HEAL_START_NONE}

/*
 * Finds out what would be started, once nothing of anybody else's can be taken for
 * root's. Sets the trial's is_hup_fatal: that SIGHUP would not find its files is no error
 * where there is a unit. Errors: with the option or the directory named.
 */
int heal_starts_find(struct heal_context *ctx, struct heal_listener *listener,
		     struct heal_starts *starts, struct heal_error *error);
void heal_starts_done(struct heal_starts *starts);
/* Likewise for the unit alone, whose listener has ended, and its mount namespace with it. */
int heal_start_find(struct heal_context *ctx, struct heal_listener *listener,
		    struct heal_start *ret, struct heal_error *error);
/* The arguments that a restart would start sshd with, expanded, and where: the directory and environment. */
int heal_start_arguments(struct heal_context *ctx, const struct heal_listener *listener,
			 struct heal_words *argv, struct heal_start *start, struct heal_error *error);
/* The directory that sshd says it misses, if the start makes it; NULL: it misses none, or no start helps. */
const char *heal_start_runtime(const struct heal_start *start, const char *words);
void heal_start_done(struct heal_start *start);

/*
 * What is to be written to attr/exec for a program to get the label that attr/current, ended
 * by a NUL, tells of: SELinux's is itself, AppArmor's "NAME (MODE)" is "exec NAME". "" where
 * there is none.
 */
void command_label(const char *current, char *ret, size_t size);

#endif
