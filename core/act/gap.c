/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For how long nothing listened: looked at from beside the action, without a
 * connection, which sshd would have to answer and might hold against its source.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "act/gap.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "host/inet-diag.h"

/* Looking more often would take from sshd the time that is measured. */
#define GAP_PAUSE_US 1000

struct heal_gap {
	pthread_t thread;
	atomic_bool is_over;
	int fd; /* sock_diag */
	int family;
	char address[64];
	uint16_t port;
	uint64_t first; /* inode of the socket that was there first, and of the last one; 0: none */
	uint64_t last;
	double refused_ms;
	bool is_broken;
};

static int gap_is_it(void *user, const struct heal_socket *found)
{
	struct heal_gap *gap = user;

	if (strcmp(found->address, gap->address) != 0)
		return 0;
	gap->last = found->inode;
	gap->first = gap->first ? gap->first : found->inode;
	return 1;
}

static void *gap_run(void *user)
{
	struct heal_gap *gap = user;
	double down_since = -1;

	while (!atomic_load(&gap->is_over)) {
		struct timespec pause = {.tv_nsec = GAP_PAUSE_US * 1000L};
		double now = heal_now_ms_exact();
		int is_up = diag_list_at(gap->fd, gap->family, gap->port, gap_is_it, gap);

		if (is_up < 0) {
			gap->is_broken = true;
			break;
		}
		if (!is_up && down_since < 0)
			down_since = now;
		if (is_up && down_since >= 0) {
			gap->refused_ms += now - down_since;
			down_since = -1;
		}
		(void)nanosleep(&pause, NULL);
	}
	if (down_since >= 0)
		gap->refused_ms += heal_now_ms_exact() - down_since;
	return NULL;
}

struct heal_gap *heal_gap_start(const char *address)
{
	struct heal_gap *gap = calloc(1, sizeof(*gap));
	const char *colon = strrchr(address, ':');
	sigset_t all;
	sigset_t before;
	int r = -1;

	if (!gap)
		return NULL;
	(void)snprintf(gap->address, sizeof(gap->address), "%s", address);
	gap->port = colon ? (uint16_t)atoi(colon + 1) : 0;
	gap->family = address[0] == '[' ? AF_INET6 : AF_INET;
	gap->fd = diag_open();
	if (gap->fd >= 0)
		(void)diag_list_at(gap->fd, gap->family, gap->port, gap_is_it, gap);
	/* The deadline's alarm is for the main thread. */
	if (gap->fd >= 0 && sigfillset(&all) == 0 &&
	    pthread_sigmask(SIG_SETMASK, &all, &before) == 0) {
		r = pthread_create(&gap->thread, NULL, gap_run, gap);
		(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	if (r == 0)
		return gap;
	heal_closep(&gap->fd);
	free(gap);
	return NULL;
}

double heal_gap_stop(struct heal_gap *gap)
{
	double refused_ms;

	if (!gap)
		return -1;
	atomic_store(&gap->is_over, true);
	(void)pthread_join(gap->thread, NULL);
	/* Another one is there, and in between nobody was seen to be missing: the looks were too rare. */
	if (gap->refused_ms <= 0 && gap->first != gap->last)
		gap->is_broken = true;
	refused_ms = gap->is_broken ? -1 : gap->refused_ms;
	(void)close(gap->fd);
	free(gap);
	return refused_ms;
}
