/* SPDX-License-Identifier: GPL-2.0-or-later */
/* heal_facts_find: from a listener, the configuration and systemd to the facts. */
#include "fake.h"
#include "test.h"

#define PID 34

/* A stale listener in a new tree, with a context that asks the fake. */
static struct heal_context *stale_listener(struct fake_service *fake, struct heal_listener *ret)
{
	const struct tree *tree = tree_new();
	struct heal_context *ctx = tree_context(tree);

	tree_add(tree, &(struct tree_process){.pid = PID, .maps = TREE_MAPS_STALE});
	tree_add(tree, &(struct tree_process){.pid = 200, .ppid = PID, .title = "sshd: root@pts/0|"});
	tree_load(ctx, PID, ret);
	if (fake)
		fake_service_use(ctx, fake);
	return ctx;
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
		{"main process, but of no service", {.main_pid = PID, .can_reload = true},
		 HEAL_FACT_UNMANAGED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_listener_ struct heal_listener listener = {.dirfd = -1};
		_cleanup_notes_ struct heal_notes notes = {0};
		struct fake_service fake = {.unit = rows[i].unit};
		_cleanup_context_ struct heal_context *ctx = stale_listener(&fake, &listener);
		unsigned facts;

		fake.unit.id = (char *)"ssh.service";
		facts = heal_facts_find(ctx, &listener, &notes);
		assert_row(facts == (HEAL_FACT_STALE | rows[i].facts), "%s: %#x", rows[i].what,
			   facts);
		assert_row(test_same(listener.unit.id, "ssh.service"), "%s", rows[i].what);
		assert_int_equal(notes.count, 0);
		tree_remove_all();
	}
}

HEAL_TEST(facts_of_a_system_that_shuts_down)
{
	_cleanup_listener_ struct heal_listener listener = {.dirfd = -1};
	_cleanup_notes_ struct heal_notes notes = {0};
	struct fake_service fake = {.unit = fake_unit(PID), .is_stopping = true};
	_cleanup_context_ struct heal_context *ctx = stale_listener(&fake, &listener);

	assert_int_equal(heal_facts_find(ctx, &listener, &notes),
			 HEAL_FACT_STALE | HEAL_FACT_SHUTTING_DOWN | HEAL_FACT_CAN_RELOAD);
}

HEAL_TEST(facts_of_a_listener_outside_of_any_unit)
{
	_cleanup_listener_ struct heal_listener listener = {.dirfd = -1};
	_cleanup_notes_ struct heal_notes notes = {0};
	struct fake_service fake = {0};
	_cleanup_context_ struct heal_context *ctx = stale_listener(&fake, &listener);

	assert_int_equal(heal_facts_find(ctx, &listener, &notes),
			 HEAL_FACT_STALE | HEAL_FACT_UNMANAGED);
	assert_null(listener.unit.id);
	assert_int_equal(notes.count, 0);
	assert_string_equal(fake.calls, "is_stopping; unit_of 34; ");
}

HEAL_TEST(facts_when_systemd_does_not_answer)
{
	static const char *const failing[] = {"open", "is_stopping", "unit_of"};

	for (size_t i = 0; i < ARRAY_SIZE(failing); i++) {
		_cleanup_listener_ struct heal_listener listener = {.dirfd = -1};
		_cleanup_notes_ struct heal_notes notes = {0};
		struct fake_service fake = {
			.unit = fake_unit(PID), .failing = failing[i], .code = ETIMEDOUT};
		_cleanup_context_ struct heal_context *ctx = stale_listener(NULL, &listener);
		char expected[64];

		fake_service_offer(ctx, &fake);
		assert_int_equal(heal_facts_find(ctx, &listener, &notes),
				 HEAL_FACT_STALE | HEAL_FACT_NO_MANAGER);
		assert_int_equal(notes.count, 1);
		(void)snprintf(expected, sizeof(expected), "%s did not work", failing[i]);
		assert_string_equal(notes.lines[0], expected);
		tree_remove_all();
	}
}

