/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scene.h"

void scene_init(struct scene *scene, int deadline_ms)
{
	const struct tree *tree = tree_new();

	*scene = (struct scene){
		.ctx = tree_context(tree),
		.fake = {.tree = tree, .unit = fake_unit(PID), .main_pid = PID},
		.listener = {.process.dirfd = -1},
	};
	scene->ctx->deadline_ms = heal_now_ms() + deadline_ms;
	fake_service_use(scene->ctx, &scene->fake);
	tree_add(tree, &(struct tree_process){.pid = PID, .maps = TREE_MAPS_STALE});
	tree_load(scene->ctx, PID, &scene->listener);
	scene->listener.unit = scene->fake.unit;
	scene->listener.unit.manager = HEAL_MANAGER_RUNNING;
	scene->listener.unit.id = strdup(scene->fake.unit.id);
}

static enum heal_objection scene_objection(uint64_t facts)
{
	static const uint64_t objections[] = {
		[HEAL_OBJECTION_NO_TIME] = HEAL_FACT_NO_TIME,
		[HEAL_OBJECTION_TRANSACTION] = HEAL_FACT_TRANSACTION,
		[HEAL_OBJECTION_NOT_READY] = HEAL_FACT_NOT_READY,
		[HEAL_OBJECTION_LOG_STUCK] = HEAL_FACT_LOG_STUCK,
		[HEAL_OBJECTION_POLICY_FORBIDS] = HEAL_FACT_FORBIDDEN,
		[HEAL_OBJECTION_POLICY_UNASKED] = HEAL_FACT_POLICY_UNASKED,
		[HEAL_OBJECTION_START_LIMIT] = HEAL_FACT_START_LIMIT,
	};

	for (size_t i = 1; i < ARRAY_SIZE(objections); i++)
		if (facts & objections[i])
			return (enum heal_objection)i;
	return HEAL_OBJECTION_NONE;
}

static void scene_unit(struct heal_listener *listener, uint64_t facts)
{
	struct heal_unit *unit = &listener->unit;

	unit->manager = HEAL_MANAGER_RUNNING;
	if (facts & HEAL_FACT_SHUTTING_DOWN)
		unit->manager = HEAL_MANAGER_STOPPING;
	if (facts & HEAL_FACT_NO_MANAGER)
		unit->manager = HEAL_MANAGER_UNKNOWN;
	unit->main_pid = facts & HEAL_FACT_UNMANAGED ? 33 : listener->process.pid;
	unit->is_socket_activated = facts & HEAL_FACT_SOCKET_ACTIVATED;
	unit->can_reload = facts & HEAL_FACT_CAN_RELOAD;
	unit->refuses_stop = facts & HEAL_FACT_REFUSES_STOP;
	if (facts & HEAL_FACT_KILLS_SESSIONS)
		listener->evidence.at_stake = HEAL_AT_STAKE_SESSIONS;
	if (facts & HEAL_FACT_SESSIONS_UNSEEN)
		listener->evidence.at_stake = HEAL_AT_STAKE_UNSEEN;
}

static void scene_trial(struct heal_trial *trial, uint64_t facts)
{
	if (facts & HEAL_FACT_UNTRIED)
		trial->result = HEAL_TRIAL_SKIPPED;
	if (facts & HEAL_FACT_TRIAL_FAILED)
		trial->result = HEAL_TRIAL_FAILED;
	if (facts & HEAL_FACT_KEY_CHANGED)
		trial->host_key = HEAL_HOST_KEY_CHANGED;
	trial->is_moving = facts & HEAL_FACT_MOVES;
	trial->is_hup_fatal = facts & HEAL_FACT_HUP_FATAL;
}

void scene_see(struct scene *scene, uint64_t facts)
{
	struct heal_listener *listener = &scene->listener;

	if (!(facts & HEAL_FACT_STALE))
		heal_evidence_clear_stale(&listener->evidence);
	scene_unit(listener, facts);
	scene_trial(&listener->evidence.trial, facts);
	listener->evidence.live.fate = HEAL_FATE_OK;
	if (facts & HEAL_FACT_REFUSING)
		listener->evidence.live.fate = HEAL_FATE_RESET;
	if (facts & HEAL_FACT_UNSEEN)
		listener->evidence.live.fate = HEAL_FATE_TIMEOUT;
	listener->evidence.pending.is_config = facts & HEAL_FACT_CONFIG_PENDING;
	listener->evidence.objection = scene_objection(facts);
	if (facts & HEAL_FACT_RELOADED)
		listener->result.in_vain = HEAL_PLAN_RELOAD;
	if (facts & HEAL_FACT_MODE_WARN)
		scene->ctx->config.mode = HEAL_MODE_WARN;
	scene->ctx->config.hup_unmanaged = facts & HEAL_FACT_HUP_ALLOWED;
	if (facts & HEAL_FACT_BUSY)
		scene->ctx->lock = HEAL_LOCK_BUSY;
	if (facts & HEAL_FACT_UNLOCKED)
		scene->ctx->lock = HEAL_LOCK_NONE;
	if (facts & HEAL_FACT_FOREIGN)
		listener->process.foreign = HEAL_FOREIGN_USER;
	/* Of what is not ours, or beside a main process, the unit says nothing. */
	if (facts & (HEAL_FACT_FOREIGN | HEAL_FACT_UNMANAGED))
		facts &= ~(HEAL_FACT_CAN_RELOAD | HEAL_FACT_SOCKET_ACTIVATED);
	assert_int_equal(scene_facts(scene), facts);
}

uint64_t scene_facts(const struct scene *scene)
{
	return heal_facts_of(&scene->ctx->config, scene->ctx->lock, &scene->listener);
}

void scene_gets_new_process(struct fake_service *fake)
{
	tree_end(fake->tree, PID);
	tree_add(fake->tree, &(struct tree_process){.pid = NEW_PID});
	fake->main_pid = NEW_PID;
}

void scene_gets_new_stale_process(struct fake_service *fake)
{
	scene_gets_new_process(fake);
	tree_set_maps(fake->tree, NEW_PID, TREE_MAPS_STALE);
}

void scene_done(struct scene *scene)
{
	heal_notes_done(&scene->notes);
	heal_listener_done(&scene->listener);
	(void)heal_context_free(scene->ctx);
}
