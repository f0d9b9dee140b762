/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many sessions each listener has: counted only, never judged. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "look/session.h"

#include "base/array.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "host/context.h"
#include "host/proc.h"
#include "look/title.h"
#include "report.h"

#define SESSION_CGROUP_MAX (16u << 10)

struct session_process {
	pid_t pid;
	pid_t ppid;
	enum heal_title title;
	bool is_roots;
};

struct session_table {
	struct session_process *items;
	size_t count;
};

/*
 * systemd's control group in a /proc/PID/cgroup, cgroups(7): that of its own hierarchy
 * where there is one, of the unified one elsewhere.
 */
int session_cgroup(const char *buf, char **ret)
{
	static const char *const hierarchies[] = {":name=systemd:", "0::"};

	for (size_t i = 0; i < ARRAY_SIZE(hierarchies); i++) {
		const char *path = strstr(buf, hierarchies[i]);

		if (!path || (i == 1 && path != buf && path[-1] != '\n'))
			continue;
		path += strlen(hierarchies[i]);
		*ret = heal_strndup(path, strcspn(path, "\n"));
		return *ret ? 0 : -ENOMEM;
	}
	return -ENODATA;
}

static void session_table_done(struct session_table *table)
{
	free(table->items);
}

/*
 * What a process is to its parent. Of anybody's but root's the title is not read: before
 * authentication sshd has it in its sandbox (sshd(8), since 7.5), and not after.
 */
static int session_title(int dirfd, const struct heal_owner *owner, const char *base,
			 enum heal_title *ret)
{
	_cleanup_free_ char *cmdline = NULL;
	size_t len;
	int r;

	if (!owner->is_root) {
		/* From 10.0 on there is a program of its own for it. */
		*ret = owner->is_sandboxed || strncmp(base, "/sshd-auth", 10) == 0
			       ? HEAL_TITLE_OTHER
			       : HEAL_TITLE_SESSION;
		return 0;
	}
	r = heal_read_at(dirfd, "cmdline", CMDLINE_MAX, &cmdline, &len);
	if (r == 0)
		*ret = title_classify(cmdline, len);
	return r;
}

/* Returns 1 and the process when it is one of sshd's, 0 when not. */
static int session_load(const struct heal_context *ctx, const char *pid,
			struct session_process *ret)
{
	_cleanup_close_ int dirfd = -1;
	_cleanup_free_ char *exe = NULL;
	struct session_process process = {.pid = (pid_t)atoi(pid)};
	struct heal_owner owner = {0};
	struct heal_stat stat = {0};
	const char *base;
	int r;

	r = heal_readlinkf_at(ctx->proc_fd, &exe, "%s/exe", pid);
	/* No sshd has so long a name. */
	if (r == -ENAMETOOLONG)
		return 0;
	base = r == 0 ? strrchr(exe, '/') : NULL;
	/* sshd, sshd-session, sshd-auth, each perhaps with " (deleted)" behind it. */
	if (!base || strncmp(base, "/sshd", 5) != 0)
		return r;
	r = dirfd = heal_open_process(ctx, pid);
	if (r >= 0)
		r = heal_owner_load(ctx, dirfd, &owner);
	if (r == 0)
		r = heal_stat_load(dirfd, &stat);
	if (r == 0)
		r = session_title(dirfd, &owner, base, &process.title);
	if (r < 0)
		return r;
	process.ppid = stat.ppid;
	process.is_roots = owner.is_root;
	*ret = process;
	return 1;
}

static int session_table_load(struct heal_context *ctx, struct session_table *table)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int opened = heal_open_proc(ctx, &dir);

	if (opened < 0)
		return opened;
	while ((errno = 0, entry = readdir(dir))) {
		struct session_process process;
		int r = isdigit((unsigned char)entry->d_name[0])
				? session_load(ctx, entry->d_name, &process)
				: 0;

		/* Kernel threads have no exe; what is not there any more has ended. */
		if (r == 0 || r == -ENOENT || r == -ESRCH)
			continue;
		if (r < 0)
			return r;
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
	if (process->title != HEAL_TITLE_SESSION || !process->is_roots)
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

		if (listener->process.pid == ppid)
			return listener;
		if (!first && listener->process.foreign == HEAL_OURS)
			first = listener;
	}
	/* Its own listener has ended since. */
	return ppid == 1 ? first : NULL;
}

/* Whether a process is in a control group, or in one below it. */
static int session_is_inside(const struct heal_context *ctx, pid_t pid, const char *cgroup, bool *ret)
{
	_cleanup_free_ char *buf = NULL;
	_cleanup_free_ char *theirs = NULL;
	size_t n = strlen(cgroup);
	size_t len;
	int r = heal_readf_at(ctx->proc_fd, SESSION_CGROUP_MAX, &buf, &len, "%d/cgroup", (int)pid);

	/* It has ended: there is nothing to lose any more. */
	if (r == -ENOENT || r == -ESRCH) {
		*ret = false;
		return 0;
	}
	if (r == 0)
		r = session_cgroup(buf, &theirs);
	if (r == 0)
		*ret = strncmp(theirs, cgroup, n) == 0 && (!theirs[n] || theirs[n] == '/');
	return r;
}

int heal_sessions_inside(struct heal_context *ctx, const struct heal_process *process, bool *ret)
{
	_cleanup_(session_table_done) struct session_table table = {0};
	_cleanup_free_ char *buf = NULL;
	_cleanup_free_ char *cgroup = NULL;
	bool is_inside = false;
	size_t len;
	int r = heal_read_at(process->dirfd, "cgroup", SESSION_CGROUP_MAX, &buf, &len);

	if (r == 0)
		r = session_cgroup(buf, &cgroup);
	if (r == 0)
		r = session_table_load(ctx, &table);
	for (size_t i = 0; r == 0 && !is_inside && i < table.count; i++)
		if (session_is_counted(&table, &table.items[i]))
			r = session_is_inside(ctx, table.items[i].pid, cgroup, &is_inside);
	if (r == 0)
		*ret = is_inside;
	return r;
}

int heal_sessions_count(struct heal_context *ctx, struct heal_listeners *listeners)
{
	_cleanup_(session_table_done) struct session_table table = {0};
	int r = session_table_load(ctx, &table);

	if (r < 0)
		return r;
	for (size_t i = 0; i < listeners->count; i++)
		listeners->items[i].process.sessions = 0;
	for (size_t i = 0; i < table.count; i++) {
		struct heal_listener *listener;

		if (!session_is_counted(&table, &table.items[i]))
			continue;
		listener = session_listener(listeners, table.items[i].ppid);
		if (listener)
			listener->process.sessions++;
	}
	return 0;
}
