/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an ssh client meets: on a socket, or at a listener's own address. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "try/client.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "host/context.h"
#include "report.h"

/* sshd's own limit on what it says before its banner; ours is far below. */
#define CLIENT_PEEK 64
#define CLIENT_CONNECT_MS 500
/* 127.83.0.0/16: of the host itself, as all of 127.0.0.0/8 is, RFC 1122 3.2.1.3. */
#define CLIENT_SOURCE 0x7f530000u

enum heal_fate client_classify(const char *buf, size_t len)
{
	/* srclimit.c of 9.8 on; sshd.c of 9.7 and before. */
	static const char *const penalties[] = {"Not allowed at this time", "Exceeded MaxStartups"};

	if (len == 0)
		return HEAL_FATE_EOF;
	for (size_t i = 0; i < ARRAY_SIZE(penalties); i++)
		if (len >= strlen(penalties[i]) &&
		    memcmp(buf, penalties[i], strlen(penalties[i])) == 0)
			return HEAL_FATE_PENALTY;
	/* Whatever else: the banner, or lines that may come before it, RFC 4253 4.2. */
	return HEAL_FATE_OK;
}

/* What an error on the way to the server means; what is no doing of sshd's has a detail. */
static void client_fail(struct heal_hello *hello, int code)
{
	switch (code) {
	case ECONNREFUSED:
		hello->fate = HEAL_FATE_REFUSED;
		return;
	case ECONNRESET:
	case EPIPE:
		hello->fate = HEAL_FATE_RESET;
		return;
	case ETIMEDOUT:
		hello->fate = HEAL_FATE_TIMEOUT;
		return;
	default:
		/* No address of that family, no route, no descriptor, no memory. */
		hello->fate = HEAL_FATE_UNKNOWN;
		(void)snprintf(hello->detail, sizeof(hello->detail), "%s", strerror(code));
	}
}

static int client_poll(int fd, short events, int64_t deadline_ms)
{
	struct pollfd poller = {.fd = fd, .events = events};
	int r;

	do
		r = poll(&poller, 1, heal_left_ms(deadline_ms, 60000));
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

/* What the server says first, without taking it from the socket. */
static void client_peek(int fd, int64_t deadline_ms, struct heal_hello *hello)
{
	char buf[CLIENT_PEEK];
	ssize_t n = 0;
	int r = client_poll(fd, POLLIN, deadline_ms);

	if (r == 0) {
		n = recv(fd, buf, sizeof(buf), MSG_PEEK | MSG_DONTWAIT);
		r = n < 0 ? -errno : 0;
	}
	if (r < 0)
		client_fail(hello, -r);
	else
		hello->fate = client_classify(buf, (size_t)n);
}

void heal_client_meet(struct heal_context *ctx, int fd, int64_t deadline_ms,
		      struct heal_hello *ret)
{
	*ret = (struct heal_hello){.fate = HEAL_FATE_UNKNOWN};
	client_peek(fd, deadline_ms, ret);
	if (ret->fate != HEAL_FATE_OK)
		return;
	if (!ctx->client_ops) {
		ret->fate = HEAL_FATE_UNKNOWN;
		(void)snprintf(ret->detail, sizeof(ret->detail), "%s",
			       "it gets the banner, and there is no library to go on with");
		return;
	}
	/* libssh takes no time-out at all for a default of its own. */
	if (heal_left_ms(deadline_ms, 1) > 0)
		ctx->client_ops->meet(fd, heal_left_ms(deadline_ms, 60000), ret);
	else
		ret->fate = HEAL_FATE_TIMEOUT;
	/* The server need not find out by itself that nobody is there any more. */
	(void)shutdown(fd, SHUT_RDWR);
}

struct client_address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} name;
	socklen_t len;
};

/* "127.0.0.1:22" or "[::1]:22". */
static int client_parse_address(const char *text, struct client_address *ret)
{
	struct client_address found = {0};
	char host[INET6_ADDRSTRLEN + 1];
	unsigned port;

	if (sscanf(text, "[%46[^]]]:%5u", host, &port) == 2) {
		if (port > 65535 || inet_pton(AF_INET6, host, &found.name.v6.sin6_addr) != 1)
			return -EINVAL;
		found.name.v6.sin6_family = AF_INET6;
		found.name.v6.sin6_port = htons((uint16_t)port);
		found.len = sizeof(found.name.v6);
	} else if (sscanf(text, "%46[0-9.]:%5u", host, &port) == 2) {
		if (port > 65535 || inet_pton(AF_INET, host, &found.name.v4.sin_addr) != 1)
			return -EINVAL;
		found.name.v4.sin_family = AF_INET;
		found.name.v4.sin_port = htons((uint16_t)port);
		found.len = sizeof(found.name.v4);
	} else {
		return -EINVAL;
	}
	*ret = found;
	return 0;
}

/* The same to be a client at: a wildcard becomes the loopback of its family. */
static int client_parse_target(const char *text, struct client_address *ret)
{
	int r = client_parse_address(text, ret);

	if (r < 0)
		return r;
	if (ret->name.any.sa_family == AF_INET && ret->name.v4.sin_addr.s_addr == htonl(INADDR_ANY))
		ret->name.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (ret->name.any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&ret->name.v6.sin6_addr))
		ret->name.v6.sin6_addr = in6addr_loopback;
	return 0;
}

