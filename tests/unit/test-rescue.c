/* SPDX-License-Identifier: GPL-2.0-or-later */
/* heal_run where nothing listens: whose hand it was, what is started, and what is said. */
#include "test.h"
#include "way.h"

#define SYSTEMD "run/systemd/system/none"

/* The scene that the rescue serves in. */
static struct way *way_rescued;

static void serves(struct fake_service *fake)
{
	way_process(way_rescued, NEW_PID, TREE_MAPS_FRESH, way_rescued->inode);
	fake->rescue_pid = NEW_PID;
}

/* What starts is there, and the rescue is gone. */
static void starts(struct fake_service *fake)
{
	tree_end(fake->tree, NEW_PID);
	way_process(way_rescued, 101, TREE_MAPS_FRESH, way_rescued->inode);
	fake->main_pid = 101;
}

/* Nothing may follow from a start but that it has failed. */
static void fails(struct fake_service *fake)
{
	fake_service_fails(fake, "start", ECANCELED);
}

static bool left_has(const struct way *way, const char *word)
{
	_cleanup_free_ char *left = tree_read(way->tree, LEFT);

	return left && strstr(left, word);
}

/* We might be ended right now: it is noted already. */
static void ends(struct fake_service *fake)
{
	assert_true(left_has(way_rescued, "\tssh.service\t"));
	fake_ends(fake);
}

/* A stale sshd that dies of its reload, on a host that systemd runs. */
static void down_init(struct way *way)
{
	way_init(way);
	way_rescued = way;
	tree_file(way->tree, SYSTEMD, "");
	way->service.exec_start = "/usr/sbin/sshd";
	way->service.state = (struct heal_unit_state){.is_enabled = true, .is_at_rest = true};
	way->service.on_reload = ends;
	way->service.on_start = fails;
	way->service.on_rescue = serves;
	way->ctx->settle_ms = 0;
}

static void run(struct way *way, enum heal_verb verb)
{
	heal_report_done(&way->report);
	*way->service.calls = '\0';
	if (heal_run(way->ctx, verb, &way->report, &way->error) < 0)
		fail_msg("%s", way->error.message);
}

/* The one that is absent, or was. */
static const struct heal_listener *last(const struct way *way)
{
	assert_true(way->report.listeners.count > 0);
	return &way->report.listeners.items[way->report.listeners.count - 1];
}

HEAL_TEST(rescue_serves_until_the_unit_starts_again)
{
	TEST_NEEDS_PIDFDS();
	_cleanup_way_ struct way way;
	enum heal_look look;

	down_init(&way);
	run(&way, HEAL_HEAL);
	assert_int_equal(last(&way)->result.outcome, HEAL_OUTCOME_FAILED);
	assert_string_equal(last(&way)->result.detail,
			    "CRITICAL: ssh.service does not start any more, start did not work; "
			    "sshd-heal-rescue.service serves in its place until it does");
	assert_int_equal(heal_report_status(&way.report), 2);
	assert_true(left_has(&way, "\tssh.service\t"));

	/* It is no news to itself, and remembered by every hook. */
	look = heal_look(way.ctx);
	assert_int_equal(look, HEAL_LOOK_NEWS);
	way.ctx->is_hook = false;
	fake_service_fails(&way.service, "foresee", ECANCELED);
	run(&way, HEAL_HEAL);
	assert_string_equal(way.service.calls, "is_stopping; is_stopping; unit_of 99; ");
	assert_int_equal(last(&way)->result.outcome, HEAL_OUTCOME_WARNED);
	assert_int_equal(last(&way)->result.verdict, HEAL_VERDICT_AT_RISK);
	assert_string_equal(last(&way)->result.detail, "");
	assert_int_equal(heal_report_status(&way.report), 1);

	/* A check agrees with what is done. */
	way.service.failing = NULL;
	way.service.on_start = starts;
	run(&way, HEAL_CHECK);
	assert_int_equal(last(&way)->result.plan, HEAL_PLAN_START);
	run(&way, HEAL_HEAL);
	assert_non_null(strstr(way.service.calls, "take over ssh.service; "));
	assert_int_equal(last(&way)->result.outcome, HEAL_OUTCOME_HEALED);
	assert_int_equal(last(&way)->process.pid, 101);
	assert_int_equal(heal_report_status(&way.report), 0);
	assert_false(tree_has(way.tree, LEFT));
}

