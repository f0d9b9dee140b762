/* SPDX-License-Identifier: GPL-2.0-or-later */
/* heal_service_ops of systemd: what a unit is, in the words of its properties. */
#include "peer.h"
#include "test.h"

extern const struct service_ops heal_service_ops;

HEAL_TEST(service_tells_what_a_unit_is)
{
	static const struct {
		const char *what;
		const char *kill_mode;
		const char *triggered_by;
		const char *trigger_state; /* NULL: it is not loaded */
		bool can_reload;
		bool refuses_stop;
		bool is_socket_activated;
		bool kills_cgroup;
		uint64_t closed_us; /* when the socket was */
	} rows[] = {
		{"Debian's", "process", NULL, NULL, true, false, false, false, 0},
		{"nothing is killed", "none", NULL, NULL, true, false, false, false, 0},
		{"all is killed", "control-group", NULL, NULL, false, false, false, true, 0},
		{"all is killed, mixed", "mixed", NULL, NULL, true, false, false, true, 0},
		{"not to be stopped", "process", NULL, NULL, true, true, false, false, 0},
		{"by a socket", "process", "ssh.socket", "active", true, false, true, false, 0},
		{"its socket is down", "process", "ssh.socket", "inactive", true, false, false,
		 false, 0},
		{"its socket was closed before it was started", "process", "ssh.socket", "inactive", true,
		 false, false, false, PEER_START_US - 1},
		{"its socket was closed since", "process", "ssh.socket", "inactive", true, false, true,
		 false, PEER_START_US + 1},
		{"its socket is not there", "process", "ssh.socket", NULL, true, false, false,
		 false, 0},
		{"by a timer", "process", "ssh.timer", "active", true, false, false, false, 0},
		{"by something odd", "process", ".socket", "active", true, false, false, false, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_peer_ struct peer peer;
		struct heal_unit unit = {0};

		peer_init(&peer);
		peer.kill_mode = rows[i].kill_mode;
		peer.triggered_by = rows[i].triggered_by;
		peer.sub_unit_state = rows[i].trigger_state;
		peer.closed_us = rows[i].closed_us;
		peer.can_reload = rows[i].can_reload;
		peer.refuses_stop = rows[i].refuses_stop;
		assert_int_equal(peer_connect(&peer), 0);
		assert_row(heal_service_ops.unit_of(peer.systemd, 34, &unit, &peer.error) == 0,
			   "%s: %s", rows[i].what, peer.error.message);
		assert_row(test_same(unit.id, "ssh.service") && unit.main_pid == 34 &&
				   unit.is_service,
			   "%s", rows[i].what);
		free(unit.id);
		assert_row(unit.can_reload == rows[i].can_reload, "%s", rows[i].what);
		assert_row(unit.refuses_stop == rows[i].refuses_stop, "%s", rows[i].what);
		assert_row(unit.is_socket_activated == rows[i].is_socket_activated, "%s",
			   rows[i].what);
		assert_row(unit.kills_cgroup == rows[i].kills_cgroup, "%s", rows[i].what);
	}
}

HEAL_TEST(service_asks_no_more_of_a_unit_that_is_none)
{
	_cleanup_peer_ struct peer peer;
	struct heal_unit unit = {0};

	peer_init(&peer);
	peer.unit = "session-4.scope";
	assert_int_equal(peer_connect(&peer), 0);
	assert_int_equal(heal_service_ops.unit_of(peer.systemd, 34, &unit, &peer.error), 0);
	peer_end(&peer);
	assert_string_equal(unit.id, "session-4.scope");
	assert_false(unit.is_service);
	assert_string_equal(peer.calls, "private Ping GetUnitByPID Id ");
	free(unit.id);
}

HEAL_TEST(service_tells_a_process_without_unit)
{
	_cleanup_peer_ struct peer peer;
	struct heal_unit unit = {0};

	peer_init(&peer);
	peer.unit = NULL;
	assert_int_equal(peer_connect(&peer), 0);
	assert_int_equal(heal_service_ops.unit_of(peer.systemd, 34, &unit, &peer.error), -ENOENT);
	assert_null(unit.id);
	assert_string_equal(peer.error.message,
			    "asking systemd for the unit of process 34: no such PID");
}

/* A socket of which nothing is known must not be taken for one that is closed. */
HEAL_TEST(service_knows_nothing_of_a_unit_of_which_an_answer_is_missing)
{
	static const char *const calls[] = {
		"GetUnitByPID", "Id",          "MainPID",  "CanReload", "RefuseManualStop",
		"KillMode",     "TriggeredBy", "GetUnit", "ActiveState",
		"ExecMainStartTimestampMonotonic",
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		const struct peer_fault faults[] = {
			{calls[i], PEER_ERROR, DBUS_ERROR_ACCESS_DENIED}, {0}};
		const struct peer_fault odd[] = {{calls[i], PEER_WRONG_TYPE, NULL}, {0}};
		const struct peer_fault *const ways[] = {faults, odd};

		for (size_t j = 0; j < ARRAY_SIZE(ways); j++) {
			_cleanup_peer_ struct peer peer;
			struct heal_unit unit = {0};
			int r;

			peer_init(&peer);
			peer.kill_mode = "control-group";
			peer.triggered_by = "ssh.socket";
			peer.sub_unit_state = "active";
			peer.faults = ways[j];
			assert_int_equal(peer_connect(&peer), 0);
			r = heal_service_ops.unit_of(peer.systemd, 34, &unit, &peer.error);
			assert_row(r == (j == 0 ? -EACCES : -EBADMSG) || (j == 1 && r == -EIO),
				   "%s: %d", calls[i], r);
			assert_null(unit.id);
			assert_row(strstr(peer.error.message, "ssh.s") ||
					   strstr(peer.error.message, "process 34") ||
					   strstr(peer.error.message, "of other"),
				   "%s: %s", calls[i], peer.error.message);
		}
	}
}

HEAL_TEST(service_asks_on_over_a_new_connection)
{
	static const struct peer_fault faults[] = {
		{"GetUnitByPID", PEER_CLOSE, NULL},     {"CanReload", PEER_CLOSE, NULL},
		{"TriggeredBy", PEER_CLOSE, NULL},      {"ActiveState", PEER_CLOSE, NULL},
		{0},
	};
	_cleanup_peer_ struct peer peer;
	struct heal_unit unit = {0};

	peer_init(&peer);
	peer.kill_mode = "control-group";
	peer.triggered_by = "ssh.socket";
	peer.sub_unit_state = "active";
	peer.faults = faults;
	assert_int_equal(peer_connect(&peer), 0);
	assert_int_equal(heal_service_ops.unit_of(peer.systemd, 34, &unit, &peer.error), 0);
	assert_true(unit.is_socket_activated && unit.kills_cgroup && unit.can_reload);
	free(unit.id);
}

HEAL_TEST(service_tells_the_main_process)
{
	static const uint32_t pids[] = {34, 0};

	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		_cleanup_peer_ struct peer peer;
		pid_t pid = -1;

		peer_init(&peer);
		peer.main_pid = pids[i];
		assert_int_equal(peer_connect(&peer), 0);
		assert_int_equal(heal_service_ops.main_pid(peer.systemd, "ssh.service", &pid,
							   &peer.error),
				 0);
		assert_int_equal(pid, pids[i]);
		assert_int_equal(heal_service_ops.main_pid(peer.systemd, "gone.service", &pid,
							   &peer.error),
				 -ENOENT);
		assert_string_equal(peer.error.message,
				    "asking systemd for gone.service: it is not loaded");
	}
}

