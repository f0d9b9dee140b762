/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The context, its defaults, and what is said when a backend cannot be had. */
#include "test.h"
#include "tree.h"

HEAL_TEST(context_of_a_tree_is_not_live_and_that_of_this_machine_is)
{
	_cleanup_context_ struct heal_context *here = NULL;
	_cleanup_context_ struct heal_context *beside = NULL;
	_cleanup_context_ struct heal_context *there = tree_context(tree_new());
	struct heal_error error = {0};

	assert_int_equal(heal_context_new(&here, "/", "/nonexistent", &error), 0);
	assert_true(here->is_live);
	assert_false(there->is_live);
	/* Nor is any other directory of its filesystem. */
	assert_int_equal(heal_context_new(&beside, "/etc", "/nonexistent", &error), 0);
	assert_false(beside->is_live);
	assert_true(there->proc_fd >= 0);
}

HEAL_TEST(context_without_a_root_is_an_error_that_names_it)
{
	const struct tree *tree = tree_new();
	struct heal_context *ctx = NULL;
	struct heal_error error = {0};
	char path[600];

	assert_int_equal(heal_context_new(&ctx, "/no\nsuch", "/m", &error), -ENOENT);
	assert_string_equal(error.message, "opening the root directory /no\\x0asuch: "
					   "No such file or directory");
	tree_file(tree, "file", "");
	(void)snprintf(path, sizeof(path), "%s/file", tree->path);
	assert_int_equal(heal_context_new(&ctx, path, "/m", &error), -ENOTDIR);
	assert_null(ctx);
	assert_null(heal_context_free(NULL));
}

HEAL_TEST(context_has_the_documented_defaults)
{
	_cleanup_context_ struct heal_context *ctx = NULL;
	int64_t before = heal_now_ms();

	assert_int_equal(heal_context_new(&ctx, tree_new()->path, "/m", NULL), 0);
	assert_int_equal(ctx->config.mode, HEAL_MODE_HEAL);
	assert_false(ctx->config.hup_unmanaged);
	assert_int_equal(ctx->config.deadline_ms, 30000);
	assert_in_range(ctx->deadline_ms, before + 30000, before + 35000);
	assert_string_equal(ctx->config.sshd_paths.items[0], "/usr/sbin/sshd");
}

HEAL_TEST(context_without_a_package_database_says_so)
{
	_cleanup_context_ struct heal_context *ctx = tree_context(tree_new());
	struct heal_error error = {0};

	assert_int_equal(heal_context_package(ctx, &error), -ENOENT);
	assert_string_equal(error.message,
			    "finding out whose files they are: no dpkg or rpm database");
}

HEAL_TEST(context_with_a_database_but_no_module_names_the_module)
{
	static const struct {
		const char *path;
		const char *module;
	} rows[] = {
		{"usr/lib/sysimage/rpm/rpmdb.sqlite", "loading module package-rpm: "},
		{"var/lib/rpm/rpmdb.sqlite", "loading module package-rpm: "},
		/* Where both are, dpkg's is the host's: rpm is a tool there. */
		{"var/lib/dpkg/status", "loading module package-apt: "},
	};
	const struct tree *tree = tree_new();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_context_ struct heal_context *ctx = tree_context(tree);
		struct heal_error error = {0};

		tree_file(tree, rows[i].path, "");
		assert_int_equal(heal_context_package(ctx, &error), -ELIBACC);
		assert_row(strncmp(error.message, rows[i].module, strlen(rows[i].module)) == 0, "%s",
			   error.message);
	}
}

HEAL_TEST(context_without_systemd_is_told_from_one_whose_module_is_missing)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	struct heal_error error = {0};

	assert_int_equal(heal_context_service(ctx, &error), -ENOENT);
	assert_string_equal(error.message, "asking systemd: it is not running on this system");
	tree_file(tree, "run/systemd/system/x", "");
	assert_int_equal(heal_context_service(ctx, &error), -ELIBACC);
	assert_non_null(strstr(error.message, "loading module service-systemd: "));
}
