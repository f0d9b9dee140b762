/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration's keys and values. */
#include "test.h"
#include "tree.h"

static int set(struct heal_config *config, const char *key, const char *value,
	       struct heal_error *error)
{
	return config_set(config, key, value, "/etc/sshd-heal.conf", 7, error);
}

HEAL_TEST(config_takes_every_documented_value)
{
	struct heal_config config;
	struct heal_error error = {0};

	assert_int_equal(heal_config_init(&config), 0);
	assert_int_equal(set(&config, "Mode", "warn", &error), 0);
	assert_int_equal(config.mode, HEAL_MODE_WARN);
	assert_int_equal(set(&config, "Mode", "heal", &error), 0);
	assert_int_equal(config.mode, HEAL_MODE_HEAL);
	assert_int_equal(set(&config, "UnmanagedListener", "hup", &error), 0);
	assert_true(config.hup_unmanaged);
	assert_int_equal(set(&config, "UnmanagedListener", "warn", &error), 0);
	assert_false(config.hup_unmanaged);
	assert_int_equal(set(&config, "Motd", "yes", &error), 0);
	assert_true(config.motd);
	assert_int_equal(set(&config, "Packages", "glibc  zlib", &error), 0);
	assert_true(config.has_packages);
	assert_int_equal(set(&config, "SshdPath", "/opt/sshd", &error), 0);
	assert_string_equal(config.sshd_paths.items[0], "/opt/sshd");
	assert_null(config.sshd_paths.items[1]);
	heal_config_done(&config);
}

HEAL_TEST(config_deadline_is_a_time_from_five_seconds_to_ten_minutes)
{
	static const struct {
		const char *value;
		unsigned ms; /* 0: refused */
	} rows[] = {
		{"5", 5000},    {"30s", 30000}, {"60", 60000}, {"60s", 60000},
		{"1min", 60000}, {"4s", 0},   {"61s", 0},      {"2min", 0},
		{"-1", 0},      {"+5", 0},      {" 5", 0},        {"5 ", 0},
		{"5m", 0},      {"5ms", 0},     {"", 0},          {"x", 0},
		{"99999999999999999999", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct heal_config config = {.deadline_ms = 77};
		struct heal_error error = {0};
		int r = set(&config, "Deadline", rows[i].value, &error);

		assert_row(r == (rows[i].ms ? 0 : -EINVAL), "%s: %d", rows[i].value, r);
		assert_row(config.deadline_ms == (rows[i].ms ? rows[i].ms : 77), "%s: %u",
			   rows[i].value, config.deadline_ms);
	}
}

HEAL_TEST(config_refuses_what_it_does_not_know_with_file_and_line)
{
	static const struct {
		const char *key;
		const char *value;
		const char *message;
	} rows[] = {
		{"Mode", "Heal", "bad value for Mode: \"Heal\" (wanted: heal or warn)"},
		{"Mode", "", "bad value for Mode: \"\" (wanted: heal or warn)"},
		{"Motd", "1", "bad value for Motd: \"1\" (wanted: yes or no)"},
		{"UnmanagedListener", "kill",
		 "bad value for UnmanagedListener: \"kill\" (wanted: warn or hup)"},
		{"SshdPath", "/a sshd", "bad value for SshdPath: \"/a sshd\" (wanted: absolute paths)"},
		{"mode", "heal", "unknown key mode"},
		{"Mo\033de", "heal", "unknown key Mo\\x1bde"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct heal_config config;
		struct heal_error error = {0};
		char expected[256];

		assert_int_equal(heal_config_init(&config), 0);
		assert_int_equal(set(&config, rows[i].key, rows[i].value, &error), -EINVAL);
		(void)snprintf(expected, sizeof(expected), "/etc/sshd-heal.conf:7: %s",
			       rows[i].message);
		assert_string_equal(error.message, expected);
		assert_string_equal(config.sshd_paths.items[0], "/usr/sbin/sshd");
		heal_config_done(&config);
	}
}

HEAL_TEST(config_that_is_not_there_needs_no_module)
{
	static const char *const files[] = {
		"etc/sshd-heal.conf",
		"etc/sshd-heal.conf.d/x.conf",
		"usr/lib/sshd-heal/sshd-heal.conf",
		"usr/lib/sshd-heal/sshd-heal.conf.d/x.conf",
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		const struct tree *tree = tree_new();
		_cleanup_context_ struct heal_context *ctx = tree_context(tree);
		struct heal_error error = {0};

		assert_false(ctx->is_configured);
		assert_int_equal(heal_config_load(ctx, NULL, &error), 0);
		assert_true(ctx->is_configured);
		assert_int_equal(heal_config_load(ctx, "/etc/other.conf", &error), -ELIBACC);
		tree_file(tree, files[i], "");
		assert_row(heal_config_load(ctx, NULL, &error) == -ELIBACC, "%s", files[i]);
		assert_int_equal(ctx->config.mode, HEAL_MODE_HEAL);
		tree_remove_all();
	}
}
