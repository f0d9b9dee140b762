/* SPDX-License-Identifier: GPL-2.0-or-later */
/* systemd_run_job: asked for once, and what came of it is known, or said not to be known. */
#include "peer.h"
#include "test.h"

#define RELOAD "private Ping LoadUnit StateChangeTimestampMonotonic ReloadUnit "
#define SETTLE "ActiveState ReloadResult StateChangeTimestampMonotonic "
#define TRACE "private Ping Job StateChangeTimestampMonotonic "
#define BUS_RELOAD                                                                   \
	"bus Hello GetNameOwner AddMatch Subscribe "                                 \
	"LoadUnit StateChangeTimestampMonotonic ReloadUnit "

/* Does it to ssh.service with so much time; then the peer has ended, and its calls can be read. */
static int run_for(struct peer *peer, enum heal_job verb, int timeout_ms)
{
	int r;

	assert_int_equal(peer_connect(peer), 0);
	if (peer->is_hurried)
		peer_hurry(peer);
	r = systemd_run_job(peer->systemd, verb, "ssh.service", heal_now_ms() + timeout_ms,
			    &peer->error);
	peer_end(peer);
	return r;
}

static int run(struct peer *peer)
{
	return run_for(peer, HEAL_JOB_RELOAD, 2000);
}

/* A reload comes to that, by these calls. */
static void assert_reload(struct peer *peer, const char *what, int returned, const char *calls)
{
	int r = run(peer);

	assert_row(r == returned, "%s: %d, %s", what, r, peer->error.message);
	assert_row(test_same(peer->calls, calls), "%s: %s", what, peer->calls);
}