/* Connects without ever waiting longer than the deadline. */
static int client_connect(int fd, const struct client_address *address, int64_t deadline_ms)
{
	socklen_t len = sizeof(int);
	int code = 0;
	int r;

	if (connect(fd, &address->name.any, address->len) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	r = client_poll(fd, POLLOUT, deadline_ms);
	if (r < 0)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0)
		return -errno;
	return -code;
}

int client_is_absent(const char *address)
{
	struct client_address where;
	_cleanup_close_ int fd = -1;
	int r = client_parse_address(address, &where);

	if (r < 0)
		return r;
	fd = socket(where.name.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Any port will do. The field is at the same place in both families. */
	where.name.v4.sin_port = 0;
	if (bind(fd, &where.name.any, where.len) == 0)
		return 0;
	/* The address is looked at first: of one that is there, somebody may hold every port. */
	if (errno == EADDRINUSE)
		return 0;
	return errno == EADDRNOTAVAIL ? 1 : -errno;
}

/*
 * A port below those that anybody may bind, and hold all of, as bindresvport(3) does; without
 * a free one, or the right to it, the client goes as it is.
 */
static void client_bind_reserved(int fd, struct client_address *from)
{
	for (uint16_t port = IPPORT_RESERVED - 1; port >= IPPORT_RESERVED / 2; port--) {
		/* The field is at the same place in both families. */
		from->name.v4.sin_port = htons(port);
		if (bind(fd, &from->name.any, from->len) == 0 || errno != EADDRINUSE)
			return;
	}
}

/*
 * A source of our own, so that what sshd holds against those who do not log in counts for
 * nobody else (PerSourcePenalties, sshd_config(5)), and not for long for us; of IPv6 there
 * is but one. Without one the client goes as it is.
 */
static void client_bind_source(int fd, const struct client_address *to)
{
	struct client_address from = {.name.any.sa_family = to->name.any.sa_family, .len = to->len};
	uint16_t host = 0;

	if (to->name.any.sa_family == AF_INET) {
		if (getrandom(&host, sizeof(host), GRND_NONBLOCK) < 0)
			return;
		from.name.v4.sin_addr.s_addr = htonl(CLIENT_SOURCE | host);
	}
	if (bind(fd, &from.name.any, from.len) < 0 && errno == EADDRINUSE)
		client_bind_reserved(fd, &from);
}

static void client_go(struct heal_context *ctx, int fd, const struct client_address *where,
		      int64_t deadline_ms, struct heal_hello *ret)
{
	/* On this host it is the kernel's affair, however busy sshd is. */
	int64_t connected_ms = heal_now_ms() + heal_left_ms(deadline_ms, CLIENT_CONNECT_MS);
	int r = fd < 0 ? -errno : client_connect(fd, where, connected_ms);

	if (r < 0) {
		client_fail(ret, -r);
		return;
	}
	heal_client_meet(ctx, fd, deadline_ms, ret);
	ret->is_connected = true;
}

int heal_client_call(int fd, const char *source, const char *address, int64_t deadline_ms)
{
	struct client_address where;
	struct client_address from;
	int r = client_parse_target(address, &where);

	if (r == 0 && source) {
		char text[INET6_ADDRSTRLEN + sizeof("[]:0")];

		(void)snprintf(text, sizeof(text), strchr(source, ':') ? "[%s]:0" : "%s:0", source);
		r = client_parse_address(text, &from);
		if (r == 0 && bind(fd, &from.name.any, from.len) < 0)
			r = -errno;
	}
	return r == 0 ? client_connect(fd, &where, deadline_ms) : r;
}

int heal_client_knock(int fd, const char *address, int64_t deadline_ms)
{
	int r = heal_client_call(fd, NULL, address, deadline_ms);

	return r == 0 ? client_poll(fd, POLLIN, deadline_ms) : r;
}

enum heal_fate heal_client_hear(int fd)
{
	char buf[CLIENT_PEEK];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_PEEK | MSG_DONTWAIT);

	if (n >= 0)
		return client_classify(buf, (size_t)n);
	return errno == EAGAIN ? HEAL_FATE_UNKNOWN : HEAL_FATE_RESET;
}

void heal_client_on(struct heal_context *ctx, int fd, const char *address, int64_t deadline_ms,
		    struct heal_hello *ret)
{
	struct client_address where;

	*ret = (struct heal_hello){.fate = HEAL_FATE_UNKNOWN};
	if (client_parse_target(address, &where) == 0)
		client_go(ctx, fd, &where, deadline_ms, ret);
}

void heal_client_probe(struct heal_context *ctx, const char *address, int timeout_ms,
		       struct heal_hello *ret)
{
	_cleanup_close_ int fd = -1;
	struct client_address where;
	int64_t deadline = heal_now_ms() + heal_left_ms(ctx->deadline_ms, timeout_ms);

	*ret = (struct heal_hello){.fate = HEAL_FATE_UNKNOWN};
	if (client_parse_target(address, &where) < 0)
		return;
	if (!heal_has_time(ctx->deadline_ms)) {
		(void)snprintf(ret->detail, sizeof(ret->detail), "no time is left");
		return;
	}
	fd = socket(where.name.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		client_bind_source(fd, &where);
	client_go(ctx, fd, &where, deadline, ret);
}
