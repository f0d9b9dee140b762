/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a trial says of the sshd on disk, and what it may not say. */
#include <sys/stat.h>

#include "test.h"
#include "way.h"

HEAL_TEST(trial_that_this_machine_could_not_make_says_nothing_against_the_files)
{
	TEST_NEEDS_PIDFDS();
	static char command[200000] = "/usr/sbin/sshd -o ";
	_cleanup_way_ struct way way;
	char expected[700];

	way_init(&way);
	/* One argument of more than MAX_ARG_STRLEN, execve(2). */
	memset(command + strlen(command), 'x', sizeof(command) - strlen(command) - 1);
	way.service.exec_start = command;
	(void)snprintf(expected, sizeof(expected), "trying %s: Argument list too long", way.exe);
	assert_string_equal(way_run_untried(&way)->evidence.trial.detail, expected);
}

HEAL_TEST(trial_fails_where_the_file_itself_cannot_be_run)
{
	TEST_NEEDS_PIDFDS();
	static const struct {
		const char *text; /* NULL: a symbolic link to itself */
		mode_t mode;
		const char *detail;
	} rows[] = {
		{"#!/bin/sh\n", 0644, "Permission denied"},
		{"no program", 0755, "Exec format error"},
		{"#!/nonexistent/sh\n", 0755, "No such file or directory"},
		{NULL, 0, "Too many levels of symbolic links"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_way_ struct way way;
		const struct heal_listener *listener;
		char expected[800];

		way_init(&way);
		tree_remove(way.tree, "usr/sbin/sshd");
		if (rows[i].text) {
			tree_file(way.tree, "usr/sbin/sshd", rows[i].text);
			assert_int_equal(chmod(way.exe, rows[i].mode), 0);
		} else {
			tree_link(way.tree, "usr/sbin/sshd", "sshd");
		}
		listener = way_run_warned(&way);
		assert_row(listener->evidence.trial.result == HEAL_TRIAL_FAILED, "%s: %d", rows[i].detail,
			   (int)listener->evidence.trial.result);
		(void)snprintf(expected, sizeof(expected), "running %s: %s; ", way.exe,
			       rows[i].detail);
		assert_row(strncmp(listener->evidence.trial.detail, expected, strlen(expected)) == 0, "%s",
			   listener->evidence.trial.detail);
		assert_string_equal(listener->result.reason, "the files on disk would not let a client in");
		tree_remove_all();
	}
}

/* As the root has it, the file has the name that the process has as well. */
static void give_other_name(const struct way *way)
{
	tree_file(way->tree, way->exe + 1, "");
	tree_remove(way->tree, way->exe + 1);
	assert_int_equal(linkat(way->tree->fd, "usr/sbin/sshd", way->tree->fd, way->exe + 1, 0), 0);
}

HEAL_TEST(trial_is_made_where_the_unit_names_the_same_file_otherwise)
{
	TEST_NEEDS_PIDFDS();
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	way_init(&way);
	/* As /sbin/sshd and /usr/sbin/sshd are: in the tree both names lead to one file. */
	way.service.exec_path = "/usr/sbin/sshd";
	give_other_name(&way);
	listener = way_run(&way, HEAL_HEAL);
	assert_string_equal(listener->evidence.trial.detail, "");
	assert_int_equal(listener->evidence.trial.result, HEAL_TRIAL_OK);
	assert_int_equal(listener->result.outcome, HEAL_OUTCOME_HEALED);
}

HEAL_TEST(trial_is_not_made_where_the_unit_starts_another_file)
{
	static const char *const paths[] = {"/usr/sbin/sshd.real", "/usr/local/sbin/sshd", "sshd"};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		_cleanup_way_ struct way way;
		char expected[700];

		way_init(&way);
		give_other_name(&way);
		tree_file(way.tree, "usr/local/sbin/sshd", "another file");
		way.service.exec_path = paths[i];
		(void)snprintf(expected, sizeof(expected),
			       "ssh.service starts %s, but %s is what runs", paths[i], way.exe);
		assert_string_equal(way_run_untried(&way)->evidence.trial.detail, expected);
		tree_remove_all();
	}
}

