/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files replaced or deleted under a running sshd. */
#include <stdbool.h>

#include "causes/cause.h"
#include "report.h"

static void replaced_name(const struct heal_evidence *evidence, struct heal_cause *ret)
{
	const struct heal_stale_file *file = &evidence->stale[0];

	cause_add(ret, "it has %zu mapped that were replaced or deleted, as %s", evidence->n_stale, file->path);
	if (file->package && file->version_now)
		cause_add(ret, " of %s %s%s%s", file->package, file->version_before ? file->version_before : "",
			  file->version_before ? " -> " : "", file->version_now);
}

void cause_of_replaced_files(const struct causes *self, struct heal_cause *ret)
{
	const struct heal_evidence *evidence = &self->listener->evidence;
	bool is_shown = heal_fate_is_refusal(evidence->live.fate) && evidence->trial.result == HEAL_TRIAL_OK &&
			evidence->trial.wrapped != HEAL_WRAPPED_ALL;

	if (evidence->n_stale == 0) {
		cause_is(ret, HEAL_CAUSE_OK, "it runs the files on disk");
		return;
	}
	cause_is(ret, is_shown ? HEAL_CAUSE_SHOWN : HEAL_CAUSE_OK, "%s", "");
	replaced_name(evidence, ret);
	if (is_shown)
		cause_add(ret, "; an sshd that was started anew lets the client in that it does not");
	else if (!self->is_refused)
		cause_add(ret, "; clients get in all the same, for now");
	cause_advise(ret, "sshd-heal heal");
}
