/* SPDX-License-Identifier: GPL-2.0-or-later */
/* heal_packages_name: owners and versions of stale files. */
#include "fake.h"
#include "test.h"

#define LIBC "/usr/lib/x86_64-linux-gnu/libc.so.6"
#define LIBSSL "/usr/lib/x86_64-linux-gnu/libcrypto.so.3"
#define OWN "/opt/own.so"

#define PACKAGE(name_, source_, version_, arch_)                        \
	{                                                               \
		.name = (char *)(name_), .source = (char *)(source_),   \
		.version = (char *)(version_), .arch = (char *)(arch_), \
	}

static const struct fake_owner owners[] = {
	{LIBC, PACKAGE("libc6", "glibc", "2.36-9+deb12u14", "amd64")},
	{LIBSSL, PACKAGE("libssl3", "openssl", "3.0.22", "amd64")},
	{NULL, PACKAGE(NULL, NULL, NULL, NULL)},
};

/* Two listeners: the first with libc and libcrypto stale, the second with libc and its own. */
static void fill(struct heal_context *ctx, struct fake_packages *fake, struct heal_report *report)
{
	static const char *const paths[2][2] = {{LIBC, LIBSSL}, {LIBC, OWN}};

	if (fake)
		fake_packages_use(ctx, fake);
	report->listeners.items = calloc(2, sizeof(*report->listeners.items));
	report->listeners.count = 2;
	for (size_t i = 0; i < 2; i++) {
		struct heal_listener *listener = &report->listeners.items[i];

		listener->process.dirfd = -1;
		listener->process.pid = 34 + (pid_t)i;
		listener->process.start_time = 7;
		listener->evidence.stale = calloc(2, sizeof(*listener->evidence.stale));
		listener->evidence.n_stale = 2;
		for (size_t j = 0; j < 2; j++)
			listener->evidence.stale[j].path = strdup(paths[i][j]);
	}
}

static void assert_stale(const struct heal_report *report, size_t listener, size_t file,
			 const char *expected)
{
	const struct heal_stale_file *stale = &report->listeners.items[listener].evidence.stale[file];
	char found[256];

	(void)snprintf(found, sizeof(found), "%s %s %s %s", stale->package ? stale->package : "-",
		       stale->source ? stale->source : "-",
		       stale->version_before ? stale->version_before : "-",
		       stale->version_now ? stale->version_now : "-");
	assert_string_equal(found, expected);
}

/* What was proven of a process: a file, its owner, its version. */
#define LISTENER(pid, start) "listener\t" pid "\t" start "\t28\t0\thealthy\n"
#define FILE_OF(path, package, version) \
	"mapped\t1\t2\t3\t4\t" path "\t" package "\t" version "\t-\n"

static struct heal_context *proven(const char *lines)
{
	const struct tree *tree = tree_new();
	char text[2048];

	(void)snprintf(text, sizeof(text), "sshd-heal proven 3\n%s", lines);
	tree_file(tree, "run/sshd-heal/proven", text);
	return tree_context(tree);
}

static int name(struct heal_context *ctx, struct heal_report *report)
{
	_cleanup_(heal_proof_done) struct heal_last_proof proof = {0};

	(void)heal_proof_load(ctx, &proof);
	return heal_packages_name(ctx, report, &proof);
}

HEAL_TEST(packages_name_the_owner_of_every_stale_file_and_its_versions)
{
	_cleanup_context_ struct heal_context *ctx =
		proven(LISTENER("33", "7") FILE_OF(LIBC, "libc6", "1.wrong")
		       LISTENER("34", "6") FILE_OF(LIBC, "libc6", "2.wrong")
		       LISTENER("34", "7") FILE_OF(OWN, "libssl3", "3.wrong")
				FILE_OF(LIBSSL, "libssl", "4.wrong") FILE_OF(LIBSSL, "libssl3", "3.0.17")
		       LISTENER("35", "7") FILE_OF(LIBC, "libc6", "2.36-9+deb12u14"));
	_cleanup_report_ struct heal_report report = {0};
	struct fake_packages fake = {.owners = owners};

	fill(ctx, &fake, &report);
	assert_int_equal(name(ctx, &report), 0);
	assert_stale(&report, 0, 0, "libc6 glibc - 2.36-9+deb12u14");
	assert_stale(&report, 0, 1, "libssl3 openssl 3.0.17 3.0.22");
	/* Replaced by the same version: nothing was upgraded. */
	assert_stale(&report, 1, 0, "libc6 glibc - 2.36-9+deb12u14");
	assert_stale(&report, 1, 1, "- - - -");
	assert_int_equal(report.notes.count, 0);
	/* The lists of a host are long: they are read once for all listeners. */
	assert_int_equal(fake.n_owners_calls, 1);
}

HEAL_TEST(packages_have_no_version_before_where_nothing_is_proven)
{
	static const char *const texts[] = {"", "damaged\n", "listener\t34\t7"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_context_ struct heal_context *ctx = proven(texts[i]);
		_cleanup_report_ struct heal_report report = {0};
		struct fake_packages fake = {.owners = owners};

		fill(ctx, &fake, &report);
		assert_int_equal(name(ctx, &report), 0);
		assert_stale(&report, 0, 1, "libssl3 openssl - 3.0.22");
		assert_int_equal(report.notes.count, 0);
	}
}

HEAL_TEST(packages_that_cannot_be_found_out_become_a_note)
{
	_cleanup_context_ struct heal_context *ctx = tree_context(tree_new());
	_cleanup_report_ struct heal_report report = {0};
	struct fake_packages fake = {.owners = owners, .failing = "owners"};

	fill(ctx, &fake, &report);
	assert_int_equal(name(ctx, &report), 0);
	assert_int_equal(report.notes.count, 1);
	assert_string_equal(report.notes.lines[0], "owners did not work");
	/* An answer that ended in an error is not believed in part. */
	assert_stale(&report, 0, 0, "- - - -");
}

HEAL_TEST(packages_without_a_database_become_a_note)
{
	_cleanup_context_ struct heal_context *ctx = tree_context(tree_new());
	_cleanup_report_ struct heal_report report = {0};

	fill(ctx, NULL, &report);
	assert_int_equal(name(ctx, &report), 0);
	assert_stale(&report, 0, 0, "- - - -");
	assert_int_equal(report.notes.count, 1);
	assert_string_equal(report.notes.lines[0],
			    "finding out whose files they are: no dpkg or rpm database");
}

/* A database that fails after it has named an owner; ASan and valgrind see what is left. */
HEAL_TEST(package_owner_is_not_had_from_a_database_that_fails)
{
	_cleanup_context_ struct heal_context *ctx = tree_context(tree_new());
	struct fake_packages fake = {.owners = owners, .failing = "owners"};
	struct heal_package owner = {0};

	fake_packages_use(ctx, &fake);
	assert_int_equal(heal_package_owner(ctx, LIBC, &owner), -EIO);
	assert_null(owner.name);
	assert_int_equal(heal_package_owner(ctx, OWN, &owner), -EIO);
	fake.failing = NULL;
	assert_int_equal(heal_package_owner(ctx, OWN, &owner), -ENOENT);
	assert_int_equal(heal_package_owner(ctx, LIBC, &owner), 0);
	assert_string_equal(owner.name, "libc6");
	heal_package_done(&owner);
}
