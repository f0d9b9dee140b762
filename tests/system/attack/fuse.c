/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file system whose file cannot be read, by the raw protocol of <linux/fuse.h>. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuse.h"

#define FUSE_FILE 2
#define FUSE_PAGE 4096
/* At least FUSE_MIN_READ_BUFFER and what max_write allows for. */
#define FUSE_BUFFER (128 * 1024)

static int fuse_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int r = fd < 0 || write(fd, text, strlen(text)) < 0 ? -1 : 0;

	if (fd >= 0)
		(void)close(fd);
	return r;
}

/* We are root in there, as any user may be, user_namespaces(7). */
static int fuse_unshare(void)
{
	unsigned uid = geteuid();
	unsigned gid = getegid();
	char map[32];

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return -1;
	(void)snprintf(map, sizeof(map), "0 %u 1", uid);
	if (fuse_write_file("/proc/self/uid_map", map) < 0 ||
	    fuse_write_file("/proc/self/setgroups", "deny") < 0)
		return -1;
	(void)snprintf(map, sizeof(map), "0 %u 1", gid);
	return fuse_write_file("/proc/self/gid_map", map);
}

int fuse_mount(const char *where)
{
	char options[96];
	int fd;

	if (fuse_unshare() < 0)
		return -1;
	fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;
	(void)snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	return mount("attack", where, "fuse", MS_NOSUID | MS_NODEV, options) < 0 ? -1 : fd;
}

/* code is 0 or a negative errno, which goes without a body. */
static void fuse_reply(int fd, uint64_t unique, int code, void *body, size_t len)
{
	struct fuse_out_header header = {.unique = unique, .error = code};
	struct iovec parts[] = {{&header, sizeof(header)}, {body, code ? 0 : len}};

	header.len = (uint32_t)(sizeof(header) + parts[1].iov_len);
	if (writev(fd, parts, 2) < 0 && errno != ENOENT)
		_exit(1);
}

static struct fuse_attr fuse_attr_of(uint64_t node)
{
	bool is_file = node == FUSE_FILE;

	return (struct fuse_attr){
		.ino = node,
		.size = is_file ? FUSE_PAGE : 0,
		.mode = is_file ? S_IFREG | 0600 : S_IFDIR | 0700,
		.nlink = 1,
	};
}

static void fuse_answer(int fd, const struct fuse_in_header *request)
{
	struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = FUSE_PAGE, .time_gran = 1};
	struct fuse_entry_out entry = {
		.nodeid = FUSE_FILE, .entry_valid = 1000, .attr_valid = 1000,
		.attr = fuse_attr_of(FUSE_FILE)};
	struct fuse_attr_out attr = {.attr_valid = 1000, .attr = fuse_attr_of(request->nodeid)};
	struct fuse_open_out opened = {0};

	switch (request->opcode) {
	case FUSE_INIT:
		fuse_reply(fd, request->unique, 0, &init, sizeof(init));
		break;
	case FUSE_LOOKUP:
		fuse_reply(fd, request->unique, 0, &entry, sizeof(entry));
		break;
	case FUSE_GETATTR:
		fuse_reply(fd, request->unique, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		fuse_reply(fd, request->unique, 0, &opened, sizeof(opened));
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		fuse_reply(fd, request->unique, -ENOSYS, NULL, 0);
	}
}

void fuse_serve(int fd, void (*is_held)(void *user), void *user)
{
	static _Alignas(struct fuse_in_header) char buf[FUSE_BUFFER];
	int n_reads = 0;

	for (;;) {
		const struct fuse_in_header *request = (const struct fuse_in_header *)buf;
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n < 0 && (errno == EINTR || errno == ENOENT || errno == EAGAIN))
			continue;
		if (n < (ssize_t)sizeof(*request))
			_exit(1);
		if (request->opcode != FUSE_READ)
			fuse_answer(fd, request);
		else if (n_reads++ == 0)
			fuse_reply(fd, request->unique, -EIO, NULL, 0);
		else
			is_held(user);
	}
}
