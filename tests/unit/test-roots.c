/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The whole way on recorded hosts (tests/roots): what a person would read of each. */
#include "test.h"
#include "tree.h"

extern const struct package_ops heal_package_ops;

#define ROOTS "tests/roots/"
#define LIB "/usr/lib/x86_64-linux-gnu/"

/* As sshd-heal --root=DIR does it; a recorded host is read only, whatever the verb. */
static struct heal_context *recorded(const char *root)
{
	struct heal_context *ctx = NULL;
	struct heal_error error = {0};

	if (heal_context_new(&ctx, root, "/nonexistent", &error) < 0)
		fail_msg("%s (run from the top of the source)", error.message);
	ctx->package_ops = &heal_package_ops;
	/* A recorded host has no configuration; this only says that it was looked for. */
	assert_int_equal(heal_config_load(ctx, NULL, &error), 0);
	return ctx;
}

static void run(struct heal_context *ctx, enum heal_verb verb, struct heal_report *report)
{
	struct heal_error error = {0};

	if (heal_run(ctx, verb, report, &error) < 0)
		fail_msg("%s", error.message);
}

HEAL_TEST(root_of_bookworm_after_an_upgrade_is_stale_and_says_what_changed)
{
	static const char expected[] =
		"sshd-heal: /usr/sbin/sshd (pid 25, listens on 0.0.0.0:22 [::]:22, 2 sessions) runs "
		"files that were replaced or deleted\n"
		"  " LIB "libc.so.6: libc6 2.36-9+deb12u7 -> 2.36-9+deb12u14 (source glibc)\n"
		"  " LIB "libcrypto.so.3: libssl3 3.0.17-1~deb12u2 -> 3.0.22-1~deb12u2 "
		"(source openssl)\n"
		"  " LIB "ld-linux-x86-64.so.2: libc6 2.36-9+deb12u7 -> 2.36-9+deb12u14 "
		"(source glibc)\n"
		"  left alone: systemd cannot be asked\n";
	static const enum heal_verb verbs[] = {HEAL_CHECK, HEAL_DRY_RUN, HEAL_HEAL, HEAL_HOOK};

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		_cleanup_context_ struct heal_context *ctx = recorded(ROOTS "bookworm-stale");
		_cleanup_report_ struct heal_report report = {0};

		run(ctx, verbs[i], &report);
		assert_text(&report, verbs[i], expected);
		assert_int_equal(report.verdict, HEAL_VERDICT_STALE);
		assert_int_equal(heal_report_status(&report), 1);
	}
	assert_int_equal(access(ROOTS "bookworm-stale/run/sshd-heal/proven", F_OK), 0);
	assert_int_equal(access(ROOTS "bookworm-stale/run/sshd-heal/lock", F_OK), -1);
}

HEAL_TEST(root_of_trixie_is_healthy_with_its_sessions)
{
	_cleanup_context_ struct heal_context *ctx = recorded(ROOTS "trixie-healthy");
	_cleanup_report_ struct heal_report report = {0};

	run(ctx, HEAL_CHECK, &report);
	assert_text(&report, HEAL_CHECK,
		    "sshd-heal: /usr/sbin/sshd (pid 812, listens on 0.0.0.0:22 [::]:22, 2 sessions): "
		    "healthy, runs the files on disk\n");
	assert_int_equal(heal_report_status(&report), 0);
}

HEAL_TEST(root_of_a_healthy_host_gives_a_hook_nothing_to_say)
{
	_cleanup_context_ struct heal_context *ctx = recorded(ROOTS "trixie-healthy");
	_cleanup_report_ struct heal_report report = {0};

	run(ctx, HEAL_HOOK, &report);
	assert_text(&report, HEAL_HOOK, "");
	assert_int_equal(heal_report_status(&report), 0);
}

HEAL_TEST(root_with_containers_has_only_foreign_listeners)
{
	static const struct {
		pid_t pid;
		enum heal_foreign foreign;
	} rows[] = {
		{2001, HEAL_FOREIGN_NAMESPACE},
		{2002, HEAL_FOREIGN_NAMESPACE},
		{2003, HEAL_FOREIGN_USER},
		{2004, HEAL_FOREIGN_PATH},
	};
	_cleanup_context_ struct heal_context *ctx = recorded(ROOTS "containers");
	_cleanup_report_ struct heal_report report = {0};
	size_t n_found = 0;

	run(ctx, HEAL_CHECK, &report);
	assert_int_equal(report.listeners.count, ARRAY_SIZE(rows));
	for (size_t i = 0; i < report.listeners.count; i++) {
		const struct heal_listener *listener = &report.listeners.items[i];

		for (size_t j = 0; j < ARRAY_SIZE(rows); j++) {
			if (listener->process.pid != rows[j].pid)
				continue;
			n_found++;
			assert_row(listener->process.foreign == rows[j].foreign, "%d: %d",
				   (int)listener->process.pid, (int)listener->process.foreign);
		}
		/* Only of root's own it is seen. */
		assert_int_equal(listener->evidence.n_stale > 0, listener->process.pid == 2004);
		assert_int_equal(listener->result.verdict, HEAL_VERDICT_FOREIGN);
		assert_int_equal(listener->process.sessions, listener->process.pid == 2001);
	}
	assert_int_equal(n_found, ARRAY_SIZE(rows));
	assert_int_equal(heal_report_status(&report), 0);
	/* It has no package database. */
	assert_int_equal(report.notes.count, 1);
}
