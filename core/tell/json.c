/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report as JSON, by its module. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tell/json.h"

#include "base/error.h"
#include "host/context.h"
#include "host/module.h"
#include "report.h"

int heal_report_json(struct heal_context *ctx, FILE *out, const struct heal_report *report,
		     struct heal_error *error)
{
	const struct report_ops *ops;
	const void *found;
	int r = heal_context_load(ctx, "report-json", HEAL_REPORT_OPS_SYMBOL, &found, error);

	if (r < 0)
		return r;
	ops = found;
	r = ops->write(out, report);
	return r < 0 ? heal_error_set(error, -r, "writing the report: %s", strerror(-r)) : 0;
}
