/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What failed, and lines about it. */
#ifndef SSHD_HEAL_BASE_ERROR_H
#define SSHD_HEAL_BASE_ERROR_H

#include <errno.h>
#include <stddef.h>

#include "base/cleanup.h"

/* What a person is told when something failed: what was being tried, on what. */
struct heal_error {
	int code;          /* errno value, positive */
	char message[512]; /* printable, no newline */
};

/* Lines about what could not be found out, in the order they came up. */
struct heal_notes {
	char **lines;
	size_t count;
};
void heal_error_fill(struct heal_error *error, int code, const char *fmt, ...) _printf_(3, 4);
/* Says what failed; error may be NULL. Gives -code, a positive errno value. */
#define heal_error_set(error, code, ...)               \
	({                                             \
		int _code = (code);                    \
                                                       \
		heal_error_fill(error, _code, __VA_ARGS__); \
		_code > 0 ? -_code : -EIO;             \
	})
int heal_notes_add(struct heal_notes *notes, const char *fmt, ...) _printf_(2, 3);
void heal_notes_done(struct heal_notes *notes);

#endif
