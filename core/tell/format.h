/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a report may be told. */
#ifndef SSHD_HEAL_TELL_FORMAT_H
#define SSHD_HEAL_TELL_FORMAT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "host/context.h"
#include "report.h"

struct heal_format {
	const char *name; /* as --format= has it */
	/* A program reads it: notes go elsewhere, and without it nothing is known. */
	bool is_for_programs;
	/* Errors: those of out, of a library that is not there; with a message. */
	int (*write)(struct heal_context *ctx, FILE *out, const struct heal_report *report,
		     enum heal_verb verb, struct heal_error *error);
};

/* The first one is the usual one; the last has no name. */
extern const struct heal_format heal_formats[];

/* NULL for a name that is none. */
const struct heal_format *heal_format_find(const char *name);

#endif
