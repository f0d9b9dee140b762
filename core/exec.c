/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line that a unit starts sshd with: systemd.exec(5)'s environment
 * files, systemd.service(5)'s expansion, and which of sshd(8)'s options a trial keeps.
 */
#include <ctype.h>
#include <strings.h>

#include "internal.h"

int heal_words_add(struct heal_words *words, const char *text, size_t len)
{
	char *copy;

	/* Room for the NULL at the end, too. */
	if (words->count % 8 == 0) {
		char **grown = reallocarray(words->items, words->count + 9, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		words->items = grown;
	}
	copy = heal_strndup(text, len);
	if (!copy)
		return -ENOMEM;
	words->items[words->count++] = copy;
	words->items[words->count] = NULL;
	return 0;
}

void heal_words_done(struct heal_words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->items[i]);
	free(words->items);
	*words = (struct heal_words){0};
}

bool heal_words_equal(const struct heal_words *a, const struct heal_words *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return true;
}

int heal_words_copy(const struct heal_words *from, struct heal_words *to)
{
	for (size_t i = 0; i < from->count; i++)
		if (heal_words_add(to, from->items[i], strlen(from->items[i])) < 0)
			return -ENOMEM;
	return 0;
}

/*
 * Takes one piece of text up to its end or an unquoted blank, without quotes and
 * backslashes: outside of quotes a backslash takes any character, in double quotes
 * only those that systemd.exec(5) names. out has room for len + 1 bytes. Returns
 * what was consumed.
 */
static size_t exec_unquote(const char *text, size_t len, bool stops_at_blank, char *out,
			   size_t *out_len)
{
	char quote = 0;
	size_t n = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		char c = text[i];

		if (quote ? c == quote : (c == '"' || c == '\'')) {
			quote = quote ? 0 : c;
			continue;
		}
		if (!quote && stops_at_blank && isspace((unsigned char)c))
			break;
		if (c == '\\' && i + 1 < len &&
		    (!quote || (quote == '"' && strchr("\"\\`$", text[i + 1]))))
			c = text[++i];
		out[n++] = c;
	}
	out[n] = '\0';
	*out_len = n;
	return i;
}

/* Splits at blanks outside of quotes, as systemd does with a $WORD of its own. */
int exec_split(const char *text, struct heal_words *words)
{
	size_t len = strlen(text);
	_cleanup_free_ char *word = malloc(len + 1);

	if (!word)
		return -ENOMEM;
	for (size_t i = 0; i < len;) {
		size_t word_len;

		if (isspace((unsigned char)text[i])) {
			i++;
			continue;
		}
		i += exec_unquote(text + i, len - i, true, word, &word_len);
		if (heal_words_add(words, word, word_len) < 0)
			return -ENOMEM;
	}
	return 0;
}

static void exec_trim(const char **text, size_t *len)
{
	while (*len && isspace((unsigned char)**text)) {
		(*text)++;
		(*len)--;
	}
	while (*len && isspace((unsigned char)(*text)[*len - 1]))
		(*len)--;
}

/* A value without quotes around it: a backslash takes the next character. */
static void exec_unescape(const char *text, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\\' && i + 1 < len)
			i++;
		*out++ = text[i];
	}
	*out = '\0';
}

/* "NAME=value" of one line; comments and what is no assignment are passed over. */
static int exec_parse_assignment(const char *line, size_t len, struct heal_words *environment)
{
	_cleanup_free_ char *word = NULL;
	const char *equals;
	const char *value;
	size_t name_len;
	size_t n;

	exec_trim(&line, &len);
	equals = len ? memchr(line, '=', len) : NULL;
	if (!equals || *line == '#' || *line == ';' || memchr(line, '\0', len))
		return 0;
	value = equals + 1;
	len -= (size_t)(value - line);
	name_len = (size_t)(equals - line);
	exec_trim(&line, &name_len);
	exec_trim(&value, &len);
	word = malloc(name_len + len + 2);
	if (!word)
		return -ENOMEM;
	memcpy(word, line, name_len);
	word[name_len] = '=';
	/* Quotes count only where the value begins with one; else they are part of it. */
	if (len && (*value == '"' || *value == '\''))
		(void)exec_unquote(value, len, false, word + name_len + 1, &n);
	else
		exec_unescape(value, len, word + name_len + 1);
	return name_len ? heal_words_add(environment, word, strlen(word)) : 0;
}

int exec_parse_environment(const char *buf, size_t len, struct heal_words *environment)
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
		if (exec_parse_assignment(line, line_len, environment) < 0)
			return -ENOMEM;
	return 0;
}

/* The last assignment wins, as files come behind Environment=. "" when there is none. */
static const char *exec_lookup(const struct heal_words *environment, const char *name, size_t len)
{
	for (size_t i = environment->count; i-- > 0;)
		if (strncmp(environment->items[i], name, len) == 0 &&
		    environment->items[i][len] == '=')
			return environment->items[i] + len + 1;
	return "";
}

