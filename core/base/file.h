/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files and streams, read whole and within limits. */
#ifndef SSHD_HEAL_BASE_FILE_H
#define SSHD_HEAL_BASE_FILE_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/cleanup.h"

/*
 * Reads a file whole, at most max bytes, and puts a NUL behind it.
 * Errors: those of openat and read; -EFBIG.
 */
int heal_read_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len);

/* The same of one that is open. */
int heal_read_fd(int fd, size_t max, char **ret, size_t *ret_len);

/* Reads a symbolic link of up to PATH_MAX bytes. */
int heal_readlink_at(int dirfd, const char *path, char **ret);

/* The same for a path that is made of parts, as in /proc: up to 63 bytes, or -ENAMETOOLONG. */
int heal_readf_at(int dirfd, size_t max, char **ret, size_t *ret_len, const char *fmt, ...)
	_printf_(5, 6);
int heal_readlinkf_at(int dirfd, char **ret, const char *fmt, ...) _printf_(3, 4);

/* Whether stat(2) tells of one file, or directory. */
bool heal_same_file(const struct stat *a, const struct stat *b);

/* Opens a directory from its beginning. Errors: those of openat. */
int heal_opendir_at(int dirfd, const char *path, DIR **ret);

/*
 * Puts a file of this text into a directory, in the place of one that was there; whoever
 * reads it has the old text or the new one. Errors: those of writing it, nothing changed.
 */
int heal_write_at(int dirfd, const char *name, mode_t mode, const char *text, size_t len);

/*
 * Reads fd to its end, or until deadline_ms; what is beyond 16 MB is drained and lost.
 * What came is the caller's to free (NULL when nothing), even with an error.
 */
int heal_read_stream(int fd, int64_t deadline_ms, char **ret, size_t *ret_len);

#endif
