/* SPDX-License-Identifier: GPL-2.0-or-later */
/* heal_listeners_find: which processes are listeners, and whose. */
#include <pthread.h>
#include <sys/stat.h>

#include "test.h"
#include "tree.h"

#define NOBODY 65534

struct found {
	struct heal_listeners listeners;
	struct heal_notes notes;
};

static void found_done(struct found *found)
{
	heal_listeners_done(&found->listeners);
	heal_notes_done(&found->notes);
}
#define _cleanup_found_ _cleanup_(found_done)

static void find(const struct tree *tree, struct found *found)
{
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	struct heal_error error = {0};

	if (heal_listeners_find(ctx, &found->listeners, &found->notes, &error) < 0)
		fail_msg("%s", error.message);
}

/* Whose the one listener is that the tree has, with this process in it. */
static void assert_whose(const struct tree_process *process, enum heal_foreign expected)
{
	const struct tree *tree = tree_new();
	_cleanup_found_ struct found found = {0};

	tree_add(tree, process);
	find(tree, &found);
	assert_int_equal(found.listeners.count, 1);
	assert_int_equal(found.listeners.items[0].process.foreign, expected);
	assert_int_equal(found.notes.count, 0);
}

HEAL_TEST(find_gives_a_listener_with_what_identifies_it)
{
	const struct tree *tree = tree_new();
	_cleanup_found_ struct found found = {0};
	const struct heal_listener *listener;

	tree_add(tree, &(struct tree_process){.pid = 34});
	find(tree, &found);
	assert_int_equal(found.listeners.count, 1);
	listener = &found.listeners.items[0];
	assert_int_equal(listener->process.pid, 34);
	assert_int_equal(listener->process.start_time, 228034);
	assert_string_equal(listener->process.exe, "/usr/sbin/sshd");
	assert_false(listener->process.exe_deleted);
	assert_true(listener->process.dirfd >= 0);
	assert_int_equal(listener->process.foreign, HEAL_OURS);
	assert_int_equal(listener->process.sessions, -1);
	assert_int_equal(listener->evidence.n_stale, 0);
	assert_int_equal(found.listeners.unreadable, 0);
}

