/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy-rc.d: what it means, and before what it is asked. */
#include <sys/stat.h>

#include "scene.h"

#define PROGRAM "usr/sbin/policy-rc.d"
#define FORBIDDEN 101

/*
 * The program that is run is this machine's, whatever the root. Gives whether its
 * answer is no: because it says so, or because there is none, which becomes a note.
 */
static bool host_forbids(bool *is_missing)
{
	char *argv[] = {(char *)"/" PROGRAM, (char *)"ssh", (char *)"reload", NULL};
	const struct heal_command command = {.path = argv[0], .argv = argv, .fds = {-1, -1, -1}};
	_cleanup_(heal_output_done) struct heal_output output = {0};

	*is_missing = access("/" PROGRAM, X_OK) < 0;
	if (*is_missing)
		return true;
	return heal_spawn_capture(&command, heal_now_ms() + 5000, &output) == 0 &&
	       output.status == FORBIDDEN;
}

/* A stale listener of a host that has a policy-rc.d, and 2 s. */
static void host_init(struct scene *scene, unsigned facts)
{
	scene_init(scene, 2000);
	scene->ctx->is_live = true;
	tree_file(scene->fake.tree, PROGRAM, "#!/bin/sh\nexit 101\n");
	assert_int_equal(fchmodat(scene->fake.tree->fd, PROGRAM, 0755, 0), 0);
	scene_see(scene, facts);
}

struct policy_row {
	unsigned facts;
	const char *asked;
	const char *advice;
};

/* Each kind of action, what is asked of it, and what is advised instead. */
static const struct policy_row rows[] = {
	{HEAL_FACT_CAN_RELOAD, "reload of ssh.service", "systemctl reload ssh.service"},
	{HEAL_FACT_SOCKET_ACTIVATED, "restart of ssh.service", "systemctl restart ssh.service"},
	{0, "reload of ssh.service", "kill -HUP 34"},
	{HEAL_FACT_UNMANAGED | HEAL_FACT_HUP_ALLOWED, "reload of ssh", "kill -HUP 34"},
};

static void assert_forbidden(const struct scene *scene, const struct policy_row *row,
			     bool is_missing)
{
	char expected[128];

	assert_string_equal(scene->fake.calls, "");
	assert_int_equal(scene->listener.result.plan, HEAL_PLAN_WARN);
	assert_int_equal(scene->listener.result.outcome, HEAL_OUTCOME_WARNED);
	/* That it could not be asked is no word of its own. */
	assert_string_equal(scene->listener.result.reason, is_missing
							    ? "policy-rc.d could not be asked"
							    : "policy-rc.d forbids service actions");
	assert_string_equal(scene->listener.result.detail, row->advice);
	assert_int_equal(scene->notes.count, is_missing);
	(void)snprintf(expected, sizeof(expected), "asking /" PROGRAM " about %s: %s", row->asked,
		       strerror(ENOENT));
	if (is_missing)
		assert_string_equal(scene->notes.lines[0], expected);
}

/* Of each kind of action, this asks, and is told no. */
static void assert_all_forbidden(void (*ask)(struct scene *scene, unsigned facts))
{
	bool is_missing;

	if (!host_forbids(&is_missing))
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_scene_ struct scene scene;
		unsigned facts = HEAL_FACT_STALE | rows[i].facts;

		host_init(&scene, facts);
		ask(&scene, facts);
		assert_forbidden(&scene, &rows[i], is_missing);
		tree_remove_all();
	}
}

static void act(struct scene *scene, unsigned facts)
{
	(void)facts;
	heal_act(scene->ctx, &scene->listener, &scene->notes);
}

HEAL_TEST(policy_is_asked_before_an_action_of_any_kind)
{
	TEST_NEEDS_PIDFDS();
	assert_all_forbidden(act);
}

static void check_and_run_dry(struct scene *scene, unsigned facts)
{
	heal_plan_show(scene->ctx, &scene->listener, false, &scene->notes);
	assert_int_equal(scene->listener.result.plan, heal_plan_of(facts).plan);
	assert_int_equal(scene->listener.result.outcome, HEAL_OUTCOME_DRY_RUN);
	assert_int_equal(scene->notes.count, 0);
	heal_plan_show(scene->ctx, &scene->listener, true, &scene->notes);
}

HEAL_TEST(policy_is_asked_by_a_dry_run_and_by_no_check)
{
	TEST_NEEDS_PIDFDS();
	assert_all_forbidden(check_and_run_dry);
}

HEAL_TEST(policy_is_not_asked_where_nothing_is_to_be_done)
{
	static const unsigned facts[] = {
		0,
		HEAL_FACT_STALE | HEAL_FACT_FOREIGN,
		HEAL_FACT_STALE | HEAL_FACT_TRIAL_FAILED,
		HEAL_FACT_STALE | HEAL_FACT_MODE_WARN,
		HEAL_FACT_STALE | HEAL_FACT_UNMANAGED,
	};

	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		_cleanup_scene_ struct scene scene;

		host_init(&scene, facts[i]);
		heal_plan_show(scene.ctx, &scene.listener, true, &scene.notes);
		assert_string_equal(scene.listener.result.reason, heal_plan_of(facts[i]).reason);
		assert_int_equal(scene.notes.count, 0);
		tree_remove_all();
	}
}

HEAL_TEST(policy_of_a_recorded_tree_is_never_run)
{
	_cleanup_scene_ struct scene scene;
	bool is_allowed = false;

	host_init(&scene, HEAL_FACT_STALE | HEAL_FACT_CAN_RELOAD);
	scene.ctx->is_live = false;
	assert_int_equal(heal_policy_allows(scene.ctx, "ssh.service", "reload", &is_allowed, NULL), 0);
	assert_true(is_allowed);
	heal_plan_show(scene.ctx, &scene.listener, true, &scene.notes);
	assert_int_equal(scene.listener.result.plan, HEAL_PLAN_RELOAD);
	assert_int_equal(scene.notes.count, 0);
}

HEAL_TEST(plan_show_of_a_dry_run_heeds_the_time_that_is_left)
{
	static const struct {
		bool asks_policy;
		int left_ms;
		enum heal_plan plan;
		const char *advice;
	} times[] = {
		{true, 2000, HEAL_PLAN_WARN, "systemctl reload ssh.service"},
		{true, 60000, HEAL_PLAN_RELOAD, ""},
		{false, 2000, HEAL_PLAN_RELOAD, ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		_cleanup_scene_ struct scene scene;

		host_init(&scene, HEAL_FACT_STALE | HEAL_FACT_CAN_RELOAD);
		scene.ctx->is_live = false;
		scene.ctx->config.deadline_ms = 30000;
		scene.ctx->deadline_ms = heal_now_ms() + times[i].left_ms;
		heal_plan_show(scene.ctx, &scene.listener, times[i].asks_policy, &scene.notes);
		assert_row(scene.listener.result.plan == times[i].plan, "row %zu: %d", i,
			   (int)scene.listener.result.plan);
		assert_row(test_same(scene.listener.result.detail, times[i].advice), "row %zu: %s", i,
			   scene.listener.result.detail);
		tree_remove_all();
	}
}
