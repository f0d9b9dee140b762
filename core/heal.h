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
#include "report.h"

/*
 * The whole way for one verb. Errors: those of the scan. Where another sshd-heal
 * is at work until the deadline, or nothing can be locked, it only warns.
 */
int heal_run(struct heal_context *ctx, enum heal_verb verb, struct heal_report *ret,
	     struct heal_error *error);

/* Whether a listener is stale: the beginning of the way, for who has more to ask if so. */
bool heal_is_stale(struct heal_context *ctx);

#endif
