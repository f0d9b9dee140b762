/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For how long nothing listened: looked at from beside the action, without a
 * connection, which sshd would have to answer and might hold against its source.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>

#include "internal.h"

/* Looking more often would take from sshd the time that is measured. */
#define WATCH_PAUSE_US 1000

struct heal_watch {
	pthread_t thread;
	atomic_bool is_over;
	int fd; /* sock_diag */
	int family;
	char address[64];
	double refused_ms;
	bool is_broken;
};

static int watch_is_it(void *user, const struct heal_socket *found)
{
	const struct heal_watch *watch = user;

	return strcmp(found->address, watch->address) == 0;
}

static void *watch_run(void *user)
{
	struct heal_watch *watch = user;
	double down_since = -1;

	while (!atomic_load(&watch->is_over)) {
		struct timespec pause = {.tv_nsec = WATCH_PAUSE_US * 1000L};
		double now = heal_now_ms_exact();
		int is_up = diag_list(watch->fd, watch->family, watch_is_it, watch);

		if (is_up < 0) {
			watch->is_broken = true;
			break;
		}
		if (!is_up && down_since < 0)
			down_since = now;
		if (is_up && down_since >= 0) {
			watch->refused_ms += now - down_since;
			down_since = -1;
		}
		(void)nanosleep(&pause, NULL);
	}
	if (down_since >= 0)
		watch->refused_ms += heal_now_ms_exact() - down_since;
	return NULL;
}

struct heal_watch *heal_watch_start(const char *address)
{
	struct heal_watch *watch = calloc(1, sizeof(*watch));
	sigset_t all;
	sigset_t before;
	int r = -1;

	if (!watch)
		return NULL;
	(void)snprintf(watch->address, sizeof(watch->address), "%s", address);
	watch->family = address[0] == '[' ? AF_INET6 : AF_INET;
	watch->fd = diag_open();
	/* The deadline's alarm is for the main thread. */
	if (watch->fd >= 0 && sigfillset(&all) == 0 &&
	    pthread_sigmask(SIG_SETMASK, &all, &before) == 0) {
		r = pthread_create(&watch->thread, NULL, watch_run, watch);
		(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	if (r == 0)
		return watch;
	heal_closep(&watch->fd);
	free(watch);
	return NULL;
}

double heal_watch_stop(struct heal_watch *watch)
{
	double refused_ms;

	if (!watch)
		return -1;
	atomic_store(&watch->is_over, true);
	(void)pthread_join(watch->thread, NULL);
	refused_ms = watch->is_broken ? -1 : watch->refused_ms;
	(void)close(watch->fd);
	free(watch);
	return refused_ms;
}
