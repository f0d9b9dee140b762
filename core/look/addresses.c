/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The addresses that a process listens on: /proc/PID/fd and /proc/PID/net/tcp{,6}. */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "look/addresses.h"

#include "base/array.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "host/context.h"
#include "host/inet-diag.h"
#include "host/proc.h"
#include "report.h"

/* include/net/tcp_states.h: TCP_LISTEN is 10. */
#define ADDRESSES_LISTEN 0x0a
#define ADDRESSES_CGROUP_MAX (16u << 10)

/*
 * One address in /proc/net/tcp's hexadecimal: 32-bit words in host byte order
 * (one of them, or four), a colon, the port. Returns the family.
 */
static int addresses_parse_address(const char *text, char *ret, size_t size)
{
	uint32_t words[4];
	char host[INET6_ADDRSTRLEN];
	const char *colon = strchr(text, ':');
	unsigned port;
	size_t n;

	if (!colon || ((colon - text) != 8 && (colon - text) != 32))
		return -EINVAL;
	n = (size_t)(colon - text) / 8;
	for (size_t i = 0; i < n; i++)
		if (sscanf(text + i * 8, "%8" SCNx32, &words[i]) != 1)
			return -EINVAL;
	if (sscanf(colon + 1, "%4x", &port) != 1)
		return -EINVAL;
	if (!inet_ntop(n == 1 ? AF_INET : AF_INET6, words, host, sizeof(host)))
		return -errno;
	(void)snprintf(ret, size, n == 1 ? "%s:%u" : "[%s]:%u", host, port);
	return n == 1 ? AF_INET : AF_INET6;
}

int addresses_parse_line(const char *line, struct heal_socket *ret)
{
	struct heal_socket found = {0};
	char local[48];
	unsigned state;
	int r;

	if (strstr(line, "local_address"))
		return 0;
	/* sl local rem st tx:rx tr:when retrnsmt uid timeout inode */
	if (sscanf(line, " %*u: %47s %*s %x %*s %*s %*s %*u %*u %" SCNu64, local, &state,
		   &found.inode) != 3)
		return -EINVAL;
	if (state != ADDRESSES_LISTEN)
		return 0;
	r = addresses_parse_address(local, found.address, sizeof(found.address));
	if (r < 0)
		return r;
	*ret = found;
	return 1;
}

struct addresses_inodes {
	uint64_t *items;
	size_t count;
};

/* The inodes of all sockets that the process has open. */
static int addresses_inodes_load(int process_fd, struct addresses_inodes *inodes)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int r = heal_opendir_at(process_fd, "fd", &dir);

	if (r < 0)
		return r;
	while ((errno = 0, entry = readdir(dir))) {
		char link[64];
		uint64_t inode;
		ssize_t n;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
		/* A connection that it has just closed is none that it listens on. */
		if (n < 0 && errno == ENOENT)
			continue;
		if (n < 0)
			return -errno;
		link[n] = '\0';
		if (sscanf(link, "socket:[%" SCNu64 "]", &inode) != 1)
			continue;
		if (heal_grow(&inodes->items, inodes->count, sizeof(*inodes->items)) < 0)
			return -ENOMEM;
		inodes->items[inodes->count++] = inode;
	}
	return -errno;
}

/* The table of one family in /proc, for who cannot use sock_diag. */
static int addresses_list_proc(const struct heal_process *process, const char *table, diag_fn fn,
			    void *user)
{
	_cleanup_close_ int fd = openat(process->dirfd, table, O_RDONLY | O_CLOEXEC);
	_cleanup_fclose_ FILE *in = NULL;
	char line[512];

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	in = fdopen(fd, "re");
	if (!in)
		return -errno;
	fd = -1;
	while (fgets(line, sizeof(line), in)) {
		struct heal_socket found;
		int r = addresses_parse_line(line, &found);

		/* The kernel gives listening sockets first; the rest may be very long. */
		if (r == 0 && !strstr(line, "local_address"))
			break;
		r = r == 1 ? fn(user, &found) : 0;
		if (r != 0)
			return r;
	}
	return ferror(in) ? -EIO : 0;
}

int addresses_is_reachable(struct heal_context *ctx, const struct heal_process *process)
{
	bool is_ours = false;
	bool is_inits = false;
	int r;

	if (!ctx->is_live)
		return -EOPNOTSUPP;
	r = heal_owner_same_link(ctx, "thread-self", process->dirfd, "ns/net", &is_ours);
	/* Who is somewhere else: the one that is not where PID 1 is. */
	if (r == 0 && !is_ours)
		r = heal_owner_same_link(ctx, "1", process->dirfd, "ns/net", &is_inits);
	if (r < 0 || is_ours)
		return r;
	return is_inits ? -EREMOTE : -ENETUNREACH;
}

/* The listening TCP sockets of its network namespace: by sock_diag, elsewhere from /proc/PID/net. */
static int addresses_list(struct heal_context *ctx, const struct heal_process *process, diag_fn fn,
			  void *user)
{
	_cleanup_close_ int fd = addresses_is_reachable(ctx, process) == 0 ? diag_open() : -1;
	int r = fd;

	if (fd >= 0)
		r = diag_list(fd, AF_INET, fn, user);
	if (r == 0)
		r = diag_list(fd, AF_INET6, fn, user);
	/* The kernel may lack the module tcp_diag. */
	if (r >= 0)
		return r;
	r = addresses_list_proc(process, "net/tcp", fn, user);
	return r == 0 ? addresses_list_proc(process, "net/tcp6", fn, user) : r;
}

