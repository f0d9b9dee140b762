/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rehearsal: the same sshd is started for real, where nobody else is, nothing is
 * filtered or counted, and every address can be bound. It is in a PID namespace of its
 * own as well, whose processes all end with its first one, pid_namespaces(7).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "try/rehearse.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/spawn.h"
#include "base/words.h"
#include "host/context.h"
#include "host/inet-diag.h"
#include "host/proc.h"
#include "look/addresses.h"
#include "look/maps.h"
#include "report.h"
#include "try/arguments.h"
#include "try/client.h"
#include "try/effective.h"
#include "try/place.h"

#define REHEARSE_PAUSE_MS 1
#define REHEARSE_CHILDREN_MAX 4096
#define REHEARSE_BEFORE_MAX 64

/* One that is going on. */
struct rehearsal {
	struct heal_context *ctx;
	const struct heal_rehearsal_of *of;
	struct heal_rehearsal *ret;
	struct place_network network;
	size_t n_clients; /* that were sent */
	pid_t pid;
	int64_t deadline_ms;
	uint64_t before[REHEARSE_BEFORE_MAX]; /* inodes of sockets that are to be gone */
	size_t n_before;
	bool is_before_there;
};

void heal_rehearsal_done(struct heal_rehearsal *rehearsal)
{
	heal_words_done(&rehearsal->addresses);
	heal_words_done(&rehearsal->mapped);
}

/* Adds one socket to those that were found. */
static int rehearse_add(void *user, const struct heal_socket *found)
{
	struct rehearsal *self = user;

	for (size_t i = 0; i < self->n_before; i++)
		self->is_before_there |= found->inode == self->before[i];
	return heal_words_add(&self->ret->addresses, found->address, strlen(found->address));
}

static int rehearse_list(struct rehearsal *self)
{
	int r;

	heal_words_done(&self->ret->addresses);
	self->is_before_there = false;
	r = diag_list(self->network.diag, AF_INET, rehearse_add, self);
	return r < 0 ? r : diag_list(self->network.diag, AF_INET6, rehearse_add, self);
}

static bool rehearse_has_ended(const struct rehearsal *self)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)self->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid;
}

/* Waits until it listens. What it did instead is what a client would meet. */
static int rehearse_await(struct rehearsal *self)
{
	for (;;) {
		bool has_ended = rehearse_has_ended(self);
		int r = rehearse_list(self);

		if (r < 0)
			return r;
		if (self->ret->addresses.count && !self->is_before_there)
			return 0;
		self->ret->hello.fate = has_ended ? HEAL_FATE_REFUSED : HEAL_FATE_TIMEOUT;
		if (has_ended || heal_now_ms() >= self->deadline_ms)
			return 1;
		heal_sleep_ms(REHEARSE_PAUSE_MS);
	}
}

/* Where the real one listens, too, if there is such a place: its first clients go there. */
static const char *rehearse_address(const struct rehearsal *self)
{
	const struct heal_process *process = self->of->process;

	for (size_t i = 0; i < process->n_addresses; i++)
		for (size_t j = 0; j < self->ret->addresses.count; j++)
			if (addresses_are_same(process->addresses[i], self->ret->addresses.items[j]))
				return self->ret->addresses.items[j];
	return self->ret->addresses.items[0];
}

/* Adds what the children of a process have mapped, and theirs. */
static void rehearse_add_mapped(struct rehearsal *self, pid_t parent, int depth)
{
	_cleanup_free_ char *children = NULL;
	char *rest;
	size_t len;

	if (heal_readf_at(self->ctx->proc_fd, REHEARSE_CHILDREN_MAX, &children, &len, "%d/task/%d/children",
			  (int)parent, (int)parent) < 0)
		return;
	rest = children;
	for (char *pid = strtok_r(rest, " ", &rest); pid; pid = strtok_r(NULL, " ", &rest)) {
		_cleanup_close_ int dirfd = heal_open_process(self->ctx, pid);
		const struct heal_process child = {.dirfd = dirfd};

		if (dirfd >= 0)
			(void)heal_maps_each(&child, maps_add_path, &self->ret->mapped);
		if (depth)
			rehearse_add_mapped(self, (pid_t)atoi(pid), depth - 1);
	}
}

