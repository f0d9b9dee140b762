/* SPDX-License-Identifier: GPL-2.0-or-later */
/* heal_run: the whole way for each verb, on trees. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "fake.h"
#include "test.h"

#define LEFT "run/sshd-heal/left"
#define ALL_VERBS 4

static const enum heal_verb verbs[ALL_VERBS] = {HEAL_CHECK, HEAL_DRY_RUN, HEAL_HEAL, HEAL_HOOK};

static const struct fake_owner owners[] = {
	{TREE_LIBCRYPTO, {(char *)"libssl3", (char *)"openssl", (char *)"3.0.22", (char *)"amd64", 0}},
	{NULL, {NULL, NULL, NULL, NULL, 0}},
};

/* A host with one stale listener, a session, and something that was left. */
struct scene {
	const struct tree *tree;
	struct heal_context *ctx;
	struct fake_service service;
	struct fake_packages packages;
	struct heal_report report;
	struct heal_error error;
};

static void scene_done(struct scene *scene)
{
	heal_report_done(&scene->report);
	(void)heal_context_free(scene->ctx);
}
#define _cleanup_scene_ _cleanup_(scene_done)

static void becomes_fresh(struct fake_service *fake)
{
	tree_set_maps(fake->tree, PID, TREE_MAPS_FRESH);
}

static void scene_init(struct scene *scene)
{
	const struct tree *tree = tree_new();

	*scene = (struct scene){
		.tree = tree,
		.ctx = tree_context(tree),
		.service = {.tree = tree, .unit = fake_unit(PID), .on_reload = becomes_fresh},
		.packages = {.owners = owners},
	};
	fake_service_use(scene->ctx, &scene->service);
	fake_packages_use(scene->ctx, &scene->packages);
	tree_add(tree, &(struct tree_process){.pid = PID, .maps = TREE_MAPS_STALE});
	tree_add(tree, &(struct tree_process){.pid = 200, .ppid = PID, .title = "sshd: root@pts/0|"});
	tree_file(tree, LEFT, "1\nsomething else\n");
}

static const struct heal_listener *run(struct scene *scene, enum heal_verb verb)
{
	if (heal_run(scene->ctx, verb, &scene->report, &scene->error) < 0)
		fail_msg("%s", scene->error.message);
	return scene->report.listeners.count ? &scene->report.listeners.items[0] : NULL;
}

HEAL_TEST(run_on_a_tree_never_acts)
{
	for (size_t i = 0; i < ALL_VERBS; i++) {
		_cleanup_scene_ struct scene scene;
		const struct heal_listener *listener;

		scene_init(&scene);
		listener = run(&scene, verbs[i]);
		assert_int_equal(scene.report.listeners.count, 1);
		assert_int_equal(listener->result.outcome, HEAL_OUTCOME_DRY_RUN);
		assert_int_equal(listener->result.plan, HEAL_PLAN_RELOAD);
		assert_int_equal(listener->evidence.n_stale, 1);
		assert_null(strstr(scene.service.calls, "reload"));
		assert_int_equal(scene.report.verdict, HEAL_VERDICT_STALE);
		assert_true(tree_has(scene.tree, LEFT));
		assert_false(tree_has(scene.tree, "run/sshd-heal/lock"));
		tree_remove_all();
	}
}

HEAL_TEST(run_that_only_looks_never_acts_on_a_live_host)
{
	static const enum heal_verb looks[] = {HEAL_CHECK, HEAL_DRY_RUN};

	for (size_t i = 0; i < ARRAY_SIZE(looks); i++) {
		_cleanup_scene_ struct scene scene;

		scene_init(&scene);
		scene.ctx->is_live = true;
		(void)run(&scene, looks[i]);
		assert_string_equal(scene.service.calls, "is_stopping; unit_of 34; ");
		assert_true(tree_has(scene.tree, LEFT));
		assert_false(tree_has(scene.tree, "run/sshd-heal/lock"));
		tree_remove_all();
	}
}

HEAL_TEST(run_without_an_ssh_client_only_warns)
{
	_cleanup_scene_ struct scene scene;
	const struct heal_listener *listener;

	scene_init(&scene);
	scene.ctx->is_live = true;
	listener = run(&scene, HEAL_HEAL);
	assert_int_equal(listener->result.outcome, HEAL_OUTCOME_WARNED);
	assert_int_equal(listener->evidence.trial.result, HEAL_TRIAL_SKIPPED);
	assert_non_null(strstr(listener->evidence.trial.detail, "loading module client-libssh: "));
	assert_string_equal(scene.service.calls, "is_stopping; unit_of 34; ");
	assert_true(tree_has(scene.tree, LEFT));
}

