/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose a file is. */
#ifndef SSHD_HEAL_HOST_PACKAGE_H
#define SSHD_HEAL_HOST_PACKAGE_H

#include "host/context.h"
#include "host/module.h"

/* The owner of one path. Errors: -ENOENT, or those of the database. */
int heal_package_owner(struct heal_context *ctx, const char *path, struct heal_package *ret);

#endif
