/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What hooks ask, what is answered, and by whom. */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "test.h"
#include "tree.h"

#define REQUESTS "run/sshd-heal/requests"

HEAL_TEST(request_is_the_soonest_of_all_lines)
{
	static const struct {
		const char *text;
		enum heal_request request;
	} rows[] = {
		{"", HEAL_REQUEST_NONE},
		{"end\n", HEAL_REQUEST_END},
		{"within\n", HEAL_REQUEST_WITHIN},
		{"within\nend\nwithin\n", HEAL_REQUEST_END},
		{"end", HEAL_REQUEST_END},
		{"en", HEAL_REQUEST_WITHIN},
		{"endless\n", HEAL_REQUEST_WITHIN},
		{"\n", HEAL_REQUEST_WITHIN},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum heal_request request = request_parse(rows[i].text, strlen(rows[i].text));

		assert_row(request == rows[i].request, "row %zu: %d", i, (int)request);
	}
}

HEAL_TEST(requests_are_taken_all_at_once)
{
	_cleanup_context_ struct heal_context *ctx = tree_context(tree_new());
	enum heal_request request = HEAL_REQUEST_END;
	int64_t asked_ns[2] = {0, 0};
	int64_t taken_ns = 0;

	assert_int_equal(heal_request_peek(ctx), HEAL_REQUEST_NONE);
	assert_int_equal(heal_request_add(ctx, HEAL_REQUEST_WITHIN, &asked_ns[0]), 0);
	assert_int_equal(heal_request_peek(ctx), HEAL_REQUEST_WITHIN);
	/* One that is in no haste is as well served by another. */
	assert_int_equal(heal_request_add(ctx, HEAL_REQUEST_WITHIN, &asked_ns[1]), 0);
	assert_int_equal(heal_request_peek(ctx), HEAL_REQUEST_WITHIN);
	assert_int_equal(heal_request_add(ctx, HEAL_REQUEST_END, &asked_ns[1]), 0);
	assert_int_equal(heal_request_peek(ctx), HEAL_REQUEST_END);
	assert_int_equal(heal_request_take(ctx, &request, &taken_ns), 0);
	assert_int_equal(request, HEAL_REQUEST_END);
	assert_true(asked_ns[0] < asked_ns[1] && asked_ns[1] < taken_ns);
	assert_int_equal(heal_request_peek(ctx), HEAL_REQUEST_NONE);
	assert_int_equal(heal_request_take(ctx, &request, &taken_ns), 0);
	assert_int_equal(request, HEAL_REQUEST_NONE);
}

/* Where nobody takes them, they are not to fill /run. */
HEAL_TEST(requests_that_nobody_takes_have_an_end)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	_cleanup_free_ char *lines = malloc(80001);
	struct stat st;
	int64_t asked_ns = 0;

	memset(lines, '\n', 80000);
	lines[80000] = '\0';
	tree_file(tree, REQUESTS, lines);
	assert_int_equal(heal_request_add(ctx, HEAL_REQUEST_WITHIN, &asked_ns), 0);
	assert_true(asked_ns > 0);
	assert_int_equal(fstatat(tree->fd, REQUESTS, &st, 0), 0);
	assert_int_equal(st.st_size, 80000);
}

HEAL_TEST(request_does_not_wait_for_a_lock_that_is_held)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	_cleanup_close_ int lock = -1;
	int64_t start = heal_now_ms();
	int64_t asked_ns = 0;

	tree_file(tree, REQUESTS, "");
	lock = openat(tree->fd, REQUESTS, O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_int_equal(heal_request_add(ctx, HEAL_REQUEST_END, &asked_ns), -EBUSY);
	assert_in_range(heal_now_ms() - start, 400, 1500);
}

HEAL_TEST(answer_is_for_those_who_asked_before)
{
	_cleanup_context_ struct heal_context *ctx = tree_context(tree_new());
	const struct heal_answer written = {.status = 1, .text = (char *)"sshd-heal: left alone\n"};
	struct heal_answer answer = {0};

	assert_int_equal(heal_answer_read(ctx, 5, &answer), 0);
	assert_int_equal(heal_answer_write(ctx, 7, &written), 0);
	assert_int_equal(heal_answer_read(ctx, 8, &answer), 0);
	assert_int_equal(heal_answer_read(ctx, 7, &answer), 1);
	assert_int_equal(answer.status, 1);
	assert_string_equal(answer.text, written.text);
	heal_answer_done(&answer);
}

