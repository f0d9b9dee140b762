/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the names of rpm files and of shared libraries tell. */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "package-rpm.h"

static const char so[] = ".so";
#define SO_LEN (sizeof(so) - 1)

size_t rpm_source_len(const char *sourcerpm)
{
	size_t len = strlen(sourcerpm);

	/* name-version-release.src.rpm: neither version nor release has a dash, rpm-version(7). */
	for (int dashes = 0; len > 0 && dashes < 2;)
		if (sourcerpm[--len] == '-')
			dashes++;
	return len;
}

/* The end of the name proper: "libcrypto.so" of "libcrypto.so.3.0.7". NULL: no library. */
static const char *rpm_so_end(const char *name, size_t len)
{
	const char *found = len > SO_LEN ? memmem(name + 1, len - 1, so, SO_LEN) : NULL;

	return found ? found + SO_LEN : NULL;
}

size_t rpm_soname_len(const char *name, size_t len)
{
	const char *end = rpm_so_end(name, len);
	const char *dot = end ? memrchr(end, '.', (size_t)(name + len - end)) : NULL;

	return dot && dot > end ? (size_t)(dot - name) : 0;
}

static bool rpm_is_version(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isdigit((unsigned char)text[i]) && text[i] != '.')
			return false;
	return len > 0 && isdigit((unsigned char)text[0]);
}

bool rpm_is_soname_of(const char *link, const char *name)
{
	size_t len = strlen(name);
	const char *dash = memchr(name, '-', len);
	size_t stem = dash ? (size_t)(dash - name) : 0;

	if (!stem || len < stem + 1 + SO_LEN || strcmp(name + len - SO_LEN, so) != 0 ||
	    !rpm_is_version(dash + 1, len - stem - 1 - SO_LEN))
		return false;
	return strncmp(link, name, stem) == 0 && strncmp(link + stem, ".so.", 4) == 0 &&
	       rpm_is_version(link + stem + 4, strlen(link + stem + 4));
}
