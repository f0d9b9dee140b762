/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What failed, and lines about it. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#include "base/array.h"
#include "base/text.h"

void heal_error_fill(struct heal_error *error, int code, const char *fmt, ...)
{
	va_list args;

	if (!error)
		return;
	error->code = code;
	va_start(args, fmt);
	heal_vsafe(error->message, sizeof(error->message), fmt, args);
	va_end(args);
}

int heal_notes_add(struct heal_notes *notes, const char *fmt, ...)
{
	char safe[1024];
	char *line;
	va_list args;

	va_start(args, fmt);
	heal_vsafe(safe, sizeof(safe), fmt, args);
	va_end(args);
	line = strdup(safe);
	if (!line)
		return -ENOMEM;
	if (heal_grow(&notes->lines, notes->count, sizeof(*notes->lines)) < 0) {
		free(line);
		return -ENOMEM;
	}
	notes->lines[notes->count++] = line;
	return 0;
}

void heal_notes_done(struct heal_notes *notes)
{
	for (size_t i = 0; i < notes->count; i++)
		free(notes->lines[i]);
	free(notes->lines);
	*notes = (struct heal_notes){0};
}