HEAL_TEST(find_takes_every_known_sshd_path_also_deleted)
{
	static const struct {
		const char *link;
		const char *exe;
		bool is_deleted;
	} rows[] = {
		{"/usr/sbin/sshd", "/usr/sbin/sshd", false},
		{"/usr/bin/sshd", "/usr/bin/sshd", false},
		{"/usr/sbin/sshd (deleted)", "/usr/sbin/sshd", true},
		{"/usr/sbin/sshd.dpkg-tmp (deleted)", "/usr/sbin/sshd", true},
		{"/usr/sbin/sshd;6b028acf (deleted)", "/usr/sbin/sshd", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct tree *tree = tree_new();
		_cleanup_found_ struct found found = {0};

		tree_add(tree, &(struct tree_process){.pid = 34, .exe = rows[i].link});
		find(tree, &found);
		assert_row(found.listeners.count == 1, "%s", rows[i].link);
		assert_row(test_same(found.listeners.items[0].process.exe, rows[i].exe), "%s: %s",
			   rows[i].link, found.listeners.items[0].process.exe);
		assert_row(found.listeners.items[0].process.exe_deleted == rows[i].is_deleted, "%s",
			   rows[i].link);
		assert_row(found.listeners.items[0].process.foreign == HEAL_OURS, "%s", rows[i].link);
	}
}

HEAL_TEST(find_calls_foreign_what_root_does_not_own)
{
	static const char *const uids[] = {
		"1000\t1000\t1000\t1000", "1000\t0\t0\t0", "0\t1000\t0\t0",
		"0\t0\t1000\t0",          "0\t0\t0\t1000",
	};

	for (size_t i = 0; i < ARRAY_SIZE(uids); i++)
		assert_whose(&(struct tree_process){.pid = 34, .uids = uids[i]}, HEAL_FOREIGN_USER);
}

/* What could not be looked at is neither foreign nor absent. */
static void assert_unreadable(const struct tree_process *process, const char *why)
{
	const struct tree *tree = tree_new();
	_cleanup_found_ struct found found = {0};
	char expected[128];

	tree_add(tree, process);
	find(tree, &found);
	assert_int_equal(found.listeners.count, 0);
	assert_int_equal(found.listeners.unreadable, 1);
	assert_int_equal(found.notes.count, 1);
	(void)snprintf(expected, sizeof(expected),
		       "cannot tell whether sshd process 34 is stale: reading /proc/34: %s", why);
	assert_string_equal(found.notes.lines[0], expected);
}

HEAL_TEST(find_does_not_judge_whose_owner_cannot_be_told)
{
	assert_unreadable(&(struct tree_process){.pid = 34, .uids = ""}, "Bad message");
	assert_unreadable(&(struct tree_process){.pid = 34, .uids = "0\t0\t0"}, "Bad message");
}

HEAL_TEST(find_does_not_judge_whose_namespace_or_root_cannot_be_told)
{
	assert_unreadable(&(struct tree_process){.pid = 34, .root = ""}, strerror(ENOENT));
	assert_unreadable(&(struct tree_process){.pid = 34, .mnt_ns = ""}, strerror(ENOENT));
	assert_unreadable(&(struct tree_process){.pid = 34, .user_ns = ""}, strerror(ENOENT));
	/* It was started by that name. */
	assert_unreadable(&(struct tree_process){.pid = 34, .exe = "/usr/sbin/sshd.distrib",
						 .comm = "sshd.distrib", .user_ns = ""}, strerror(ENOENT));
}

/* Inside execve it has none, as long as its new pages take to be read. */
HEAL_TEST(find_does_not_judge_what_has_no_title_at_the_moment)
{
	assert_unreadable(&(struct tree_process){.pid = 34, .title = ""}, strerror(EAGAIN));
}

HEAL_TEST(find_calls_foreign_the_root_of_another_user_namespace)
{
	assert_whose(&(struct tree_process){.pid = 34, .user_ns = "user:[4026532001]"},
		     HEAL_FOREIGN_USER);
}

/* F3: cmdline takes a lock that the process may keep; here it is not even there. */
HEAL_TEST(find_reads_no_memory_of_a_process_of_a_user)
{
	const struct tree *tree = tree_new();
	_cleanup_found_ struct found found = {0};

	tree_add(tree, &(struct tree_process){.pid = 34, .uids = "1000\t1000\t1000\t1000"});
	tree_add(tree, &(struct tree_process){.pid = 35, .user_ns = "user:[4026532001]"});
	tree_remove(tree, "proc/34/cmdline");
	tree_remove(tree, "proc/34/maps");
	tree_remove(tree, "proc/34/fd");
	tree_remove(tree, "proc/35/cmdline");
	find(tree, &found);
	assert_int_equal(found.listeners.count, 2);
	assert_int_equal(found.notes.count, 0);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(found.listeners.items[i].process.foreign, HEAL_FOREIGN_USER);
}

HEAL_TEST(find_takes_no_session_for_a_listener_of_its_user)
{
	const struct tree *tree = tree_new();
	_cleanup_found_ struct found found = {0};

	tree_add(tree, &(struct tree_process){.pid = 34});
	tree_add(tree, &(struct tree_process){.pid = 40, .ppid = 34, .title = "sshd: anna [priv]|"});
	tree_add(tree, &(struct tree_process){
			       .pid = 41, .ppid = 40, .uids = "1000\t1000\t1000\t1000"});
	/* Its parent has just ended: what it was is told by the directory that it is shut in. */
	tree_add(tree, &(struct tree_process){
			       .pid = 42, .ppid = 99, .uids = "105\t105\t105\t105", .root = "/run/sshd",
			       .is_sandboxed = true});
	find(tree, &found);
	assert_int_equal(found.listeners.count, 1);
	assert_int_equal(found.listeners.items[0].process.pid, 34);
}

HEAL_TEST(find_calls_foreign_what_is_in_a_container_or_chroot)
{
	assert_whose(&(struct tree_process){.pid = 34, .pid_ns = "pid:[4026532330]"},
		     HEAL_FOREIGN_NAMESPACE);
	assert_whose(&(struct tree_process){.pid = 34, .root = "/srv/chroot"}, HEAL_FOREIGN_NAMESPACE);
}

/* As PR_SET_PDEATHSIG does to the sshd on trial of an sshd-heal that has ended. */
HEAL_TEST(find_leaves_out_what_is_killed_in_a_namespace_of_its_own)
{
	const struct tree *tree = tree_new();
	_cleanup_found_ struct found found = {0};

	tree_add(tree, &(struct tree_process){.pid = 34});
	tree_add(tree, &(struct tree_process){.pid = 35, .pid_ns = "pid:[4026532330]", .is_killed = true});
	find(tree, &found);
	assert_int_equal(found.listeners.count, 1);
	assert_int_equal(found.listeners.items[0].process.pid, 34);
}

static void *end_soon(void *tree)
{
	heal_sleep_ms(20);
	tree_end(tree, 35);
	return NULL;
}

HEAL_TEST(find_waits_for_the_end_of_what_has_just_lost_its_parent)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	_cleanup_found_ struct found found = {0};
	struct heal_error error = {0};
	pthread_t thread;

	ctx->is_live = true;
	tree_add(tree, &(struct tree_process){.pid = 35, .ppid = 99, .pid_ns = "pid:[4026532330]"});
	/* This one goes on without. */
	tree_add(tree, &(struct tree_process){.pid = 36, .ppid = 99, .pid_ns = "pid:[4026532330]"});
	assert_int_equal(pthread_create(&thread, NULL, end_soon, (void *)tree), 0);
	assert_int_equal(heal_listeners_find(ctx, &found.listeners, &found.notes, &error), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(found.notes.count, 0);
	assert_int_equal(found.listeners.count, 1);
	assert_int_equal(found.listeners.items[0].process.pid, 36);
	assert_int_equal(found.listeners.items[0].process.foreign, HEAL_FOREIGN_NAMESPACE);
}

/* So a container manager has everything in its containers. */
HEAL_TEST(find_takes_no_root_in_a_chroot_for_the_child_that_sshd_shuts_in)
{
	assert_whose(&(struct tree_process){.pid = 34, .root = "/srv/chroot", .is_sandboxed = true},
		     HEAL_FOREIGN_NAMESPACE);
}

HEAL_TEST(find_calls_foreign_all_that_is_seen_from_inside_a_chroot)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	_cleanup_listener_ struct heal_listener listener = {.process.dirfd = -1};

	tree_add(tree, &(struct tree_process){.pid = 34});
	ctx->is_chroot = true;
	assert_int_equal(heal_listener_load(ctx, 34, false, &listener.process), 0);
	assert_int_equal(listener.process.foreign, HEAL_FOREIGN_NAMESPACE);
}

