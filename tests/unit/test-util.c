/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The small tools: safe text, whole files, arrays, lines, errors and notes. */
#include <fcntl.h>
#include <sys/stat.h>

#include "test.h"
#include "tree.h"

HEAL_TEST(safe_escapes_all_that_is_not_printable_ascii)
{
	static const struct {
		const char *raw;
		const char *safe;
	} rows[] = {
		{"", ""},
		{"/usr/lib/libc.so.6", "/usr/lib/libc.so.6"},
		{" !~", " !~"},
		{"a\nb", "a\\x0ab"},
		{"\033[31m", "\\x1b[31m"},
		{"\033]0;title\a", "\\x1b]0;title\\x07"},
		{"\177", "\\x7f"},
		{"\303\244", "\\xc3\\xa4"},
		{"\377\200\001", "\\xff\\x80\\x01"},
		{"\r\t\v", "\\x0d\\x09\\x0b"},
		/* The backslash too, so that an escape cannot be forged. */
		{"\\x1b", "\\x5cx1b"},
		{"%s%n", "%s%n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char safe[64];

		heal_safe(safe, sizeof(safe), rows[i].raw);
		assert_row(test_same(safe, rows[i].safe), "%s: %s", rows[i].safe, safe);
	}
}

HEAL_TEST(safe_cuts_at_the_size_and_never_inside_an_escape)
{
	static const char *const cut[] = {
		[1] = "", [2] = "a", [3] = "ab", [4] = "ab", [5] = "ab", [6] = "ab",
		[7] = "ab\\x0a", [8] = "ab\\x0ac", [9] = "ab\\x0ac",
	};
	char safe[16];

	for (size_t size = 1; size < ARRAY_SIZE(cut); size++) {
		memset(safe, '#', sizeof(safe));
		heal_safe(safe, size, "ab\nc");
		assert_row(test_same(safe, cut[size]), "%zu: %s", size, safe);
		assert_row(safe[size] == '#', "%zu: written behind its end", size);
	}
	memset(safe, '#', sizeof(safe));
	heal_safe(safe, 0, "ab");
	assert_int_equal(safe[0], '#');
}

HEAL_TEST(error_is_set_with_a_safe_message_and_given_back_negative)
{
	struct heal_error error = {0};
	char name[700];

	assert_int_equal(heal_error_set(&error, ENOENT, "opening %s: %d", "a\nb", 7), -ENOENT);
	assert_int_equal(error.code, ENOENT);
	assert_string_equal(error.message, "opening a\\x0ab: 7");
	assert_int_equal(heal_error_set(NULL, EIO, "nobody reads it"), -EIO);
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(heal_error_set(&error, EIO, "%s", name), -EIO);
	assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
}

HEAL_TEST(append_and_detail_are_safe_and_stay_in_their_size)
{
	struct heal_listener listener = {.process.pid = 1};
	char text[12] = "ab";
	char name[700];

	heal_append(text, sizeof(text), "%s%d", "c\n", 4);
	assert_string_equal(text, "abc\\x0a4");
	heal_append(text, sizeof(text), "wxyz");
	assert_string_equal(text, "abc\\x0a4wxy");
	heal_append(text, sizeof(text), "!");
	assert_string_equal(text, "abc\\x0a4wxy");
	*text = '\0';
	heal_append(text, sizeof(text), "a\\%s", "\\");
	assert_string_equal(text, "a\\x5c\\x5c");
	heal_detail(&listener.result, "a\\%s", "x1b");
	assert_string_equal(listener.result.detail, "a\\x5cx1b");
	heal_detail(&listener.result, "a%sb", "\033");
	assert_string_equal(listener.result.detail, "a\\x1bb");
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	heal_detail(&listener.result, "%s", name);
	assert_int_equal(strlen(listener.result.detail), sizeof(listener.result.detail) - 1);
}

HEAL_TEST(notes_are_kept_in_order_and_safe)
{
	struct heal_notes notes = {0};

	for (int i = 0; i < 9; i++)
		assert_int_equal(heal_notes_add(&notes, "note %d\033", i), 0);
	assert_int_equal(notes.count, 9);
	assert_string_equal(notes.lines[0], "note 0\\x1b");
	assert_string_equal(notes.lines[8], "note 8\\x1b");
	heal_notes_done(&notes);
	assert_int_equal(notes.count, 0);
	assert_null(notes.lines);
	heal_notes_done(&notes);
}

HEAL_TEST(read_gives_a_whole_file_with_a_nul_behind_it)
{
	static const size_t sizes[] = {0, 1, 4094, 4095, 4096, 4097, 8191, 8192, 100000};
	const struct tree *tree = tree_new();

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_free_ char *written = malloc(sizes[i] + 1);
		_cleanup_free_ char *found = NULL;
		size_t len = 77;

		for (size_t j = 0; j < sizes[i]; j++)
			written[j] = (char)(j * 7);
		tree_bytes(tree, "file", written, sizes[i]);
		assert_int_equal(heal_read_at(tree->fd, "file", 1u << 20, &found, &len), 0);
		assert_row(len == sizes[i], "%zu: %zu bytes", sizes[i], len);
		assert_row(memcmp(found, written, len) == 0, "%zu: other bytes", len);
		assert_row(found[len] == '\0', "%zu: not terminated", len);
	}
}