HEAL_TEST(run_of_a_hook_with_a_broken_configuration_says_so_and_only_warns)
{
	_cleanup_scene_ struct scene scene;
	const struct heal_listener *listener;

	scene_init(&scene);
	scene.ctx->is_live = true;
	/* No module to read it with. */
	tree_file(scene.tree, "etc/sshd-heal.conf", "Mode=heal\n");
	listener = run(&scene, TEST_HOOK);
	assert_int_equal(scene.ctx->config.mode, HEAL_MODE_WARN);
	assert_int_equal(listener->result.outcome, HEAL_OUTCOME_WARNED);
	assert_int_equal(scene.report.notes.count, 1);
	assert_non_null(strstr(scene.report.notes.lines[0], "loading module config-econf: "));
	assert_non_null(strstr(scene.report.notes.lines[0], "; going on as if it said Mode=warn"));
}

HEAL_TEST(run_describes_a_stale_listener_in_full)
{
	_cleanup_scene_ struct scene scene;
	const struct heal_listener *listener;

	scene_init(&scene);
	tree_file(scene.tree, "run/sshd-heal/proven",
		  "sshd-heal proven 3\nlistener\t34\t228034\t28\t0\thealthy\n"
		  "mapped\t1\t2\t3\t4\t" TREE_LIBCRYPTO "\tlibssl3\t3.0.17\t-\n");
	listener = run(&scene, HEAL_CHECK);
	assert_int_equal(listener->result.verdict, HEAL_VERDICT_STALE);
	assert_int_equal(listener->process.n_addresses, 2);
	assert_int_equal(listener->process.sessions, 1);
	assert_string_equal(listener->unit.id, "ssh.service");
	assert_string_equal(listener->evidence.stale[0].path, TREE_LIBCRYPTO);
	assert_string_equal(listener->evidence.stale[0].package, "libssl3");
	assert_string_equal(listener->evidence.stale[0].version_before, "3.0.17");
	assert_string_equal(listener->evidence.stale[0].version_now, "3.0.22");
	assert_int_equal(scene.report.notes.count, 0);
	assert_int_equal(heal_report_status(&scene.report), 1);
}

HEAL_TEST(run_in_mode_warn_keeps_its_hands_off_and_notes_it)
{
	_cleanup_scene_ struct scene scene;
	const struct heal_listener *listener;

	scene_init(&scene);
	scene.ctx->is_live = true;
	scene.ctx->config.mode = HEAL_MODE_WARN;
	listener = run(&scene, HEAL_HEAL);
	assert_int_equal(listener->result.outcome, HEAL_OUTCOME_WARNED);
	/* Without a trial nobody is told to do it by hand, either. */
	assert_string_equal(listener->result.detail, "");
	assert_int_equal(heal_report_status(&scene.report), 1);
	assert_true(tree_has(scene.tree, LEFT));
}

HEAL_TEST(run_with_nothing_stale_forgets_what_was_left)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene);
	scene.ctx->is_live = true;
	becomes_fresh(&scene.service);
	(void)run(&scene, HEAL_HOOK);
	assert_false(tree_has(scene.tree, LEFT));
}

HEAL_TEST(run_of_a_hook_asks_nobody_while_the_last_proof_holds)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene);
	scene.ctx->is_live = true;
	becomes_fresh(&scene.service);
	/* Without a client to try it, it is not known to be well; but there is nothing more to see. */
	assert_int_equal(run(&scene, HEAL_HOOK)->result.verdict, HEAL_VERDICT_UNKNOWN);
	assert_string_not_equal(scene.service.calls, "");
	assert_int_equal(scene.packages.n_owners_calls, 1);
	heal_report_done(&scene.report);
	tree_remove(scene.tree, "run/sshd-heal/lock");
	scene.service.calls[0] = '\0';
	assert_int_equal(run(&scene, HEAL_HOOK)->result.verdict, HEAL_VERDICT_UNKNOWN);
	assert_string_equal(scene.service.calls, "");
	assert_int_equal(scene.packages.n_owners_calls, 1);
	assert_int_equal(heal_report_status(&scene.report), 3);
	assert_false(tree_has(scene.tree, "run/sshd-heal/lock"));
}

