/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs that we run: what they said, where they ran, how long they may take. */
#include <signal.h>

#include "test.h"
#include "tree.h"

static int run(const char *script, int timeout_ms, struct heal_output *output)
{
	char *argv[] = {(char *)"sh", (char *)"-c", (char *)script, NULL};
	const struct heal_command command = {.path = "/bin/sh", .argv = argv, .fds = {-1, -1, -1}};

	return heal_spawn_capture(&command, heal_now_ms() + timeout_ms, output);
}

HEAL_TEST(capture_gives_both_streams_and_the_status)
{
	TEST_NEEDS_PIDFDS();
	_cleanup_(heal_output_done) struct heal_output output = {0};

	assert_int_equal(run("echo out; echo err >&2; pwd; read x || echo no input; exit 7", 5000, &output),
			 0);
	assert_string_equal(output.text, "out\n/\nno input\n");
	assert_int_equal(output.len, strlen(output.text));
	assert_string_equal(output.words, "err\n");
	assert_int_equal(output.status, 7);
}

HEAL_TEST(capture_of_too_much_takes_it_and_keeps_the_beginning)
{
	TEST_NEEDS_PIDFDS();
	_cleanup_(heal_output_done) struct heal_output output = {0};

	assert_int_equal(run("echo first; head -c 1000000 /dev/zero; head -c 100000 /dev/zero >&2", 10000,
			     &output),
			 0);
	assert_int_equal(output.len, 256u << 10);
	assert_memory_equal(output.text, "first\n", 6);
	assert_int_equal(output.status, 0);
}

HEAL_TEST(capture_ends_with_the_program_whoever_holds_its_pipes)
{
	TEST_NEEDS_PIDFDS();
	_cleanup_(heal_output_done) struct heal_output output = {0};
	int64_t start = heal_now_ms();

	/* A session of its own: it is not ended with the group. */
	assert_int_equal(run("setsid sleep 2 & echo done", 5000, &output), 0);
	assert_string_equal(output.text, "done\n");
	assert_in_range(heal_now_ms() - start, 0, 1500);
}

HEAL_TEST(capture_ends_at_its_deadline)
{
	TEST_NEEDS_PIDFDS();
	static const char *const scripts[] = {"sleep 30", "exec >&- 2>&-; sleep 30",
					      "while :; do echo and on; done", "kill -STOP $$"};

	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		struct heal_output output = {.status = 77};
		int64_t start = heal_now_ms();

		assert_row(run(scripts[i], 50, &output) == -ETIMEDOUT, "%s", scripts[i]);
		assert_row(heal_now_ms() - start < 1500, "%s", scripts[i]);
		assert_row(output.status == 77 && !output.text, "%s: the output was touched", scripts[i]);
	}
}

HEAL_TEST(capture_of_what_cannot_be_run_is_an_error)
{
	TEST_NEEDS_PIDFDS();
	char *argv[] = {(char *)"none", NULL};
	struct heal_command command = {.path = "/nonexistent/none", .argv = argv, .fds = {-1, -1, -1}};
	struct heal_output output = {0};

	assert_int_equal(heal_spawn_capture(&command, heal_now_ms() + 1000, &output), -ENOENT);
	command.path = "/bin/true";
	command.cwd = "/nonexistent";
	assert_int_equal(heal_spawn_capture(&command, heal_now_ms() + 1000, &output), -ENOENT);
	assert_null(output.text);
}

/* Apt runs its hooks in /tmp, where anybody can put files. */
HEAL_TEST(process_is_started_in_the_root_directory_or_where_it_is_told)
{
	TEST_NEEDS_PIDFDS();
	const struct tree *tree = tree_new();
	char *argv[] = {(char *)"sh", (char *)"-c", (char *)"pwd -P", NULL};
	struct heal_command command = {.path = "/bin/sh", .argv = argv, .fds = {-1, -1, -1}};
	_cleanup_(heal_output_done) struct heal_output output = {0};
	char here[600];

	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(tree->path), 0);
	assert_int_equal(heal_spawn_capture(&command, heal_now_ms() + 5000, &output), 0);
	assert_string_equal(output.text, "/\n");
	heal_output_done(&output);
	command.cwd = tree->path;
	assert_int_equal(chdir(here), 0);
	assert_int_equal(heal_spawn_capture(&command, heal_now_ms() + 5000, &output), 0);
	assert_int_equal(strncmp(output.text, tree->path, strlen(tree->path)), 0);
}
