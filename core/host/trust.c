/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a name can lead to anything that somebody else than root has put there. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/trust.h"

#include "base/cleanup.h"
#include "base/file.h"

/* As many as the kernel follows is no use to us; a chain of alternatives has three. */
#define TRUST_LINKS_MAX 8

/* Where a walk from the root has come to, and what is left of the name. */
struct trust_walk {
	int dir;
	char leaf[NAME_MAX + 1]; /* what the name ends with in there; "": it ends with dir itself */
	char rest[PATH_MAX];
	int n_links;
};

static bool trust_is_roots(const struct stat *st)
{
	/*
	 * A link's own mode says nothing; who may replace it, its directory's does. Who is not
	 * root and looks at a recorded tree may trust himself.
	 */
	return (st->st_uid == 0 || st->st_uid == geteuid()) && (S_ISLNK(st->st_mode) || !(st->st_mode & (S_IWGRP | S_IWOTH)));
}

/* Goes to another directory, by its name in the present one or in base. */
static int trust_enter(struct trust_walk *walk, int base, const char *name, bool *is_roots)
{
	struct stat st;
	int fd = openat(base, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	heal_closep(&walk->dir);
	walk->dir = fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	*is_roots = trust_is_roots(&st);
	return 0;
}

/* Puts what a link says in front of what is left of the name. */
static int trust_follow(struct trust_walk *walk, int root_fd, const char *name, bool *is_roots)
{
	_cleanup_free_ char *target = NULL;
	char rest[PATH_MAX];
	int r = heal_readlink_at(walk->dir, name, &target);

	if (r < 0)
		return r;
	if (++walk->n_links > TRUST_LINKS_MAX)
		return -ELOOP;
	if (snprintf(rest, sizeof(rest), "%s/%s", target, walk->rest) >= (int)sizeof(rest))
		return -ENAMETOOLONG;
	memcpy(walk->rest, rest, sizeof(rest));
	return *target == '/' ? trust_enter(walk, root_fd, ".", is_roots) : 0;
}

/* Takes the next piece of the name. Returns its length, 0 at the end. */
static size_t trust_next(struct trust_walk *walk, char name[NAME_MAX + 1])
{
	size_t skip = strspn(walk->rest, "/");
	size_t len = strcspn(walk->rest + skip, "/");

	if (len > NAME_MAX)
		return len;
	memcpy(name, walk->rest + skip, len);
	name[len] = '\0';
	memmove(walk->rest, walk->rest + skip + len, strlen(walk->rest + skip + len) + 1);
	return len;
}

static bool trust_is_at(const struct trust_walk *walk, int root_fd)
{
	struct stat here;
	struct stat root;

	return fstat(walk->dir, &here) == 0 && fstat(root_fd, &root) == 0 &&
	       heal_same_file(&here, &root);
}

static int trust_walk_on(struct trust_walk *walk, int root_fd, bool *is_roots)
{
	char *name = walk->leaf;
	size_t len;
	int r = trust_enter(walk, root_fd, ".", is_roots);

	while (r == 0 && *is_roots && (len = trust_next(walk, name))) {
		struct stat st;

		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		/* Above the root there is nothing, path_resolution(7); above a recorded one there is. */
		if (strcmp(name, "..") == 0 && trust_is_at(walk, root_fd))
			continue;
		if (fstatat(walk->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		*is_roots = trust_is_roots(&st);
		if (!*is_roots)
			return 0;
		if (S_ISLNK(st.st_mode))
			r = trust_follow(walk, root_fd, name, is_roots);
		else if (S_ISDIR(st.st_mode))
			r = trust_enter(walk, walk->dir, name, is_roots);
		else
			return walk->rest[strspn(walk->rest, "/")] ? -ENOTDIR : 0;
	}
	return r;
}

static int trust_walk_to(struct trust_walk *walk, int root_fd, const char *path, bool *is_roots)
{
	if (snprintf(walk->rest, sizeof(walk->rest), "%s", path) >= (int)sizeof(walk->rest))
		return -ENAMETOOLONG;
	return trust_walk_on(walk, root_fd, is_roots);
}

int heal_trust_open(int root_fd, const char *path, int flags)
{
	struct trust_walk walk = {.dir = -1};
	bool is_roots = false;
	int r = trust_walk_to(&walk, root_fd, path, &is_roots);
	int fd = -1;

	if (r == 0 && !is_roots)
		r = -EPERM;
	if (r == 0)
		fd = openat(walk.dir, *walk.leaf ? walk.leaf : ".",
			    flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (r == 0 && fd < 0)
		r = -errno;
	heal_closep(&walk.dir);
	return r < 0 ? r : fd;
}

int heal_trust_path(int root_fd, const char *path, bool *ret)
{
	struct trust_walk walk = {.dir = -1};
	bool is_roots = false;
	int r = trust_walk_to(&walk, root_fd, path, &is_roots);

	heal_closep(&walk.dir);
	if (r == 0 || r == -ENOENT)
		*ret = is_roots;
	return r;
}
