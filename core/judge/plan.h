/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan for a listener, from its facts alone. */
#ifndef SSHD_HEAL_JUDGE_PLAN_H
#define SSHD_HEAL_JUDGE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "report.h"

struct heal_decision {
	enum heal_plan plan;
	const char *reason; /* static text */
	bool is_passing;    /* the reason: worth another try, later */
};

/* The plan for one listener: the first row of the table that its facts match. */
struct heal_decision heal_plan_of(uint64_t facts);

/*
 * What an administrator may be told to do by hand instead of what is not done: RELOAD,
 * RESTART, START or HUP, and NONE unless the only reason is that we are not to do it, or not to
 * apply what else it would take up.
 */
enum heal_plan heal_advice_of(uint64_t facts);

#endif