#define _cleanup_exec_ _cleanup_(heal_exec_done)

HEAL_TEST(service_tells_how_a_unit_is_started)
{
	_cleanup_peer_ struct peer peer;
	_cleanup_exec_ struct heal_exec exec = {0};

	peer_init(&peer);
	peer.environment = "SSHD_OPTS=-o Banner none";
	peer.directory = "!/var/empty";
	peer.runtime = "sshd";
	assert_int_equal(peer_connect(&peer), 0);
	assert_int_equal(heal_service_ops.exec_start(peer.systemd, "ssh.service", &exec,
						     &peer.error),
			 0);
	assert_string_equal(exec.path, "/usr/sbin/sshd");
	assert_words("command", &exec.command, "/usr/sbin/sshd|-D|$SSHD_OPTS|");
	assert_words("environment", &exec.environment, "SSHD_OPTS=-o Banner none|");
	assert_words("files", &exec.files, "-/etc/default/ssh|/etc/ssh/environment|");
	assert_words("runtime", &exec.runtime, "sshd|");
	assert_string_equal(exec.directory, "!/var/empty");
}

HEAL_TEST(service_tells_a_start_only_when_all_of_it_is_known)
{
	static const char *const calls[] = {"LoadUnit", "ExecStart", "Environment",
					    "EnvironmentFiles", "RuntimeDirectory", "WorkingDirectory"};

	for (size_t i = 0; i < ARRAY_SIZE(calls) + 1; i++) {
		const struct peer_fault faults[] = {
			{i < ARRAY_SIZE(calls) ? calls[i] : "", PEER_ERROR,
			 DBUS_ERROR_ACCESS_DENIED},
			{0}};
		_cleanup_peer_ struct peer peer;
		_cleanup_exec_ struct heal_exec exec = {0};
		int r;

		peer_init(&peer);
		peer.faults = faults;
		peer.has_no_command = i == ARRAY_SIZE(calls);
		assert_int_equal(peer_connect(&peer), 0);
		r = heal_service_ops.exec_start(peer.systemd, "ssh.service", &exec, &peer.error);
		assert_row(r == (i < ARRAY_SIZE(calls) ? -EACCES : -ENODATA), "row %zu: %d", i, r);
		assert_row(strstr(peer.error.message, "ssh.service"), "row %zu: %s", i,
			   peer.error.message);
	}
}

