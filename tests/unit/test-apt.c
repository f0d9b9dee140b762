/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The package backend on dpkg databases: whose files, and built from which source. */
#include "modules/package-apt.h"
#include "test.h"
#include "tree.h"

extern const struct package_ops heal_package_ops;

#define STANZA(name, arch, version, rest)                                             \
	"Package: " name "\nStatus: install ok installed\nPriority: optional\n"       \
	"Architecture: " arch "\nVersion: " version "\n" rest                         \
	"Description: of " name "\n more of it\n .\n and more\n\n"

static const char status[] =
	STANZA("libc6", "amd64", "2.36-9+deb12u14", "Multi-Arch: same\nSource: glibc\n")
	STANZA("libc-bin", "amd64", "2.36-9+deb12u14", "Source: glibc\n")
	STANZA("libssl3", "amd64", "3.0.22-1~deb12u2", "Multi-Arch: same\nSource: openssl\n")
	STANZA("libssl3", "i386", "3.0.17-1~deb12u2", "Multi-Arch: same\nSource: openssl\n")
	STANZA("libssl1.1", "amd64", "1.1.1w-0+deb11u1+b1",
	       "Source: openssl (1.1.1w-0+deb11u1)\n")
	STANZA("openssh-server", "amd64", "1:9.2p1-2+deb12u10", "Source: openssh\n")
	STANZA("dash", "amd64", "0.5.12-2", "")
	STANZA("diverter", "all", "1.0", "")
	"Package: half\nStatus: install ok unpacked\nArchitecture: amd64\nVersion: 2\n\n"
	"Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\n"
	"Source: openssl\nVersion: 1.0\n\n"
	"Package: never\nStatus: purge ok not-installed\nArchitecture: amd64\nSource: openssl\n\n";

/* A host with merged /usr, or one without. */
static const struct tree *host(bool is_usr_merged)
{
	static const struct {
		const char *name;
		const char *text;
	} lists[] = {
		{"libc6:amd64", "/.\n/lib\n/lib/x86_64-linux-gnu\n/lib/x86_64-linux-gnu/libc.so.6\n"
				"/lib64\n/lib64/ld-linux-x86-64.so.2\n"},
		{"libc-bin", "/.\n/usr/bin/ldd\n/sbin/ldconfig\n"},
		{"libssl3:amd64", "/.\n/usr/lib/x86_64-linux-gnu/libcrypto.so.3\n"
				  "/usr/share/doc/libssl3/copyright\n"},
		{"libssl3:i386", "/.\n/usr/lib/i386-linux-gnu/libcrypto.so.3\n"
				 "/usr/share/doc/libssl3/copyright\n"},
		{"libssl1.1:amd64", "/.\n/usr/lib/x86_64-linux-gnu/libcrypto.so.1.1\n"},
		{"openssh-server", "/.\n/usr/sbin/sshd\n/etc/ssh\n"},
		{"dash", "/.\n/usr/bin/dash\n/usr/bin/sh\n/usr/bin/local\n/usr/bin/mutual\n"},
		{"diverter", "/.\n/usr/bin/sh\n/usr/bin/mutual\n"},
		{"half", "/.\n/usr/bin/half\n"},
		{"gone", "/.\n/etc/gone.conf\n"},
		{"unlisted", "/.\n/usr/bin/unlisted\n"},
		/* As long as a package's name, and not the name of one. */
		{"libssl", "/usr/bin/short\n"},
		{"libssl3:arm64", "/usr/bin/other-arch\n"},
	};
	const struct tree *tree = tree_new();
	char path[64];

	tree_file(tree, "var/lib/dpkg/status", status);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		(void)snprintf(path, sizeof(path), "var/lib/dpkg/info/%s.list", lists[i].name);
		tree_file(tree, path, lists[i].text);
	}
	tree_file(tree, "var/lib/dpkg/info/dash.conffiles", "/usr/bin/conffile\n");
	tree_file(tree, "var/lib/dpkg/info/list", "/usr/bin/list\n");
	tree_file(tree, "var/lib/dpkg/diversions",
		  "/usr/bin/sh\n/usr/bin/sh.distrib\ndiverter\n"
		  "/usr/bin/mutual\n/usr/bin/mutual.distrib\ndash\n"
		  "/usr/bin/local\n/usr/bin/local.orig\n:\n"
		  "/lib64/ld-linux-x86-64.so.2\n/lib64/ld-linux-x86-64.so.2.real\n:\n");
	if (is_usr_merged)
		tree_link(tree, "lib", "usr/lib");
	return tree;
}

