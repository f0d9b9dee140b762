/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs that we run: never through a shell or PATH, always with an end. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "internal.h"

/* After SIGKILL only the kernel can hold a process up. */
#define PROCESS_KILL_MS 1000

static int process_actions(posix_spawn_file_actions_t *actions, const int fds[3])
{
	int r = 0;

	/* Whatever our caller left open is not for them: a pipe held open can hang its reader. */
	for (int i = 0; r == 0 && i < 3; i++) {
		if (fds[i] >= 0)
			r = posix_spawn_file_actions_adddup2(actions, fds[i], i);
		else
			r = posix_spawn_file_actions_addopen(actions, i, "/dev/null", O_RDWR, 0);
	}
#if __GLIBC_PREREQ(2, 34)
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(actions, 3);
#endif
	return -r;
}

/* A process group of its own, no signal blocked, the usual ones with their default action. */
static int process_attributes(posix_spawnattr_t *attributes)
{
	static const int usual_signals[] = {SIGPIPE, SIGALRM, SIGHUP, SIGINT, SIGTERM, SIGCHLD};
	sigset_t none;
	sigset_t usual;
	int r;

	if (sigemptyset(&none) < 0 || sigemptyset(&usual) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(usual_signals); i++)
		if (sigaddset(&usual, usual_signals[i]) < 0)
			return -errno;
	r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
							 POSIX_SPAWN_SETSIGDEF);
	if (r == 0)
		r = posix_spawnattr_setpgroup(attributes, 0);
	if (r == 0)
		r = posix_spawnattr_setsigmask(attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(attributes, &usual);
	return -r;
}

int heal_process_start(const char *path, char *const argv[], const int fds[3], pid_t *ret)
{
	static char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r = -posix_spawn_file_actions_init(&actions);

	if (r < 0)
		return r;
	r = -posix_spawnattr_init(&attributes);
	if (r == 0) {
		r = process_actions(&actions, fds);
		if (r == 0)
			r = process_attributes(&attributes);
		if (r == 0)
			r = -posix_spawn(ret, path, &actions, &attributes, argv, environment);
		(void)posix_spawnattr_destroy(&attributes);
	}
	(void)posix_spawn_file_actions_destroy(&actions);
	return r;
}

int heal_process_wait(pid_t pid, int timeout_ms, int *ret)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd poller = {.fd = pidfd, .events = POLLIN};
	int64_t deadline = heal_now_ms() + timeout_ms;
	int status;
	int r;

	if (pidfd < 0)
		return -errno;
	do
		r = poll(&poller, 1, heal_left_ms(deadline, timeout_ms));
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	if (r == 0)
		return -ETIMEDOUT;
	/* What it left behind in its group goes with it; until it is reaped the group is ours. */
	if (kill(-pid, SIGKILL) < 0 && errno != ESRCH)
		return -errno;
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	*ret = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return 0;
}

int heal_process_end(pid_t pid)
{
	int status;

	/* The group is ours alone; it exists as long as its leader is not reaped. */
	if (kill(-pid, SIGKILL) < 0 && errno != ESRCH)
		return -errno;
	return heal_process_wait(pid, PROCESS_KILL_MS, &status);
}
