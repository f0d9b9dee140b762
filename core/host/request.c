/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests of hooks and the actor's answers. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/request.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "host/context.h"
#include "host/state.h"

static const char request_file[] = "requests";

static const char answer_file[] = "answer";

static const char untold_file[] = "untold";

static const char actor_file[] = "actor";

/* A hook adds a line; nobody takes them where the actor cannot be started. */
#define REQUEST_MAX (64u << 10)
#define ANSWER_MAX (256u << 10)
#define REQUEST_LOCK_MS 500
/* aptitude and dnf ask some time after what they have called has ended. */
#define UNTOLD_NS (INT64_C(10) * 1000000000)

enum heal_request request_parse(const char *buf, size_t len)
{
	static const char end_word[] = "end";
	enum heal_request soonest = HEAL_REQUEST_NONE;
	const char *cursor = buf;
	const char *line;
	size_t line_len = 0;

	while ((line = heal_next_line(&cursor, buf + len, &line_len))) {
		if (line_len == strlen(end_word) && memcmp(line, end_word, line_len) == 0)
			return HEAL_REQUEST_END;
		soonest = HEAL_REQUEST_WITHIN;
	}
	return soonest;
}

/* Opens the file of requests and locks it, which nobody does for longer than a write. */
static int request_open(struct heal_context *ctx)
{
	_cleanup_close_ int fd =
		heal_state_open(ctx, request_file, O_CREAT | O_APPEND | O_NONBLOCK);
	int r;

	if (fd < 0)
		return fd;
	r = heal_state_flock(fd, heal_now_ms() + REQUEST_LOCK_MS);
	return r < 0 ? r : heal_take_fd(&fd);
}

int heal_request_add(struct heal_context *ctx, enum heal_request kind, int64_t *ret_ns)
{
	const char *line = kind == HEAL_REQUEST_END ? "end\n" : "within\n";
	_cleanup_close_ int fd = request_open(ctx);
	off_t size;
	ssize_t n;

	if (fd < 0)
		return fd;
	size = lseek(fd, 0, SEEK_END);
	if (size < 0)
		return -errno;
	/* What waits there already is enough for one that is in no haste. */
	n = (kind == HEAL_REQUEST_WITHIN && size > 0) || size > REQUEST_MAX - 16
		    ? (ssize_t)strlen(line)
		    : write(fd, line, strlen(line));
	if (n != (ssize_t)strlen(line))
		return n < 0 ? -errno : -ENOSPC;
	*ret_ns = heal_now_ns();
	return 0;
}

/* Without a lock: half a line counts as one. */
enum heal_request heal_request_peek(struct heal_context *ctx)
{
	_cleanup_free_ char *buf = NULL;
	size_t len = 0;

	if (heal_state_read(ctx, request_file, REQUEST_MAX, &buf, &len) < 0)
		return HEAL_REQUEST_NONE;
	return request_parse(buf, len);
}

int heal_request_take(struct heal_context *ctx, enum heal_request *ret, int64_t *ret_ns)
{
	_cleanup_close_ int fd = request_open(ctx);
	char buf[REQUEST_MAX];
	ssize_t n;

	if (fd < 0)
		return fd;
	n = pread(fd, buf, sizeof(buf), 0);
	if (n < 0 || (n > 0 && ftruncate(fd, 0) < 0))
		return -errno;
	*ret = request_parse(buf, (size_t)n);
	*ret_ns = heal_now_ns();
	return 0;
}

static int answer_write(struct heal_context *ctx, const char *file, int64_t when_ns,
			const struct heal_answer *answer)
{
	_cleanup_free_ char *text = NULL;
	int n = asprintf(&text, "%" PRId64 " %d\n%s", when_ns, answer->status, answer->text);

	if (n < 0) {
		text = NULL;
		return -ENOMEM;
	}
	return heal_state_write(ctx, file, 0600, text, (size_t)n);
}

int heal_answer_write(struct heal_context *ctx, int64_t taken_ns, const struct heal_answer *answer)
{
	return answer_write(ctx, answer_file, taken_ns, answer);
}

int answer_parse(const char *buf, int64_t *ret_taken_ns, int *ret_status, const char **ret_text)
{
	const char *text = strchr(buf, '\n');
	int64_t taken_ns;
	int status;

	if (!text || sscanf(buf, "%" SCNd64 " %d", &taken_ns, &status) != 2)
		return -EBADMSG;
	*ret_taken_ns = taken_ns;
	*ret_status = status;
	*ret_text = text + 1;
	return 0;
}

/* Gives what stands in a file if it is not older than that. Returns 1, 0, -errno. */
static int answer_read(struct heal_context *ctx, const char *file, int64_t since_ns,
		       struct heal_answer *ret)
{
	_cleanup_free_ char *buf = NULL;
	const char *text = "";
	int64_t when_ns = 0;
	int status = 0;
	size_t len = 0;
	int r = heal_state_read(ctx, file, ANSWER_MAX, &buf, &len);

	if (r == 0)
		r = answer_parse(buf, &when_ns, &status, &text);
	if (r < 0 || when_ns < since_ns)
		return r == -ENOENT ? 0 : r;
	*ret = (struct heal_answer){.status = status, .text = strdup(text)};
	return ret->text ? 1 : -ENOMEM;
}

int heal_answer_read(struct heal_context *ctx, int64_t asked_ns, struct heal_answer *ret)
{
	return answer_read(ctx, answer_file, asked_ns, ret);
}

int heal_untold_write(struct heal_context *ctx, const struct heal_answer *answer)
{
	return answer_write(ctx, untold_file, heal_now_ns(), answer);
}

int heal_untold_take(struct heal_context *ctx, struct heal_answer *ret)
{
	int r = answer_read(ctx, untold_file, heal_now_ns() - UNTOLD_NS, ret);

	/* What is damaged, or old, is of no use to anybody either. */
	if (r != 0)
		(void)heal_state_remove(ctx, untold_file);
	return r < 0 && r != -ENOMEM ? 0 : r;
}

void heal_answer_done(struct heal_answer *answer)
{
	free(answer->text);
	*answer = (struct heal_answer){0};
}

/* A lock of the open file, fcntl(2): a look at it takes nothing, as flock(2) would. */
int heal_actor_claim(struct heal_context *ctx)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	_cleanup_close_ int fd = heal_state_open(ctx, actor_file, O_CREAT);

	if (fd < 0)
		return fd;
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
		return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
	return heal_take_fd(&fd);
}

bool heal_actor_is_there(struct heal_context *ctx)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	_cleanup_close_ int fd = heal_state_open(ctx, actor_file, 0);

	return fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}
