/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sshd listeners of this host, and whose they are. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "look/listener.h"

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "host/context.h"
#include "host/proc.h"
#include "look/maps.h"
#include "look/title.h"
#include "look/whose.h"
#include "report.h"

#define LISTENER_FOREIGN_MAX 16
#define LISTENER_COMM_MAX 64
/* What a unit has beside its listener are sessions without pam_systemd. */
#define LISTENER_UNIT_MAX 64
#define LISTENER_CGROUP_MAX (1u << 20)
/* How long a parent may take to end once it has no program any more; all of them together. */
#define LISTENER_ORPHANS_MS 200
#define LISTENER_PAUSE_MS 2
/* Instead of a parent's PID: it has ended, or is about to; and: it is to be left out. */
#define LISTENER_ORPHAN 0
#define LISTENER_DROPPED (-1)

/* Where a process was found. */
enum listener_source {
	LISTENER_BY_NAME, /* of its exe */
	LISTENER_BY_UNIT, /* it is in the control group of sshd's unit */
	LISTENER_KNOWN,   /* it was ours, or systemd says that it is our unit's */
};

/* What the name of an exe says of it. */
enum listener_name {
	LISTENER_NAME_OTHER,
	LISTENER_NAME_LIKE, /* "sshd.distrib", "sshd-old": its title must tell */
	LISTENER_NAME_SSHD,
};

/* Of the last piece of a path. */
static enum listener_name listener_name_of_base(const char *base, size_t len)
{
	static const char *const others[] = {"-session", "-auth", "-heal"};

	if (len < 4 || memcmp(base, "sshd", 4) != 0)
		return LISTENER_NAME_OTHER;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (len - 4 >= strlen(others[i]) && memcmp(base + 4, others[i], strlen(others[i])) == 0)
			return LISTENER_NAME_OTHER;
	return len == 4 ? LISTENER_NAME_SSHD : LISTENER_NAME_LIKE;
}

static enum listener_name listener_name_of(const char *path, size_t len)
{
	const char *slash = memrchr(path, '/', len);

	return slash ? listener_name_of_base(slash + 1, (size_t)(path + len - slash - 1))
		     : LISTENER_NAME_OTHER;
}

/* The name of an exe without " (deleted)"; is_deleted tells whether that was there. */
static size_t listener_exe_len(const char *exe, bool *is_deleted)
{
	size_t len = strlen(exe);
	size_t stripped = maps_deleted_name(exe, len);

	*is_deleted = stripped != 0;
	return stripped ? stripped : len;
}

/* Sets exe and exe_deleted. Returns 1 when the name is none of an sshd's. */
static int listener_load_exe(struct heal_process *process, enum listener_source source)
{
	_cleanup_free_ char *exe = NULL;
	size_t len;
	int r = heal_readlink_at(process->dirfd, "exe", &exe);

	if (r < 0)
		return r;
	len = listener_exe_len(exe, &process->exe_deleted);
	if (source == LISTENER_BY_NAME && listener_name_of(exe, len) == LISTENER_NAME_OTHER)
		return 1;
	process->exe = heal_strndup(exe, len);
	return process->exe ? 0 : -ENOMEM;
}

/* Returns 1 when the exe of a process of root's only is named as a deleted sshd would be. */
static int listener_check_exe(struct heal_context *ctx, struct heal_process *process)
{
	_cleanup_free_ char *exe = NULL;
	struct stat st = {0};
	int r = heal_readlink_at(process->dirfd, "exe", &exe);

	if (r < 0)
		return r;
	if (ctx->is_live && fstatat(process->dirfd, "exe", &st, 0) < 0)
		return -errno;
	return maps_is_real_name(ctx, exe, strlen(exe), st.st_ino);
}

/*
 * Whether a process of anybody's is one that sshd has started for a client, or another
 * sshd-heal for its trial: that is its parent, or it is shut in where sshd has its children
 * until the client is known. Where the parent is about to end that shows in a moment.
 */
