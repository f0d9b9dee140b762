/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The causes of a listener's troubles, for people. */
#include <stdio.h>

#include "tell/causes.h"

#include "report.h"

static void causes_line(FILE *out, const struct heal_cause *cause)
{
	static const char *const results[] = {
		[HEAL_CAUSE_OK] = "ok",
		[HEAL_CAUSE_UNKNOWN] = "unknown",
		[HEAL_CAUSE_LIKELY] = "problem, likely",
		[HEAL_CAUSE_SHOWN] = "problem, shown",
	};

	(void)fprintf(out, "  %s: %s: %s\n", cause->name, results[cause->result], cause->detail);
	if (*cause->advice && cause->result >= HEAL_CAUSE_LIKELY)
		(void)fprintf(out, "    type: %s\n", cause->advice);
}

void heal_causes_text(FILE *out, const struct heal_listener *listener)
{
	const struct heal_cause *first = &listener->causes[0];

	if (listener->n_causes == 0)
		return;
	for (size_t i = 0; i < listener->n_causes; i++)
		causes_line(out, &listener->causes[i]);
	(void)fputs("  not looked at: packet filters (nft list ruleset), fail2ban (fail2ban-client status sshd)\n", out);
	if (first->result >= HEAL_CAUSE_LIKELY)
		(void)fprintf(out, "the cause %s %s: %s\n", first->result == HEAL_CAUSE_SHOWN ? "is" : "may be",
			      first->name, first->detail);
	else
		(void)fprintf(out, "nothing was found on this host that keeps clients out%s\n",
			      listener->is_guessed ? ", without root" : "");
}

void heal_causes_advice(FILE *out, const struct heal_listener *listener)
{
	const struct heal_cause *first = &listener->causes[0];

	if (listener->n_causes && first->result == HEAL_CAUSE_SHOWN && *first->advice)
		(void)fprintf(out, "  the cause is %s; type: %s\n", first->name, first->advice);
}
