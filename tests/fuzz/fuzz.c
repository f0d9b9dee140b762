/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every parser of what sshd-heal is given, under libFuzzer. The first byte picks
 * the parser, so that one corpus serves all; tests/fuzz/corpus has one seed each.
 */
#include "../../core/modules/package-apt.h"
#include "../../core/modules/package-rpm.h"
#include "../unit/core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_maps(const char *text, size_t len)
{
	const char *cursor = text;
	const char *line;
	size_t line_len = 0;

	while ((line = heal_next_line(&cursor, text + len, &line_len))) {
		struct heal_mapping mapping;

		if (maps_parse_line(line, line_len, &mapping) != 1)
			continue;
		if (mapping.path < line || mapping.path + mapping.path_len > line + line_len ||
		    maps_deleted_name(mapping.path, mapping.path_len) > mapping.path_len)
			abort();
	}
}

static void fuzz_stat(const char *text, size_t len)
{
	struct heal_owner owner;
	struct heal_stat stat;
	char *cgroup = NULL;

	(void)stat_parse(text, len, &stat);
	(void)owner_parse(text, &owner);
	if (session_cgroup(text, &cgroup) == 0)
		free(cgroup);
}

static void fuzz_title(const char *text, size_t len)
{
	struct heal_words words = {0};
	char *program = NULL;

	(void)title_classify(text, len);
	(void)title_name(text, len);
	if (title_program(text, len, "/usr/sbin/sshd", &program) == 0)
		free(program);
	(void)arguments_of_title(text, len, &words);
	heal_words_done(&words);
	if (words_split_nul(text, len, &words) == 0) {
		struct arguments_relative name;
		struct heal_words kept = {0};

		(void)arguments_trial_options(&words, &kept);
		for (size_t i = 0; arguments_find_relative(&words, i, &name) == 1; i++)
			if (!*name.file || *name.file == '/')
				abort();
		heal_words_done(&kept);
	}
	heal_words_done(&words);
}

static void fuzz_socket(const char *text, size_t len)
{
	struct heal_socket found;

	(void)len;
	(void)addresses_parse_line(text, &found);
}

/* What sshd-heal keeps in /run/sshd-heal. */
static void fuzz_state(const char *text, size_t len)
{
	struct heal_last_proof proof = {0};
	struct heal_listener ended;
	const char *rest;
	int64_t number;
	int status;

	if (proof_parse(text, len, &proof) == 0)
		for (size_t i = 0; i < proof.count; i++)
			for (size_t j = 0; j < proof.items[i].n_files; j++)
				if (*proof.items[i].files[j].path != '/')
					abort();
	heal_proof_done(&proof);
	(void)request_parse(text, len);
	if (left_parse_ended(text, &ended) == 0)
		heal_listener_done(&ended);
	if ((left_parse(text, &number, &rest) == 0 && (rest <= text || rest > text + len)) ||
	    (answer_parse(text, &number, &status, &rest) == 0 && (rest <= text || rest > text + len)))
		abort();
}

/* The first line against the second, for what takes two names. */
static void fuzz_rpm(const char *text, size_t len)
{
	const char *end = memchr(text, '\n', len);
	char *first = heal_strndup(text, end ? (size_t)(end - text) : len);

	if (first) {
		if (rpm_source_len(first) > strlen(first) ||
		    rpm_soname_len(first, strlen(first)) > strlen(first))
			abort();
		(void)rpm_is_soname_of(end ? end + 1 : "", first);
	}
	free(first);
}

static void fuzz_reply(const char *text, size_t len)
{
	struct heal_package *packages = calloc(4, sizeof(*packages));

	if (packages)
		(void)rpm_reply_parse(text, len, packages, 4, NULL);
	heal_packages_free(packages, 4);
}

static void fuzz_diversions(const char *text, size_t len)
{
	struct apt_diversion *diversions = NULL;
	char *copy = heal_strndup(text, len);
	size_t n = 0;

	if (copy && apt_divert_parse(copy, len, &diversions, &n) == 0)
		free(diversions);
	free(copy);
}

static void fuzz_environment(const char *text, size_t len)
{
	struct heal_words environment = {0};
	struct heal_words command = {0};
	struct heal_words argv = {0};

	if (arguments_parse_environment(text, len, &environment) == 0 &&
	    words_split(text, &command) == 0)
		(void)arguments_expand(&command, &environment, &argv);
	heal_words_done(&environment);
	heal_words_done(&command);
	heal_words_done(&argv);
}

static void fuzz_words(const char *text, size_t len)
{
	struct heal_effective effective = {0};
	char safe[64];

	(void)client_classify(text, len);
	(void)effective_parse(text, len, &effective);
	heal_effective_done(&effective);
	free(blame_find_path(text, "/usr/lib"));
	heal_safe(safe, sizeof(safe), text);
	for (const char *p = safe; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			abort();
}

/* A line of sshd_config each. */
static void fuzz_sshd_config(const char *text, size_t len)
{
	const char *cursor = text;
	const char *line;
	size_t line_len = 0;

	while ((line = heal_next_line(&cursor, text + len, &line_len))) {
		struct heal_sshd_config config = {0};
		struct heal_words words = {0};
		char *copy = heal_strndup(line, line_len);
		size_t n = 0;

		if (sshd_config_words(line, line_len, &words) == 0)
			for (size_t i = 0; i < words.count; i++)
				n += strlen(words.items[i]);
		if (n > line_len || (words.count && !*words.items[0]))
			abort();
		heal_words_done(&words);
		if (copy)
			(void)heal_sshd_config_option(&config, copy);
		heal_sshd_config_done(&config);
		free(copy);
	}
}

static void fuzz_pam(const char *text, size_t len)
{
	const char *cursor = text;
	char *line = NULL;
	size_t n = 0;

	while (pam_next_line(&cursor, text + len, &line, &n) == 1) {
		struct pam_rule rule;

		if (n > len || line[n])
			abort();
		pam_parse_rule(line, &rule);
		if (rule.kind != PAM_NOTHING &&
		    (!*rule.name || rule.type > PAM_TYPES || rule.on_success < 0 || rule.on_unknown < 0))
			abort();
		free(line);
	}
}

static int fuzz_wrappers_rule(void *user, const struct wrappers_rule *rule)
{
	const char *end = user;
	char source[64];

	if (rule->clients + rule->clients_len > end || rule->options + rule->options_len > end)
		abort();
	(void)wrappers_is_sshds(rule);
	(void)wrappers_source(rule->clients, rule->clients_len, source, sizeof(source));
	return 0;
}

static void fuzz_wrappers(const char *text, size_t len)
{
	_cleanup_free_ char *copy = heal_strndup(text, len);

	if (copy)
		(void)wrappers_parse(copy, len, fuzz_wrappers_rule, copy + len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const targets[])(const char *text, size_t len) = {
		fuzz_maps, fuzz_stat,       fuzz_title,       fuzz_socket,
		fuzz_state, fuzz_diversions, fuzz_environment, fuzz_words,
		fuzz_rpm, fuzz_reply,      fuzz_sshd_config, fuzz_pam,
		fuzz_wrappers,
	};
	char *text;

	if (size == 0)
		return 0;
	/* A copy of exactly that size and a NUL, so that any step beyond it is seen. */
	text = heal_strndup((const char *)data + 1, size - 1);
	if (!text)
		return 0;
	targets[data[0] % ARRAY_SIZE(targets)](text, size - 1);
	free(text);
	return 0;
}
