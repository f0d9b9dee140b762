/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libsshdheal: finds sshd listeners that still run deleted files, and heals them
 * through the service manager. This is what the program calls; the rooms of core/ have
 * the rest, a header beside each file.
 *
 * Return values: 0, or -errno; positive only for an outcome that is documented
 * with the function. An output is left untouched on failure. The library does
 * not print, log, or read the environment.
 */
#ifndef SSHD_HEAL_HEAL_H
#define SSHD_HEAL_HEAL_H

#include <stdbool.h>

#include "base/error.h"
#include "host/context.h"
#include "look/left.h"
#include "report.h"

/*
 * The whole way for one verb. Errors: those of the scan. Where another sshd-heal
 * is at work until the deadline, or nothing can be locked, it only warns.
 */
int heal_run(struct heal_context *ctx, enum heal_verb verb, struct heal_report *ret,
	     struct heal_error *error);

/* The beginning of the way: whether there is anything to do, as against what was proven and left. */
enum heal_look heal_look(struct heal_context *ctx);

/* Whether something is stale now that the report of a run does not say was left so. */
bool heal_has_news(struct heal_context *ctx, const struct heal_report *report);

#endif