static void *open_database(const struct tree *tree)
{
	struct heal_error error = {0};
	void *handle = NULL;

	if (heal_package_ops.open(tree->fd, &handle, &error) < 0)
		fail_msg("%s", error.message);
	return handle;
}

struct owner_row {
	const char *path;
	const char *package; /* NULL: nobody's */
	const char *arch;
};

#define ROWS_MAX 16

static void assert_owners(const struct tree *tree, const struct owner_row *rows, size_t n)
{
	struct heal_package owners[ROWS_MAX] = {{0}};
	const char *paths[ROWS_MAX];
	struct heal_error error = {0};
	void *handle = open_database(tree);

	assert_true(n <= ROWS_MAX);
	for (size_t i = 0; i < n; i++)
		paths[i] = rows[i].path;
	if (heal_package_ops.owners(handle, paths, n, owners, &error) < 0)
		fail_msg("%s", error.message);
	for (size_t i = 0; i < n; i++) {
		assert_row(test_same(owners[i].name, rows[i].package), "%s: %s", rows[i].path,
			   owners[i].name ? owners[i].name : "nobody's");
		assert_row(test_same(owners[i].arch, rows[i].arch), "%s: %s", rows[i].path,
			   owners[i].arch);
		heal_package_done(&owners[i]);
	}
	heal_package_ops.close(handle);
}

HEAL_TEST(apt_owners_with_merged_usr_are_found_by_both_names)
{
	static const struct owner_row rows[] = {
		{"/usr/lib/x86_64-linux-gnu/libc.so.6", "libc6", "amd64"},
		{"/lib/x86_64-linux-gnu/libc.so.6", "libc6", "amd64"},
		{"/usr/lib/x86_64-linux-gnu/libcrypto.so.3", "libssl3", "amd64"},
		{"/lib/x86_64-linux-gnu/libcrypto.so.3", "libssl3", "amd64"},
		{"/usr/sbin/sshd", "openssh-server", "amd64"},
		{"/sbin/sshd", "openssh-server", "amd64"},
		{"/usr/sbin/ldconfig", "libc-bin", "amd64"},
		{"/usr/local/lib/x86_64-linux-gnu/libc.so.6", NULL, NULL},
		{"/usr/lib/x86_64-linux-gnu/libc.so", NULL, NULL},
		{"/usr/lib/x86_64-linux-gnu/libc.so.6.1", NULL, NULL},
	};

	assert_owners(host(true), rows, ARRAY_SIZE(rows));
}

HEAL_TEST(apt_owners_without_merged_usr_are_found_by_their_own_name_only)
{
	static const struct owner_row rows[] = {
		{"/lib/x86_64-linux-gnu/libc.so.6", "libc6", "amd64"},
		{"/usr/lib/x86_64-linux-gnu/libc.so.6", NULL, NULL},
		{"/usr/lib/x86_64-linux-gnu/libcrypto.so.3", "libssl3", "amd64"},
		{"/lib/x86_64-linux-gnu/libcrypto.so.3", NULL, NULL},
		{"/sbin/ldconfig", "libc-bin", "amd64"},
		{"/usr/sbin/ldconfig", NULL, NULL},
	};

	assert_owners(host(false), rows, ARRAY_SIZE(rows));
}

HEAL_TEST(apt_owners_by_lists_with_architectures_and_dots_in_their_names)
{
	static const struct owner_row rows[] = {
		{"/usr/lib/i386-linux-gnu/libcrypto.so.3", "libssl3", "i386"},
		{"/usr/lib/x86_64-linux-gnu/libcrypto.so.1.1", "libssl1.1", "amd64"},
		{"/usr/bin/half", "half", "amd64"},
		/* Only conffiles are left of it. */
		{"/etc/gone.conf", NULL, NULL},
		/* In a list, but not in the status. */
		{"/usr/bin/unlisted", NULL, NULL},
		{"/usr/bin/short", NULL, NULL},
		{"/usr/bin/other-arch", NULL, NULL},
		/* In files that are no lists. */
		{"/usr/bin/conffile", NULL, NULL},
		{"/usr/bin/list", NULL, NULL},
	};

	assert_owners(host(true), rows, ARRAY_SIZE(rows));
}

