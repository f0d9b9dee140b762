/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PAM's stack: its rules, and who is refused where a file of it is missing (as measured on hosts). */
#include "test.h"
#include "tree.h"

#define SECURITY "usr/lib/x86_64-linux-gnu/security/"
#define MAPS                                                                            \
	"7ff5e64a3000-7ff5e6720000 r-xp 000c5000 08:01 2870 /usr/lib64/libcrypto.so.3\n" \
	"7ff5e6b3a000-7ff5e6b60000 r-xp 00001000 08:01 2383 /usr/lib/x86_64-linux-gnu/libc.so.6\n"

HEAL_TEST(pam_rule_is_taken_apart_as_pam_does)
{
	static const struct {
		const char *line;
		struct pam_rule rule;
	} rows[] = {
		{"auth required pam_unix.so nullok",
		 {PAM_MODULE, PAM_TYPE_AUTH, PAM_ACTION_OK, PAM_ACTION_BAD, "pam_unix.so"}},
		{"\t-Session\tREQUISITE\t/lib/x.so",
		 {PAM_MODULE, PAM_TYPE_SESSION, PAM_ACTION_OK, PAM_ACTION_DIE, "/lib/x.so"}},
		{"account sufficient x", {PAM_MODULE, PAM_TYPE_ACCOUNT, PAM_ACTION_DONE, PAM_ACTION_IGNORE, "x"}},
		{"password optional x", {PAM_MODULE, PAM_TYPE_PASSWORD, PAM_ACTION_OK, PAM_ACTION_IGNORE, "x"}},
		{"auth [success=2 default=ignore] x", {PAM_MODULE, PAM_TYPE_AUTH, PAM_ACTION_JUMP + 1,
						       PAM_ACTION_IGNORE, "x"}},
		{"session [default=1] x", {PAM_MODULE, PAM_TYPE_SESSION, PAM_ACTION_JUMP, PAM_ACTION_JUMP, "x"}},
		{"auth [success=ok ignore=ignore module_unknown=ignore default=bad]  x",
		 {PAM_MODULE, PAM_TYPE_AUTH, PAM_ACTION_OK, PAM_ACTION_IGNORE, "x"}},
		/* What a control does not name is bad. */
		{"auth [success=done new=die] x", {PAM_MODULE, PAM_TYPE_AUTH, PAM_ACTION_DONE, PAM_ACTION_BAD, "x"}},
		{"auth [ success=reset  module_unknown=die\tx ] x",
		 {PAM_MODULE, PAM_TYPE_AUTH, PAM_ACTION_RESET, PAM_ACTION_DIE, "x"}},
		{"@include common-auth", {PAM_INCLUDE, PAM_TYPES, 0, PAM_ACTION_BAD, "common-auth"}},
		{"auth include a", {PAM_INCLUDE, PAM_TYPE_AUTH, 0, PAM_ACTION_BAD, "a"}},
		{"auth substack a", {PAM_SUBSTACK, PAM_TYPE_AUTH, 0, PAM_ACTION_BAD, "a"}},
		{"", {0}}, {"auth", {0}}, {"auth required", {0}}, {"auth needed x", {0}},
		{"other required x", {0}}, {"-", {0}}, {"@include", {0}}, {"auth [", {0}}, {"auth [a=b", {0}},
		{"auth [default=\\]] x", {PAM_MODULE, PAM_TYPE_AUTH, PAM_ACTION_BAD, PAM_ACTION_BAD, "x"}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct pam_rule *wanted = &rows[i].rule;
		struct pam_rule rule;

		pam_parse_rule(rows[i].line, &rule);
		assert_row(rule.kind == wanted->kind && rule.type == wanted->type &&
				   rule.on_success == wanted->on_success &&
				   rule.on_unknown == wanted->on_unknown &&
				   strcmp(rule.name, wanted->name) == 0,
			   "%s: %d %d %d %d %s", rows[i].line, (int)rule.kind, (int)rule.type, rule.on_success,
			   rule.on_unknown, rule.name);
	}
}

HEAL_TEST(pam_lines_are_joined_and_comments_cut_off)
{
	static const char text[] = "auth # required x\nauth \\\n required \\\n  x # y \\\n\n#\\\nlast\\";
	static const char *const lines[] = {"auth", "auth   required    x", "", "", "last "};
	const char *cursor = text;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_free_ char *line = NULL;
		size_t len = 0;

		assert_int_equal(pam_next_line(&cursor, text + sizeof(text) - 1, &line, &len), 1);
		assert_string_equal(line, lines[i]);
		assert_int_equal(len, strlen(line));
	}
	assert_int_equal(pam_next_line(&cursor, text + sizeof(text) - 1, &(char *){NULL}, &(size_t){0}), 0);
}

