/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What only root can change. */
#ifndef SSHD_HEAL_HOST_TRUST_H
#define SSHD_HEAL_HOST_TRUST_H

#include <stdbool.h>

/*
 * Whether nobody but root can change what a path (from the root, absolute or not)
 * leads to: it, every directory above it and every link on the way are root's, and
 * nobody else may write to them. Errors: -ENOENT, too, sets ret: of a file that is
 * not there, as far as the path goes; others: those of openat and readlinkat.
 */
int heal_trust_path(int root_fd, const char *path, bool *ret);

/*
 * Opens what a path leads to within the root, for reading or as O_PATH, O_DIRECTORY. Gives a
 * descriptor or -errno: -EPERM where not only root can change that.
 */
int heal_trust_open(int root_fd, const char *path, int flags);

#endif
