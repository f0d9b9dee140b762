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
/* CLOSE_RANGE_CLOEXEC, close_range(2): glibc has it since 2.34. */
#define SPAWN_RANGE_CLOEXEC 4u

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

static const int usual_signals[] = {SIGPIPE, SIGALRM, SIGHUP,  SIGINT, SIGTERM,
				    SIGCHLD, SIGTSTP, SIGTTIN, SIGTTOU};
static char *const usual_environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};

/* A process group of its own, no signal blocked, the usual ones with their default action. */
static int spawn_attributes(posix_spawnattr_t *attributes)
{
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

static int spawn_usual(const struct heal_command *command, char *const *environment, pid_t *ret)
{
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

/* In the new process: its descriptors, the others gone when it becomes the program. */
static int spawn_set_descriptors(const int fds[3])
{
	for (int i = 0; i < 3; i++) {
		int fd = fds[i] >= 0 ? fds[i] : open("/dev/null", O_RDWR | O_CLOEXEC);

		if (fd < 0 || (fd != i ? dup2(fd, i) : fcntl(fd, F_SETFD, 0)) < 0)
			return -errno;
	}
	/* Ours are all so; before Linux 5.11 our caller's have to be trusted to be. */
	if (syscall(SYS_close_range, 3u, ~0u, SPAWN_RANGE_CLOEXEC) < 0 && errno != ENOSYS && errno != EINVAL)
		return -errno;
	return 0;
}

/* In the new process: what posix_spawn(3) does elsewhere, and what it cannot do. */
static int spawn_become(const struct heal_command *command, char *const *environment)
{
	const struct sigaction usual = {.sa_handler = SIG_DFL};
	sigset_t none;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(usual_signals); i++)
		if (sigaction(usual_signals[i], &usual, NULL) < 0)
			return -errno;
	if (sigemptyset(&none) < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0 || setpgid(0, 0) < 0)
		return -errno;
	r = command->enter(command->user);
	if (r == 0 && chdir(command->cwd ? command->cwd : "/") < 0)
		r = -errno;
	if (r == 0)
		r = spawn_set_descriptors(command->fds);
	if (r < 0)
		return r;
	(void)execve(command->path, command->argv, environment);
	return -errno;
}

/* What kept the new process from becoming the program, which it writes before it ends; 0: nothing. */
static int spawn_await(int fd, pid_t pid)
{
	int status;
	int code = 0;
	ssize_t n;

	do
		n = read(fd, &code, sizeof(code));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	/* It may be the program by now, for all we know. */
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	return n == (ssize_t)sizeof(code) && code < 0 ? code : -EIO;
}

/* posix_spawn(3) knows of no namespaces. */
static int spawn_entered(const struct heal_command *command, char *const *environment, pid_t *ret)
{
	_cleanup_close_ int out = -1;
	_cleanup_close_ int in = -1;
	int pair[2];
	long pid;
	int r;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	out = pair[0];
	in = pair[1];
	/* As fork(2), without what the C library does besides: only system calls follow. */
	pid = syscall(SYS_clone, command->namespaces | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		r = spawn_become(command, environment);
		if (write(in, &r, sizeof(r)) < 0)
			_exit(126);
		_exit(127);
	}
	(void)close(heal_take_fd(&in));
	r = spawn_await(out, (pid_t)pid);
	if (r == 0)
		*ret = (pid_t)pid;
	return r;
}

int heal_spawn_start(const struct heal_command *command, pid_t *ret)
{
	char *const *environment = command->environment ? command->environment : usual_environment;

	return command->enter ? spawn_entered(command, environment, ret)
			      : spawn_usual(command, environment, ret);
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
