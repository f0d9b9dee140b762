/* SPDX-License-Identifier: GPL-2.0-or-later */
/* heal_act and heal_prove where systemd does not answer, or not in time: the process tells. */
#include <pthread.h>

#include "scene.h"

static void reload(struct scene *scene)
{
	scene_see(scene, HEAL_FACT_STALE | HEAL_FACT_CAN_RELOAD);
	heal_act(scene->ctx, &scene->listener, &scene->notes);
}

static void restart(struct scene *scene)
{
	scene_see(scene, HEAL_FACT_STALE | HEAL_FACT_SOCKET_ACTIVATED);
	heal_act(scene->ctx, &scene->listener, &scene->notes);
}

HEAL_TEST(lost_answer_is_the_process_to_give)
{
	static const struct {
		const char *call;
		int code;
		void (*does)(struct fake_service *fake);
		enum heal_outcome outcome;
	} rows[] = {
		{"reload", ENOTCONN, fake_becomes_fresh, HEAL_OUTCOME_HEALED},
		{"reload", ETIMEDOUT, fake_becomes_fresh, HEAL_OUTCOME_HEALED},
		{"restart", ENOTCONN, scene_gets_new_process, HEAL_OUTCOME_HEALED},
		{"restart", ETIMEDOUT, scene_gets_new_process, HEAL_OUTCOME_HEALED},
		/* A line of ExecReload= behind the SIGHUP failed. */
		{"reload", ECANCELED, fake_becomes_fresh, HEAL_OUTCOME_HEALED},
		{"reload", ENOTCONN, NULL, HEAL_OUTCOME_FAILED},
		{"reload", ETIMEDOUT, NULL, HEAL_OUTCOME_FAILED},
		{"restart", ENOTCONN, scene_gets_new_stale_process, HEAL_OUTCOME_FAILED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_scene_ struct scene scene;
		bool reloads = test_same(rows[i].call, "reload");
		char detail[64];

		scene_init(&scene, 80);
		fake_service_fails(&scene.fake, rows[i].call, rows[i].code);
		scene.fake.on_reload = scene.fake.on_restart = rows[i].does;
		(reloads ? reload : restart)(&scene);
		(void)snprintf(detail, sizeof(detail), "%s did not work", rows[i].call);
		assert_row(scene.listener.result.outcome == rows[i].outcome, "row %zu: %d", i,
			   (int)scene.listener.result.outcome);
		assert_row(test_same(scene.listener.result.detail, detail), "row %zu: %s", i,
			   scene.listener.result.detail);
		/* What may yet be carried out is followed by nothing else. */
		assert_row(test_same(scene.fake.calls,
				     reloads ? "reload ssh.service; "
					     : "reset_failed ssh.service; unit_of 34; restart "
					       "ssh.service; "),
			   "row %zu: %s", i, scene.fake.calls);
		tree_remove_all();
	}
}

HEAL_TEST(lost_answer_leaves_time_for_what_systemd_may_still_be_doing)
{
	_cleanup_scene_ struct scene scene;
	int64_t start;

	scene_init(&scene, 1300);
	fake_service_fails(&scene.fake, "reload", ENOTCONN);
	start = heal_now_ms();
	reload(&scene);
	/* Half of what is left, and not the half second after a job that is known to have failed. */
	assert_in_range(heal_now_ms() - start, 580, 1290);
}

HEAL_TEST(lost_answer_to_what_took_sshd_down_is_followed_by_a_start)
{
	static const int codes[] = {ENOTCONN, ETIMEDOUT};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		static const struct heal_hello gets_in = {.fate = HEAL_FATE_OK};
		_cleanup_scene_ struct scene scene;

		scene_init(&scene, 300);
		fake_client_use(scene.ctx, &gets_in, 1);
		fake_service_fails(&scene.fake, "restart", codes[i]);
		scene.fake.exec_path = scene.fake.exec_start = "/usr/sbin/sshd";
		scene.fake.on_restart = fake_ends;
		restart(&scene);
		assert_string_equal(scene.fake.calls,
				    "reset_failed ssh.service; unit_of 34; restart ssh.service; "
				    "reset_failed ssh.service; start ssh.service; "
				    "reset_failed sshd-heal-rescue.service; rescue /usr/sbin/sshd; "
				    "with -D; in; ");
		assert_int_equal(scene.listener.result.outcome, HEAL_OUTCOME_FAILED);
		tree_remove_all();
	}
}

