/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The proof that an action took: no deleted file left, and listening as before. */
#include "internal.h"

#define PROVE_PAUSE_MS 2

enum prove_state {
	PROVE_FRESH,
	PROVE_STALE,
	PROVE_DOWN,
	PROVE_MOVED, /* fresh, but not on every address as before */
};

static bool prove_has_address(const struct heal_listener *listener, const char *address)
{
	for (size_t i = 0; i < listener->n_addresses; i++)
		if (strcmp(listener->addresses[i], address) == 0)
			return true;
	return false;
}

/* The first address that the listener had and has no more. */
static const char *prove_lost_address(const struct heal_listener *before,
				      const struct heal_listener *now)
{
	for (size_t i = 0; i < before->n_addresses; i++)
		if (!prove_has_address(now, before->addresses[i]))
			return before->addresses[i];
	return NULL;
}

static pid_t prove_pid(struct heal_context *ctx, const struct heal_listener *listener)
{
	struct heal_error error;
	pid_t pid = listener->pid;

	/* A reload keeps the process; a restart has another one. */
	if (listener->plan == HEAL_PLAN_RESTART &&
	    ctx->service_ops->main_pid(ctx->service, listener->unit.id, &pid, &error) < 0)
		return 0;
	return pid;
}

static enum prove_state prove_look(struct heal_context *ctx, const struct heal_listener *before,
				   struct heal_listener *fresh)
{
	pid_t pid = prove_pid(ctx, before);

	/* Between SIGHUP and its new sockets sshd maps nothing deleted, and serves nobody. */
	if (pid <= 0 || heal_listener_load(ctx, pid, fresh) != 0)
		return PROVE_DOWN;
	if (heal_listener_stale(ctx, fresh) < 0 || heal_listener_addresses(ctx, fresh) < 0)
		return PROVE_DOWN;
	if (fresh->n_stale)
		return PROVE_STALE;
	if (fresh->n_addresses == 0)
		return PROVE_DOWN;
	return prove_lost_address(before, fresh) ? PROVE_MOVED : PROVE_FRESH;
}

int heal_prove(struct heal_context *ctx, struct heal_listener *listener, int timeout_ms)
{
	int64_t deadline = heal_now_ms() + heal_left_ms(ctx->deadline_ms, timeout_ms);

	for (;;) {
		_cleanup_(heal_listener_done) struct heal_listener fresh = {.dirfd = -1};
		enum prove_state state = prove_look(ctx, listener, &fresh);
		bool is_last = heal_now_ms() >= deadline;
		const char *lost;

		if (state == PROVE_FRESH || (state == PROVE_MOVED && is_last)) {
			lost = prove_lost_address(listener, &fresh);
			if (lost)
				(void)snprintf(listener->detail, sizeof(listener->detail),
					       "it does not listen on %s any more", lost);
			heal_listener_replace(listener, &fresh);
			return 0;
		}
		if (is_last)
			return state == PROVE_STALE ? 1 : 2;
		heal_sleep_ms(PROVE_PAUSE_MS);
	}
}