const char *exec_find_loader_variable(const struct heal_words *environment)
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
static int exec_expand_inside(const char *word, const struct heal_words *environment,
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
			(void)fputs(exec_lookup(environment, p + 2, (size_t)(end - p - 2)), out);
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

int exec_expand(const struct heal_words *command, const struct heal_words *environment,
		struct heal_words *argv)
{
	for (size_t i = 0; i < command->count; i++) {
		const char *word = command->items[i];
		int r;

		if (word[0] == '$' && (isalpha((unsigned char)word[1]) || word[1] == '_'))
			r = exec_split(exec_lookup(environment, word + 1, strlen(word + 1)), argv);
		else
			r = exec_expand_inside(word, environment, argv);
		if (r < 0)
			return r;
	}
	return 0;
}

int exec_build(const char *path, const char *const *flags, const struct heal_words *options,
	       struct heal_words *argv)
{
	int r = heal_words_add(argv, path, strlen(path));

	for (; r == 0 && *flags; flags++)
		r = heal_words_add(argv, *flags, strlen(*flags));
	return r < 0 ? r : heal_words_copy(options, argv);
}

bool exec_is_title_of(const char *title, const struct heal_words *argv)
{
	static const char prefix[] = "sshd:";

	if (strncmp(title, prefix, strlen(prefix)) != 0)
		return false;
	title += strlen(prefix);
	for (size_t i = 0; i < argv->count; i++) {
		size_t len = strlen(argv->items[i]);

		if (title[0] != ' ' || strncmp(title + 1, argv->items[i], len) != 0)
			return false;
		title += 1 + len;
	}
	return strncmp(title, " [listener]", 11) == 0;
}

int exec_split_title(const char *title, struct heal_words *argv)
{
	static const char prefix[] = "sshd:";
	_cleanup_free_ char *text = NULL;
	const char *end;

	if (strncmp(title, prefix, strlen(prefix)) != 0)
		return -EINVAL;
	title += strlen(prefix);
	end = strstr(title, " [listener]");
	if (!end)
		return -EINVAL;
	text = heal_strndup(title, (size_t)(end - title));
	return text ? exec_split(text, argv) : -ENOMEM;
}

int exec_split_nul(const char *buf, size_t len, struct heal_words *argv)
{
	const char *end = buf + len;

	for (const char *word = buf; word < end; word += strnlen(word, (size_t)(end - word)) + 1)
		if (heal_words_add(argv, word, strnlen(word, (size_t)(end - word))) < 0)
			return -ENOMEM;
	return 0;
}

/* Called for each option; value is NULL for those that have none. */
typedef int (*exec_option_fn)(void *user, char option, const char *value);

/* Walks over arguments as sshd does, getopt(3). -EINVAL for one that no listener has. */
static int exec_each_option(const struct heal_words *argv, exec_option_fn fn, void *user)
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

/* What decides whom sshd lets in and where; not -E, which would take its words away. */
static int exec_keep(void *user, char option, const char *value)
{
	struct heal_words *kept = user;
	const char flag[] = {'-', option, '\0'};

	if (!value || !strchr("fohcugp", option))
		return 0;
	if (heal_words_add(kept, flag, 2) < 0 || heal_words_add(kept, value, strlen(value)) < 0)
		return -ENOMEM;
	return 0;
}

int exec_trial_options(const struct heal_words *argv, struct heal_words *kept)
{
	return exec_each_option(argv, exec_keep, kept);
}

/* The file that "Keyword value" or "Keyword=value" names; NULL when it names none. */
static const char *exec_file_of_keyword(const char *text)
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
struct exec_search {
	size_t n_before;
	struct exec_relative found;
};

static int exec_match_relative(void *user, char option, const char *value)
{
	/* What stands for no file at all, sshd_config(5). */
	static const char *const no_files[] = {"none", "internal", "SSH_AUTH_SOCK"};
	struct exec_search *search = user;
	const char *file = value && strchr("fhcE", option) ? value : NULL;

	if (value && option == 'o')
		file = exec_file_of_keyword(value);
	if (!file || *file == '/' || !*file || search->found.option)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(no_files); i++)
		if (option == 'o' && strcasecmp(file, no_files[i]) == 0)
			return 0;
	if (search->n_before) {
		search->n_before--;
		return 0;
	}
	search->found = (struct exec_relative){.option = option, .value = value, .file = file};
	return 0;
}

int exec_find_relative(const struct heal_words *argv, size_t n, struct exec_relative *ret)
{
	struct exec_search search = {.n_before = n};
	int r = exec_each_option(argv, exec_match_relative, &search);

	if (r < 0 || !search.found.option)
		return r;
	*ret = search.found;
	return 1;
}