HEAL_TEST(find_calls_foreign_what_has_an_unknown_path)
{
	static const char *const exes[] = {
		"/usr/local/sbin/sshd", "/opt/sshd",  "/sshd",
		"/usr/sbin/x/sshd",     "//usr/sbin/sshd",
		"/usr/local/a/path/that/is/longer/than/the/quick/look/reads/of/it/sbin/sshd",
		"/usr/local/a/path/that/is/longer/than/the/quick/look/reads/of/it/sbin/sshd (deleted)",
	};

	for (size_t i = 0; i < ARRAY_SIZE(exes); i++)
		assert_whose(&(struct tree_process){.pid = 34, .exe = exes[i]}, HEAL_FOREIGN_PATH);
}

HEAL_TEST(find_leaves_out_what_is_no_listener)
{
	static const struct tree_process rows[] = {
		{.title = "sshd: anna [priv]||"},
		{.title = "sshd: root@pts/0|"},
		{.title = "sshd: [accepted]|"},
		{.title = "/usr/sbin/sshd|-i|"},
		{.exe = "/usr/lib/openssh/sshd-session", .title = "sshd-session: root@pts/0|"},
		{.exe = "/usr/lib/openssh/sshd-auth"},
		{.exe = "/usr/sbin/sshd-proxy", .title = "/usr/sbin/sshd-proxy|-D|"},
		{.exe = "/home/anna/sshd-proxy", .uids = "1000\t1000\t1000\t1000"},
		{.exe = "/usr/sbin/not-sshd"},
		{.exe = "/usr/sbin/sshd/x"},
		{.exe = "/usr/bin/bash"},
		/* It calls itself sshd, and is none: CVE-2022-30688's kind of mistake. */
		{.exe = "/home/anna/sshd/evil", .comm = "sshd"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct tree *tree = tree_new();
		_cleanup_found_ struct found found = {0};
		struct tree_process process = rows[i];

		process.pid = 34;
		tree_add(tree, &process);
		find(tree, &found);
		assert_row(found.listeners.count == 0, "row %zu", i);
		assert_row(found.notes.count == 0, "row %zu: a note", i);
		tree_remove_all();
	}
}

HEAL_TEST(find_leaves_out_a_zombie_and_a_process_that_vanishes)
{
	const struct tree *tree = tree_new();
	_cleanup_found_ struct found found = {0};

	tree_add(tree, &(struct tree_process){.pid = 34, .state = 'Z'});
	tree_add(tree, &(struct tree_process){.pid = 35, .state = 'X'});
	tree_add(tree, &(struct tree_process){.pid = 36, .exe = ""});
	tree_add(tree, &(struct tree_process){.pid = 37});
	tree_remove(tree, "proc/37/stat");
	tree_remove(tree, "proc/37/comm");
	tree_add(tree, &(struct tree_process){.pid = 38});
	tree_remove(tree, "proc/38/cmdline");
	tree_remove(tree, "proc/38/comm");
	tree_file(tree, "proc/39/comm", "sshd\n");
	find(tree, &found);
	assert_int_equal(found.listeners.count, 0);
	assert_int_equal(found.notes.count, 0);
	assert_int_equal(found.listeners.unreadable, 0);
}

HEAL_TEST(find_gives_every_listener)
{
	const struct tree *tree = tree_new();
	_cleanup_found_ struct found found = {0};
	int sum = 0;

	for (int pid = 100; pid < 105; pid++)
		tree_add(tree, &(struct tree_process){.pid = pid});
	tree_add(tree, &(struct tree_process){.pid = 200, .title = "sshd: root@pts/0|"});
	/* What is no process is not looked into. */
	tree_link(tree, "proc/self", "34");
	tree_file(tree, "proc/sys/exe", "");
	find(tree, &found);
	assert_int_equal(found.listeners.count, 5);
	for (size_t i = 0; i < found.listeners.count; i++)
		sum += found.listeners.items[i].process.pid;
	assert_int_equal(sum, 100 + 101 + 102 + 103 + 104);
}

HEAL_TEST(find_leaves_out_the_child_of_a_listener_that_has_not_named_itself_yet)
{
	const struct tree *tree = tree_new();
	_cleanup_found_ struct found found = {0};

	tree_add(tree, &(struct tree_process){.pid = 34});
	tree_add(tree, &(struct tree_process){.pid = 35, .ppid = 34});
	tree_add(tree, &(struct tree_process){.pid = 36, .ppid = 35});
	tree_add(tree, &(struct tree_process){.pid = 20, .ppid = 34});
	/* Started by hand from a session. */
	tree_add(tree, &(struct tree_process){.pid = 50, .ppid = 49});
	find(tree, &found);
	assert_int_equal(found.listeners.count, 2);
	assert_int_equal(found.listeners.items[0].process.pid + found.listeners.items[1].process.pid, 34 + 50);
}

HEAL_TEST(find_of_a_hook_does_not_look_into_the_processes_of_users)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	_cleanup_listener_ struct heal_listener listener = {.process.dirfd = -1};

	tree_add(tree, &(struct tree_process){.pid = 34});
	ctx->is_live = true;
	ctx->is_hook = true;
	assert_int_equal(heal_listener_load(ctx, 34, false, &listener.process), 0);
	heal_listener_done(&listener);
	/* Its directory is root's nevertheless where it cannot be dumped. */
	tree_add(tree, &(struct tree_process){.pid = 34, .uids = "65534\t65534\t65534\t65534"});
	assert_int_equal(heal_listener_load(ctx, 34, false, &listener.process), 1);
	ctx->is_hook = false;
	assert_int_equal(heal_listener_load(ctx, 34, false, &listener.process), 0);
}