HEAL_TEST(apt_owners_heed_diversions)
{
	static const struct owner_row rows[] = {
		/* The diverting package's own file, and the one that it has moved away. */
		{"/usr/bin/sh", "diverter", "all"},
		{"/usr/bin/sh.distrib", "dash", "amd64"},
		/* And the other way round, as the lists come in any order. */
		{"/usr/bin/mutual", "dash", "amd64"},
		{"/usr/bin/mutual.distrib", "diverter", "all"},
		{"/bin/sh", "diverter", "all"},
		{"/bin/sh.distrib", "dash", "amd64"},
		/* A local diversion: what is there now is the administrator's. */
		{"/usr/bin/local", NULL, NULL},
		{"/usr/bin/local.orig", "dash", "amd64"},
		{"/usr/lib64/ld-linux-x86-64.so.2", NULL, NULL},
		{"/usr/lib64/ld-linux-x86-64.so.2.real", "libc6", "amd64"},
		{"/usr/bin/dash", "dash", "amd64"},
	};

	assert_owners(host(true), rows, ARRAY_SIZE(rows));
}

HEAL_TEST(apt_owners_without_diversions_file)
{
	static const struct owner_row rows[] = {{"/usr/bin/sh.distrib", NULL, NULL},
						{"/usr/bin/local", "dash", "amd64"}};
	const struct tree *tree = host(true);

	tree_remove(tree, "var/lib/dpkg/diversions");
	assert_owners(tree, rows, ARRAY_SIZE(rows));
}

HEAL_TEST(apt_owner_comes_with_source_and_version)
{
	static const char *const paths[] = {"/usr/lib/x86_64-linux-gnu/libcrypto.so.1.1",
					    "/usr/bin/dash"};
	struct heal_package owners[2] = {{0}};
	struct heal_error error = {0};
	void *handle = open_database(host(true));

	assert_int_equal(heal_package_ops.owners(handle, paths, 2, owners, &error), 0);
	assert_string_equal(owners[0].source, "openssl");
	assert_string_equal(owners[0].version, "1.1.1w-0+deb11u1+b1");
	assert_string_equal(owners[1].source, "dash");
	assert_string_equal(owners[1].version, "0.5.12-2");
	heal_package_done(&owners[0]);
	heal_package_done(&owners[1]);
	heal_package_ops.close(handle);
}

/* A trigger runs before dpkg has put its updates into the status file. */
HEAL_TEST(apt_versions_are_those_of_dpkgs_updates_where_there_are_any)
{
	static const char *const paths[] = {"/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
					    "/usr/bin/new"};
	const struct tree *tree = host(true);
	struct heal_package owners[2] = {{0}};
	struct heal_error error = {0};
	void *db = NULL;

	tree_file(tree, "var/lib/dpkg/info/new.list", "/usr/bin/new\n");
	tree_file(tree, "var/lib/dpkg/updates/0009",
		  STANZA("libssl3", "amd64", "3.0.18", "Source: openssl\n"));
	tree_file(tree, "var/lib/dpkg/updates/0010",
		  STANZA("libssl3", "amd64", "3.0.17", "Source: openssl\n"));
	tree_file(tree, "var/lib/dpkg/updates/0011", STANZA("new", "amd64", "1", ""));
	tree_file(tree, "var/lib/dpkg/updates/tmp.i",
		  STANZA("libssl3", "amd64", "9", "Source: openssl\n"));
	assert_int_equal(heal_package_ops.open(tree->fd, &db, &error), 0);
	assert_int_equal(heal_package_ops.owners(db, paths, 2, owners, &error), 0);
	assert_string_equal(owners[0].version, "3.0.17");
	assert_string_equal(owners[1].version, "1");
	for (size_t i = 0; i < 2; i++)
		heal_package_done(&owners[i]);
	heal_package_ops.close(db);
}

static void assert_open_fails(const struct tree *tree, int code, const char *message)
{
	struct heal_error error = {0};
	void *handle = NULL;

	assert_int_equal(heal_package_ops.open(tree->fd, &handle, &error), -code);
	assert_int_equal(error.code, code);
	assert_row(strncmp(error.message, message, strlen(message)) == 0, "%s", error.message);
	assert_null(handle);
}

HEAL_TEST(apt_status_that_is_missing_or_damaged_is_an_error_that_names_it)
{
	const struct tree *tree = host(true);

	tree_file(tree, "var/lib/dpkg/status", "this is no status file\nat all\n");
	assert_open_fails(tree, EIO, "reading /var/lib/dpkg/status: ");
	tree_file(tree, "var/lib/dpkg/status", "Package: a\nStatus install ok installed\n\n");
	assert_open_fails(tree, EIO, "reading /var/lib/dpkg/status: ");
	tree_remove(tree, "var/lib/dpkg/status");
	assert_open_fails(tree, ENOENT,
			  "opening /var/lib/dpkg/status: No such file or directory");
	/* apt's own stack of errors does not spill over into the next one. */
	tree_file(tree, "var/lib/dpkg/status", status);
	heal_package_ops.close(open_database(tree));
}