HEAL_TEST(service_tells_whether_the_machine_is_going_down)
{
	static const struct {
		const char *state;
		bool is_stopping;
	} rows[] = {{"running", false}, {"degraded", false}, {"stopping", true}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_peer_ struct peer peer;
		bool is_stopping = !rows[i].is_stopping;

		peer_init(&peer);
		peer.system_state = rows[i].state;
		assert_int_equal(peer_connect(&peer), 0);
		assert_int_equal(heal_service_ops.is_stopping(peer.systemd, &is_stopping,
							      &peer.error),
				 0);
		assert_row(is_stopping == rows[i].is_stopping, "%s", rows[i].state);
	}
}

HEAL_TEST(service_acts_through_jobs)
{
	const struct service_ops *ops = &heal_service_ops;
	_cleanup_peer_ struct peer peer;
	int64_t deadline_ms = heal_now_ms() + 1500;

	peer_init(&peer);
	assert_int_equal(peer_connect(&peer), 0);
	for (int job = HEAL_JOB_RELOAD; job <= HEAL_JOB_START; job++)
		assert_int_equal(ops->run_job(peer.systemd, (enum heal_job)job, "ssh.service", deadline_ms,
					      &peer.error), 0);
	/* Of the signals only those of the last are kept. */
	assert_int_equal(peer.systemd->n_signals, 1);
	peer_end(&peer);
	assert_string_equal(peer.calls,
			    "private Ping LoadUnit StateChangeTimestampMonotonic ReloadUnit "
			    "LoadUnit StateChangeTimestampMonotonic TryRestartUnit "
			    "LoadUnit StateChangeTimestampMonotonic StartUnit ");
}

HEAL_TEST(service_clears_a_start_limit)
{
	static const struct peer_fault faults[] = {
		{"ResetFailedUnit", PEER_CLOSE, NULL},
		{"ResetFailedUnit", PEER_FINE, NULL},
		{"ResetFailedUnit", PEER_ERROR, DBUS_ERROR_ACCESS_DENIED},
		{0},
	};
	_cleanup_peer_ struct peer peer;

	peer_init(&peer);
	peer.faults = faults;
	assert_int_equal(peer_connect(&peer), 0);
	assert_int_equal(heal_service_ops.reset_failed(peer.systemd, "ssh.service", &peer.error),
			 0);
	assert_int_equal(heal_service_ops.reset_failed(peer.systemd, "ssh.service", &peer.error),
			 -EACCES);
	assert_string_equal(peer.error.message,
			    "clearing the start limit of ssh.service: so it is");
}

