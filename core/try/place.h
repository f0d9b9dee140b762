/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The place in which an sshd is tried. */
#ifndef SSHD_HEAL_TRY_PLACE_H
#define SSHD_HEAL_TRY_PLACE_H

#include <stdbool.h>

#include "base/spawn.h"
#include "base/words.h"
#include "try/command.h"

/* How many sockets of each family a network of its own is given. */
#define PLACE_CLIENTS 8

/* The sockets of such a network; -1: its kernel has none of that kind. */
struct place_network {
	int diag; /* for diag_list() */
	int v4[PLACE_CLIENTS];
	int v6[PLACE_CLIENTS];
};
#define PLACE_NETWORK_NONE \
	{-1, {-1, -1, -1, -1, -1, -1, -1, -1}, {-1, -1, -1, -1, -1, -1, -1, -1}}


struct place {
	int mount_fd;        /* -1: the mounts are ours */
	int socket_fd;       /* gets the sockets of a network of its own; -1: the network is ours */
	bool hides_wrappers; /* there is nothing in hosts.allow and hosts.deny, hosts_access(5) */
	const char *runtime; /* a directory that is all that is in /run; NULL: /run is as it is */
	const char *label;   /* for proc_pid_attr(5)'s exec; "": what the program gets by itself */
};

/*
 * Has a command run where that start would be: its directory, environment, mounts. The
 * environment is for the words that go with it and is kept by the caller, as is the place.
 */
int place_set(const struct place *place, const struct heal_start *start,
	      struct heal_words *environment, struct heal_command *command);

/* Takes the sockets that the new process has sent to the other end of socket_fd. */
int place_receive(int fd, struct place_network *ret);
void place_network_done(struct place_network *network);

#endif
