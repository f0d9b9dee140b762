/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The facts about a listener's unit, and the action that the plan asks for. */
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
#include "base/clock.h"
#include "base/error.h"
#include "host/config.h"
#include "host/context.h"
#include "host/proc.h"
#include "host/syslog.h"
#include "judge/plan.h"
#include "look/addresses.h"
#include "look/session.h"
#include "report.h"
#include "try/client.h"
#include "try/trial.h"

/* A re-exec takes 5 ms, a restart 40; slow machines get a thousand times that. */
#define ACT_PROVE_MS 5000
#define ACT_PROBE_MS 3000
#define ACT_RESERVE_MS 10000
#define ACT_HANDLER_MS 1000
#define ACT_HANDLER_PAUSE_MS 10

/* How far a plan goes into what costs something or changes anything. */
enum act_depth {
	ACT_LOOK, /* what is known already */
	ACT_DRY,  /* asks policy-rc.d as well */
	ACT_FOR_REAL,
};

/* Whether a restart would end sessions, if the unit is one that ends all of its cgroup. */
static unsigned act_session_facts(struct heal_context *ctx, const struct heal_listener *listener,
				  const struct heal_unit *unit)
{
	bool is_inside = false;

	if (!unit->kills_cgroup)
		return 0;
	if (heal_sessions_inside(ctx, listener, &is_inside) < 0)
		return HEAL_FACT_SESSIONS_UNSEEN;
	return is_inside ? HEAL_FACT_KILLS_SESSIONS : 0;
}

static unsigned act_unit_facts(struct heal_context *ctx, const struct heal_listener *listener)
{
	const struct heal_unit *unit = &listener->unit;
	unsigned facts = 0;

	/* A process beside the main one may be anything: restarting its unit would not be about sshd. */
	if (!heal_listener_has_unit(listener))
		return HEAL_FACT_UNMANAGED;
	if (unit->is_socket_activated)
		facts |= HEAL_FACT_SOCKET_ACTIVATED;
	if (unit->can_reload)
		facts |= HEAL_FACT_CAN_RELOAD;
	if (unit->refuses_stop)
		facts |= HEAL_FACT_REFUSES_STOP;
	return facts | act_session_facts(ctx, listener, unit);
}

/* What systemd says. Gives -errno when it could not be asked. */
static int act_ask_systemd(struct heal_context *ctx, struct heal_listener *listener,
			   unsigned *facts, struct heal_error *error)
{
	struct heal_unit unit = {0};
	bool is_stopping = false;
	int r = heal_context_service(ctx, error);

	/* No systemd at all: the listener is nobody's unit. */
	if (r == -ENOENT) {
		*facts |= HEAL_FACT_UNMANAGED;
		return 0;
	}
	if (r == 0)
		r = ctx->service_ops->is_stopping(ctx->service, &is_stopping, error);
	if (r < 0)
		return r;
	if (is_stopping)
		*facts |= HEAL_FACT_SHUTTING_DOWN;
	r = ctx->service_ops->unit_of(ctx->service, listener->pid, &unit, error);
	if (r == -ENOENT) {
		*facts |= HEAL_FACT_UNMANAGED;
		return 0;
	}
	if (r < 0)
		return r;
	free(listener->unit.id);
	listener->unit = unit;
	*facts |= act_unit_facts(ctx, listener);
	return 0;
}

unsigned heal_facts_find(struct heal_context *ctx, struct heal_listener *listener,
			 struct heal_notes *notes)
{
	struct heal_error error = {0};
	unsigned facts = 0;

	if (listener->foreign != HEAL_OURS)
		facts |= HEAL_FACT_FOREIGN;
	if (listener->n_stale)
		facts |= HEAL_FACT_STALE;
	if (ctx->config.mode == HEAL_MODE_WARN)
		facts |= HEAL_FACT_MODE_WARN;
	if (ctx->config.hup_unmanaged)
		facts |= HEAL_FACT_HUP_ALLOWED;
	if (ctx->is_busy)
		facts |= HEAL_FACT_BUSY;
	if (ctx->is_unlocked)
		facts |= HEAL_FACT_UNLOCKED;
	/* A recorded tree has no service manager that could be asked. */
	if (listener->foreign != HEAL_OURS)
		return facts;
	if (!ctx->is_live && !ctx->service_ops)
		return facts | HEAL_FACT_NO_MANAGER;
	if (act_ask_systemd(ctx, listener, &facts, &error) < 0) {
		facts |= HEAL_FACT_NO_MANAGER;
		if (listener->n_stale)
			(void)heal_notes_add(notes, "%s", error.message);
	}
	return facts;
}

