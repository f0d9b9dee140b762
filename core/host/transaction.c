/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The locks of dpkg, rpm and their front ends. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

#include "host/transaction.h"

#include "base/cleanup.h"
#include "host/context.h"

static const struct {
	const char *path;
	bool is_front_ends;
} transaction_locks[] = {
	{"var/lib/dpkg/lock", false},
	{"usr/lib/sysimage/rpm/.rpm.lock", false},
	{"var/lib/rpm/.rpm.lock", false},
	{"var/lib/dpkg/lock-frontend", true},
	{"run/dnf/rpmtransaction.lock", true},
};

/* Opened for reading: the end of a lock that was open for writing is taken for that of a transaction. */
static bool transaction_is_held(int root_fd, const char *path)
{
	_cleanup_close_ int fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

	if (fd < 0)
		return errno != ENOENT && errno != ENOTDIR;
	return fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type != F_UNLCK;
}

bool heal_transaction_is_on(const struct heal_context *ctx, bool has_front_end)
{
	for (size_t i = 0; i < ARRAY_SIZE(transaction_locks); i++)
		if ((has_front_end || !transaction_locks[i].is_front_ends) &&
		    transaction_is_held(ctx->root_fd, transaction_locks[i].path))
			return true;
	return false;
}
