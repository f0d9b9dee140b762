/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The conversation with dnf 5. */
#ifndef SSHD_HEAL_HOST_DNF__H
#define SSHD_HEAL_HOST_DNF__H

#include "base/error.h"
#include "host/context.h"
#include "report.h"

/*
 * Asks dnf 5 what the transaction changed, in the JSON mode of its actions plugin:
 * one line out, one line in. Errors: -ENOMEM, -ETIMEDOUT, -EPROTO for another
 * answer, those of loading json-c.
 */
int heal_event_ask_dnf5(struct heal_context *ctx, int in, int out, struct heal_event *ret,
			struct heal_error *error);

#endif
