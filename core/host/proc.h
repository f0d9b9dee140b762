/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes, by what nobody can make us wait for. */
#ifndef SSHD_HEAL_HOST_PROC_H
#define SSHD_HEAL_HOST_PROC_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/context.h"

/* The directory of a process, by its number in text; -errno. */
int heal_open_process(const struct heal_context *ctx, const char *pid);
/* /proc's directory from its beginning. Errors: those of openat; -ENOENT for a root without it. */
int heal_open_proc(const struct heal_context *ctx, DIR **ret);
/* Whether the process of a /proc/PID directory has not ended. */
bool heal_process_is_there(int dirfd);
/*
 * Reads a file of a process that is empty for a moment while the process is inside execve,
 * which is how a reload looks: maps, cmdline. Errors: as heal_read_at(); -ESRCH when the
 * process has ended, -EAGAIN when it stays empty.
 */
int heal_read_program_at(int dirfd, const char *name, size_t max, char **ret, size_t *ret_len);

struct heal_stat {
	pid_t ppid;
	char state;
	uint64_t start_time;
	uint64_t stack; /* where it begins: elsewhere after each execve(2); 0: not told */
};

/* Parses /proc/PID/stat (proc_pid_stat(5)); the comm may hold anything. */
int stat_parse(const char *buf, size_t len, struct heal_stat *ret);

/* The same of the process of a /proc/PID directory. Errors: those of /proc. */
int heal_stat_load(int dirfd, struct heal_stat *ret);

/* A process may have 65,536 groups, which its status names, credentials(7). */
#define OWNER_STATUS_MAX (1u << 20)

struct heal_owner {
	bool is_root;      /* real, effective, saved and filesystem user, in PID 1's user namespace */
	bool is_sandboxed; /* by a seccomp filter */
	uint64_t capabilities; /* the effective ones, capabilities(7) */
	bool takes_hup;    /* it has a handler for SIGHUP, which ends it otherwise */
	bool is_killed;    /* by SIGKILL, of which it has not ended yet */
};

/* Parses /proc/PID/status (proc_pid_status(5)), ended by a NUL. -EBADMSG when it names no user. */
int owner_parse(const char *status, struct heal_owner *ret);
/* Whose the process of a /proc/PID directory is. Errors: those of /proc; -ENOENT, -ESRCH: it has ended. */
int heal_owner_load(const struct heal_context *ctx, int dirfd, struct heal_owner *ret);
/*
 * Whether a link below a /proc/PID directory, "root" or "ns/mnt", is that of another process:
 * "1", "thread-self". What neither has is the same. Errors: as above.
 */
int heal_owner_same_link(const struct heal_context *ctx, const char *other, int dirfd, const char *name,
			 bool *ret);

#endif
