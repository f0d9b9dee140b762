/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What package-rpm reads out of names. The rest of it is shown on real rpm hosts. */
#include "../../core/backends/package-rpm.h"
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
