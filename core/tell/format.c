/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The formats of a report, one row each. */
#include <stdio.h>
#include <string.h>

#include "tell/format.h"

#include "base/error.h"
#include "host/context.h"
#include "host/module.h"
#include "report.h"
#include "tell/text.h"

static int format_text(struct heal_context *ctx, FILE *out, const struct heal_report *report,
		       enum heal_verb verb, struct heal_error *error)
{
	int r = heal_report_text(out, report, verb);

	(void)ctx;
	return r < 0 ? heal_error_set(error, -r, "writing the report to standard output failed") : 0;
}

/* One JSON object and a newline, by its module. */
static int format_json(struct heal_context *ctx, FILE *out, const struct heal_report *report,
		       enum heal_verb verb, struct heal_error *error)
{
	const struct report_ops *ops;
	const void *found;
	int r = heal_context_load(ctx, "report-json", HEAL_REPORT_OPS_SYMBOL, &found, error);

	(void)verb;
	if (r < 0)
		return r;
	ops = found;
	r = ops->write(out, report);
	return r < 0 ? heal_error_set(error, -r, "writing the report: %s", strerror(-r)) : 0;
}

const struct heal_format heal_formats[] = {
	{"text", false, format_text},
	{"json", true, format_json},
	{NULL, false, NULL},
};

const struct heal_format *heal_format_find(const char *name)
{
	for (const struct heal_format *format = heal_formats; format->name; format++)
		if (strcmp(format->name, name) == 0)
			return format;
	return NULL;
}