HEAL_TEST(run_leaves_a_foreign_listener_unexamined)
{
	_cleanup_scene_ struct scene scene;
	const struct heal_listener *listener;

	scene_init(&scene);
	scene.ctx->is_live = true;
	tree_add(scene.tree, &(struct tree_process){
				     .pid = PID, .maps = TREE_MAPS_STALE, .mnt_ns = "mnt:[1]"});
	listener = run(&scene, HEAL_HEAL);
	assert_string_equal(scene.service.calls, "");
	assert_int_equal(listener->evidence.n_stale, 0);
	assert_int_equal(listener->result.verdict, HEAL_VERDICT_FOREIGN);
	assert_int_equal(listener->result.outcome, HEAL_OUTCOME_NOT_NEEDED);
	assert_int_equal(scene.report.verdict, HEAL_VERDICT_HEALTHY);
	assert_int_equal(heal_report_status(&scene.report), 0);
}

HEAL_TEST(run_without_any_sshd)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene);
	scene.ctx->is_live = true;
	tree_end(scene.tree, PID);
	assert_null(run(&scene, HEAL_HEAL));
	assert_int_equal(heal_report_status(&scene.report), 0);
}

HEAL_TEST(run_without_proc_is_an_error)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene);
	tree_remove(scene.tree, "proc");
	heal_closep(&scene.ctx->proc_fd);
	scene.ctx->proc_fd = -1;
	assert_int_equal(heal_run(scene.ctx, HEAL_CHECK, &scene.report, &scene.error), -ENOENT);
	assert_non_null(strstr(scene.error.message, "/proc"));
	assert_int_equal(scene.report.listeners.count, 0);
	/* An image build has no sshd to heal, either: no reason for a hook to speak. */
	assert_int_equal(heal_run(scene.ctx, HEAL_HOOK, &scene.report, &scene.error), 0);
	assert_int_equal(scene.report.listeners.count, 0);
	assert_int_equal(scene.report.notes.count, 0);
}

