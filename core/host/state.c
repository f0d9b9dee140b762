/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is kept in /run/sshd-heal. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/state.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "host/context.h"

#define STATE_PAUSE_MS 20

static int state_dir(struct heal_context *ctx, bool create)
{
	static const char path[] = "run/sshd-heal";
	int fd;

	if (create && mkdirat(ctx->root_fd, path, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(ctx->root_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int heal_state_open(struct heal_context *ctx, const char *name, int flags)
{
	_cleanup_close_ int dir = state_dir(ctx, (flags & O_CREAT) != 0);
	int fd;

	if (dir < 0)
		return dir;
	fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
	return fd < 0 ? -errno : fd;
}

int heal_state_read(struct heal_context *ctx, const char *name, size_t max, char **ret,
		    size_t *ret_len)
{
	_cleanup_close_ int dir = state_dir(ctx, false);

	return dir < 0 ? dir : heal_read_at(dir, name, max, ret, ret_len);
}

int heal_state_write(struct heal_context *ctx, const char *name, mode_t mode, const char *text,
		     size_t len)
{
	_cleanup_close_ int dir = state_dir(ctx, true);

	return dir < 0 ? dir : heal_write_at(dir, name, mode, text, len);
}

int heal_state_remove(struct heal_context *ctx, const char *name)
{
	_cleanup_close_ int dir = state_dir(ctx, false);

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int heal_state_flock(int fd, int64_t deadline_ms)
{
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (heal_left_ms(deadline_ms, 1) == 0)
			return -EBUSY;
		/* inotify(7) tells of the closing, which is before the kernel has taken the lock off. */
		heal_sleep_ms(STATE_PAUSE_MS);
	}
	return 0;
}

static int state_lock_fail(int code, struct heal_error *error)
{
	return heal_error_set(error, code, "locking /run/sshd-heal/lock: %s", strerror(code));
}

int heal_state_lock(struct heal_context *ctx, int64_t deadline_ms, struct heal_error *error)
{
	_cleanup_close_ int fd = heal_state_open(ctx, "lock", O_CREAT);
	int r;

	if (fd < 0)
		return state_lock_fail(-fd, error);
	r = heal_state_flock(fd, deadline_ms);
	if (r < 0)
		return r == -EBUSY ? r : state_lock_fail(-r, error);
	return heal_take_fd(&fd);
}
