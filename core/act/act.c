/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The action that the plan asks for, its proof, and what to do where that fails. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "act/act.h"

#include "act/gap.h"
#include "act/policy-rc.h"
#include "act/prove.h"
#include "act/quiet.h"
#include "act/rescue.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "host/context.h"
#include "host/module.h"
#include "host/proc.h"
#include "host/syslog.h"
#include "host/transaction.h"
#include "judge/facts.h"
#include "judge/plan.h"
#include "look/left.h"
#include "look/unit.h"
#include "report.h"

/* A re-exec takes 5 ms, a restart 40; slow machines get a thousand times that. */
#define ACT_PROVE_MS 5000
#define ACT_RESERVE_MS 10000
#define ACT_HANDLER_MS 1000
#define ACT_HANDLER_PAUSE_MS 10

/* How far a plan goes into what costs something or changes anything. */
enum act_depth {
	ACT_LOOK, /* what is known already */
	ACT_DRY,  /* asks policy-rc.d as well */
	ACT_FOR_REAL,
};

/* SIGHUP by the /proc directory, which a reused PID cannot stand for, pidfd_send_signal(2). */
static int act_hup(const struct heal_process *process, struct heal_error *error)
{
	if (syscall(SYS_pidfd_send_signal, process->dirfd, SIGHUP, NULL, 0) < 0)
		return heal_error_set(error, errno, "sending SIGHUP to sshd process %d: %s",
				      (int)process->pid, strerror(errno));
	return 0;
}

static int act_once(struct heal_context *ctx, struct heal_listener *listener,
		    struct heal_error *error)
{
	enum heal_plan plan = listener->result.plan;

	if (plan == HEAL_PLAN_HUP)
		return act_hup(&listener->process, error);
	return ctx->service_ops->run_job(ctx->service,
					 plan == HEAL_PLAN_RELOAD ? HEAL_JOB_RELOAD : HEAL_JOB_TRY_RESTART,
					 listener->unit.id, heal_job_deadline(ctx), error);
}

/*
 * How long to look for what came of an action that was done, or may have been: at most
 * half of what is left, so that there is some for a rescue. After one that failed: whether
 * sshd still is there, perhaps in the middle of its re-exec; one look, once systemd has
 * ended whatever it ends with the job (a new process whose ExecStartPost= failed).
 */
static int act_prove_ms(const struct heal_context *ctx, int done)
{
	if (done == 0 || done == -ENOTCONN)
		return heal_left_ms(ctx->deadline_ms, 2 * ACT_PROVE_MS) / 2;
	if (done != -ECANCELED)
		return ctx->settle_ms;
	heal_sleep_ms(heal_left_ms(ctx->deadline_ms, ctx->settle_ms));
	return 0;
}

/* What an action before this one has cost it is to come back. */
static void act_expect_lost(struct heal_listener *listener)
{
	struct heal_process *process = &listener->process;

	if (!*listener->evidence.lost ||
	    heal_grow(&process->addresses, process->n_addresses, sizeof(*process->addresses)) < 0)
		return;
	process->addresses[process->n_addresses] = strdup(listener->evidence.lost);
	process->n_addresses += process->addresses[process->n_addresses] != NULL;
}

/* One action and its proof, which decides, whatever became of the job. */
static enum heal_proof act_and_prove(struct heal_context *ctx, struct heal_listener *listener)
{
	struct heal_error error = {0};
	struct heal_gap *watch =
		listener->process.n_addresses ? heal_gap_start(listener->process.addresses[0]) : NULL;
	enum heal_proof proof;
	int done;

