/* SPDX-License-Identifier: GPL-2.0-or-later */
/* heal_plan_show and heal_act: what is done, in which order, and what is said of it. */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "scene.h"

#define RELOAD "reload ssh.service; "
#define ASK "reset_failed ssh.service; unit_of 34; "
#define RESTART ASK "restart ssh.service; "
#define DOWN                                                                                 \
	"CRITICAL: sshd is DOWN, nothing listens any more; type: systemctl reset-failed ssh.service; systemctl start ssh.service"
#define CAN_RELOAD (HEAL_FACT_STALE | HEAL_FACT_CAN_RELOAD)
#define RESTARTS (HEAL_FACT_STALE | HEAL_FACT_SOCKET_ACTIVATED)

static void act(struct scene *scene, uint64_t facts)
{
	scene_see(scene, facts);
	heal_act(scene->ctx, &scene->listener, &scene->notes);
	assert_int_equal(scene->notes.count, 0);
}

static void show(struct scene *scene, uint64_t facts)
{
	scene_see(scene, facts);
	heal_plan_show(scene->ctx, &scene->listener, false, &scene->notes);
	assert_int_equal(scene->notes.count, 0);
}

static void closes_its_sockets(struct fake_service *fake)
{
	tree_add(fake->tree, &(struct tree_process){.pid = PID, .sockets = ""});
}

static void assert_outcome(const struct scene *scene, enum heal_plan plan,
			   enum heal_outcome outcome, const char *detail, const char *calls)
{
	assert_string_equal(scene->fake.calls, calls);
	assert_int_equal(scene->listener.result.plan, plan);
	assert_int_equal(scene->listener.result.outcome, outcome);
	assert_string_equal(scene->listener.result.detail, detail);
}

HEAL_TEST(plan_show_tells_without_acting)
{
	static const struct {
		uint64_t facts;
		enum heal_plan plan;
		enum heal_outcome outcome;
		const char *detail;
	} rows[] = {
		{0, HEAL_PLAN_NONE, HEAL_OUTCOME_NOT_NEEDED, ""},
		{HEAL_FACT_FOREIGN | HEAL_FACT_STALE, HEAL_PLAN_NONE, HEAL_OUTCOME_NOT_NEEDED, ""},
		{RESTARTS, HEAL_PLAN_RESTART, HEAL_OUTCOME_DRY_RUN, ""},
		{CAN_RELOAD, HEAL_PLAN_RELOAD, HEAL_OUTCOME_DRY_RUN, ""},
		{HEAL_FACT_STALE | HEAL_FACT_UNMANAGED | HEAL_FACT_HUP_ALLOWED, HEAL_PLAN_HUP,
		 HEAL_OUTCOME_DRY_RUN, ""},
		{CAN_RELOAD | HEAL_FACT_MODE_WARN, HEAL_PLAN_WARN, HEAL_OUTCOME_WARNED,
		 "systemctl reload ssh.service"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_scene_ struct scene scene;

		scene_init(&scene, 500);
		show(&scene, rows[i].facts);
		assert_outcome(&scene, rows[i].plan, rows[i].outcome, rows[i].detail, "");
		assert_string_equal(scene.listener.result.reason, heal_plan_of(rows[i].facts).reason);
		tree_remove_all();
	}
}

HEAL_TEST(warning_says_what_to_type)
{
	static const struct {
		const char *what;
		struct heal_unit unit;
		const char *advice;
	} rows[] = {
		{"reloads", {.main_pid = PID, .is_service = true, .can_reload = true},
		 "systemctl reload ssh.service"},
		{"takes a SIGHUP", {.main_pid = PID, .is_service = true}, "kill -HUP 34"},
		/* SIGHUP would end it. */
		{"socket", {.main_pid = PID, .is_service = true, .can_reload = true,
			    .is_socket_activated = true},
		 "systemctl restart ssh.service"},
		{"beside the main process", {.main_pid = 33, .is_service = true}, "kill -HUP 34"},
		{"a scope", {.main_pid = 0}, "kill -HUP 34"},
		{"main process, but of no service", {.main_pid = PID, .can_reload = true},
		 "kill -HUP 34"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_scene_ struct scene scene;
		char *id;

		scene_init(&scene, 500);
		id = scene.listener.unit.id;
		scene.listener.unit = rows[i].unit;
		scene.listener.unit.id = id;
		scene.listener.unit.manager = HEAL_MANAGER_RUNNING;
		scene.ctx->config.mode = HEAL_MODE_WARN;
		heal_plan_show(scene.ctx, &scene.listener, false, &scene.notes);
		assert_row(test_same(scene.listener.result.detail, rows[i].advice), "%s: %s",
			   rows[i].what, scene.listener.result.detail);
		tree_remove_all();
	}
}

HEAL_TEST(act_reloads_and_proves_it)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, 2000);
	scene.fake.on_reload = fake_becomes_fresh;
	act(&scene, CAN_RELOAD);
	assert_outcome(&scene, HEAL_PLAN_RELOAD, HEAL_OUTCOME_HEALED, "", RELOAD);
	assert_int_equal(scene.listener.process.pid, PID);
	/* What was stale stays for the report. */
	assert_int_equal(scene.listener.evidence.n_stale, 1);
	assert_string_equal(scene.listener.evidence.stale[0].path, TREE_LIBCRYPTO);
}

