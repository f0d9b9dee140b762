/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A rehearsal in which one thing is different. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "try/experiment.h"

#include "base/error.h"
#include "base/words.h"
#include "host/context.h"
#include "report.h"
#include "try/command.h"
#include "try/rehearse.h"

#define EXPERIMENT_MS 1500

/* What would be started: what a SIGHUP would, unless only a start knows its files. */
static int experiment_start(struct heal_context *ctx, struct heal_listener *listener,
			    struct heal_starts *starts, struct heal_start **ret)
{
	struct heal_error error;
	int r;

	*ret = &starts->restart;
	if (listener->unit.absence != HEAL_ABSENCE_NONE)
		return heal_start_find(ctx, listener, &starts->restart, &error);
	r = heal_starts_find(ctx, listener, starts, &error);
	if (r == 0 && !listener->evidence.trial.is_hup_fatal)
		*ret = &starts->hup;
	return r;
}

int heal_experiment(struct heal_context *ctx, struct heal_listener *listener,
		    const struct heal_experiment *experiment, struct heal_rehearsal *ret)
{
	_cleanup_(heal_starts_done) struct heal_starts starts = HEAL_STARTS_NONE;
	struct heal_rehearsal_of of = {
		.process = &listener->process,
		.hides_wrappers = experiment->hides_wrappers,
		.sources = experiment->sources,
		.is_about_sources = experiment->sources != NULL,
		.timeout_ms = EXPERIMENT_MS,
	};
	struct heal_start *start;
	int r = experiment_start(ctx, listener, &starts, &start);

	if (r < 0)
		return -EINVAL;
	/* The last of several counts, sshd(8). */
	if (experiment->config && (heal_words_add(&start->options, "-f", 2) < 0 ||
				   heal_words_add(&start->options, experiment->config,
						  strlen(experiment->config)) < 0))
		return -ENOMEM;
	r = heal_rehearse(ctx, start, &of, ret);
	of.runtime = r == 0 ? heal_start_runtime(start, ret->words) : NULL;
	if (of.runtime) {
		heal_rehearsal_done(ret);
		*ret = (struct heal_rehearsal){0};
		r = heal_rehearse(ctx, start, &of, ret);
	}
	return r;
}
