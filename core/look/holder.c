/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who else holds a listener's port: looked for only once sshd could not have it. */
#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "look/holder.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "host/context.h"
#include "host/inet-diag.h"
#include "host/proc.h"
#include "look/addresses.h"
#include "look/left.h"
#include "report.h"

/* Anybody may have started thousands of processes with thousands of descriptors. */
#define HOLDER_MS 500

struct holder {
	const struct heal_process *process;
	struct heal_socket found;
};

static int holder_is_it(void *user, const struct heal_socket *found)
{
	struct holder *holder = user;

	for (size_t i = 0; i < holder->process->n_addresses; i++) {
		if (!addresses_conflict(found->address, holder->process->addresses[i]))
			continue;
		holder->found = *found;
		return 1;
	}
	return 0;
}

/* Its descriptors are links: no memory of it is read. */
bool heal_holder_has(int dirfd, uint64_t inode, int64_t deadline_ms)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	char wanted[64];

	(void)snprintf(wanted, sizeof(wanted), "socket:[%" PRIu64 "]", inode);
	if (heal_opendir_at(dirfd, "fd", &dir) < 0)
		return false;
	while ((entry = readdir(dir)) && heal_left_ms(deadline_ms, 1)) {
		_cleanup_free_ char *link = NULL;

		if (heal_readlinkf_at(dirfd, &link, "fd/%s", entry->d_name) == 0 && strcmp(link, wanted) == 0)
			return true;
	}
	return false;
}

/*
 * The name of a user's own file stands in a line that tells root what to type: it is one
 * word, without anything that could be taken for ours.
 */
static void holder_safe(const char *exe, char *ret, size_t size)
{
	size_t len;

	heal_safe(ret, size, exe);
	len = strlen(ret);
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)ret[i]) && !strchr("/._+-\\", ret[i]))
			ret[i] = '?';
}

/* Adds the process, if it is the one. Gives whether it was. */
static bool holder_name(struct heal_context *ctx, const struct holder *holder, const char *pid,
			int64_t deadline_ms, char *ret, size_t size)
{
	_cleanup_close_ int dirfd = heal_open_process(ctx, pid);
	_cleanup_free_ char *exe = NULL;
	char safe[96];

	if (dirfd < 0 || !heal_holder_has(dirfd, holder->found.inode, deadline_ms))
		return false;
	holder_safe(heal_readlink_at(dirfd, "exe", &exe) == 0 ? exe : "?", safe, sizeof(safe));
	heal_append(ret, size, ", process %s (%s)", pid, safe);
	return true;
}

void heal_holder_find(struct heal_context *ctx, const struct heal_process *process, char *ret,
		      size_t size)
{
	int64_t deadline_ms = heal_now_ms() + heal_left_ms(ctx->deadline_ms, HOLDER_MS);
	struct holder holder = {.process = process};
	_cleanup_close_ int fd = diag_open();
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;

	*ret = '\0';
	if (!ctx->is_live || fd < 0 ||
	    (diag_list(fd, AF_INET, holder_is_it, &holder) <= 0 &&
	     diag_list(fd, AF_INET6, holder_is_it, &holder) <= 0) ||
	    heal_open_proc(ctx, &dir) < 0)
		return;
	heal_append(ret, size, "%s is held by user %" PRIu32, holder.found.address, holder.found.uid);
	while ((entry = readdir(dir)) && heal_left_ms(deadline_ms, 1))
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    holder_name(ctx, &holder, entry->d_name, deadline_ms, ret, size))
			return;
}

void heal_lost_find(struct heal_context *ctx, struct heal_listener *listener)
{
	struct heal_evidence *evidence = &listener->evidence;
	struct heal_process there = {.addresses = &(char *){evidence->lost}, .n_addresses = 1};
	char *detail = evidence->trial.detail;
	char holder[192] = "";

	heal_left_lost(ctx, &listener->process, evidence->lost, sizeof(evidence->lost));
	if (addresses_has(&listener->process, evidence->lost))
		evidence->lost[0] = '\0';
	if (!*evidence->lost)
		return;
	heal_holder_find(ctx, &there, holder, sizeof(holder));
	evidence->is_lost_held = *holder;
	heal_append(detail, sizeof(evidence->trial.detail),
		    "%sit does not listen on %s since an action of sshd-heal%s%s", *detail ? "; " : "",
		    evidence->lost, *holder ? ", " : "", holder);
}
