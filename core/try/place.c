/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The place in which an sshd is tried: the mounts of the listener, and a network in which
 * every address of this host or of none is its own, and nobody else is.
 *
 * What stands in here up to place_enter() runs between clone(2) and execve(2), where only
 * system calls are safe.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "try/place.h"

#include "base/cleanup.h"
#include "base/spawn.h"
#include "base/words.h"
#include "host/inet-diag.h"
#include "try/command.h"

/* Of every new network, netdevice(7). */
#define PLACE_LOOPBACK 1

#define PLACE_SOCKETS (1 + 2 * PLACE_CLIENTS)

static int place_raise_loopback(void)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

	return fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

/* A route by which all addresses of a family are this host's, ip-route(8): "local ::/0 dev lo". */
static int place_add_route(int fd, uint8_t family)
{
	struct {
		struct nlmsghdr header;
		struct rtmsg body;
		struct rtattr attribute;
		uint32_t interface;
	} request = {
		.header = {.nlmsg_len = sizeof(request),
			   .nlmsg_type = RTM_NEWROUTE,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE},
		.body = {.rtm_family = family,
			 .rtm_table = RT_TABLE_LOCAL,
			 .rtm_protocol = RTPROT_BOOT,
			 .rtm_scope = RT_SCOPE_HOST,
			 .rtm_type = RTN_LOCAL},
		.attribute = {.rta_len = RTA_LENGTH(sizeof(uint32_t)), .rta_type = RTA_OIF},
		.interface = PLACE_LOOPBACK,
	};
	struct {
		struct nlmsghdr header;
		struct nlmsgerr body;
		char rest[256];
	} reply;
	ssize_t n;

	if (send(fd, &request, sizeof(request), 0) < 0)
		return -errno;
	n = recv(fd, &reply, sizeof(reply), 0);
	if (n < 0)
		return -errno;
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(reply.body)) || reply.header.nlmsg_type != NLMSG_ERROR)
		return -EBADMSG;
	return reply.body.error;
}

/* Lets addresses be bound that no interface has, ip-sysctl. */
static int place_set_nonlocal(const char *path)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, "1", 1) != 1 ? -errno : 0;
}

static int place_set_up_network(void)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int r = fd < 0 ? -errno : place_raise_loopback();

	if (r == 0)
		r = place_add_route(fd, AF_INET);
	if (r == 0)
		r = place_set_nonlocal("/proc/sys/net/ipv4/ip_nonlocal_bind");
	/* A host may do without the newer family. */
	if (r == 0 && access("/proc/sys/net/ipv6", F_OK) < 0)
		return 0;
	if (r == 0)
		r = place_add_route(fd, AF_INET6);
	return r < 0 ? r : place_set_nonlocal("/proc/sys/net/ipv6/ip_nonlocal_bind");
}

