/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The proof that an action took: no deleted file left, listening as before, a client gets in. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "act/prove.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "host/context.h"
#include "look/addresses.h"
#include "look/holder.h"
#include "look/listener.h"
#include "look/maps.h"
#include "report.h"
#include "try/live.h"

/* Looking more often would slow down the sshd that is starting. */
#define PROVE_PAUSE_MS 10

enum prove_state {
	PROVE_FRESH,
	PROVE_STALE,
	PROVE_DOWN,
	PROVE_GONE,  /* the process that was to keep running has ended */
	PROVE_MOVED, /* fresh, but not on every address as before */
	PROVE_UNSEEN, /* it could not be looked at */
};

/* The first address that the listener had and has no more. */
static const char *prove_lost_address(const struct heal_process *before,
				      const struct heal_process *now)
{
	for (size_t i = 0; i < before->n_addresses; i++)
		if (!addresses_has(now, before->addresses[i]))
			return before->addresses[i];
	return NULL;
}

/* Who but the old process listens where it did; 0 when nobody is seen to. */
static pid_t prove_find(struct heal_context *ctx, const struct heal_process *before)
{
	_cleanup_(heal_listeners_done) struct heal_listeners all = {0};
	_cleanup_(heal_notes_done) struct heal_notes notes = {0};
	struct heal_error error;

	if (before->n_addresses == 0 || heal_listeners_find(ctx, &all, &notes, &error) < 0)
		return 0;
	for (size_t i = 0; i < all.count; i++) {
		struct heal_process *now = &all.items[i].process;

		if (now->foreign == HEAL_OURS &&
		    (now->pid != before->pid || now->start_time != before->start_time) &&
		    heal_listener_addresses(ctx, now) == 0 &&
		    addresses_has(now, before->addresses[0]))
			return now->pid;
	}
	return 0;
}

/* A reload keeps the process; a restart has another one, and so has a start. */
static bool prove_expects_another(const struct heal_listener *listener)
{
	return listener->result.plan == HEAL_PLAN_RESTART || listener->result.plan == HEAL_PLAN_START;
}

static int prove_pid(struct heal_context *ctx, const struct heal_listener *listener, pid_t *ret,
		     struct heal_error *error)
{
	int r;

	*ret = listener->process.pid;
	if (!prove_expects_another(listener))
		return 0;
	r = ctx->service_ops->main_pid(ctx->service, listener->unit.id, ret, error);
	if (r == 0 || r == -ENOENT)
		return r;
	/* Where systemd cannot be asked, the process can be looked for. */
	*ret = prove_find(ctx, &listener->process);
	return *ret ? 0 : r;
}

/* What an error says of the process that was looked at. */
static enum prove_state prove_fail(pid_t pid, int code, struct heal_error *error)
{
	if (code == -ENOENT || code == -ESRCH)
		return PROVE_DOWN;
	(void)heal_error_set(error, -code, "looking at sshd process %d: %s", (int)pid, strerror(-code));
	return PROVE_UNSEEN;
}

static enum prove_state prove_look(struct heal_context *ctx, const struct heal_listener *before,
				   struct heal_process *fresh, struct heal_error *error)
{
	_cleanup_(heal_evidence_clear_stale) struct heal_evidence evidence = {0};
	pid_t pid = 0;
	int r = prove_pid(ctx, before, &pid, error);

	/* systemd forgets a unit of our own when it has ended. */
	if (r == -ENOENT && before->result.plan == HEAL_PLAN_START)
		return PROVE_GONE;
	if (r < 0)
		return PROVE_UNSEEN;
	/* Between SIGHUP and its new sockets sshd maps nothing deleted, and serves nobody. */
	if (pid <= 0)
		return PROVE_DOWN;
	r = heal_listener_load(ctx, pid, true, fresh);
	if (r == -ENOENT && !prove_expects_another(before))
		return PROVE_GONE;
	if (r > 0)
		return PROVE_DOWN;
	if (r == 0)
		r = heal_listener_stale(ctx, fresh, &evidence);
	if (r == 0)
		r = heal_listener_addresses(ctx, fresh);
	if (r < 0)
		return prove_fail(pid, r, error);
	if (evidence.n_stale)
		return PROVE_STALE;
	if (fresh->n_addresses == 0)
		return PROVE_DOWN;
	return prove_lost_address(&before->process, fresh) ? PROVE_MOVED : PROVE_FRESH;
}

/* Whether a fate speaks against sshd; what we did not see to its end does not. */
static bool prove_is_bad(enum heal_fate fate)
{
	return fate > HEAL_FATE_OK && fate != HEAL_FATE_PENALTY && fate != HEAL_FATE_FULL &&
	       fate != HEAL_FATE_TIMEOUT;
}

/* Whether what was seen before is not seen any more, be it for trouble of our own. */
static bool prove_is_open(enum heal_fate before, enum heal_fate now)
{
	return heal_fate_is_in(before) &&
	       (now == HEAL_FATE_UNKNOWN || now == HEAL_FATE_TIMEOUT);
}

