/* SPDX-License-Identifier: GPL-2.0-or-later */
/* heal_prove: only a fresh process that listens as before is a proof. */
#include <pthread.h>

#include "scene.h"

/* A listener that was stale, and that an action of this kind was done to. */
static void acted_init(struct scene *scene, enum heal_plan plan)
{
	scene_init(scene, 2000);
	scene->listener.result.plan = plan;
	scene->listener.process.sessions = 3;
}

/* With so much time it comes to that. */
static void assert_proof(struct scene *scene, int timeout_ms, enum heal_proof expected)
{
	assert_int_equal(heal_prove(scene->ctx, &scene->listener, timeout_ms), expected);
}

static void assert_proof_in_time(struct scene *scene, int timeout_ms, enum heal_proof expected,
				 int min_ms, int max_ms)
{
	int64_t start = heal_now_ms();

	assert_proof(scene, timeout_ms, expected);
	assert_in_range(heal_now_ms() - start, min_ms, max_ms);
}

/* The process has ended, and nothing is waited for. */
static void assert_gone(struct scene *scene, enum heal_plan plan, int timeout_ms)
{
	acted_init(scene, plan);
	tree_end(scene->fake.tree, PID);
	assert_proof_in_time(scene, timeout_ms, HEAL_PROOF_DOWN, 0, 999);
}

HEAL_TEST(prove_takes_a_fresh_process_at_once)
{
	_cleanup_scene_ struct scene scene;

	acted_init(&scene, HEAL_PLAN_RELOAD);
	tree_set_maps(scene.fake.tree, PID, TREE_MAPS_FRESH);
	assert_proof_in_time(&scene, 1500, HEAL_PROOF_OK, 0, 999);
	assert_int_equal(scene.listener.evidence.n_stale, 1);
	assert_int_equal(scene.listener.process.n_addresses, 2);
	assert_int_equal(scene.listener.process.sessions, 3);
	assert_string_equal(scene.listener.result.detail, "");
}

HEAL_TEST(prove_gives_one_for_a_process_that_stays_stale)
{
	_cleanup_scene_ struct scene scene;

	acted_init(&scene, HEAL_PLAN_RELOAD);
	assert_proof_in_time(&scene, 40, HEAL_PROOF_STALE, 40, 1500);
	assert_int_equal(scene.listener.process.pid, PID);
}

HEAL_TEST(prove_gives_two_where_nothing_listens)
{
	_cleanup_scene_ struct scene scene;

	acted_init(&scene, HEAL_PLAN_RELOAD);
	tree_add(scene.fake.tree, &(struct tree_process){.pid = PID, .sockets = ""});
	assert_proof(&scene, 20, HEAL_PROOF_DOWN);
	/* A process in the midst of its end, or of execve. */
	tree_add(scene.fake.tree, &(struct tree_process){.pid = PID, .maps = ""});
	assert_proof(&scene, 20, HEAL_PROOF_DOWN);
	tree_add(scene.fake.tree, &(struct tree_process){.pid = PID, .state = 'Z'});
	assert_proof(&scene, 20, HEAL_PROOF_DOWN);
	tree_end(scene.fake.tree, PID);
	assert_proof(&scene, 20, HEAL_PROOF_DOWN);
	assert_int_equal(scene.listener.process.pid, PID);
	assert_int_equal(scene.listener.evidence.n_stale, 1);
}

HEAL_TEST(prove_waits_for_nothing_when_the_process_that_was_to_stay_has_ended)
{
	_cleanup_scene_ struct scene scene;

	assert_gone(&scene, HEAL_PLAN_HUP, 1800);
	/* After a restart there may still be a new one. */
	scene.listener.result.plan = HEAL_PLAN_RESTART;
	assert_proof_in_time(&scene, 40, HEAL_PROOF_DOWN, 40, 1500);
}

HEAL_TEST(prove_after_a_reload_leaves_the_main_process_as_it_was)
{
	_cleanup_scene_ struct scene scene;

	acted_init(&scene, HEAL_PLAN_RELOAD);
	scene.listener.unit.main_pid = 33;
	tree_set_maps(scene.fake.tree, PID, TREE_MAPS_FRESH);
	assert_proof(&scene, 1500, HEAL_PROOF_OK);
	assert_int_equal(scene.listener.unit.main_pid, 33);
	/* Without a client nobody knows. */
	assert_int_equal(scene.listener.result.proved, HEAL_FATE_UNKNOWN);
}

