/* SPDX-License-Identifier: GPL-2.0-or-later */
/* heal_event_note, _load and _clear: the changes that wait in /run/sshd-heal. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "test.h"
#include "tree.h"

#define NOTED "run/sshd-heal/changes"

/* Notes one change; NULL versions are absent ones. */
static int try_note(struct heal_context *ctx, const char *package, const char *before,
		    const char *now, struct heal_error *error)
{
	struct heal_change change = {
		.package = (char *)package,
		.arch = (char *)"amd64",
		.version_before = (char *)before,
		.version_now = (char *)now,
	};
	const struct heal_event event = {.changes = &change, .count = 1};

	return heal_event_note(ctx, &event, error);
}

static void note(struct heal_context *ctx, const char *package, const char *before, const char *now)
{
	struct heal_error error = {0};

	if (try_note(ctx, package, before, now, &error) < 0)
		fail_msg("%s", error.message);
}

/* The changes that wait, as "package before now;" each. */
static void assert_waiting(struct heal_context *ctx, const char *expected)
{
	_cleanup_event_ struct heal_event event = {0};
	_cleanup_notes_ struct heal_notes notes = {0};
	char found[512] = "";
	size_t used = 0;

	assert_int_equal(heal_event_load(ctx, &event, &notes), 0);
	assert_int_equal(notes.count, 0);
	for (size_t i = 0; i < event.count; i++) {
		const struct heal_change *change = &event.changes[i];

		used += (size_t)snprintf(found + used, sizeof(found) - used, "%s %s %s;",
					 change->package,
					 change->version_before ? change->version_before : "-",
					 change->version_now ? change->version_now : "-");
	}
	assert_string_equal(found, expected);
}

HEAL_TEST(noted_changes_wait_until_they_are_cleared)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);

	assert_waiting(ctx, "");
	note(ctx, "libc6", "2.36-9+deb12u7", "2.36-9+deb12u14");
	note(ctx, "libwrap0", NULL, "7.6.q-32");
	note(ctx, "telnetd", "0.17-41", NULL);
	assert_waiting(ctx, "libc6 2.36-9+deb12u7 2.36-9+deb12u14;libwrap0 - 7.6.q-32;"
			    "telnetd 0.17-41 -;");
	assert_waiting(ctx, "libc6 2.36-9+deb12u7 2.36-9+deb12u14;libwrap0 - 7.6.q-32;"
			    "telnetd 0.17-41 -;");
	assert_int_equal(heal_event_clear(ctx), 0);
	assert_false(tree_has(tree, NOTED));
	assert_waiting(ctx, "");
	assert_int_equal(heal_event_clear(ctx), 0);
}

HEAL_TEST(noted_file_is_as_documented)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	_cleanup_free_ char *text = NULL;
	struct stat st;

	note(ctx, "libc6", "1", "2");
	note(ctx, "libssl3", NULL, "3");
	text = tree_read(tree, NOTED);
	assert_string_equal(text, "libc6\tamd64\t1\t2\nlibssl3\tamd64\t-\t3\n");
	/* No one but root may write there: it ends in root's terminal. */
	assert_int_equal(fstatat(tree->fd, NOTED, &st, 0), 0);
	assert_int_equal(st.st_mode & 022, 0);
	assert_int_equal(fstatat(tree->fd, "run/sshd-heal", &st, 0), 0);
	assert_int_equal(st.st_mode & 022, 0);
}

HEAL_TEST(noted_transactions_fold_to_the_oldest_before_and_the_newest_now)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);

	note(ctx, "libssl3", "3.0.17", "3.0.20");
	note(ctx, "libc6", "1", "2");
	note(ctx, "libssl3", "3.0.20", "3.0.22");
	assert_waiting(ctx, "libssl3 3.0.17 3.0.22;libc6 1 2;");
}

HEAL_TEST(noted_change_that_was_taken_back_disappears)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);

	note(ctx, "libssl3", "3.0.17", "3.0.20");
	note(ctx, "telnetd", NULL, "0.17");
	note(ctx, "libc6", "1", "2");
	note(ctx, "libssl3", "3.0.20", "3.0.17");
	note(ctx, "telnetd", "0.17", NULL);
	assert_waiting(ctx, "libc6 1 2;");
}

HEAL_TEST(noted_package_that_was_removed_and_came_back_keeps_its_oldest_version)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);

	note(ctx, "libssl3", "3.0.17", NULL);
	note(ctx, "libssl3", NULL, "3.0.22");
	assert_waiting(ctx, "libssl3 3.0.17 3.0.22;");
}

HEAL_TEST(noted_architectures_are_kept_apart)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);

	tree_file(tree, NOTED, "libc6\tamd64\t1\t2\nlibc6\ti386\t1\t2\nlibc6\ti386\t2\t3\n");
	assert_waiting(ctx, "libc6 1 2;libc6 1 3;");
}

HEAL_TEST(noted_nothing_makes_no_file)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	const struct heal_event event = {0};
	struct heal_error error = {0};

	assert_int_equal(heal_event_note(ctx, &event, &error), 0);
	assert_false(tree_has(tree, "run/sshd-heal"));
}

