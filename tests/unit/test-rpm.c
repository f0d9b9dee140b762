/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What package-rpm reads out of names and replies. The rest is shown on real rpm hosts. */
#include "../../core/modules/package-rpm.h"
#include "test.h"

HEAL_TEST(rpm_source_of_a_package)
{
	static const struct {
		const char *sourcerpm;
		const char *expected;
	} rows[] = {
		{"openssl-3.0.7-1.el9.src.rpm", "openssl"},
		{"glibc-2.34-60.el9.src.rpm", "glibc"},
		{"java-11-openjdk-11.0.1-2.src.rpm", "java-11-openjdk"},
		{"kernel-5.14.0-70.13.1.el9_0.nosrc.rpm", "kernel"},
		{"a-1-1", "a"},
		{"openssl-3.0.7.src.rpm", ""},
		{"-1-1.src.rpm", ""},
		{"(none)", ""},
		{"", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_row(rpm_source_len(rows[i].sourcerpm) == strlen(rows[i].expected), "%s",
			   rows[i].sourcerpm);
}

HEAL_TEST(rpm_shorter_names_of_a_library_end_before_that_of_devel)
{
	static const struct {
		const char *name;
		const char *expected;
	} rows[] = {
		{"libcrypto.so.3.0.7", "libcrypto.so.3.0"},
		{"libcrypto.so.3.0", "libcrypto.so.3"},
		{"libcrypto.so.3", ""},
		{"libcrypto.so", ""},
		{"libc-2.28.so", ""},
		{"ld-linux-x86-64.so.2", ""},
		{"libstdc++.so.6.0.30", "libstdc++.so.6.0"},
		{"sshd", ""},
		{".so.1", ""},
		{"", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_row(rpm_soname_len(rows[i].name, strlen(rows[i].name)) ==
				   strlen(rows[i].expected),
			   "%s", rows[i].name);
}

HEAL_TEST(rpm_soname_of_a_library_with_its_version_in_front)
{
	static const struct {
		const char *link;
		const char *name;
		bool expected;
	} rows[] = {
		{"libc.so.6", "libc-2.28.so", true},
		{"libpthread.so.0", "libpthread-2.28.so", true},
		{"libcrypt.so.1", "libcrypt-2.17.so", true},
		{"libc.so", "libc-2.28.so", false},
		{"libc-2.34.so", "libc-2.28.so", false},
		{"libcrypt.so.1", "libc-2.28.so", false},
		{"libc.so.6.old", "libc-2.28.so", false},
		{"libc.so.6", "libc-devel.so", false},
		{"libc.so.6", "libc-.so", false},
		{"libc.so.6", "-2.28.so", false},
		{"libcrypto.so.3", "libcrypto.so.3.0.7", false},
		{"libc.so.6", "", false},
		{"", "libc-2.28.so", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_row(rpm_is_soname_of(rows[i].link, rows[i].name) == rows[i].expected,
			   "%s of %s", rows[i].link, rows[i].name);
}

static const struct heal_package sample = {
	.name = (char *)"openssl-libs",
	.source = (char *)"openssl",
	.version = (char *)"1:3.0.7-1",
	.install_time = 1795345200,
};

#define N_REPLY 3

/* Writes a reply with the sample at these places; -1 ends them. */
static char *reply_of(const int *places, const char *failure, size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	assert_non_null(out);
	for (; *places >= 0; places++)
		assert_int_equal(rpm_reply_write(out, (size_t)*places, &sample), 0);
	if (failure)
		rpm_reply_fail(out, failure);
	else
		rpm_reply_end(out);
	assert_int_equal(fclose(out), 0);
	return text;
}

HEAL_TEST(rpm_reply_gives_what_was_written)
{
	struct heal_package *packages = calloc(N_REPLY, sizeof(*packages));
	size_t len = 0;
	_cleanup_free_ char *reply = reply_of((const int[]){0, 2, -1}, NULL, &len);

	assert_int_equal(rpm_reply_parse(reply, len, packages, N_REPLY, NULL), 0);
	assert_null(packages[1].name);
	for (size_t i = 0; i < N_REPLY; i += 2) {
		assert_string_equal(packages[i].name, "openssl-libs");
		assert_string_equal(packages[i].source, "openssl");
		assert_string_equal(packages[i].version, "1:3.0.7-1");
		assert_int_equal(packages[i].install_time, 1795345200);
	}
	heal_packages_free(packages, N_REPLY);
}

HEAL_TEST(rpm_reply_may_say_why_there_is_none)
{
	struct heal_package *packages = calloc(N_REPLY, sizeof(*packages));
	struct heal_error error = {0};
	size_t len = 0;
	_cleanup_free_ char *reply = reply_of((const int[]){0, -1}, "no such database", &len);

	assert_int_equal(rpm_reply_parse(reply, len, packages, N_REPLY, &error), -EIO);
	assert_string_equal(error.message, "no such database");
	heal_packages_free(packages, N_REPLY);
}

/* The child may be killed at any byte. */
HEAL_TEST(rpm_reply_that_is_cut_is_an_error)
{
	size_t len = 0;
	_cleanup_free_ char *reply = reply_of((const int[]){0, 1, -1}, NULL, &len);

	for (size_t cut = 0; cut < len; cut++) {
		struct heal_package *packages = calloc(N_REPLY, sizeof(*packages));
		_cleanup_free_ char *piece = cut ? malloc(cut) : NULL;
		struct heal_error error = {0};

		if (cut)
			memcpy(piece, reply, cut);
		assert_row(rpm_reply_parse(piece, cut, packages, N_REPLY, &error) ==
					   -EPROTO &&
				   strstr(error.message, "the answer broke off"),
			   "after %zu of %zu bytes", cut, len);
		heal_packages_free(packages, N_REPLY);
	}
}

HEAL_TEST(rpm_reply_about_a_path_that_nobody_asked_for_is_an_error)
{
	struct heal_package *packages = calloc(N_REPLY, sizeof(*packages));
	size_t len = 0;
	_cleanup_free_ char *reply = reply_of((const int[]){N_REPLY, -1}, NULL, &len);

	assert_int_equal(rpm_reply_parse(reply, len, packages, N_REPLY, NULL), -EPROTO);
	heal_packages_free(packages, N_REPLY);
}
