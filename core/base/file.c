/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files and streams, read whole and within limits. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"

int heal_read_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len)
{
	_cleanup_close_ int fd =
		openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	return fd < 0 ? -errno : heal_read_fd(fd, max, ret, ret_len);
}

int heal_read_fd(int fd, size_t max, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *buf = NULL;
	struct stat st;
	size_t len = 0;
	size_t room = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	/* A recorded tree may hold anything; a FIFO would be waited for. */
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	for (;;) {
		ssize_t n;

		if (len + 1 >= room) {
			char *grown;

			if (len > max)
				return -EFBIG;
			room = room ? room * 2 : 4096;
			grown = realloc(buf, room);
			if (!grown)
				return -ENOMEM;
			buf = grown;
		}
		n = read(fd, buf + len, room - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len > max)
		return -EFBIG;
	buf[len] = '\0';
	*ret = heal_take(buf);
	*ret_len = len;
	return 0;
}

int heal_readlink_at(int dirfd, const char *path, char **ret)
{
	char buf[PATH_MAX];
	ssize_t n = readlinkat(dirfd, path, buf, sizeof(buf));
	char *copy;

	if (n < 0)
		return -errno;
	if ((size_t)n == sizeof(buf))
		return -ENAMETOOLONG;
	copy = heal_strndup(buf, (size_t)n);
	if (!copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
}

/* Long enough for every name that is made here: a control group's list of processes has 60. */
#define FILE_PATH_MAX 64

static _printf_(2, 0) int file_path(char path[FILE_PATH_MAX], const char *fmt, va_list args)
{
	int n = vsnprintf(path, FILE_PATH_MAX, fmt, args);

	return n < 0 || n >= FILE_PATH_MAX ? -ENAMETOOLONG : 0;
}

int heal_readf_at(int dirfd, size_t max, char **ret, size_t *ret_len, const char *fmt, ...)
{
	char path[FILE_PATH_MAX];
	va_list args;
	int r;

	va_start(args, fmt);
	r = file_path(path, fmt, args);
	va_end(args);
	return r < 0 ? r : heal_read_at(dirfd, path, max, ret, ret_len);
}

int heal_readlinkf_at(int dirfd, char **ret, const char *fmt, ...)
{
	char path[FILE_PATH_MAX];
	va_list args;
	int r;

	va_start(args, fmt);
	r = file_path(path, fmt, args);
	va_end(args);
	return r < 0 ? r : heal_readlink_at(dirfd, path, ret);
}

bool heal_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

int heal_opendir_at(int dirfd, const char *path, DIR **ret)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return -errno;
	fd = -1;
	*ret = dir;
	return 0;
}

static int file_write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

int heal_write_at(int dirfd, const char *name, mode_t mode, const char *text, size_t len)
{
	char new[FILE_PATH_MAX];
	_cleanup_close_ int fd = -1;
	int r;

	/* Two may write at the same time: each its own, and the later one stays. */
	if (snprintf(new, sizeof(new), ".%s.%d", name, (int)getpid()) >= (int)sizeof(new))
		return -ENAMETOOLONG;
	fd = openat(dirfd, new, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	/* Whatever umask the package manager has. */
	r = fchmod(fd, mode) < 0 ? -errno : file_write_all(fd, text, len);
	if (r == 0 && renameat(dirfd, new, dirfd, name) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dirfd, new, 0);
	return r;
}

/* The longest, the list apt gives to the hook of 0.1.0, has 0.6 MB for 2,000 packages. */
#define FILE_STREAM_MAX (16u << 20)

/* What is read from a pipe. */
struct file_stream {
	char *buf;
	size_t len;
	size_t room;
};

/*
 * One read into a buffer that stops growing at its limit, so that the pipe is
 * still drained. Returns 1, 0 at the end, or -errno.
 */
static int file_fill(int fd, struct file_stream *stream)
{
	char spill[4096];
	ssize_t n;

	if (stream->len == stream->room && stream->room < FILE_STREAM_MAX) {
		size_t room = stream->room ? stream->room * 2 : 16384;
		char *grown = realloc(stream->buf, room);

		if (grown) {
			stream->buf = grown;
			stream->room = room;
		}
	}
	if (stream->len == stream->room)
		n = read(fd, spill, sizeof(spill));
	else
		n = read(fd, stream->buf + stream->len, stream->room - stream->len);
	if (n > 0 && stream->len < stream->room)
		stream->len += (size_t)n;
	return n < 0 ? -errno : n > 0;
}

int heal_read_stream(int fd, int64_t deadline_ms, char **ret, size_t *ret_len)
{
	struct file_stream stream = {0};
	int r = 1;

	while (r > 0) {
		struct pollfd poller = {.fd = fd, .events = POLLIN};
		int left = heal_left_ms(deadline_ms, 60000);
		int n = poll(&poller, 1, left);

		if (n < 0 && errno != EINTR)
			r = -errno;
		/* Also for a writer that never stops. */
		else if (left == 0)
			r = -ETIMEDOUT;
		else if (n > 0)
			r = file_fill(fd, &stream);
		if (r == -EINTR || r == -EAGAIN)
			r = 1;
	}
	*ret = stream.buf;
	*ret_len = stream.len;
	return r;
}
