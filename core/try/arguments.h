/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The arguments that sshd is started with. */
#ifndef SSHD_HEAL_TRY_ARGUMENTS_H
#define SSHD_HEAL_TRY_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/words.h"

/* Parses an EnvironmentFile= into "NAME=value" words; lines that are none are passed over. */
int arguments_parse_environment(const char *buf, size_t len, struct heal_words *environment);

/* An assignment that changes which code a program runs; NULL when there is none. */
const char *arguments_find_loader_variable(const struct heal_words *environment);

/* Expands $NAME, ${NAME} and $$ as systemd.service(5) has it. */
int arguments_expand(const struct heal_words *command, const struct heal_words *environment,
		struct heal_words *argv);

/*
 * The arguments of a listener's cmdline of len bytes, ended by a NUL: "sshd: /usr/sbin/sshd -D
 * [listener] ...", or before 8.2 themselves. Values that have blanks are put together again.
 * -EINVAL for a title that is another's, or was cut.
 */
int arguments_of_title(const char *title, size_t len, struct heal_words *argv);

/* The arguments to run sshd with: its path, the flags (up to a NULL), a trial's options. */
int arguments_build(const char *path, const char *const *flags, const struct heal_words *options,
	       struct heal_words *argv);

/* Whether "sshd: ARGV [listener] ...", ended by a NUL, is what a listener with these arguments shows. */
bool arguments_is_title_of(const char *title, const struct heal_words *argv);

/*
 * The options of a listener that a trial needs, too: all but -D, -d, -e, -E and -q.
 * -EINVAL for one that no listener has.
 */
int arguments_trial_options(const struct heal_words *argv, struct heal_words *kept);

/* The value of an option that has one, the last of several; NULL when it is not there. */
const char *arguments_find(const struct heal_words *argv, char option);

/* An option that names a file without saying from where; the texts point into the arguments. */
struct arguments_relative {
	char option;       /* 'f' */
	const char *value; /* all of it, "HostKey=keys/a" */
	const char *file;  /* "keys/a" */
};

/*
 * The n-th such option of a listener's arguments, from 0. Returns 1, 0 when there
 * are no more; errors: as arguments_trial_options().
 */
int arguments_find_relative(const struct heal_words *argv, size_t n, struct arguments_relative *ret);

#endif