HEAL_TEST(find_can_be_done_twice)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	_cleanup_notes_ struct heal_notes notes = {0};
	struct heal_error error = {0};

	tree_add(tree, &(struct tree_process){.pid = 34});
	for (int i = 0; i < 2; i++) {
		_cleanup_listeners_ struct heal_listeners listeners = {0};

		assert_int_equal(heal_listeners_find(ctx, &listeners, &notes, &error), 0);
		assert_int_equal(listeners.count, 1);
	}
}

HEAL_TEST(find_does_not_take_a_file_really_named_deleted_for_a_deleted_exe)
{
	const struct tree *tree = tree_new();
	_cleanup_found_ struct found found = {0};

	/* Then it is no sshd at all, but something called "sshd (deleted)". */
	tree_add(tree, &(struct tree_process){.pid = 34, .exe = "/usr/sbin/sshd (deleted)"});
	tree_file(tree, "usr/sbin/sshd (deleted)", "");
	find(tree, &found);
	assert_int_equal(found.listeners.count, 0);
}

/* Looks as somebody who may search the directories of 34 and 35, but not read them. */
static int find_without_permission(const struct tree *tree, bool is_live, struct found *found)
{
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	struct heal_error error = {0};
	bool is_root = geteuid() == 0;
	int r;

	ctx->is_live = is_live;
	assert_int_equal(fchmodat(tree->fd, "proc/34", 0311, 0), 0);
	assert_int_equal(fchmodat(tree->fd, "proc/35", 0311, 0), 0);
	if (is_root)
		assert_int_equal(seteuid(NOBODY), 0);
	r = heal_listeners_find(ctx, &found->listeners, &found->notes, &error);
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(fchmodat(tree->fd, "proc/34", 0755, 0), 0);
	assert_int_equal(fchmodat(tree->fd, "proc/35", 0755, 0), 0);
	return r;
}