static void *ends_soon(void *fake)
{
	heal_sleep_ms(30);
	fake_ends(fake);
	return NULL;
}

HEAL_TEST(failed_job_is_not_healed_by_a_process_that_systemd_is_about_to_end)
{
	_cleanup_scene_ struct scene scene;
	pthread_t thread;

	/* An ExecStartPost= failed. */
	scene_init(&scene, 200);
	scene.ctx->settle_ms = 100;
	scene.fake.on_restart = scene_gets_new_process;
	fake_service_fails(&scene.fake, "restart", ECANCELED);
	assert_int_equal(pthread_create(&thread, NULL, ends_soon, &scene.fake), 0);
	restart(&scene);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(scene.listener.result.outcome, HEAL_OUTCOME_FAILED);
	assert_string_equal(scene.listener.result.detail,
			    "CRITICAL: sshd is DOWN, restart did not work; type: systemctl reset-failed ssh.service; systemctl start "
			    "ssh.service");
}

HEAL_TEST(job_gets_a_deadline_that_leaves_a_third_for_proof_and_rescue)
{
	static const struct {
		int left_ms;
		int reserve_ms;
	} rows[] = {{60000, 10000}, {30000, 10000}, {3000, 1000}, {600, 200}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_scene_ struct scene scene;
		int64_t reserve;

		scene_init(&scene, rows[i].left_ms);
		scene.fake.on_reload = fake_becomes_fresh;
		reload(&scene);
		reserve = scene.ctx->deadline_ms - scene.fake.job_deadline_ms;
		/* Some ms, up to the 40 of the wait for a quiet moment, have gone by. */
		assert_row(reserve <= rows[i].reserve_ms && reserve > rows[i].reserve_ms * 3 / 4,
			   "row %zu: %d", i, (int)reserve);
		tree_remove_all();
	}
}

HEAL_TEST(lost_connection_is_no_spent_start_limit)
{
	static const int codes[] = {ENOTCONN, ETIMEDOUT};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		_cleanup_scene_ struct scene scene;

		scene_init(&scene, 500);
		fake_service_fails(&scene.fake, "reset_failed", codes[i]);
		restart(&scene);
		assert_string_equal(scene.fake.calls, "reset_failed ssh.service; ");
		assert_string_equal(scene.listener.result.reason, "systemd cannot be asked");
		tree_remove_all();
	}
}

HEAL_TEST(prove_looks_for_who_listens_where_systemd_cannot_be_asked)
{
	static const struct {
		const char *what;
		struct tree_process now;
		enum heal_proof proof;
	} rows[] = {
		{"fresh", {.pid = NEW_PID}, HEAL_PROOF_OK},
		{"stale", {.pid = NEW_PID, .maps = TREE_MAPS_STALE}, HEAL_PROOF_STALE},
		{"elsewhere", {.pid = NEW_PID, .sockets = "4003"}, HEAL_PROOF_UNKNOWN},
		{"nowhere", {.pid = NEW_PID, .sockets = ""}, HEAL_PROOF_UNKNOWN},
		{"no sshd", {.pid = NEW_PID, .exe = "/usr/bin/nc", .comm = "nc"},
		 HEAL_PROOF_UNKNOWN},
		{"somebody's", {.pid = NEW_PID, .uids = "1000 1000 1000 1000"},
		 HEAL_PROOF_UNKNOWN},
		/* Whoever was there before, was not started since. */
		{"the old one", {.pid = PID}, HEAL_PROOF_UNKNOWN},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_scene_ struct scene scene;
		enum heal_proof proof;

		scene_init(&scene, 2000);
		scene.listener.result.plan = HEAL_PLAN_RESTART;
		fake_service_fails(&scene.fake, "main_pid", ENOTCONN);
		tree_end(scene.fake.tree, PID);
		tree_add(scene.fake.tree, &rows[i].now);
		proof = heal_prove(scene.ctx, &scene.listener, 20);
		assert_row(proof == rows[i].proof, "%s: %d", rows[i].what, (int)proof);
		assert_row(proof != HEAL_PROOF_UNKNOWN ||
				   test_same(scene.listener.result.detail, "main_pid did not work"),
			   "%s: %s", rows[i].what, scene.listener.result.detail);
		tree_remove_all();
	}
}
