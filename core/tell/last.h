/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is kept of a run for who asks later: the last report, and what was told. */
#ifndef SSHD_HEAL_TELL_LAST_H
#define SSHD_HEAL_TELL_LAST_H

#include <stdio.h>

#include "host/context.h"
#include "host/request.h"
#include "report.h"

/* Puts the report for people into /run/sshd-heal/report.txt. Errors: those of the file. */
int heal_last_write(struct heal_context *ctx, const struct heal_report *report);

/*
 * Tells an answer: in one line what was told within a day, word for word, unless it is no
 * warning. What could not be written was not told; what cannot be remembered is told in full.
 */
void heal_told_write(struct heal_context *ctx, const struct heal_answer *answer, FILE *out);

#endif