	listener->result.detail[0] = '\0';
	act_expect_lost(listener);
	/* Where it cannot be remembered, there still is what this run does about it. */
	if (heal_listener_has_unit(listener))
		(void)heal_left_begin(ctx, listener);
	heal_await_quiet(ctx, &listener->process);
	done = act_once(ctx, listener, &error);
	proof = heal_prove(ctx, listener, act_prove_ms(ctx, done));
	heal_conclude(listener, proof);
	/* Not when the job was never ours: then somebody else has stopped it, and meant to. */
	if (proof == HEAL_PROOF_DOWN &&
	    (done == 0 || done == -ECANCELED || done == -ETIMEDOUT || done == -ENOTCONN))
		heal_bring_up(ctx, listener, done < 0 ? error.message : "nothing listens any more");
	else if (done < 0 && proof != HEAL_PROOF_SHUT_OUT)
		heal_detail(&listener->result, "%s", error.message);
	listener->result.refused_ms = heal_gap_stop(watch);
	/* An action that went wrong is no reason for a greater one. */
	return done < 0 && proof == HEAL_PROOF_STALE ? HEAL_PROOF_UNKNOWN : proof;
}

/* Whether enough time is left for an action, its proof and a rescue. */
static bool act_has_time(const struct heal_context *ctx)
{
	int wanted = (int)ctx->config.deadline_ms / 2;

	if (wanted > ACT_RESERVE_MS)
		wanted = ACT_RESERVE_MS;
	return heal_left_ms(ctx->deadline_ms, wanted) == wanted;
}

/*
 * What only counts right before a restart: sessions may have begun since, and the
 * starts of earlier heals must not count, or the tenth upgrade of a day would leave
 * sshd in start-limit-hit. systemd does not tell how many it counts; it can forget them.
 */
static enum heal_objection act_before_restart(struct heal_context *ctx, struct heal_listener *listener)
{
	struct heal_error error;
	int r = ctx->service_ops->reset_failed(ctx->service, listener->unit.id, &error);

	/* That systemd cannot be reached says nothing of the start limit. */
	if (r == -ENOTCONN || r == -ETIMEDOUT) {
		listener->unit.manager = HEAL_MANAGER_UNKNOWN;
		return HEAL_OBJECTION_NONE;
	}
	heal_unit_again(ctx, listener);
	return r < 0 ? HEAL_OBJECTION_START_LIMIT : HEAL_OBJECTION_NONE;
}

/* Whether sshd has its handler for SIGHUP; one that has just started gets it in a moment. */
static bool act_takes_hup(const struct heal_context *ctx, const struct heal_process *process)
{
	int64_t deadline = heal_now_ms() + heal_left_ms(ctx->deadline_ms, ACT_HANDLER_MS);

	for (;;) {
		struct heal_owner owner = {0};

		if (heal_owner_load(ctx, process->dirfd, &owner) == 0 && owner.takes_hup)
			return true;
		if (heal_now_ms() >= deadline)
			return false;
		heal_sleep_ms(ACT_HANDLER_PAUSE_MS);
	}
}

static bool act_is_action(enum heal_plan plan)
{
	return plan != HEAL_PLAN_NONE && plan != HEAL_PLAN_WARN;
}

/* As policy-rc.d has it. */
static const char *act_verb(enum heal_plan plan)
{
	if (plan == HEAL_PLAN_START)
		return "start";
	return plan == HEAL_PLAN_RESTART ? "restart" : "reload";
}

/*
 * Whether a start gets as far as sshd; where it does not, or may not, a note says why. Not
 * of what is down for good: that cannot get worse.
 */
static enum heal_objection act_foresee(struct heal_context *ctx, const struct heal_listener *listener,
				       enum heal_plan plan, struct heal_notes *notes)
{
	struct heal_error error = {0};

	if (plan != HEAL_PLAN_RESTART && listener->unit.absence != HEAL_ABSENCE_RESCUED)
		return HEAL_OBJECTION_NONE;
	if (ctx->service_ops->foresee(ctx->service, listener->unit.id, &error) == 0)
		return HEAL_OBJECTION_NONE;
	(void)heal_notes_add(notes, "%s", error.message);
	return HEAL_OBJECTION_UNFORESEEN;
}

