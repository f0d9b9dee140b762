/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line that a unit starts sshd with: systemd.exec(5)'s environment
 * files, systemd.service(5)'s expansion, and which of sshd(8)'s options a trial keeps.
 */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "try/arguments.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "base/words.h"
#include "look/title.h"

static void arguments_trim(const char **text, size_t *len)
{
	while (*len && isspace((unsigned char)**text)) {
		(*text)++;
		(*len)--;
	}
	while (*len && isspace((unsigned char)(*text)[*len - 1]))
		(*len)--;
}

/* A value without quotes around it: a backslash takes the next character. */
static void arguments_unescape(const char *text, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\\' && i + 1 < len)
			i++;
		*out++ = text[i];
	}
	*out = '\0';
}

/* "NAME=value" of one line; comments and what is no assignment are passed over. */
static int arguments_parse_assignment(const char *line, size_t len, struct heal_words *environment)
{
	_cleanup_free_ char *word = NULL;
	const char *equals;
	const char *value;
	size_t name_len;
	size_t n;

	arguments_trim(&line, &len);
	equals = len ? memchr(line, '=', len) : NULL;
	if (!equals || *line == '#' || *line == ';' || memchr(line, '\0', len))
		return 0;
	value = equals + 1;
	len -= (size_t)(value - line);
	name_len = (size_t)(equals - line);
	arguments_trim(&line, &name_len);
	arguments_trim(&value, &len);
	word = malloc(name_len + len + 2);
	if (!word)
		return -ENOMEM;
	memcpy(word, line, name_len);
	word[name_len] = '=';
	/* Quotes count only where the value begins with one; else they are part of it. */
	if (len && (*value == '"' || *value == '\''))
		(void)words_unquote(value, len, false, word + name_len + 1, &n);
	else
		arguments_unescape(value, len, word + name_len + 1);
	return name_len ? heal_words_add(environment, word, strlen(word)) : 0;
}

int arguments_parse_environment(const char *buf, size_t len, struct heal_words *environment)
{
	_cleanup_free_ char *joined = malloc(len + 1);
	const char *cursor;
	const char *line;
	size_t line_len = 0;
	size_t n = 0;

	if (!joined)
		return -ENOMEM;
	/* A backslash at the end of a line joins it with the next one. */
	for (size_t i = 0; i < len; i++) {
		if (buf[i] == '\\' && i + 1 < len) {
			if (buf[++i] == '\n')
				continue;
			joined[n++] = '\\';
		}
		joined[n++] = buf[i];
	}
	cursor = joined;
	while ((line = heal_next_line(&cursor, joined + n, &line_len)))
		if (arguments_parse_assignment(line, line_len, environment) < 0)
			return -ENOMEM;
	return 0;
}

/* The last assignment wins, as files come behind Environment=. "" when there is none. */
static const char *arguments_lookup(const struct heal_words *environment, const char *name, size_t len)
{
	for (size_t i = environment->count; i-- > 0;)
		if (strncmp(environment->items[i], name, len) == 0 &&
		    environment->items[i][len] == '=')
			return environment->items[i] + len + 1;
	return "";
}

const char *arguments_find_loader_variable(const struct heal_words *environment)
{
	/* ld.so(8), openssl-env(7), glibc's tunables: they change which code sshd runs. */
	static const char *const prefixes[] = {"LD_", "OPENSSL_", "GLIBC_TUNABLES", "MALLOC_"};

	for (size_t i = 0; i < environment->count; i++)
		for (size_t j = 0; j < ARRAY_SIZE(prefixes); j++)
			if (strncmp(environment->items[i], prefixes[j], strlen(prefixes[j])) == 0)
				return environment->items[i];
	return NULL;
}