/* A host whose stack is as Debian's, but for this in front of it. */
static struct heal_context *pam_host(const struct tree *tree, const char *first)
{
	static const char *const modules[] = {"pam_unix.so", "pam_deny.so", "pam_permit.so", "pam_x.so"};
	char text[1024];

	for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
		(void)snprintf(text, sizeof(text), SECURITY "%s", modules[i]);
		tree_file(tree, text, "");
	}
	(void)snprintf(text, sizeof(text),
		       "%s\n@include common-auth\naccount required pam_x.so\n"
		       "account [success=1 default=ignore] pam_unix.so\naccount requisite pam_deny.so\n"
		       "account required pam_permit.so\nsession required pam_permit.so\n",
		       first);
	tree_file(tree, "etc/pam.d/sshd", text);
	tree_file(tree, "etc/pam.d/common-auth",
		  "auth [success=1 default=ignore] pam_unix.so\nauth requisite pam_deny.so\n"
		  "auth required pam_permit.so\n");
	tree_file(tree, "etc/pam.d/other", "session required pam_permit.so");
	tree_file(tree, "etc/pam.d/sub", "session sufficient pam_x.so\nsession required pam_nowhere.so\n");
	tree_file(tree, "etc/pam.d/done", "session sufficient pam_x.so\n");
	tree_add(tree, &(struct tree_process){.pid = PID, .maps = MAPS});
	return tree_context(tree);
}

/* "PATH need missing|" of each file that is missing, or without which somebody is refused. */
static void assert_pam(const char *first, const char *gone, const char *expected)
{
	static const char *const needs[] = {"spare", "passwords", "all"};
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = pam_host(tree, first);
	_cleanup_listener_ struct heal_listener listener = {0};
	struct heal_pam pam = {0};
	struct heal_error error = {0};
	char found[1024] = "";

	if (*gone)
		tree_remove(tree, gone);
	tree_load(ctx, PID, &listener);
	if (heal_pam_find(ctx, &listener.process, "sshd", &pam, &error) < 0)
		fail_msg("%s", error.message);
	for (size_t i = 0; i < pam.count; i++)
		if (pam.files[i].is_missing)
			heal_append(found, sizeof(found), "%s %s|", strrchr(pam.files[i].path, '/') + 1,
				    needs[pam.files[i].need]);
	assert_row(strcmp(found, expected) == 0, "%s, without %s: %s", first, gone, found);
	heal_pam_done(&pam);
	tree_remove_all();
}

