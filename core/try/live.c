/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a client of the running sshd meets: at its own addresses, as everybody else. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "try/live.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "host/context.h"
#include "look/addresses.h"
#include "look/title.h"
#include "look/wrappers.h"
#include "report.h"
#include "try/client.h"

#define LIVE_MS 3000
/* libwrap closes after 5 s what it refuses, and says nothing until then. */
#define LIVE_WRAPPED_MS 500
/* Anybody can fill the queue of a socket of systemd's, which has room for 4,096. */
#define LIVE_AGAIN_MS 500
/* Each costs its source a second of PerSourcePenalties, and its reader time. */
#define LIVE_ADDRESSES_MAX 3

static bool live_has_wrappers(struct heal_context *ctx)
{
	_cleanup_(heal_wrappers_done) struct heal_wrappers wrappers = {0};

	heal_wrappers_load(ctx, &wrappers);
	return wrappers.has_rules;
}

void heal_live_excuse(const struct heal_trial *trial, struct heal_hello *hello)
{
	static const char *const details[] = {
		[HEAL_WRAPPED_UNTRIED] = "it may be TCP wrappers: rules in /etc/hosts.allow and /etc/hosts.deny "
					 "that run commands are not tried",
		[HEAL_WRAPPED_OURS] = "TCP wrappers (/etc/hosts.allow, /etc/hosts.deny) refuse clients of this host",
		[HEAL_WRAPPED_ALL] = "TCP wrappers (/etc/hosts.allow, /etc/hosts.deny) refuse every client",
	};

	if (trial->wrapped == HEAL_WRAPPED_NONE ||
	    (hello->fate != HEAL_FATE_EOF && hello->fate != HEAL_FATE_RESET && hello->fate != HEAL_FATE_TIMEOUT))
		return;
	hello->fate = HEAL_FATE_PENALTY;
	(void)snprintf(hello->detail, sizeof(hello->detail), "%s", details[trial->wrapped]);
}

/* Whether it still listens at an address that we had no connection to. */
static bool live_is_listening(struct heal_context *ctx, const struct heal_process *process,
			      const char *address)
{
	struct heal_process now = {.pid = process->pid, .dirfd = process->dirfd};
	bool is_there = heal_listener_addresses(ctx, &now) == 0 && addresses_has(&now, address);

	/* The directory stays the caller's. */
	now.dirfd = -1;
	heal_process_done(&now);
	return is_there;
}

/* Whether it turns everybody away, by its own title. */
static bool live_is_full(const struct heal_process *process)
{
	_cleanup_free_ char *title = NULL;
	size_t len = 0;

	return heal_read_at(process->dirfd, "cmdline", CMDLINE_MAX, &title, &len) == 0 &&
	       title_is_full(title);
}

void heal_live_at(struct heal_context *ctx, const struct heal_process *process, const char *address,
		  enum heal_fate before, struct heal_hello *ret)
{
	int timeout_ms = live_has_wrappers(ctx) ? LIVE_WRAPPED_MS : LIVE_MS;

	if (before == HEAL_FATE_TIMEOUT)
		timeout_ms = LIVE_AGAIN_MS;
	heal_client_probe(ctx, address, timeout_ms, ret);
	if (ret->fate == HEAL_FATE_PENALTY && live_is_full(process)) {
		ret->fate = HEAL_FATE_FULL;
		return;
	}
	/* From another source address: what is held against the one need not be of our doing. */
	if (ret->fate == HEAL_FATE_PENALTY)
		heal_client_probe(ctx, address, timeout_ms, ret);
	if (ret->is_connected || (ret->fate != HEAL_FATE_REFUSED && ret->fate != HEAL_FATE_TIMEOUT) ||
	    !live_is_listening(ctx, process, address))
		return;
	ret->fate = HEAL_FATE_UNKNOWN;
	(void)snprintf(ret->detail, sizeof(ret->detail),
		       "no connection to %s, where sshd listens; a packet filter?", address);
}

const char *heal_live_address(const struct heal_process *process, size_t n)
{
	/* Those of IPv4 come first: there a client has a source address of its own. */
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < process->n_addresses; i++)
			if ((process->addresses[i][0] == '[') == pass && n-- == 0)
				return process->addresses[i];
	return NULL;
}

void heal_live_look(struct heal_context *ctx, const struct heal_process *process,
		    enum heal_fate before, struct heal_hello *ret)
{
	const char *address;

	/* The banner needs no library. */
	(void)heal_context_client(ctx, NULL);
	if (addresses_is_reachable(ctx, process) < 0)
		return;
	for (size_t i = 0; i < LIVE_ADDRESSES_MAX && (address = heal_live_address(process, i)); i++) {
		heal_live_at(ctx, process, address, before, ret);
		if (ret->is_connected || ret->fate != HEAL_FATE_UNKNOWN)
			return;
	}
}
