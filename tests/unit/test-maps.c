/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two parsers of /proc/PID/maps: a line, and the name of a deleted file. */
#include "test.h"

#define MAPPING "7ff5e64a3000-7ff5e6720000 "

HEAL_TEST(maps_line_of_a_file_gives_path_inode_and_executable)
{
	static const struct {
		const char *line;
		const char *path;
		uint64_t inode;
		bool is_executable;
	} rows[] = {
		{MAPPING "r-xp 000c5000 00:46 332870                     /usr/lib/libc.so.6",
		 "/usr/lib/libc.so.6", 332870, true},
		{MAPPING "r--p 00000000 00:46 332870 /usr/lib/libc.so.6 (deleted)",
		 "/usr/lib/libc.so.6 (deleted)", 332870, false},
		{MAPPING "rw-p 00000000 00:46 1 /a b", "/a b", 1, false},
		{MAPPING "rwxp 00000000 00:46 1 /a ", "/a ", 1, true},
		{MAPPING "--xs 00000000 fe:11 7 /", "/", 7, true},
		{"1-2 r-xp 0 0:0 0 /memfd:x (deleted)", "/memfd:x (deleted)", 0, true},
		/* As long as an inode can be on btrfs or overlayfs with xino. */
		{MAPPING "r-xp 0 0:0 9223372036854775807 /x", "/x", INT64_MAX, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct heal_mapping mapping = {0};
		int r = maps_parse_line(rows[i].line, strlen(rows[i].line), &mapping);

		assert_row(r == 1, "%s: %d", rows[i].line, r);
		assert_row(mapping.path_len == strlen(rows[i].path) &&
				   memcmp(mapping.path, rows[i].path, mapping.path_len) == 0,
			   "%s: path %.*s", rows[i].line, (int)mapping.path_len, mapping.path);
		assert_row(mapping.inode == rows[i].inode, "%s: inode", rows[i].line);
		assert_row(mapping.is_executable == rows[i].is_executable, "%s: x", rows[i].line);
	}
}

/* All of them give that, and nothing else. */
static void assert_no_mappings(const char *const *lines, size_t n, int expected)
{
	for (size_t i = 0; i < n; i++) {
		struct heal_mapping mapping = {.path = lines[i]};

		assert_row(maps_parse_line(lines[i], strlen(lines[i]), &mapping) == expected, "%s",
			   lines[i]);
		assert_row(mapping.path == lines[i], "%s: the output was touched", lines[i]);
	}
}

HEAL_TEST(maps_line_of_no_file_is_passed_over)
{
	static const char *const lines[] = {
		MAPPING "r-xp 00000000 00:00 0 [vdso]",
		MAPPING "rw-p 00000000 00:00 0 [heap]",
		MAPPING "rw-p 00000000 00:00 0",
		MAPPING "rw-p 00000000 00:00 0 ",
		MAPPING "rw-p 00000000 00:00 0                          ",
		MAPPING "rw-p 00000000 00:00 0 anon_inode:[perf_event]",
		MAPPING "rw-p 00000000 00:00 0 socket:[1234]",
		MAPPING "rw-p 00000000 00:00 0 [anon:/usr/lib/libc.so.6 (deleted)]",
	};

	assert_no_mappings(lines, ARRAY_SIZE(lines), 0);
}

HEAL_TEST(maps_line_that_is_none_is_refused)
{
	static const char *const lines[] = {
		"",
		" ",
		"garbage",
		"/usr/lib/libc.so.6 (deleted)",
		MAPPING,
		MAPPING "r-xp",
		MAPPING "r-xp 00000000",
		MAPPING "r-xp 00000000 08:01",
		MAPPING "r-xp 00000000 08:01 ",
		MAPPING "r-x 00000000 08:01 12 /short/permissions",
		MAPPING "r-xp 00000000 08:01 x12 /no/inode",
		MAPPING "r-xp 00000000 08:01 12x /no/inode",
		MAPPING "r-xp 00000000 08:01 -1 /no/inode",
		MAPPING "r-xp 00000000 08:01 12/usr/lib/glued",
		/* 2^64, and much more. */
		MAPPING "r-xp 00000000 08:01 18446744073709551616 /overflow",
		MAPPING "r-xp 00000000 08:01 99999999999999999999999999999999 /overflow",
	};

	assert_no_mappings(lines, ARRAY_SIZE(lines), -EINVAL);
}

/* Each piece is a copy of its own, so that valgrind and ASan see a read too far. */
HEAL_TEST(maps_line_cut_anywhere_is_never_read_past_its_end)
{
	static const char line[] = MAPPING "r-xp 000c5000 08:01 2870   /usr/lib/x (deleted)";
	const size_t path_at = (size_t)(strchr(line, '/') - line);
	const size_t inode_at = (size_t)(strstr(line, "2870") - line);

	for (size_t len = 0; len < sizeof(line) - 1; len++) {
		_cleanup_free_ char *piece = malloc(len ? len : 1);
		struct heal_mapping mapping = {0};
		int expected = len <= inode_at ? -EINVAL : len > path_at;
		int r;

		assert_non_null(piece);
		memcpy(piece, line, len);
		r = maps_parse_line(piece, len, &mapping);
		assert_row(r == expected, "%zu bytes: %d", len, r);
		assert_row(r != 1 || mapping.path + mapping.path_len == piece + len,
			   "%zu bytes: the path ends elsewhere", len);
	}
}

HEAL_TEST(maps_deleted_name_is_that_on_disk)
{
	static const struct {
		const char *shown;
		const char *name;
	} rows[] = {
		{"/usr/lib/x86_64-linux-gnu/libc.so.6 (deleted)",
		 "/usr/lib/x86_64-linux-gnu/libc.so.6"},
		{"/usr/lib/x86_64-linux-gnu/libcrypto.so.3 (deleted)",
		 "/usr/lib/x86_64-linux-gnu/libcrypto.so.3"},
		{"/lib64/ld-linux-x86-64.so.2 (deleted)", "/lib64/ld-linux-x86-64.so.2"},
		{"/usr/sbin/sshd (deleted)", "/usr/sbin/sshd"},
		{"/x (deleted)", "/x"},
		/* rpm on older kernels, and what only looks like it. */
		{"/usr/lib64/libcrypto.so.3.0.7;6b028acf (deleted)", "/usr/lib64/libcrypto.so.3.0.7"},
		{"/usr/lib64/libcrypto.so.3;6B028ACF (deleted)", "/usr/lib64/libcrypto.so.3"},
		{"/usr/lib64/libx;6b028ac (deleted)", "/usr/lib64/libx;6b028ac"},
		{"/usr/lib64/libx;6b028acf0 (deleted)", "/usr/lib64/libx;6b028acf0"},
		{"/usr/lib64/libx;6b028acg (deleted)", "/usr/lib64/libx;6b028acg"},
		{"/usr/lib64/libx-6b028acf (deleted)", "/usr/lib64/libx-6b028acf"},
		/* dpkg renames the old file away and the new one into its place. */
		{"/usr/lib/libc.so.6.dpkg-tmp (deleted)", "/usr/lib/libc.so.6"},
		{"/usr/lib/libc.so.6.dpkg-new (deleted)", "/usr/lib/libc.so.6"},
		{"/usr/lib/libc.so.6.dpkg-old (deleted)", "/usr/lib/libc.so.6.dpkg-old"},
		{"/usr/lib/.dpkg-tmp/x (deleted)", "/usr/lib/.dpkg-tmp/x"},
		/* Nothing but the suffix is a name, if an odd one. */
		{".dpkg-tmp (deleted)", ".dpkg-tmp"},
		/* A file that is really named so, and was deleted. */
		{"/usr/lib/x (deleted) (deleted)", "/usr/lib/x (deleted)"},
		/* Directories that only begin like the kernel's made-up names. */
		{"/developer/libx.so (deleted)", "/developer/libx.so"},
		{"/memfd/libx.so (deleted)", "/memfd/libx.so"},
		{"/home/dev/zero (deleted)", "/home/dev/zero"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = maps_deleted_name(rows[i].shown, strlen(rows[i].shown));

		assert_row(len == strlen(rows[i].name) && memcmp(rows[i].shown, rows[i].name, len) == 0,
			   "%s: %.*s", rows[i].shown, (int)len, rows[i].shown);
	}
}

HEAL_TEST(maps_deleted_name_is_empty_for_what_is_no_deleted_file)
{
	static const char *const names[] = {
		"",
		"/",
		"/usr/lib/libc.so.6",
		"/usr/lib/libc.so.6;6b028acf",
		"/usr/lib/libc.so.6.dpkg-new",
		"/usr/lib/libc.so.6 (deleted) ",
		"/usr/lib/libc.so.6(deleted)",
		"/usr/lib/libc.so.6 (deletd)",
		"/usr/lib (deleted)/libc.so.6",
		" (deleted)",
		"(deleted)",
		"/memfd:jit (deleted)",
		"/memfd:/usr/lib/libc.so.6 (deleted)",
		"/dev/zero (deleted)",
		"/dev/shm/sem.x (deleted)",
		"/SYSV00000000 (deleted)",
		"/SYSV1234abcd (deleted)",
		"/[aio] (deleted)",
		"/anon_hugepage (deleted)",
		"/i915 (deleted)",
		"/drm mm object (deleted)",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_row(maps_deleted_name(names[i], strlen(names[i])) == 0, "%s", names[i]);
}

HEAL_TEST(maps_deleted_name_stays_inside_its_bytes)
{
	static const char name[] = "/usr/lib/x;6b028acf.dpkg-tmp (deleted)";

	for (size_t len = 0; len < sizeof(name) - 1; len++) {
		_cleanup_free_ char *piece = malloc(len ? len : 1);

		assert_non_null(piece);
		memcpy(piece, name, len);
		assert_row(maps_deleted_name(piece, len) == 0, "%zu bytes", len);
	}
}
