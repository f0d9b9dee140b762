/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what look and try have seen to the facts that are judged: nowhere else. */
#include "judge/facts.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "host/config.h"
#include "report.h"

struct facts_row {
	uint64_t fact;
	bool holds;
};

static uint64_t facts_sum(const struct facts_row *rows, size_t count)
{
	uint64_t facts = 0;

	for (size_t i = 0; i < count; i++)
		if (rows[i].holds)
			facts |= rows[i].fact;
	return facts;
}

/* Whether a client was sent that came to no end. Not every run sends one. */
static bool facts_is_unseen(const struct heal_hello *live, const struct heal_trial *trial)
{
	return trial->result != HEAL_TRIAL_NONE && trial->wrapped < HEAL_WRAPPED_OURS &&
	       (live->fate == HEAL_FATE_UNKNOWN || live->fate == HEAL_FATE_TIMEOUT ||
		live->fate == HEAL_FATE_PENALTY);
}

static uint64_t facts_of_run(const struct heal_config *config, enum heal_lock lock)
{
	const struct facts_row rows[] = {
		{HEAL_FACT_MODE_WARN, config->mode == HEAL_MODE_WARN},
		{HEAL_FACT_HUP_ALLOWED, config->hup_unmanaged},
		{HEAL_FACT_BUSY, lock == HEAL_LOCK_BUSY},
		{HEAL_FACT_UNLOCKED, lock == HEAL_LOCK_NONE},
	};

	return facts_sum(rows, ARRAY_SIZE(rows));
}

/* Of a process beside the main one the unit's facts say nothing: it may be anything. */
static uint64_t facts_of_unit(const struct heal_listener *listener)
{
	const struct heal_unit *unit = &listener->unit;
	enum heal_at_stake at_stake = listener->evidence.at_stake;
	bool is_asked = unit->manager != HEAL_MANAGER_UNKNOWN;
	bool is_main = heal_listener_has_unit(listener);
	const struct facts_row rows[] = {
		{HEAL_FACT_NO_MANAGER, !is_asked},
		{HEAL_FACT_SHUTTING_DOWN, unit->manager == HEAL_MANAGER_STOPPING},
		{HEAL_FACT_UNMANAGED, is_asked && !is_main},
		{HEAL_FACT_SOCKET_ACTIVATED, is_main && heal_listener_is_socket_activated(listener)},
		{HEAL_FACT_CAN_RELOAD, is_main && unit->can_reload},
		{HEAL_FACT_REFUSES_STOP, is_main && unit->refuses_stop},
		{HEAL_FACT_MASKED, is_main && unit->is_masked},
		{HEAL_FACT_ABSENT, unit->absence != HEAL_ABSENCE_NONE && unit->absence != HEAL_ABSENCE_WAITING},
		{HEAL_FACT_WAITING, unit->absence == HEAL_ABSENCE_WAITING},
		{HEAL_FACT_FAILED, unit->absence == HEAL_ABSENCE_FAILED},
		{HEAL_FACT_ENDED, unit->absence == HEAL_ABSENCE_ENDED},
		{HEAL_FACT_RESCUED, unit->absence == HEAL_ABSENCE_RESCUED},
		{HEAL_FACT_KILLS_SESSIONS, is_main && at_stake == HEAL_AT_STAKE_SESSIONS},
		{HEAL_FACT_SESSIONS_UNSEEN, is_main && at_stake == HEAL_AT_STAKE_UNSEEN},
	};

	return facts_sum(rows, ARRAY_SIZE(rows));
}

static uint64_t facts_of_trial(const struct heal_trial *trial)
{
	const struct facts_row rows[] = {
		{HEAL_FACT_UNTRIED, trial->result == HEAL_TRIAL_SKIPPED},
		{HEAL_FACT_UNTRIED_NOW, trial->result == HEAL_TRIAL_SKIPPED && trial->is_passing},
		{HEAL_FACT_TRIAL_FAILED, trial->result == HEAL_TRIAL_FAILED},
		{HEAL_FACT_KEY_CHANGED, trial->host_key == HEAL_HOST_KEY_CHANGED},
		{HEAL_FACT_MOVES, trial->is_moving},
		{HEAL_FACT_SHUT, trial->wrapped == HEAL_WRAPPED_ALL},
		{HEAL_FACT_HUP_FATAL, trial->is_hup_fatal},
		{HEAL_FACT_UNFORESEEN, trial->is_hup_only},
	};

	return facts_sum(rows, ARRAY_SIZE(rows));
}

static uint64_t facts_of_objection(enum heal_objection objection)
{
	static const uint64_t facts[] = {
		[HEAL_OBJECTION_NONE] = 0,
		[HEAL_OBJECTION_NO_TIME] = HEAL_FACT_NO_TIME,
		[HEAL_OBJECTION_TRANSACTION] = HEAL_FACT_TRANSACTION,
		[HEAL_OBJECTION_NOT_READY] = HEAL_FACT_NOT_READY,
		[HEAL_OBJECTION_LOG_STUCK] = HEAL_FACT_LOG_STUCK,
		[HEAL_OBJECTION_POLICY_FORBIDS] = HEAL_FACT_FORBIDDEN,
		[HEAL_OBJECTION_POLICY_UNASKED] = HEAL_FACT_POLICY_UNASKED,
		[HEAL_OBJECTION_RETRY] = HEAL_FACT_RETRY,
		[HEAL_OBJECTION_START_LIMIT] = HEAL_FACT_START_LIMIT,
		[HEAL_OBJECTION_UNFORESEEN] = HEAL_FACT_UNFORESEEN,
	};

	return facts[objection];
}

uint64_t heal_facts_of(const struct heal_config *config, enum heal_lock lock,
		       const struct heal_listener *listener)
{
	const struct heal_evidence *evidence = &listener->evidence;
	bool is_ours = listener->process.foreign == HEAL_OURS;
	bool is_short = *evidence->lost && !heal_fate_is_refusal(evidence->live.fate);
	const struct facts_row rows[] = {
		{HEAL_FACT_FOREIGN, !is_ours},
		{HEAL_FACT_STALE, evidence->n_stale > 0},
		{HEAL_FACT_REFUSING,
		 heal_fate_is_refusal(evidence->live.fate) || evidence->trial.wrapped == HEAL_WRAPPED_ALL || *evidence->lost ||
			 (listener->unit.absence == HEAL_ABSENCE_WAITING &&
			  evidence->trial.result == HEAL_TRIAL_FAILED)},
		{HEAL_FACT_LOST, is_short},
		{HEAL_FACT_HELD, is_short && evidence->is_lost_held},
		{HEAL_FACT_FULL, evidence->live.fate == HEAL_FATE_FULL},
		{HEAL_FACT_UNSEEN, facts_is_unseen(&evidence->live, &evidence->trial)},
		{HEAL_FACT_RELOADED, listener->result.in_vain != HEAL_PLAN_NONE},
		{HEAL_FACT_KEY_CHANGED, evidence->pending.is_key},
		{HEAL_FACT_LACKING, evidence->pending.is_lacking},
		{HEAL_FACT_CONFIG_PENDING, evidence->pending.is_config},
		{HEAL_FACT_DOOMED, evidence->is_doomed},
	};

	return facts_sum(rows, ARRAY_SIZE(rows)) | facts_of_run(config, lock) |
	       (is_ours ? facts_of_unit(listener) : 0) | facts_of_trial(&evidence->trial) |
	       facts_of_objection(evidence->objection);
}
