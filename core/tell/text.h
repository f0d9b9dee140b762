/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report for people. */
#ifndef SSHD_HEAL_TELL_TEXT_H
#define SSHD_HEAL_TELL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "report.h"

/* Writes the report for people. Hooks get nothing, no note either, when there is no news. */
int heal_report_text(FILE *out, const struct heal_report *report, enum heal_verb verb);

/* The same into memory, the caller's to free, even with an error. Also -ENOMEM. */
int heal_report_string(const struct heal_report *report, enum heal_verb verb, char **ret,
		       size_t *ret_len);

/* Whether a hook and the log tell of it: all is well is nothing, what could not be tried is no news. */
bool heal_listener_is_news(const struct heal_listener *listener);

/*
 * Writes the one line that goes to syslog for such a listener, without a
 * newline. Returns its priority (LOG_NOTICE, LOG_WARNING or LOG_CRIT).
 */
int heal_report_log(FILE *out, const struct heal_listener *listener);

#endif