/* Who serves a client, and is not the listener: seen while one waits that says nothing. */
static void rehearse_see_servers(struct rehearsal *self)
{
	const char *address = rehearse_address(self);
	const int *sockets = address[0] == '[' ? self->network.v6 : self->network.v4;

	if (self->n_clients < PLACE_CLIENTS &&
	    heal_client_knock(sockets[self->n_clients++], address, self->deadline_ms) == 0)
		rehearse_add_mapped(self, self->pid, 2);
}

static int rehearse_send_client(struct rehearsal *self)
{
	const char *address = rehearse_address(self);
	const int *sockets = address[0] == '[' ? self->network.v6 : self->network.v4;
	int r = self->n_clients < PLACE_CLIENTS ? 0 : -ENOBUFS;

	if (r == 0)
		heal_client_on(self->ctx, sockets[self->n_clients++], address, self->deadline_ms,
			       &self->ret->hello);
	return r;
}

static int rehearse_note_inode(void *user, const struct heal_socket *found)
{
	struct rehearsal *self = user;

	if (self->n_before < REHEARSE_BEFORE_MAX)
		self->before[self->n_before++] = found->inode;
	return 0;
}

/* As a reload has it: the same process becomes the program on disk, and listens anew. */
static int rehearse_hup(struct rehearsal *self)
{
	int r = diag_list(self->network.diag, AF_INET, rehearse_note_inode, self);

	/* It closes one after the other: who comes to the last of them is cut off. */
	if (r == 0)
		r = diag_list(self->network.diag, AF_INET6, rehearse_note_inode, self);
	if (r < 0)
		return r;
	if (kill(self->pid, SIGHUP) < 0)
		return -errno;
	r = rehearse_await(self);
	return r == 0 ? rehearse_send_client(self) : r;
}

/* One of several clients at a time. */
struct rehearse_guest {
	const char *source;
	int fd;
	enum heal_fate fate;
};

/* Of those that a client of the running sshd has, heal_client_probe(). */
static const char rehearse_ours[] = "127.83.83.83";

/* Where a client of that source can come to; NULL: nowhere. */
static const char *rehearse_address_for(const struct rehearsal *self, const char *source)
{
	if (source == rehearse_ours)
		return rehearse_address(self);
	for (size_t i = 0; i < self->ret->addresses.count; i++)
		if ((self->ret->addresses.items[i][0] == '[') == (strchr(source, ':') != NULL))
			return self->ret->addresses.items[i];
	return NULL;
}

/* Sends one; who cannot come is no guest. */
static bool rehearse_invite(struct rehearsal *self, const char *source, size_t *n_v4, size_t *n_v6,
			    struct rehearse_guest *ret)
{
	const char *address = rehearse_address_for(self, source);
	const int *sockets;
	size_t *n;

	if (!address)
		return false;
	sockets = address[0] == '[' ? self->network.v6 : self->network.v4;
	n = address[0] == '[' ? n_v6 : n_v4;
	if (*n >= PLACE_CLIENTS)
		return false;
	*ret = (struct rehearse_guest){.source = source, .fd = sockets[(*n)++]};
	if (source == rehearse_ours && address[0] == '[')
		source = NULL;
	return heal_client_call(ret->fd, source, address, self->deadline_ms) == 0;
}

/* Hears what is said to those who have heard nothing yet. Gives whether more is to be heard. */
static bool rehearse_hear(struct rehearsal *self, struct rehearse_guest *guests, size_t n)
{
	bool is_any = false;

	for (size_t i = 0; i < n; i++) {
		if (guests[i].fate == HEAL_FATE_UNKNOWN)
			guests[i].fate = heal_client_hear(guests[i].fd);
		is_any |= guests[i].fate == HEAL_FATE_UNKNOWN;
		/* As many as MaxStartups allows may be waiting to be refused. */
		self->ret->is_full |= guests[i].fate == HEAL_FATE_PENALTY;
		if (guests[i].fate == HEAL_FATE_OK && i > 0 && !*self->ret->let_in)
			(void)snprintf(self->ret->let_in, sizeof(self->ret->let_in), "%s", guests[i].source);
	}
	if (self->of->is_about_sources)
		return is_any && !*self->ret->let_in;
	return is_any && guests[0].fate != HEAL_FATE_OK &&
	       (guests[0].fate == HEAL_FATE_UNKNOWN || !*self->ret->let_in);
}

