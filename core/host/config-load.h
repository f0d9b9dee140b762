/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the configuration. */
#ifndef SSHD_HEAL_HOST_CONFIG_LOAD_H
#define SSHD_HEAL_HOST_CONFIG_LOAD_H

#include "base/error.h"
#include "host/context.h"

/*
 * Reads the configuration: file, or /etc/sshd-heal.conf over that in
 * /usr/lib/sshd-heal, with their drop-ins. None of them existing is no error.
 * Errors: -EINVAL with file and line, and the defaults stay; those of loading.
 */
int heal_config_load(struct heal_context *ctx, const char *file, struct heal_error *error);

#endif
