/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a listener's facts mean. */
#include "judge/verdict.h"

#include <stddef.h>

#include "base/cleanup.h"
#include "judge/facts.h"
#include "report.h"

enum heal_verdict heal_verdict_of(unsigned facts)
{
	/* The first row of which one fact holds. */
	static const struct {
		unsigned any;
		enum heal_verdict verdict;
	} rows[] = {
		{HEAL_FACT_FOREIGN, HEAL_VERDICT_FOREIGN},
		{HEAL_FACT_REFUSING, HEAL_VERDICT_REFUSING},
		{HEAL_FACT_STALE, HEAL_VERDICT_STALE},
		{HEAL_FACT_UNTRIED | HEAL_FACT_UNSEEN, HEAL_VERDICT_UNKNOWN},
		{HEAL_FACT_TRIAL_FAILED | HEAL_FACT_KEY_CHANGED | HEAL_FACT_MOVES, HEAL_VERDICT_AT_RISK},
		{~0u, HEAL_VERDICT_HEALTHY},
	};
	size_t i = 0;

	while (!(facts & rows[i].any) && i + 1 < ARRAY_SIZE(rows))
		i++;
	return rows[i].verdict;
}
