/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The moment to act: when no new client depends on the listener any more.
 *
 * From OpenSSH 9.8 on the program that serves a client asks the listener for its
 * configuration once it has started, some 10 ms after the listener took the
 * connection. Should the listener end or re-execute itself before, the client
 * meets EOF. What has its configuration names itself "[accepted]".
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "act/quiet.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "host/context.h"
#include "host/proc.h"
#include "look/title.h"
#include "report.h"

#define QUIET_PAUSE_MS 1
/* Monitors and loops come regularly: right after one is the best time before the next. */
#define QUIET_LOOK_MS 40
#define QUIET_CHILDREN_MAX (64u << 10)

bool quiet_is_waiting(const char *cmdline, size_t len)
{
	/* sshd insists on an absolute argv[0]; just forked, it has the listener's title. */
	return len && (cmdline[0] == '/' || title_classify(cmdline, len) == HEAL_TITLE_LISTENER);
}

/* Only root's own serve a client before it is known; what has ended waits no more. */
static bool quiet_child_is_waiting(const struct heal_context *ctx, const char *pid)
{
	_cleanup_close_ int dirfd = heal_open_process(ctx, pid);
	_cleanup_free_ char *cmdline = NULL;
	struct heal_owner owner = {0};
	size_t len;

	return dirfd >= 0 && heal_owner_load(ctx, dirfd, &owner) == 0 && owner.is_root &&
	       heal_read_at(dirfd, "cmdline", CMDLINE_MAX, &cmdline, &len) == 0 &&
	       quiet_is_waiting(cmdline, len);
}

/* Gives 1 while a client is being handed over, 0 when none is, -errno when that cannot be seen. */
static int quiet_is_busy(const struct heal_context *ctx, const struct heal_process *process)
{
	_cleanup_free_ char *children = NULL;
	char *rest;
	size_t len;
	int r = heal_readf_at(process->dirfd, QUIET_CHILDREN_MAX, &children, &len,
			      "task/%d/children", (int)process->pid);

	if (r < 0)
		return r;
	rest = children;
	for (char *pid = strtok_r(rest, " ", &rest); pid; pid = strtok_r(NULL, " ", &rest))
		if (quiet_child_is_waiting(ctx, pid))
			return 1;
	return 0;
}

void heal_await_quiet(const struct heal_context *ctx, const struct heal_process *process)
{
	int64_t start = heal_now_ms();
	int64_t limit = start + heal_left_ms(ctx->deadline_ms, ctx->quiet_ms);
	bool was_busy = false;

	while (heal_now_ms() < limit) {
		int busy = quiet_is_busy(ctx, process);

		if (busy < 0 || (!busy && (was_busy || heal_now_ms() - start >= QUIET_LOOK_MS)))
			return;
		was_busy |= busy;
		heal_sleep_ms(QUIET_PAUSE_MS);
	}
}