HEAL_TEST(act_restarts_where_the_reload_was_not_enough)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, 60);
	scene.fake.on_restart = scene_gets_new_process;
	act(&scene, CAN_RELOAD);
	assert_outcome(&scene, HEAL_PLAN_RESTART, HEAL_OUTCOME_HEALED, "",
		       RELOAD RESTART);
	assert_int_equal(scene.listener.process.pid, NEW_PID);
	assert_int_equal(scene.listener.process.start_time, 228000 + NEW_PID);
	assert_int_equal(scene.listener.process.n_addresses, 2);
	assert_int_equal(scene.listener.evidence.n_stale, 1);
}

struct act_row {
	const char *what;
	int deadline_ms;
	uint64_t facts;
	const char *failing;
	int code;
	void (*on_reload)(struct fake_service *fake);
	void (*on_restart)(struct fake_service *fake);
	enum heal_plan plan;
	enum heal_outcome outcome;
	const char *reason; /* NULL: that of the plan */
	const char *detail;
	const char *calls;
	pid_t pid;
	size_t n_notes;
};

static void assert_act(const struct act_row *row)
{
	_cleanup_scene_ struct scene scene;
	const struct heal_result *result = &scene.listener.result;

	scene_init(&scene, row->deadline_ms);
	fake_service_fails(&scene.fake, row->failing, row->code);
	scene.fake.on_reload = row->on_reload;
	scene.fake.on_restart = row->on_restart;
	scene_see(&scene, row->facts);
	heal_act(scene.ctx, &scene.listener, &scene.notes);
	assert_row(scene.notes.count == row->n_notes, "%s: %zu notes", row->what, scene.notes.count);
	assert_row(test_same(scene.fake.calls, row->calls), "%s: %s", row->what, scene.fake.calls);
	assert_row(result->plan == row->plan, "%s: plan %d", row->what, (int)result->plan);
	assert_row(result->outcome == row->outcome, "%s: %d", row->what, (int)result->outcome);
	assert_row(!row->reason || test_same(result->reason, row->reason), "%s: %s", row->what,
		   result->reason);
	assert_row(test_same(result->detail, row->detail), "%s: %s", row->what, result->detail);
	assert_row(scene.listener.process.pid == row->pid, "%s: pid %d", row->what,
		   (int)scene.listener.process.pid);
	tree_remove_all();
}

