/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose a process is, by what nobody can make us wait for: /proc/PID/status and its
 * namespace links. Only of root's own processes more may be read: cmdline, maps and the
 * like take a lock that the process can keep, and its directory is root's also where it
 * is anybody's that cannot be dumped (proc(5), PR_SET_DUMPABLE(2const)).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host/proc.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "host/context.h"

/* execve(2) takes less; nothing can be waited for that would tell of its end. */
#define PROC_RETRIES 5
#define PROC_RETRY_PAUSE_MS 4
#define PROC_STAT_MAX 4096

int stat_parse(const char *buf, size_t len, struct heal_stat *ret)
{
	/* comm may hold blanks and parentheses: the fields start behind its last one. */
	const char *p = memrchr(buf, ')', len);
	char fields[768]; /* of numbers, and 28 of them matter */
	unsigned long long start_time = 0;
	unsigned long long stack = 0;
	long ppid = 0;
	char state = 0;

	if (!p)
		return -EINVAL;
	(void)snprintf(fields, sizeof(fields), "%.*s", (int)(buf + len - p - 1), p + 1);
	if (sscanf(fields,
		   " %c %ld %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		   "%*s %llu %*s %*s %*s %*s %*s %llu",
		   &state, &ppid, &start_time, &stack) < 3)
		return -EINVAL;
	*ret = (struct heal_stat){
		.ppid = (pid_t)ppid,
		.state = state,
		.start_time = start_time,
		.stack = stack,
	};
	return 0;
}

int heal_stat_load(int dirfd, struct heal_stat *ret)
{
	_cleanup_free_ char *buf = NULL;
	size_t len;
	int r = heal_read_at(dirfd, "stat", PROC_STAT_MAX, &buf, &len);

	return r < 0 ? r : stat_parse(buf, len, ret);
}

int heal_open_process(const struct heal_context *ctx, const char *pid)
{
	int fd = openat(ctx->proc_fd, pid, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int heal_open_proc(const struct heal_context *ctx, DIR **ret)
{
	return ctx->proc_fd < 0 ? -ENOENT : heal_opendir_at(ctx->proc_fd, ".", ret);
}

/* What cannot be looked at has not ended for that. */
bool heal_process_is_there(int dirfd)
{
	struct stat st;

	return fstatat(dirfd, "stat", &st, 0) == 0 || (errno != ENOENT && errno != ESRCH);
}

int heal_read_program_at(int dirfd, const char *name, size_t max, char **ret, size_t *ret_len)
{
	for (int i = 0;; i++) {
		_cleanup_free_ char *buf = NULL;
		int r = heal_read_at(dirfd, name, max, &buf, ret_len);

		if (r == 0 && *ret_len)
			*ret = heal_take(buf);
		if (r < 0 || *ret_len)
			return r;
		if (!heal_process_is_there(dirfd))
			return -ESRCH;
		if (i == PROC_RETRIES)
			return -EAGAIN;
		heal_sleep_ms(PROC_RETRY_PAUSE_MS);
	}
}

/* The value of a field, up to the end of its line; NULL when there is none. */
static const char *owner_field(const char *status, const char *name)
{
	const char *line = strstr(status, name);

	return line ? line + strlen(name) + strspn(line + strlen(name), " \t") : NULL;
}

int owner_parse(const char *status, struct heal_owner *ret)
{
	const char *uids = owner_field(status, "\nUid:");
	const char *seccomp = owner_field(status, "\nSeccomp:");
	const char *caught = owner_field(status, "\nSigCgt:");
	const char *capabilities = owner_field(status, "\nCapEff:");
	/* What is sent to the whole process stays in there to its end. */
	const char *pending = owner_field(status, "\nShdPnd:");
	unsigned long uid[4];

	if (!uids || sscanf(uids, "%lu %lu %lu %lu", &uid[0], &uid[1], &uid[2], &uid[3]) != 4)
		return -EBADMSG;
	*ret = (struct heal_owner){
		.is_root = uid[0] == 0 && uid[1] == 0 && uid[2] == 0 && uid[3] == 0,
		/* SECCOMP_MODE_FILTER, proc_pid_status(5). */
		.is_sandboxed = seccomp && *seccomp == '2',
		/* Bit 0 is that of signal 1. */
		.capabilities = capabilities ? strtoull(capabilities, NULL, 16) : 0,
		.takes_hup = !caught || strtoull(caught, NULL, 16) & 1,
		.is_killed = pending && strtoull(pending, NULL, 16) >> (SIGKILL - 1) & 1,
	};
	return 0;
}

int heal_owner_same_link(const struct heal_context *ctx, const char *other, int dirfd, const char *name,
			 bool *ret)
{
	_cleanup_free_ char *theirs = NULL;
	_cleanup_free_ char *ours = NULL;
	int other_r = heal_readlinkf_at(ctx->proc_fd, &ours, "%s/%s", other, name);
	int r = heal_readlink_at(dirfd, name, &theirs);

	/* A kernel, or a recorded tree, that does not have this one for anybody. */
	if (other_r == -ENOENT && r == -ENOENT) {
		*ret = true;
		return 0;
	}
	if (!theirs || !ours)
		return r < 0 ? r : other_r;
	*ret = strcmp(theirs, ours) == 0;
	return 0;
}

int heal_owner_load(const struct heal_context *ctx, int dirfd, struct heal_owner *ret)
{
	_cleanup_free_ char *status = NULL;
	struct heal_owner owner = {0};
	bool is_same = false;
	size_t len;
	int r = heal_read_at(dirfd, "status", OWNER_STATUS_MAX, &status, &len);

	if (r == 0)
		r = owner_parse(status, &owner);
	/* Root of a user namespace of its own may be anybody. */
	if (r == 0 && owner.is_root)
		r = heal_owner_same_link(ctx, "1", dirfd, "ns/user", &is_same);
	if (r < 0)
		return r;
	owner.is_root = owner.is_root && is_same;
	*ret = owner;
	return 0;
}
