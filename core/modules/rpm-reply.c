/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the child that asks librpm tells: texts with a NUL behind each. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "host/module.h"
#include "package-rpm.h"

static const char ok[] = "ok";
static const char failed[] = "failed";

int rpm_reply_write(FILE *out, size_t index, const struct heal_package *package)
{
	int n = fprintf(out, "%zu%c%s%c%s%c%s%c%" PRId64 "%c", index, 0, package->name, 0,
			package->source, 0, package->version, 0, package->install_time, 0);

	return n < 0 ? -EIO : 0;
}

void rpm_reply_end(FILE *out)
{
	(void)fwrite(ok, sizeof(ok), 1, out);
}

void rpm_reply_fail(FILE *out, const char *why)
{
	(void)fprintf(out, "%s%c%s%c", failed, 0, why, 0);
}

/* The next text; NULL when there is no whole one. */
static const char *rpm_reply_text(const char **cursor, const char *end)
{
	const char *text = *cursor;
	const char *nul = text < end ? memchr(text, '\0', (size_t)(end - text)) : NULL;

	if (!nul)
		return NULL;
	*cursor = nul + 1;
	return text;
}

/* Returns 0, or -EPROTO when a text is missing, or -ENOMEM. */
static int rpm_reply_package(const char **cursor, const char *end, struct heal_package *ret)
{
	_cleanup_(heal_package_done) struct heal_package package = {0};
	char **const texts[] = {&package.name, &package.source, &package.version};
	const char *text;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		text = rpm_reply_text(cursor, end);
		if (!text)
			return -EPROTO;
		*texts[i] = strdup(text);
		if (!*texts[i])
			return -ENOMEM;
	}
	text = rpm_reply_text(cursor, end);
	if (!text)
		return -EPROTO;
	package.install_time = strtoll(text, NULL, 10);
	heal_package_done(ret);
	*ret = package;
	package = (struct heal_package){0};
	return 0;
}

int rpm_reply_parse(const char *reply, size_t len, struct heal_package *packages, size_t n,
		    struct heal_error *error)
{
	const char *cursor = reply;
	const char *end = reply + len;
	const char *word;
	int r = -EPROTO;

	while ((word = rpm_reply_text(&cursor, end))) {
		size_t index = strtoul(word, NULL, 10);

		r = -EPROTO;
		if (strcmp(word, ok) == 0)
			return 0;
		if (strcmp(word, failed) == 0 && (word = rpm_reply_text(&cursor, end)))
			return heal_error_set(error, EIO, "%s", word);
		if (!word || *word < '0' || *word > '9' || index >= n)
			break;
		r = rpm_reply_package(&cursor, end, &packages[index]);
		if (r < 0)
			break;
		r = -EPROTO;
	}
	return heal_error_set(error, -r, "asking the rpm database: %s",
			      r == -ENOMEM ? "out of memory" : "the answer broke off");
}
