/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An sshd that an action of ours has ended is brought up again. */
#ifndef SSHD_HEAL_ACT_RESCUE_H
#define SSHD_HEAL_ACT_RESCUE_H

#include <stdint.h>

#include "host/context.h"
#include "report.h"

/* When a job must be over, so that proof and rescue have a third of what is left. */
int64_t heal_job_deadline(const struct heal_context *ctx);

/*
 * Starts its unit, where its trial does not fail; where the unit does not start, a unit of
 * our own serves in its place. Sets the result and the unit's absence.
 * why: what has ended it, as the end of a sentence.
 */
void heal_bring_up(struct heal_context *ctx, struct heal_listener *listener, const char *why);

/* What a proof makes of a listener. */
void heal_conclude(struct heal_listener *listener, enum heal_proof proof);

#endif