HEAL_TEST(run_waits_for_another_one_until_the_deadline_and_then_only_warns)
{
	_cleanup_scene_ struct scene scene;
	_cleanup_close_ int lock = -1;
	const struct heal_listener *listener;
	int64_t start = heal_now_ms();

	scene_init(&scene);
	scene.ctx->is_live = true;
	scene.ctx->deadline_ms = start + 50;
	tree_file(scene.tree, "run/sshd-heal/lock", "");
	lock = openat(scene.tree->fd, "run/sshd-heal/lock", O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	listener = run(&scene, HEAL_HEAL);
	assert_in_range(heal_now_ms() - start, 50, 1900);
	assert_int_equal(listener->result.outcome, HEAL_OUTCOME_WARNED);
	assert_string_equal(listener->result.reason, "another sshd-heal is at work");
	/* No other word: nothing was tried that the other one is in the middle of. */
	assert_int_equal(scene.report.notes.count, 0);
	assert_int_equal(listener->evidence.trial.result, HEAL_TRIAL_NONE);
	assert_string_equal(listener->evidence.trial.detail, "");
	assert_string_equal(listener->result.detail, "");
	assert_null(strstr(scene.service.calls, "reload"));
	assert_true(tree_has(scene.tree, LEFT));
}

/* With the usual deadline there must be time left to try, act and rescue. */
HEAL_TEST(run_does_not_wait_for_another_one_until_nothing_can_be_done_any_more)
{
	_cleanup_scene_ struct scene scene;
	_cleanup_close_ int lock = -1;
	int64_t start = heal_now_ms();

	scene_init(&scene);
	scene.ctx->is_live = true;
	scene.ctx->config.deadline_ms = 30000;
	scene.ctx->deadline_ms = start + 20100;
	tree_file(scene.tree, "run/sshd-heal/lock", "");
	lock = openat(scene.tree->fd, "run/sshd-heal/lock", O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_string_equal(run(&scene, HEAL_HEAL)->result.reason, "another sshd-heal is at work");
	assert_in_range(heal_now_ms() - start, 100, 1900);
}

/* F2: what anybody may have opened by the thousand is not walked over. */
HEAL_TEST(run_reads_no_descriptors_of_a_foreign_listener)
{
	_cleanup_scene_ struct scene scene;
	const struct heal_listener *listener;

	scene_init(&scene);
	tree_add(scene.tree, &(struct tree_process){.pid = PID, .uids = "1000\t1000\t1000\t1000"});
	tree_remove(scene.tree, "proc/34/fd");
	listener = run(&scene, HEAL_CHECK);
	assert_int_equal(listener->process.foreign, HEAL_FOREIGN_USER);
	assert_int_equal(listener->process.n_addresses, 0);
	assert_int_equal(scene.report.notes.count, 0);
}

HEAL_TEST(run_that_only_looks_waits_for_nobody)
{
	_cleanup_scene_ struct scene scene;
	_cleanup_close_ int lock = -1;

	scene_init(&scene);
	scene.ctx->is_live = true;
	tree_file(scene.tree, "run/sshd-heal/lock", "");
	lock = openat(scene.tree->fd, "run/sshd-heal/lock", O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	(void)run(&scene, HEAL_CHECK);
	assert_int_equal(scene.report.notes.count, 0);
}

static void *unlock_soon(void *argument)
{
	heal_sleep_ms(40);
	(void)flock(*(const int *)argument, LOCK_UN);
	return NULL;
}

HEAL_TEST(run_goes_on_when_the_other_one_has_ended)
{
	_cleanup_scene_ struct scene scene;
	_cleanup_close_ int lock = -1;
	pthread_t thread;
	int r;

	scene_init(&scene);
	scene.ctx->is_live = true;
	tree_file(scene.tree, "run/sshd-heal/lock", "");
	lock = openat(scene.tree->fd, "run/sshd-heal/lock", O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_int_equal(pthread_create(&thread, NULL, unlock_soon, &lock), 0);
	r = heal_run(scene.ctx, HEAL_HEAL, &scene.report, &scene.error);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(r, 0);
	assert_string_equal(scene.service.calls, "is_stopping; unit_of 34; ");
}

HEAL_TEST(run_refuses_a_lock_that_is_a_symbolic_link)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene);
	scene.ctx->is_live = true;
	tree_link(scene.tree, "run/sshd-heal/lock", "../../victim");
	assert_int_equal(run(&scene, HEAL_HEAL)->result.outcome, HEAL_OUTCOME_WARNED);
	assert_false(tree_has(scene.tree, "victim"));
	assert_string_equal(scene.service.calls, "is_stopping; unit_of 34; ");
	assert_int_equal(scene.report.notes.count, 1);
	assert_string_equal(scene.report.notes.lines[0],
			    "locking /run/sshd-heal/lock: Too many levels of symbolic links; only "
			    "warning");
}

HEAL_TEST(run_that_has_neither_lock_nor_configuration_says_both_and_only_warns)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene);
	scene.ctx->is_live = true;
	tree_link(scene.tree, "run/sshd-heal/lock", "../../victim");
	/* No module to read it with; it is read though the lock cannot be had. */
	tree_file(scene.tree, "etc/sshd-heal.conf", "Mode=heal\n");
	assert_int_equal(run(&scene, HEAL_HEAL)->result.outcome, HEAL_OUTCOME_WARNED);
	assert_int_equal(scene.report.notes.count, 2);
	assert_string_equal(scene.report.notes.lines[0],
			    "locking /run/sshd-heal/lock: Too many levels of symbolic links; only "
			    "warning");
	assert_non_null(strstr(scene.report.notes.lines[1], "loading module config-econf: "));
	/* What stands there is not known for that. */
	assert_false(scene.ctx->is_configured);
}

HEAL_TEST(run_in_a_chroot_keeps_its_hands_off_and_takes_no_lock)
{
	_cleanup_scene_ struct scene scene;
	const struct heal_listener *listener;

	scene_init(&scene);
	scene.ctx->is_live = true;
	scene.ctx->is_chroot = true;
	listener = run(&scene, HEAL_HEAL);
	assert_int_equal(listener->process.foreign, HEAL_FOREIGN_NAMESPACE);
	assert_int_equal(listener->result.outcome, HEAL_OUTCOME_NOT_NEEDED);
	assert_string_equal(scene.service.calls, "");
	assert_false(tree_has(scene.tree, "run/sshd-heal/lock"));
	assert_true(tree_has(scene.tree, LEFT));
}

HEAL_TEST(run_tells_maps_that_may_not_be_read_from_healthy_ones)
{
	_cleanup_scene_ struct scene scene;
	const struct heal_listener *listener;

	scene_init(&scene);
	/* A read error that root meets, too. */
	tree_remove(scene.tree, "proc/34/maps");
	tree_file(scene.tree, "proc/34/maps/x", "");
	listener = run(&scene, HEAL_CHECK);
	assert_int_equal(listener->result.verdict, HEAL_VERDICT_UNKNOWN);
	assert_int_equal(scene.report.verdict, HEAL_VERDICT_UNKNOWN);
	assert_int_equal(scene.report.listeners.unreadable, 1);
	assert_int_equal(scene.report.notes.count, 1);
	assert_string_equal(scene.report.notes.lines[0],
			    "reading the mappings of sshd process 34: Invalid argument");
	assert_int_equal(heal_report_status(&scene.report), 3);
}