HEAL_TEST(read_refuses_a_file_above_its_maximum)
{
	static const struct {
		size_t size;
		size_t max;
		int expected;
	} rows[] = {
		{0, 0, 0},           {1, 0, -EFBIG},      {10, 10, 0},        {11, 10, -EFBIG},
		{4095, 4095, 0},     {4096, 4095, -EFBIG}, {4096, 4096, 0},   {4097, 4096, -EFBIG},
		{100000, 4096, -EFBIG},
	};
	const struct tree *tree = tree_new();
	static char zeros[100000];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *found = NULL;
		size_t len = 77;
		int r;

		tree_bytes(tree, "file", zeros, rows[i].size);
		r = heal_read_at(tree->fd, "file", rows[i].max, &found, &len);
		assert_row(r == rows[i].expected, "%zu of %zu: %d", rows[i].size, rows[i].max, r);
		assert_row(r == 0 || (!found && len == 77), "%zu of %zu: the output was touched",
			   rows[i].size, rows[i].max);
		free(found);
	}
}

HEAL_TEST(read_of_what_is_no_file_is_an_error)
{
	const struct tree *tree = tree_new();
	char *found = NULL;
	size_t len = 0;

	assert_int_equal(heal_read_at(tree->fd, "none", 10, &found, &len), -ENOENT);
	assert_int_equal(heal_read_at(tree->fd, "proc", 10, &found, &len), -EINVAL);
	/* A recorded tree may hold anything: nobody ever writes to this one. */
	assert_int_equal(mkfifoat(tree->fd, "fifo", 0600), 0);
	assert_int_equal(heal_read_at(tree->fd, "fifo", 10, &found, &len), -EINVAL);
	assert_int_equal(heal_read_at(-1, "none", 10, &found, &len), -EBADF);
	assert_null(found);
}

HEAL_TEST(readlink_gives_the_target)
{
	const struct tree *tree = tree_new();
	_cleanup_free_ char *target = NULL;
	char *none = NULL;

	tree_link(tree, "link", "/usr/sbin/sshd (deleted)");
	tree_file(tree, "file", "");
	assert_int_equal(heal_readlink_at(tree->fd, "link", &target), 0);
	assert_string_equal(target, "/usr/sbin/sshd (deleted)");
	assert_int_equal(heal_readlink_at(tree->fd, "file", &none), -EINVAL);
	assert_int_equal(heal_readlink_at(tree->fd, "none", &none), -ENOENT);
	assert_null(none);
}

HEAL_TEST(grow_makes_room_and_keeps_what_is_there)
{
	int *items = NULL;

	/* Each store is into room of exactly that size, for valgrind and ASan to check. */
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(heal_grow(&items, (size_t)i, sizeof(*items)), 0);
		items[i] = i;
	}
	for (int i = 0; i < 1000; i++)
		assert_int_equal(items[i], i);
	free(items);
}

/* ASan ends the program where malloc would fail. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if !defined(__SANITIZE_ADDRESS__) && !__has_feature(address_sanitizer)
HEAL_TEST(grow_that_would_overflow_fails_and_keeps_the_array)
{
	char *items = NULL;
	char *before;

	assert_int_equal(heal_grow(&items, 0, 16), 0);
	before = items;
	assert_int_equal(heal_grow(&items, 1, SIZE_MAX / 2 + 1), -ENOMEM);
	assert_ptr_equal(items, before);
	free(items);
}
#endif

HEAL_TEST(next_line_gives_every_line_without_its_end)
{
	static const struct {
		const char *text;
		const char *lines; /* '|' behind each */
	} rows[] = {
		{"", ""},         {"\n", "|"},      {"a", "a|"},     {"a\n", "a|"},
		{"a\nb", "a|b|"}, {"\n\n", "||"},   {"a\n\nb\n", "a||b|"}, {"\na", "|a|"},
		{"a\r\n", "a\r|"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *cursor = rows[i].text;
		const char *end = cursor + strlen(cursor);
		char found[64] = "";
		const char *line;
		size_t len = 0;

		while ((line = heal_next_line(&cursor, end, &len))) {
			strncat(found, line, len);
			strcat(found, "|");
		}
		assert_row(test_same(found, rows[i].lines), "%s: %s", rows[i].text, found);
		assert_null(heal_next_line(&cursor, end, &len));
	}
}

HEAL_TEST(next_line_takes_nul_bytes_for_any_other)
{
	static const char text[] = "a\0b\nc";
	const char *cursor = text;
	size_t len = 0;

	assert_ptr_equal(heal_next_line(&cursor, text + 5, &len), text);
	assert_int_equal(len, 3);
	assert_ptr_equal(heal_next_line(&cursor, text + 5, &len), text + 4);
	assert_int_equal(len, 1);
}

HEAL_TEST(left_ms_is_between_zero_and_the_cap)
{
	int64_t now = heal_now_ms();

	assert_int_equal(heal_left_ms(now - 1, 100), 0);
	assert_int_equal(heal_left_ms(INT64_MIN / 2, 100), 0);
	assert_int_equal(heal_left_ms(now + 100000, 100), 100);
	assert_in_range(heal_left_ms(now + 50000, 100000), 40000, 50000);
}

HEAL_TEST(strndup_copies_a_piece)
{
	_cleanup_free_ char *piece = heal_strndup("libc6:amd64", 5);
	_cleanup_free_ char *empty = heal_strndup("x", 0);

	assert_string_equal(piece, "libc6");
	assert_string_equal(empty, "");
}
