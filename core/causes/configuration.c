/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration: what is wrong with it, what was changed, and who is in its way. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "causes/cause.h"
#include "look/holder.h"
#include "report.h"
#include "try/experiment.h"
#include "try/rehearse.h"

/* Whether it gets in with sshd's own defaults: then what is configured keeps it out. */
static bool configuration_is_it(const struct causes *self)
{
	_cleanup_(heal_rehearsal_done) struct heal_rehearsal rehearsal = {0};
	const struct heal_experiment experiment = {.config = "/dev/null", .hides_wrappers = true};

	return heal_experiment(self->ctx, self->listener, &experiment, &rehearsal) == 0 &&
	       heal_fate_is_in(rehearsal.hello.fate);
}

/*
 * The line that sshd complains of, as "FILE: line 3: ..." or "FILE line 3: ...", without
 * which it may do. Gives the length of the file's name, 0 where there is none.
 */
static size_t configuration_line(const char *words, const char **ret_path, unsigned *ret_line)
{
	const char *at = strstr(words, " line ");
	const char *end = at;

	if (!at || sscanf(at, " line %u", ret_line) != 1)
		return 0;
	if (end > words && end[-1] == ':')
		end--;
	for (*ret_path = end; *ret_path > words && (*ret_path)[-1] != ' ';)
		(*ret_path)--;
	return **ret_path == '/' ? (size_t)(end - *ret_path) : 0;
}

static void configuration_advise(const struct heal_trial *trial, const struct heal_unit *unit,
				 struct heal_cause *ret)
{
	const char *path = NULL;
	unsigned line = 0;
	size_t len = configuration_line(trial->detail, &path, &line);

	if (!len || memchr(path, '\'', len)) {
		cause_advise(ret, "sshd -t");
		return;
	}
	cause_advise(ret, "sed -i '%us/^/#/' '%.*s'", line, (int)len, path);
	/* As often as it may be started in a row it was by now. */
	if (unit->absence != HEAL_ABSENCE_NONE)
		cause_advise(ret, " && systemctl reset-failed %s && systemctl start %s", unit->id, unit->id);
	else if (unit->id)
		cause_advise(ret, " && systemctl reload %s", unit->id);
}

static bool configuration_has_no_runtime(const struct heal_evidence *evidence)
{
	return heal_fate_is_refusal(evidence->live.fate) &&
	       strstr(evidence->trial.detail, "is missing, which a start makes anew");
}

void cause_of_configuration(const struct causes *self, struct heal_cause *ret)
{
	const struct heal_evidence *evidence = &self->listener->evidence;
	const struct heal_unit *unit = &self->listener->unit;
	const struct heal_trial *trial = &evidence->trial;
	char holder[192] = "";

	if (unit->absence == HEAL_ABSENCE_FAILED || trial->is_moving)
		heal_holder_find(self->ctx, &self->listener->process, holder, sizeof(holder));
	if (trial->result == HEAL_TRIAL_NONE || trial->result == HEAL_TRIAL_SKIPPED) {
		cause_is(ret, HEAL_CAUSE_UNKNOWN, "%s", *trial->detail ? trial->detail : "it was not tried");
	} else if (trial->result == HEAL_TRIAL_FAILED && configuration_is_it(self)) {
		cause_is(ret, HEAL_CAUSE_SHOWN, "with sshd's own defaults a client gets in, with what is configured: %s",
			 trial->detail);
		configuration_advise(trial, unit, ret);
	} else if (configuration_has_no_runtime(evidence)) {
		cause_is(ret, HEAL_CAUSE_SHOWN, "%s", trial->detail);
		cause_advise(ret, "systemctl restart %s", unit->id ? unit->id : "ssh");
	} else if (*holder) {
		cause_is(ret, HEAL_CAUSE_LIKELY, "%s", holder);
	} else if (trial->is_moving) {
		cause_is(ret, HEAL_CAUSE_LIKELY, "%s", trial->detail);
	} else {
		cause_is(ret, HEAL_CAUSE_OK, "%s", evidence->pending.is_config ? evidence->pending.detail
					 : trial->result == HEAL_TRIAL_OK      ? "an sshd starts with it, and lets a client in"
									       : "it is the same with sshd's own defaults");
	}
}
