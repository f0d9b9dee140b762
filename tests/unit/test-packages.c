/* SPDX-License-Identifier: GPL-2.0-or-later */
/* heal_packages_name: owners and versions of stale files, and the watched upgrades. */
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

static const struct heal_package packages[] = {
	PACKAGE("libc6", "glibc", "2.36-9+deb12u14", "amd64"),
	PACKAGE("libc-bin", "glibc", "2.36-9+deb12u14", "amd64"),
	PACKAGE("locales", "glibc", "2.36-9+deb12u14", "all"),
	PACKAGE("libssl3", "openssl", "3.0.22", "amd64"),
	PACKAGE("libssl3", "openssl", "3.0.22", "i386"),
	PACKAGE("openssl", "openssl", "3.0.22", "amd64"),
	PACKAGE("bash", "bash", "5.2", "amd64"),
	PACKAGE(NULL, NULL, NULL, NULL),
};

static void add_change(struct heal_report *report, const char *package, const char *arch,
		       const char *before, const char *now)
{
	struct heal_event *event = &report->event;

	assert_int_equal(heal_grow(&event->changes, event->count, sizeof(*event->changes)), 0);
	event->changes[event->count++] = (struct heal_change){
		.package = strdup(package),
		.arch = strdup(arch),
		.version_before = before ? strdup(before) : NULL,
		.version_now = now ? strdup(now) : NULL,
	};
}

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

HEAL_TEST(packages_name_the_owner_of_every_stale_file_and_its_versions)
{
	_cleanup_context_ struct heal_context *ctx = tree_context(tree_new());
	_cleanup_report_ struct heal_report report = {0};
	struct fake_packages fake = {.owners = owners, .packages = packages};

	fill(ctx, &fake, &report);
	add_change(&report, "libssl3", "i386", "1.wrong", "3.0.22");
	add_change(&report, "libssl", "amd64", "2.wrong", "3.0.22");
	add_change(&report, "libssl3", "amd64", "3.0.17", "3.0.22");
	assert_int_equal(heal_packages_name(ctx, &report), 0);
	assert_stale(&report, 0, 0, "libc6 glibc - 2.36-9+deb12u14");
	assert_stale(&report, 0, 1, "libssl3 openssl 3.0.17 3.0.22");
	assert_stale(&report, 1, 0, "libc6 glibc - 2.36-9+deb12u14");
	assert_stale(&report, 1, 1, "- - - -");
	assert_int_equal(report.notes.count, 0);
	/* The lists of a host are long: they are read once for all listeners. */
	assert_int_equal(fake.n_owners_calls, 1);
}

/* The watched packages that the event changed, as "package before now;" each. */
static void assert_upgrades(const struct heal_report *report, const char *expected)
{
	char found[512] = "";
	size_t used = 0;

	for (size_t i = 0; i < report->n_upgrades; i++) {
		const struct heal_upgrade *upgrade = &report->upgrades[i];

		used += (size_t)snprintf(found + used, sizeof(found) - used, "%s %s %s %s;",
					 upgrade->package, upgrade->source,
					 upgrade->version_before ? upgrade->version_before : "-",
					 upgrade->version_now);
	}
	assert_string_equal(found, expected);
}

HEAL_TEST(packages_name_the_upgrades_of_the_watched_sources_only)
{
	_cleanup_context_ struct heal_context *ctx = tree_context(tree_new());
	_cleanup_report_ struct heal_report report = {0};
	struct fake_packages fake = {.owners = owners, .packages = packages};

	fill(ctx, &fake, &report);
	add_change(&report, "bash", "amd64", "5.1", "5.2");
	add_change(&report, "libssl3", "i386", "3.0.17", "3.0.22");
	add_change(&report, "libc6", "amd64", "2.36-9+deb12u7", "2.36-9+deb12u14");
	add_change(&report, "locales", "all", NULL, "2.36-9+deb12u14");
	/* Noted, and then it did not come to it. */
	add_change(&report, "libc-bin", "amd64", "2.36-9+deb12u14", "2.36-9+deb12u15");
	/* Removed, so no package of that name is there any more. */
	add_change(&report, "libssl1.1", "amd64", "1.1.1", NULL);
	assert_int_equal(heal_packages_name(ctx, &report), 0);
	assert_upgrades(&report, "libc6 glibc 2.36-9+deb12u7 2.36-9+deb12u14;"
				 "locales glibc - 2.36-9+deb12u14;libssl3 openssl 3.0.17 3.0.22;");
	assert_int_equal(report.notes.count, 0);
}

HEAL_TEST(packages_without_an_event_are_not_asked_for_by_source)
{
	_cleanup_context_ struct heal_context *ctx = tree_context(tree_new());
	_cleanup_report_ struct heal_report report = {0};
	struct fake_packages fake = {.owners = owners, .packages = packages};

	fill(ctx, &fake, &report);
	assert_int_equal(heal_packages_name(ctx, &report), 0);
	assert_int_equal(fake.n_of_source_calls, 0);
	assert_upgrades(&report, "");
}

HEAL_TEST(packages_of_rpm_match_without_an_architecture)
{
	static const struct fake_owner rpm[] = {
		{LIBSSL, PACKAGE("openssl-libs", "openssl", "3.0.7-25", NULL)},
		{NULL, PACKAGE(NULL, NULL, NULL, NULL)},
	};
	_cleanup_context_ struct heal_context *ctx = tree_context(tree_new());
	_cleanup_report_ struct heal_report report = {0};
	struct fake_packages fake = {.owners = rpm};

	fill(ctx, &fake, &report);
	add_change(&report, "openssl-libs", "x86_64", "3.0.7-24", "3.0.7-25");
	assert_int_equal(heal_packages_name(ctx, &report), 0);
	assert_stale(&report, 0, 1, "openssl-libs openssl 3.0.7-24 3.0.7-25");
}

HEAL_TEST(packages_that_cannot_be_found_out_become_a_note)
{
	static const char *const failing[] = {"owners", "of_source"};

	for (size_t i = 0; i < ARRAY_SIZE(failing); i++) {
		_cleanup_context_ struct heal_context *ctx = tree_context(tree_new());
		_cleanup_report_ struct heal_report report = {0};
		struct fake_packages fake = {
			.owners = owners, .packages = packages, .failing = failing[i]};
		char expected[64];

		fill(ctx, &fake, &report);
		add_change(&report, "libc6", "amd64", "1", "2");
		assert_int_equal(heal_packages_name(ctx, &report), 0);
		assert_int_equal(report.notes.count, 1);
		(void)snprintf(expected, sizeof(expected), "%s did not work", failing[i]);
		assert_string_equal(report.notes.lines[0], expected);
		/* An answer that ended in an error is not believed in part. */
		assert_stale(&report, 0, 0, i == 0 ? "- - - -" : "libc6 glibc 1 2.36-9+deb12u14");
	}
}

HEAL_TEST(packages_without_a_database_become_a_note)
{
	_cleanup_context_ struct heal_context *ctx = tree_context(tree_new());
	_cleanup_report_ struct heal_report report = {0};

	fill(ctx, NULL, &report);
	assert_int_equal(heal_packages_name(ctx, &report), 0);
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
