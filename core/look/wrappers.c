/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of TCP wrappers: not what follows from them, only whom they know. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "look/wrappers.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/words.h"
#include "host/context.h"

#define WRAPPERS_MAX (64u << 10)

/* The end of a field: a colon outside of the brackets of an IPv6 address, or the end. */
static size_t wrappers_field(const char *text, size_t len)
{
	bool is_bracketed = false;
	size_t i;

	for (i = 0; i < len && (is_bracketed || text[i] != ':'); i++)
		is_bracketed = text[i] == '[' || (is_bracketed && text[i] != ']');
	return i;
}

static size_t wrappers_skip(size_t at, size_t len)
{
	return at < len ? at + 1 : len;
}

static int wrappers_parse_line(const char *text, size_t len, unsigned line, wrappers_fn fn, void *user)
{
	struct wrappers_rule rule = {.line = line, .daemons = text};
	size_t at;

	if (len == 0 || *text == '#')
		return 0;
	at = rule.daemons_len = wrappers_field(text, len);
	/* Without a second field it is no rule. */
	if (at == len)
		return 0;
	at = wrappers_skip(at, len);
	rule.clients = text + at;
	rule.clients_len = wrappers_field(text + at, len - at);
	at = wrappers_skip(at + rule.clients_len, len);
	rule.options = text + at;
	rule.options_len = len - at;
	return fn(user, &rule);
}

int wrappers_parse(char *text, size_t len, wrappers_fn fn, void *user)
{
	unsigned line = 1;
	unsigned first = 1;
	size_t start = 0;
	int r = 0;

	for (size_t i = 0; i < len && r == 0; i++) {
		if (text[i] != '\n')
			continue;
		line++;
		if (i > start && text[i - 1] == '\\') {
			text[i - 1] = text[i] = ' ';
			continue;
		}
		r = wrappers_parse_line(text + start, i - start, first, fn, user);
		start = i + 1;
		first = line;
	}
	/* libwrap does not take a line that has no end. */
	return r;
}

/* Takes the next of the words that blanks and commas separate; NULL: there is none. */
static const char *wrappers_word(const char **cursor, const char *end, size_t *len)
{
	static const char between[] = " \t\r,";
	const char *word = *cursor;

	while (word < end && memchr(between, *word, sizeof(between)))
		word++;
	*cursor = word;
	while (*cursor < end && !memchr(between, **cursor, sizeof(between)))
		(*cursor)++;
	*len = (size_t)(*cursor - word);
	return *len ? word : NULL;
}

static bool wrappers_is(const char *word, size_t len, const char *name)
{
	return len == strlen(name) && strncasecmp(word, name, len) == 0;
}

bool wrappers_is_sshds(const struct wrappers_rule *rule)
{
	const char *cursor = rule->daemons;
	const char *word;
	size_t len;

	while ((word = wrappers_word(&cursor, rule->daemons + rule->daemons_len, &len)))
		if (wrappers_is(word, len, "ALL") || (len >= 4 && strncmp(word, "sshd", 4) == 0))
			return true;
	return false;
}

/* "10.", "192.0.2.": the first of the net. */
static bool wrappers_fill(char *address, size_t size)
{
	size_t len = strlen(address);
	int dots = 0;

	for (size_t i = 0; i < len; i++)
		dots += address[i] == '.';
	if (len == 0 || address[len - 1] != '.' || dots > 3)
		return false;
	for (; dots < 4 && len + 2 < size; dots++)
		len += (size_t)snprintf(address + len, size - len, dots < 3 ? "0." : "0");
	return true;
}

bool wrappers_source(const char *pattern, size_t len, char *ret, size_t size)
{
	char address[INET6_ADDRSTRLEN + 8];
	unsigned char bytes[sizeof(struct in6_addr)];
	char *rest = NULL;
	bool is_net;
	int family;

	/* user@host */
	for (const char *at; (at = memchr(pattern, '@', len)) && at > pattern; pattern = at + 1)
		len -= (size_t)(at + 1 - pattern);
	if (len > 0 && *pattern == '[') {
		pattern++;
		len--;
	}
	if (len == 0 || len >= INET6_ADDRSTRLEN)
		return false;
	memcpy(address, pattern, len);
	address[len] = '\0';
	rest = strpbrk(address, "]/");
	is_net = rest && strchr(rest, '/');
	if (rest)
		*rest = '\0';
	family = strchr(address, ':') ? AF_INET6 : AF_INET;
	if (family == AF_INET)
		is_net |= wrappers_fill(address, sizeof(address));
	if (inet_pton(family, address, bytes) != 1)
		return false;
	if (is_net)
		bytes[family == AF_INET ? 3 : 15] |= 1;
	return inet_ntop(family, bytes, ret, (socklen_t)size) != NULL;
}

struct wrappers_file {
	struct heal_wrappers *wrappers;
	bool is_deny;
};

/* Those of hosts.deny are let in who are exceptions there, or where an option says so. */
static int wrappers_add_clients(struct wrappers_file *file, const struct wrappers_rule *rule)
{
	struct heal_wrappers *wrappers = file->wrappers;
	const char *cursor = rule->clients;
	bool lets_in = !file->is_deny || rule->options_len;
	const char *word;
	size_t len;
	int r = 0;

	while (r == 0 && (word = wrappers_word(&cursor, rule->clients + rule->clients_len, &len))) {
		char source[INET6_ADDRSTRLEN];

		if (wrappers_source(word, len, source, sizeof(source)))
			r = heal_words_add(&wrappers->sources, source, strlen(source));
		else if (wrappers_is(word, len, "EXCEPT"))
			lets_in = true;
		else if (!wrappers_is(word, len, "ALL"))
			wrappers->has_names |= lets_in;
	}
	return r;
}

/* "spawn" and "twist" of hosts_options(5). */
static bool wrappers_runs(const struct wrappers_rule *rule)
{
	static const char *const names[] = {"spawn", "twist"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (memmem(rule->options, rule->options_len, names[i], strlen(names[i])))
			return true;
	return false;
}

static int wrappers_add(void *user, const struct wrappers_rule *rule)
{
	struct wrappers_file *file = user;

	file->wrappers->has_rules = true;
	if (!wrappers_is_sshds(rule))
		return 0;
	if (file->is_deny && !file->wrappers->deny_line)
		file->wrappers->deny_line = rule->line;
	file->wrappers->has_commands |= wrappers_runs(rule);
	return wrappers_add_clients(file, rule);
}

static int wrappers_load(struct heal_context *ctx, const char *path, struct wrappers_file *file)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = heal_read_at(heal_view(ctx), path, WRAPPERS_MAX, &text, &len);

	if (r == 0)
		r = wrappers_parse(text, len, wrappers_add, file);
	return r == -ENOENT ? 0 : r;
}

void heal_wrappers_load(struct heal_context *ctx, struct heal_wrappers *ret)
{
	struct wrappers_file allow = {.wrappers = ret};
	struct wrappers_file deny = {.wrappers = ret, .is_deny = true};

	ret->error = wrappers_load(ctx, "etc/hosts.allow", &allow);
	if (ret->error == 0)
		ret->error = wrappers_load(ctx, "etc/hosts.deny", &deny);
	if (ret->error < 0)
		ret->has_rules = ret->has_names = ret->has_commands = true;
}

void heal_wrappers_done(struct heal_wrappers *wrappers)
{
	heal_words_done(&wrappers->sources);
}
