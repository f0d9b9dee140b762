/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where who asks has come from, if it was by ssh: by processes and sockets, which do not lie. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "causes/cause.h"
#include "host/context.h"
#include "host/inet-diag.h"
#include "host/proc.h"
#include "look/addresses.h"
#include "look/holder.h"
#include "report.h"

#define CALLER_ANCESTORS_MAX 64
#define CALLER_CONNECTIONS_MAX 4096
#define CALLER_STAT_MAX 4096
#define CALLER_MS 300

struct caller {
	const struct heal_process *process;
	struct heal_socket *items;
	size_t count;
};

static int caller_add(void *user, const struct heal_socket *found)
{
	struct caller *caller = user;

	if (!addresses_has_port_of(caller->process, found->address) || caller->count == CALLER_CONNECTIONS_MAX)
		return 0;
	if (heal_grow(&caller->items, caller->count, sizeof(*caller->items)) < 0)
		return -ENOMEM;
	caller->items[caller->count++] = *found;
	return 0;
}

/* The connection that a process of root's has; NULL: it has none of them. */
static const char *caller_peer(struct heal_context *ctx, const struct caller *caller, int dirfd, int64_t deadline_ms)
{
	struct heal_owner owner = {0};

	if (heal_owner_load(ctx, dirfd, &owner) < 0 || !owner.is_root)
		return NULL;
	for (size_t i = 0; i < caller->count; i++)
		if (heal_holder_has(dirfd, caller->items[i].inode, deadline_ms))
			return caller->items[i].peer;
	return NULL;
}

static const char *caller_search(struct heal_context *ctx, const struct caller *caller)
{
	int64_t deadline_ms = heal_now_ms() + heal_left_ms(ctx->deadline_ms, CALLER_MS);
	pid_t pid = getppid();

	for (size_t i = 0; i < CALLER_ANCESTORS_MAX && pid > 1 && heal_left_ms(deadline_ms, 1); i++) {
		_cleanup_close_ int dirfd = -1;
		_cleanup_free_ char *text = NULL;
		struct heal_stat stat = {0};
		const char *peer;
		char name[16];
		size_t len = 0;

		(void)snprintf(name, sizeof(name), "%d", (int)pid);
		dirfd = heal_open_process(ctx, name);
		if (dirfd < 0)
			return NULL;
		peer = caller_peer(ctx, caller, dirfd, deadline_ms);
		if (peer)
			return peer;
		if (heal_read_at(dirfd, "stat", CALLER_STAT_MAX, &text, &len) < 0 || stat_parse(text, len, &stat) < 0)
			return NULL;
		pid = stat.ppid;
	}
	return NULL;
}

void caller_find(struct heal_context *ctx, const struct heal_process *process, char *ret, size_t size)
{
	struct caller caller = {.process = process};
	_cleanup_close_ int fd = diag_open();
	const char *peer = NULL;

	*ret = '\0';
	if (fd >= 0 && diag_list_connected(fd, AF_INET, caller_add, &caller) == 0 &&
	    diag_list_connected(fd, AF_INET6, caller_add, &caller) == 0)
		peer = caller_search(ctx, &caller);
	/* "192.0.2.9:4711", "[2001:db8::9]:4711" */
	if (peer && *peer == '[')
		(void)snprintf(ret, size, "%.*s", (int)strcspn(peer + 1, "]"), peer + 1);
	else if (peer)
		(void)snprintf(ret, size, "%.*s", (int)strcspn(peer, ":"), peer);
	free(caller.items);
}