static void prove_detail(struct heal_listener *listener, const char *before, const char *address,
			 const struct heal_hello *hello)
{
	heal_detail(&listener->result, "%sa new client at %s %s%s%s", before, address,
		    heal_fate_text(hello->fate), *hello->detail ? ": " : "", hello->detail);
}

/*
 * What a client there means. Being shut out for our own probes proves nothing, nor does
 * it say anything against sshd.
 */
static enum heal_proof prove_client(struct heal_listener *listener, const char *address,
				    const struct heal_hello *hello)
{
	const struct heal_hello *live = &listener->evidence.live;

	if (prove_is_bad(hello->fate)) {
		prove_detail(listener, "CRITICAL: ", address, hello);
		return HEAL_PROOF_SHUT_OUT;
	}
	if (*hello->key && *live->key && strcmp(hello->key, live->key) != 0) {
		heal_detail(&listener->result, "CRITICAL: its host key changed, from %s to %s", live->key,
			    hello->key);
		return HEAL_PROOF_SHUT_OUT;
	}
	return HEAL_PROOF_OK;
}

/*
 * Whether clients get in: there where one did before, and at one more address, if it is
 * of IPv4. Of IPv6 the source would be everybody's.
 */
static enum heal_proof prove_clients(struct heal_context *ctx, struct heal_listener *listener)
{
	const char *first = heal_live_address(&listener->process, 0);
	const char *second = heal_live_address(&listener->process, 1);
	struct heal_hello hello = {0};
	enum heal_proof proof;

	heal_live_look(ctx, &listener->process, listener->evidence.live.fate, &hello);
	heal_live_excuse(&listener->evidence.trial, &hello);
	listener->result.proved = hello.fate;
	proof = prove_client(listener, first, &hello);
	if (proof == HEAL_PROOF_OK && prove_is_open(listener->evidence.live.fate, hello.fate)) {
		prove_detail(listener, "", first, &hello);
		return HEAL_PROOF_UNKNOWN;
	}
	if (proof != HEAL_PROOF_OK || !second || second[0] == '[')
		return proof;
	heal_live_at(ctx, &listener->process, second, listener->evidence.live.fate, &hello);
	heal_live_excuse(&listener->evidence.trial, &hello);
	return prove_client(listener, second, &hello);
}

/* Puts what is seen now into the place of what was. Its sessions are those that were counted. */
static void prove_replace(struct heal_process *process, struct heal_process *fresh)
{
	fresh->sessions = process->sessions;
	heal_process_done(process);
	*process = *fresh;
	*fresh = (struct heal_process){.dirfd = -1};
}

static enum heal_proof prove_found(struct heal_context *ctx, struct heal_listener *listener,
				   struct heal_process *fresh)
{
	char lost[64] = "";
	char holder[192] = "";
	const char *address = prove_lost_address(&listener->process, fresh);
	enum heal_proof proof;

	if (address)
		(void)snprintf(lost, sizeof(lost), "%s", address);
	/* Whoever looks next would not know that it ever listened there. */
	(void)snprintf(listener->evidence.lost, sizeof(listener->evidence.lost), "%s", lost);
	if (address)
		heal_holder_find(ctx, &(struct heal_process){.addresses = &(char *){lost}, .n_addresses = 1},
				 holder, sizeof(holder));
	prove_replace(&listener->process, fresh);
	if (prove_expects_another(listener))
		listener->unit.main_pid = listener->process.pid;
	proof = ctx->client_ops ? prove_clients(ctx, listener) : HEAL_PROOF_OK;
	if (proof == HEAL_PROOF_OK && *lost) {
		heal_detail(&listener->result, "CRITICAL: it does not listen on %s any more%s%s", lost,
			    *holder ? "; " : "", holder);
		return HEAL_PROOF_SHUT_OUT;
	}
	return proof;
}

/* How it ended for a listener that never was seen fresh. */
static enum heal_proof prove_lost(struct heal_listener *listener, enum prove_state state,
				  const struct heal_error *error)
{
	if (state == PROVE_STALE)
		return HEAL_PROOF_STALE;
	if (state != PROVE_UNSEEN)
		return HEAL_PROOF_DOWN;
	heal_detail(&listener->result, "%s", error->message);
	return HEAL_PROOF_UNKNOWN;
}

enum heal_proof heal_prove(struct heal_context *ctx, struct heal_listener *listener, int timeout_ms)
{
	int64_t deadline = heal_now_ms() + heal_left_ms(ctx->deadline_ms, timeout_ms);

	for (;;) {
		_cleanup_(heal_process_done) struct heal_process fresh = {.dirfd = -1};
		struct heal_error error = {0};
		enum prove_state state = prove_look(ctx, listener, &fresh, &error);
		bool is_last = heal_now_ms() >= deadline || state == PROVE_GONE;

		if (state == PROVE_FRESH || (state == PROVE_MOVED && is_last))
			return prove_found(ctx, listener, &fresh);
		if (is_last)
			return prove_lost(listener, state, &error);
		heal_sleep_ms(PROVE_PAUSE_MS);
	}
}
