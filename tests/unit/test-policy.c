/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy-rc.d: what it means, and before what it is asked. */
#include <sys/stat.h>

#include "fake.h"
#include "test.h"

#define PID 34
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
	return heal_process_capture(&command, heal_now_ms() + 5000, &output) == 0 &&
	       output.status == FORBIDDEN;
}

struct scene {
	struct heal_context *ctx;
	struct fake_service fake;
	struct heal_listener listener;
	struct heal_notes notes;
};

static void scene_done(struct scene *scene)
{
	heal_notes_done(&scene->notes);
	heal_listener_done(&scene->listener);
	(void)heal_context_free(scene->ctx);
}
#define _cleanup_scene_ _cleanup_(scene_done)

/* A stale listener of a host that has a policy-rc.d. */
static void scene_init(struct scene *scene, pid_t main_pid)
{
	const struct tree *tree = tree_new();

	*scene = (struct scene){
		.ctx = tree_context(tree),
		.fake = {.tree = tree, .unit = fake_unit(main_pid), .main_pid = main_pid},
		.listener = {.dirfd = -1},
	};
	fake_service_use(scene->ctx, &scene->fake);
	tree_add(tree, &(struct tree_process){.pid = PID, .maps = TREE_MAPS_STALE});
	tree_load(scene->ctx, PID, &scene->listener);
	scene->ctx->is_live = true;
	scene->listener.unit = scene->fake.unit;
	scene->listener.unit.id = strdup(scene->fake.unit.id);
	tree_file(tree, PROGRAM, "#!/bin/sh\nexit 101\n");
	assert_int_equal(fchmodat(tree->fd, PROGRAM, 0755, 0), 0);
}

struct policy_row {
	unsigned facts;
	pid_t main_pid;
	const char *asked;
	const char *advice;
};

/* Each kind of action, what is asked of it, and what is advised instead. */
static const struct policy_row rows[] = {
	{HEAL_FACT_CAN_RELOAD, PID, "reload of ssh.service", "systemctl reload ssh.service"},
	{HEAL_FACT_SOCKET_ACTIVATED, PID, "restart of ssh.service", "systemctl reload ssh.service"},
	{0, PID, "restart of ssh.service", "systemctl reload ssh.service"},
	{HEAL_FACT_UNMANAGED | HEAL_FACT_HUP_ALLOWED, 33, "reload of ssh", "kill -HUP 34"},
};

static void assert_forbidden(const struct scene *scene, const struct policy_row *row,
			     bool is_missing)
{
	char expected[128];

	assert_string_equal(scene->fake.calls, "");
	assert_int_equal(scene->listener.plan, HEAL_PLAN_WARN);
	assert_int_equal(scene->listener.outcome, HEAL_OUTCOME_WARNED);
	/* That it could not be asked is no word of its own. */
	assert_string_equal(scene->listener.reason, is_missing
							    ? "policy-rc.d could not be asked"
							    : "policy-rc.d forbids service actions");
	assert_string_equal(scene->listener.detail, row->advice);
	assert_int_equal(scene->notes.count, is_missing);
	(void)snprintf(expected, sizeof(expected), "asking /" PROGRAM " about %s: %s", row->asked,
		       strerror(ENOENT));
	if (is_missing)
		assert_string_equal(scene->notes.lines[0], expected);
}

HEAL_TEST(policy_is_asked_before_an_action_of_any_kind)
{
	TEST_NEEDS_PIDFDS();
	bool is_missing;

	if (!host_forbids(&is_missing))
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_scene_ struct scene scene;

		scene_init(&scene, rows[i].main_pid);
		heal_act(scene.ctx, &scene.listener, HEAL_FACT_STALE | rows[i].facts, &scene.notes);
		assert_forbidden(&scene, &rows[i], is_missing);
		tree_remove_all();
	}
}

HEAL_TEST(policy_is_asked_by_a_dry_run_and_by_no_check)
{
	TEST_NEEDS_PIDFDS();
	bool is_missing;

	if (!host_forbids(&is_missing))
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_scene_ struct scene scene;
		unsigned facts = HEAL_FACT_STALE | rows[i].facts;

		scene_init(&scene, rows[i].main_pid);
		heal_plan_show(scene.ctx, &scene.listener, facts, false, &scene.notes);
		assert_int_equal(scene.listener.plan, heal_plan_of(facts).plan);
		assert_int_equal(scene.listener.outcome, HEAL_OUTCOME_DRY_RUN);
		assert_int_equal(scene.notes.count, 0);
		heal_plan_show(scene.ctx, &scene.listener, facts, true, &scene.notes);
		assert_forbidden(&scene, &rows[i], is_missing);
		tree_remove_all();
	}
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

		scene_init(&scene, PID);
		heal_plan_show(scene.ctx, &scene.listener, facts[i], true, &scene.notes);
		assert_string_equal(scene.listener.reason, heal_plan_of(facts[i]).reason);
		assert_int_equal(scene.notes.count, 0);
		tree_remove_all();
	}
}

HEAL_TEST(policy_of_a_recorded_tree_is_never_run)
{
	_cleanup_scene_ struct scene scene;
	bool is_allowed = false;

	scene_init(&scene, PID);
	scene.ctx->is_live = false;
	assert_int_equal(heal_policy_allows(scene.ctx, "ssh.service", "reload", &is_allowed, NULL), 0);
	assert_true(is_allowed);
	heal_plan_show(scene.ctx, &scene.listener, HEAL_FACT_STALE | HEAL_FACT_CAN_RELOAD, true,
		       &scene.notes);
	assert_int_equal(scene.listener.plan, HEAL_PLAN_RELOAD);
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

		scene_init(&scene, PID);
		scene.ctx->is_live = false;
		scene.ctx->config.deadline_ms = 30000;
		scene.ctx->deadline_ms = heal_now_ms() + times[i].left_ms;
		heal_plan_show(scene.ctx, &scene.listener, HEAL_FACT_STALE | HEAL_FACT_CAN_RELOAD,
			       times[i].asks_policy, &scene.notes);
		assert_row(scene.listener.plan == times[i].plan, "row %zu: %d", i,
			   (int)scene.listener.plan);
		assert_row(test_same(scene.listener.detail, times[i].advice), "row %zu: %s", i,
			   scene.listener.detail);
		tree_remove_all();
	}
}
