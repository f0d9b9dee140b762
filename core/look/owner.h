/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose the stale files are. */
#ifndef SSHD_HEAL_LOOK_OWNER_H
#define SSHD_HEAL_LOOK_OWNER_H

#include "host/context.h"
#include "host/module.h"
#include "look/proof.h"
#include "report.h"

/*
 * Names the owners of all stale files, with the versions that they had when the listener
 * was proven last. What cannot be found out stays NULL and becomes a note. Errors: -ENOMEM.
 */
int heal_packages_name(struct heal_context *ctx, struct heal_report *report,
		       const struct heal_last_proof *proof);

/* The owner of one path. Errors: -ENOENT, or those of the database. */
int heal_package_owner(struct heal_context *ctx, const char *path, struct heal_package *ret);

#endif
