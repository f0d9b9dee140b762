/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A rehearsal in which one thing is different: what lets a client in then was the cause. */
#ifndef SSHD_HEAL_TRY_EXPERIMENT_H
#define SSHD_HEAL_TRY_EXPERIMENT_H

#include <stdbool.h>

#include "base/words.h"
#include "host/context.h"
#include "report.h"
#include "try/rehearse.h"

struct heal_experiment {
	const char *config;  /* read in place of sshd's own; NULL: its own */
	bool hides_wrappers; /* without hosts.allow and hosts.deny */
	const struct heal_words *sources; /* clients of these, up to the banner; NULL: one of ours */
};

/*
 * Rehearses a listener so. Errors: those of heal_rehearse(); -EINVAL where what would be
 * started is not known.
 */
int heal_experiment(struct heal_context *ctx, struct heal_listener *listener,
		    const struct heal_experiment *experiment, struct heal_rehearsal *ret);

#endif
