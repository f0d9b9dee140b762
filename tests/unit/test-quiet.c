/* SPDX-License-Identifier: GPL-2.0-or-later */
/* heal_await_quiet: no action while a client waits to be handed over. */
#include <pthread.h>

#include "test.h"
#include "tree.h"

#define LISTENER 100
#define CHILD 200
#define HANDED_OVER_MS 150

HEAL_TEST(quiet_waiting_is_told_by_the_childs_name)
{
	static const struct {
		const char *title;
		bool expected;
	} rows[] = {
		{"sshd: /usr/sbin/sshd -D [listener] 1 of 10-100 startups", true},
		{"/usr/lib/openssh/sshd-session", true},
		{"/usr/sbin/sshd", true},
		{"sshd-session: [accepted]", false},
		{"sshd: [accepted]", false},
		{"sshd-session: anna [priv]", false},
		{"sshd: anna [priv]", false},
		/* It has ended, and nobody has asked for its status yet. */
		{"", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_row(quiet_is_waiting(rows[i].title, strlen(rows[i].title)) ==
				   rows[i].expected,
			   "%s", rows[i].title);
}

static void add(const struct tree *tree, const char *child_title)
{
	tree_add(tree, &(struct tree_process){.pid = LISTENER});
	tree_add(tree, &(struct tree_process){.pid = 201, .ppid = LISTENER,
					      .title = "sshd: anna [priv]|"});
	tree_add(tree, &(struct tree_process){.pid = CHILD, .ppid = LISTENER,
					      .title = child_title});
	tree_file(tree, "proc/100/task/100/children", "201 200 ");
}

/* Longer than a client takes, shorter than the second that it is on a host. */
#define QUIET_MS 300

/* For how long an action had to wait. */
static int64_t waited(const struct tree *tree)
{
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	_cleanup_(heal_listener_done) struct heal_listener listener = {.process.dirfd = -1};
	int64_t start;

	ctx->quiet_ms = QUIET_MS;
	tree_load(ctx, LISTENER, &listener);
	start = heal_now_ms();
	heal_await_quiet(ctx, &listener.process);
	return heal_now_ms() - start;
}

static void *hand_over(void *user)
{
	const struct tree *tree = user;

	heal_sleep_ms(HANDED_OVER_MS);
	tree_end(tree, CHILD);
	return NULL;
}

HEAL_TEST(quiet_begins_when_the_client_is_handed_over)
{
	struct tree *tree = tree_new();
	pthread_t thread;
	int64_t ms;

	add(tree, "/usr/sbin/sshd|-D|-R|");
	assert_int_equal(pthread_create(&thread, NULL, hand_over, tree), 0);
	ms = waited(tree);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_in_range(ms, HANDED_OVER_MS - 10, HANDED_OVER_MS + 500);
}

HEAL_TEST(quiet_is_looked_for_a_moment_and_no_longer)
{
	const struct tree *tree = tree_new();

	add(tree, "sshd: [accepted]|");
	assert_in_range(waited(tree), 35, 500);
}

HEAL_TEST(quiet_is_not_awaited_for_ever)
{
	const struct tree *tree = tree_new();

	add(tree, "sshd: /usr/sbin/sshd -D [listener] 1 of 10-100 startups|");
	assert_in_range(waited(tree), QUIET_MS - 10, QUIET_MS + 900);
}

HEAL_TEST(quiet_is_not_awaited_where_children_are_not_shown)
{
	const struct tree *tree = tree_new();

	tree_add(tree, &(struct tree_process){.pid = LISTENER});
	assert_in_range(waited(tree), 0, 30);
}
