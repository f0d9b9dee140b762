/* SPDX-License-Identifier: GPL-2.0-or-later */
/* heal_sessions_count: sessions past authentication, each with its listener. */
#include "test.h"
#include "tree.h"

#define LISTENER 100
#define SECOND 101
#define MAX_PROCESSES 6
#define MAX_LISTENERS 2

static const char session_exe[] = "/usr/lib/openssh/sshd-session";

/* How many sessions each of the tree's listeners has, in the order of their PIDs. */
static void count(const struct tree *tree, int found[MAX_LISTENERS])
{
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	_cleanup_listeners_ struct heal_listeners listeners = {0};
	_cleanup_notes_ struct heal_notes notes = {0};
	struct heal_error error = {0};

	assert_int_equal(heal_listeners_find(ctx, &listeners, &notes, &error), 0);
	assert_true(listeners.count <= MAX_LISTENERS);
	assert_int_equal(heal_sessions_count(ctx, &listeners), 0);
	for (size_t i = 0; i < listeners.count; i++)
		found[listeners.items[i].process.pid - LISTENER] = listeners.items[i].process.sessions;
}

HEAL_TEST(sessions_are_counted_once_each_and_past_authentication)
{
	static const struct {
		const char *what;
		int expected;
		struct tree_process processes[MAX_PROCESSES];
	} rows[] = {
		{"none", 0, {{0}}},
		{"root's session is one process", 1,
		 {{.pid = 200, .ppid = LISTENER, .title = "sshd: root@pts/0||||"}}},
		{"a user's session is a monitor and its child", 1,
		 {{.pid = 200, .ppid = LISTENER, .title = "sshd: anna [priv]||"},
		  {.pid = 201, .ppid = 200, .title = "sshd: anna@pts/1|"}}},
		{"a monitor alone, between authentication and its child", 1,
		 {{.pid = 200, .ppid = LISTENER, .title = "sshd: anna [priv]||"}}},
		{"a client that still authenticates", 0,
		 {{.pid = 200, .ppid = LISTENER, .title = "sshd: anna [priv]|"},
		  {.pid = 201, .ppid = 200, .title = "sshd: anna [net]|"}}},
		{"a client that has only connected", 0,
		 {{.pid = 200, .ppid = LISTENER, .title = "sshd: [accepted]|"},
		  {.pid = 201, .ppid = 200, .title = "sshd: [net]|"}}},
		{"a client with an unknown user", 0,
		 {{.pid = 200, .ppid = LISTENER, .title = "sshd: unknown [priv]|"},
		  {.pid = 201, .ppid = 200, .title = "sshd: unknown [net]|"}}},
		{"PAM's helper and the network child", 0,
		 {{.pid = 200, .ppid = LISTENER, .title = "sshd: anna [priv]|"},
		  {.pid = 201, .ppid = 200, .title = "sshd: anna [net]|"},
		  {.pid = 202, .ppid = 200, .title = "sshd: anna [pam]|"}}},
		{"a child that has not named itself yet", 0,
		 {{.pid = 200, .ppid = LISTENER, .title = "/usr/sbin/sshd|-D|-R|"}}},
		{"a client that still authenticates, as another user's: its title is not read", 0,
		 {{.pid = 200, .ppid = LISTENER, .title = "sshd: anna [priv]|"},
		  {.pid = 201, .ppid = 200, .uids = "105\t105\t105\t105", .is_sandboxed = true,
		   .title = "sshd: anna@pts/0|"}}},
		{"10.0 on: sshd-auth, before its sandbox", 0,
		 {{.pid = 200, .ppid = LISTENER, .exe = session_exe, .title = "sshd-session: anna [priv]|"},
		  {.pid = 201, .ppid = 200, .exe = "/usr/lib/openssh/sshd-auth",
		   .uids = "105\t105\t105\t105"}}},
		{"a user's session, whose own title is not read", 1,
		 {{.pid = 200, .ppid = LISTENER, .title = "sshd: anna [priv]|"},
		  {.pid = 201, .ppid = 200, .uids = "1000\t1000\t1000\t1000", .title = "x|"}}},
		{"F8: a user's process with the title of a session", 0,
		 {{.pid = 200, .ppid = 1, .exe = session_exe, .uids = "1000\t1000\t1000\t1000",
		   .title = "sshd-session: root@pts/0|"},
		  {.pid = 201, .ppid = 1, .exe = session_exe, .user_ns = "user:[2]",
		   .title = "sshd-session: root@pts/1|"}}},
		{"three sessions", 3,
		 {{.pid = 200, .ppid = LISTENER, .title = "sshd: root@pts/0|"},
		  {.pid = 201, .ppid = LISTENER, .title = "sshd: root@notty|"},
		  {.pid = 202, .ppid = LISTENER, .title = "sshd: anna [priv]|"},
		  {.pid = 203, .ppid = 202, .title = "sshd: anna@pts/1,pts/2|"}}},
		{"9.8 on: sshd-session", 2,
		 {{.pid = 200, .ppid = LISTENER, .exe = session_exe, .title = "sshd-session: root@pts/0|"},
		  {.pid = 201, .ppid = LISTENER, .exe = session_exe, .title = "sshd-session: anna [priv]|"},
		  {.pid = 202, .ppid = 201, .exe = session_exe, .title = "sshd-session: anna@pts/1|"}}},
		{"from a deleted exe", 1,
		 {{.pid = 200, .ppid = LISTENER, .exe = "/usr/sbin/sshd (deleted)",
		   .title = "sshd: root@pts/0|"}}},
		{"another program with such a title", 0,
		 {{.pid = 200, .ppid = LISTENER, .exe = "/usr/bin/perl", .title = "sshd: root@pts/0|"}}},
		{"an sshd that somebody else started", 0,
		 {{.pid = 200, .ppid = 999, .title = "sshd: root@pts/0|"}}},
		{"an sshd -i of inetd", 0,
		 {{.pid = 200, .ppid = LISTENER, .title = "/usr/sbin/sshd|-i|"}}},
		{"a session that ends at this moment", 0,
		 {{.pid = 200, .ppid = LISTENER, .exe = "", .title = "sshd: root@pts/0|"}}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct tree *tree = tree_new();
		int found[MAX_LISTENERS] = {-2, -2};

		tree_add(tree, &(struct tree_process){.pid = LISTENER});
		for (size_t j = 0; j < MAX_PROCESSES && rows[i].processes[j].pid; j++)
			tree_add(tree, &rows[i].processes[j]);
		count(tree, found);
		assert_row(found[0] == rows[i].expected, "%s: %d", rows[i].what, found[0]);
		tree_remove_all();
	}
}

HEAL_TEST(sessions_count_for_the_listener_that_started_them)
{
	const struct tree *tree = tree_new();
	int found[MAX_LISTENERS] = {-2, -2};

	tree_add(tree, &(struct tree_process){.pid = LISTENER});
	tree_add(tree, &(struct tree_process){.pid = SECOND});
	tree_add(tree, &(struct tree_process){
			       .pid = 200, .ppid = SECOND, .title = "sshd: root@pts/0|"});
	tree_add(tree, &(struct tree_process){
			       .pid = 201, .ppid = SECOND, .title = "sshd: root@pts/1|"});
	tree_add(tree, &(struct tree_process){
			       .pid = 202, .ppid = LISTENER, .title = "sshd: root@pts/2|"});
	count(tree, found);
	assert_int_equal(found[0], 1);
	assert_int_equal(found[1], 2);
}

HEAL_TEST(sessions_of_an_earlier_listener_count_for_ours_not_for_a_foreign_one)
{
	const struct tree *tree = tree_new();
	int found[MAX_LISTENERS] = {-2, -2};

	tree_add(tree, &(struct tree_process){.pid = LISTENER, .pid_ns = "pid:[1]"});
	tree_add(tree, &(struct tree_process){.pid = SECOND});
	tree_add(tree, &(struct tree_process){.pid = 200, .ppid = 1, .title = "sshd: anna [priv]|"});
	tree_add(tree, &(struct tree_process){.pid = 201, .ppid = 200, .title = "sshd: anna@pts/0|"});
	tree_add(tree, &(struct tree_process){
			       .pid = 202, .ppid = LISTENER, .title = "sshd: root@pts/0|"});
	count(tree, found);
	assert_int_equal(found[0], 1);
	assert_int_equal(found[1], 1);
}

HEAL_TEST(sessions_count_is_zero_not_unknown_where_there_are_none)
{
	const struct tree *tree = tree_new();
	int found[MAX_LISTENERS] = {-2, -2};

	tree_add(tree, &(struct tree_process){.pid = LISTENER});
	tree_add(tree, &(struct tree_process){.pid = SECOND, .pid_ns = "pid:[1]"});
	count(tree, found);
	assert_int_equal(found[0], 0);
	assert_int_equal(found[1], 0);
}

HEAL_TEST(sessions_cannot_be_counted_without_proc)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = NULL;
	struct heal_listener listener = {.process.pid = LISTENER, .process.dirfd = -1, .process.sessions = -1};
	struct heal_listeners listeners = {.items = &listener, .count = 1};

	tree_remove(tree, "proc");
	ctx = tree_context(tree);
	assert_int_equal(heal_sessions_count(ctx, &listeners), -ENOENT);
	assert_int_equal(listener.process.sessions, -1);
}
