/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An sshd that an action of ours has ended is brought up again: no host is left without. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "act/rescue.h"

#include "act/policy-rc.h"
#include "act/prove.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/words.h"
#include "host/context.h"
#include "host/module.h"
#include "look/holder.h"
#include "report.h"
#include "try/command.h"
#include "try/trial.h"

#define RESCUE_PROVE_MS 5000
#define RESCUE_RESERVE_MS 10000

int64_t heal_job_deadline(const struct heal_context *ctx)
{
	return ctx->deadline_ms - heal_left_ms(ctx->deadline_ms, 3 * RESCUE_RESERVE_MS) / 3;
}

void heal_conclude(struct heal_listener *listener, enum heal_proof proof)
{
	listener->result.outcome = proof == HEAL_PROOF_OK ? HEAL_OUTCOME_HEALED : HEAL_OUTCOME_FAILED;
	if (proof == HEAL_PROOF_UNKNOWN)
		listener->result.verdict = HEAL_VERDICT_UNKNOWN;
	if (proof == HEAL_PROOF_STALE)
		heal_detail(&listener->result, "sshd still runs deleted files");
}

/* What could not be tried is started all the same: it cannot get worse. */
static bool rescue_may_start(struct heal_context *ctx, struct heal_listener *listener)
{
	heal_trial_again(ctx, listener);
	return listener->evidence.trial.result != HEAL_TRIAL_FAILED;
}

static int rescue_start_unit(struct heal_context *ctx, const struct heal_listener *listener,
			     struct heal_error *error)
{
	bool is_rescued = listener->unit.absence == HEAL_ABSENCE_RESCUED;
	struct heal_error ignored;

	(void)ctx->service_ops->reset_failed(ctx->service, listener->unit.id, &ignored);
	return ctx->service_ops->run_job(ctx->service, is_rescued ? HEAL_JOB_TAKE_OVER : HEAL_JOB_START,
					 listener->unit.id, heal_job_deadline(ctx), error);
}

/* Looks for what has come of a start: a new process of the unit. */
static enum heal_proof rescue_prove(struct heal_context *ctx, struct heal_listener *listener, int started)
{
	listener->result.plan = HEAL_PLAN_START;
	return heal_prove(ctx, listener,
			  started == 0 || started == -ENOTCONN ? RESCUE_PROVE_MS : ctx->settle_ms);
}

/* What the administrator's word, or what the unit is shut in by, has against a rescue. */
static int rescue_check(struct heal_context *ctx, const char *unit, struct heal_error *error)
{
	struct heal_unit_state state = {0};
	bool is_confined = false;
	bool is_allowed = false;
	int r = ctx->service_ops->state_of(ctx->service, unit, &state, error);

	if (r == 0)
		r = ctx->service_ops->is_confined(ctx->service, unit, &is_confined, error);
	if (r == 0)
		r = heal_policy_allows(ctx, unit, "start", &is_allowed, error);
	if (r < 0)
		return r;
	if (state.is_masked)
		return heal_error_set(error, EPERM, "it is masked");
	if (!is_allowed)
		return heal_error_set(error, EPERM, "policy-rc.d forbids it");
	if (is_confined)
		return heal_error_set(error, EPERM, "it is shut in by filters or namespaces of its own");
	return 0;
}

static int rescue_start(struct heal_context *ctx, const struct heal_listener *listener,
			struct heal_error *error)
{
	_cleanup_(heal_words_done) struct heal_words argv = {0};
	_cleanup_(heal_start_done) struct heal_start start = HEAL_START_NONE;
	struct heal_rescue rescue = {.unit = listener->unit.id, .argv = &argv};
	struct heal_unit_state state = {.is_at_rest = true};
	struct heal_error ignored;
	bool stays = false;
	int r = rescue_check(ctx, listener->unit.id, error);

