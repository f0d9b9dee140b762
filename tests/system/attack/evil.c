/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A library that passes for a SecurityKeyProvider=, sshd_config(5): whoever loads it
 * leaves a line in /tmp/owned that says as whom.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Without a symbol of this name it is not even tried. */
unsigned sk_api_version(void)
{
	return 0;
}

__attribute__((constructor)) static void evil_leave_mark(void)
{
	int fd = open("/tmp/owned", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

	if (fd < 0)
		return;
	(void)dprintf(fd, "loaded by uid %d\n", (int)getuid());
	(void)close(fd);
}