static int listener_is_child(const struct heal_context *ctx, struct heal_process *process,
			     bool is_sandboxed, bool *ret)
{
	_cleanup_free_ char *exe = NULL;
	_cleanup_free_ char *root = NULL;
	const char *base;
	int r = heal_readlink_at(process->dirfd, "root", &root);

	if (r < 0)
		return r;
	*ret = is_sandboxed && strcmp(root, "/") != 0;
	if (*ret)
		return 0;
	r = heal_readlinkf_at(ctx->proc_fd, &exe, "%d/exe", (int)process->ppid);
	/* It may have ended, and a kernel thread has none; no sshd has so long a name. */
	if (r < 0 && r != -ENOENT && r != -ESRCH && r != -ENAMETOOLONG)
		return r;
	base = r == 0 ? strrchr(exe, '/') : NULL;
	/* sshd-heal's included; what has ended with its parent is nothing any more. */
	*ret = base ? strncmp(base, "/sshd", 5) == 0 : !heal_process_is_there(process->dirfd);
	if (r == -ENOENT || r == -ESRCH)
		process->ppid = LISTENER_ORPHAN;
	return 0;
}

/*
 * What a process of this host's root is, and under which name it was started: its title
 * tells. Returns 1 when it is no listener.
 */
static int listener_load_title(struct heal_context *ctx, struct heal_process *process)
{
	_cleanup_free_ char *buf = NULL;
	char *name = NULL;
	size_t len = 0;
	bool is_named = listener_name_of(process->exe, strlen(process->exe)) == LISTENER_NAME_SSHD;
	int r = process->exe_deleted ? listener_check_exe(ctx, process) : 0;

	if (r == 0)
		r = heal_read_program_at(process->dirfd, "cmdline", CMDLINE_MAX, &buf, &len);
	if (r != 0)
		return r;
	if (title_classify(buf, len) != HEAL_TITLE_LISTENER)
		return 1;
	r = title_program(buf, len, process->exe, &name);
	if (r < 0)
		return r;
	/* Anything may have arguments; only sshd has such a title, or such a name. */
	if (!is_named && !(name && (title_name(buf, len) ||
				    listener_name_of(name, strlen(name)) == LISTENER_NAME_SSHD))) {
		free(name);
		return 1;
	}
	return name ? heal_whose_name(ctx, process, name) : 0;
}

static int listener_load_roots(struct heal_context *ctx, struct heal_process *process)
{
	int r = listener_load_title(ctx, process);

	return r == 0 ? heal_whose_file(ctx, process, &process->foreign) : r;
}

/*
 * Likewise of anybody else's, the root of a container included, whose title is not asked
 * for. A hook has no use for it.
 */
static int listener_load_foreign(const struct heal_context *ctx, struct heal_process *process,
				 const struct heal_owner *owner)
{
	bool is_child = false;
	int r;

	/* What a trial has started is killed with its sshd-heal, and its parent is PID 1 then. */
	if ((ctx->is_hook && ctx->is_live) || owner->is_killed)
		return 1;
	/* sshd shuts in nobody who is root. */
	r = listener_is_child(ctx, process, owner->is_sandboxed && !owner->is_root, &is_child);
	return r != 0 ? r : is_child;
}

static int listener_load_mounts(const struct heal_context *ctx, struct heal_process *process)
{
	bool is_inits = false;
	int r = heal_owner_same_link(ctx, "1", process->dirfd, "ns/mnt", &is_inits);

	process->has_own_mounts = !is_inits;
	return r;
}

static int listener_load(struct heal_context *ctx, struct heal_process *process,
			 enum listener_source source)
{
	struct heal_owner owner = {0};
	struct heal_stat stat = {0};
	int r = listener_load_exe(process, source);

