/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verdict on a listener, from its facts alone. */
#ifndef SSHD_HEAL_JUDGE_VERDICT_H
#define SSHD_HEAL_JUDGE_VERDICT_H

#include <stdint.h>

#include "report.h"

enum heal_verdict heal_verdict_of(uint64_t facts);

#endif
