/* SPDX-License-Identifier: GPL-2.0-or-later */
/* heal_prove: only a fresh process that listens as before is a proof. */
#include <pthread.h>

#include "fake.h"
#include "test.h"

struct scene {
	const struct tree *tree;
	struct heal_context *ctx;
	struct fake_service fake;
	struct heal_listener listener;
};

static void scene_done(struct scene *scene)
{
	heal_listener_done(&scene->listener);
	(void)heal_context_free(scene->ctx);
}
#define _cleanup_scene_ _cleanup_(scene_done)

/* A listener that was stale, and that an action of this kind was done to. */
static void scene_init(struct scene *scene, enum heal_plan plan)
{
	const struct tree *tree = tree_new();

	*scene = (struct scene){
		.tree = tree,
		.ctx = tree_context(tree),
		.fake = {.tree = tree, .unit = fake_unit(PID), .main_pid = PID},
		.listener = {.process.dirfd = -1},
	};
	fake_service_use(scene->ctx, &scene->fake);
	tree_add(tree, &(struct tree_process){.pid = PID, .maps = TREE_MAPS_STALE});
	tree_load(scene->ctx, PID, &scene->listener);
	scene->listener.result.plan = plan;
	scene->listener.process.sessions = 3;
	scene->listener.unit = scene->fake.unit;
	scene->listener.unit.id = strdup(scene->fake.unit.id);
}

HEAL_TEST(prove_takes_a_fresh_process_at_once)
{
	_cleanup_scene_ struct scene scene;
	int64_t start = heal_now_ms();

	scene_init(&scene, HEAL_PLAN_RELOAD);
	tree_set_maps(scene.tree, PID, TREE_MAPS_FRESH);
	assert_int_equal(heal_prove(scene.ctx, &scene.listener, 1500), HEAL_PROOF_OK);
	assert_true(heal_now_ms() - start < 1000);
	assert_int_equal(scene.listener.evidence.n_stale, 1);
	assert_int_equal(scene.listener.process.n_addresses, 2);
	assert_int_equal(scene.listener.process.sessions, 3);
	assert_string_equal(scene.listener.result.detail, "");
}

HEAL_TEST(prove_gives_one_for_a_process_that_stays_stale)
{
	_cleanup_scene_ struct scene scene;
	int64_t start = heal_now_ms();

	scene_init(&scene, HEAL_PLAN_RELOAD);
	assert_int_equal(heal_prove(scene.ctx, &scene.listener, 40), HEAL_PROOF_STALE);
	assert_in_range(heal_now_ms() - start, 40, 1500);
	assert_int_equal(scene.listener.process.pid, PID);
}

HEAL_TEST(prove_gives_two_where_nothing_listens)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, HEAL_PLAN_RELOAD);
	tree_add(scene.tree, &(struct tree_process){.pid = PID, .sockets = ""});
	assert_int_equal(heal_prove(scene.ctx, &scene.listener, 20), HEAL_PROOF_DOWN);
	/* A process in the midst of its end, or of execve. */
	tree_add(scene.tree, &(struct tree_process){.pid = PID, .maps = ""});
	assert_int_equal(heal_prove(scene.ctx, &scene.listener, 20), HEAL_PROOF_DOWN);
	tree_add(scene.tree, &(struct tree_process){.pid = PID, .state = 'Z'});
	assert_int_equal(heal_prove(scene.ctx, &scene.listener, 20), HEAL_PROOF_DOWN);
	tree_end(scene.tree, PID);
	assert_int_equal(heal_prove(scene.ctx, &scene.listener, 20), HEAL_PROOF_DOWN);
	assert_int_equal(scene.listener.process.pid, PID);
	assert_int_equal(scene.listener.evidence.n_stale, 1);
}

HEAL_TEST(prove_waits_for_nothing_when_the_process_that_was_to_stay_has_ended)
{
	_cleanup_scene_ struct scene scene;
	int64_t start = heal_now_ms();

	scene_init(&scene, HEAL_PLAN_RELOAD);
	tree_end(scene.tree, PID);
	assert_int_equal(heal_prove(scene.ctx, &scene.listener, 1800), HEAL_PROOF_DOWN);
	assert_true(heal_now_ms() - start < 1000);
	/* After a restart there may still be a new one. */
	scene.listener.result.plan = HEAL_PLAN_RESTART;
	start = heal_now_ms();
	assert_int_equal(heal_prove(scene.ctx, &scene.listener, 40), HEAL_PROOF_DOWN);
	assert_in_range(heal_now_ms() - start, 40, 1500);
}

HEAL_TEST(prove_after_a_reload_leaves_the_main_process_as_it_was)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, HEAL_PLAN_RELOAD);
	scene.listener.unit.main_pid = 33;
	tree_set_maps(scene.tree, PID, TREE_MAPS_FRESH);
	assert_int_equal(heal_prove(scene.ctx, &scene.listener, 1500), HEAL_PROOF_OK);
	assert_int_equal(scene.listener.unit.main_pid, 33);
	/* Without a client nobody knows. */
	assert_int_equal(scene.listener.result.proved, HEAL_FATE_UNKNOWN);
}

