/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the sshd on disk is tried, and what for that reason is not. */
#include <sys/stat.h>

#include "test.h"
#include "way.h"

#define START "/usr/sbin/sshd -D"

/*
 * A scene whose sshd notes where it was run. Directories are checked in the tree, and
 * entered on this machine: so both must have them, as /usr and /tmp are.
 */
static void place_init(struct way *way)
{
	char serve[700];
	char tell[128];

	way_init(way);
	(void)snprintf(serve, sizeof(serve), "pwd >>%s/where; echo SSH-2.0-disk", way->tree->path);
	(void)snprintf(tell, sizeof(tell), "echo listenaddress %s", way->address);
	way_sshd(way, serve, tell);
	tree_file(way->tree, "tmp/x", "");
	tree_file(way->tree, "etc/x", "");
	assert_int_equal(fchmodat(way->tree->fd, "tmp", 01777, 0), 0);
}

static void assert_where(const struct way *way, const char *expected)
{
	_cleanup_free_ char *where = tree_read(way->tree, "where");

	assert_string_equal(where ? where : "", expected);
}

/* The trial is skipped for this, nothing is run, done or advised. */
static void assert_refused(struct way *way, const char *why)
{
	assert_string_equal(way_run_untried(way)->evidence.trial.detail, why);
	assert_where(way, "");
}

struct place_row {
	const char *directory; /* NULL: none */
	const char *command;
	const char *why;
};

static void assert_all_refused(const struct place_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_way_ struct way way;

		place_init(&way);
		way.service.directory = rows[i].directory;
		way.service.exec_start = rows[i].command;
		assert_refused(&way, rows[i].why);
		tree_remove_all();
	}
}

#define NEEDS_ROOT()                \
	do {                        \
		TEST_NEEDS_PIDFDS(); \
		if (geteuid() != 0) \
			skip();     \
	} while (0)

HEAL_TEST(place_of_a_trial_is_the_root_directory_whoever_calls)
{
	NEEDS_ROOT();
	_cleanup_way_ struct way way;
	char here[600];

	place_init(&way);
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir("/tmp"), 0);
	assert_int_equal(way_run(&way, HEAL_HEAL)->result.outcome, HEAL_OUTCOME_HEALED);
	assert_int_equal(chdir(here), 0);
	assert_where(&way, "/\n");
}

HEAL_TEST(place_of_a_restart_is_the_directory_of_the_unit)
{
	NEEDS_ROOT();
	static const char *const directories[] = {"/usr", "!/usr"};

	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		_cleanup_way_ struct way way;

		place_init(&way);
		way.service.directory = directories[i];
		assert_int_equal(way_run(&way, HEAL_HEAL)->result.outcome, HEAL_OUTCOME_HEALED);
		/* SIGHUP is answered in /. */
		assert_where(&way, "/\n/usr\n");
		tree_remove_all();
	}
}

HEAL_TEST(place_that_may_miss_and_does_is_the_root_directory)
{
	NEEDS_ROOT();
	_cleanup_way_ struct way way;

	place_init(&way);
	way.service.directory = "!/nonexistent";
	assert_int_equal(way_run(&way, HEAL_HEAL)->result.outcome, HEAL_OUTCOME_HEALED);
	assert_where(&way, "/\n");
}

HEAL_TEST(place_that_others_can_write_to_is_none)
{
	NEEDS_ROOT();
	static const struct place_row rows[] = {
		{"/tmp", START, "ssh.service starts sshd in /tmp, where not only root can put files"},
		{"!/tmp", START, "ssh.service starts sshd in /tmp, where not only root can put files"},
		{"/nonexistent", START,
		 "ssh.service starts sshd in /nonexistent: No such file or directory"},
		{"~", START, "ssh.service starts sshd in ~: Invalid argument"},
	};

	assert_all_refused(rows, ARRAY_SIZE(rows));
}

HEAL_TEST(place_has_no_say_over_names_that_only_root_can_change)
{
	NEEDS_ROOT();
	_cleanup_way_ struct way way;

	place_init(&way);
	way.service.exec_start = START " -f etc/x";
	assert_int_equal(way_run(&way, HEAL_HEAL)->result.outcome, HEAL_OUTCOME_HEALED);
	/* What runs has no such option, what a restart would start has. */
	assert_where(&way, "/\n/\n");
	assert_non_null(strstr(way.service.calls, "reload"));
}

/* F1: apt runs its hooks in /tmp, where anybody can make tmp/x and etc/x. */
HEAL_TEST(place_of_a_relative_name_that_others_can_write_to_ends_the_trial)
{
	NEEDS_ROOT();
	static const struct place_row rows[] = {
		{NULL, START " -f tmp/x",
		 "ssh.service has -f tmp/x, and not only root can write to /tmp/x"},
		{NULL, START " -f etc/x -h tmp/none",
		 "ssh.service has -h tmp/none, and not only root can write to /tmp/none"},
		{NULL, START " -E tmp/log",
		 "ssh.service has -E tmp/log, and not only root can write to /tmp/log"},
		{NULL, START " -c tmp/c",
		 "ssh.service has -c tmp/c, and not only root can write to /tmp/c"},
		{NULL, START " -o HostKey=tmp/k",
		 "ssh.service has -o HostKey=tmp/k, and not only root can write to /tmp/k"},
		{NULL, START " -o SecurityKeyProvider=tmp/evil.so",
		 "ssh.service has -o SecurityKeyProvider=tmp/evil.so, and not only root can write to "
		 "/tmp/evil.so"},
	};

	assert_all_refused(rows, ARRAY_SIZE(rows));
}

/* What is found where the unit starts sshd is not found by a SIGHUP, which would end it. */
HEAL_TEST(place_that_sighup_would_not_know_leaves_only_the_restart)
{
	NEEDS_ROOT();
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	place_init(&way);
	way.service.directory = "/usr";
	way.service.exec_start = START " -f sbin/sshd";
	listener = way_run(&way, HEAL_HEAL);
	assert_int_equal(listener->result.outcome, HEAL_OUTCOME_HEALED);
	assert_int_equal(listener->result.plan, HEAL_PLAN_RESTART);
	assert_null(strstr(way.service.calls, "reload"));
	assert_where(&way, "/usr\n");
}

HEAL_TEST(place_that_sighup_would_not_know_is_not_advised)
{
	NEEDS_ROOT();
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	place_init(&way);
	way.ctx->config.mode = HEAL_MODE_WARN;
	way.ctx->is_configured = true;
	way.service.directory = "/usr";
	way.service.exec_start = START " -f sbin/sshd";
	listener = way_run(&way, HEAL_CHECK);
	assert_int_equal(listener->result.outcome, HEAL_OUTCOME_WARNED);
	assert_string_equal(listener->result.detail, "systemctl restart ssh.service");
}

/* Started by hand in some directory, it would look in / after a SIGHUP, find nothing, and end. */
HEAL_TEST(place_of_an_sshd_started_by_hand_is_not_guessed)
{
	NEEDS_ROOT();
	_cleanup_way_ struct way way;
	char title[700];

	place_init(&way);
	(void)snprintf(title, sizeof(title), "sshd: %s -f mine [listener] 0 of 10-100 startups|", way.exe);
	way.ctx->config.hup_unmanaged = true;
	way.ctx->is_configured = true;
	way.service.unit.id = NULL;
	tree_add(way.tree, &(struct tree_process){
				   .pid = PID, .exe = way.exe, .maps = TREE_MAPS_STALE,
				   .sockets = way.inode, .title = title});
	assert_refused(&way, "its title has -f mine, but /mine: No such file or directory");
}
