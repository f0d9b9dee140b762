/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pam.d(5) as Linux-PAM has it, and what becomes of a client where one of its files is missing. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "look/pam.h"

#include "base/array.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "host/context.h"
#include "host/trust.h"
#include "look/maps.h"
#include "report.h"

#define PAM_TEXT_MAX (256u << 10)
/* As deep as PAM_SUBSTACK_MAX_LEVEL, of includes as well. */
#define PAM_DEPTH_MAX 16
#define PAM_PATH_MAX 1024

static const char blanks[] = " \t\r\n";

/* Takes the next token: a word, or all between brackets, in which "\]" is none. */
static size_t pam_token(const char **cursor, const char **ret)
{
	const char *text = *cursor + strspn(*cursor, blanks);
	size_t len = 0;

	if (*text == '[') {
		*ret = text + 1;
		for (text++; text[len] && text[len] != ']'; len++)
			len += text[len] == '\\' && text[len + 1];
		*cursor = text + len + (text[len] == ']');
		return len;
	}
	len = strcspn(text, blanks);
	*ret = text;
	*cursor = text + len;
	return len;
}

static bool pam_is(const char *token, size_t len, const char *word)
{
	return strlen(word) == len && strncasecmp(token, word, len) == 0;
}

static int pam_action(const char *text, size_t len)
{
	static const char *const names[] = {"ignore", "bad", "die", "ok", "done", "reset"};
	int jump = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (pam_is(text, len, names[i]))
			return (int)i;
	for (size_t i = 0; i < len && jump < PAM_RULES_MAX; i++) {
		if (text[i] < '0' || text[i] > '9')
			return PAM_ACTION_BAD;
		jump = jump * 10 + text[i] - '0';
	}
	return jump ? PAM_ACTION_JUMP + jump - 1 : PAM_ACTION_BAD;
}

/* "success=ok default=ignore": what is not named, and has no default, is bad. */
static void pam_parse_actions(const char *text, size_t len, struct pam_rule *rule)
{
	int on_default = PAM_ACTION_BAD;
	int on_success = -1;
	int on_unknown = -1;
	const char *end = text + len;

	while (text < end) {
		size_t pair = 0;
		const char *equals;
		int action;

		while (text < end && strchr(blanks, *text))
			text++;
		while (text + pair < end && !strchr(blanks, text[pair]))
			pair++;
		equals = pair ? memchr(text, '=', pair) : NULL;
		if (equals) {
			size_t name = (size_t)(equals - text);

			action = pam_action(equals + 1, pair - name - 1);
			on_success = pam_is(text, name, "success") ? action : on_success;
			on_unknown = pam_is(text, name, "module_unknown") ? action : on_unknown;
			on_default = pam_is(text, name, "default") ? action : on_default;
		}
		text += pair;
	}
	rule->on_success = on_success < 0 ? on_default : on_success;
	rule->on_unknown = on_unknown < 0 ? on_default : on_unknown;
}

/* Sets what a control says. Returns false for one that there is not. */
static bool pam_parse_control(const char *token, size_t len, bool is_bracketed, struct pam_rule *rule)
{
	static const struct {
		const char *name;
		enum pam_kind kind;
		enum pam_action on_success;
		enum pam_action on_unknown;
	} rows[] = {
		{"required", PAM_MODULE, PAM_ACTION_OK, PAM_ACTION_BAD},
		{"requisite", PAM_MODULE, PAM_ACTION_OK, PAM_ACTION_DIE},
		{"optional", PAM_MODULE, PAM_ACTION_OK, PAM_ACTION_IGNORE},
		{"sufficient", PAM_MODULE, PAM_ACTION_DONE, PAM_ACTION_IGNORE},
		{"include", PAM_INCLUDE, PAM_ACTION_IGNORE, PAM_ACTION_BAD},
		{"substack", PAM_SUBSTACK, PAM_ACTION_IGNORE, PAM_ACTION_BAD},
	};

	rule->kind = PAM_MODULE;
	if (is_bracketed) {
		pam_parse_actions(token, len, rule);
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!pam_is(token, len, rows[i].name))
			continue;
		rule->kind = rows[i].kind;
		rule->on_success = rows[i].on_success;
		rule->on_unknown = rows[i].on_unknown;
		return true;
	}
	return false;
}

/* Whether it is one of the four; sets it. */
static bool pam_parse_type(const char *token, size_t len, struct pam_rule *rule)
{
	static const char *const types[] = {"auth", "account", "session", "password"};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (pam_is(token, len, types[i])) {
			rule->type = (enum pam_type)i;
			return true;
		}
	return false;
}