void heal_foresee(struct heal_context *ctx, struct heal_listener *listener)
{
	struct heal_evidence *evidence = &listener->evidence;
	struct heal_error error = {0};
	int r;

	/* What is not known of its start has been said then. */
	if (evidence->n_stale || evidence->trial.is_hup_only || evidence->trial.result != HEAL_TRIAL_OK || !heal_listener_has_unit(listener) ||
	    listener->unit.manager != HEAL_MANAGER_RUNNING || listener->unit.absence != HEAL_ABSENCE_NONE)
		return;
	r = ctx->service_ops->foresee(ctx->service, listener->unit.id, &error);
	evidence->is_doomed = r == -ENXIO;
	if (r < 0)
		heal_append(evidence->start, sizeof(evidence->start), "%s", error.message);
}

/* What only counts right before a SIGHUP of our own: whether systemd is at work on its unit. */
static enum heal_objection act_before_hup(struct heal_context *ctx, struct heal_listener *listener)
{
	if (heal_listener_has_unit(listener))
		heal_unit_again(ctx, listener);
	return listener->unit.has_job ? HEAL_OBJECTION_NOT_READY : HEAL_OBJECTION_NONE;
}

/* Asks policy-rc.d about the plan; a hook that could not be asked is told of. */
static enum heal_objection act_ask_policy(struct heal_context *ctx,
					  const struct heal_listener *listener, enum heal_plan plan,
					  struct heal_notes *notes)
{
	struct heal_error error;
	bool is_allowed = false;

	if (heal_policy_allows(ctx, heal_listener_has_unit(listener) ? listener->unit.id : "ssh",
			       act_verb(plan), &is_allowed, &error) < 0) {
		(void)heal_notes_add(notes, "%s", error.message);
		return HEAL_OBJECTION_POLICY_UNASKED;
	}
	return is_allowed ? HEAL_OBJECTION_NONE : HEAL_OBJECTION_POLICY_FORBIDS;
}

/* What speaks now against an action that is planned. */
static enum heal_objection act_object(struct heal_context *ctx, struct heal_listener *listener,
				      enum heal_plan plan, enum act_depth depth,
				      struct heal_notes *notes)
{
	enum heal_objection objection;

	if (ctx->is_retry && plan == HEAL_PLAN_RESTART)
		return HEAL_OBJECTION_RETRY;
	if (!act_has_time(ctx))
		return HEAL_OBJECTION_NO_TIME;
	if (plan != HEAL_PLAN_RESTART && plan != HEAL_PLAN_START &&
	    !act_takes_hup(ctx, &listener->process))
		return HEAL_OBJECTION_NOT_READY;
	if (plan == HEAL_PLAN_HUP && listener->unit.has_job)
		return HEAL_OBJECTION_NOT_READY;
	if (ctx->is_live && heal_log_is_stuck())
		return HEAL_OBJECTION_LOG_STUCK;
	objection = act_ask_policy(ctx, listener, plan, notes);
	if (objection == HEAL_OBJECTION_NONE && !act_has_time(ctx))
		objection = HEAL_OBJECTION_NO_TIME;
	if (objection != HEAL_OBJECTION_NONE || depth != ACT_FOR_REAL)
		return objection;
	if (plan == HEAL_PLAN_RESTART)
		return act_before_restart(ctx, listener);
	return plan == HEAL_PLAN_HUP ? act_before_hup(ctx, listener) : HEAL_OBJECTION_NONE;
}

static uint64_t act_facts(const struct heal_context *ctx, const struct heal_listener *listener)
{
	return heal_facts_of(&ctx->config, ctx->lock, listener);
}

/* What an administrator would type to do by hand what was not done, where that is safe. */
static void act_advise(struct heal_context *ctx, struct heal_listener *listener,
		       struct heal_notes *notes)
{
	struct heal_result *result = &listener->result;
	enum heal_plan advice = heal_advice_of(act_facts(ctx, listener));