	if (r == 0)
		r = heal_stat_load(process->dirfd, &stat);
	/* In this order: who has lost its parent may have been killed with it. */
	if (r == 0)
		r = heal_owner_load(ctx, process->dirfd, &owner);
	if (r != 0)
		return r;
	if (stat.state == 'Z' || stat.state == 'X')
		return 1;
	process->ppid = stat.ppid;
	process->start_time = stat.start_time;
	process->program = stat.stack;
	if (owner.is_root)
		r = listener_load_mounts(ctx, process);
	if (r < 0)
		return r;
	if (source == LISTENER_KNOWN && owner.is_root)
		return listener_load_title(ctx, process);
	r = heal_whose_process(ctx, process, &owner, &process->foreign);
	if (r < 0)
		return r;
	if (process->foreign == HEAL_OURS)
		return listener_load_roots(ctx, process);
	/* A session's; and of what is only named like an sshd there is no title to ask. */
	if (source == LISTENER_BY_UNIT ||
	    listener_name_of(process->exe, strlen(process->exe)) != LISTENER_NAME_SSHD)
		return 1;
	return listener_load_foreign(ctx, process, &owner);
}

static int listener_open(struct heal_context *ctx, pid_t pid, enum listener_source source,
			 struct heal_process *ret)
{
	_cleanup_(heal_process_done) struct heal_process process = {
		.pid = pid, .dirfd = -1, .sessions = -1};
	char name[16];
	int r;

	(void)snprintf(name, sizeof(name), "%d", (int)pid);
	process.dirfd = heal_open_process(ctx, name);
	if (process.dirfd < 0)
		return process.dirfd;
	r = listener_load(ctx, &process, source);
	if (r != 0)
		return r;
	/* Anyone can start a thousand of them: they must not use up our descriptors. */
	if (!heal_process_is_roots(&process))
		(void)close(heal_take_fd(&process.dirfd));
	*ret = process;
	process = (struct heal_process){.dirfd = -1};
	return 0;
}

int heal_listener_load(struct heal_context *ctx, pid_t pid, bool is_known, struct heal_process *ret)
{
	return listener_open(ctx, pid, is_known ? LISTENER_KNOWN : LISTENER_BY_NAME, ret);
}

/* Whether a process is certainly not root's. */
static bool listener_is_users(const struct heal_context *ctx, const char *pid)
{
	_cleanup_free_ char *status = NULL;
	struct heal_owner owner = {0};
	size_t len;

	return heal_readf_at(ctx->proc_fd, OWNER_STATUS_MAX, &status, &len, "%s/status", pid) == 0 &&
	       owner_parse(status, &owner) == 0 && !owner.is_root;
}

/* Whether a process calls itself sshd, and may be root's. Errors: -ENOENT, -ESRCH: it has ended. */
static int listener_may_be_roots(const struct heal_context *ctx, const char *pid, bool *ret)
{
	_cleanup_free_ char *comm = NULL;
	size_t len;
	int r = heal_readf_at(ctx->proc_fd, LISTENER_COMM_MAX, &comm, &len, "%s/comm", pid);

	if (r == 0)
		*ret = listener_name_of_base(comm, strcspn(comm, "\n")) != LISTENER_NAME_OTHER &&
		       !listener_is_users(ctx, pid);
	return r;
}

/*
 * A process that could not be looked at: not worth a line when it is no sshd, or not
 * root's, or has ended.
 */
static bool listener_note_unreadable(const struct heal_context *ctx, const char *pid, int code,
				     struct heal_notes *notes)
{
	bool may_be = true;
	int r = listener_may_be_roots(ctx, pid, &may_be);
	struct stat init;

	if (r == -ENOENT || r == -ESRCH || !may_be)
		return false;
	/* Whose it is, is told by comparing it with PID 1, which may be shut away. */
	if (fstatat(ctx->proc_fd, "1/ns/pid", &init, 0) < 0 && errno != ENOENT)
		(void)heal_notes_add(notes, "cannot tell whose sshd process %s is: reading /proc/1: %s",
				     pid, strerror(errno));
	else
		(void)heal_notes_add(notes,
				     "cannot tell whether sshd process %s is stale: reading /proc/%s: %s",
				     pid, pid, strerror(code));
	return true;
}