HEAL_TEST(find_notes_an_sshd_that_may_not_be_read_and_no_other)
{
	const struct tree *tree = tree_new();
	_cleanup_found_ struct found found = {0};

	tree_add(tree, &(struct tree_process){.pid = 34});
	tree_add(tree, &(struct tree_process){.pid = 35, .comm = "other"});
	assert_int_equal(find_without_permission(tree, false, &found), 0);
	assert_int_equal(found.listeners.count, 0);
	assert_int_equal(found.listeners.unreadable, 1);
	assert_int_equal(found.notes.count, 1);
	assert_string_equal(found.notes.lines[0], "cannot tell whether sshd process 34 is stale: "
						  "reading /proc/34: Permission denied");
}

HEAL_TEST(find_notes_no_unreadable_sshd_of_an_ordinary_user_on_a_live_host)
{
	const struct tree *tree = tree_new();
	_cleanup_found_ struct found found = {0};

	tree_add(tree, &(struct tree_process){.pid = 34, .uids = "65534\t65534\t65534\t65534"});
	tree_add(tree, &(struct tree_process){.pid = 35});
	assert_int_equal(find_without_permission(tree, true, &found), 0);
	assert_int_equal(found.listeners.count, 0);
	assert_int_equal(found.listeners.unreadable, 1);
	assert_int_equal(found.notes.count, 1);
	assert_string_equal(found.notes.lines[0],
			    "cannot tell whether sshd process 35 is stale: reading /proc/35: "
			    "Permission denied");
}

HEAL_TEST(find_keeps_no_directory_open_of_what_is_foreign_by_user_or_namespace)
{
	static const struct {
		struct tree_process process;
		enum heal_foreign foreign;
		bool is_open;
	} rows[] = {
		{{.pid = 34}, HEAL_OURS, true},
		{{.pid = 34, .exe = "/opt/sshd"}, HEAL_FOREIGN_PATH, true},
		{{.pid = 34, .uids = "0\t0\t0\t1"}, HEAL_FOREIGN_USER, false},
		{{.pid = 34, .pid_ns = "pid:[1]"}, HEAL_FOREIGN_NAMESPACE, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct tree *tree = tree_new();
		_cleanup_found_ struct found found = {0};

		tree_add(tree, &rows[i].process);
		find(tree, &found);
		assert_int_equal(found.listeners.count, 1);
		assert_row(found.listeners.items[0].process.foreign == rows[i].foreign, "row %zu", i);
		assert_row((found.listeners.items[0].process.dirfd >= 0) == rows[i].is_open, "row %zu", i);
		tree_remove_all();
	}
}

HEAL_TEST(find_without_proc_says_so)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = NULL;
	_cleanup_notes_ struct heal_notes notes = {0};
	struct heal_listeners listeners = {.unreadable = 77};
	struct heal_error error = {0};

	tree_remove(tree, "proc");
	ctx = tree_context(tree);
	assert_int_equal(heal_listeners_find(ctx, &listeners, &notes, &error), -ENOENT);
	assert_int_equal(error.code, ENOENT);
	assert_string_equal(error.message, "looking for sshd processes: opening /proc: "
					   "No such file or directory");
	assert_int_equal(listeners.unreadable, 77);
}

HEAL_TEST(load_of_a_pid_that_is_not_there_is_an_error)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	_cleanup_listener_ struct heal_listener listener = {.process.dirfd = -1};

	assert_int_equal(heal_listener_load(ctx, 34, false, &listener.process), -ENOENT);
	/* PID 1 is there, but is none. */
	assert_int_equal(heal_listener_load(ctx, 1, false, &listener.process), 1);
	assert_int_equal(listener.process.dirfd, -1);
}