HEAL_TEST(act_ends_as_the_process_and_systemd_tell)
{
	static const struct act_row rows[] = {
		{"restarts at once where there is no reload", 2000, RESTARTS,
		 .on_restart = scene_gets_new_process, .plan = HEAL_PLAN_RESTART,
		 .outcome = HEAL_OUTCOME_HEALED, .detail = "", .calls = RESTART, .pid = NEW_PID},
		{"restarts nothing of which that is not foreseen", 500, RESTARTS, "foresee", ECANCELED,
		 .plan = HEAL_PLAN_WARN, .outcome = HEAL_OUTCOME_WARNED,
		 .reason = "whether its unit would start again cannot be foreseen", .detail = "",
		 .calls = "", .pid = PID, .n_notes = 1},
		{"never reloads a socket-activated listener", 2000,
		 CAN_RELOAD | HEAL_FACT_SOCKET_ACTIVATED, .on_restart = scene_gets_new_process,
		 .plan = HEAL_PLAN_RESTART, .outcome = HEAL_OUTCOME_HEALED, .detail = "",
		 .calls = RESTART, .pid = NEW_PID},
		{"tries no restart after a reload that failed", 2000, CAN_RELOAD, "reload", ECANCELED,
		 .plan = HEAL_PLAN_RELOAD, .outcome = HEAL_OUTCOME_FAILED,
		 .detail = "reload did not work", .calls = RELOAD, .pid = PID},
		{"fails when the restart fails", 2000, RESTARTS, "restart", ECANCELED,
		 .plan = HEAL_PLAN_RESTART, .outcome = HEAL_OUTCOME_FAILED,
		 .detail = "restart did not work", .calls = RESTART, .pid = PID},
		{"fails when it still is stale after the restart", 60, CAN_RELOAD,
		 .on_restart = scene_gets_new_stale_process, .plan = HEAL_PLAN_RESTART,
		 .outcome = HEAL_OUTCOME_FAILED, .detail = "sshd still runs deleted files",
		 .calls = RELOAD RESTART, .pid = PID},
		{"fails when nothing listens any more: it has ended", 60, CAN_RELOAD,
		 .on_reload = fake_ends, .plan = HEAL_PLAN_START, .outcome = HEAL_OUTCOME_FAILED,
		 .detail = DOWN, .calls = RELOAD, .pid = PID},
		{"fails when nothing listens any more: its sockets are closed", 60, CAN_RELOAD,
		 .on_reload = closes_its_sockets, .plan = HEAL_PLAN_START,
		 .outcome = HEAL_OUTCOME_FAILED, .detail = DOWN, .calls = RELOAD, .pid = PID},
		{"fails when the unit has no process after the restart", 60, RESTARTS,
		 .on_restart = fake_ends, .plan = HEAL_PLAN_START, .outcome = HEAL_OUTCOME_FAILED,
		 .detail = DOWN, .calls = RESTART, .pid = PID},
		{"restarts nothing whose start limit cannot be reset", 500, RESTARTS,
		 "reset_failed", EACCES, .plan = HEAL_PLAN_WARN, .outcome = HEAL_OUTCOME_WARNED,
		 .reason = "its unit's start limit is spent, a restart would leave it stopped",
		 .detail = "", .calls = ASK, .pid = PID},
		{"restarts nothing that systemd does not tell of any more", 500, RESTARTS,
		 "unit_of", ETIMEDOUT, .plan = HEAL_PLAN_WARN, .outcome = HEAL_OUTCOME_WARNED,
		 .reason = "systemd cannot be asked", .detail = "", .calls = ASK, .pid = PID},
		{"does not start again what somebody else has stopped", 500, CAN_RELOAD, "reload",
		 EACCES, .on_reload = fake_ends, .plan = HEAL_PLAN_RELOAD,
		 .outcome = HEAL_OUTCOME_FAILED, .detail = "reload did not work", .calls = RELOAD,
		 .pid = PID},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_act(&rows[i]);
}

HEAL_TEST(act_looks_again_for_sessions_right_before_a_restart)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, 500);
	/* One has begun since the facts were found. */
	scene.fake.unit.kills_cgroup = true;
	tree_add(scene.fake.tree,
		 &(struct tree_process){.pid = 200, .ppid = PID, .title = "sshd: root@pts/0|"});
	act(&scene, RESTARTS);
	assert_string_equal(scene.fake.calls, ASK);
	assert_int_equal(scene.listener.result.outcome, HEAL_OUTCOME_WARNED);
	assert_string_equal(scene.listener.result.reason, "a restart would end open sessions");
}

