/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files of sshd's configuration, as sshd finds them. */
#include <fcntl.h>
#include <sys/stat.h>

#include "test.h"
#include "tree.h"

HEAL_TEST(sshd_config_line_is_split_as_sshd_does)
{
	static const struct {
		const char *line;
		const char *words; /* NULL: sshd would not start */
	} rows[] = {
		{"Include /a/*.conf", "Include|/a/*.conf|"},
		{" \tinclude  /a\t/b  ", "include|/a|/b|"},
		{"Include=/a", "Include|/a|"},
		{"Include = /a", "Include|/a|"},
		{"Include == /a", "Include|=|/a|"},
		{"\"Include\" /a", "Include|/a|"},
		{"Inc\"lude\" /a", "Include|/a|"},
		{"\"Include /a", ""},
		{"Include \"/a b\" '/c d' /e\\ f", "Include|/a b|/c d|/e f|"},
		{"Include '/a\\ b' \"/c\\\"d\" /e\\*", "Include|/a\\ b|/c\"d|/e\\*|"},
		{"Include /a\"b\"'c'", "Include|/abc|"},
		{"Include /a # /b", "Include|/a|"},
		{"Include /a#b", "Include|/a#b|"},
		{"Include \"\"", "Include||"},
		{"Include \"/a", NULL},
		{"Include '/a\"", NULL},
		{"Include /a\f\r", "Include|/a|"},
		{"Include", "Include|"},
		{"# Include /a", ""},
		{"  #Include /a", ""},
		{"", ""},
		{" \t ", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(heal_words_done) struct heal_words words = {0};
		int r = sshd_config_words(rows[i].line, strlen(rows[i].line), &words);

		assert_row(r == (rows[i].words ? 0 : -EINVAL), "%s: %d", rows[i].line, r);
		assert_words(rows[i].line, &words, rows[i].words ? rows[i].words : "");
	}
}

static void assert_files(const struct tree *tree, const char *files, const char *directories)
{
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	struct heal_sshd_config config = {0};
	struct heal_error error = {0};

	if (heal_sshd_config_read(ctx, "/etc/ssh/sshd_config", &config, &error) < 0)
		fail_msg("%s", error.message);
	assert_words("files", &config.files, files);
	assert_words("directories", &config.directories, directories);
	heal_sshd_config_done(&config);
}

HEAL_TEST(sshd_config_includes_are_found_in_the_order_of_glob)
{
	static const struct {
		const char *text;
		const char *files; /* behind the main one */
		const char *directories;
	} rows[] = {
		{"Include /etc/ssh/d/*.conf\n", "/etc/ssh/d/10.conf|/etc/ssh/d/9.conf|/etc/ssh/d/B.conf|"
						"/etc/ssh/d/a.conf|",
		 "/etc/ssh/d|"},
		/* From /etc/ssh, whatever the working directory is. */
		{"Include d/?.conf\n", "/etc/ssh/d/9.conf|/etc/ssh/d/B.conf|/etc/ssh/d/a.conf|", "/etc/ssh/d|"},
		{"Include d/[0-9]*.conf d/.hidden.conf\n",
		 "/etc/ssh/d/10.conf|/etc/ssh/d/9.conf|/etc/ssh/d/.hidden.conf|", "/etc/ssh/d|"},
		{"Include /etc/s?h/[de]/a.conf\n",
		 "/etc/ssh/d/a.conf|/etc/ssh/e/a.conf|/etc/ssh/d/nested.inc|", "/etc|/etc/ssh|/etc/ssh/e|"},
		{"include=/etc/ssh/d/a.conf\nINCLUDE d/a.conf\n", "/etc/ssh/d/a.conf|", ""},
		/* What is not there may come. */
		{"Include /etc/none.conf /none/*.conf\n", "/etc/none.conf|", "/none|"},
		{"Match User x\n\tInclude d/a.conf\n", "/etc/ssh/d/a.conf|", ""},
		{"Include d/\\a.conf \"d/9.conf\"\n", "/etc/ssh/d/a.conf|/etc/ssh/d/9.conf|", "/etc/ssh/d|"},
		{"Include ~/x ~root/*\nInclude {d,e}/a.conf\n", "/etc/ssh/{d,e}/a.conf|", ""},
		{"Include d/loop.inc\n", "/etc/ssh/d/loop.inc|", "/etc/ssh/d|"},
		{"Include d/nested.inc\n", "/etc/ssh/d/nested.inc|/etc/ssh/e/a.conf|", "/etc/ssh/e|"},
		{"Include /etc/ssh/d\n", "/etc/ssh/d|", ""},
		{"Include /etc/ssh/../../../etc/ssh/d/a.conf", "/etc/ssh/../../../etc/ssh/d/a.conf|", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct tree *tree = tree_new();
		char files[512];

		tree_file(tree, "etc/ssh/sshd_config", rows[i].text);
		tree_file(tree, "etc/ssh/d/10.conf", "");
		tree_file(tree, "etc/ssh/d/9.conf", "");
		tree_file(tree, "etc/ssh/d/a.conf", "# Include /etc/x\n");
		tree_file(tree, "etc/ssh/d/B.conf", "");
		tree_file(tree, "etc/ssh/d/.hidden.conf", "");
		tree_file(tree, "etc/ssh/d/loop.inc", "Include d/*.inc[s]\nInclude d/loop.inc\n");
		tree_file(tree, "etc/ssh/d/nested.inc", "Include e/*\n");
		tree_file(tree, "etc/ssh/e/a.conf", "Include=d/nested.inc");
		(void)snprintf(files, sizeof(files), "/etc/ssh/sshd_config|%s", rows[i].files);
		assert_files(tree, files, rows[i].directories);
		tree_remove_all();
	}
}

HEAL_TEST(sshd_config_of_too_much_is_an_error)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	struct heal_sshd_config config = {0};
	struct heal_error error = {0};
	char path[64];

	tree_file(tree, "etc/ssh/sshd_config", "Include /etc/ssh/many/*\n");
	for (int i = 0; i < SSHD_CONFIG_FILES_MAX; i++) {
		(void)snprintf(path, sizeof(path), "etc/ssh/many/%d", i);
		tree_file(tree, path, "");
	}
	assert_int_equal(heal_sshd_config_read(ctx, "/etc/ssh/sshd_config", &config, &error), -E2BIG);
	assert_string_equal(error.message, "reading /etc/ssh/many/99: Argument list too long");
	heal_sshd_config_done(&config);
}

HEAL_TEST(sshd_config_goes_as_deep_as_sshd_does)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	struct heal_sshd_config config = {0};
	char path[64];
	char text[64];

	tree_file(tree, "etc/ssh/sshd_config", "Include 1\n");
	for (int i = 1; i < 30; i++) {
		(void)snprintf(path, sizeof(path), "etc/ssh/%d", i);
		(void)snprintf(text, sizeof(text), "Include %d\n", i + 1);
		tree_file(tree, path, text);
	}
	assert_int_equal(heal_sshd_config_read(ctx, "/etc/ssh/sshd_config", &config, NULL), 0);
	assert_int_equal(config.files.count, 17);
	assert_string_equal(config.files.items[16], "/etc/ssh/16");
	heal_sshd_config_done(&config);
}