struct addresses_search {
	struct heal_process *process;
	struct addresses_inodes inodes;
	uint64_t cgroup; /* of the process; 0: not known */
};

static void addresses_search_done(struct addresses_search *search)
{
	free(search->inodes.items);
}

bool addresses_are_same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	if (*a == '%')
		a += strcspn(a, "]");
	if (*b == '%')
		b += strcspn(b, "]");
	return strcmp(a, b) == 0;
}

bool addresses_has_port_of(const struct heal_process *process, const char *address)
{
	const char *port = strrchr(address, ':');

	for (size_t i = 0; port && i < process->n_addresses; i++)
		if (strcmp(strrchr(process->addresses[i], ':'), port) == 0)
			return true;
	return false;
}

bool addresses_has(const struct heal_process *process, const char *address)
{
	for (size_t i = 0; i < process->n_addresses; i++)
		if (addresses_are_same(process->addresses[i], address))
			return true;
	return false;
}

/*
 * The control group of a process, as the kernel numbers it: the inode of its directory,
 * in the unified hierarchy. 0 where it has none of its own.
 */
static uint64_t addresses_cgroup(struct heal_context *ctx, int process_fd)
{
	static const char *const mounts[] = {"sys/fs/cgroup/unified", "sys/fs/cgroup"};
	_cleanup_free_ char *text = NULL;
	const char *path;
	struct stat st;
	size_t len;

	if (heal_read_at(process_fd, "cgroup", ADDRESSES_CGROUP_MAX, &text, &len) < 0)
		return 0;
	path = strstr(text, "0::/");
	if (!path || (path > text && path[-1] != '\n'))
		return 0;
	path += strlen("0::/");
	for (size_t i = 0; *path && *path != '\n' && i < ARRAY_SIZE(mounts); i++) {
		_cleanup_free_ char *name = NULL;

		if (asprintf(&name, "%s/%.*s", mounts[i], (int)strcspn(path, "\n"), path) < 0)
			name = NULL;
		else if (fstatat(ctx->root_fd, name, &st, 0) == 0)
			return st.st_ino;
	}
	return 0;
}

/*
 * systemd makes its sockets in a control group of its own, and what is handed such a one
 * has it for good, whatever becomes of the socket unit. On 32 bits an inode is half a number.
 */
static void addresses_note_maker(const struct addresses_search *search, const struct heal_socket *found)
{
	if (!search->cgroup || !found->cgroup)
		return;
	if ((uint32_t)search->cgroup != (uint32_t)found->cgroup)
		search->process->sockets = HEAL_SOCKETS_INHERITED;
	else if (search->process->sockets == HEAL_SOCKETS_UNKNOWN)
		search->process->sockets = HEAL_SOCKETS_OWN;
}

/* Adds a socket's address to the listener when it is one of the process's own. */
static int addresses_add_own(void *user, const struct heal_socket *found)
{
	struct addresses_search *search = user;
	struct heal_process *process = search->process;
	size_t i = 0;
	char *copy;

	while (i < search->inodes.count && search->inodes.items[i] != found->inode)
		i++;
	if (i == search->inodes.count)
		return 0;
	addresses_note_maker(search, found);
	/* Listed already, before the list had to be begun anew from another source. */
	if (addresses_has(process, found->address))
		return 0;
	if (heal_grow(&process->addresses, process->n_addresses,
		      sizeof(*process->addresses)) < 0)
		return -ENOMEM;
	copy = strdup(found->address);
	if (!copy)
		return -ENOMEM;
	process->addresses[process->n_addresses++] = copy;
	return 0;
}

int heal_listener_addresses(struct heal_context *ctx, struct heal_process *process)
{
	_cleanup_(addresses_search_done) struct addresses_search search = {.process = process};
	int r;

	for (size_t i = 0; i < process->n_addresses; i++)
		free(process->addresses[i]);
	process->n_addresses = 0;
	process->sockets = HEAL_SOCKETS_UNKNOWN;
	if (ctx->is_live)
		search.cgroup = addresses_cgroup(ctx, process->dirfd);
	r = addresses_inodes_load(process->dirfd, &search.inodes);
	if (r == 0)
		r = addresses_list(ctx, process, addresses_add_own, &search);
	return r;
}

/* The address part of "ADDRESS:PORT" is that of every interface. */
static bool addresses_is_wildcard(const char *address)
{
	return strncmp(address, "0.0.0.0:", 8) == 0 || strncmp(address, "[::]:", 5) == 0;
}

bool addresses_conflict(const char *a, const char *b)
{
	const char *a_port = strrchr(a, ':');
	const char *b_port = strrchr(b, ':');

	if (!a_port || !b_port || strcmp(a_port, b_port) != 0)
		return false;
	if (strcmp(a, b) == 0)
		return true;
	return (a[0] == '[') == (b[0] == '[') && (addresses_is_wildcard(a) || addresses_is_wildcard(b));
}