HEAL_TEST(prove_after_a_restart_looks_at_the_new_main_process)
{
	_cleanup_scene_ struct scene scene;

	acted_init(&scene, HEAL_PLAN_RESTART);
	scene.fake.main_pid = NEW_PID;
	tree_add(scene.fake.tree, &(struct tree_process){.pid = NEW_PID, .exe = "/usr/bin/sshd"});
	assert_proof(&scene, 1500, HEAL_PROOF_OK);
	assert_int_equal(scene.listener.process.pid, NEW_PID);
	assert_int_equal(scene.listener.process.start_time, 228000 + NEW_PID);
	assert_string_equal(scene.listener.process.exe, "/usr/bin/sshd");
	assert_string_equal(scene.listener.unit.id, "ssh.service");
	/* So that the report still calls it by its unit. */
	assert_int_equal(scene.listener.unit.main_pid, NEW_PID);
	assert_int_equal(scene.listener.evidence.n_stale, 1);
}

HEAL_TEST(prove_after_a_restart_is_not_had_from_the_old_process)
{
	_cleanup_scene_ struct scene scene;

	acted_init(&scene, HEAL_PLAN_RESTART);
	tree_set_maps(scene.fake.tree, PID, TREE_MAPS_FRESH);
	scene.fake.main_pid = 0;
	assert_proof(&scene, 20, HEAL_PROOF_DOWN);
	fake_service_fails(&scene.fake, "main_pid", EIO);
	scene.fake.main_pid = PID;
	/* Not to be told which process it is, says nothing of it. */
	assert_proof(&scene, 20, HEAL_PROOF_UNKNOWN);
	assert_string_equal(scene.listener.result.detail, "main_pid did not work");
}

HEAL_TEST(prove_after_a_restart_is_not_had_from_a_main_process_that_is_no_listener)
{
	_cleanup_scene_ struct scene scene;

	acted_init(&scene, HEAL_PLAN_RESTART);
	scene.fake.main_pid = NEW_PID;
	tree_add(scene.fake.tree, &(struct tree_process){.pid = NEW_PID, .exe = "/bin/sh", .title = "/bin/sh|-c|x|"});
	assert_proof(&scene, 20, HEAL_PROOF_DOWN);
}

/* Of a process with these sockets, of which so many listen. */
static void assert_proof_with(const char *sockets, int timeout_ms, enum heal_proof expected,
			      size_t n_addresses, const char *detail)
{
	_cleanup_scene_ struct scene scene;

	acted_init(&scene, HEAL_PLAN_RELOAD);
	tree_add(scene.fake.tree, &(struct tree_process){.pid = PID, .sockets = sockets});
	assert_proof(&scene, timeout_ms, expected);
	assert_string_equal(scene.listener.result.detail, detail);
	assert_int_equal(scene.listener.process.n_addresses, n_addresses);
}

HEAL_TEST(prove_gives_three_for_an_address_that_it_lost)
{
	assert_proof_with("4001", 20, HEAL_PROOF_SHUT_OUT, 1,
			  "CRITICAL: it does not listen on [::]:22 any more");
}

HEAL_TEST(prove_takes_one_more_address)
{
	assert_proof_with("4002 4003 4001", 1500, HEAL_PROOF_OK, 3, "");
}

HEAL_TEST(prove_ends_with_the_deadline_of_the_run)
{
	_cleanup_scene_ struct scene scene;
	int64_t start = heal_now_ms();

	acted_init(&scene, HEAL_PLAN_RELOAD);
	scene.ctx->deadline_ms = start + 30;
	assert_proof_in_time(&scene, 100000, HEAL_PROOF_STALE, 0, 2000);
	/* Even after it a look is taken. */
	scene.ctx->deadline_ms = start - 1000;
	tree_set_maps(scene.fake.tree, PID, TREE_MAPS_FRESH);
	assert_proof(&scene, 100000, HEAL_PROOF_OK);
}

/* What sshd does after SIGHUP: gone from its ports, then back with the files on disk. */
static void *reload_slowly(void *argument)
{
	struct scene *scene = argument;

	heal_sleep_ms(15);
	tree_remove(scene->fake.tree, "proc/34/fd/3");
	tree_remove(scene->fake.tree, "proc/34/fd/4");
	tree_set_maps(scene->fake.tree, PID, TREE_MAPS_FRESH);
	heal_sleep_ms(15);
	tree_link(scene->fake.tree, "proc/34/fd/3", "socket:[4001]");
	heal_sleep_ms(15);
	tree_link(scene->fake.tree, "proc/34/fd/4", "socket:[4002]");
	return NULL;
}

HEAL_TEST(prove_waits_until_it_listens_on_every_address_again)
{
	_cleanup_scene_ struct scene scene;
	pthread_t thread;
	int r;

	acted_init(&scene, HEAL_PLAN_RELOAD);
	assert_int_equal(pthread_create(&thread, NULL, reload_slowly, &scene), 0);
	r = heal_prove(scene.ctx, &scene.listener, 1900);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(r, 0);
	assert_string_equal(scene.listener.result.detail, "");
	assert_int_equal(scene.listener.process.n_addresses, 2);
}

HEAL_TEST(prove_does_not_wait_for_a_reloaded_process_that_has_ended)
{
	_cleanup_scene_ struct scene scene;

	assert_gone(&scene, HEAL_PLAN_RELOAD, 1900);
}