/* The quick look that nearly every process is passed over by: one readlinkat. */
static int listener_is_candidate(struct heal_context *ctx, const char *pid)
{
	char path[32];
	char exe[64];
	ssize_t n;
	size_t len;
	bool is_deleted;

	(void)snprintf(path, sizeof(path), "%.12s/exe", pid);
	n = readlinkat(ctx->proc_fd, path, exe, sizeof(exe));
	if (n < 0)
		return -errno;
	if (n == (ssize_t)sizeof(exe))
		return 1;
	exe[n] = '\0';
	len = listener_exe_len(exe, &is_deleted);
	return listener_name_of(exe, len) != LISTENER_NAME_OTHER;
}

/* Lists a process, unless it is one foreign one too many. Takes it over in any case. */
static int listener_add(struct heal_listeners *listeners, struct heal_process *process)
{
	_cleanup_(heal_process_done) struct heal_process taken = *process;
	bool is_foreign = !heal_process_is_roots(process);

	/* Anyone can start a thousand of them, and so bury the one that matters. */
	if (is_foreign && listeners->n_foreign >= LISTENER_FOREIGN_MAX) {
		listeners->n_foreign++;
		return 0;
	}
	if (heal_grow(&listeners->items, listeners->count, sizeof(*listeners->items)) < 0)
		return -ENOMEM;
	listeners->items[listeners->count++] = (struct heal_listener){
		.process = taken, .result.refused_ms = -1};
	listeners->n_foreign += is_foreign;
	taken = (struct heal_process){.dirfd = -1};
	return 0;
}

static int listener_scan_one(struct heal_context *ctx, const char *pid, enum listener_source source,
			     struct heal_listeners *listeners, struct heal_notes *notes)
{
	struct heal_process process;
	int r = source == LISTENER_BY_NAME ? listener_is_candidate(ctx, pid) : 1;

	/* Kernel threads have no exe; what is not there any more has ended. */
	if (r == 0 || r == -ENOENT || r == -ESRCH)
		return 0;
	if (r > 0)
		r = listener_open(ctx, (pid_t)atoi(pid), source, &process);
	if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		return r;
	/* In the middle of its end a process is there, and has no program nor anything else. */
	if (r < 0 && listener_is_candidate(ctx, pid) != -ENOENT)
		listeners->unreadable += listener_note_unreadable(ctx, pid, -r, notes);
	return r == 0 ? listener_add(listeners, &process) : 0;
}

/* The processes of a unit; NULL where it has none. */
static int listener_read_unit(const struct heal_context *ctx, const char *unit, char **ret)
{
	/* The unified hierarchy, or systemd's own, cgroups(7). */
	static const char *const mounts[] = {"sys/fs/cgroup", "sys/fs/cgroup/systemd"};
	int r = -ENOENT;

	for (size_t i = 0; r == -ENOENT && i < ARRAY_SIZE(mounts); i++) {
		size_t len;

		r = heal_readf_at(ctx->root_fd, LISTENER_CGROUP_MAX, ret, &len,
				  "%s/system.slice/%s/cgroup.procs", mounts[i], unit);
	}
	return r == -ENOENT || r == -ENODEV ? 0 : r;
}

static int listener_scan_unit(struct heal_context *ctx, const char *unit,
			      struct heal_listeners *listeners, struct heal_notes *notes)
{
	_cleanup_free_ char *pids = NULL;
	char *rest = NULL;
	char *pid;
	int r = listener_read_unit(ctx, unit, &pids);

	if (r < 0 && r != -ENOMEM && r != -EMFILE && r != -ENFILE) {
		listeners->unreadable++;
		return heal_notes_add(notes, "looking for the processes of %s: %s", unit, strerror(-r));
	}
	pid = pids ? strtok_r(pids, "\n", &rest) : NULL;
	for (int i = 0; r == 0 && pid && i < LISTENER_UNIT_MAX; i++) {
		/* What has the name of an sshd, or cannot be looked at, was seen to already. */
		if (listener_is_candidate(ctx, pid) == 0)
			r = listener_scan_one(ctx, pid, LISTENER_BY_UNIT, listeners, notes);
		pid = strtok_r(NULL, "\n", &rest);
	}
	return r;
}