HEAL_TEST(trial_of_a_sighup_does_without_a_program_that_has_become_sshd)
{
	TEST_NEEDS_PIDFDS();
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	way_init(&way);
	tree_file(way.tree, "usr/local/sbin/wrapper", "#!/bin/sh\nexec /usr/sbin/sshd -D\n");
	way.service.exec_path = "/usr/local/sbin/wrapper";
	listener = way_run(&way, HEAL_DRY_RUN);
	assert_int_equal(listener->evidence.trial.result, HEAL_TRIAL_OK);
	assert_true(listener->evidence.trial.is_hup_only);
	assert_int_equal(listener->result.plan, HEAL_PLAN_RELOAD);
}

HEAL_TEST(trial_is_not_made_where_no_listening_socket_was_found)
{
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	way_init(&way);
	way_process(&way, PID, TREE_MAPS_STALE, "");
	listener = way_run_untried(&way);
	assert_string_equal(listener->evidence.trial.detail, "its listening sockets were not found");
	assert_int_equal(listener->evidence.live.fate, HEAL_FATE_UNKNOWN);
}

HEAL_TEST(trial_proves_nothing_where_sshd_does_not_tell_its_configuration)
{
	TEST_NEEDS_PIDFDS();
	static const char *const ways[] = {"exit 1", "exit 255", "kill -9 $$"};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		_cleanup_way_ struct way way;
		char tell[128];

		way_init(&way);
		/* What it has said before does not count. */
		(void)snprintf(tell, sizeof(tell), "echo listenaddress %s; %s", way.address, ways[i]);
		way_sshd(&way, "echo SSH-2.0-disk", tell);
		assert_string_equal(way_run_untried(&way)->evidence.trial.detail,
				    "sshd -T did not tell its configuration");
		tree_remove_all();
	}
}

HEAL_TEST(trial_leaves_out_what_sshd_says_of_deprecated_options)
{
	TEST_NEEDS_PIDFDS();
	static const struct {
		const char *serve;
		const char *words; /* behind the fate */
	} rows[] = {
		{"echo '/etc/x line 3: Deprecated option UsePrivilegeSeparation' >&2\n"
		 "echo 'bad things' >&2; exit 255",
		 ": bad things; "},
		{"echo 'bad' >&2; echo 'things' >&2\n"
		 "echo '/etc/x line 3: Deprecated option KeyRegenerationInterval' >&2; exit 255",
		 ": bad; things; "},
		{"echo '/etc/x line 3: Deprecated option RSAAuthentication' >&2; exit 255",
		 ", and it does not say why (does hosts.deny refuse 127.0.0.1?); "},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_way_ struct way way;
		const struct heal_listener *listener;
		char expected[900];

		way_init(&way);
		way_sshd(&way, rows[i].serve, "exit 0");
		listener = way_run(&way, HEAL_HEAL);
		assert_int_equal(listener->evidence.trial.result, HEAL_TRIAL_FAILED);
		(void)snprintf(expected, sizeof(expected),
			       "a client of %s gets connection closed by remote host, before the "
			       "banner%s",
			       way.exe, rows[i].words);
		assert_row(strncmp(listener->evidence.trial.detail, expected, strlen(expected)) == 0, "%s",
			   listener->evidence.trial.detail);
		assert_null(strstr(listener->evidence.trial.detail, "Deprecated"));
		/* The file at fault is not the one of the line that was left out. */
		assert_null(strstr(listener->evidence.trial.detail, "/etc/x"));
		tree_remove_all();
	}
}

