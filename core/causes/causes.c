/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of causes. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "causes/causes.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "causes/cause.h"
#include "host/context.h"
#include "report.h"

static const struct {
	const char *name;
	void (*find)(const struct causes *self, struct heal_cause *ret);
	bool needs_root;
} causes_rows[] = {
	{"replaced-files", cause_of_replaced_files, true},
	{"hosts-deny", cause_of_hosts_deny, false},
	{"host-keys", cause_of_host_keys, true},
	{"load", cause_of_load, false},
	{"configuration", cause_of_configuration, true},
	{"login-helpers", cause_of_login_helpers, true},
	{"resources", cause_of_resources, false},
	{"user", cause_of_user, true},
};
_Static_assert(ARRAY_SIZE(causes_rows) <= HEAL_CAUSES_MAX, "a listener has room for all of them");

void cause_is(struct heal_cause *cause, enum heal_cause_result result, const char *fmt, ...)
{
	va_list args;

	cause->result = result;
	cause->detail[0] = '\0';
	va_start(args, fmt);
	heal_vsafe(cause->detail + strlen(cause->detail), sizeof(cause->detail) - strlen(cause->detail), fmt, args);
	va_end(args);
}

void cause_add(struct heal_cause *cause, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	heal_vsafe(cause->detail + strlen(cause->detail), sizeof(cause->detail) - strlen(cause->detail), fmt, args);
	va_end(args);
}

void cause_advise(struct heal_cause *cause, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	heal_vsafe(cause->advice + strlen(cause->advice), sizeof(cause->advice) - strlen(cause->advice), fmt, args);
	va_end(args);
}

/* Puts those that were shown first, then the likely ones; the others as they stand in the table. */
static void causes_sort(struct heal_listener *listener)
{
	for (size_t i = 1; i < listener->n_causes; i++) {
		struct heal_cause cause = listener->causes[i];
		size_t at = i;

		for (; at > 0 && cause.result >= HEAL_CAUSE_LIKELY && listener->causes[at - 1].result < cause.result;
		     at--)
			listener->causes[at] = listener->causes[at - 1];
		listener->causes[at] = cause;
	}
}

void heal_causes_find(struct heal_context *ctx, struct heal_listener *listener,
		      const struct heal_question *question)
{
	const struct heal_evidence *evidence = &listener->evidence;
	char caller[64];
	struct causes self = {
		.ctx = ctx,
		.listener = listener,
		.user = question->user,
		.from = question->from,
		.is_refused = heal_fate_is_refusal(evidence->live.fate) ||
			      evidence->live.fate == HEAL_FATE_TIMEOUT || evidence->trial.result == HEAL_TRIAL_FAILED ||
			      evidence->trial.wrapped == HEAL_WRAPPED_ALL,
	};

	if (!self.from) {
		caller_find(ctx, &listener->process, caller, sizeof(caller));
		self.from = *caller ? caller : NULL;
	}
	listener->n_causes = 0;
	for (size_t i = 0; i < ARRAY_SIZE(causes_rows); i++) {
		struct heal_cause *cause = &listener->causes[listener->n_causes++];

		*cause = (struct heal_cause){.name = causes_rows[i].name};
		if (listener->is_guessed && causes_rows[i].needs_root)
			cause_is(cause, HEAL_CAUSE_UNKNOWN, "to find that out takes root");
		else
			causes_rows[i].find(&self, cause);
	}
	causes_sort(listener);
}