HEAL_TEST(noted_lines_that_are_damaged_are_passed_over_with_a_note)
{
	static const char *const lines[] = {
		"",          "libc6",          "libc6\tamd64\t1", "libc6 amd64 1 2",
		"\tamd64\t1\t2", "libc6\tamd64\t1\t", "libc6\tamd64\t1\t2\t3", "li bc6\tamd64\t1\t2",
		"\033[2J\tamd64\t1\t2", "libc6\tamd64\t1\t2\033[2J", "libc6\tamd64\t1\t\303\244",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		const struct tree *tree = tree_new();
		_cleanup_context_ struct heal_context *ctx = tree_context(tree);
		_cleanup_event_ struct heal_event event = {0};
		_cleanup_notes_ struct heal_notes notes = {0};
		char text[256];

		(void)snprintf(text, sizeof(text), "a\tamd64\t1\t2\n%s\n%s\nb\tamd64\t1\t2\n",
			       lines[i], lines[i]);
		tree_file(tree, NOTED, text);
		assert_int_equal(heal_event_load(ctx, &event, &notes), 0);
		assert_row(event.count == 2, "%s: %zu changes", lines[i], event.count);
		assert_row(notes.count == 1, "%s: %zu notes", lines[i], notes.count);
		assert_string_equal(notes.lines[0],
				    "reading /run/sshd-heal/changes: 2 damaged lines");
		tree_remove_all();
	}
}

HEAL_TEST(noted_file_that_cannot_be_read_is_a_note)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	_cleanup_event_ struct heal_event event = {0};
	_cleanup_notes_ struct heal_notes notes = {0};

	tree_file(tree, NOTED "/is/a/directory", "");
	assert_int_equal(heal_event_load(ctx, &event, &notes), 0);
	assert_int_equal(event.count, 0);
	assert_int_equal(notes.count, 1);
	assert_string_equal(notes.lines[0], "reading /run/sshd-heal/changes: Invalid argument");
	/* And clearing it is an error, not a silence. */
	assert_int_equal(heal_event_clear(ctx), -EISDIR);
}

HEAL_TEST(noted_through_a_symbolic_link_is_refused)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	struct heal_error error = {0};

	tree_file(tree, "victim", "untouched");
	tree_link(tree, NOTED, "../../victim");
	assert_int_equal(try_note(ctx, "a", NULL, "1", &error), -ELOOP);
	assert_int_equal(error.code, ELOOP);
	assert_non_null(strstr(error.message, "noting the changed packages in "
					      "/run/sshd-heal/changes: "));
	tree_remove(tree, "run/sshd-heal");
	tree_link(tree, "run/sshd-heal", "..");
	assert_true(try_note(ctx, "a", NULL, "1", &error) < 0);
	assert_false(tree_has(tree, "changes"));
}

HEAL_TEST(noted_in_a_chroot_is_nothing)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);

	ctx->is_chroot = true;
	note(ctx, "libc6", "1", "2");
	assert_false(tree_has(tree, "run/sshd-heal"));
	/* Nor is anything added to what the host around it may have there. */
	tree_file(tree, NOTED, "a\tamd64\t1\t2\n");
	note(ctx, "libc6", "1", "2");
	assert_waiting(ctx, "a 1 2;");
}

HEAL_TEST(noted_changes_are_all_there_or_none)
{
	static const char before[] = "a\tamd64\t1\t2\n";
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	_cleanup_free_ char *text = NULL;
	struct heal_error error = {0};
	struct rlimit old;
	struct rlimit low;
	int r;

	tree_file(tree, NOTED, before);
	/* Room for the beginning of the line: what write(2) does on a disk that is full. */
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	low = (struct rlimit){.rlim_cur = sizeof(before) + 5, .rlim_max = old.rlim_max};
	assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	r = try_note(ctx, "libc6", "1", "2", &error);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_true(signal(SIGXFSZ, SIG_DFL) != SIG_ERR);
	assert_int_equal(r, -ENOSPC);
	assert_string_equal(error.message, "noting the changed packages in /run/sshd-heal/changes: "
					   "No space left on device");
	text = tree_read(tree, NOTED);
	assert_string_equal(text, before);
}

HEAL_TEST(noted_to_a_fifo_is_refused_at_once)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	struct heal_error error = {0};

	assert_int_equal(mkdirat(tree->fd, "run/sshd-heal", 0755), 0);
	assert_int_equal(mkfifoat(tree->fd, NOTED, 0600), 0);
	assert_int_equal(try_note(ctx, "a", NULL, "1", &error), -ENXIO);
}

HEAL_TEST(noted_without_run_is_an_error)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	_cleanup_notes_ struct heal_notes notes = {0};
	_cleanup_event_ struct heal_event loaded = {0};
	struct heal_error error = {0};

	tree_remove(tree, "run");
	assert_int_equal(try_note(ctx, "a", NULL, "1", &error), -ENOENT);
	assert_string_equal(error.message, "noting the changed packages in /run/sshd-heal/changes: "
					   "No such file or directory");
	assert_int_equal(heal_event_load(ctx, &loaded, &notes), 0);
	assert_int_equal(notes.count, 0);
	assert_int_equal(heal_event_clear(ctx), 0);
}
