/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ports all: holds every port that the kernel gives to who asks for any.
 * ports grab ADDRESS PORT: takes that as soon as nobody has it.
 * ports knock PORT: connects and goes away, again and again, in ten processes.
 * ports listen N: N sockets that listen, in processes of 10,000.
 *
 * An ordinary user may do all of it. Prints the process group to be killed once it is in place.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORTS_EACH 7000
#define PORTS_LISTEN_EACH 10000
#define PORTS_LISTEN_PORT 3000
#define PORTS_KNOCKERS 10

struct ports_name {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} name;
	socklen_t len;
};

static _Noreturn void ports_fail(const char *what)
{
	perror(what);
	exit(1);
}

static struct ports_name ports_parse(const char *address, int port)
{
	struct ports_name ret = {.len = sizeof(ret.name.v4)};

	ret.name.v4.sin_family = AF_INET;
	if (inet_pton(AF_INET, address, &ret.name.v4.sin_addr) != 1) {
		ret = (struct ports_name){.len = sizeof(ret.name.v6)};
		ret.name.v6.sin6_family = AF_INET6;
		if (inet_pton(AF_INET6, address, &ret.name.v6.sin6_addr) != 1)
			ports_fail(address);
	}
	/* The field is at the same place in both families. */
	ret.name.v4.sin_port = htons((uint16_t)port);
	return ret;
}

static int ports_socket(const struct ports_name *name)
{
	const int on = 1;
	int fd = socket(name->name.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		ports_fail("socket");
	return fd;
}

/* Who waits at the pipe has heard from all once nobody has its other end any more. */
static void ports_tell(int out)
{
	if (write(out, "", 1) != 1)
		exit(1);
	(void)close(out);
}

static _Noreturn void ports_stay(int out)
{
	ports_tell(out);
	for (;;)
		(void)pause();
}

/* Both families at once. What somebody else has is taken, too. */
static _Noreturn void ports_hold(int out, int first, int end)
{
	struct ports_name name = ports_parse("::", 0);

	for (int port = first; port < end && port < first + PORTS_EACH; port++) {
		int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

		name.name.v6.sin6_port = htons((uint16_t)port);
		if (fd < 0)
			ports_fail("socket");
		(void)bind(fd, &name.name.any, name.len);
	}
	ports_stay(out);
}

static int ports_all(int out)
{
	FILE *range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	int first;
	int last;
	int n = 0;

	if (!range || fscanf(range, "%d %d", &first, &last) != 2)
		ports_fail("ip_local_port_range");
	(void)fclose(range);
	for (; first <= last; first += PORTS_EACH, n++)
		if (fork() == 0)
			ports_hold(out, first, last + 1);
	return n;
}

static _Noreturn void ports_take(int out, const struct ports_name *name)
{
	int fd = ports_socket(name);

	ports_tell(out);
	for (;;) {
		while (bind(fd, &name->name.any, name->len) < 0)
			continue;
		if (listen(fd, 1) == 0)
			break;
		(void)close(fd);
		fd = ports_socket(name);
	}
	for (;;)
		(void)pause();
}

static int ports_grab(int out, const char *address, int port)
{
	const struct ports_name name = ports_parse(address, port);

	if (fork() == 0)
		ports_take(out, &name);
	return 1;
}

static _Noreturn void ports_visit(int out, const struct ports_name *name)
{
	ports_tell(out);
	for (;;) {
		int fd = ports_socket(name);

		(void)connect(fd, &name->name.any, name->len);
		(void)close(fd);
	}
}

static int ports_knock(int out, int port)
{
	const struct ports_name name = ports_parse("127.0.0.1", port);

	for (int i = 0; i < PORTS_KNOCKERS; i++)
		if (fork() == 0)
			ports_visit(out, &name);
	return PORTS_KNOCKERS;
}

/* Each at an address of its own, of which a host has 16 million. */
static _Noreturn void ports_serve(int out, int first, int end)
{
	struct ports_name name = ports_parse("127.1.0.0", PORTS_LISTEN_PORT);

	for (int i = first; i < end && i < first + PORTS_LISTEN_EACH; i++) {
		int fd = ports_socket(&name);

		name.name.v4.sin_addr.s_addr = htonl(0x7f010000u + (uint32_t)i);
		if (bind(fd, &name.name.any, name.len) < 0 || listen(fd, 1) < 0)
			ports_fail("listen");
	}
	ports_stay(out);
}

static int ports_listen(int out, int n)
{
	int processes = 0;

	for (int first = 0; first < n; first += PORTS_LISTEN_EACH, processes++)
		if (fork() == 0)
			ports_serve(out, first, n);
	return processes;
}

static int ports_begin(int argc, char **argv, int out)
{
	if (argc == 2 && strcmp(argv[1], "all") == 0)
		return ports_all(out);
	if (argc == 4 && strcmp(argv[1], "grab") == 0)
		return ports_grab(out, argv[2], atoi(argv[3]));
	if (argc == 3 && strcmp(argv[1], "knock") == 0)
		return ports_knock(out, atoi(argv[2]));
	if (argc == 3 && strcmp(argv[1], "listen") == 0)
		return ports_listen(out, atoi(argv[2]));
	exit(2);
}

/* Nobody is to wait for our end but at the pipe. */
static _Noreturn void ports_lead(int argc, char **argv, int out)
{
	int n;

	if (setsid() < 0 || !freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
		exit(1);
	n = ports_begin(argc, argv, out);
	(void)close(out);
	while (n-- > 0 && wait(NULL) > 0)
		continue;
	exit(0);
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	int pair[2];
	int n = 0;
	char byte;
	pid_t pid;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		ports_fail("getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || pipe(pair) < 0)
		ports_fail("setrlimit");
	pid = fork();
	if (pid < 0)
		ports_fail("fork");
	if (pid == 0)
		ports_lead(argc, argv, pair[1]);
	(void)close(pair[1]);
	while (read(pair[0], &byte, 1) == 1)
		n++;
	if (n == 0)
		return 1;
	(void)printf("%d\n", (int)pid);
	return 0;
}
