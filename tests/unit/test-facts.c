/* SPDX-License-Identifier: GPL-2.0-or-later */
/* heal_unit_find and heal_facts_of: from a listener, the configuration and systemd to the facts. */
#include "scene.h"

/* A stale listener with a session, of which systemd is yet to be asked. */
static void unasked_init(struct scene *scene)
{
	scene_init(scene, 500);
	tree_add(scene->fake.tree,
		 &(struct tree_process){.pid = 200, .ppid = PID, .title = "sshd: root@pts/0|"});
	free(heal_take(scene->listener.unit.id));
	scene->listener.unit = (struct heal_unit){0};
}

static unsigned facts_found(struct scene *scene)
{
	struct heal_error error = {0};

	assert_int_equal(heal_unit_find(scene->ctx, &scene->listener, &error), 0);
	return scene_facts(scene);
}

HEAL_TEST(facts_of_a_unit)
{
	static const struct {
		const char *what;
		struct heal_unit unit;
		unsigned facts;
	} rows[] = {
		{"nothing special", {.main_pid = PID, .is_service = true}, 0},
		{"reloads", {.main_pid = PID, .is_service = true, .can_reload = true},
		 HEAL_FACT_CAN_RELOAD},
		{"socket", {.main_pid = PID, .is_service = true, .is_socket_activated = true},
		 HEAL_FACT_SOCKET_ACTIVATED},
		{"refuses", {.main_pid = PID, .is_service = true, .refuses_stop = true},
		 HEAL_FACT_REFUSES_STOP},
		{"kills", {.main_pid = PID, .is_service = true, .kills_cgroup = true},
		 HEAL_FACT_KILLS_SESSIONS},
		{"all", {.main_pid = PID, .is_service = true, .is_socket_activated = true,
			 .can_reload = true, .refuses_stop = true, .kills_cgroup = true},
		 HEAL_FACT_SOCKET_ACTIVATED | HEAL_FACT_CAN_RELOAD | HEAL_FACT_REFUSES_STOP |
			 HEAL_FACT_KILLS_SESSIONS},
		{"a scope: an sshd started from a session", {.main_pid = 0, .can_reload = true},
		 HEAL_FACT_UNMANAGED},
		{"not the main process", {.main_pid = 33, .is_service = true, .can_reload = true},
		 HEAL_FACT_UNMANAGED},
		{"not the main process of one that kills",
		 {.main_pid = 33, .is_service = true, .kills_cgroup = true}, HEAL_FACT_UNMANAGED},
		{"main process, but of no service", {.main_pid = PID, .can_reload = true},
		 HEAL_FACT_UNMANAGED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_scene_ struct scene scene;
		unsigned facts;

		unasked_init(&scene);
		scene.fake.unit = rows[i].unit;
		scene.fake.unit.id = (char *)"ssh.service";
		facts = facts_found(&scene);
		assert_row(facts == (HEAL_FACT_STALE | rows[i].facts), "%s: %#x", rows[i].what,
			   facts);
		assert_row(test_same(scene.listener.unit.id, "ssh.service"), "%s", rows[i].what);
		tree_remove_all();
	}
}

HEAL_TEST(facts_of_a_system_that_shuts_down)
{
	_cleanup_scene_ struct scene scene;

	unasked_init(&scene);
	scene.fake.is_stopping = true;
	assert_int_equal(facts_found(&scene),
			 HEAL_FACT_STALE | HEAL_FACT_SHUTTING_DOWN | HEAL_FACT_CAN_RELOAD);
}

HEAL_TEST(facts_of_a_listener_outside_of_any_unit)
{
	_cleanup_scene_ struct scene scene;

	unasked_init(&scene);
	scene.fake.unit = (struct heal_unit){0};
	assert_int_equal(facts_found(&scene), HEAL_FACT_STALE | HEAL_FACT_UNMANAGED);
	assert_null(scene.listener.unit.id);
	assert_string_equal(scene.fake.calls, "is_stopping; unit_of 34; ");
}

HEAL_TEST(facts_when_systemd_does_not_answer)
{
	static const char *const failing[] = {"open", "is_stopping", "unit_of"};

	for (size_t i = 0; i < ARRAY_SIZE(failing); i++) {
		_cleanup_scene_ struct scene scene;
		struct heal_error error = {0};
		char expected[64];

		unasked_init(&scene);
		fake_service_fails(&scene.fake, failing[i], ETIMEDOUT);
		fake_service_offer(scene.ctx, &scene.fake);
		assert_int_equal(heal_unit_find(scene.ctx, &scene.listener, &error), -ETIMEDOUT);
		assert_int_equal(scene_facts(&scene), HEAL_FACT_STALE | HEAL_FACT_NO_MANAGER);
		(void)snprintf(expected, sizeof(expected), "%s did not work", failing[i]);
		assert_string_equal(error.message, expected);
		tree_remove_all();
	}
}

HEAL_TEST(way_notes_that_systemd_does_not_answer)
{
	static const struct {
		const char *maps;
		size_t n_stale;
	} rows[] = {{TREE_MAPS_STALE, 1}, {TREE_MAPS_FRESH, 0}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_scene_ struct scene scene;
		_cleanup_report_ struct heal_report report = {0};
		struct heal_error error = {0};

		scene_init(&scene, 500);
		fake_service_fails(&scene.fake, "is_stopping", ETIMEDOUT);
		tree_set_maps(scene.fake.tree, PID, rows[i].maps);
		assert_int_equal(heal_run(scene.ctx, HEAL_CHECK, &report, &error), 0);
		assert_int_equal(report.listeners.items[0].unit.manager, HEAL_MANAGER_UNKNOWN);
		assert_int_equal(report.listeners.items[0].evidence.n_stale, rows[i].n_stale);
		/* The stale one's packages are not found out, either. */
		assert_int_equal(report.notes.count, 1 + rows[i].n_stale);
		assert_string_equal(report.notes.lines[rows[i].n_stale], "is_stopping did not work");
		tree_remove_all();
	}
}

static void assert_without_systemd(bool is_live, unsigned fact)
{
	_cleanup_scene_ struct scene scene;

	unasked_init(&scene);
	scene.ctx->service_ops = NULL;
	scene.ctx->service = NULL;
	scene.ctx->is_live = is_live;
	assert_int_equal(facts_found(&scene), HEAL_FACT_STALE | fact);
}

HEAL_TEST(facts_on_a_host_without_systemd)
{
	assert_without_systemd(true, HEAL_FACT_UNMANAGED);
}

HEAL_TEST(facts_of_a_recorded_tree_have_no_systemd_that_could_be_asked)
{
	assert_without_systemd(false, HEAL_FACT_NO_MANAGER);
}

HEAL_TEST(way_asks_nothing_of_systemd_about_a_foreign_listener)
{
	_cleanup_scene_ struct scene scene;
	_cleanup_report_ struct heal_report report = {0};
	struct heal_error error = {0};

	scene_init(&scene, 500);
	tree_add(scene.fake.tree, &(struct tree_process){.pid = PID,
							 .maps = TREE_MAPS_STALE,
							 .uids = "1000 1000 1000 1000"});
	assert_int_equal(heal_run(scene.ctx, HEAL_CHECK, &report, &error), 0);
	assert_int_equal(report.listeners.count, 1);
	assert_int_equal(report.listeners.items[0].result.verdict, HEAL_VERDICT_FOREIGN);
	assert_string_equal(scene.fake.calls, "");
}

HEAL_TEST(facts_of_a_foreign_listener_say_nothing_of_a_unit)
{
	static const enum heal_foreign foreign[] = {HEAL_FOREIGN_USER, HEAL_FOREIGN_NAMESPACE,
						    HEAL_FOREIGN_PATH};

	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		_cleanup_scene_ struct scene scene;

		scene_init(&scene, 500);
		scene.listener.process.foreign = foreign[i];
		assert_int_equal(scene_facts(&scene), HEAL_FACT_STALE | HEAL_FACT_FOREIGN);
		tree_remove_all();
	}
}