unsigned heal_facts_try(struct heal_context *ctx, struct heal_listener *listener, unsigned facts)
{
	/* What another run is at work on, would only be in its way. */
	if (facts & (HEAL_FACT_FOREIGN | HEAL_FACT_BUSY) || !(facts & HEAL_FACT_STALE))
		return facts;
	if (heal_context_client(ctx, NULL) == 0 && listener->n_addresses &&
	    addresses_is_reachable(ctx, listener) == 0)
		heal_client_probe(ctx, listener->addresses[0], ACT_PROBE_MS, &listener->live);
	switch (listener->live.fate) {
	case HEAL_FATE_REFUSED:
	case HEAL_FATE_RESET:
	case HEAL_FATE_EOF:
	case HEAL_FATE_FAILED:
		facts |= HEAL_FACT_REFUSING;
		break;
	default:
		break;
	}
	heal_trial_run(ctx, listener);
	if (listener->trial.result == HEAL_TRIAL_SKIPPED)
		facts |= HEAL_FACT_UNTRIED;
	if (listener->trial.result == HEAL_TRIAL_FAILED)
		facts |= HEAL_FACT_TRIAL_FAILED;
	if (listener->trial.host_key == HEAL_HOST_KEY_CHANGED)
		facts |= HEAL_FACT_KEY_CHANGED;
	if (listener->trial.is_port_taken)
		facts |= HEAL_FACT_PORT_TAKEN;
	if (listener->trial.is_moving)
		facts |= HEAL_FACT_MOVES;
	if (listener->trial.is_hup_fatal)
		facts |= HEAL_FACT_HUP_FATAL;
	return facts;
}

/* SIGHUP by the /proc directory, which a reused PID cannot stand for, pidfd_send_signal(2). */
static int act_hup(const struct heal_listener *listener, struct heal_error *error)
{
	if (syscall(SYS_pidfd_send_signal, listener->dirfd, SIGHUP, NULL, 0) < 0)
		return heal_error_set(error, errno, "sending SIGHUP to sshd process %d: %s",
				      (int)listener->pid, strerror(errno));
	return 0;
}

/* When a job must be over, so that proof and rescue have a third of what is left. */
static int64_t act_job_deadline(const struct heal_context *ctx)
{
	return ctx->deadline_ms - heal_left_ms(ctx->deadline_ms, 3 * ACT_RESERVE_MS) / 3;
}

static int act_once(struct heal_context *ctx, struct heal_listener *listener,
		    struct heal_error *error)
{
	switch (listener->plan) {
	case HEAL_PLAN_RELOAD:
		return ctx->service_ops->reload(ctx->service, listener->unit.id,
						act_job_deadline(ctx), error);
	case HEAL_PLAN_RESTART:
		return ctx->service_ops->try_restart(ctx->service, listener->unit.id,
						     act_job_deadline(ctx), error);
	default:
		return act_hup(listener, error);
	}
}

/*
 * What an administrator would type to do by hand what was not done: only where
 * the reason is no danger, but that we were not to do it.
 */
static void act_advise(struct heal_listener *listener, unsigned facts)
{
	static const unsigned dangers =
		HEAL_FACT_TRIAL_FAILED | HEAL_FACT_UNTRIED | HEAL_FACT_KEY_CHANGED |
		HEAL_FACT_MOVES | HEAL_FACT_PORT_TAKEN | HEAL_FACT_SHUTTING_DOWN |
		HEAL_FACT_NO_MANAGER | HEAL_FACT_BUSY | HEAL_FACT_LOG_STUCK | HEAL_FACT_NOT_READY;

	bool can_reload;

	listener->detail[0] = '\0';
	if (facts & dangers ||
	    !(facts & (HEAL_FACT_MODE_WARN | HEAL_FACT_FORBIDDEN | HEAL_FACT_POLICY_UNASKED |
		       HEAL_FACT_UNLOCKED | HEAL_FACT_UNMANAGED | HEAL_FACT_NO_TIME)))
		return;
	can_reload = listener->unit.can_reload && !listener->unit.is_socket_activated &&
		     !listener->trial.is_hup_fatal;
	if (!can_reload && facts & (HEAL_FACT_KILLS_SESSIONS | HEAL_FACT_SESSIONS_UNSEEN))
		return;
	if (heal_listener_has_unit(listener))
		heal_detail(listener, "systemctl %s %s", can_reload ? "reload" : "restart",
			    listener->unit.id);
	else
		heal_detail(listener, "kill -HUP %d", (int)listener->pid);
}

