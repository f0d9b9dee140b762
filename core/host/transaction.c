/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What sshd-heal.service, which rpm's trigger starts, has to know of rpm's transactions. */
#include <fcntl.h>
#include <stdbool.h>
#include <sys/file.h>
#include <unistd.h>

#include "host/transaction.h"

#include "base/cleanup.h"
#include "host/context.h"
#include "host/state.h"

bool heal_transaction_is_on(const struct heal_context *ctx)
{
	static const char *const locks[] = {"usr/lib/sysimage/rpm/.rpm.lock",
					    "var/lib/rpm/.rpm.lock"};

	for (size_t i = 0; i < ARRAY_SIZE(locks); i++) {
		_cleanup_close_ int fd = openat(ctx->root_fd, locks[i], O_RDONLY | O_CLOEXEC);
		struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

		if (fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
			return true;
	}
	return false;
}

bool heal_wanted_take(struct heal_context *ctx)
{
	_cleanup_close_ int dir = heal_state_open(ctx, false);

	return dir >= 0 && unlinkat(dir, "wanted", 0) == 0;
}
