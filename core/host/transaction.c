/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The locks of dpkg, rpm and their front ends. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/transaction.h"

#include "base/cleanup.h"
#include "base/file.h"
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

/* Who is named in here has libzypp's lock as long as it lives; it is emptied, or left behind. */
static const char transaction_zypp[] = "run/zypp.pid";

#define TRANSACTION_ZYPP_MAX 32

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

bool heal_transaction_may_go_on(const struct heal_context *ctx)
{
	_cleanup_free_ char *buf = NULL;
	char pid[TRANSACTION_ZYPP_MAX];
	size_t len = 0;
	long number;

	if (ctx->proc_fd < 0 ||
	    heal_read_at(ctx->root_fd, transaction_zypp, TRANSACTION_ZYPP_MAX, &buf, &len) < 0)
		return false;
	number = strtol(buf, NULL, 10);
	(void)snprintf(pid, sizeof(pid), "%ld", number);
	return number > 0 && faccessat(ctx->proc_fd, pid, F_OK, 0) == 0;
}
