/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs every registered test, or those whose names match the first argument ("event_*"). */
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "test.h"
#include "tree.h"

static struct CMUnitTest tests[512];
static size_t n_tests;

static int test_teardown(void **state)
{
	(void)state;
	tree_remove_all();
	return 0;
}

void test_register(const char *name, CMUnitTestFunction function)
{
	if (n_tests == ARRAY_SIZE(tests))
		abort();
	tests[n_tests++] = (struct CMUnitTest){
		.name = name,
		.test_func = function,
		.teardown_func = test_teardown,
	};
}

void assert_words(const char *what, const struct heal_words *words, const char *expected)
{
	char found[512] = "";
	size_t used = 0;

	for (size_t i = 0; i < words->count; i++)
		used += (size_t)snprintf(found + used, sizeof(found) - used, "%s|", words->items[i]);
	assert_row(test_same(found, expected), "%s: %s and not %s", what, found, expected);
	assert_row(words->count == 0 || !words->items[words->count], "%s: no NULL behind", what);
}

void assert_text(const struct heal_report *report, enum heal_verb verb, const char *expected)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;

	assert_int_equal(heal_report_string(report, verb, &text, &len), 0);
	assert_string_equal(text, expected);
}

/* What one process has run of them, and what it printed. */
struct shard {
	pid_t pid;
	int out;
};

/* Most tests wait for something: side by side they take a quarter of the time. */
#define SHARDS 4

/* Takes every SHARDS-th test, from the index-th on. */
static int shard_run(size_t index)
{
	struct CMUnitTest own[ARRAY_SIZE(tests)];
	size_t n = 0;

	for (size_t i = index; i < n_tests; i += SHARDS)
		own[n++] = tests[i];
	return _cmocka_run_group_tests("unit", own, n, NULL, NULL);
}

static struct shard shard_start(size_t index)
{
	struct shard shard = {.out = memfd_create("unit", MFD_CLOEXEC)};

	(void)fflush(stdout);
	shard.pid = fork();
	if (shard.pid == 0) {
		(void)alarm(300);
		if (shard.out < 0 || dup2(shard.out, STDOUT_FILENO) < 0 || dup2(shard.out, STDERR_FILENO) < 0)
			_exit(255);
		index = (size_t)shard_run(index);
		(void)fflush(stdout);
		exit(index > 254 ? 254 : (int)index);
	}
	return shard;
}

/* Prints what it printed; gives how many of its tests failed. */
static int shard_finish(const struct shard *shard)
{
	char buf[65536];
	int status = 0;
	ssize_t n;

	if (shard->pid < 0 || waitpid(shard->pid, &status, 0) < 0 || lseek(shard->out, 0, SEEK_SET) < 0)
		return 1;
	while ((n = read(shard->out, buf, sizeof(buf))) > 0)
		if (fwrite(buf, 1, (size_t)n, stdout) != (size_t)n)
			return 1;
	(void)close(shard->out);
	/* What ended it by a signal, has said so. */
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int run_all(void)
{
	struct shard shards[SHARDS];
	int failed = 0;

	for (size_t i = 0; i < SHARDS; i++)
		shards[i] = shard_start(i);
	for (size_t i = 0; i < SHARDS; i++)
		failed += shard_finish(&shards[i]);
	(void)printf("units: %zu passed, %d failed\n", n_tests - (size_t)failed, failed);
	return failed > 254 ? 254 : failed;
}

int main(int argc, char **argv)
{
	/* A parser that hangs is a failure, too. */
	(void)alarm(300);
	/* In its trees anybody may read what anybody may on a host. */
	(void)umask(022);
	if (argc == 1)
		return run_all();
	cmocka_set_test_filter(argv[1]);
	return _cmocka_run_group_tests("unit", tests, n_tests, NULL, NULL);
}