HEAL_TEST(prove_after_a_restart_looks_at_the_new_main_process)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, HEAL_PLAN_RESTART);
	scene.fake.main_pid = NEW_PID;
	tree_add(scene.tree, &(struct tree_process){.pid = NEW_PID, .exe = "/usr/bin/sshd"});
	assert_int_equal(heal_prove(scene.ctx, &scene.listener, 1500), HEAL_PROOF_OK);
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

	scene_init(&scene, HEAL_PLAN_RESTART);
	tree_set_maps(scene.tree, PID, TREE_MAPS_FRESH);
	scene.fake.main_pid = 0;
	assert_int_equal(heal_prove(scene.ctx, &scene.listener, 20), HEAL_PROOF_DOWN);
	fake_service_fails(&scene.fake, "main_pid", EIO);
	scene.fake.main_pid = PID;
	/* Not to be told which process it is, says nothing of it. */
	assert_int_equal(heal_prove(scene.ctx, &scene.listener, 20), HEAL_PROOF_UNKNOWN);
	assert_string_equal(scene.listener.result.detail, "main_pid did not work");
}

HEAL_TEST(prove_after_a_restart_is_not_had_from_a_main_process_that_is_no_listener)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, HEAL_PLAN_RESTART);
	scene.fake.main_pid = NEW_PID;
	tree_add(scene.tree, &(struct tree_process){.pid = NEW_PID, .exe = "/bin/sh"});
	assert_int_equal(heal_prove(scene.ctx, &scene.listener, 20), HEAL_PROOF_DOWN);
}

HEAL_TEST(prove_gives_three_for_an_address_that_it_lost)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, HEAL_PLAN_RELOAD);
	tree_add(scene.tree, &(struct tree_process){.pid = PID, .sockets = "4001"});
	assert_int_equal(heal_prove(scene.ctx, &scene.listener, 20), HEAL_PROOF_SHUT_OUT);
	assert_string_equal(scene.listener.result.detail,
			    "CRITICAL: it does not listen on [::]:22 any more");
	assert_int_equal(scene.listener.process.n_addresses, 1);
}

HEAL_TEST(prove_takes_one_more_address)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, HEAL_PLAN_RELOAD);
	tree_add(scene.tree, &(struct tree_process){.pid = PID, .sockets = "4002 4003 4001"});
	assert_int_equal(heal_prove(scene.ctx, &scene.listener, 1500), HEAL_PROOF_OK);
	assert_string_equal(scene.listener.result.detail, "");
	assert_int_equal(scene.listener.process.n_addresses, 3);
}

HEAL_TEST(prove_ends_with_the_deadline_of_the_run)
{
	_cleanup_scene_ struct scene scene;
	int64_t start = heal_now_ms();

	scene_init(&scene, HEAL_PLAN_RELOAD);
	scene.ctx->deadline_ms = start + 30;
	assert_int_equal(heal_prove(scene.ctx, &scene.listener, 100000), HEAL_PROOF_STALE);
	assert_true(heal_now_ms() - start < 2000);
	/* Even after it a look is taken. */
	scene.ctx->deadline_ms = start - 1000;
	tree_set_maps(scene.tree, PID, TREE_MAPS_FRESH);
	assert_int_equal(heal_prove(scene.ctx, &scene.listener, 100000), HEAL_PROOF_OK);
}

/* What sshd does after SIGHUP: gone from its ports, then back with the files on disk. */
static void *reload_slowly(void *argument)
{
	struct scene *scene = argument;

	heal_sleep_ms(15);
	tree_remove(scene->tree, "proc/34/fd/3");
	tree_remove(scene->tree, "proc/34/fd/4");
	tree_set_maps(scene->tree, PID, TREE_MAPS_FRESH);
	heal_sleep_ms(15);
	tree_link(scene->tree, "proc/34/fd/3", "socket:[4001]");
	heal_sleep_ms(15);
	tree_link(scene->tree, "proc/34/fd/4", "socket:[4002]");
	return NULL;
}

HEAL_TEST(prove_waits_until_it_listens_on_every_address_again)
{
	_cleanup_scene_ struct scene scene;
	pthread_t thread;
	int r;

	scene_init(&scene, HEAL_PLAN_RELOAD);
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
	int64_t start = heal_now_ms();

	scene_init(&scene, HEAL_PLAN_RELOAD);
	tree_end(scene.tree, PID);
	assert_int_equal(heal_prove(scene.ctx, &scene.listener, 1900), HEAL_PROOF_DOWN);
	assert_true(heal_now_ms() - start < 1000);
}
