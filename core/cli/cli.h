/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line, apart from the process that it runs in. */
#ifndef SSHD_HEAL_CLI_CLI_H
#define SSHD_HEAL_CLI_CLI_H

#include <stdbool.h>

#include "cli/run.h"

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
