/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sshd_config(5), as far as its files go: Include, and the few keywords that name others. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "look/sshd-config.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "base/words.h"
#include "host/context.h"
#include "host/trust.h"

/* As deep as sshd goes, servconf.c. */
#define CONF_DEPTH_MAX 16
#define CONF_PATH_MAX 1024

struct conf_reader {
	struct heal_context *ctx;
	struct heal_sshd_config *config;
	struct heal_error *error;
	size_t n_matches;
	size_t n_bytes;
	int depth;
};

static bool conf_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f';
}

static size_t conf_skip(const char *line, size_t len, size_t at)
{
	while (at < len && conf_is_blank(line[at]))
		at++;
	return at;
}

/* Takes the keyword off a line. Gives where its arguments begin. */
static size_t conf_keyword(const char *line, size_t len, char *out, size_t *out_len)
{
	size_t at = conf_skip(line, len, 0);
	size_t n = 0;

	while (at < len && !conf_is_blank(line[at]) && line[at] != '=' && line[at] != '"')
		out[n++] = line[at++];
	if (at < len && line[at] == '"') {
		const char *end = memchr(line + at + 1, '"', len - at - 1);
		size_t quoted = end ? (size_t)(end - line) - at - 1 : 0;

		memcpy(out + n, line + at + 1, quoted);
		/* One that does not end makes the line none. */
		*out_len = end ? n + quoted : 0;
		return end ? conf_skip(line, len, at + quoted + 2) : len;
	}
	at = conf_skip(line, len, at);
	if (at < len && line[at] == '=')
		at = conf_skip(line, len, at + 1);
	*out_len = n;
	return at;
}

/* Whether a backslash takes what follows: quotes, itself, and a blank outside of quotes. */
static bool conf_is_escape(const char *text, size_t len, char quote)
{
	return len > 1 && text[0] == '\\' &&
	       (strchr("'\"\\", text[1]) || (!quote && text[1] == ' ')) && text[1];
}

/* Takes one argument. Gives how much it was, 0 for quotes that do not end. */
static size_t conf_argument(const char *text, size_t len, char *out, size_t *out_len)
{
	char quote = '\0';
	size_t n = 0;
	size_t at = 0;

	for (; at < len && (quote || (text[at] != ' ' && text[at] != '\t')); at++) {
		if (conf_is_escape(text + at, len - at, quote))
			out[n++] = text[++at];
		else if (quote ? text[at] == quote : text[at] == '"' || text[at] == '\'')
			quote = quote ? '\0' : text[at];
		else
			out[n++] = text[at];
	}
	*out_len = n;
	return quote ? 0 : at;
}

int sshd_config_words(const char *line, size_t len, struct heal_words *ret)
{
	_cleanup_(heal_words_done) struct heal_words words = {0};
	size_t end = strnlen(line, len);
	_cleanup_free_ char *out = malloc(end + 1);
	size_t n = 0;
	size_t at;

	if (!out)
		return -ENOMEM;
	while (end && conf_is_blank(line[end - 1]))
		end--;
	at = conf_keyword(line, end, out, &n);
	if (n == 0 || *out == '#')
		return 0;
	if (heal_words_add(&words, out, n) < 0)
		return -ENOMEM;
	while ((at = conf_skip(line, end, at)) < end && line[at] != '#') {
		size_t used = conf_argument(line + at, end - at, out, &n);

		if (!used)
			return -EINVAL;
		if (heal_words_add(&words, out, n) < 0)
			return -ENOMEM;
		at += used;
	}
	*ret = words;
	words = (struct heal_words){0};
	return 0;
}

static int conf_fail(const struct conf_reader *reader, const char *path, int code)
{
	char safe[CONF_PATH_MAX];

	heal_safe(safe, sizeof(safe), path);
	if (code == EPERM)
		return heal_error_set(reader->error, code, "reading %s: not only root can change it", safe);
	return heal_error_set(reader->error, code, "reading %s: %s", safe, strerror(code));
}

/* Adds a name that is not there yet. Returns 1 where it was. */
static int conf_add(struct heal_words *words, const char *name, size_t max)
{
	int r = heal_words_add_once(words, name, strlen(name));

	return r == 0 && words->count > max ? -E2BIG : r;
}

/* Of most keywords the first value counts, sshd_config(5). */
static int conf_set(struct heal_sshd_config *config, const struct heal_words *words)
{
	const struct {
		const char *keyword;
		char **value;
	} rows[] = {
		{"UsePAM", &config->uses_pam},
		{"PAMServiceName", &config->pam_service},
		{"PidFile", &config->pid_file},
	};
	const char *value = words->count > 1 ? words->items[1] : "";

	if (strcasecmp(words->items[0], "HostKey") == 0)
		return heal_words_add(&config->host_keys, value, strlen(value));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (*rows[i].value || strcasecmp(words->items[0], rows[i].keyword) != 0)
			continue;
		*rows[i].value = strdup(value);
		return *rows[i].value ? 0 : -ENOMEM;
	}
	return 0;
}

int heal_sshd_config_option(struct heal_sshd_config *config, const char *option)
{
	_cleanup_(heal_words_done) struct heal_words words = {0};
	int r = sshd_config_words(option, strlen(option), &words);

	return r == 0 && words.count ? conf_set(config, &words) : r;
}

static int conf_read_file(struct conf_reader *reader, const char *path);
static int conf_expand(struct conf_reader *reader, const char *done, const char *rest);