/* One whose file was moved away, under a name that is none of an sshd's. */
static int listener_scan_units(struct heal_context *ctx, struct heal_listeners *listeners,
			       struct heal_notes *notes)
{
	int r = listener_scan_unit(ctx, "ssh.service", listeners, notes);

	return r == 0 ? listener_scan_unit(ctx, "sshd.service", listeners, notes) : r;
}

/* Looks at one again whose parent was about to end. Gives whether that has not come to an end yet. */
static bool listener_is_orphan_still(struct heal_context *ctx, struct heal_process *process)
{
	_cleanup_(heal_process_done) struct heal_process now = {.dirfd = -1};
	int r;

	if (heal_process_is_roots(process) || process->ppid != LISTENER_ORPHAN)
		return false;
	r = listener_open(ctx, process->pid, LISTENER_BY_NAME, &now);
	if (r == 0 && now.start_time == process->start_time)
		process->ppid = now.ppid;
	else if (r >= 0 || r == -ENOENT || r == -ESRCH)
		process->ppid = LISTENER_DROPPED;
	return process->ppid == LISTENER_ORPHAN;
}

/* Most end with their parents, or have another then. */
static void listener_await_orphans(struct heal_context *ctx, struct heal_listeners *listeners)
{
	int64_t end_ms = heal_now_ms() + LISTENER_ORPHANS_MS;
	bool is_any = ctx->is_live;

	while (is_any && heal_now_ms() < end_ms) {
		is_any = false;
		for (size_t i = 0; i < listeners->count; i++)
			is_any |= listener_is_orphan_still(ctx, &listeners->items[i].process);
		if (is_any)
			heal_sleep_ms(LISTENER_PAUSE_MS);
	}
}

/* Between fork and exec a connection's child still has the listener's title and mappings. */
static void listener_drop_children(struct heal_listeners *listeners)
{
	size_t kept = 0;

	for (size_t i = 0; i < listeners->count; i++) {
		struct heal_process *process = &listeners->items[i].process;
		bool is_child = false;

		for (size_t j = 0; j < listeners->count; j++) {
			const struct heal_process *other = &listeners->items[j].process;

			is_child |= other->pid == process->ppid && (other->foreign == HEAL_OURS ||
								    process->foreign != HEAL_OURS);
		}
		process->ppid = is_child ? LISTENER_DROPPED : process->ppid;
	}
	for (size_t i = 0; i < listeners->count; i++) {
		const struct heal_process *process = &listeners->items[i].process;

		if (process->ppid == LISTENER_DROPPED) {
			listeners->n_foreign -= !heal_process_is_roots(process);
			heal_listener_done(&listeners->items[i]);
		} else {
			listeners->items[kept++] = listeners->items[i];
		}
	}
	listeners->count = kept;
}

int heal_listeners_find(struct heal_context *ctx, struct heal_listeners *ret,
			struct heal_notes *notes, struct heal_error *error)
{
	_cleanup_(heal_listeners_done) struct heal_listeners listeners = {0};
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int r = heal_open_proc(ctx, &dir);

	if (r < 0)
		return heal_error_set(error, -r, "looking for sshd processes: opening /proc: %s",
				      strerror(-r));
	while ((errno = 0, entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		r = listener_scan_one(ctx, entry->d_name, LISTENER_BY_NAME, &listeners, notes);
		if (r < 0)
			return heal_error_set(error, -r, "looking for sshd processes: %s",
					      strerror(-r));
	}
	if (errno)
		return heal_error_set(error, errno, "looking for sshd processes: reading /proc: %s",
				      strerror(errno));
	r = listener_scan_units(ctx, &listeners, notes);
	if (r < 0)
		return heal_error_set(error, -r, "looking for sshd processes: %s", strerror(-r));
	listener_await_orphans(ctx, &listeners);
	listener_drop_children(&listeners);
	*ret = listeners;
	listeners = (struct heal_listeners){0};
	return 0;
}