HEAL_TEST(facts_of_the_configuration)
{
	const unsigned others = HEAL_FACT_STALE | HEAL_FACT_CAN_RELOAD;
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, 500);
	scene.ctx->config.mode = HEAL_MODE_WARN;
	assert_int_equal(scene_facts(&scene), others | HEAL_FACT_MODE_WARN);
	scene.ctx->config.mode = HEAL_MODE_HEAL;
	scene.ctx->config.hup_unmanaged = true;
	assert_int_equal(scene_facts(&scene), others | HEAL_FACT_HUP_ALLOWED);
	heal_evidence_clear_stale(&scene.listener.evidence);
	assert_int_equal(scene_facts(&scene), HEAL_FACT_CAN_RELOAD | HEAL_FACT_HUP_ALLOWED);
}

/* Each fact by itself, and which of the client's fates are a refusal. */
HEAL_TEST(facts_follow_from_what_was_seen)
{
	const struct heal_listener waiting = {.evidence.pending = {.is_config = true, .is_key = true}};
	uint64_t pending = HEAL_FACT_CONFIG_PENDING | HEAL_FACT_KEY_CHANGED;

	for (unsigned bit = 0; bit <= 27; bit++) {
		_cleanup_scene_ struct scene scene;

		/* scene_see() asserts that just these follow from it. */
		scene_init(&scene, 500);
		scene_see(&scene, HEAL_FACT_STALE | 1u << bit);
		tree_remove_all();
	}
	assert_int_equal(heal_facts_of(&(struct heal_config){0}, HEAL_LOCK_HELD, &waiting) & pending, pending);
	for (int fate = HEAL_FATE_UNKNOWN; fate <= HEAL_FATE_FAILED; fate++) {
		struct heal_listener listener = {.evidence.live.fate = (enum heal_fate)fate};
		struct heal_config config = {0};
		bool is_refusing =
			heal_facts_of(&config, HEAL_LOCK_HELD, &listener) & HEAL_FACT_REFUSING;

		assert_row(is_refusing == (fate == HEAL_FATE_REFUSED || fate == HEAL_FATE_RESET ||
					   fate == HEAL_FATE_EOF || fate == HEAL_FATE_FAILED ||
					   fate == HEAL_FATE_FULL),
			   "a client %s", heal_fate_text((enum heal_fate)fate));
	}
}

HEAL_TEST(unit_may_be_asked_for_again)
{
	_cleanup_scene_ struct scene scene;

	unasked_init(&scene);
	fake_service_offer(scene.ctx, &scene.fake);
	for (int i = 0; i < 2; i++)
		assert_int_equal(facts_found(&scene), HEAL_FACT_STALE | HEAL_FACT_CAN_RELOAD);
	/* systemd is connected to once. */
	assert_string_equal(scene.fake.calls, "open; is_stopping; unit_of 34; is_stopping; unit_of 34; ");
}
