/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is started in a network of its own, and what is left of it. */
#include <signal.h>
#include <sys/stat.h>

#include "core.h"
#include "test.h"
#include "tree.h"

/* A program in a tree, rehearsed for that long. Gives -EOPNOTSUPP where no namespaces are to be had. */
static int rehearse(const char *text, int timeout_ms, struct heal_rehearsal *ret)
{
	const struct tree *tree = tree_new();
	struct heal_context *ctx = tree_context(tree);
	const struct heal_process process = {.dirfd = -1};
	const struct heal_rehearsal_of of = {.process = &process, .timeout_ms = timeout_ms};
	struct heal_start start = HEAL_START_NONE;
	char path[600];
	int r;

	(void)snprintf(path, sizeof(path), "%s/sshd", tree->path);
	start.path = path;
	if (text) {
		tree_file(tree, "sshd", text);
		assert_int_equal(chmod(path, 0755), 0);
	}
	ctx->deadline_ms = heal_now_ms() + 5000;
	r = heal_rehearse(ctx, &start, &of, ret);
	(void)heal_context_free(ctx);
	if (r == -EOPNOTSUPP) {
		(void)fputs("no namespaces of our own here: ", stderr);
		skip();
	}
	return r;
}

HEAL_TEST(rehearsal_of_what_ends_at_once_is_a_refusal_in_its_words)
{
	struct heal_rehearsal rehearsal = {0};

	assert_int_equal(rehearse("#!/bin/sh\necho \"$*: bad\" >&2\nexit 255\n", 3000, &rehearsal), 0);
	assert_int_equal(rehearsal.hello.fate, HEAL_FATE_REFUSED);
	assert_string_equal(rehearsal.words, "-o PidFile=none -D -e: bad");
	assert_int_equal(rehearsal.addresses.count, 0);
}

HEAL_TEST(rehearsal_of_what_never_listens_ends_in_time_with_all_that_it_started)
{
	struct heal_rehearsal rehearsal = {0};
	int64_t start = heal_now_ms();
	pid_t left = 0;

	/* The number is of our namespace, whose /proc it is. */
	assert_int_equal(rehearse("#!/bin/sh\nsetsid sh -c '"
				  " sed -n \"s/^NSpid:[[:blank:]]*\\([0-9]*\\).*/\\1/p\" /proc/self/status >&2;"
				  " exec sleep 30' &\nwait\n",
				  300, &rehearsal),
			 0);
	assert_int_equal(rehearsal.hello.fate, HEAL_FATE_TIMEOUT);
	assert_true(heal_now_ms() - start < 2000);
	left = (pid_t)atol(rehearsal.words);
	assert_true(left > 1);
	assert_int_equal(kill(left, 0), -1);
	assert_int_equal(errno, ESRCH);
}

HEAL_TEST(rehearsal_is_nowhere_near_the_network_of_this_host)
{
	struct heal_rehearsal rehearsal = {0};

	assert_int_equal(rehearse("#!/bin/sh\nreadlink /proc/self/ns/net >&2\n"
				  "sed 1,2d /proc/self/net/dev | cut -d: -f1 >&2\n"
				  "cat /proc/self/net/tcp >&2\n",
				  3000, &rehearsal),
			 0);
	assert_null(strstr(rehearsal.words, TREE_NET_NS));
	assert_non_null(strstr(rehearsal.words, "lo"));
	assert_null(strstr(rehearsal.words, "eth"));
	assert_null(strstr(rehearsal.words, " 0A "));
}

HEAL_TEST(rehearsal_of_what_cannot_be_run_is_an_error_of_its_own)
{
	struct heal_rehearsal rehearsal = {0};

	assert_int_equal(rehearse(NULL, 3000, &rehearsal), -ENOENT);
	assert_int_equal(rehearse("no program", 3000, &rehearsal), -ENOEXEC);
}

HEAL_TEST(command_has_the_label_of_the_listener)
{
	static const struct {
		const char *current;
		const char *exec;
	} rows[] = {
		{"system_u:system_r:sshd_t:s0-s0:c0.c1023", "system_u:system_r:sshd_t:s0-s0:c0.c1023"},
		{"system_u:system_r:sshd_t:s0\n", "system_u:system_r:sshd_t:s0"},
		{"/usr/sbin/sshd (enforce)\n", "exec /usr/sbin/sshd"},
		{"a:b (complain)\n", "exec a:b"},
		{"unconfined\n", ""},
		{"", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char label[64];

		command_label(rows[i].current, label, sizeof(label));
		assert_string_equal(label, rows[i].exec);
	}
}