void pam_parse_rule(const char *line, struct pam_rule *ret)
{
	struct pam_rule rule = {.type = PAM_TYPES};
	const char *cursor = line;
	const char *token;
	size_t n = pam_token(&cursor, &token);
	bool is_for_all = pam_is(token, n, "@include");
	bool is_right = is_for_all;
	/* Of a module that is missing PAM says nothing then, and does the same. */
	size_t dash = n && *token == '-';

	*ret = (struct pam_rule){0};
	if (is_for_all) {
		rule.kind = PAM_INCLUDE;
		rule.on_unknown = PAM_ACTION_BAD;
	} else if (pam_parse_type(token + dash, n - dash, &rule)) {
		n = pam_token(&cursor, &token);
		is_right = n && pam_parse_control(token, n, token[-1] == '[', &rule);
	}
	n = pam_token(&cursor, &token);
	if (!is_right || !n || n >= sizeof(rule.name))
		return;
	memcpy(rule.name, token, n);
	*ret = rule;
}

int pam_next_line(const char **cursor, const char *end, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *joined = NULL;
	const char *line;
	size_t len = 0;
	size_t n = 0;

	while ((line = heal_next_line(cursor, end, &len))) {
		const char *comment = memchr(line, '#', len);
		bool goes_on = false;
		char *grown;

		/* NUL ends a line for PAM, too. */
		len = strnlen(line, comment ? (size_t)(comment - line) : len);
		while (len && strchr(blanks, line[len - 1]))
			len--;
		goes_on = len && !comment && line[len - 1] == '\\';
		grown = realloc(joined, n + len + 1);
		if (!grown)
			return -ENOMEM;
		joined = grown;
		memcpy(joined + n, line, len);
		n += len;
		if (goes_on)
			joined[n - 1] = ' ';
		joined[n] = '\0';
		if (!goes_on)
			break;
	}
	if (!joined)
		return 0;
	*ret_len = n;
	*ret = heal_take(joined);
	return 1;
}

/* A rule of a whole stack, and which of its files it stands or falls with. */
struct pam_step {
	enum pam_type type;
	int level; /* of substacks */
	int on_success;
	int on_unknown;
	bool is_deny;    /* pam_deny.so */
	size_t file;
};

struct pam_reader {
	struct heal_context *ctx;
	struct heal_error *error;
	const char *modules; /* the directory of the modules */
	struct heal_pam *pam;
	struct pam_step steps[PAM_RULES_MAX];
	size_t n_steps;
	size_t n_reads;
	int depth;
};

static int pam_fail(const struct pam_reader *reader, const char *path, int code)
{
	char safe[PAM_PATH_MAX];

	heal_safe(safe, sizeof(safe), path);
	return heal_error_set(reader->error, code, "reading %s: %s", safe,
			      code == EPERM ? "not only root can change it" : strerror(code));
}

/* Adds a file, or finds it. Gives its number or -errno. */
static int pam_add_file(struct pam_reader *reader, const char *path, bool is_missing)
{
	struct heal_pam *pam = reader->pam;

	for (size_t i = 0; i < pam->count; i++)
		if (strcmp(pam->files[i].path, path) == 0)
			return (int)i;
	if (pam->count >= PAM_FILES_MAX)
		return pam_fail(reader, path, E2BIG);
	if (heal_grow(&pam->files, pam->count, sizeof(*pam->files)) < 0)
		return -ENOMEM;
	pam->files[pam->count] = (struct heal_pam_file){.path = strdup(path), .is_missing = is_missing};
	return pam->files[pam->count].path ? (int)pam->count++ : -ENOMEM;
}

static int pam_add_step(struct pam_reader *reader, const struct pam_rule *rule, int level, int file)
{
	if (file < 0)
		return file;
	if (reader->n_steps >= PAM_RULES_MAX)
		return pam_fail(reader, rule->name, E2BIG);
	reader->steps[reader->n_steps++] = (struct pam_step){
		.type = rule->type,
		.level = level,
		.on_success = rule->on_success,
		.on_unknown = rule->on_unknown,
		.is_deny = strcmp(rule->name, "pam_deny.so") == 0,
		.file = (size_t)file,
	};
	return 0;
}

/* Adds a module, which need not say where it is. */
static int pam_add_module(struct pam_reader *reader, const struct pam_rule *rule, int level)
{
	_cleanup_close_ int fd = -1;
	char path[PAM_PATH_MAX];

	if (snprintf(path, sizeof(path), "%s%s%s", *rule->name == '/' ? "" : reader->modules,
		     *rule->name == '/' ? "" : "/", rule->name) >= (int)sizeof(path))
		return pam_fail(reader, rule->name, ENAMETOOLONG);
	fd = heal_trust_open(heal_view(reader->ctx), path, O_PATH);
	return pam_add_step(reader, rule, level,
			    pam_add_file(reader, path, fd == -ENOENT || fd == -ENOTDIR));
}