HEAL_TEST(facts_of_a_fresh_listener_have_no_note_when_systemd_does_not_answer)
{
	_cleanup_listener_ struct heal_listener listener = {.dirfd = -1};
	_cleanup_notes_ struct heal_notes notes = {0};
	struct fake_service fake = {.failing = "is_stopping", .code = ETIMEDOUT};
	_cleanup_context_ struct heal_context *ctx = stale_listener(&fake, &listener);

	maps_clear_stale(&listener);
	assert_int_equal(heal_facts_find(ctx, &listener, &notes), HEAL_FACT_NO_MANAGER);
	assert_int_equal(notes.count, 0);
}

HEAL_TEST(facts_on_a_host_without_systemd)
{
	_cleanup_listener_ struct heal_listener listener = {.dirfd = -1};
	_cleanup_notes_ struct heal_notes notes = {0};
	_cleanup_context_ struct heal_context *ctx = stale_listener(NULL, &listener);

	ctx->is_live = true;
	assert_int_equal(heal_facts_find(ctx, &listener, &notes),
			 HEAL_FACT_STALE | HEAL_FACT_UNMANAGED);
	assert_int_equal(notes.count, 0);
}

HEAL_TEST(facts_of_a_foreign_listener_are_found_without_systemd)
{
	static const enum heal_foreign foreign[] = {HEAL_FOREIGN_USER, HEAL_FOREIGN_NAMESPACE,
						    HEAL_FOREIGN_PATH};

	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		_cleanup_listener_ struct heal_listener listener = {.dirfd = -1};
		_cleanup_notes_ struct heal_notes notes = {0};
		struct fake_service fake = {.unit = fake_unit(PID)};
		_cleanup_context_ struct heal_context *ctx = stale_listener(&fake, &listener);

		listener.foreign = foreign[i];
		assert_int_equal(heal_facts_find(ctx, &listener, &notes),
				 HEAL_FACT_STALE | HEAL_FACT_FOREIGN);
		assert_string_equal(fake.calls, "");
	}
}

HEAL_TEST(facts_of_a_recorded_tree_have_no_systemd_that_could_be_asked)
{
	_cleanup_listener_ struct heal_listener listener = {.dirfd = -1};
	_cleanup_notes_ struct heal_notes notes = {0};
	_cleanup_context_ struct heal_context *ctx = stale_listener(NULL, &listener);

	assert_int_equal(heal_facts_find(ctx, &listener, &notes),
			 HEAL_FACT_STALE | HEAL_FACT_NO_MANAGER);
	assert_int_equal(notes.count, 0);
}

HEAL_TEST(facts_of_the_configuration)
{
	_cleanup_listener_ struct heal_listener listener = {.dirfd = -1};
	_cleanup_notes_ struct heal_notes notes = {0};
	struct fake_service fake = {.unit = fake_unit(PID)};
	_cleanup_context_ struct heal_context *ctx = stale_listener(&fake, &listener);
	const unsigned others = HEAL_FACT_STALE | HEAL_FACT_CAN_RELOAD;

	ctx->config.mode = HEAL_MODE_WARN;
	assert_int_equal(heal_facts_find(ctx, &listener, &notes), others | HEAL_FACT_MODE_WARN);
	ctx->config.mode = HEAL_MODE_HEAL;
	ctx->config.hup_unmanaged = true;
	assert_int_equal(heal_facts_find(ctx, &listener, &notes), others | HEAL_FACT_HUP_ALLOWED);
	maps_clear_stale(&listener);
	assert_int_equal(heal_facts_find(ctx, &listener, &notes),
			 HEAL_FACT_CAN_RELOAD | HEAL_FACT_HUP_ALLOWED);
}

HEAL_TEST(facts_may_be_found_again_for_the_same_listener)
{
	_cleanup_listener_ struct heal_listener listener = {.dirfd = -1};
	_cleanup_notes_ struct heal_notes notes = {0};
	struct fake_service fake = {.unit = fake_unit(PID)};
	_cleanup_context_ struct heal_context *ctx = stale_listener(NULL, &listener);

	fake_service_offer(ctx, &fake);
	for (int i = 0; i < 2; i++)
		assert_int_equal(heal_facts_find(ctx, &listener, &notes),
				 HEAL_FACT_STALE | HEAL_FACT_CAN_RELOAD);
	/* systemd is connected to once. */
	assert_string_equal(fake.calls, "open; is_stopping; unit_of 34; is_stopping; unit_of 34; ");
}
