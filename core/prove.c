/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The proof that an action took: no deleted file left, listening as before, a client gets in. */
#include "internal.h"

/* Looking more often would slow down the sshd that is starting. */
#define PROVE_PAUSE_MS 10
#define PROVE_PROBE_MS 3000

enum prove_state {
	PROVE_FRESH,
	PROVE_STALE,
	PROVE_DOWN,
	PROVE_GONE,  /* the process that was to keep running has ended */
	PROVE_MOVED, /* fresh, but not on every address as before */
};

/* The first address that the listener had and has no more. */
static const char *prove_lost_address(const struct heal_listener *before,
				      const struct heal_listener *now)
{
	for (size_t i = 0; i < before->n_addresses; i++)
		if (!socket_has_address(now, before->addresses[i]))
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
	int r;

	/* Between SIGHUP and its new sockets sshd maps nothing deleted, and serves nobody. */
	if (pid <= 0)
		return PROVE_DOWN;
	r = heal_listener_load(ctx, pid, fresh);
	if (r == -ENOENT && before->plan != HEAL_PLAN_RESTART)
		return PROVE_GONE;
	if (r != 0)
		return PROVE_DOWN;
	if (heal_listener_stale(ctx, fresh) < 0 || heal_listener_addresses(ctx, fresh) < 0)
		return PROVE_DOWN;
	if (fresh->n_stale)
		return PROVE_STALE;
	if (fresh->n_addresses == 0)
		return PROVE_DOWN;
	return prove_lost_address(before, fresh) ? PROVE_MOVED : PROVE_FRESH;
}

/* An address to be a client at, other than the first: the last is of another family or port. */
static const char *prove_second_address(const struct heal_listener *listener)
{
	return listener->addresses[listener->n_addresses - 1];
}

/*
 * Whether clients get in: two probes at the most. Returns 0 or 3, with the
 * reason in detail. Being shut out for our own probes proves nothing, nor does
 * it say anything against sshd.
 */
static int prove_clients(struct heal_context *ctx, struct heal_listener *listener)
{
	const char *addresses[] = {listener->addresses[0], prove_second_address(listener)};

	listener->proved = HEAL_FATE_UNKNOWN;
	for (size_t i = 0; i < (listener->n_addresses > 1 ? 2 : 1); i++) {
		struct heal_hello hello;

		heal_client_probe(ctx, addresses[i], PROVE_PROBE_MS, &hello);
		if (i == 0)
			listener->proved = hello.fate;
		if (hello.fate > HEAL_FATE_OK && hello.fate != HEAL_FATE_PENALTY) {
			heal_detail(listener, "CRITICAL: a new client at %s %s%s%s", addresses[i],
				    heal_fate_text(hello.fate), *hello.detail ? ": " : "",
				    hello.detail);
			return 3;
		}
		if (i == 0 && *hello.key && *listener->live.key &&
		    strcmp(hello.key, listener->live.key) != 0) {
			heal_detail(listener, "CRITICAL: its host key changed, from %s to %s",
				    listener->live.key, hello.key);
			return 3;
		}
	}
	return 0;
}

static int prove_found(struct heal_context *ctx, struct heal_listener *listener,
		       struct heal_listener *fresh)
{
	char lost[64] = "";
	int sessions = listener->sessions;
	const char *address = prove_lost_address(listener, fresh);
	int r;

	if (address)
		(void)snprintf(lost, sizeof(lost), "%s", address);
	heal_listener_replace(listener, fresh);
	listener->sessions = sessions;
	if (listener->plan == HEAL_PLAN_RESTART)
		listener->unit.main_pid = listener->pid;
	r = ctx->client_ops ? prove_clients(ctx, listener) : 0;
	if (r == 0 && *lost) {
		heal_detail(listener, "CRITICAL: it does not listen on %s any more", lost);
		return 3;
	}
	return r;
}

int heal_prove(struct heal_context *ctx, struct heal_listener *listener, int timeout_ms)
{
	int64_t deadline = heal_now_ms() + heal_left_ms(ctx->deadline_ms, timeout_ms);

	for (;;) {
		_cleanup_(heal_listener_done) struct heal_listener fresh = {.dirfd = -1};
		enum prove_state state = prove_look(ctx, listener, &fresh);
		bool is_last = heal_now_ms() >= deadline || state == PROVE_GONE;

		if (state == PROVE_FRESH || (state == PROVE_MOVED && is_last))
			return prove_found(ctx, listener, &fresh);
		if (is_last)
			return state == PROVE_STALE ? 1 : 2;
		heal_sleep_ms(PROVE_PAUSE_MS);
	}
}