HEAL_TEST(job_is_asked_for_by_its_method_and_gives_its_result)
{
	static const struct {
		enum heal_job verb;
		const char *result;
		const char *method;
		const char *message; /* NULL: it went well */
	} rows[] = {
		{HEAL_JOB_RELOAD, "done", "ReloadUnit", NULL},
		{HEAL_JOB_TRY_RESTART, "done", "TryRestartUnit", NULL},
		{HEAL_JOB_START, "done", "StartUnit", NULL},
		{HEAL_JOB_RELOAD, "failed", "ReloadUnit",
		 "reloading ssh.service: systemd's job ended with failed"},
		{HEAL_JOB_TRY_RESTART, "timeout", "TryRestartUnit",
		 "restarting ssh.service: systemd's job ended with timeout"},
		{HEAL_JOB_START, "dependency", "StartUnit",
		 "starting ssh.service: systemd's job ended with dependency"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_peer_ struct peer peer;
		char calls[128];
		int r;

		peer_init(&peer);
		peer.job_result = rows[i].result;
		/* What the unit tells does not matter where the signal came. */
		peer.changes_nothing = true;
		r = run_for(&peer, rows[i].verb, 2000);
		assert_row(r == (rows[i].message ? -ECANCELED : 0), "row %zu: %d", i, r);
		assert_row(test_same(peer.error.message, rows[i].message ? rows[i].message : ""),
			   "row %zu: %s", i, peer.error.message);
		(void)snprintf(calls, sizeof(calls),
			       "private Ping LoadUnit StateChangeTimestampMonotonic %s ",
			       rows[i].method);
		assert_row(test_same(peer.calls, calls), "row %zu: %s", i, peer.calls);
	}
}

HEAL_TEST(job_that_was_over_before_its_request_was_answered_is_known)
{
	_cleanup_peer_ struct peer peer;

	peer_init(&peer);
	peer.is_signal_early = true;
	assert_reload(&peer, "early", 0, RELOAD);
}

HEAL_TEST(job_of_others_and_words_of_others_are_not_ours)
{
	static const struct peer_fault faults[] = {{"ReloadUnit", PEER_FORGE, NULL}, {0}};

	for (int has_private = 0; has_private < 2; has_private++) {
		_cleanup_peer_ struct peer peer;

		peer_init(&peer);
		peer.has_private = has_private;
		peer.faults = faults;
		assert_int_equal(run(&peer), 0);
	}
}

HEAL_TEST(job_whose_signal_does_not_come_is_asked_for_at_its_unit)
{
	static const struct {
		const char *what;
		const char *state;
		const char *result;
		bool changes_nothing;
		int returned;
		const char *message;
	} rows[] = {
		{"done", NULL, NULL, false, 0, ""},
		{"ExecReload= failed", NULL, "exit-code", false, -ECANCELED,
		 "reloading ssh.service: it ended with exit-code"},
		{"sshd died of it", "failed", "signal", false, -ECANCELED,
		 "reloading ssh.service: the unit is failed"},
		{"stopped", "inactive", NULL, false, -ECANCELED,
		 "reloading ssh.service: the unit is inactive"},
		{"never carried out", NULL, NULL, true, -ENOTCONN,
		 "reloading ssh.service: systemd's answer was lost"},
		{"never carried out, and had failed before", NULL, "exit-code", true, -ENOTCONN,
		 "reloading ssh.service: systemd's answer was lost"},
		{"in the hands of somebody else", "deactivating", NULL, false, -ENOTCONN,
		 "reloading ssh.service: systemd's answer was lost"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_peer_ struct peer peer;

		peer_init(&peer);
		peer.job_asks = 2;
		peer.job_result = NULL;
		peer.after_state = rows[i].state;
		peer.after_result = rows[i].result;
		peer.changes_nothing = rows[i].changes_nothing;
		assert_reload(&peer, rows[i].what, rows[i].returned, RELOAD "Job Job " SETTLE);
		assert_row(test_same(peer.error.message, rows[i].message), "%s: %s", rows[i].what,
			   peer.error.message);
	}
}

HEAL_TEST(job_of_a_restart_or_a_start_is_told_by_the_units_result)
{
	static const enum heal_job verbs[] = {HEAL_JOB_TRY_RESTART, HEAL_JOB_START};

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		_cleanup_peer_ struct peer peer;

		peer_init(&peer);
		peer.job_result = NULL;
		/* An earlier reload that failed is no matter. */
		peer.reload_result = "exit-code";
		assert_int_equal(run_for(&peer, verbs[i], 2000), 0);
		assert_non_null(strstr(peer.calls, "Job ActiveState Result "));
	}
}

HEAL_TEST(job_is_awaited_over_a_new_connection)
{
	/* It breaks while the job runs, and while its unit is asked about it. */
	static const struct peer_fault once[] = {{"Job", PEER_CLOSE, NULL}, {0}};
	static const struct peer_fault often[] = {{"Job", PEER_CLOSE, NULL},
						  {"Ping", PEER_FINE, NULL},
						  {"Ping", PEER_CLOSE, NULL},
						  {"Job", PEER_CLOSE, NULL},
						  {0}};
	static const struct {
		const struct peer_fault *faults;
		const char *calls;
	} rows[] = {
		{once, RELOAD "Job private Ping Job Job "},
		{often, RELOAD "Job private Ping private Ping Job private Ping Job Job "},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_peer_ struct peer peer;

		peer_init(&peer);
		peer.job_asks = 2;
		peer.faults = rows[i].faults;
		assert_reload(&peer, rows[i].calls, 0, rows[i].calls);
	}
}

HEAL_TEST(job_that_was_never_received_is_asked_for_again)
{
	static const struct peer_fault closed[] = {{"ReloadUnit", PEER_CLOSE, NULL},
						   {"ReloadUnit", PEER_CLOSE, NULL},
						   {0}};
	static const struct peer_fault gone[] = {
		{"ReloadUnit", PEER_ERROR, DBUS_ERROR_SERVICE_UNKNOWN},
		{0},
	};
	_cleanup_peer_ struct peer peer;

	peer_init(&peer);
	peer.faults = closed;
	assert_reload(&peer, "closed", 0, RELOAD TRACE "ReloadUnit " TRACE "ReloadUnit ");
	/* On the bus, while systemd has no name there. */
	peer_init(&peer);
	peer.has_private = false;
	peer.faults = gone;
	assert_reload(&peer, "gone", 0,
		      BUS_RELOAD "Job StateChangeTimestampMonotonic ReloadUnit ");
}

HEAL_TEST(job_that_was_received_is_not_asked_for_again)
{
	static const struct peer_fault faults[] = {{"ReloadUnit", PEER_CLOSE_BEHIND, NULL}, {0}};
	static const struct {
		int asks;
		const char *after_result;
		int returned;
		const char *calls;
	} rows[] = {
		/* It runs, and is awaited. */
		{2, NULL, 0, RELOAD TRACE "Job "},
		/* It is over, and the unit tells how. */
		{0, NULL, 0, RELOAD TRACE SETTLE},
		{0, "exit-code", -ECANCELED, RELOAD TRACE SETTLE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_peer_ struct peer peer;

		peer_init(&peer);
		peer.job_asks = rows[i].asks;
		peer.after_result = rows[i].after_result;
		peer.faults = faults;
		assert_reload(&peer, rows[i].calls, rows[i].returned, rows[i].calls);
	}
}

HEAL_TEST(job_that_a_silent_bus_may_still_deliver_is_not_asked_for_again)
{
	static const struct peer_fault faults[] = {{"ReloadUnit", PEER_SILENCE, NULL}, {0}};
	_cleanup_peer_ struct peer peer;

	peer_init(&peer);
	peer.setup.call_ms = 80;
	peer.has_private = false;
	peer.faults = faults;
	assert_reload(&peer, "silent", -ENOTCONN,
		      BUS_RELOAD "Job StateChangeTimestampMonotonic ");
	assert_string_equal(peer.error.message, "reloading ssh.service: systemd's answer was lost");
}

HEAL_TEST(job_of_a_systemd_that_is_another_on_the_bus_now_is_known)
{
	static const struct peer_fault faults[] = {{"ReloadUnit", PEER_RENAME, NULL}, {0}};
	_cleanup_peer_ struct peer peer;

	peer_init(&peer);
	peer.has_private = false;
	peer.job_asks = 1;
	/* Its signal comes from a name that is nobody's for us. */
	peer.after_result = "success";
	peer.faults = faults;
	assert_reload(&peer, "another", 0, BUS_RELOAD "Job " SETTLE);
}

HEAL_TEST(job_ends_at_its_own_deadline)
{
	static const struct peer_fault silent[] = {{"ReloadUnit", PEER_SILENCE, NULL}, {0}};
	static const struct {
		const struct peer_fault *faults;
		int call_ms;
		int timeout_ms;
		const char *message;
	} rows[] = {
		{NULL, 2000, 60, "reloading ssh.service: systemd's job is not over yet"},
		/* A PID 1 that is busy answers later: longer than a question it is waited for. */
		{silent, 120, 220, "reloading ssh.service: no answer in time"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_peer_ struct peer peer;
		int64_t start = heal_now_ms();
		int r;

		peer_init(&peer);
		peer.setup.call_ms = rows[i].call_ms;
		peer.job_asks = -1;
		peer.faults = rows[i].faults;
		r = run_for(&peer, HEAL_JOB_RELOAD, rows[i].timeout_ms);
		assert_row(r == -ETIMEDOUT, "row %zu: %d", i, r);
		assert_in_range(heal_now_ms() - start, rows[i].timeout_ms - 5, 1500);
		assert_row(test_same(peer.error.message, rows[i].message), "row %zu: %s", i,
			   peer.error.message);
	}
}

HEAL_TEST(job_is_unknown_when_nobody_is_left_to_ask)
{
	static const struct {
		const char *call;
		enum peer_act act;
	} rows[] = {
		{"ReloadUnit", PEER_CLOSE},
		{"ReloadUnit", PEER_CLOSE_BEHIND},
		{"Job", PEER_CLOSE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct peer_fault faults[] = {
			{"Ping", PEER_FINE, NULL},  {rows[i].call, rows[i].act, NULL},
			{"Ping", PEER_CLOSE, NULL}, {0},
		};
		_cleanup_peer_ struct peer peer;
		int r;

		peer_init(&peer);
		/* One attempt is all that there is time for. */
		peer.setup.pause_ms = peer.setup.retry_ms + 1;
		peer.has_bus = false;
		peer.job_asks = -1;
		peer.faults = faults;
		r = run(&peer);
		assert_row(r == -ENOTCONN, "row %zu: %d, %s", i, r, peer.error.message);
		assert_row(strncmp(peer.error.message,
				   "reloading ssh.service: systemd's answer was lost: asking systemd "
				   "for Job of ssh.service: ",
				   86) == 0,
			   "row %zu: %s", i, peer.error.message);
	}
}

HEAL_TEST(job_that_was_refused_or_never_asked_for_is_no_unknown_one)
{
	static const struct {
		struct peer_fault fault;
		int returned;
		const char *message;
	} rows[] = {
		{{"ReloadUnit", PEER_ERROR, DBUS_ERROR_ACCESS_DENIED}, -EACCES,
		 "reloading ssh.service: so it is"},
		{{"ReloadUnit", PEER_ERROR, SYSTEMD_NAME ".TransactionIsDestructive"}, -EIO,
		 "reloading ssh.service: so it is"},
		{{"LoadUnit", PEER_ERROR, DBUS_ERROR_FAILED}, -EIO,
		 "asking systemd for ssh.service: so it is"},
		{{"LoadUnit", PEER_SILENCE, NULL}, -EIO, "no answer in time"},
		{{"StateChangeTimestampMonotonic", PEER_SILENCE, NULL}, -EIO,
		 "no answer in time"},
		{{"LoadUnit", PEER_NO_VALUE, NULL}, -EIO, NULL},
		/* This one may have been. */
		{{"ReloadUnit", PEER_NO_VALUE, NULL}, -ENOTCONN, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct peer_fault faults[] = {
			{"private", PEER_FINE, NULL}, rows[i].fault,
			{"private", PEER_SILENCE, NULL}, {"private", PEER_SILENCE, NULL}, {0},
		};
		_cleanup_peer_ struct peer peer;
		int r;

		peer_init(&peer);
		peer.is_hurried = rows[i].fault.act == PEER_SILENCE;
		peer.faults = faults;
		r = run(&peer);
		assert_row(r == rows[i].returned, "row %zu: %d, %s", i, r, peer.error.message);
		assert_row(!rows[i].message || strstr(peer.error.message, rows[i].message),
			   "row %zu: %s", i, peer.error.message);
	}
}

HEAL_TEST(job_settles_nothing_from_answers_that_are_none)
{
	static const char *const calls[] = {"ActiveState", "ReloadResult"};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		const struct peer_fault faults[] = {{calls[i], PEER_WRONG_TYPE, NULL}, {0}};
		_cleanup_peer_ struct peer peer;
		char message[128];

		peer_init(&peer);
		peer.job_result = NULL;
		peer.faults = faults;
		assert_int_equal(run(&peer), -ENOTCONN);
		(void)snprintf(message, sizeof(message),
			       "reloading ssh.service: systemd's answer was lost: asking systemd for "
			       "%s of ssh.service: unexpected type",
			       calls[i]);
		assert_string_equal(peer.error.message, message);
	}
}
