/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is kept in /run/sshd-heal. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "host/state.h"

#include "host/context.h"

int heal_state_open(struct heal_context *ctx, bool create)
{
	static const char path[] = "run/sshd-heal";
	int fd;

	if (create && mkdirat(ctx->root_fd, path, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(ctx->root_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
