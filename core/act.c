/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The facts about a listener's unit, and the action that the plan asks for. */
#include <signal.h>
#include <sys/syscall.h>

#include "internal.h"

/* A re-exec takes 5 ms, a restart 40; slow machines get a thousand times that. */
#define ACT_PROVE_MS 5000

static unsigned act_unit_facts(const struct heal_unit *unit, pid_t pid)
{
	unsigned facts = 0;

	/* A process beside the main one may be anything: restarting its unit would not be about sshd. */
	if (!unit->is_service || unit->main_pid != pid)
		return HEAL_FACT_UNMANAGED;
	if (unit->is_socket_activated)
		facts |= HEAL_FACT_SOCKET_ACTIVATED;
	if (unit->can_reload)
		facts |= HEAL_FACT_CAN_RELOAD;
	if (unit->refuses_stop)
		facts |= HEAL_FACT_REFUSES_STOP;
	if (unit->kills_sessions)
		facts |= HEAL_FACT_KILLS_SESSIONS;
	return facts;
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
	*facts |= act_unit_facts(&unit, listener->pid);
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
	/* A recorded tree has no service manager that could be asked. */
	if (listener->foreign != HEAL_OURS || !(ctx->is_live || ctx->service_ops))
		return facts;
	if (act_ask_systemd(ctx, listener, &facts, &error) < 0) {
		facts |= HEAL_FACT_NO_MANAGER;
		if (listener->n_stale)
			(void)heal_notes_add(notes, "%s", error.message);
	}
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

static int act_once(struct heal_context *ctx, struct heal_listener *listener,
		    struct heal_error *error)
{
	switch (listener->plan) {
	case HEAL_PLAN_RELOAD:
		return ctx->service_ops->reload(ctx->service, listener->unit.id, error);
	case HEAL_PLAN_RESTART:
		return ctx->service_ops->try_restart(ctx->service, listener->unit.id, error);
	default:
		return act_hup(listener, error);
	}
}

/* What an administrator would type to do by hand what was not done. */
static void act_advise(struct heal_listener *listener)
{
	if (listener->unit.is_service && listener->unit.main_pid == listener->pid)
		(void)snprintf(listener->detail, sizeof(listener->detail), "systemctl %s %s",
			       listener->unit.can_reload && !listener->unit.is_socket_activated
				       ? "reload"
				       : "restart",
			       listener->unit.id);
	else
		(void)snprintf(listener->detail, sizeof(listener->detail), "kill -HUP %d",
			       (int)listener->pid);
}

static void act_fail(struct heal_listener *listener, const char *message)
{
	listener->outcome = HEAL_OUTCOME_FAILED;
	(void)snprintf(listener->detail, sizeof(listener->detail), "%s", message);
}

/* One action and its proof. Returns 1 when the listener still is stale. */
static int act_and_prove(struct heal_context *ctx, struct heal_listener *listener)
{
	struct heal_error error = {0};
	double start = heal_now_ms_exact();
	int r = act_once(ctx, listener, &error);

	if (r < 0) {
		act_fail(listener, error.message);
		return 0;
	}
	r = heal_prove(ctx, listener, ACT_PROVE_MS);
	if (r == 0) {
		listener->outcome = HEAL_OUTCOME_HEALED;
		listener->healed_ms = heal_now_ms_exact() - start;
	} else if (r == 2) {
		act_fail(listener, "sshd does not listen any more");
	}
	return r == 1;
}

void heal_plan_show(struct heal_listener *listener, unsigned facts)
{
	struct heal_decision decision = heal_plan_of(facts);

	listener->plan = decision.plan;
	listener->reason = decision.reason;
	listener->outcome = HEAL_OUTCOME_DRY_RUN;
	if (decision.plan == HEAL_PLAN_NONE)
		listener->outcome = HEAL_OUTCOME_NOT_NEEDED;
	if (decision.plan == HEAL_PLAN_WARN) {
		listener->outcome = HEAL_OUTCOME_WARNED;
		act_advise(listener);
	}
}

void heal_act(struct heal_context *ctx, struct heal_listener *listener, unsigned facts)
{
	for (;;) {
		heal_plan_show(listener, facts);
		/* DRY_RUN means here: there is something to do. */
		if (listener->outcome != HEAL_OUTCOME_DRY_RUN)
			return;
		if (act_and_prove(ctx, listener) == 0)
			return;
		if (facts & HEAL_FACT_RELOADED || listener->plan == HEAL_PLAN_RESTART) {
			act_fail(listener, "sshd still runs deleted files");
			return;
		}
		facts |= HEAL_FACT_RELOADED;
	}
}
