/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sshd-heal.conf beside its drop-ins, read by libeconf: what counts, and how an error is named. */
#include "test.h"
#include "tree.h"

#define MAIN "etc/sshd-heal.conf"
#define DROP_IN "etc/sshd-heal.conf.d/10-x.conf"
#define USR_DROP_IN "usr/lib/sshd-heal/sshd-heal.conf.d/10-x.conf"

static const char *load_from(const char *module_dir, const struct tree *tree,
			     enum heal_mode *ret_mode)
{
	static struct heal_error error;
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	int r;

	free(ctx->module_dir);
	ctx->module_dir = strdup(module_dir);
	error = (struct heal_error){0};
	r = heal_config_load(ctx, NULL, &error);
	assert_int_equal(r, -error.code);
	*ret_mode = ctx->config.mode;
	return error.message;
}

/* Loads the tree's configuration; gives the error's message, "" when there is none. */
static const char *load(const struct tree *tree, enum heal_mode *ret_mode)
{
	return load_from(TEST_MODULE_DIR, tree, ret_mode);
}

/* As in the middle of an upgrade of our own, which replaces the modules of what runs. */
HEAL_TEST(econf_of_another_build_is_not_called)
{
	const struct tree *tree = tree_new();
	enum heal_mode mode;

	tree_file(tree, MAIN, "Mode=warn\n");
	assert_string_equal(load(tree, &mode), "");
	assert_int_equal(mode, HEAL_MODE_WARN);
	assert_string_equal(load_from(TEST_OTHER_DIR, tree, &mode),
			    "loading module config-econf: " TEST_OTHER_DIR
			    "/config-econf.so is of another build than this sshd-heal");
	assert_int_equal(mode, HEAL_MODE_HEAL);
}

HEAL_TEST(econf_names_file_and_line_also_of_a_drop_in)
{
	static const struct {
		const char *main;
		const char *drop_in;
		const char *message;
	} rows[] = {
		{"Mode=warn\n", "# c\n\nMode=perhaps\n",
		 "/" DROP_IN ":3: bad value for Mode: \"perhaps\" (wanted: heal or warn)"},
		{"Mode=warn\n", "NoSuchKey=1\n", "/" DROP_IN ":1: unknown key NoSuchKey"},
		{"Mode=warn\n", "[x]\na=b\n", "/" DROP_IN ": it has no sections, but [x] stands there"},
		{"\nMode=perhaps\n", "Mode=heal\n",
		 "/" MAIN ":2: bad value for Mode: \"perhaps\" (wanted: heal or warn)"},
		{NULL, "Mode=perhaps\n",
		 "/" DROP_IN ":1: bad value for Mode: \"perhaps\" (wanted: heal or warn)"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct tree *tree = tree_new();
		enum heal_mode mode;
		const char *message;

		if (rows[i].main)
			tree_file(tree, MAIN, rows[i].main);
		tree_file(tree, DROP_IN, rows[i].drop_in);
		message = load(tree, &mode);
		assert_row(test_same(message, rows[i].message), "row %zu: %s", i, message);
		/* The defaults stay. */
		assert_row(mode == HEAL_MODE_HEAL, "row %zu", i);
		tree_remove_all();
	}
}

HEAL_TEST(econf_lets_the_drop_in_have_the_last_word)
{
	const struct tree *tree = tree_new();
	enum heal_mode mode;

	tree_file(tree, MAIN, "Mode=heal\n");
	assert_string_equal(load(tree, &mode), "");
	assert_int_equal(mode, HEAL_MODE_HEAL);
	tree_file(tree, DROP_IN, "Mode=warn\n");
	assert_string_equal(load(tree, &mode), "");
	assert_int_equal(mode, HEAL_MODE_WARN);
	tree_file(tree, "etc/sshd-heal.conf.d/20-y.conf", "Mode=heal\n");
	assert_string_equal(load(tree, &mode), "");
	assert_int_equal(mode, HEAL_MODE_HEAL);
}

HEAL_TEST(econf_passes_over_a_drop_in_that_another_of_its_name_stands_for)
{
	const struct tree *tree = tree_new();
	enum heal_mode mode;

	tree_file(tree, USR_DROP_IN, "Mode=perhaps\n");
	assert_string_equal(load(tree, &mode),
			    "/" USR_DROP_IN ":1: bad value for Mode: \"perhaps\" (wanted: heal or warn)");
	tree_file(tree, DROP_IN, "Mode=warn\n");
	assert_string_equal(load(tree, &mode), "");
	assert_int_equal(mode, HEAL_MODE_WARN);
}
