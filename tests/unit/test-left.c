/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was left: for how long it is tried again, and when it is forgotten. */
#include <inttypes.h>
#include <time.h>

#include "scene.h"

#define LEFT "run/sshd-heal/left"

static int64_t up_s(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &now), 0);
	return now.tv_sec;
}

static enum heal_look compare(struct scene *scene)
{
	const struct heal_listeners listeners = {.items = &scene->listener, .count = 1};
	enum heal_look look = HEAL_LOOK_QUIET;

	assert_int_equal(heal_left_compare(scene->ctx, &listeners, &look), 0);
	return look;
}

static void leave(struct scene *scene, enum heal_outcome outcome, bool is_passing)
{
	const struct heal_listeners listeners = {.items = &scene->listener, .count = 1};

	scene->listener.result.outcome = outcome;
	scene->listener.result.is_passing = is_passing;
	assert_int_equal(heal_left_write(scene->ctx, &listeners, &listeners), 0);
}

HEAL_TEST(left_names_what_an_action_has_ended)
{
	static const struct {
		const char *line;
		int r;
		size_t n_addresses;
	} rows[] = {
		{"ended\t7000\tssh.service\t/usr/sbin/sshd\t0.0.0.0:22\t[::]:22\nmore", 0, 2},
		{"ended\t7000\tssh.service\t/usr/sbin/sshd\n", 0, 0},
		{"ended\t7000\tssh.service\t/usr/sbin/sshd", -EBADMSG, 0},
		{"ended\t7000\tssh.service\tsshd\n", -EBADMSG, 0},
		{"ended\t7000\tssh.service\n/usr/sbin/sshd\n", -EBADMSG, 0},
		{"ended\t7000\t\t/usr/sbin/sshd\n", -EBADMSG, 0},
		{"ended\t7 000\tssh.service\t/usr/sbin/sshd\n", -EBADMSG, 0},
		{"failed\t7000\tssh.service\t/usr/sbin/sshd\n", -EBADMSG, 0},
		{"", -EBADMSG, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_listener_ struct heal_listener listener = {.process.dirfd = -1};
		int r = left_parse_ended(rows[i].line, &listener);

		assert_row(r == rows[i].r, "row %zu: %d", i, r);
		if (r < 0)
			continue;
		assert_string_equal(listener.unit.id, "ssh.service");
		assert_string_equal(listener.process.exe, "/usr/sbin/sshd");
		assert_int_equal(listener.unit.ended_us, 7000);
		assert_int_equal(listener.process.n_addresses, rows[i].n_addresses);
		assert_true(heal_listener_has_unit(&listener));
	}
}

HEAL_TEST(left_is_a_number_and_the_rest)
{
	static const struct {
		const char *text;
		int r;
		int64_t since_s;
		const char *what;
	} rows[] = {
		{"0\n", 0, 0, ""},
		{"77\na\nb\n", 0, 77, "a\nb\n"},
		{"", -EBADMSG, 0, NULL},
		{"77", -EBADMSG, 0, NULL},
		{"\n", -EBADMSG, 0, NULL},
		{"x\n", -EBADMSG, 0, NULL},
		{"-1\n", -EBADMSG, 0, NULL},
		{"7 7\na\n", -EBADMSG, 0, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *what = NULL;
		int64_t since_s = 0;
		int r = left_parse(rows[i].text, &since_s, &what);

		assert_row(r == rows[i].r && since_s == rows[i].since_s &&
				   test_same(what, rows[i].what),
			   "row %zu: %d", i, r);
	}
}

HEAL_TEST(left_for_a_reason_that_passes_is_tried_again_for_a_day)
{
	static const struct {
		int64_t ago_s;
		enum heal_look look;
	} rows[] = {{0, HEAL_LOOK_PUT_OFF}, {86300, HEAL_LOOK_PUT_OFF}, {86500, HEAL_LOOK_LEFT}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_scene_ struct scene scene;
		_cleanup_free_ char *text = NULL;
		_cleanup_free_ char *older = NULL;

		scene_init(&scene, 500);
		/* A machine that has not been up for so long cannot tell. */
		if (up_s() <= rows[i].ago_s)
			continue;
		leave(&scene, HEAL_OUTCOME_WARNED, true);
		text = tree_read(scene.fake.tree, LEFT);
		assert_true(asprintf(&older, "%" PRId64 "%s", up_s() - rows[i].ago_s,
				     strchr(text, '\n')) > 0);
		tree_file(scene.fake.tree, LEFT, older);
		assert_int_equal(compare(&scene), rows[i].look);
		/* And the day does not begin anew with every try. */
		leave(&scene, HEAL_OUTCOME_WARNED, true);
		assert_int_equal(compare(&scene), rows[i].look);
		tree_remove_all();
	}
}

HEAL_TEST(left_is_what_was_seen_and_not_what_came_after)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, 500);
	tree_file(scene.fake.tree, TREE_LIBCRYPTO + 1, "newer");
	leave(&scene, HEAL_OUTCOME_WARNED, false);
	assert_int_equal(heal_listener_stale(scene.ctx, &scene.listener.process, &scene.listener.evidence), 0);
	assert_int_equal(compare(&scene), HEAL_LOOK_NEWS);
	leave(&scene, HEAL_OUTCOME_WARNED, false);
	assert_int_equal(compare(&scene), HEAL_LOOK_LEFT);
}