HEAL_TEST(untold_is_taken_once_and_forgotten_soon)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	const struct heal_answer written = {.status = 0, .text = (char *)"sshd-heal: healed\n"};
	struct heal_answer answer = {0};

	assert_int_equal(heal_untold_take(ctx, &answer), 0);
	assert_int_equal(heal_untold_write(ctx, &written), 0);
	assert_int_equal(heal_untold_take(ctx, &answer), 1);
	assert_string_equal(answer.text, written.text);
	heal_answer_done(&answer);
	assert_int_equal(heal_untold_take(ctx, &answer), 0);
	/* From soon after the boot. */
	tree_file(tree, "run/sshd-heal/untold", "1 0\nsshd-heal: healed\n");
	assert_int_equal(heal_untold_take(ctx, &answer), 0);
	tree_file(tree, "run/sshd-heal/untold", "damaged");
	assert_int_equal(heal_untold_take(ctx, &answer), 0);
	assert_false(tree_has(tree, "run/sshd-heal/untold"));
}

/* What a front end's user reads of an answer. */
static char *told_of(struct heal_context *ctx, int status, const char *text)
{
	const struct heal_answer answer = {.status = status, .text = (char *)text};
	char *told = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&told, &len);

	assert_non_null(out);
	heal_told_write(ctx, &answer, out);
	assert_int_equal(fclose(out), 0);
	return told;
}

HEAL_TEST(told_is_one_line_where_the_same_was_told_within_a_day)
{
	static const struct {
		int status;
		const char *text;
		bool is_reduced;
	} rows[] = {
		{1, "sshd-heal: left alone\n", false},
		{1, "sshd-heal: left alone\n", true},
		{0, "sshd-heal: healed\n", false},
		{0, "sshd-heal: healed\n", false},
		{1, "sshd-heal: left alone\n", true},
		{2, "sshd-heal: CRITICAL\n", false},
		{2, "sshd-heal: CRITICAL\n", true},
		/* What could not be found out may be something else every time. */
		{3, "sshd-heal: cannot tell\n", false},
		{3, "sshd-heal: cannot tell\n", false},
	};
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *told = told_of(ctx, rows[i].status, rows[i].text);

		assert_row((strncmp(told, "sshd-heal: as told at ", 22) == 0) == rows[i].is_reduced,
			   "row %zu: %s", i, told);
		assert_row(rows[i].is_reduced || test_same(told, rows[i].text), "row %zu: %s", i, told);
	}
}

HEAL_TEST(told_is_what_could_be_written_only)
{
	static const char text[] = "sshd-heal: left alone\n";
	_cleanup_context_ struct heal_context *ctx = tree_context(tree_new());
	const struct heal_answer answer = {.status = 1, .text = (char *)text};
	_cleanup_free_ char *told = NULL;
	FILE *full = fopen("/dev/full", "we");

	assert_non_null(full);
	heal_told_write(ctx, &answer, full);
	(void)fclose(full);
	told = told_of(ctx, 1, text);
	assert_string_equal(told, text);
}

HEAL_TEST(answer_that_is_none_is_an_error)
{
	static const char *const texts[] = {"", "7 1", "7\n", "x 1\n"};
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	struct heal_answer answer = {0};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		tree_file(tree, "run/sshd-heal/answer", texts[i]);
		assert_int_equal(heal_answer_read(ctx, 5, &answer), -EBADMSG);
	}
}

HEAL_TEST(actor_is_one_and_is_seen_by_others_only)
{
	_cleanup_context_ struct heal_context *ctx = tree_context(tree_new());
	int status = -1;
	int claim;
	pid_t pid;

	assert_false(heal_actor_is_there(ctx));
	claim = heal_actor_claim(ctx);
	assert_true(claim >= 0);
	pid = fork();
	if (pid == 0)
		_exit(!heal_actor_is_there(ctx) || heal_actor_claim(ctx) != -EBUSY);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* A look takes nothing away. */
	assert_true(heal_actor_is_there(ctx));
	assert_int_equal(close(claim), 0);
	assert_false(heal_actor_is_there(ctx));
}
