/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One sshd that serves standard input, and one client. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "try/pair.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/spawn.h"
#include "base/words.h"
#include "host/context.h"
#include "report.h"
#include "try/arguments.h"
#include "try/client.h"
#include "try/command.h"
#include "try/effective.h"
#include "try/place.h"

/* It takes 20 ms; a machine that needs longer than this is not fit to be healed now. */
#define PAIR_MS 3000

/* sshd wants a real connection: a socketpair has no peer address for it to name. */
static int pair_connect(int ret[2])
{
	struct sockaddr_in name = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in client_name = {0};
	struct sockaddr_in peer = {0};
	socklen_t len = sizeof(name);
	_cleanup_close_ int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	_cleanup_close_ int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	_cleanup_close_ int server = -1;
	const struct timeval limit = {.tv_sec = PAIR_MS / 1000};

	/* connect() and accept() obey these, socket(7): a packet filter may drop loopback, too. */
	if (listener < 0 || client < 0 ||
	    setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
	    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
	    bind(listener, (struct sockaddr *)&name, len) < 0 ||
	    listen(listener, 1) < 0 || getsockname(listener, (struct sockaddr *)&name, &len) < 0 ||
	    connect(client, (struct sockaddr *)&name, len) < 0 ||
	    getsockname(client, (struct sockaddr *)&client_name, &len) < 0)
		return -errno;
	server = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
	if (server < 0)
		return -errno;
	/* Somebody else on this machine may have been quicker than ourselves. */
	if (peer.sin_port != client_name.sin_port)
		return -EBUSY;
	ret[0] = heal_take_fd(&client);
	ret[1] = heal_take_fd(&server);
	return 0;
}

static int pair_start(const struct heal_start *start, const char *runtime, int server, int err,
		      pid_t *ret)
{
	static const char *const flags[] = {"-i", "-e", NULL};
	_cleanup_(heal_words_done) struct heal_words argv = {0};
	_cleanup_(heal_words_done) struct heal_words environment = {0};
	const struct place place = {
		.mount_fd = start->mount_fd, .socket_fd = -1, .runtime = runtime, .label = ""};
	struct heal_command command = {.fds = {server, server, err}};
	int r = arguments_build(start->path, flags, &start->options, &argv);

	command.argv = argv.items;
	if (r == 0)
		r = place_set(&place, start, &environment, &command);
	return r < 0 ? r : heal_spawn_start(&command, ret);
}

int heal_pair_try(struct heal_context *ctx, const struct heal_start *start, const char *runtime,
		  struct heal_hello *hello, char *words, size_t size)
{
	int64_t deadline = heal_now_ms() + heal_left_ms(ctx->deadline_ms, PAIR_MS);
	_cleanup_close_ int client = -1;
	_cleanup_close_ int server = -1;
	_cleanup_close_ int err_read = -1;
	_cleanup_close_ int err_write = -1;
	int pair[2] = {-1, -1};
	pid_t pid;
	int r = heal_has_time(ctx->deadline_ms) ? pair_connect(pair) : -ETIME;

	if (r < 0)
		return r;
	client = pair[0];
	server = pair[1];
	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	err_read = pair[0];
	err_write = pair[1];
	r = pair_start(start, runtime, server, err_write, &pid);
	if (r < 0)
		return r;
	/* Only sshd may hold its end, or its death would not be seen. */
	(void)close(heal_take_fd(&server));
	(void)close(heal_take_fd(&err_write));
	heal_client_meet(ctx, client, deadline, hello);
	(void)close(heal_take_fd(&client));
	heal_effective_end(pid, err_read, hello, words, size);
	return 0;
}