HEAL_TEST(act_begins_nothing_that_it_has_no_time_to_prove)
{
	static const struct {
		unsigned deadline_ms;
		int left_ms;
		bool acts;
	} rows[] = {
		/* Half of the deadline, ten seconds at the most. */
		{5000, 2400, false},
		{5000, 2600, true},
		{600000, 9900, false},
		{600000, 10100, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_scene_ struct scene scene;

		scene_init(&scene, rows[i].left_ms);
		scene.ctx->config.deadline_ms = rows[i].deadline_ms;
		scene.fake.on_reload = fake_becomes_fresh;
		act(&scene, CAN_RELOAD);
		assert_row(test_same(scene.fake.calls, rows[i].acts ? RELOAD : ""),
			   "row %zu: %s", i, scene.fake.calls);
		assert_row(rows[i].acts ||
				   test_same(scene.listener.result.reason,
					     "too little time is left to act and to prove that "
					     "it went well"),
			   "row %zu: %s", i, scene.listener.result.reason);
		tree_remove_all();
	}
}

HEAL_TEST(warning_gives_no_advice_that_would_do_harm)
{
	static const struct {
		uint64_t facts;
		const char *advice;
	} rows[] = {
		{HEAL_FACT_MODE_WARN, "systemctl reload ssh.service"},
		{HEAL_FACT_FORBIDDEN, "systemctl reload ssh.service"},
		{HEAL_FACT_NO_TIME, "systemctl reload ssh.service"},
		{HEAL_FACT_MODE_WARN | HEAL_FACT_KILLS_SESSIONS, "systemctl reload ssh.service"},
		{HEAL_FACT_TRIAL_FAILED, ""},
		{HEAL_FACT_UNTRIED, ""},
		/* What it would take up beside is named; to want that is for who types it. */
		{HEAL_FACT_KEY_CHANGED, "systemctl reload ssh.service"},
		{HEAL_FACT_CONFIG_PENDING, "systemctl reload ssh.service"},
		{HEAL_FACT_CONFIG_PENDING | HEAL_FACT_UNTRIED, ""},
		{HEAL_FACT_CONFIG_PENDING | HEAL_FACT_TRIAL_FAILED, ""},
		{HEAL_FACT_CONFIG_PENDING | HEAL_FACT_MOVES, ""},
		{HEAL_FACT_MOVES, ""},
		{HEAL_FACT_SHUTTING_DOWN, ""},
		{HEAL_FACT_NO_MANAGER, ""},
		{HEAL_FACT_MODE_WARN | HEAL_FACT_TRIAL_FAILED, ""},
		/* After a reload in vain. */
		{HEAL_FACT_RELOADED | HEAL_FACT_KILLS_SESSIONS, ""},
		{HEAL_FACT_RELOADED | HEAL_FACT_START_LIMIT, ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_scene_ struct scene scene;

		scene_init(&scene, 500);
		show(&scene, CAN_RELOAD | rows[i].facts);
		assert_row(scene.listener.result.outcome == HEAL_OUTCOME_WARNED, "row %zu", i);
		assert_row(test_same(scene.listener.result.detail, rows[i].advice), "row %zu: %s", i,
			   scene.listener.result.detail);
		tree_remove_all();
	}
}

HEAL_TEST(act_warns_where_no_restart_may_follow_the_reload)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, 60);
	scene.listener.unit.kills_cgroup = true;
	act(&scene, CAN_RELOAD | HEAL_FACT_KILLS_SESSIONS);
	assert_string_equal(scene.fake.calls, RELOAD);
	assert_int_equal(scene.listener.result.plan, HEAL_PLAN_WARN);
	assert_int_equal(scene.listener.result.outcome, HEAL_OUTCOME_WARNED);
	assert_string_equal(scene.listener.result.reason, "a restart would end open sessions");
}