HEAL_TEST(trial_has_the_options_of_the_environment_file)
{
	TEST_NEEDS_PIDFDS();
	static const struct {
		const char *files;
		const char *text;
		enum heal_trial_result result;
		bool is_hup_only;
	} rows[] = {
		{"/etc/default/ssh", "SSHD_OPTS = -o \\\nX=1\n", HEAL_TRIAL_OK, false},
		{"-/etc/default/ssh", "SSHD_OPTS=\"-o X=1\"\n", HEAL_TRIAL_OK, false},
		{"-/etc/none", "", HEAL_TRIAL_OK, false},
		{"/etc/default/ssh", "SSHD_OPTS=-o X=2\n", HEAL_TRIAL_FAILED, false},
		{"/etc/none", "", HEAL_TRIAL_OK, true},
		/* Which files these are is systemd's secret. */
		{"/etc/default/ss?", "", HEAL_TRIAL_OK, true},
		{"/etc/default/*", "", HEAL_TRIAL_OK, true},
		{"-/etc/default/[s]sh", "", HEAL_TRIAL_OK, true},
		{"-etc/default/ssh", "", HEAL_TRIAL_OK, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_way_ struct way way;
		const struct heal_listener *listener;
		char tell[128];

		way_init(&way);
		(void)snprintf(tell, sizeof(tell), "echo listenaddress %s", way.address);
		/* Without options, as the listener runs, or with just these. */
		way_sshd(&way, "case \"$*\" in '-i -e'|'-i -e -o X=1') echo SSH-2.0-disk;; esac", tell);
		way.service.exec_start = "/usr/sbin/sshd -D $SSHD_OPTS";
		way.service.environment_files = rows[i].files;
		tree_file(way.tree, "etc/default/ssh", rows[i].text);
		listener = way_run(&way, HEAL_DRY_RUN);
		assert_row(listener->evidence.trial.result == rows[i].result, "%s, %s: %d, %s", rows[i].files,
			   rows[i].text, (int)listener->evidence.trial.result, listener->evidence.trial.detail);
		/* What a restart would have is not known then; a SIGHUP does without. */
		assert_row(listener->evidence.trial.is_hup_only == rows[i].is_hup_only, "%s", rows[i].files);
		if (rows[i].is_hup_only)
			assert_row(strncmp(listener->evidence.start, "ssh.service has EnvironmentFile=", 32) == 0,
				   "%s: %s", rows[i].files, listener->evidence.start);
		tree_remove_all();
	}
}

HEAL_TEST(trial_fails_where_the_log_of_an_option_cannot_be_opened)
{
	TEST_NEEDS_PIDFDS();
	static const struct {
		const char *log;
		const char *why; /* NULL: it can */
	} rows[] = {
		{"/var/log/sshd", NULL},
		{"/var/log/new", NULL},
		{"/var/log", "Is a directory"},
		{"/var/none/sshd", "No such file or directory"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_way_ struct way way;
		const struct heal_listener *listener;
		char command[64];
		char expected[700] = "";

		way_init(&way);
		tree_file(way.tree, "var/log/sshd", "");
		(void)snprintf(command, sizeof(command), "/usr/sbin/sshd -D -E %s", rows[i].log);
		way.service.exec_start = command;
		listener = way_run(&way, HEAL_DRY_RUN);
		if (rows[i].why)
			(void)snprintf(expected, sizeof(expected),
				       "%s does not start: opening its log %s: %s", way.exe, rows[i].log,
				       rows[i].why);
		assert_string_equal(listener->evidence.trial.detail, expected);
		assert_int_equal(listener->evidence.trial.result,
				 rows[i].why ? HEAL_TRIAL_FAILED : HEAL_TRIAL_OK);
		tree_remove_all();
	}
}

HEAL_TEST(trial_is_not_made_without_an_environment_that_changes_the_code)
{
	static const struct {
		const char *environment;
		const char *file;
		const char *set;
	} rows[] = {
		{"LANG=C LD_PRELOAD=/x.so", "", "LD_PRELOAD=/x.so"},
		{NULL, "A=1\nOPENSSL_CONF=/etc/own.cnf\n", "OPENSSL_CONF=/etc/own.cnf"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_way_ struct way way;
		char expected[128];

		way_init(&way);
		way.service.environment = rows[i].environment;
		way.service.environment_files = "/etc/default/ssh";
		tree_file(way.tree, "etc/default/ssh", rows[i].file);
		(void)snprintf(expected, sizeof(expected),
			       "ssh.service sets %s, which a trial would not have", rows[i].set);
		assert_string_equal(way_run_untried(&way)->evidence.trial.detail, expected);
		tree_remove_all();
	}
}

HEAL_TEST(trial_of_a_socket_activated_sshd_leaves_the_addresses_to_systemd)
{
	TEST_NEEDS_PIDFDS();
	_cleanup_way_ struct way way;
	_cleanup_way_ struct way other = {.greeting = "SSH-2.0-other\r\n"};
	const struct heal_listener *listener;
	char own[32];
	char text[96];

	way_init(&way);
	way_listen(&other);
	way.service.unit.is_socket_activated = true;
	/* Not its own address, one that the host has not, and one that is taken. */
	(void)snprintf(text, sizeof(text), "listenaddress 192.0.2.77:1\nlistenaddress %s",
		       other.address);
	(void)snprintf(own, sizeof(own), "%s", way.address);
	(void)snprintf(way.address, sizeof(way.address), "127.0.0.1:1");
	way_sshd_says(&way, text);
	listener = way_run(&way, HEAL_HEAL);
	assert_string_equal(way.service.calls, LOOK LOOK_AGAIN "restart ssh.service; ");
	assert_string_equal(listener->evidence.trial.detail, "");
	assert_false(listener->evidence.trial.is_moving);
	assert_string_equal(listener->process.addresses[0], own);
	assert_int_equal(listener->result.outcome, HEAL_OUTCOME_HEALED);
}

HEAL_TEST(trial_comes_after_a_client_whose_failed_key_exchange_means_refusing)
{
	TEST_NEEDS_PIDFDS();
	static const struct heal_hello hellos[] = {
		{.fate = HEAL_FATE_FAILED, .detail = "no key exchange"},
		{.fate = HEAL_FATE_OK, .key = KEY},
	};
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	way_init(&way);
	fake_client_use(way.ctx, hellos, ARRAY_SIZE(hellos));
	listener = way_run(&way, HEAL_DRY_RUN);
	assert_int_equal(listener->evidence.live.fate, HEAL_FATE_FAILED);
	assert_int_equal(listener->evidence.trial.result, HEAL_TRIAL_OK);
	assert_int_equal(listener->result.verdict, HEAL_VERDICT_REFUSING);
	assert_int_equal(heal_report_status(&way.report), 2);
}

/* The scene that goes_down_without_its_directory belongs to. */
static const struct way *way_down;

static void goes_down_without_its_directory(struct fake_service *fake)
{
	way_sshd(way_down,
		 "test -d /run/no-such-sshd && echo SSH-2.0-disk ||"
		 " echo 'Missing privilege separation directory: /run/no-such-sshd' >&2",
		 "exit 255");
	fake_ends(fake);
}

HEAL_TEST(trial_that_lacks_the_runtime_directory_does_not_hinder_the_start)
{
	TEST_NEEDS_PIDFDS();
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	way_init(&way);
	way_down = &way;
	way.service.runtime = "other no-such-sshd";
	fake_service_fails(&way.service, "reload", ECANCELED);
	way.service.on_reload = goes_down_without_its_directory;
	listener = way_run(&way, HEAL_HEAL);
	assert_string_equal(way.service.calls,
			    LOOK "reload ssh.service; reset_failed ssh.service; start ssh.service; ");
	assert_int_equal(listener->result.outcome, HEAL_OUTCOME_HEALED);
	assert_string_equal(listener->result.detail, "sshd was down and had to be started again: reload "
					      "did not work");
	/* A reader need not wonder about it: it is there again. */
	assert_string_equal(listener->evidence.trial.detail, "");
	assert_int_equal(listener->unit.main_pid, NEW_PID);
}