HEAL_TEST(pam_refuses_for_what_is_missing_by_its_control)
{
	static const struct {
		const char *first;
		const char *gone;
		const char *expected;
	} rows[] = {
		{"", "", ""},
		{"auth required pam_nowhere.so", "", "pam_nowhere.so passwords|"},
		{"auth optional pam_nowhere.so", "", "pam_nowhere.so spare|"},
		{"account required pam_nowhere.so", "", "pam_nowhere.so all|"},
		{"account requisite pam_nowhere.so", "", "pam_nowhere.so all|"},
		{"account sufficient pam_nowhere.so", "", "pam_nowhere.so spare|"},
		{"account [default=ignore] pam_nowhere.so", "", "pam_nowhere.so spare|"},
		{"account [success=ok default=bad] pam_nowhere.so", "", "pam_nowhere.so all|"},
		{"account [success=ok module_unknown=ignore default=bad] pam_nowhere.so", "",
		 "pam_nowhere.so spare|"},
		{"-account required pam_nowhere.so", "", "pam_nowhere.so all|"},
		{"session required /opt/pam_nowhere.so", "", "pam_nowhere.so all|"},
		{"password required pam_nowhere.so", "", "pam_nowhere.so spare|"},
		{"session include nowhere", "", "nowhere all|nowhere spare|"},
		{"-session substack nowhere", "", "nowhere all|nowhere spare|"},
		{"auth include nowhere", "", "nowhere passwords|nowhere spare|"},
		{"password include nowhere", "", "nowhere spare|nowhere spare|"},
		{"@include nowhere", "", "nowhere all|nowhere spare|"},
		{"session [success=1 default=ignore] pam_x.so\nsession required pam_nowhere.so", "",
		 "pam_nowhere.so spare|"},
		{"session substack sub", "", "pam_nowhere.so spare|"},
		{"session include sub", "", "pam_nowhere.so spare|"},
		{"session sufficient pam_nowhere.so", "", "pam_nowhere.so spare|"},
		/* What ends a substack does not end the stack that it is in. */
		{"session substack done\nsession required pam_nowhere.so", "", "pam_nowhere.so all|"},
		{"session include done\nsession required pam_nowhere.so", "", "pam_nowhere.so spare|"},
		{"", "etc/pam.d/common-auth", "common-auth all|common-auth spare|"},
		{"", SECURITY "pam_unix.so", "pam_unix.so all|"},
		{"", SECURITY "pam_deny.so", "pam_deny.so spare|"},
		{"", SECURITY "pam_permit.so", "pam_permit.so all|"},
		/* The service of all others takes its place. */
		{"", "etc/pam.d/sshd", "sshd spare|sshd spare|"},
		{"session required \\\n pam_nowhere.so", "", "pam_nowhere.so all|"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_pam(rows[i].first, rows[i].gone, rows[i].expected);
}

HEAL_TEST(pam_service_may_be_the_distributions)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = pam_host(tree, "");
	_cleanup_listener_ struct heal_listener listener = {0};
	struct heal_pam pam = {0};

	tree_file(tree, "usr/lib/pam.d/own", "account required pam_x.so\nsession include sub2\n");
	tree_file(tree, "usr/lib/pam.d/sub2", "session required pam_x.so\nauth required pam_y.so\n");
	tree_load(ctx, PID, &listener);
	assert_int_equal(heal_pam_find(ctx, &listener.process, "own", &pam, NULL), 0);
	assert_int_equal(pam.count, 5);
	assert_string_equal(pam.files[0].path, "/etc/pam.d/own");
	assert_true(pam.files[0].is_missing);
	assert_string_equal(pam.files[1].path, "/usr/lib/pam.d/own");
	assert_string_equal(pam.files[2].path, "/" SECURITY "pam_x.so");
	assert_int_equal(pam.files[2].need, HEAL_PAM_ALL);
	assert_string_equal(pam.files[4].path, "/usr/lib/pam.d/sub2");
	heal_pam_done(&pam);
}

HEAL_TEST(pam_that_includes_itself_is_an_error)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = pam_host(tree, "@include sshd");
	_cleanup_listener_ struct heal_listener listener = {0};
	struct heal_pam pam = {0};

	tree_load(ctx, PID, &listener);
	assert_int_equal(heal_pam_find(ctx, &listener.process, "sshd", &pam, NULL), -ELOOP);
	assert_null(pam.files);
}
