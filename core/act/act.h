/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The action that the plan asks for. */
#ifndef SSHD_HEAL_ACT_ACT_H
#define SSHD_HEAL_ACT_ACT_H

#include <stdbool.h>

#include "base/error.h"
#include "host/context.h"
#include "report.h"

/*
 * Sets plan, reason and outcome without acting: DRY_RUN where there would be
 * something to do, and for a warning what to type in detail, if that is safe.
 * policy-rc.d is run only with asks_policy.
 */
void heal_plan_show(struct heal_context *ctx, struct heal_listener *listener, bool asks_policy,
		    struct heal_notes *notes);

/*
 * Sets whether the unit of one that is well would start again, for what a rehearsal does
 * not have: its conditions, other commands, what it needs.
 */
void heal_foresee(struct heal_context *ctx, struct heal_listener *listener);

/*
 * Carries out the plan and proves the result: reload, then restart where that
 * was not enough. Sets plan, reason, outcome, detail and refused_ms.
 */
void heal_act(struct heal_context *ctx, struct heal_listener *listener, struct heal_notes *notes);

#endif
