/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The causes of a listener's troubles, for people. */
#ifndef SSHD_HEAL_TELL_CAUSES_H
#define SSHD_HEAL_TELL_CAUSES_H

#include <stdio.h>

#include "report.h"

/* All of them, a line each, and the one that it is at last. */
void heal_causes_text(FILE *out, const struct heal_listener *listener);
/* What to type against the one that was shown, for a report that tells the rest of it. */
void heal_causes_advice(FILE *out, const struct heal_listener *listener);

#endif