	if (r == 0)
		r = ctx->service_ops->state_of(ctx->service, HEAL_RESCUE_UNIT, &state, error);
	/* A start that did not even begin has left it where it was. */
	if (r == 0 && !state.is_at_rest)
		return 0;
	if (r == 0)
		r = heal_start_arguments(ctx, listener, &argv, &start, error);
	for (size_t i = 0; r == 0 && i < argv.count; i++)
		stays |= strcmp(argv.items[i], "-D") == 0;
	/* A rescue that went into the background would be taken for one that has ended. */
	if (r == 0 && !stays)
		r = heal_words_add(&argv, "-D", 2);
	if (r < 0)
		return r;
	rescue.directory = start.cwd;
	/* One that has failed before would be in its own way. */
	(void)ctx->service_ops->reset_failed(ctx->service, HEAL_RESCUE_UNIT, &ignored);
	return ctx->service_ops->start_rescue(ctx->service, &rescue, heal_job_deadline(ctx), error);
}

/* Has our own unit serve. */
static enum heal_proof rescue_serve(struct heal_context *ctx, struct heal_listener *listener,
				    struct heal_error *error)
{
	char *unit = listener->unit.id;
	enum heal_proof proof;
	int r = rescue_start(ctx, listener, error);

	if (r < 0 && r != -ENOTCONN && r != -ETIMEDOUT)
		return HEAL_PROOF_DOWN;
	listener->unit.id = (char *)HEAL_RESCUE_UNIT;
	proof = rescue_prove(ctx, listener, r);
	listener->unit.id = unit;
	if (proof == HEAL_PROOF_DOWN)
		(void)heal_error_set(error, ECANCELED, "nothing listens after its start");
	return proof;
}

/*
 * Nothing listens: the last resort, and what is said of it. failure: of the unit's start;
 * NULL where nothing could be started, a rescue neither.
 */
static void rescue_last(struct heal_context *ctx, struct heal_listener *listener, const char *why,
			const char *failure)
{
	const char *unit = listener->unit.id;
	struct heal_error error = {0};
	enum heal_proof proof = failure ? rescue_serve(ctx, listener, &error) : HEAL_PROOF_DOWN;
	char holder[192] = "";

	listener->unit.absence = proof == HEAL_PROOF_DOWN ? HEAL_ABSENCE_ENDED : HEAL_ABSENCE_RESCUED;
	/* Of one that does not serve as it should the proof has said what is wrong. */
	if (proof != HEAL_PROOF_DOWN && proof != HEAL_PROOF_OK) {
		heal_conclude(listener, proof);
		return;
	}
	if (proof == HEAL_PROOF_OK) {
		heal_detail(&listener->result,
			    "CRITICAL: %s does not start any more, %s; " HEAL_RESCUE_UNIT
			    " serves in its place until it does",
			    unit, failure);
		return;
	}
	heal_holder_find(ctx, &listener->process, holder, sizeof(holder));
	heal_detail(&listener->result, "CRITICAL: sshd is DOWN, %s%s%s%s%s; type: systemctl reset-failed %s; systemctl start %s",
		    why, *holder ? "; " : "", holder, *error.message ? "; no rescue: " : "", error.message, unit,
		    unit);
}

void heal_bring_up(struct heal_context *ctx, struct heal_listener *listener, const char *why)
{
	const char *unit = heal_listener_has_unit(listener) ? listener->unit.id : NULL;
	bool may_start = unit && ctx->client_ops && rescue_may_start(ctx, listener);
	struct heal_error error = {0};
	enum heal_proof proof = HEAL_PROOF_DOWN;
	int r = -EOPNOTSUPP;

	if (!unit) {
		heal_conclude(listener, proof);
		heal_detail(&listener->result, "CRITICAL: sshd is DOWN, %s; start it by hand", why);
		return;
	}
	if (may_start)
		r = rescue_start_unit(ctx, listener, &error);
	proof = rescue_prove(ctx, listener, r);
	heal_conclude(listener, proof);
	if (proof == HEAL_PROOF_DOWN) {
		rescue_last(ctx, listener, why, !may_start ? NULL : r < 0 ? error.message : why);
		return;
	}
	listener->unit.absence = HEAL_ABSENCE_NONE;
	if (proof != HEAL_PROOF_OK)
		return;
	listener->evidence.trial.detail[0] = '\0';
	heal_detail(&listener->result, "sshd was down and had to be started again: %s", why);
}