HEAL_TEST(left_has_nothing_of_what_waits_for_the_end_of_a_transaction)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, 500);
	scene.listener.evidence.objection = HEAL_OBJECTION_TRANSACTION;
	leave(&scene, HEAL_OUTCOME_WARNED, true);
	assert_false(tree_has(scene.fake.tree, LEFT));
	leave(&scene, HEAL_OUTCOME_FAILED, false);
	assert_true(tree_has(scene.fake.tree, LEFT));
}

HEAL_TEST(left_is_forgotten_with_what_was_left)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, 500);
	leave(&scene, HEAL_OUTCOME_WARNED, false);
	assert_int_equal(compare(&scene), HEAL_LOOK_LEFT);
	leave(&scene, HEAL_OUTCOME_HEALED, false);
	assert_false(tree_has(scene.fake.tree, LEFT));
	/* Where there is none, that is no error. */
	leave(&scene, HEAL_OUTCOME_HEALED, false);
}

/* Otherwise what did not help would be called healthy by the next look, or be done again. */
HEAL_TEST(left_after_a_failure_names_the_process_until_a_client_gets_in)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, 500);
	heal_evidence_clear_stale(&scene.listener.evidence);
	assert_false(heal_left_has_failed(scene.ctx, &scene.listener.process));
	leave(&scene, HEAL_OUTCOME_FAILED, false);
	assert_true(heal_left_has_failed(scene.ctx, &scene.listener.process));
	scene.listener.process.pid++;
	assert_false(heal_left_has_failed(scene.ctx, &scene.listener.process));
	scene.listener.process.pid--;
	leave(&scene, HEAL_OUTCOME_NOT_NEEDED, false);
	assert_false(heal_left_has_failed(scene.ctx, &scene.listener.process));
	assert_false(tree_has(scene.fake.tree, LEFT));
}

HEAL_TEST(left_names_the_address_that_an_action_has_cost)
{
	_cleanup_scene_ struct scene scene;
	char lost[64];

	scene_init(&scene, 500);
	heal_left_lost(scene.ctx, &scene.listener.process, lost, sizeof(lost));
	assert_string_equal(lost, "");
	(void)strcpy(scene.listener.evidence.lost, "0.0.0.0:2222");
	leave(&scene, HEAL_OUTCOME_FAILED, false);
	heal_left_lost(scene.ctx, &scene.listener.process, lost, sizeof(lost));
	assert_string_equal(lost, "0.0.0.0:2222");
	assert_true(heal_left_has_failed(scene.ctx, &scene.listener.process));
	assert_int_equal(compare(&scene), HEAL_LOOK_LEFT);
	/* What cannot be kept whole is none. */
	heal_left_lost(scene.ctx, &scene.listener.process, lost, strlen("0.0.0.0:2222"));
	assert_string_equal(lost, "");
	scene.listener.process.start_time++;
	heal_left_lost(scene.ctx, &scene.listener.process, lost, sizeof(lost));
	assert_string_equal(lost, "");
	scene.listener.process.start_time--;
	/* A warning does not bring it back. */
	heal_evidence_clear_stale(&scene.listener.evidence);
	leave(&scene, HEAL_OUTCOME_WARNED, false);
	heal_left_lost(scene.ctx, &scene.listener.process, lost, sizeof(lost));
	assert_string_equal(lost, "0.0.0.0:2222");
	scene.listener.evidence.lost[0] = '\0';
	leave(&scene, HEAL_OUTCOME_HEALED, false);
	assert_false(tree_has(scene.fake.tree, LEFT));
}

HEAL_TEST(left_of_another_process_is_news)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, 500);
	leave(&scene, HEAL_OUTCOME_WARNED, false);
	scene.listener.process.start_time++;
	assert_int_equal(compare(&scene), HEAL_LOOK_NEWS);
}

HEAL_TEST(retry_of_what_was_put_off_does_without_a_restart)
{
	static const struct {
		unsigned facts;
		enum heal_plan plan;
	} rows[] = {
		{HEAL_FACT_STALE | HEAL_FACT_SOCKET_ACTIVATED, HEAL_PLAN_WARN},
		{HEAL_FACT_STALE | HEAL_FACT_CAN_RELOAD, HEAL_PLAN_RELOAD},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_scene_ struct scene scene;

		scene_init(&scene, 500);
		scene.ctx->is_retry = true;
		scene_see(&scene, rows[i].facts);
		heal_plan_show(scene.ctx, &scene.listener, true, &scene.notes);
		assert_row(scene.listener.result.plan == rows[i].plan, "row %zu: %d", i,
			   (int)scene.listener.result.plan);
		assert_row(scene.listener.result.is_passing == (rows[i].plan == HEAL_PLAN_WARN),
			   "row %zu", i);
		tree_remove_all();
	}
}
