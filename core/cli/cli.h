/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line, apart from the process that it runs in. */
#ifndef SSHD_HEAL_CLI_CLI_H
#define SSHD_HEAL_CLI_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "host/context.h"
#include "tell/format.h"

enum cli_status {
	CLI_OK = 0,
	CLI_UNKNOWN = 3,
};

/* What the command line is given by its process; none of it may be NULL but cwd. */
struct cli {
	FILE *out;
	FILE *err;
	int in_fd;  /* standard input, and the descriptors of the other two */
	int out_fd;
	int err_fd;
	const char *version;
	const char *module_dir;
	const char *cwd; /* of the caller; NULL when it has no name */
	void (*log)(int priority, const char *line); /* to syslog */
	/* From now on there is a limit: the run's deadline; NULL: the usual one. */
	void (*watch)(struct heal_context *ctx);
	void (*unwatch)(void); /* there is none: nobody waits for us */
	void (*on_act)(void); /* from here on nothing may end us */
};

struct cli_options {
	char *root;         /* absolute */
	char *config;       /* absolute; NULL: the host's own */
	const char *verb;   /* "check" when none was given */
	char **words;       /* behind the verb */
	int n_words;
	const struct heal_format *format; /* NULL when none was asked for */
	bool is_dry_run;
};

/*
 * Parses the arguments. Gives the exit status when they alone decide it, -1 otherwise.
 * A verb that is called as a hook never has another than 0.
 */
int cli_parse(const struct cli *cli, int argc, char **argv, struct cli_options *ret);
void cli_options_done(struct cli_options *options);

/* Whether a verb may act, so that nothing may end it half-way. */
bool cli_acts(const struct cli_options *options);
/* The exit status of a run that has to be given up. */
enum cli_status cli_giving_up(const struct cli_options *options);

/* Runs the verb; gives the exit status. */
int cli_run(const struct cli *cli, const struct cli_options *options);

#endif