HEAL_TEST(act_sends_no_sighup_while_systemd_is_at_work_on_the_unit)
{
	/* Seen at first, and only right before it is sent. */
	for (size_t i = 0; i < 2; i++) {
		_cleanup_scene_ struct scene scene;

		scene_init(&scene, 500);
		scene.fake.unit.has_job = true;
		scene.listener.unit.has_job = i == 0;
		act(&scene, HEAL_FACT_STALE);
		assert_outcome(&scene, HEAL_PLAN_WARN, HEAL_OUTCOME_WARNED, "",
			       i == 0 ? "" : "unit_of 34; ");
		assert_string_equal(scene.listener.result.reason,
				    "sshd does not take a SIGHUP now, which would end it");
		tree_remove_all();
	}
}

/* SIGHUP to an sshd that has no handler yet ends it, 16 of 16 times. */
HEAL_TEST(act_sends_no_sighup_to_an_sshd_that_would_die_of_it)
{
	static const uint64_t rows[] = {CAN_RELOAD,
					HEAL_FACT_STALE | HEAL_FACT_UNMANAGED | HEAL_FACT_HUP_ALLOWED};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_scene_ struct scene scene;

		scene_init(&scene, 50);
		tree_add(scene.fake.tree, &(struct tree_process){.pid = PID, .is_starting = true,
								 .maps = TREE_MAPS_STALE});
		heal_process_done(&scene.listener.process);
		tree_load(scene.ctx, PID, &scene.listener);
		act(&scene, rows[i]);
		assert_outcome(&scene, HEAL_PLAN_WARN, HEAL_OUTCOME_WARNED, "", "");
		assert_string_equal(scene.listener.result.reason,
				    "sshd does not take a SIGHUP now, which would end it");
		tree_remove_all();
	}
}

HEAL_TEST(act_keeps_its_hands_off)
{
	static const uint64_t facts[] = {
		0,
		HEAL_FACT_CAN_RELOAD,
		CAN_RELOAD | HEAL_FACT_FOREIGN,
		CAN_RELOAD | HEAL_FACT_TRIAL_FAILED,
		CAN_RELOAD | HEAL_FACT_UNTRIED,
		CAN_RELOAD | HEAL_FACT_MOVES,
		CAN_RELOAD | HEAL_FACT_NO_TIME,
		CAN_RELOAD | HEAL_FACT_KEY_CHANGED,
		CAN_RELOAD | HEAL_FACT_CONFIG_PENDING,
		CAN_RELOAD | HEAL_FACT_MODE_WARN,
		CAN_RELOAD | HEAL_FACT_FORBIDDEN,
		CAN_RELOAD | HEAL_FACT_SHUTTING_DOWN,
		CAN_RELOAD | HEAL_FACT_NO_MANAGER,
		CAN_RELOAD | HEAL_FACT_UNMANAGED,
		RESTARTS | HEAL_FACT_KILLS_SESSIONS,
		RESTARTS | HEAL_FACT_START_LIMIT,
		RESTARTS | HEAL_FACT_REFUSES_STOP,
	};

	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		_cleanup_scene_ struct scene scene;
		bool is_warned = facts[i] & HEAL_FACT_STALE && !(facts[i] & HEAL_FACT_FOREIGN);

		scene_init(&scene, 500);
		act(&scene, facts[i]);
		assert_row(test_same(scene.fake.calls, ""), "facts %#x: %s", facts[i],
			   scene.fake.calls);
		assert_row(scene.listener.result.outcome ==
				   (is_warned ? HEAL_OUTCOME_WARNED : HEAL_OUTCOME_NOT_NEEDED),
			   "facts %#x: %d", facts[i], (int)scene.listener.result.outcome);
		tree_remove_all();
	}
}

/* A lock that cannot be looked at may be held. */
HEAL_TEST(act_waits_for_the_end_of_a_transaction_that_began_meanwhile)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, 500);
	scene.fake.on_reload = fake_becomes_fresh;
	tree_link(scene.fake.tree, "var/lib/dpkg/lock", "lock");
	show(&scene, CAN_RELOAD);
	assert_outcome(&scene, HEAL_PLAN_WARN, HEAL_OUTCOME_WARNED, "", "");
	act(&scene, CAN_RELOAD);
	assert_outcome(&scene, HEAL_PLAN_WARN, HEAL_OUTCOME_WARNED, "", "");
	assert_string_equal(scene.listener.result.reason, "a package manager is at work");
	tree_remove(scene.fake.tree, "var/lib/dpkg/lock");
	act(&scene, CAN_RELOAD);
	assert_outcome(&scene, HEAL_PLAN_RELOAD, HEAL_OUTCOME_HEALED, "", RELOAD);
}

