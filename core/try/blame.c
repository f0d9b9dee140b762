/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file at fault, from the words of an sshd that would not work. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "try/blame.h"

#include "base/cleanup.h"
#include "base/text.h"

static bool blame_is_end(char c)
{
	return c == '\0' || isspace((unsigned char)c) || strchr(":;,'\"()", c);
}

/* The end of a name that starts at p. */
static size_t blame_name_len(const char *p)
{
	size_t len = 0;

	while (!blame_is_end(p[len]))
		len++;
	while (len && p[len - 1] == '.')
		len--;
	return len;
}

/* The same for one sentence of sshd's; NULL when it names no file. */
static char *blame_sentence(const char *words, const char *library_dir)
{
	/* ld.so(8): "PROGRAM: error while loading shared libraries: libpam.so.0: cannot open ..." */
	static const char loader[] = "error while loading shared libraries: ";
	const char *library = strstr(words, loader);
	char path[512];
	size_t len;

	if (library) {
		library += strlen(loader);
		len = blame_name_len(library);
		if (*library == '/')
			return heal_strndup(library, len);
		if (!library_dir)
			return NULL;
		(void)snprintf(path, sizeof(path), "%s/%.*s", library_dir, (int)len, library);
		return strdup(path);
	}
	for (const char *p = words; *p; p++) {
		if (*p != '/' || (p > words && !blame_is_end(p[-1])))
			continue;
		len = blame_name_len(p);
		if (len > 1)
			return heal_strndup(p, len);
	}
	return NULL;
}

char *blame_find_path(const char *words, const char *library_dir)
{
	/* sshd(8) names the keys that were configured; about its default ones it is silent. */
	static const char no_keys[] = "no hostkeys available";
	static const char default_key[] = "/etc/ssh/ssh_host_ed25519_key";
	_cleanup_free_ char *copy = strdup(words);
	char *path = NULL;

	/* What ended sshd is what it said last. */
	while (copy && !path) {
		char *last = memrchr(copy, ';', strlen(copy));

		path = blame_sentence(last ? last + 1 : copy, library_dir);
		if (!last)
			break;
		*last = '\0';
	}
	return !path && strstr(words, no_keys) ? strdup(default_key) : path;
}