static int pam_read_service(struct pam_reader *reader, const char *name, enum pam_type type,
			    int level, int *ret_file);

/* Reads what a rule includes: one that is missing is as a module that is. */
static int pam_include(struct pam_reader *reader, struct pam_rule *rule, enum pam_type type, int level)
{
	bool is_substack = rule->kind == PAM_SUBSTACK;
	size_t step = reader->n_steps;
	int file = -1;
	int r = 0;

	/* A substack counts as one rule for who jumps over it. */
	if (is_substack)
		r = pam_add_step(reader, rule, level, 0);
	if (r == 0)
		r = pam_read_service(reader, rule->name, type, level + is_substack, &file);
	if (r < 0)
		return r;
	if (is_substack)
		reader->steps[step].file = (size_t)file;
	if (!reader->pam->files[file].is_missing)
		return 0;
	/* Without what @include names there is no stack at all, of none of the types. */
	if (rule->type == PAM_TYPES)
		reader->pam->files[file].need = HEAL_PAM_ALL;
	rule->type = type;
	rule->on_success = PAM_ACTION_OK;
	return rule->type == PAM_TYPES ? 0 : pam_add_step(reader, rule, level, file);
}

static int pam_add_rule(struct pam_reader *reader, struct pam_rule *rule, enum pam_type type, int level)
{
	if (rule->kind == PAM_NOTHING || (type != PAM_TYPES && rule->type != PAM_TYPES && rule->type != type))
		return 0;
	if (rule->kind == PAM_MODULE)
		return pam_add_module(reader, rule, level);
	return pam_include(reader, rule, rule->type == PAM_TYPES ? type : rule->type, level);
}

/* The text of a service: /etc/pam.d has it, or else /usr/lib/pam.d. Returns -ENOENT when neither does. */
static int pam_load(struct pam_reader *reader, const char *name, char **ret, size_t *ret_len, int *ret_file)
{
	static const char *const directories[] = {"/etc/pam.d/", "/usr/lib/pam.d/"};
	int r = -ENOENT;

	for (size_t i = 0; r == -ENOENT && i < (*name == '/' ? 1 : ARRAY_SIZE(directories)); i++) {
		_cleanup_close_ int fd = -1;
		char path[PAM_PATH_MAX];
		int file;

		if (snprintf(path, sizeof(path), "%s%s", *name == '/' ? "" : directories[i], name) >=
		    (int)sizeof(path))
			return pam_fail(reader, name, ENAMETOOLONG);
		fd = heal_trust_open(heal_view(reader->ctx), path, O_RDONLY);
		r = fd < 0 ? fd : heal_read_fd(fd, PAM_TEXT_MAX, ret, ret_len);
		if (r < 0 && r != -ENOENT)
			return pam_fail(reader, path, -r);
		file = pam_add_file(reader, path, r < 0);
		if (file < 0)
			return file;
		/* The first place is where it would have to be. */
		if (i == 0 || r == 0)
			*ret_file = file;
	}
	return r;
}

static int pam_read_service(struct pam_reader *reader, const char *name, enum pam_type type,
			    int level, int *ret_file)
{
	_cleanup_free_ char *text = NULL;
	const char *cursor;
	size_t len = 0;
	int r = reader->depth > PAM_DEPTH_MAX || reader->n_reads++ > PAM_FILES_MAX
			? pam_fail(reader, name, ELOOP)
			: pam_load(reader, name, &text, &len, ret_file);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	cursor = text;
	reader->depth++;
	while (r == 0) {
		_cleanup_free_ char *line = NULL;
		struct pam_rule rule;
		size_t n = 0;

		r = pam_next_line(&cursor, text + len, &line, &n);
		if (r <= 0)
			break;
		pam_parse_rule(line, &rule);
		r = pam_add_rule(reader, &rule, type, level);
	}
	reader->depth--;
	return r;
}

/* The end of the substack that a step is in; of the stack itself, the end of all. */
static size_t pam_leave(const struct pam_reader *reader, size_t at, int level)
{
	while (at < reader->n_steps && level > 0 && reader->steps[at].level >= level)
		at++;
	return level > 0 ? at : reader->n_steps;
}

/* Goes over so many rules of the same level; what is inside of a substack goes with it. */
static size_t pam_jump(const struct pam_reader *reader, size_t at, int level, enum pam_type type, int n)
{
	for (at++; at < reader->n_steps; at++) {
		const struct pam_step *step = &reader->steps[at];

		if (step->type != type)
			continue;
		if (step->level < level || (step->level == level && n-- == 0))
			break;
	}
	return at;
}

