/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The package database of rpm. A child asks librpm: it waits without end for a
 * database that is locked, and nobody can tell what it does with a damaged one.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/spawn.h"
#include "host/module.h"
#include "package-rpm.h"

#define RPM_ANSWER_MS 4000

struct rpm_handle {
	int root_fd;
	bool is_hopeless; /* it did not answer before */
};

static int rpm_open(int root_fd, void **ret, struct heal_error *error)
{
	struct rpm_handle *handle = calloc(1, sizeof(*handle));

	if (!handle)
		return heal_error_set(error, ENOMEM, "opening the rpm database: out of memory");
	handle->root_fd = root_fd;
	*ret = handle;
	return 0;
}

/* Should it hang, it must not hold the lock of the run, nor anything else of ours. */
static void rpm_close_but(int one, int other)
{
	int lower = one < other ? one : other;
	int upper = one < other ? other : one;

	(void)syscall(SYS_close_range, STDERR_FILENO + 1, lower - 1, 0);
	(void)syscall(SYS_close_range, lower + 1, upper - 1, 0);
	(void)syscall(SYS_close_range, upper + 1, ~0U, 0);
}

/* The child: it answers, or says why not, and ends without a look back. */
_Noreturn static void rpm_child(int root_fd, const struct rpm_question *question, int fd,
				pid_t parent)
{
	FILE *out = fdopen(fd, "w");
	struct heal_error error = {0};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* It must outlive nobody, nor hold what somebody reads to its end. */
	if (!out || setpgid(0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    getppid() != parent)
		_exit(1);
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		if (null < 0 ? close(i) < 0 : dup2(null, i) < 0)
			_exit(1);
	rpm_close_but(fd, root_fd);
	if (rpm_answer(root_fd, question, out, &error) < 0)
		rpm_reply_fail(out, error.message);
	else
		rpm_reply_end(out);
	_exit(fclose(out) == 0 ? 0 : 1);
}

/* Returns the child, or -errno. */
static pid_t rpm_start(int root_fd, const struct rpm_question *question, int *ret_fd)
{
	_cleanup_close_ int in = -1;
	_cleanup_close_ int out = -1;
	int fds[2];
	pid_t parent;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	in = fds[0];
	out = fds[1];
	parent = getpid();
	pid = fork();
	if (pid == 0) {
		(void)close(fds[0]);
		rpm_child(root_fd, question, fds[1], parent);
	}
	if (pid < 0)
		return -errno;
	/* Here as well: whoever comes first. It may have ended already. */
	(void)setpgid(pid, pid);
	*ret_fd = heal_take_fd(&in);
	return pid;
}

/* Puts a question. The reply is the caller's to free. */
static int rpm_ask(struct rpm_handle *handle, const struct rpm_question *question, char **ret,
		   size_t *ret_len, struct heal_error *error)
{
	_cleanup_close_ int fd = -1;
	pid_t pid;
	int r;

	if (handle->is_hopeless)
		return heal_error_set(error, ETIMEDOUT, "asking the rpm database: it did not answer");
	pid = rpm_start(handle->root_fd, question, &fd);
	if (pid < 0)
		return heal_error_set(error, -pid, "asking the rpm database: %s", strerror(-pid));
	r = heal_read_stream(fd, heal_now_ms() + RPM_ANSWER_MS, ret, ret_len);
	(void)heal_spawn_end(pid);
	if (r == -ETIMEDOUT) {
		handle->is_hopeless = true;
		return heal_error_set(error, ETIMEDOUT,
				      "asking the rpm database: no answer within %d s, it may be locked",
				      RPM_ANSWER_MS / 1000);
	}
	return r < 0 ? heal_error_set(error, -r, "asking the rpm database: %s", strerror(-r)) : 0;
}

static int rpm_owners(void *handle, const char *const *paths, size_t n,
		      struct heal_package *owners, struct heal_error *error)
{
	const struct rpm_question question = {.paths = paths, .n = n};
	_cleanup_free_ char *reply = NULL;
	size_t len = 0;
	int r = rpm_ask(handle, &question, &reply, &len, error);

	return r < 0 ? r : rpm_reply_parse(reply, len, owners, n, error);
}

static void rpm_close(void *handle)
{
	free(handle);
}

_export_ extern const struct package_ops heal_package_ops;
const struct package_ops heal_package_ops = {
	.build = heal_build,
	.open = rpm_open,
	.owners = rpm_owners,
	.close = rpm_close,
};