static int conf_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a directory that a pattern stands for, in glob(3)'s order. */
static int conf_match(struct conf_reader *reader, const char *directory, const char *pattern,
			struct heal_words *ret)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int fd = heal_trust_open(heal_view(reader->ctx), directory, O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR ? 0 : conf_fail(reader, directory, -fd);
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return -ENOMEM;
	}
	while ((errno = 0, entry = readdir(dir))) {
		if (fnmatch(pattern, entry->d_name, FNM_PERIOD) != 0)
			continue;
		if (reader->n_matches++ >= SSHD_CONFIG_MATCHES_MAX)
			return conf_fail(reader, directory, E2BIG);
		if (heal_words_add(ret, entry->d_name, strlen(entry->d_name)) < 0)
			return -ENOMEM;
	}
	if (errno)
		return conf_fail(reader, directory, errno);
	if (ret->count)
		qsort(ret->items, ret->count, sizeof(*ret->items), conf_compare);
	return 0;
}

/* One piece of a name without wildcards, or one of those that a pattern stands for. */
static int conf_step(struct conf_reader *reader, const char *done, const char *name,
		       const char *rest)
{
	char path[CONF_PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", done, name) >= (int)sizeof(path))
		return conf_fail(reader, done, ENAMETOOLONG);
	return conf_expand(reader, path, rest);
}

/* Reads what a pattern stands for: done has no wildcards any more, rest may have some. */
static int conf_expand(struct conf_reader *reader, const char *done, const char *rest)
{
	_cleanup_(heal_words_done) struct heal_words names = {0};
	_cleanup_free_ char *piece = NULL;
	const char *directory = *done ? done : "/";
	size_t len;
	int r;

	rest += strspn(rest, "/");
	len = strcspn(rest, "/");
	if (!len)
		return conf_read_file(reader, done);
	piece = heal_strndup(rest, len);
	if (!piece)
		return -ENOMEM;
	if (!strpbrk(piece, "*?[\\"))
		return conf_step(reader, done, piece, rest + len);
	r = conf_add(&reader->config->directories, directory, SSHD_CONFIG_DIRECTORIES_MAX);
	r = r < 0 ? conf_fail(reader, directory, -r) : conf_match(reader, directory, piece, &names);
	for (size_t i = 0; r == 0 && i < names.count; i++)
		r = conf_step(reader, done, names.items[i], rest + len);
	return r;
}

/* Names are looked up from /etc/ssh; "~" has no meaning there, and finds nothing. */
static int conf_include(struct conf_reader *reader, const struct heal_words *words)
{
	int r = 0;

	for (size_t i = 1; r == 0 && i < words->count; i++) {
		const char *pattern = words->items[i];

		if (*pattern && *pattern != '~')
			r = conf_expand(reader, *pattern == '/' ? "" : "/etc/ssh", pattern);
	}
	return r;
}

static int conf_read_text(struct conf_reader *reader, const char *text, size_t len)
{
	const char *cursor = text;
	const char *line;
	size_t line_len = 0;
	bool is_matched = false;
	int r = 0;

	while (r == 0 && (line = heal_next_line(&cursor, text + len, &line_len))) {
		_cleanup_(heal_words_done) struct heal_words words = {0};

		r = sshd_config_words(line, line_len, &words);
		/* What sshd does not understand it is asked about in its trial. */
		if (r == -EINVAL)
			r = 0;
		if (r < 0 || !words.count)
			continue;
		/* Includes are read where their Match does not apply, too. */
		if (strcasecmp(words.items[0], "Include") == 0)
			r = conf_include(reader, &words);
		else if (strcasecmp(words.items[0], "Match") == 0)
			is_matched = true;
		else if (!is_matched)
			r = conf_set(reader->config, &words);
	}
	return r;
}

static int conf_read_file(struct conf_reader *reader, const char *path)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = reader->depth > CONF_DEPTH_MAX
			? 1
			: conf_add(&reader->config->files, path, SSHD_CONFIG_FILES_MAX);

	if (r != 0)
		return r > 0 ? 0 : conf_fail(reader, path, -r);
	fd = heal_trust_open(heal_view(reader->ctx), path, O_RDONLY);
	r = fd < 0 ? fd : heal_read_fd(fd, SSHD_CONFIG_BYTES_MAX - reader->n_bytes, &text, &len);
	/* Nor does sshd mind what a pattern finds that is no file. */
	if (r == -ENOENT || r == -ENOTDIR || r == -EINVAL)
		return 0;
	if (r < 0)
		return conf_fail(reader, path, -r);
	reader->n_bytes += len;
	reader->depth++;
	r = conf_read_text(reader, text, len);
	reader->depth--;
	return r;
}

int heal_sshd_config_read(struct heal_context *ctx, const char *path,
			  struct heal_sshd_config *config, struct heal_error *error)
{
	struct conf_reader reader = {.ctx = ctx, .config = config, .error = error};
	int r = conf_read_file(&reader, path);

	return r == -ENOMEM ? heal_error_set(error, ENOMEM, "reading %s: out of memory", path) : r;
}

void heal_sshd_config_done(struct heal_sshd_config *config)
{
	heal_words_done(&config->files);
	heal_words_done(&config->directories);
	heal_words_done(&config->host_keys);
	free(config->uses_pam);
	free(config->pam_service);
	free(config->pid_file);
	*config = (struct heal_sshd_config){0};
}