#define HUP_STATUS 42

static void child_on_hup(int signal)
{
	(void)signal;
	_exit(HUP_STATUS);
}

/*
 * A child that waits for a signal, to stand for a listener outside of systemd. Under
 * nohup(1) it would be born with SIGHUP ignored, as no sshd is.
 */
static pid_t start_child(void)
{
	void (*before)(int) = signal(SIGHUP, SIG_DFL);
	pid_t pid = fork();

	if (pid == 0) {
		(void)signal(SIGHUP, child_on_hup);
		(void)alarm(20);
		for (;;)
			(void)pause();
	}
	assert_true(before != SIG_ERR && signal(SIGHUP, before) != SIG_ERR);
	assert_true(pid > 0);
	return pid;
}

HEAL_TEST(act_sends_sighup_to_the_very_process)
{
	TEST_NEEDS_PIDFDS();
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = NULL;
	_cleanup_listener_ struct heal_listener listener = {.process.dirfd = -1};
	_cleanup_notes_ struct heal_notes notes = {0};
	struct tree_process process = {.maps = TREE_MAPS_STALE};
	char path[32];
	int status = 0;

	ctx = tree_context(tree);
	process.pid = start_child();
	tree_add(tree, &process);
	tree_load(ctx, process.pid, &listener);
	heal_closep(&listener.process.dirfd);
	(void)snprintf(path, sizeof(path), "/proc/%d", (int)process.pid);
	listener.process.dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* In the tree it has taken the signal already. */
	tree_set_maps(tree, process.pid, TREE_MAPS_FRESH);
	listener.unit.manager = HEAL_MANAGER_NONE;
	ctx->config.hup_unmanaged = true;
	heal_act(ctx, &listener, &notes);
	if (listener.result.outcome != HEAL_OUTCOME_HEALED)
		(void)kill(process.pid, SIGKILL);
	assert_int_equal(waitpid(process.pid, &status, 0), process.pid);
	assert_string_equal(listener.result.detail, "");
	assert_int_equal(listener.result.plan, HEAL_PLAN_HUP);
	assert_int_equal(listener.result.outcome, HEAL_OUTCOME_HEALED);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == HUP_STATUS);
}

HEAL_TEST(act_fails_where_sighup_cannot_be_sent)
{
	TEST_NEEDS_PIDFDS();
	_cleanup_scene_ struct scene scene = {.listener = {.process.dirfd = -1}};

	scene_init(&scene, 500);
	/* The tree's directory is no process. */
	act(&scene, HEAL_FACT_STALE | HEAL_FACT_UNMANAGED | HEAL_FACT_HUP_ALLOWED);
	assert_outcome(&scene, HEAL_PLAN_HUP, HEAL_OUTCOME_FAILED,
		       "sending SIGHUP to sshd process 34: Bad file descriptor", "");
}

HEAL_TEST(act_names_no_unit_for_a_listener_beside_it_that_has_ended)
{
	TEST_NEEDS_PIDFDS();
	_cleanup_scene_ struct scene scene = {.listener = {.process.dirfd = -1}};
	char path[32];
	pid_t pid;

	scene_init(&scene, 500);
	scene.listener.unit.main_pid = 33;
	pid = start_child();
	(void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	heal_closep(&scene.listener.process.dirfd);
	scene.listener.process.dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* The child takes the signal, and in the tree it has ended of it. */
	tree_end(scene.fake.tree, PID);
	act(&scene, HEAL_FACT_STALE | HEAL_FACT_UNMANAGED | HEAL_FACT_HUP_ALLOWED);
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(scene.listener.result.outcome, HEAL_OUTCOME_FAILED);
	assert_string_equal(scene.listener.result.detail,
			    "CRITICAL: sshd is DOWN, nothing listens any more; start it by hand");
	/* Least of all the unit, which is another sshd's. */
	assert_string_equal(scene.fake.calls, "");
}
