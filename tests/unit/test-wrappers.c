/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of TCP wrappers. */
#include "test.h"
#include "tree.h"

HEAL_TEST(wrappers_source_is_one_whom_a_pattern_means)
{
	static const struct {
		const char *pattern;
		const char *source; /* NULL: none */
	} rows[] = {
		{"192.0.2.7", "192.0.2.7"},
		{"192.0.2.", "192.0.2.1"},
		{"10.", "10.0.0.1"},
		{"10.1.0.0/255.255.0.0", "10.1.0.1"},
		{"10.1.2.0/24", "10.1.2.1"},
		{"root@192.0.2.7", "192.0.2.7"},
		{"[2001:db8::7]", "2001:db8::7"},
		{"[2001:db8::]/32", "2001:db8::1"},
		{"ALL", NULL},
		{".example.org", NULL},
		{"@netgroup", NULL},
		{"/etc/file", NULL},
		{"10.*.2.3", NULL},
		{"10.1.2.3.4.", NULL},
		{".", NULL},
		{"", NULL},
		{"[", NULL},
		{"1111111111111111111111111111111111111111111111.", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char source[64] = "";
		bool is_one = wrappers_source(rows[i].pattern, strlen(rows[i].pattern), source, sizeof(source));

		assert_row(is_one == (rows[i].source != NULL), "%s: %s", rows[i].pattern, source);
		assert_row(!is_one || strcmp(source, rows[i].source) == 0, "%s: %s", rows[i].pattern, source);
	}
}

static int note_rule(void *user, const struct wrappers_rule *rule)
{
	char *seen = user;

	(void)snprintf(seen + strlen(seen), 512 - strlen(seen), "%u%c <%.*s> <%.*s> <%.*s>\n", rule->line,
		       wrappers_is_sshds(rule) ? '!' : '.', (int)rule->daemons_len, rule->daemons,
		       (int)rule->clients_len, rule->clients, (int)rule->options_len, rule->options);
	return 0;
}

HEAL_TEST(wrappers_rules_are_those_that_libwrap_takes)
{
	char text[] = "# sshd: ALL\n"
		      "\n"
		      "sshd: 10., \\\n  [2001:db8::]/32 : spawn x: y\n"
		      "in.ftpd ALL\n"
		      "in.ftpd: ALL\n"
		      "ALL EXCEPT in.ftpd: LOCAL\n"
		      "sshd-session@192.0.2.1: .example.org\n"
		      "sshd: cut";
	char seen[512] = "";

	assert_int_equal(wrappers_parse(text, strlen(text), note_rule, seen), 0);
	assert_string_equal(seen, "3! <sshd> < 10.,     [2001:db8::]/32 > < spawn x: y>\n"
				  "6. <in.ftpd> < ALL> <>\n"
				  "7! <ALL EXCEPT in.ftpd> < LOCAL> <>\n"
				  "8! <sshd-session@192.0.2.1> < .example.org> <>\n");
}

HEAL_TEST(wrappers_know_whom_they_may_let_in)
{
	static const struct {
		const char *allow;
		const char *deny;
		const char *sources;
		bool has_rules;
		bool has_names;
		unsigned deny_line;
	} rows[] = {
		{"# nothing\n", "\n", "", false, false, 0},
		{"", "\nsshd: ALL\n", "", true, false, 2},
		{"sshd: 10.1.2.3\n", "ALL: ALL\n", "10.1.2.3 ", true, false, 1},
		{"sshd: .example.org\n", "ALL: ALL\n", "", true, true, 1},
		{"in.ftpd: .example.org 10.1.2.3\n", "ALL: ALL\n", "", true, false, 1},
		{"", "sshd: .example.org\n", "", true, false, 1},
		{"", "sshd: ALL EXCEPT 10. friend\n", "10.0.0.1 ", true, true, 1},
		{"", "sshd: friend: ALLOW\nsshd: ALL\n", "", true, true, 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct tree *tree = tree_new();
		_cleanup_context_ struct heal_context *ctx = tree_context(tree);
		_cleanup_(heal_wrappers_done) struct heal_wrappers wrappers = {0};
		char sources[128] = "";

		tree_file(tree, "etc/hosts.allow", rows[i].allow);
		tree_file(tree, "etc/hosts.deny", rows[i].deny);
		heal_wrappers_load(ctx, &wrappers);
		for (size_t n = 0; n < wrappers.sources.count; n++)
			(void)snprintf(sources + strlen(sources), sizeof(sources) - strlen(sources), "%s ",
				       wrappers.sources.items[n]);
		assert_row(strcmp(sources, rows[i].sources) == 0, "row %zu: %s", i, sources);
		assert_row(wrappers.has_rules == rows[i].has_rules, "row %zu", i);
		assert_row(wrappers.has_names == rows[i].has_names, "row %zu", i);
		assert_row(wrappers.deny_line == rows[i].deny_line, "row %zu: %u", i, wrappers.deny_line);
	}
}

HEAL_TEST(wrappers_that_would_run_something_are_known)
{
	static const struct {
		const char *deny;
		bool has_commands;
	} rows[] = {
		{"sshd: ALL: spawn echo %a\n", true},
		{"sshd: ALL: severity info: twist echo no\n", true},
		{"in.ftpd: ALL: spawn echo %a\n", false},
		{"sshd: ALL: severity info\n", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct tree *tree = tree_new();
		_cleanup_context_ struct heal_context *ctx = tree_context(tree);
		_cleanup_(heal_wrappers_done) struct heal_wrappers wrappers = {0};

		tree_file(tree, "etc/hosts.deny", rows[i].deny);
		heal_wrappers_load(ctx, &wrappers);
		assert_row(wrappers.has_commands == rows[i].has_commands, "%s", rows[i].deny);
	}
}

HEAL_TEST(wrappers_that_cannot_be_read_may_let_in_anybody)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	_cleanup_(heal_wrappers_done) struct heal_wrappers wrappers = {0};

	tree_file(tree, "etc/hosts.allow/is-a-directory", "");
	heal_wrappers_load(ctx, &wrappers);
	assert_int_equal(wrappers.error, -EINVAL);
	assert_true(wrappers.has_rules && wrappers.has_names && wrappers.has_commands);
}
