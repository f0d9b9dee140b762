/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether /dev/log takes anything. sshd says in syslog(3) that it listens, after it has
 * closed and opened its sockets: one that has to wait there serves nobody. And whoever
 * logs can keep journald busy, which reads its cmdline.
 */
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "host/syslog.h"

#include "base/cleanup.h"

/* A busy log takes the next line sooner than that. */
#define LOG_WAIT_MS 500

bool heal_log_is_stuck(void)
{
	const struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
	_cleanup_close_ int fd = -1;
	struct pollfd poller = {.events = POLLOUT};

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Where nobody takes it, syslog(3) does not wait either. */
	if (fd < 0 || connect(fd, (const struct sockaddr *)&name, sizeof(name)) < 0)
		return false;
	poller.fd = fd;
	return poll(&poller, 1, LOG_WAIT_MS) == 0;
}