HEAL_TEST(apt_status_that_is_empty_has_no_packages)
{
	static const char *const paths[] = {"/usr/lib/x86_64-linux-gnu/libcrypto.so.3"};
	struct heal_package owner = {0};
	struct heal_error error = {0};
	const struct tree *tree = host(true);
	void *handle;

	tree_file(tree, "var/lib/dpkg/status", "");
	handle = open_database(tree);
	assert_int_equal(heal_package_ops.owners(handle, paths, 1, &owner, &error), 0);
	assert_null(owner.name);
	heal_package_ops.close(handle);
}

static void assert_owners_fail(const struct tree *tree, int code, const char *message)
{
	static const char *const paths[] = {"/usr/sbin/sshd"};
	struct heal_package owner = {0};
	struct heal_error error = {0};
	void *handle = open_database(tree);

	assert_int_equal(heal_package_ops.owners(handle, paths, 1, &owner, &error), -code);
	assert_int_equal(error.code, code);
	assert_string_equal(error.message, message);
	heal_package_done(&owner);
	heal_package_ops.close(handle);
}

HEAL_TEST(apt_database_that_is_damaged_elsewhere_is_an_error_that_names_it)
{
	const struct tree *tree = host(true);

	tree_file(tree, "var/lib/dpkg/diversions", "/usr/bin/sh\n/usr/bin/sh.distrib\n");
	assert_owners_fail(tree, EINVAL, "reading /var/lib/dpkg/diversions: Invalid argument");
	tree_remove(tree, "var/lib/dpkg/diversions");
	tree_remove(tree, "var/lib/dpkg/info");
	assert_owners_fail(tree, ENOENT,
			   "searching /var/lib/dpkg/info: No such file or directory");
}

HEAL_TEST(apt_divert_parse_takes_three_lines_each)
{
	static const struct {
		const char *text;
		int expected;
		size_t n;
	} rows[] = {
		{"", 0, 0},
		{"/a\n/b\nc\n", 0, 1},
		{"/a\n/b\n:\n/d\n/e\nf\n", 0, 2},
		{"\n\n\n", 0, 1},
		{"/a", -EINVAL, 77},
		{"/a\n/b\nc", -EINVAL, 77},
		{"/a\n/b\n", -EINVAL, 77},
		{"/a\n/b\nc\n\n", -EINVAL, 77},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = strlen(rows[i].text);
		_cleanup_free_ char *text = malloc(len + 1);
		_cleanup_free_ struct apt_diversion *diversions = NULL;
		size_t n = 77;
		int r;

		memcpy(text, rows[i].text, len);
		r = apt_divert_parse(text, len, &diversions, &n);
		assert_row(r == rows[i].expected, "row %zu: %d", i, r);
		assert_row(n == rows[i].n, "row %zu: %zu", i, n);
		assert_row(i != 2 || (test_same(diversions[1].from, "/d") &&
				      test_same(diversions[1].to, "/e") &&
				      test_same(diversions[1].package, "f") &&
				      test_same(diversions[0].package, ":")),
			   "row %zu: other words", i);
	}
}

HEAL_TEST(apt_canonical_name_is_one_for_both_names_of_a_file)
{
	static const struct {
		const char *path;
		const char *merged;
	} rows[] = {
		{"/usr/lib/x", "/lib/x"},
		{"/lib/x", "/lib/x"},
		{"/usr/lib64/x", "/lib64/x"},
		{"/usr/lib32/x", "/lib32/x"},
		{"/usr/libx32/x", "/libx32/x"},
		{"/usr/bin/x", "/bin/x"},
		{"/usr/sbin/x", "/sbin/x"},
		{"/usr/libexec/x", "/usr/libexec/x"},
		{"/usr/share/lib/x", "/usr/share/lib/x"},
		{"/usr/local/lib/x", "/usr/local/lib/x"},
		{"/usr/lib", "/usr/lib"},
		{"/usrx/lib/x", "/usrx/lib/x"},
		{"/usr", "/usr"},
		{"", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = strlen(rows[i].path);
		const char *path = heal_canonical(rows[i].path, &len, true);

		assert_row(test_same(path, rows[i].merged) && len == strlen(rows[i].merged), "%s: %s",
			   rows[i].path, path);
		len = strlen(rows[i].path);
		path = heal_canonical(rows[i].path, &len, false);
		assert_row(path == rows[i].path && len == strlen(rows[i].path), "%s", rows[i].path);
	}
}