HEAL_TEST(sshd_config_follows_nobody_but_root)
{
	static const struct {
		const char *text;
		const char *message;
	} rows[] = {
		{"Include /home/anna/x", "reading /home/anna/x: not only root can change it"},
		{"Include /home/anna/*", "reading /home/anna: not only root can change it"},
		{"Include /etc/ssh/d/*", "reading /etc/ssh/d/link: not only root can change it"},
		{"Include /etc/shared", "reading /etc/shared: not only root can change it"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct tree *tree = tree_new();
		_cleanup_context_ struct heal_context *ctx = tree_context(tree);
		struct heal_sshd_config config = {0};
		struct heal_error error = {0};

		if (geteuid() != 0)
			skip();
		tree_file(tree, "etc/ssh/sshd_config", rows[i].text);
		tree_file(tree, "home/anna/x", "Include /x");
		tree_file(tree, "etc/shared", "");
		assert_int_equal(fchmodat(tree->fd, "etc/shared", 0666, 0), 0);
		assert_int_equal(fchownat(tree->fd, "home/anna", 1000, 1000, 0), 0);
		tree_link(tree, "etc/ssh/d/link", "/home/anna/x");
		assert_int_equal(heal_sshd_config_read(ctx, "/etc/ssh/sshd_config", &config, &error), -EPERM);
		assert_string_equal(error.message, rows[i].message);
		heal_sshd_config_done(&config);
		tree_remove_all();
	}
}

/* A link of a recorded tree leads into that tree. */
HEAL_TEST(sshd_config_of_a_tree_is_that_of_the_tree)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	struct heal_sshd_config config = {0};

	tree_link(tree, "etc/ssh/sshd_config", "/etc/passwd");
	tree_file(tree, "etc/passwd", "PidFile /of/the/tree\nUsePAM yes\nusepam no\nHostKey /a\n"
				      "Match all\nHostKey /b\nPAMServiceName x\n");
	assert_int_equal(heal_sshd_config_option(&config, "PAMServiceName=mine"), 0);
	assert_int_equal(heal_sshd_config_option(&config, "HostKey \"/o p\""), 0);
	assert_int_equal(heal_sshd_config_read(ctx, "/etc/ssh/sshd_config", &config, NULL), 0);
	assert_string_equal(config.pid_file, "/of/the/tree");
	assert_string_equal(config.uses_pam, "yes");
	assert_string_equal(config.pam_service, "mine");
	assert_words("keys", &config.host_keys, "/o p|/a|");
	heal_sshd_config_done(&config);
}