/*
 * Sends ours and one of each source, all at a time: libwrap has those wait whom it will
 * refuse. The banner is as far as they go; ours counts as the client that was sent.
 */
static int rehearse_send_all(struct rehearsal *self)
{
	struct rehearse_guest guests[2 * PLACE_CLIENTS];
	size_t n_v4 = 0;
	size_t n_v6 = 0;
	size_t n = 0;

	if (!rehearse_invite(self, rehearse_ours, &n_v4, &n_v6, &guests[n++]))
		return -EIO;
	for (size_t i = 0; i < self->of->sources->count && n < ARRAY_SIZE(guests); i++)
		n += rehearse_invite(self, self->of->sources->items[i], &n_v4, &n_v6, &guests[n]);
	while (rehearse_hear(self, guests, n) && heal_now_ms() < self->deadline_ms)
		heal_sleep_ms(REHEARSE_PAUSE_MS);
	self->ret->hello.fate = guests[0].fate == HEAL_FATE_UNKNOWN ? HEAL_FATE_TIMEOUT : guests[0].fate;
	return 0;
}

static int rehearse_clients(struct rehearsal *self)
{
	int r = rehearse_await(self);

	if (r == 0)
		r = self->of->sources ? rehearse_send_all(self) : rehearse_send_client(self);
	if (r == 0 && heal_fate_is_in(self->ret->hello.fate) && self->of->hups)
		r = rehearse_hup(self);
	if (r == 0 && heal_fate_is_in(self->ret->hello.fate))
		rehearse_see_servers(self);
	/* By then it has bound all that it would. */
	if (r == 0)
		r = rehearse_list(self);
	return r < 0 ? r : 0;
}

static int rehearse_start(const struct heal_start *start, const struct place *place, int err, pid_t *ret)
{
	/* The first of two values counts, sshd_config(5). */
	static const char *const flags[] = {"-o", "PidFile=none", "-D", "-e", NULL};
	_cleanup_(heal_words_done) struct heal_words argv = {0};
	_cleanup_(heal_words_done) struct heal_words environment = {0};
	struct heal_command command = {.fds = {-1, -1, err}};
	int r = arguments_build(start->path, flags, &start->options, &argv);

	command.argv = argv.items;
	if (r == 0)
		r = place_set(place, start, &environment, &command);
	return r < 0 ? r : heal_spawn_start(&command, ret);
}

/* How clone(2) says that new namespaces are not to be had here. */
static bool rehearse_is_denied(int code)
{
	return code == -EPERM || code == -EINVAL || code == -ENOSPC || code == -EUSERS;
}

int heal_rehearse(struct heal_context *ctx, const struct heal_start *start,
		  const struct heal_rehearsal_of *of, struct heal_rehearsal *ret)
{
	struct rehearsal self = {
		.ctx = ctx,
		.of = of,
		.ret = ret,
		.network = PLACE_NETWORK_NONE,
		.deadline_ms = heal_now_ms() + heal_left_ms(ctx->deadline_ms, of->timeout_ms),
	};
	struct place place = {
		.mount_fd = start->mount_fd,
		.hides_wrappers = of->hides_wrappers,
		.runtime = of->runtime,
		.label = start->label,
	};
	_cleanup_close_ int here = -1;
	_cleanup_close_ int there = -1;
	_cleanup_close_ int words = -1;
	_cleanup_close_ int err = -1;
	int pair[2];
	int r;

	if (!heal_has_time(ctx->deadline_ms))
		return -ETIME;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	here = pair[0];
	place.socket_fd = there = pair[1];
	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	words = pair[0];
	err = pair[1];
	r = rehearse_start(start, &place, err, &self.pid);
	/* The policy may let systemd give that label, and not us. */
	if (r == -EACCES && *place.label) {
		place.label = "";
		r = rehearse_start(start, &place, err, &self.pid);
	}
	if (r < 0)
		return rehearse_is_denied(r) ? -EOPNOTSUPP : r;
	r = place_receive(here, &self.network);
	if (r == 0)
		r = rehearse_clients(&self);
	place_network_done(&self.network);
	heal_effective_end(self.pid, words, &ret->hello, ret->words, sizeof(ret->words));
	return r;
}