/* ${NAME} inside a word, and $$; memory comes from the stream. */
static int arguments_expand_inside(const char *word, const struct heal_words *environment,
			      struct heal_words *argv)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return -ENOMEM;
	for (const char *p = word; *p; p++) {
		const char *end = p[0] == '$' && p[1] == '{' ? strchr(p, '}') : NULL;

		if (end) {
			(void)fputs(arguments_lookup(environment, p + 2, (size_t)(end - p - 2)), out);
			p = end;
			continue;
		}
		if (p[0] == '$' && p[1] == '$')
			p++;
		(void)fputc(*p, out);
	}
	if (fclose(out) != 0)
		return -ENOMEM;
	return heal_words_add(argv, text, len);
}

int arguments_expand(const struct heal_words *command, const struct heal_words *environment,
		struct heal_words *argv)
{
	for (size_t i = 0; i < command->count; i++) {
		const char *word = command->items[i];
		int r;

		if (word[0] == '$' && (isalpha((unsigned char)word[1]) || word[1] == '_'))
			r = words_split(arguments_lookup(environment, word + 1, strlen(word + 1)), argv);
		else
			r = arguments_expand_inside(word, environment, argv);
		if (r < 0)
			return r;
	}
	return 0;
}

int arguments_build(const char *path, const char *const *flags, const struct heal_words *options,
	       struct heal_words *argv)
{
	int r = heal_words_add(argv, path, strlen(path));

	for (; r == 0 && *flags; flags++)
		r = heal_words_add(argv, *flags, strlen(*flags));
	return r < 0 ? r : heal_words_copy(options, argv);
}

bool arguments_is_title_of(const char *title, const struct heal_words *argv)
{
	size_t skip = title_name(title, strlen(title));

	if (!skip)
		return false;
	/* A blank is before each of them, the first one too. */
	title += skip - 1;
	for (size_t i = 0; i < argv->count; i++) {
		size_t len = strlen(argv->items[i]);

		if (title[0] != ' ' || strncmp(title + 1, argv->items[i], len) != 0)
			return false;
		title += 1 + len;
	}
	return strncmp(title, " [listener]", 11) == 0;
}

/* Whether an argument ends with an option whose value is the next one. */
static bool arguments_wants_value(const char *word)
{
	size_t flags = *word == '-' ? 1 + strspn(word + 1, "Ddeq46") : 0;

	return flags && word[flags] && strchr("bCcEfghkopu", word[flags]) && !word[flags + 1];
}

/* Puts words that follow an option's value back to it: whoever listens has no other words. */
static int arguments_join(const struct heal_words *words, struct heal_words *argv)
{
	for (size_t i = 0; i < words->count; i++) {
		const char *word = words->items[i];
		char **last = argv->count ? &argv->items[argv->count - 1] : NULL;
		char *joined;

		if (!last || i < 2 || *word == '-' || arguments_wants_value(*last)) {
			if (heal_words_add(argv, word, strlen(word)) < 0)
				return -ENOMEM;
			continue;
		}
		if (asprintf(&joined, "%s %s", *last, word) < 0)
			return -ENOMEM;
		free(*last);
		*last = joined;
	}
	return 0;
}

int arguments_of_title(const char *title, size_t len, struct heal_words *argv)
{
	_cleanup_(heal_words_done) struct heal_words words = {0};
	_cleanup_free_ char *text = NULL;
	size_t skip = title_name(title, len);
	const char *end;
	int r;

	if (!skip)
		return words_split_nul(title, len, argv);
	title += skip;
	end = strstr(title, " [listener]");
	if (!end)
		return -EINVAL;
	text = heal_strndup(title, (size_t)(end - title));
	r = text ? words_split(text, &words) : -ENOMEM;
	return r < 0 ? r : arguments_join(&words, argv);
}

/* Called for each option; value is NULL for those that have none. */
typedef int (*arguments_option_fn)(void *user, char option, const char *value);

