/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a listener's facts mean. */
#include "judge/verdict.h"

#include <stddef.h>

#include "base/cleanup.h"
#include "judge/facts.h"
#include "report.h"

enum heal_verdict heal_verdict_of(uint64_t facts)
{
	/* The first row of which one fact holds. */
	static const struct {
		uint64_t any;
		enum heal_verdict verdict;
	} rows[] = {
		{HEAL_FACT_FOREIGN, HEAL_VERDICT_FOREIGN},
		{HEAL_FACT_FAILED | HEAL_FACT_ENDED, HEAL_VERDICT_DOWN},
		{HEAL_FACT_ABSENT, HEAL_VERDICT_AT_RISK},
		{HEAL_FACT_REFUSING | HEAL_FACT_LACKING, HEAL_VERDICT_REFUSING},
		{HEAL_FACT_STALE, HEAL_VERDICT_STALE},
		{HEAL_FACT_UNTRIED | HEAL_FACT_UNSEEN, HEAL_VERDICT_UNKNOWN},
		{HEAL_FACT_TRIAL_FAILED | HEAL_FACT_KEY_CHANGED | HEAL_FACT_MOVES | HEAL_FACT_DOOMED,
		 HEAL_VERDICT_AT_RISK},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (facts & rows[i].any)
			return rows[i].verdict;
	return HEAL_VERDICT_HEALTHY;
}
