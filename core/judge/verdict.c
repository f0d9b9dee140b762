/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a listener's facts mean. */
#include "judge/verdict.h"

#include "judge/facts.h"
#include "report.h"

enum heal_verdict heal_verdict_of(uint64_t facts)
{
	if (facts & HEAL_FACT_FOREIGN)
		return HEAL_VERDICT_FOREIGN;
	if (facts & HEAL_FACT_ABSENT)
		return facts & (HEAL_FACT_FAILED | HEAL_FACT_ENDED) ? HEAL_VERDICT_DOWN
								    : HEAL_VERDICT_AT_RISK;
	if (facts & HEAL_FACT_REFUSING)
		return HEAL_VERDICT_REFUSING;
	return facts & HEAL_FACT_STALE ? HEAL_VERDICT_STALE : HEAL_VERDICT_HEALTHY;
}
