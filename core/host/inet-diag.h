/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listening sockets, by sock_diag(7). */
#ifndef SSHD_HEAL_HOST_INET_DIAG_H
#define SSHD_HEAL_HOST_INET_DIAG_H

#include <stdint.h>

struct heal_socket {
	uint64_t inode;
	char address[64]; /* "127.0.0.1:22", "[::1]:22" */
	uint64_t cgroup;  /* that it was made in; 0: not known */
	uint32_t uid;     /* who has made it; 0 where that is not known */
	char peer[64];    /* the other end of a connection */
	uint32_t waiting; /* of one that listens: connections that wait, and how many may */
	uint32_t backlog;
};

/* Called for each listening socket; anything but 0 ends the list and is given back by it. */
typedef int (*diag_fn)(void *user, const struct heal_socket *found);
/* A descriptor for diag_list(), or -errno. */
int diag_open(void);
/* Lists the listening TCP sockets of one family in our own network namespace. */
int diag_list(int fd, int family, diag_fn fn, void *user);
/* Likewise those at one port: the kernel passes over what may be hundreds of thousands of others. */
int diag_list_at(int fd, int family, uint16_t port, diag_fn fn, void *user);
/* Likewise the connections. */
int diag_list_connected(int fd, int family, diag_fn fn, void *user);

#endif
