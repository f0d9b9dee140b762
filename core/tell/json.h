/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report as JSON. */
#ifndef SSHD_HEAL_TELL_JSON_H
#define SSHD_HEAL_TELL_JSON_H

#include <stdio.h>

#include "base/error.h"
#include "host/context.h"
#include "report.h"

/* Writes the report as one JSON object and a newline. Errors: those of loading json-c, -EIO. */
int heal_report_json(struct heal_context *ctx, FILE *out, const struct heal_report *report,
		     struct heal_error *error);

#endif
