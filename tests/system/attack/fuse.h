/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Mounts a file system in user and mount namespaces of our own, which any user may
 * make. Gives the descriptor of /dev/fuse that has to be served, or -1 with errno set.
 */
int fuse_mount(const char *where);

/*
 * Serves it: it holds one file, "file", of one page. The first read of it fails, and
 * the next one is never answered: is_held(user) is called then. Does not come back.
 */
_Noreturn void fuse_serve(int fd, void (*is_held)(void *user), void *user);
