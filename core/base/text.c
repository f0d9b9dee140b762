/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts: made safe to print, cut, appended to. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#include "base/cleanup.h"

void heal_safe(char *dst, size_t size, const char *src)
{
	static const char hex[] = "0123456789abcdef";
	size_t used = 0;

	if (size == 0)
		return;
	for (; *src; src++) {
		unsigned char c = (unsigned char)*src;
		bool is_plain = c >= 0x20 && c < 0x7f && c != '\\';

		if (used + (is_plain ? 1 : 4) >= size)
			break;
		if (is_plain) {
			dst[used++] = (char)c;
			continue;
		}
		dst[used++] = '\\';
		dst[used++] = 'x';
		dst[used++] = hex[c >> 4];
		dst[used++] = hex[c & 15];
	}
	dst[used] = '\0';
}

void heal_vsafe(char *dst, size_t size, const char *fmt, va_list args)
{
	char raw[1024];

	if (vsnprintf(raw, sizeof(raw), fmt, args) < 0)
		raw[0] = '\0';
	heal_safe(dst, size, raw);
}

void heal_append(char *dst, size_t size, const char *fmt, ...)
{
	size_t used = strnlen(dst, size);
	va_list args;

	va_start(args, fmt);
	heal_vsafe(dst + used, size - used, fmt, args);
	va_end(args);
}

char *heal_strndup(const char *s, size_t len)
{
	char *copy = malloc(len + 1);

	if (!copy)
		return NULL;
	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

const char *heal_next_line(const char **cursor, const char *end, size_t *len)
{
	const char *line = *cursor;
	const char *newline;

	if (line >= end)
		return NULL;
	newline = memchr(line, '\n', (size_t)(end - line));
	*len = (size_t)((newline ? newline : end) - line);
	*cursor = newline ? newline + 1 : end;
	return line;
}

const char *heal_canonical(const char *path, size_t *len, bool is_usr_merged)
{
	static const char *const merged[] = {"/lib/", "/lib64/", "/lib32/", "/libx32/", "/bin/", "/sbin/"};

	if (!is_usr_merged || *len < 5 || memcmp(path, "/usr/", 5) != 0)
		return path;
	for (size_t i = 0; i < ARRAY_SIZE(merged); i++) {
		size_t n = strlen(merged[i]);

		if (*len - 4 > n && memcmp(path + 4, merged[i], n) == 0) {
			*len -= 4;
			return path + 4;
		}
	}
	return path;
}
