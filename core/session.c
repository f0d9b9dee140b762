/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many sessions each listener has: counted only, never judged. */
#include <ctype.h>
#include <fcntl.h>

#include "internal.h"

struct session_process {
	pid_t pid;
	pid_t ppid;
	enum heal_title title;
};

struct session_table {
	struct session_process *items;
	size_t count;
};

static void session_table_done(struct session_table *table)
{
	free(table->items);
}

/* Gives 1 and the process when it is one of sshd's, 0 when not or gone. */
static int session_load(struct heal_context *ctx, const char *pid, struct session_process *ret)
{
	_cleanup_free_ char *exe = NULL;
	_cleanup_free_ char *cmdline = NULL;
	_cleanup_free_ char *stat_text = NULL;
	struct heal_stat stat;
	char path[32];
	const char *base;
	size_t len;

	(void)snprintf(path, sizeof(path), "%.12s/exe", pid);
	if (heal_readlink_at(ctx->proc_fd, path, &exe) < 0)
		return 0;
	base = strrchr(exe, '/');
	/* sshd, sshd-session, sshd-auth, each perhaps with " (deleted)" behind it. */
	if (!base || strncmp(base, "/sshd", 5) != 0)
		return 0;
	(void)snprintf(path, sizeof(path), "%.12s/stat", pid);
	if (heal_read_at(ctx->proc_fd, path, 4096, &stat_text, &len) < 0 ||
	    stat_parse(stat_text, len, &stat) < 0)
		return 0;
	(void)snprintf(path, sizeof(path), "%.12s/cmdline", pid);
	if (heal_read_at(ctx->proc_fd, path, CMDLINE_MAX, &cmdline, &len) < 0)
		return 0;
	*ret = (struct session_process){
		.pid = (pid_t)atoi(pid),
		.ppid = stat.ppid,
		.title = title_classify(cmdline, len),
	};
	return 1;
}

static int session_table_load(struct heal_context *ctx, struct session_table *table)
{
	_cleanup_closedir_ DIR *dir = heal_open_proc(ctx);
	struct dirent *entry;

	if (!dir)
		return -errno;
	while ((errno = 0, entry = readdir(dir))) {
		struct session_process process;

		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    session_load(ctx, entry->d_name, &process) == 0)
			continue;
		if (heal_grow(&table->items, table->count, sizeof(*table->items)) < 0)
			return -ENOMEM;
		table->items[table->count++] = process;
	}
	return errno ? -errno : 0;
}

/* Whether a process is a session past authentication; those below it have no listener. */
static bool session_is_counted(const struct session_table *table,
			       const struct session_process *process)
{
	if (process->title != HEAL_TITLE_SESSION)
		return false;
	for (size_t i = 0; i < table->count; i++) {
		const struct session_process *other = &table->items[i];

		/* The network child, or sshd-auth, lives until authentication is done. */
		if (other->ppid == process->pid && other->title == HEAL_TITLE_OTHER)
			return false;
	}
	return true;
}

static struct heal_listener *session_listener(struct heal_listeners *listeners, pid_t ppid)
{
	struct heal_listener *first = NULL;

	for (size_t i = 0; i < listeners->count; i++) {
		struct heal_listener *listener = &listeners->items[i];

		if (listener->pid == ppid)
			return listener;
		if (!first && listener->foreign == HEAL_OURS)
			first = listener;
	}
	/* Its own listener has ended since. */
	return ppid == 1 ? first : NULL;
}

int heal_sessions_count(struct heal_context *ctx, struct heal_listeners *listeners)
{
	_cleanup_(session_table_done) struct session_table table = {0};
	int r = session_table_load(ctx, &table);

	if (r < 0)
		return r;
	for (size_t i = 0; i < listeners->count; i++)
		listeners->items[i].sessions = 0;
	for (size_t i = 0; i < table.count; i++) {
		struct heal_listener *listener;

		if (!session_is_counted(&table, &table.items[i]))
			continue;
		listener = session_listener(listeners, table.items[i].ppid);
		if (listener)
			listener->sessions++;
	}
	return 0;
}
