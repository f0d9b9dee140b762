/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The unit of a listener, by systemd, and the sessions that it holds, by /proc. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "look/unit.h"

#include "base/error.h"
#include "host/context.h"
#include "host/module.h"
#include "look/session.h"
#include "report.h"

/* Gives a unit that is the caller's to free; manager NONE where there is no systemd. */
static int unit_ask(struct heal_context *ctx, pid_t pid, struct heal_unit *ret,
		    struct heal_error *error)
{
	bool is_stopping = false;
	int r = heal_context_service(ctx, error);

	ret->manager = HEAL_MANAGER_NONE;
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = ctx->service_ops->is_stopping(ctx->service, &is_stopping, error);
	if (r < 0)
		return r;
	r = ctx->service_ops->unit_of(ctx->service, pid, ret, error);
	ret->manager = is_stopping ? HEAL_MANAGER_STOPPING : HEAL_MANAGER_RUNNING;
	/* A process outside of any unit is no error, and in a shutdown nothing is done to one. */
	return r == -ENOENT || is_stopping ? 0 : r;
}

/* Whether a restart would end sessions, if the unit is one that ends all of its cgroup. */
static enum heal_at_stake unit_stake(struct heal_context *ctx, const struct heal_process *process,
				     const struct heal_unit *unit)
{
	bool is_inside = false;

	if (!unit->kills_cgroup)
		return HEAL_AT_STAKE_NONE;
	if (heal_sessions_inside(ctx, process, &is_inside) < 0)
		return HEAL_AT_STAKE_UNSEEN;
	return is_inside ? HEAL_AT_STAKE_SESSIONS : HEAL_AT_STAKE_NONE;
}

int heal_unit_find(struct heal_context *ctx, struct heal_listener *listener,
		   struct heal_error *error)
{
	struct heal_unit unit = {0};
	int r = 0;

	listener->unit.manager = HEAL_MANAGER_UNKNOWN;
	/* A recorded tree has no service manager that could be asked. */
	if (!ctx->is_live && !ctx->service_ops)
		return 0;
	r = unit_ask(ctx, listener->process.pid, &unit, error);
	if (r < 0)
		return r;
	free(listener->unit.id);
	listener->unit = unit;
	listener->evidence.at_stake = unit_stake(ctx, &listener->process, &unit);
	return 0;
}

void heal_unit_again(struct heal_context *ctx, struct heal_listener *listener)
{
	struct heal_unit now = {0};
	struct heal_error error;

	if (ctx->service_ops->unit_of(ctx->service, listener->process.pid, &now, &error) < 0)
		listener->unit.manager = HEAL_MANAGER_UNKNOWN;
	else
		listener->evidence.at_stake = unit_stake(ctx, &listener->process, &now);
	listener->unit.has_job = now.has_job;
	free(now.id);
}