HEAL_TEST(service_foresees_a_start_only_where_nothing_can_come_between)
{
	static const struct {
		const char *what;
		struct peer is;
		const char *failing;
		int r;
		const char *words;
	} rows[] = {
		{"nothing runs before", {0}, NULL, 0, ""},
		{"sshd -t runs before", {.start_pre = "/usr/sbin/sshd"}, NULL, 0, ""},
		{"something else does", {.start_pre = "/bin/false"}, NULL, -ECANCELED,
		 "ssh.service has an ExecStartPre= other than sshd -t, which may fail"},
		{"something runs after", {.start_post = "/bin/false"}, NULL, -ECANCELED,
		 "ssh.service has an ExecStartPost=, which may fail"},
		{"its file was changed", {.is_changed = true}, NULL, -ECANCELED,
		 "ssh.service was changed since systemd has read it"},
		{"what it needs is there", {.requires = "a.service", .sub_unit_state = "active"}, NULL, 0, ""},
		{"or has ended", {.requires = "a.service", .sub_unit_state = "failed"}, NULL, -ECANCELED,
		 "ssh.service needs a.service, which is not active"},
		{"or is not known", {.requires = "a.service"}, NULL, -ECANCELED,
		 "ssh.service needs a.service, which is not active"},
		{"its file is younger than its sshd", {.fragment = "/proc/self/status"}, NULL, 0, ""},
		{"and shuts that in", {.drop_in = "/proc/self/status", .confined_by = "NoNewPrivileges"}, NULL,
		 -ECANCELED, "ssh.service was changed since it was started, and has NoNewPrivileges="},
		{"as it did before", {.drop_in = "/", .confined_by = "NoNewPrivileges", .started_us = INT64_MAX},
		 NULL, 0, ""},
		{"a path that it needs is there", {.read_only = "/"}, NULL, 0, ""},
		{"or need not be", {.read_only = "-/no/where"}, NULL, 0, ""},
		{"or is gone", {.read_only = "+/no/where"}, NULL, -ENXIO,
		 "ssh.service needs /no/where by its ReadOnlyPaths=: No such file or directory"},
		{"a condition does not hold", {.setup = {.analyze = "/bin/false"}}, NULL, -ENXIO,
		 "the conditions of ssh.service may not hold: /bin/false condition "
		 "--unit=ssh.service ended with status 1"},
		{"nobody can tell", {.setup = {.analyze = "/no/systemd-analyze"}}, NULL, -ENOENT,
		 "asking /no/systemd-analyze about ssh.service: No such file or directory"},
		{"no answer", {0}, "LoadUnit", -EACCES, "asking systemd for ssh.service: so it is"},
		{"no answer", {0}, "GetAll", -EACCES,
		 "asking systemd for what ssh.service may do: so it is"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct peer_fault faults[] = {
			{rows[i].failing ? rows[i].failing : "", PEER_ERROR, DBUS_ERROR_ACCESS_DENIED},
			{0}};
		const struct peer *is = &rows[i].is;
		_cleanup_peer_ struct peer peer;
		int r;

		peer_init(&peer);
		peer.is_changed = is->is_changed;
		peer.start_pre = is->start_pre;
		peer.start_post = is->start_post;
		peer.requires = is->requires;
		peer.read_only = is->read_only;
		peer.sub_unit_state = is->sub_unit_state;
		peer.fragment = is->fragment ? is->fragment : "";
		peer.drop_in = is->drop_in;
		peer.confined_by = is->confined_by;
		peer.started_us = is->started_us ? is->started_us : PEER_START_US;
		peer.setup.analyze = is->setup.analyze ? is->setup.analyze : "/bin/true";
		peer.faults = faults;
		assert_int_equal(peer_connect(&peer), 0);
		r = heal_service_ops.foresee(peer.systemd, "ssh.service", &peer.error);
		assert_row(r == rows[i].r, "%s: %d", rows[i].what, r);
		assert_row(test_same(peer.error.message, rows[i].words), "%s: %s", rows[i].what,
			   peer.error.message);
	}
}

HEAL_TEST(service_tells_how_a_unit_stands)
{
	static const struct {
		const char *active;
		const char *file;
		const char *load;
		struct heal_unit_state state;
		uint32_t n_restarts;
	} rows[] = {
		{"active", "enabled", "loaded", {.is_enabled = true}, 0},
		{"activating", "disabled", "loaded", {0}, 0},
		{"activating", "enabled", "loaded", {.is_enabled = true, .is_at_rest = true, .has_failed = true}, 7},
		{"inactive", "enabled-runtime", "loaded", {.is_enabled = true, .is_at_rest = true}, 0},
		{"failed", "static", "loaded", {.is_at_rest = true, .has_failed = true}, 0},
		{"inactive", "masked", "masked", {.is_at_rest = true, .is_masked = true}, 0},
		{"inactive", "", "not-found", {.is_at_rest = true}, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct heal_unit_state seen = {0};
		struct heal_unit_state expected = rows[i].state;
		_cleanup_peer_ struct peer peer;

		peer_init(&peer);
		peer.active_state = rows[i].active;
		peer.file_state = rows[i].file;
		peer.n_restarts = rows[i].n_restarts;
		peer.load_state = rows[i].load;
		expected.active_us = PEER_START_US;
		assert_int_equal(peer_connect(&peer), 0);
		assert_int_equal(heal_service_ops.state_of(peer.systemd, "ssh.service", &seen,
							   &peer.error),
				 0);
		assert_row(seen.is_enabled == expected.is_enabled &&
				   seen.is_masked == expected.is_masked &&
				   seen.is_at_rest == expected.is_at_rest &&
				   seen.has_failed == expected.has_failed &&
				   seen.active_us == expected.active_us,
			   "row %zu", i);
	}
}

HEAL_TEST(service_tells_what_shuts_a_unit_in)
{
	static const struct {
		const char *property;
		bool is_confined;
	} rows[] = {
		{NULL, false},
		{"PrivateTmp", true},
		{"SocketBindAllow", true},
		{"IPAddressDeny", true},
		{"RootDirectory", true},
		{"RootDirectoryStartOnly", false},
		{"ExtensionImagePolicy", false},
		{"ExtensionImages", true},
		{"RemainAfterExit", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool is_confined = !rows[i].is_confined;
		_cleanup_peer_ struct peer peer;

		peer_init(&peer);
		peer.confined_by = rows[i].property;
		assert_int_equal(peer_connect(&peer), 0);
		assert_int_equal(heal_service_ops.is_confined(peer.systemd, "ssh.service",
							      &is_confined, &peer.error),
				 0);
		assert_row(is_confined == rows[i].is_confined, "%s", rows[i].property);
	}
}

HEAL_TEST(service_starts_a_unit_of_our_own)
{
	static const char *const calls[] = {
		"private Ping LoadUnit StateChangeTimestampMonotonic StartTransientUnit ",
		"private Ping LoadUnit StateChangeTimestampMonotonic StartUnit ",
	};
	_cleanup_(heal_words_done) struct heal_words argv = {0};
	const struct heal_rescue rescue = {.unit = "second.service", .argv = &argv, .directory = "/tmp"};

	assert_int_equal(words_split("/usr/sbin/sshd -f /etc/ssh/second -D", &argv), 0);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		int64_t deadline_ms = heal_now_ms() + 1500;
		_cleanup_peer_ struct peer peer;
		int r;

		peer_init(&peer);
		peer.sub_unit_state = "inactive";
		assert_int_equal(peer_connect(&peer), 0);
		r = i == 0 ? heal_service_ops.start_rescue(peer.systemd, &rescue, deadline_ms, &peer.error)
			   : heal_service_ops.run_job(peer.systemd, HEAL_JOB_TAKE_OVER, "ssh.service",
						      deadline_ms, &peer.error);
		assert_row(r == 0, "row %zu: %s", i, peer.error.message);
		peer_end(&peer);
		assert_string_equal(peer.calls, calls[i]);
	}
}