/* Sends sockets of this network to who waits outside of it. They are ours until we are the program. */
static int place_send_sockets(int socket_fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(PLACE_SOCKETS * sizeof(int))];
	} control = {0};
	/* Which of them there are, in the order of struct place_network. */
	char is_there[PLACE_SOCKETS] = {0};
	struct iovec iov = {.iov_base = is_there, .iov_len = sizeof(is_there)};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room};
	struct cmsghdr *header = &control.header;
	int fds[PLACE_SOCKETS];
	size_t n = 0;

	for (size_t i = 0; i < PLACE_SOCKETS; i++) {
		int family = i <= PLACE_CLIENTS ? AF_INET : AF_INET6;
		int fd = i == 0 ? diag_open() : socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		if (fd < 0 && family == AF_INET)
			return i == 0 ? fd : -errno;
		is_there[i] = fd >= 0;
		if (fd >= 0)
			fds[n++] = fd;
	}
	message.msg_controllen = CMSG_SPACE(n * sizeof(int));
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(header), fds, n * sizeof(int));
	return sendmsg(socket_fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Binds nothing over a file, which need not be there. */
static int place_hide(const char *path)
{
	return mount("/dev/null", path, NULL, MS_BIND, NULL) < 0 && errno != ENOENT ? -errno : 0;
}

/* What the start makes first, in a /run of its own: nothing is made in that of the host. */
static int place_make_runtime(const char *name)
{
	_cleanup_close_ int fd = -1;

	if (mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1M") < 0)
		return -errno;
	fd = open("/run", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || mkdirat(fd, name, 0755) < 0 ? -errno : 0;
}

/* What libwrap says goes to the log by itself, as if the real sshd had said it. */
static int place_set_up_mounts(const struct place *place)
{
	int r;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	r = place_hide("/dev/log");
	if (r == 0 && place->hides_wrappers)
		r = place_hide("/etc/hosts.allow");
	if (r == 0 && place->hides_wrappers)
		r = place_hide("/etc/hosts.deny");
	if (r == 0 && place->runtime)
		r = place_make_runtime(place->runtime);
	return r;
}

/* Where that is not to be had, the program runs with what it gets. */
static void place_take_label(const char *label)
{
	_cleanup_close_ int fd = *label ? open("/proc/thread-self/attr/exec", O_WRONLY | O_CLOEXEC) : -1;

	if (fd >= 0 && write(fd, label, strlen(label)) < 0)
		errno = 0;
}

/* The network first: in its mounts the listener may have a /proc/sys that is read-only. */
static int place_enter(void *user)
{
	const struct place *place = user;
	int r = prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? -errno : 0;

	if (r == 0 && place->socket_fd >= 0)
		r = place_set_up_network();
	if (r == 0 && place->socket_fd >= 0)
		r = place_send_sockets(place->socket_fd);
	if (r == 0 && place->mount_fd >= 0 && setns(place->mount_fd, CLONE_NEWNS) < 0)
		r = -errno;
	if (r == 0 && (place->socket_fd >= 0 || place->runtime))
		r = place_set_up_mounts(place);
	if (r == 0)
		place_take_label(place->label);
	/* Not to be taken for what execve(2) says of the program. */
	return r < 0 ? -EOPNOTSUPP : 0;
}

int place_set(const struct place *place, const struct heal_start *start,
	      struct heal_words *environment, struct heal_command *command)
{
	static const char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";

	if (heal_words_add(environment, path, strlen(path)) < 0 ||
	    heal_words_copy(&start->environment, environment) < 0)
		return -ENOMEM;
	command->path = start->path;
	command->cwd = start->cwd;
	command->environment = environment->items;
	if (place->mount_fd < 0 && place->socket_fd < 0 && !place->runtime)
		return 0;
	command->enter = place_enter;
	command->user = (void *)place;
	command->namespaces = place->socket_fd >= 0 ? CLONE_NEWNET | CLONE_NEWPID : 0;
	return 0;
}

void place_network_done(struct place_network *network)
{
	heal_closep(&network->diag);
	for (size_t i = 0; i < PLACE_CLIENTS; i++) {
		heal_closep(&network->v4[i]);
		heal_closep(&network->v6[i]);
	}
}

int place_receive(int fd, struct place_network *ret)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(PLACE_SOCKETS * sizeof(int))];
	} control = {0};
	char is_there[PLACE_SOCKETS];
	struct iovec iov = {.iov_base = is_there, .iov_len = sizeof(is_there)};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.room,
				 .msg_controllen = sizeof(control.room)};
	struct place_network network = PLACE_NETWORK_NONE;
	const struct cmsghdr *header;
	size_t n;
	size_t used = 0;

	if (recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(is_there))
		return -EOPNOTSUPP;
	header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_type != SCM_RIGHTS)
		return -EOPNOTSUPP;
	n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	for (size_t i = 0; i < PLACE_SOCKETS && used < n; i++) {
		int *where = i == 0 ? &network.diag
				    : (i <= PLACE_CLIENTS ? &network.v4[i - 1] : &network.v6[i - 1 - PLACE_CLIENTS]);

		if (is_there[i])
			memcpy(where, CMSG_DATA(header) + used++ * sizeof(int), sizeof(int));
	}
	*ret = network;
	return 0;
}