/*
 * Whether a start may succeed. With the unit down its RuntimeDirectory is gone,
 * /run/sshd, without which sshd does not even try: a start makes it anew.
 */
static bool act_may_start(struct heal_context *ctx, struct heal_listener *listener)
{
	/* What could not be tried is started all the same: it cannot get worse. */
	heal_trial_again(ctx, listener);
	return listener->trial.result != HEAL_TRIAL_FAILED ||
	       strstr(listener->trial.detail, "Missing privilege separation directory");
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

/* What a proof makes of a listener. */
static void act_conclude(struct heal_listener *listener, enum heal_proof proof)
{
	listener->outcome = proof == HEAL_PROOF_OK ? HEAL_OUTCOME_HEALED : HEAL_OUTCOME_FAILED;
	if (proof == HEAL_PROOF_UNKNOWN)
		listener->verdict = HEAL_VERDICT_UNKNOWN;
	if (proof == HEAL_PROOF_STALE)
		heal_detail(listener, "sshd still runs deleted files");
}

/*
 * sshd is down after what was done to it. One attempt to start it, if the files
 * on disk still pass their trial; otherwise it would only fail again.
 */
static void act_recover(struct heal_context *ctx, struct heal_listener *listener, const char *why)
{
	const char *unit = heal_listener_has_unit(listener) ? listener->unit.id : NULL;
	struct heal_error error = {0};
	enum heal_proof proof = HEAL_PROOF_DOWN;
	int r = -EOPNOTSUPP;

	if (unit && ctx->client_ops && act_may_start(ctx, listener)) {
		(void)ctx->service_ops->reset_failed(ctx->service, unit, &error);
		r = ctx->service_ops->start(ctx->service, unit, act_job_deadline(ctx), &error);
	}
	/* Its new process is found as after a restart. */
	listener->plan = HEAL_PLAN_RESTART;
	if (unit)
		proof = heal_prove(ctx, listener,
				   r == 0 || r == -ENOTCONN ? ACT_PROVE_MS : ctx->settle_ms);
	if (proof == HEAL_PROOF_OK) {
		listener->outcome = HEAL_OUTCOME_HEALED;
		listener->trial.detail[0] = '\0';
		heal_detail(listener, "sshd was down and had to be started again: %s", why);
		return;
	}
	act_conclude(listener, proof);
	if (proof != HEAL_PROOF_DOWN)
		return;
	if (unit)
		heal_detail(listener, "CRITICAL: sshd is DOWN, %s; type: systemctl start %s", why,
			    unit);
	else
		heal_detail(listener, "CRITICAL: sshd is DOWN, %s; start it by hand", why);
}

/* One action and its proof, which decides, whatever became of the job. */
static enum heal_proof act_and_prove(struct heal_context *ctx, struct heal_listener *listener)
{
	struct heal_error error = {0};
	struct heal_gap *watch =
		listener->n_addresses ? heal_gap_start(listener->addresses[0]) : NULL;
	enum heal_proof proof;
	int done;

	listener->detail[0] = '\0';
	heal_await_quiet(ctx, listener);
	done = act_once(ctx, listener, &error);
	proof = heal_prove(ctx, listener, act_prove_ms(ctx, done));
	act_conclude(listener, proof);
	/* Not when the job was never ours: then somebody else has stopped it, and meant to. */
	if (proof == HEAL_PROOF_DOWN &&
	    (done == 0 || done == -ECANCELED || done == -ETIMEDOUT || done == -ENOTCONN))
		act_recover(ctx, listener, done < 0 ? error.message : "nothing listens any more");
	else if (done < 0 && proof != HEAL_PROOF_SHUT_OUT)
		heal_detail(listener, "%s", error.message);
	listener->refused_ms = heal_gap_stop(watch);
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
static unsigned act_restart_facts(struct heal_context *ctx, struct heal_listener *listener)
{
	struct heal_unit now = {0};
	struct heal_error error;
	unsigned facts = 0;
	int r = ctx->service_ops->reset_failed(ctx->service, listener->unit.id, &error);

	/* That systemd cannot be reached says nothing of the start limit. */
	if (r == -ENOTCONN || r == -ETIMEDOUT)
		return HEAL_FACT_NO_MANAGER;
	if (r < 0)
		facts |= HEAL_FACT_START_LIMIT;
	if (ctx->service_ops->unit_of(ctx->service, listener->pid, &now, &error) < 0)
		return facts | HEAL_FACT_NO_MANAGER;
	facts |= act_session_facts(ctx, listener, &now);
	free(now.id);
	return facts;
}

/* Whether sshd has its handler for SIGHUP; one that has just started gets it in a moment. */
static bool act_takes_hup(const struct heal_context *ctx, const struct heal_listener *listener)
{
	int64_t deadline = heal_now_ms() + heal_left_ms(ctx->deadline_ms, ACT_HANDLER_MS);

	for (;;) {
		struct heal_owner owner = {0};

		if (heal_owner_load(ctx, listener->dirfd, &owner) == 0 && owner.takes_hup)
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

/*
 * Where the plan is to act, adds what speaks against it now. policy-rc.d is a
 * program, which a check does not run.
 */
static unsigned act_objections(struct heal_context *ctx, struct heal_listener *listener,
			       unsigned facts, enum act_depth depth, struct heal_notes *notes)
{
	enum heal_plan plan = heal_plan_of(facts).plan;
	struct heal_error error;
	bool is_allowed = false;

	if (depth == ACT_LOOK || !act_is_action(plan))
		return 0;
	if (!act_has_time(ctx))
		return HEAL_FACT_NO_TIME;
	if (plan != HEAL_PLAN_RESTART && !act_takes_hup(ctx, listener))
		return HEAL_FACT_NOT_READY;
	if (ctx->is_live && heal_log_is_stuck())
		return HEAL_FACT_LOG_STUCK;
	if (heal_policy_allows(ctx, heal_listener_has_unit(listener) ? listener->unit.id : "ssh",
			       plan == HEAL_PLAN_RESTART ? "restart" : "reload", &is_allowed,
			       &error) < 0) {
		(void)heal_notes_add(notes, "%s", error.message);
		return HEAL_FACT_POLICY_UNASKED;
	}
	if (!is_allowed)
		return HEAL_FACT_FORBIDDEN;
	if (!act_has_time(ctx))
		return HEAL_FACT_NO_TIME;
	return depth == ACT_FOR_REAL && plan == HEAL_PLAN_RESTART ? act_restart_facts(ctx, listener)
								  : 0;
}

/* Sets plan and reason. Returns whether there is something to do. */
static bool act_plan(struct heal_context *ctx, struct heal_listener *listener, unsigned *facts,
		     enum act_depth depth, struct heal_notes *notes)
{
	struct heal_decision decision;

	*facts |= act_objections(ctx, listener, *facts, depth, notes);
	decision = heal_plan_of(*facts);
	listener->plan = decision.plan;
	listener->reason = decision.reason;
	listener->outcome = HEAL_OUTCOME_DRY_RUN;
	if (decision.plan == HEAL_PLAN_NONE)
		listener->outcome = HEAL_OUTCOME_NOT_NEEDED;
	if (decision.plan == HEAL_PLAN_WARN) {
		listener->outcome = HEAL_OUTCOME_WARNED;
		act_advise(listener, *facts);
	}
	return listener->outcome == HEAL_OUTCOME_DRY_RUN;
}

void heal_plan_show(struct heal_context *ctx, struct heal_listener *listener, unsigned facts,
		    bool asks_policy, struct heal_notes *notes)
{
	(void)act_plan(ctx, listener, &facts, asks_policy ? ACT_DRY : ACT_LOOK, notes);
}

void heal_act(struct heal_context *ctx, struct heal_listener *listener, unsigned facts,
	      struct heal_notes *notes)
{
	while (act_plan(ctx, listener, &facts, ACT_FOR_REAL, notes)) {
		if (ctx->on_act)
			ctx->on_act();
		if (act_and_prove(ctx, listener) != HEAL_PROOF_STALE ||
		    facts & HEAL_FACT_RELOADED || listener->plan == HEAL_PLAN_RESTART)
			return;
		facts |= HEAL_FACT_RELOADED;
		listener->in_vain = listener->plan;
	}
}
