/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan for a listener, from its facts alone. */
#ifndef SSHD_HEAL_JUDGE_PLAN_H
#define SSHD_HEAL_JUDGE_PLAN_H

#include "report.h"

/* The plan for one listener: the first row of the table that its facts match. */
struct heal_decision heal_plan_of(unsigned facts);

#endif
