/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs that we run: never through a shell or PATH, always with an end. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/spawn.h"

#include "base/cleanup.h"
#include "base/clock.h"

/* After SIGKILL only the kernel can hold a process up. */
#define SPAWN_KILL_MS 1000
#define SPAWN_OUTPUT_MAX (256u << 10)
#define SPAWN_WORDS_MAX 4096

static int spawn_actions(posix_spawn_file_actions_t *actions, const struct heal_command *command)
{
	int r = 0;

	/* Whatever our caller left open is not for them: a pipe held open can hang its reader. */
	for (int i = 0; r == 0 && i < 3; i++) {
		if (command->fds[i] >= 0)
			r = posix_spawn_file_actions_adddup2(actions, command->fds[i], i);
		else
			r = posix_spawn_file_actions_addopen(actions, i, "/dev/null", O_RDWR, 0);
	}
#if __GLIBC_PREREQ(2, 34)
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(actions, 3);
#endif
	/* Names that are not absolute must not be looked up where our caller happens to be. */
	if (r == 0)
		r = posix_spawn_file_actions_addchdir_np(actions, command->cwd ? command->cwd : "/");
	return -r;
}

/* A process group of its own, no signal blocked, the usual ones with their default action. */
static int spawn_attributes(posix_spawnattr_t *attributes)
{
	static const int usual_signals[] = {SIGPIPE, SIGALRM, SIGHUP,  SIGINT, SIGTERM,
					    SIGCHLD, SIGTSTP, SIGTTIN, SIGTTOU};
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

int heal_spawn_start(const struct heal_command *command, pid_t *ret)
{
	static char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r = -posix_spawn_file_actions_init(&actions);

	if (r < 0)
		return r;
	r = -posix_spawnattr_init(&attributes);
	if (r == 0) {
		r = spawn_actions(&actions, command);
		if (r == 0)
			r = spawn_attributes(&attributes);
		if (r == 0)
			r = -posix_spawn(ret, command->path, &actions, &attributes, command->argv,
					 environment);
		(void)posix_spawnattr_destroy(&attributes);
	}
	(void)posix_spawn_file_actions_destroy(&actions);
	return r;
}

int heal_spawn_wait(pid_t pid, int timeout_ms, int *ret)
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

bool heal_spawn_was_killed(pid_t pid)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_code == CLD_KILLED && info.si_status == SIGKILL;
}

int heal_spawn_end(pid_t pid)
{
	int status;

	/* The group is ours alone; it exists as long as its leader is not reaped. */
	if (kill(-pid, SIGKILL) < 0 && errno != ESRCH)
		return -errno;
	return heal_spawn_wait(pid, SPAWN_KILL_MS, &status);
}

/* One of the two streams of a program; fd does not block. */
struct spawn_stream {
	int fd;
	char *buf;
	size_t len;
	size_t max;
};

/*
 * One read; what is beyond the limit is lost, but taken. Returns 1 when there may be
 * more, 0 at the end, or -errno.
 */
static int spawn_fill(struct spawn_stream *stream)
{
	char spill[1024];
	size_t room = stream->max - stream->len;
	ssize_t n = read(stream->fd, room ? stream->buf + stream->len : spill,
			 room ? room : sizeof(spill));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 1 : -errno;
	if (room)
		stream->len += (size_t)n;
	return n > 0;
}

/* Reads both streams until the program ends, whoever else may hold them open then. */
static int spawn_read(pid_t pid, struct spawn_stream streams[2], int64_t deadline_ms)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd pollers[3] = {{.fd = streams[0].fd, .events = POLLIN},
				    {.fd = streams[1].fd, .events = POLLIN},
				    {.fd = pidfd, .events = POLLIN}};

	if (pidfd < 0)
		return -errno;
	for (;;) {
		int left = heal_left_ms(deadline_ms, 60000);
		int r = poll(pollers, 3, left);

		if (r < 0 && errno != EINTR)
			return -errno;
		/* Also for one that never stops writing. */
		if (left == 0)
			return -ETIMEDOUT;
		for (size_t i = 0; r > 0 && i < 2; i++) {
			int n = pollers[i].revents || pollers[2].revents ? spawn_fill(&streams[i]) : 1;

			if (n < 0)
				return n;
			if (n == 0)
				pollers[i].fd = -1;
		}
		if (r > 0 && pollers[2].revents)
			return 0;
	}
}

static int spawn_pipe(int *ret_read, int *ret_write)
{
	int pair[2];

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	*ret_read = pair[0];
	*ret_write = pair[1];
	/* Our end alone: a program need not know what to do with EAGAIN. */
	return fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

/* Reads what the program writes and waits for its end; its group ends in any case. */
static int spawn_finish(pid_t pid, struct spawn_stream streams[2], int64_t deadline_ms,
			  int *ret_status)
{
	int r = spawn_read(pid, streams, deadline_ms);

	if (r == 0)
		r = heal_spawn_wait(pid, SPAWN_KILL_MS, ret_status);
	if (r < 0)
		(void)heal_spawn_end(pid);
	return r;
}

int heal_spawn_capture(const struct heal_command *command, int64_t deadline_ms,
			 struct heal_output *ret)
{
	_cleanup_(heal_output_done) struct heal_output output = {
		.text = malloc(SPAWN_OUTPUT_MAX + 1), .words = malloc(SPAWN_WORDS_MAX + 1)};
	struct spawn_stream streams[2] = {
		{.fd = -1, .buf = output.text, .max = SPAWN_OUTPUT_MAX},
		{.fd = -1, .buf = output.words, .max = SPAWN_WORDS_MAX}};
	struct heal_command piped = *command;
	_cleanup_close_ int out_read = -1;
	_cleanup_close_ int out_write = -1;
	_cleanup_close_ int err_read = -1;
	_cleanup_close_ int err_write = -1;
	pid_t pid = -1;
	int r = output.text && output.words ? spawn_pipe(&out_read, &out_write) : -ENOMEM;

	if (r == 0)
		r = spawn_pipe(&err_read, &err_write);
	piped.fds[1] = out_write;
	piped.fds[2] = err_write;
	if (r == 0)
		r = heal_spawn_start(&piped, &pid);
	if (r < 0)
		return r;
	streams[0].fd = out_read;
	streams[1].fd = err_read;
	r = spawn_finish(pid, streams, deadline_ms, &output.status);
	if (r < 0)
		return r;
	output.len = streams[0].len;
	output.text[streams[0].len] = output.words[streams[1].len] = '\0';
	*ret = output;
	output = (struct heal_output){0};
	return 0;
}

void heal_output_done(struct heal_output *output)
{
	free(output->text);
	free(output->words);
	*output = (struct heal_output){0};
}