/* Whether a stack lets a client in that every module lets in, with one file missing. */
static bool pam_lets_in(const struct pam_reader *reader, enum pam_type type, size_t missing)
{
	bool is_in = false;
	bool is_out = false;
	size_t at = 0;

	while (at < reader->n_steps) {
		const struct pam_step *step = &reader->steps[at];
		bool is_missing = step->file == missing;
		int action = is_missing ? step->on_unknown : step->on_success;

		/* Any other answer than success; its action is that of the default, as of a missing one. */
		if (step->is_deny)
			action = step->on_unknown;
		if (step->type != type) {
			at++;
			continue;
		}
		is_in |= action == PAM_ACTION_OK || action == PAM_ACTION_DONE;
		is_out |= action == PAM_ACTION_BAD || action == PAM_ACTION_DIE;
		if (action == PAM_ACTION_RESET)
			is_in = is_out = false;
		if (action >= PAM_ACTION_JUMP)
			at = pam_jump(reader, at, step->level, type, action - PAM_ACTION_JUMP + 1);
		else if (action == PAM_ACTION_DIE || (action == PAM_ACTION_DONE && !is_out))
			at = pam_leave(reader, at, step->level);
		else
			at++;
	}
	return is_in && !is_out;
}

/* Who gets in with all of it, and does not without a file. */
static void pam_weigh(struct pam_reader *reader)
{
	static const struct {
		enum pam_type type;
		enum heal_pam_need need;
	} rows[] = {
		{PAM_TYPE_AUTH, HEAL_PAM_PASSWORDS},
		{PAM_TYPE_ACCOUNT, HEAL_PAM_ALL},
		{PAM_TYPE_SESSION, HEAL_PAM_ALL},
	};

	for (size_t i = 0; i < reader->pam->count; i++)
		for (size_t j = 0; j < ARRAY_SIZE(rows); j++)
			if (rows[j].need > reader->pam->files[i].need && pam_lets_in(reader, rows[j].type, (size_t)-1) &&
			    !pam_lets_in(reader, rows[j].type, i))
				reader->pam->files[i].need = rows[j].need;
}

/* The directory of PAM's modules: beside the C library, as PAM itself is. */
static int pam_find_libc(void *user, const struct heal_mapping *mapping)
{
	static const char name[] = "/libc.so.6";
	char **ret = user;
	size_t len = sizeof(name) - 1;

	if (mapping->path_len < len || memcmp(mapping->path + mapping->path_len - len, name, len) != 0)
		return 0;
	return asprintf(ret, "%.*s/security", (int)(mapping->path_len - len), mapping->path) < 0
		       ? -ENOMEM
		       : 1;
}

int heal_pam_find(struct heal_context *ctx, const struct heal_process *process,
		  const char *service, struct heal_pam *ret, struct heal_error *error)
{
	_cleanup_(heal_pam_done) struct heal_pam pam = {0};
	_cleanup_free_ char *modules = NULL;
	_cleanup_free_ struct pam_reader *reader = calloc(1, sizeof(*reader));
	int file = -1;
	int r = reader ? heal_maps_each(process, pam_find_libc, &modules) : -ENOMEM;

	if (r == 0)
		return heal_error_set(error, ENOENT, "finding PAM's modules: sshd process %d has no libc.so.6",
				      (int)process->pid);
	if (r < 0)
		return heal_error_set(error, -r, "finding PAM's modules: %s", strerror(-r));
	*reader = (struct pam_reader){.ctx = ctx, .error = error, .modules = modules, .pam = &pam};
	r = pam_read_service(reader, service, PAM_TYPES, 0, &file);
	/* Nobody's service is that of all others; without that one, too, PAM does not even begin. */
	if (r == 0 && pam.files && pam.files[file].is_missing)
		r = pam_read_service(reader, "other", PAM_TYPES, 0, &file);
	if (r == 0 && pam.files && pam.files[file].is_missing)
		pam.files[file].need = HEAL_PAM_ALL;
	if (r < 0)
		return r == -ENOMEM ? heal_error_set(error, ENOMEM, "reading PAM's files: out of memory") : r;
	pam_weigh(reader);
	*ret = pam;
	pam = (struct heal_pam){0};
	return 0;
}

void heal_pam_done(struct heal_pam *pam)
{
	for (size_t i = 0; i < pam->count; i++)
		free(pam->files[i].path);
	free(pam->files);
	*pam = (struct heal_pam){0};
}
