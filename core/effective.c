/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the sshd on disk would do with its configuration, by its own word: sshd -T.
 * Two things that a trial does not show follow from it: host keys that are not
 * those of the running listener, and ports that somebody else holds.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

#include "internal.h"

#define EFFECTIVE_MS 3000
#define EFFECTIVE_MAX (256u << 10)

/* Start times are in ticks of 10 ms, and a first start makes its keys just before. */
#define EFFECTIVE_SLACK_S 1

int effective_parse(const char *buf, size_t len, struct heal_effective *ret)
{
	const char *cursor = buf;
	const char *line;
	size_t line_len = 0;

	while ((line = heal_next_line(&cursor, buf + len, &line_len))) {
		static const char *const keys[] = {"hostkey ", "listenaddress ", "pidfile "};
		struct heal_words *const lists[] = {&ret->host_keys, &ret->addresses,
						    &ret->pid_files};

		for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
			size_t n = strlen(keys[i]);

			/* Keywords have no case, sshd_config(5); 10.6 prints HostKey. */
			if (line_len > n && strncasecmp(line, keys[i], n) == 0 &&
			    heal_words_add(lists[i], line + n, line_len - n) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

void heal_effective_done(struct heal_effective *effective)
{
	heal_words_done(&effective->host_keys);
	heal_words_done(&effective->addresses);
	heal_words_done(&effective->pid_files);
}

/* Reads a pipe to its end, at most EFFECTIVE_MAX bytes. */
static int effective_read(int fd, int64_t deadline_ms, char *buf, size_t *len)
{
	for (;;) {
		struct pollfd poller = {.fd = fd, .events = POLLIN};
		ssize_t n;
		int r = poll(&poller, 1, heal_left_ms(deadline_ms, EFFECTIVE_MS));

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			return -ETIMEDOUT;
		n = read(fd, buf + *len, EFFECTIVE_MAX - *len);
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		*len += (size_t)n;
	}
}

int heal_effective_load(struct heal_context *ctx, const char *path,
			const struct heal_words *options, struct heal_effective *ret)
{
	int64_t deadline = heal_now_ms() + heal_left_ms(ctx->deadline_ms, EFFECTIVE_MS);
	static const char *const flags[] = {"-T", NULL};
	_cleanup_(heal_words_done) struct heal_words argv = {0};
	_cleanup_free_ char *buf = malloc(EFFECTIVE_MAX);
	_cleanup_close_ int out_read = -1;
	_cleanup_close_ int out_write = -1;
	size_t len = 0;
	pid_t pid;
	int status = 0;
	int pair[2];
	int r;

	if (!buf || exec_build(path, flags, options, &argv) < 0)
		return -ENOMEM;
	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	out_read = pair[0];
	out_write = pair[1];
	r = heal_process_start(path, argv.items, (const int[3]){-1, out_write, -1}, &pid);
	if (r < 0)
		return r;
	(void)close(heal_take_fd(&out_write));
	r = effective_read(out_read, deadline, buf, &len);
	if (r == 0)
		r = heal_process_wait(pid, heal_left_ms(deadline, EFFECTIVE_MS), &status);
	if (r < 0)
		(void)heal_process_end(pid);
	if (r == 0 && status != 0)
		r = -ENOEXEC;
	return r < 0 ? r : effective_parse(buf, len, ret);
}

/* When the process started, as seconds of the wall clock. */
static int64_t effective_start_s(const struct heal_listener *listener)
{
	struct timespec boot = {0};
	struct timespec wall = {0};
	int64_t ticks = sysconf(_SC_CLK_TCK);

	(void)clock_gettime(CLOCK_BOOTTIME, &boot);
	(void)clock_gettime(CLOCK_REALTIME, &wall);
	return wall.tv_sec - boot.tv_sec +
	       (int64_t)(ticks > 0 ? listener->start_time / (uint64_t)ticks : 0);
}

/* When sshd last (re-)executed itself: its PID file tells, if it is this process's. */
static int64_t effective_since_s(struct heal_context *ctx, const struct heal_listener *listener,
				 const struct heal_words *pid_files)
{
	int64_t since = effective_start_s(listener);

	for (size_t i = 0; i < pid_files->count; i++) {
		const char *path = pid_files->items[i];
		_cleanup_free_ char *text = NULL;
		struct stat st;
		size_t len;

		if (*path == '/' && heal_read_at(ctx->root_fd, path + 1, 64, &text, &len) == 0 &&
		    atol(text) == listener->pid &&
		    fstatat(ctx->root_fd, path + 1, &st, 0) == 0 && st.st_mtime > since)
			since = st.st_mtime;
	}
	return since;
}

bool heal_effective_is_new(struct heal_context *ctx, const struct heal_listener *listener,
			   const struct heal_effective *effective, const char *path)
{
	int64_t since = effective_since_s(ctx, listener, &effective->pid_files) + EFFECTIVE_SLACK_S;
	struct statx st;

	if (*path != '/' || statx(ctx->root_fd, path + 1, 0, STATX_MTIME | STATX_BTIME, &st) < 0)
		return false;
	/* Written over, or another file moved there. */
	return st.stx_mtime.tv_sec > since ||
	       (st.stx_mask & STATX_BTIME && st.stx_btime.tv_sec > since);
}

const char *heal_effective_new_key(struct heal_context *ctx, const struct heal_listener *listener,
				   const struct heal_effective *effective)
{
	for (size_t i = 0; i < effective->host_keys.count; i++)
		if (heal_effective_is_new(ctx, listener, effective, effective->host_keys.items[i]))
			return effective->host_keys.items[i];
	return NULL;
}

const char *heal_effective_taken(struct heal_context *ctx, const struct heal_listener *listener,
				 const struct heal_effective *effective)
{
	for (size_t i = 0; i < effective->addresses.count; i++) {
		const char *address = effective->addresses.items[i];

		if (!socket_has_address(listener, address) && socket_is_taken(ctx, listener, address))
			return address;
	}
	return NULL;
}

const char *heal_effective_lost(const struct heal_listener *listener,
				const struct heal_effective *effective)
{
	for (size_t i = 0; i < listener->n_addresses; i++) {
		bool is_kept = false;

		for (size_t j = 0; j < effective->addresses.count; j++)
			is_kept |= socket_same_address(listener->addresses[i],
						       effective->addresses.items[j]);
		if (!is_kept)
			return listener->addresses[i];
	}
	return NULL;
}

const char *heal_effective_absent(const struct heal_effective *effective)
{
	for (size_t i = 0; i < effective->addresses.count; i++)
		if (client_is_absent(effective->addresses.items[i]))
			return effective->addresses.items[i];
	return NULL;
}
