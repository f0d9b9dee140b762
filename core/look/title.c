/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an sshd is, by its title or arguments. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "look/title.h"

#include "base/text.h"

/*
 * Whether the arguments make sshd something else than a listener: -i serves one
 * connection, -R was re-executed for one, -t -T -G -V only test or tell, sshd(8).
 */
static bool title_is_child(const char *cmdline, size_t len)
{
	const char *end = cmdline + len;
	const char *arg = memchr(cmdline, '\0', len);

	while (arg && ++arg < end) {
		const char *next = memchr(arg, '\0', (size_t)(end - arg));

		if (arg[0] != '-')
			return false;
		for (const char *c = arg + 1; next && c < next; c++) {
			if (strchr("iRtTGV", *c))
				return true;
			if (!strchr("bCcEfghkopu", *c))
				continue;
			/* An option with a value, in this argument or the next. */
			if (c + 1 == next && next + 1 < end)
				next = memchr(next + 1, '\0', (size_t)(end - next - 1));
			break;
		}
		arg = next;
	}
	return false;
}

static bool title_has(const char *title, size_t len, const char *mark)
{
	return memmem(title, len, mark, strlen(mark)) != NULL;
}

size_t title_name(const char *cmdline, size_t len)
{
	size_t i = 4;

	if (len < 4 || memcmp(cmdline, "sshd", 4) != 0)
		return 0;
	while (i < len && cmdline[i] && !strchr(" :/", cmdline[i]))
		i++;
	return len - i > 2 && cmdline[i] == ':' && cmdline[i + 1] == ' ' ? i + 2 : 0;
}

int title_program(const char *cmdline, size_t len, const char *exe, char **ret)
{
	size_t skip = title_name(cmdline, len);
	const char *text = cmdline + skip;
	size_t end = strnlen(text, len - skip);
	size_t n = strlen(exe);

	*ret = NULL;
	if (skip) {
		const char *blank = memchr(text, ' ', end);

		if (end > n && memcmp(text, exe, n) == 0 && text[n] == ' ')
			blank = text + n;
		end = blank ? (size_t)(blank - text) : 0;
	}
	if (end < 2 || *text != '/')
		return 0;
	*ret = heal_strndup(text, end);
	return *ret ? 0 : -ENOMEM;
}

enum heal_title title_classify(const char *cmdline, size_t len)
{
	size_t skip;

	if (len == 0)
		return HEAL_TITLE_OTHER;
	skip = title_name(cmdline, len);
	/* Before 8.2 a listener has no title, only its argv. */
	if (!skip)
		return title_is_child(cmdline, len) ? HEAL_TITLE_OTHER : HEAL_TITLE_LISTENER;
	cmdline += skip;
	len -= skip;
	/*
	 * sshd insists on an absolute argv[0], and no user name begins with a slash: so
	 * it is known even where the title found too little room for its end.
	 */
	if (cmdline[0] == '/' || title_has(cmdline, len, " [listener]"))
		return HEAL_TITLE_LISTENER;
	if (cmdline[0] == '[' || title_has(cmdline, len, " [net]") ||
	    title_has(cmdline, len, " [accepted]") ||
	    (len >= 8 && memcmp(cmdline, "unknown ", 8) == 0))
		return HEAL_TITLE_OTHER;
	return HEAL_TITLE_SESSION;
}

bool title_is_full(const char *title)
{
	static const char mark[] = " [listener] ";
	const char *load = strstr(title, mark);
	unsigned now;
	unsigned begin;

	return load && sscanf(load + strlen(mark), "%9u of %9u-", &now, &begin) == 2 && now >= begin;
}
