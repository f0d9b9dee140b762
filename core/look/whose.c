/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose a process is, and its file. Mounts that systemd has made for a unit (PrivateTmp=,
 * ProtectSystem= ...) have the same root directory as PID 1; those of a container have not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "look/whose.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/words.h"
#include "host/context.h"
#include "host/module.h"
#include "host/proc.h"
#include "host/trust.h"
#include "look/unit.h"
#include "report.h"

/* What a name leads to; mode 0: to nothing. */
static int whose_stat(int root_fd, const char *path, struct stat *ret)
{
	if (fstatat(root_fd, path + 1, ret, 0) == 0)
		return 0;
	*ret = (struct stat){0};
	return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -errno;
}

static bool whose_are_same(const struct stat *a, const struct stat *b)
{
	return a->st_mode && b->st_mode && heal_same_file(a, b);
}

/* The root that a process has, with its mounts. A recorded tree has but one. */
static int whose_open_root(const struct heal_context *ctx, const struct heal_process *process)
{
	int fd = ctx->is_live ? openat(process->dirfd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC)
			      : openat(ctx->root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int heal_view_begin(struct heal_context *ctx, const struct heal_process *process,
		    struct heal_view *ret)
{
	int fd;

	/* A recorded tree has but one. */
	if (!ctx->is_live || !process->has_own_mounts)
		return 0;
	fd = whose_open_root(ctx, process);
	if (fd < 0)
		return fd;
	*ret = (struct heal_view){.ctx = ctx};
	ctx->view_fd = fd;
	return 0;
}

void heal_view_end(struct heal_view *view)
{
	if (view->ctx)
		(void)close(heal_take_fd(&view->ctx->view_fd));
	view->ctx = NULL;
}

/* Its root by what it is, for a container's has the same name; in a recorded tree there is but that. */
static int whose_has_inits_root(const struct heal_context *ctx, int dirfd, bool *ret)
{
	struct stat theirs;
	struct stat inits;

	if (!ctx->is_live)
		return heal_owner_same_link(ctx, "1", dirfd, "root", ret);
	if (fstatat(dirfd, "root", &theirs, 0) < 0 || fstatat(ctx->proc_fd, "1/root", &inits, 0) < 0)
		return -errno;
	*ret = whose_are_same(&theirs, &inits);
	return 0;
}

int heal_whose_process(const struct heal_context *ctx, const struct heal_process *process,
		       const struct heal_owner *owner, enum heal_foreign *ret)
{
	bool is_same = false;
	int r = 0;

	if (owner->is_root && !ctx->is_chroot)
		r = heal_owner_same_link(ctx, "1", process->dirfd, "ns/pid", &is_same);
	if (r == 0 && is_same)
		r = whose_has_inits_root(ctx, process->dirfd, &is_same);
	if (r < 0)
		return r;
	*ret = is_same ? HEAL_OURS : HEAL_FOREIGN_NAMESPACE;
	if (!owner->is_root)
		*ret = HEAL_FOREIGN_USER;
	return 0;
}

/* Whether a name leads elsewhere than to the file that runs. */
static int whose_is_renamed(const struct heal_context *ctx, const struct heal_process *process,
			    const char *name, bool *ret)
{
	_cleanup_close_ int root = whose_open_root(ctx, process);
	struct stat named = {0};
	struct stat runs = {0};
	int r = root < 0 ? root : whose_stat(root, name, &named);

	if (r == 0)
		r = whose_stat(root, process->exe, &runs);
	if (r < 0)
		return r;
	/* A recorded tree may have neither. */
	*ret = !whose_are_same(&named, &runs) &&
	       (named.st_mode || runs.st_mode || process->exe_deleted);
	return 0;
}

int heal_whose_name(const struct heal_context *ctx, struct heal_process *process, char *name)
{
	_cleanup_free_ char *taken = name;
	bool is_renamed = false;
	int r;

	if (strcmp(taken, process->exe) == 0)
		return 0;
	r = whose_is_renamed(ctx, process, taken, &is_renamed);
	if (r == 0 && is_renamed) {
		free(process->exe);
		process->exe = heal_take(taken);
		process->exe_deleted = true;
	}
	return r;
}

/* Whether others than root can change what a name leads to; of what is not there, who can put it there. */
static int whose_is_writable(int root, const char *path, bool *ret)
{
	bool is_roots = false;
	int r = heal_trust_path(root, path, &is_roots);

	if (r < 0 && r != -ENOENT)
		return r;
	*ret = !is_roots;
	return 0;
}

/* What is a link may lead to where others can put anything in its place. */
static int whose_is_link(const struct heal_context *ctx, const char *path, bool *ret)
{
	struct stat st = {0};

	if (fstatat(ctx->root_fd, path + 1, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT && errno != ENOTDIR)
		return -errno;
	*ret = S_ISLNK(st.st_mode);
	return 0;
}

/* Whether a known path is that of a process, or leads to the same file. */
static int whose_compare(const struct heal_context *ctx, const struct heal_process *process, int root,
			 const char *known, enum heal_foreign *ret)
{
	struct stat theirs = {0};
	struct stat ours = {0};
	bool is_name = strcmp(known, process->exe) == 0;
	bool is_match;
	bool is_link = false;
	bool is_writable = false;
	int r = whose_stat(root, process->exe, &theirs);

	if (r == 0)
		r = whose_stat(ctx->root_fd, known, &ours);
	if (r == 0)
		r = whose_is_link(ctx, known, &is_link);
	is_match = whose_are_same(&theirs, &ours) || (is_name && !theirs.st_mode && !ours.st_mode);
	/* The one is run by a restart, the other on trial. */
	if (r == 0 && is_match && is_link)
		r = whose_is_writable(ctx->root_fd, known, &is_writable);
	if (r == 0 && is_match && !is_name && !is_writable)
		r = whose_is_writable(root, process->exe, &is_writable);
	if (r == 0 && is_match)
		*ret = is_writable ? HEAL_FOREIGN_WRITABLE : HEAL_OURS;
	return r;
}

int heal_whose_file(const struct heal_context *ctx, const struct heal_process *process,
		    enum heal_foreign *ret)
{
	enum heal_foreign whose = HEAL_FOREIGN_PATH;
	_cleanup_close_ int root = -1;
	bool is_link = false;
	int r = 0;

	/* By its name alone, where that means the same there as here. */
	for (char **path = ctx->config.sshd_paths.items; r == 0 && !process->has_own_mounts && *path; path++) {
		if (strcmp(*path, process->exe) != 0)
			continue;
		r = whose_is_link(ctx, *path, &is_link);
		if (r == 0 && !is_link) {
			*ret = HEAL_OURS;
			return 0;
		}
	}
	if (r == 0)
		r = root = whose_open_root(ctx, process);
	for (char **path = ctx->config.sshd_paths.items; r >= 0 && whose == HEAL_FOREIGN_PATH && *path; path++)
		r = whose_compare(ctx, process, root, *path, &whose);
	if (r < 0)
		return r;
	*ret = whose;
	return 0;
}

/* Whether the program of a unit is the file of a process, and whose that is. */
static int whose_claim_program(const struct heal_context *ctx, const struct heal_process *process,
			       const char *program, enum heal_foreign *ret)
{
	_cleanup_close_ int root = whose_open_root(ctx, process);
	struct stat started = {0};
	struct stat runs = {0};
	bool is_writable = false;
	int r = root < 0 ? root : whose_stat(root, program, &started);

	if (r == 0)
		r = whose_stat(root, process->exe, &runs);
	if (r < 0)
		return r;
	if (!whose_are_same(&started, &runs) && strcmp(program, process->exe) != 0)
		return 0;
	/* Both are run: the one by a restart, the other on trial. */
	r = whose_is_writable(root, program, &is_writable);
	if (r == 0 && !is_writable)
		r = whose_is_writable(root, process->exe, &is_writable);
	if (r == 0)
		*ret = is_writable ? HEAL_FOREIGN_WRITABLE : HEAL_OURS;
	return r;
}

int heal_whose_claim(struct heal_context *ctx, struct heal_listener *listener,
		     struct heal_error *error)
{
	_cleanup_(heal_exec_done) struct heal_exec exec = {0};
	struct heal_process *process = &listener->process;
	int r = heal_unit_find(ctx, listener, error);

	/* What systemd does not run, it does not know; a recorded tree has none to ask. */
	if (r < 0 || !heal_listener_has_unit(listener))
		return r;
	r = ctx->service_ops->exec_start(ctx->service, listener->unit.id, &exec, error);
	if (r < 0)
		return r;
	r = whose_claim_program(ctx, process, exec.path, &process->foreign);
	return r < 0 ? heal_error_set(error, -r, "finding out whose %s is, of sshd process %d: %s",
				      process->exe, (int)process->pid, strerror(-r))
		     : 0;
}