HEAL_TEST(rescue_is_kept_where_the_unit_cannot_take_over)
{
	TEST_NEEDS_PIDFDS();
	_cleanup_way_ struct way way;

	down_init(&way);
	run(&way, HEAL_HEAL);
	/* The start did not even begin. */
	fake_service_fails(&way.service, "take over", EBUSY);
	way.service.on_start = serves;
	run(&way, HEAL_HEAL);
	assert_null(strstr(way.service.calls, "rescue /"));
	assert_string_equal(last(&way)->result.detail,
			    "CRITICAL: ssh.service does not start any more, take over did not work; "
			    "sshd-heal-rescue.service serves in its place until it does");
	assert_true(left_has(&way, "\tssh.service\t"));
}

HEAL_TEST(rescue_is_not_for_a_unit_that_is_masked_or_shut_in)
{
	TEST_NEEDS_PIDFDS();
	static const struct {
		bool is_masked;
		bool is_confined;
		const char *failing;
		const char *why;
	} rows[] = {
		{true, false, NULL, "no rescue: it is masked"},
		{false, true, NULL, "no rescue: it is shut in by filters or namespaces of its own"},
		{false, false, "is_confined", "no rescue: is_confined did not work"},
		{false, false, "state_of", "no rescue: state_of did not work"},
		/* It is started, and ends at once. */
		{false, false, NULL, "no rescue: nothing listens after its start"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_way_ struct way way;

		down_init(&way);
		way.service.state.is_masked = rows[i].is_masked;
		way.service.is_confined = rows[i].is_confined;
		way.service.on_start = NULL;
		way.service.on_rescue = NULL;
		fake_service_fails(&way.service, rows[i].failing, EACCES);
		run(&way, HEAL_HEAL);
		assert_row(strstr(last(&way)->result.detail, rows[i].why) != NULL, "row %zu: %s", i,
			   last(&way)->result.detail);
		assert_row(strstr(last(&way)->result.detail, "CRITICAL: sshd is DOWN") != NULL, "row %zu", i);
		assert_row(!strstr(way.service.calls, "rescue /") == (i + 1 < ARRAY_SIZE(rows)),
			   "row %zu: %s", i, way.service.calls);
		assert_row(left_has(&way, "ended\t"), "row %zu", i);
		tree_remove_all();
	}
}

/* We may be ended in the middle: the note was made before. */
HEAL_TEST(rescue_follows_what_another_run_has_ended)
{
	TEST_NEEDS_PIDFDS();
	static const struct {
		const char *what;
		struct heal_unit_state state;
		enum heal_mode mode;
		enum heal_plan plan;
		enum heal_outcome outcome;
		int status;
	} rows[] = {
		{"it is down", {.is_at_rest = true}, HEAL_MODE_HEAL, HEAL_PLAN_START,
		 HEAL_OUTCOME_HEALED, 0},
		{"nothing is to be done", {.is_at_rest = true}, HEAL_MODE_WARN, HEAL_PLAN_WARN,
		 HEAL_OUTCOME_WARNED, 2},
		{"it is masked", {.is_at_rest = true, .is_masked = true}, HEAL_MODE_HEAL,
		 HEAL_PLAN_WARN, HEAL_OUTCOME_WARNED, 2},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_way_ struct way way;
		char line[800];

		down_init(&way);
		way.service.on_start = starts;
		way.service.state = rows[i].state;
		way.ctx->config.mode = rows[i].mode;
		tree_end(way.tree, PID);
		(void)snprintf(line, sizeof(line), "0\nended\t1000\tssh.service\t%s\t%s\n", way.exe,
			       way.address);
		tree_file(way.tree, LEFT, line);
		run(&way, HEAL_HEAL);
		assert_row(last(&way)->result.plan == rows[i].plan, "%s: %d", rows[i].what,
			   (int)last(&way)->result.plan);
		assert_row(last(&way)->result.outcome == rows[i].outcome, "%s", rows[i].what);
		assert_row(heal_report_status(&way.report) == rows[i].status, "%s: %d", rows[i].what,
			   heal_report_status(&way.report));
		assert_row(left_has(&way, "ended\t") == (rows[i].status != 0), "%s", rows[i].what);
		tree_remove_all();
	}
}

/* What others have stopped stays stopped: it is told. */
HEAL_TEST(nothing_is_started_that_others_have_ended)
{
	static const struct {
		const char *what;
		struct heal_unit_state state;
		bool was_ours; /* and has been active since */
		int status;
		bool has_other; /* root's, from a place of its own */
	} rows[] = {
		{"another serves", {.is_enabled = true, .is_at_rest = true, .has_failed = true}, false, 0,
		 true},
		{"failed", {.is_enabled = true, .is_at_rest = true, .has_failed = true}, false, 2, false},
		{"stopped", {.is_enabled = true, .is_at_rest = true}, false, 1, false},
		{"disabled", {.is_at_rest = true, .has_failed = true}, false, 0, false},
		{"masked", {.is_enabled = true, .is_at_rest = true, .is_masked = true}, false, 0, false},
		{"about to start", {.is_enabled = true}, false, 0, false},
		{"started by others, and stopped",
		 {.is_enabled = true, .is_at_rest = true, .active_us = 1001}, true, 1, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_way_ struct way way;
		char line[800];

		down_init(&way);
		way.service.state = rows[i].state;
		tree_end(way.tree, PID);
		(void)snprintf(line, sizeof(line), "0\nended\t1000\tssh.service\t%s\t%s\n", way.exe,
			       way.address);
		if (rows[i].has_other)
			tree_add(way.tree, &(struct tree_process){.pid = 50, .exe = "/opt/sbin/sshd"});
		if (rows[i].was_ours)
			tree_file(way.tree, LEFT, line);
		run(&way, HEAL_HEAL);
		assert_row(way.report.listeners.count == (rows[i].status != 0 ? 1u : 0u) + (rows[i].has_other ? 1u : 0u),
			   "%s: %zu", rows[i].what,
			   way.report.listeners.count);
		assert_row(heal_report_status(&way.report) == rows[i].status, "%s: %d", rows[i].what,
			   heal_report_status(&way.report));
		assert_row(!strstr(way.service.calls, "start "), "%s: %s", rows[i].what,
			   way.service.calls);
		assert_row(rows[i].status == 0 ||
				   test_same(last(&way)->result.detail,
					     rows[i].state.has_failed
						     ? "systemctl reset-failed ssh.service; systemctl start ssh.service"
						     : "systemctl start ssh.service"),
			   "%s: %s", rows[i].what, last(&way)->result.detail);
		tree_remove_all();
	}
}

HEAL_TEST(unit_with_a_name_of_its_own_is_down_when_it_has_failed)
{
	static const char *const programs[] = {"/usr/bin/ssh-agent", NULL};

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		_cleanup_way_ struct way way;

		down_init(&way);
		way.service.unit.id = (char *)"own-ssh.service";
		way.service.ssh_unit = "own-ssh.service";
		way.service.exec_path = programs[i] ? programs[i] : way.exe;
		way.service.state.has_failed = true;
		tree_end(way.tree, PID);
		run(&way, HEAL_HEAL);
		assert_row(heal_report_status(&way.report) == (programs[i] ? 0 : 2), "%zu", i);
		tree_remove_all();
	}
}

HEAL_TEST(nothing_is_called_healthy_of_which_systemd_does_not_tell)
{
	_cleanup_way_ struct way way;

	down_init(&way);
	tree_end(way.tree, PID);
	fake_service_fails(&way.service, "state_of", ENOTCONN);
	run(&way, HEAL_HEAL);
	assert_int_equal(heal_report_status(&way.report), 3);
	assert_int_equal(way.report.notes.count, 1);
	assert_string_equal(way.report.notes.lines[0], "whether a unit of sshd is down could not be "
						       "found out: state_of did not work");
}

HEAL_TEST(look_asks_for_the_actor_where_the_proven_listener_is_gone)
{
	_cleanup_way_ struct way way;
	char text[128];

	down_init(&way);
	tree_end(way.tree, PID);
	assert_int_equal(heal_look(way.ctx), HEAL_LOOK_QUIET);
	(void)snprintf(text, sizeof(text), "sshd-heal proven 3\nlistener\t%d\t228034\t28\t0\thealthy\n", PID);
	tree_file(way.tree, "run/sshd-heal/proven", text);
	assert_int_equal(heal_look(way.ctx), HEAL_LOOK_UNPROVEN);
	/* Where none need be there, that is known from then on. */
	way.service.state.is_enabled = false;
	way.ctx->is_hook = false;
	run(&way, HEAL_HOOK);
	assert_int_equal(heal_report_status(&way.report), 0);
	assert_int_equal(heal_look(way.ctx), HEAL_LOOK_QUIET);
}
