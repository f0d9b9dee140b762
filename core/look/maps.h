/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The deleted files that a process still runs. */
#ifndef SSHD_HEAL_LOOK_MAPS_H
#define SSHD_HEAL_LOOK_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/words.h"
#include "host/context.h"
#include "report.h"

/* sshd has some 150 mappings; a maps file of this size is no sshd's. */
#define MAPS_MAX (4u << 20)

struct heal_mapping {
	const char *path; /* into the buffer, not terminated */
	size_t path_len;
	uint64_t inode;
	bool is_executable;
};

/*
 * Parses one line of /proc/PID/maps (proc_pid_maps(5)), without its newline.
 * Returns 1 for a mapping of a named file, 0 for any other, -EINVAL for a line
 * that is none.
 */
int maps_parse_line(const char *line, size_t len, struct heal_mapping *ret);

/*
 * Gives the length of the name of a deleted file: without " (deleted)", rpm's
 * ";hex" and dpkg's ".dpkg-tmp" and ".dpkg-new". 0 when the name is not that
 * of a deleted file on disk: not deleted, or memfd, /dev, SysV and POSIX
 * shared memory, and the like.
 */
size_t maps_deleted_name(const char *path, size_t len);

/*
 * Whether a file is really named so, " (deleted)" included: then it exists,
 * with the inode that the kernel gives for it.
 */
bool maps_is_real_name(struct heal_context *ctx, const char *path, size_t len, uint64_t inode);
/* The directory that the process has its libcrypto or libc from; NULL when it has none. */
char *maps_library_dir(const struct heal_process *process);

/*
 * Calls a function for every file that a process has mapped as code, mapping by mapping,
 * until one call does not give 0. Gives that, or -ESRCH when the process has ended or maps
 * nothing; other errors: those of reading /proc/PID/maps.
 */
int heal_maps_each(const struct heal_process *process,
		   int (*fn)(void *user, const struct heal_mapping *mapping), void *user);

/* For heal_maps_each(): adds the names of the files that are mapped as code to words, each once. */
int maps_add_path(void *words, const struct heal_mapping *mapping);

/*
 * Fills in the stale files: the exe and every executable file mapping whose
 * name ends in " (deleted)" (proc_pid_maps(5)), each path once.
 * Returns 0; -ESRCH when the process has ended or maps nothing; -EACCES, -EPERM when it may
 * not be read.
 */
int heal_listener_stale(struct heal_context *ctx, const struct heal_process *process,
			struct heal_evidence *evidence);

#endif
