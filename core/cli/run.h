/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the verbs share: what they are given, a run of the way, and its report. */
#ifndef SSHD_HEAL_CLI_RUN_H
#define SSHD_HEAL_CLI_RUN_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "host/context.h"
#include "report.h"
#include "tell/format.h"

enum cli_status {
	CLI_OK = 0,
	CLI_UNKNOWN = 3,
};

/* What the command line is given by its process; none of it may be NULL but cwd. */
struct cli {
	FILE *out;
	FILE *err;
	int in_fd; /* standard input */
	const char *version;
	const char *module_dir;
	const char *cwd; /* of the caller; NULL when it has no name */
	void (*log)(int priority, const char *line); /* to syslog */
	/* From now on there is a limit: the run's deadline; NULL: the usual one. */
	void (*watch)(struct heal_context *ctx);
	void (*unwatch)(void); /* there is none: nobody waits for us */
	void (*on_act)(void); /* from here on nothing may end us */
	/* Goes on as another hook, in a new program; returns where that cannot be. */
	void (*become)(const char *hook);
};

struct cli_options {
	char *root;         /* absolute */
	char *config;       /* absolute; NULL: the host's own */
	const char *verb;   /* "check" when none was given */
	char **words;       /* behind the verb */
	int n_words;
	const struct heal_format *format; /* NULL when none was asked for */
	bool is_dry_run;
	struct heal_question question;
};

/* A line about ourselves, and about a word of the command line; the latter gives CLI_UNKNOWN. */
void cli_complain(const struct cli *cli, const char *message);
int cli_bad_usage(const struct cli *cli, const char *what, const char *word);
/* Tells an error of the whole run, and lets syslog know. Gives CLI_UNKNOWN. */
int cli_fail(const struct cli *cli, const struct cli_options *options,
	     const struct heal_error *error);

/* Runs the way and reports; gives the exit status. cli_go() with a context freshly made. */
int cli_way(const struct cli *cli, const struct cli_options *options, enum heal_verb verb);
int cli_go(const struct cli *cli, const struct cli_options *options, struct heal_context *ctx,
	   enum heal_verb verb, struct heal_report *report);

#endif