	result->detail[0] = '\0';
	/* What we would not do, nobody is told to do. */
	if (advice == HEAL_PLAN_RESTART &&
	    act_foresee(ctx, listener, advice, notes) != HEAL_OBJECTION_NONE)
		advice = HEAL_PLAN_NONE;
	switch (advice) {
	case HEAL_PLAN_RELOAD:
		heal_detail(result, "systemctl reload %s", listener->unit.id);
		break;
	case HEAL_PLAN_RESTART:
		heal_detail(result, "systemctl restart %s", listener->unit.id);
		break;
	case HEAL_PLAN_START:
		/* As often as it may be started in a row it may have been by now. */
		if (listener->unit.absence == HEAL_ABSENCE_FAILED)
			heal_detail(result, "systemctl reset-failed %s; systemctl start %s", listener->unit.id,
				    listener->unit.id);
		else
			heal_detail(result, "systemctl start %s", listener->unit.id);
		break;
	case HEAL_PLAN_HUP:
		heal_detail(result, "kill -HUP %d", (int)listener->process.pid);
		break;
	default:
		break;
	}
}

/*
 * Sets plan and reason, in view of what speaks against it now. policy-rc.d is a program,
 * which a check does not run. Returns whether there is something to do.
 */
static bool act_plan(struct heal_context *ctx, struct heal_listener *listener, enum act_depth depth,
		     struct heal_notes *notes)
{
	struct heal_result *result = &listener->result;
	struct heal_decision decision = heal_plan_of(act_facts(ctx, listener));

	if (act_is_action(decision.plan)) {
		listener->evidence.objection = act_foresee(ctx, listener, decision.plan, notes);
		if (depth != ACT_LOOK && listener->evidence.objection == HEAL_OBJECTION_NONE)
			listener->evidence.objection =
				act_object(ctx, listener, decision.plan, depth, notes);
		/* Where nobody serves, nothing is waited for. Asked last: it may begin at any time. */
		if (listener->evidence.objection == HEAL_OBJECTION_NONE && heal_transaction_is_on(ctx, false) &&
		    (decision.plan != HEAL_PLAN_START || listener->unit.absence == HEAL_ABSENCE_RESCUED))
			listener->evidence.objection = HEAL_OBJECTION_TRANSACTION;
		decision = heal_plan_of(act_facts(ctx, listener));
	}
	result->plan = decision.plan;
	result->reason = decision.reason;
	result->is_passing = decision.is_passing;
	result->outcome = HEAL_OUTCOME_DRY_RUN;
	if (decision.plan == HEAL_PLAN_NONE)
		result->outcome = HEAL_OUTCOME_NOT_NEEDED;
	if (decision.plan == HEAL_PLAN_WARN) {
		result->outcome = HEAL_OUTCOME_WARNED;
		act_advise(ctx, listener, notes);
	}
	return result->outcome == HEAL_OUTCOME_DRY_RUN;
}

void heal_plan_show(struct heal_context *ctx, struct heal_listener *listener, bool asks_policy,
		    struct heal_notes *notes)
{
	(void)act_plan(ctx, listener, asks_policy ? ACT_DRY : ACT_LOOK, notes);
}

void heal_act(struct heal_context *ctx, struct heal_listener *listener, struct heal_notes *notes)
{
	struct heal_result *result = &listener->result;

	while (act_plan(ctx, listener, ACT_FOR_REAL, notes)) {
		if (ctx->on_act)
			ctx->on_act();
		if (result->plan == HEAL_PLAN_START) {
			heal_bring_up(ctx, listener,
				      listener->unit.absence == HEAL_ABSENCE_RESCUED
					      ? HEAL_RESCUE_UNIT " served in its place"
					      : "an action of sshd-heal had ended it");
			return;
		}
		if (act_and_prove(ctx, listener) != HEAL_PROOF_STALE ||
		    result->in_vain != HEAL_PLAN_NONE || result->plan == HEAL_PLAN_RESTART)
			return;
		result->in_vain = result->plan;
	}
}
