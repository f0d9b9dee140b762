/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What package managers and sshd-heal.service call. */
#ifndef SSHD_HEAL_CLI_HOOK_H
#define SSHD_HEAL_CLI_HOOK_H

#include "cli/run.h"

/* The verb. Whatever is wrong there, is no reason to fail a package manager: gives 0. */
int cli_hook(const struct cli *cli, const struct cli_options *options);

#endif
