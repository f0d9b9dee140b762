/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs every registered test, or those whose names match the first argument ("event_*"). */
#include <signal.h>
#include <sys/stat.h>

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

int main(int argc, char **argv)
{
	/* A parser that hangs is a failure, too. */
	(void)alarm(300);
	/* In its trees anybody may read what anybody may on a host. */
	(void)umask(022);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return _cmocka_run_group_tests("unit", tests, n_tests, NULL, NULL);
}
