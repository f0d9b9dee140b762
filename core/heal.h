/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the program uses: the whole way. */
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
