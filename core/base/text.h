/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts: made safe to print, cut, appended to. */
#ifndef SSHD_HEAL_BASE_TEXT_H
#define SSHD_HEAL_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

/*
 * Copies a string so that it can be printed: everything that is not printable
 * ASCII, and the backslash, becomes \xNN. Always terminated; cut at size.
 */
void heal_safe(char *dst, size_t size, const char *src);

/* The same of what printf(3) would print of up to 1,023 characters. */
void heal_vsafe(char *dst, size_t size, const char *fmt, va_list args) _printf_(3, 0);

/* Appends to a string, made safe to print; what does not fit into its size is left out. */
void heal_append(char *dst, size_t size, const char *fmt, ...) _printf_(3, 4);

/* strdup for a piece; NULL when out of memory. */
char *heal_strndup(const char *s, size_t len);

/* The next line of a buffer, or NULL at its end; the newline is not part of it. */
const char *heal_next_line(const char **cursor, const char *end, size_t *len);

/*
 * Gives one name for both names of a file on a host with merged /usr:
 * "/usr/lib/x" becomes "/lib/x". Changes len with it.
 */
const char *heal_canonical(const char *path, size_t *len, bool is_usr_merged);

#endif
