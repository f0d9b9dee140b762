/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be said of sshd without being root. */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "causes/causes.h"
#include "host/context.h"
#include "host/inet-diag.h"
#include "report.h"
#include "try/client.h"
#include "try/live.h"

/* sshd_config(5), Port. */
#define GUESS_PORT 22
#define GUESS_MS 3000

static int guess_add_address(void *user, const struct heal_socket *found)
{
	struct heal_process *process = user;
	char *address;

	/* Another's cannot be bound below 1024. */
	if (found->uid != 0)
		return 0;
	address = strdup(found->address);
	if (!address || heal_grow(&process->addresses, process->n_addresses, sizeof(*process->addresses)) < 0) {
		free(address);
		return -ENOMEM;
	}
	process->addresses[process->n_addresses++] = address;
	return 0;
}

static int guess_addresses(struct heal_process *process)
{
	_cleanup_close_ int fd = diag_open();
	int r = fd < 0 ? fd : diag_list_at(fd, AF_INET, GUESS_PORT, guess_add_address, process);

	return r == 0 ? diag_list_at(fd, AF_INET6, GUESS_PORT, guess_add_address, process) : r;
}

int heal_causes_guess(struct heal_context *ctx, const struct heal_question *question, struct heal_report *ret)
{
	struct heal_listener *listener;
	const char *address;
	int r;

	ret->listeners.items = calloc(1, sizeof(*ret->listeners.items));
	if (!ret->listeners.items)
		return -ENOMEM;
	ret->listeners.count = 1;
	ret->verdict = HEAL_VERDICT_UNKNOWN;
	listener = &ret->listeners.items[0];
	listener->is_guessed = true;
	listener->process.dirfd = -1;
	listener->process.sessions = -1;
	listener->result.refused_ms = -1;
	listener->result.verdict = HEAL_VERDICT_UNKNOWN;
	listener->result.outcome = HEAL_OUTCOME_NOT_NEEDED;
	listener->result.reason = "looking into it takes root";
	listener->evidence.trial.result = HEAL_TRIAL_SKIPPED;
	(void)snprintf(listener->evidence.trial.detail, sizeof(listener->evidence.trial.detail),
		       "trying what is on disk takes root");
	listener->process.exe = strdup("sshd");
	r = listener->process.exe ? guess_addresses(&listener->process) : -ENOMEM;
	if (r < 0)
		return r == -ENOMEM ? r : heal_notes_add(&ret->notes, "finding out where sshd listens: %s", strerror(-r));
	address = heal_live_address(&listener->process, 0);
	(void)heal_context_client(ctx, NULL);
	if (address)
		heal_client_probe(ctx, address, GUESS_MS, &listener->evidence.live);
	if (heal_fate_is_refusal(listener->evidence.live.fate))
		ret->verdict = listener->result.verdict = HEAL_VERDICT_REFUSING;
	heal_causes_find(ctx, listener, question);
	return 0;
}