/* Walks over arguments as sshd does, getopt(3). -EINVAL for one that no listener has. */
static int arguments_each_option(const struct heal_words *argv, arguments_option_fn fn, void *user)
{
	for (size_t i = 1; i < argv->count; i++) {
		const char *arg = argv->items[i];
		int r = 0;

		if (arg[0] != '-' || !arg[1])
			return -EINVAL;
		for (const char *c = arg + 1; r == 0 && *c; c++) {
			const char *value = c + 1;

			if (!strchr("bCcEfghkopu", *c)) {
				/* -D -d -e -q, and -4 -6; the rest no listener has. */
				r = strchr("Ddeq46", *c) ? fn(user, *c, NULL) : -EINVAL;
				continue;
			}
			/* In the same argument or in the next one. */
			if (!*value)
				value = i + 1 < argv->count ? argv->items[++i] : NULL;
			r = value ? fn(user, *c, value) : -EINVAL;
			break;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

struct arguments_value {
	char option;
	const char *value;
};

static int arguments_take(void *user, char option, const char *value)
{
	struct arguments_value *wanted = user;

	if (option == wanted->option)
		wanted->value = value;
	return 0;
}

const char *arguments_find(const struct heal_words *argv, char option)
{
	struct arguments_value wanted = {.option = option};

	return arguments_each_option(argv, arguments_take, &wanted) < 0 ? NULL : wanted.value;
}

/* All but how it runs, and -E and -q, which would take its words away. */
static int arguments_keep(void *user, char option, const char *value)
{
	struct heal_words *kept = user;
	const char flag[] = {'-', option, '\0'};

	if (strchr("DdeEq", option))
		return 0;
	if (heal_words_add(kept, flag, 2) < 0 ||
	    (value && heal_words_add(kept, value, strlen(value)) < 0))
		return -ENOMEM;
	return 0;
}

int arguments_trial_options(const struct heal_words *argv, struct heal_words *kept)
{
	return arguments_each_option(argv, arguments_keep, kept);
}

/* The file that "Keyword value" or "Keyword=value" names; NULL when it names none. */
static const char *arguments_file_of_keyword(const char *text)
{
	/* Those whose names sshd looks up from its working directory, sshd_config(5). */
	static const char *const keywords[] = {
		"HostKey", "HostCertificate", "HostKeyAgent", "SecurityKeyProvider", "PidFile",
		"Banner", "RevokedKeys", "TrustedUserCAKeys", "ModuliFile", "ChrootDirectory",
		"XAuthLocation",
	};
	size_t len;

	text += strspn(text, " \t");
	len = strcspn(text, "= \t");
	for (size_t i = 0; i < ARRAY_SIZE(keywords); i++)
		if (strlen(keywords[i]) == len && strncasecmp(text, keywords[i], len) == 0)
			return text + len + strspn(text + len, "= \t\"");
	return NULL;
}

/* Which of them is wanted, and what was found. */
struct arguments_search {
	size_t n_before;
	struct arguments_relative found;
};

static int arguments_match_relative(void *user, char option, const char *value)
{
	/* What stands for no file at all, sshd_config(5). */
	static const char *const no_files[] = {"none", "internal", "SSH_AUTH_SOCK"};
	struct arguments_search *search = user;
	const char *file = value && strchr("fhcE", option) ? value : NULL;

	if (value && option == 'o')
		file = arguments_file_of_keyword(value);
	if (!file || *file == '/' || !*file || search->found.option)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(no_files); i++)
		if (option == 'o' && strcasecmp(file, no_files[i]) == 0)
			return 0;
	if (search->n_before) {
		search->n_before--;
		return 0;
	}
	search->found = (struct arguments_relative){.option = option, .value = value, .file = file};
	return 0;
}

int arguments_find_relative(const struct heal_words *argv, size_t n, struct arguments_relative *ret)
{
	struct arguments_search search = {.n_before = n};
	int r = arguments_each_option(argv, arguments_match_relative, &search);

	if (r < 0 || !search.found.option)
		return r;
	*ret = search.found;
	return 1;
}
