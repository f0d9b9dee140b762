/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "peer.h"
#include "test.h"
#include "tree.h"

#define PEER_CLIENTS 16
#define PEER_FAULTS 16
#define PEER_LATE_MS 20

struct peer_client {
	int fd; /* -1: none */
	bool is_private;
	bool is_authenticated;
	char buf[4096];
	size_t len;
};

struct peer_server {
	struct peer *peer;
	const struct tree *tree;
	pthread_t thread;
	int end[2]; /* closed when it is to end */
	int listeners[2];
	struct peer_client clients[PEER_CLIENTS];
	bool is_done[PEER_FAULTS];
	dbus_uint32_t serial;
	struct peer_state state;
	int asks_left;
};

static void peer_record(struct peer *peer, const char *call)
{
	size_t used = strlen(peer->calls);

	(void)snprintf(peer->calls + used, sizeof(peer->calls) - used, "%s ", call);
}

static const struct peer_fault *peer_take_fault(struct peer_server *server, const char *call)
{
	const struct peer_fault *faults = server->peer->faults;

	for (size_t i = 0; faults && faults[i].call; i++) {
		if (server->is_done[i] || strcmp(faults[i].call, call) != 0)
			continue;
		server->is_done[i] = true;
		return &faults[i];
	}
	return NULL;
}

static void peer_drop(struct peer_client *client)
{
	(void)close(client->fd);
	*client = (struct peer_client){.fd = -1};
}

/* Sends a message, takes it over. */
static void peer_send(struct peer_server *server, struct peer_client *client, DBusMessage *message)
{
	char *bytes;
	int len;

	if (!client->is_private)
		assert_true(dbus_message_set_sender(message, server->state.name));
	dbus_message_set_serial(message, ++server->serial);
	assert_true(dbus_message_marshal(message, &bytes, &len));
	/* Who does not wait for an answer has closed already. */
	if (send(client->fd, bytes, (size_t)len, MSG_NOSIGNAL) < 0)
		errno = 0;
	dbus_free(bytes);
	dbus_message_unref(message);
}

static void peer_signal(struct peer_server *server, struct peer_client *client, const char *job,
			const char *result)
{
	DBusMessage *signal = dbus_message_new_signal(SYSTEMD_PATH, SYSTEMD_MANAGER, "JobRemoved");
	dbus_uint32_t id = 7;
	const char *unit = "ssh.service";

	assert_true(dbus_message_append_args(signal, DBUS_TYPE_UINT32, &id, DBUS_TYPE_OBJECT_PATH,
					     &job, DBUS_TYPE_STRING, &unit, DBUS_TYPE_STRING,
					     &result, DBUS_TYPE_INVALID));
	peer_send(server, client, signal);
}

/* What is not systemd's word on our job: another's, another job's, another signal. */
static void peer_forge(struct peer_server *server, struct peer_client *client)
{
	const char *name = server->state.name;
	DBusMessage *other = dbus_message_new_signal(SYSTEMD_PATH, SYSTEMD_MANAGER, "Reloading");

	peer_send(server, client, other);
	peer_signal(server, client, SYSTEMD_PATH "/job/8", "failed");
	if (client->is_private)
		return;
	server->state.name = ":1.66";
	peer_signal(server, client, PEER_JOB, "failed");
	server->state.name = name;
}

static void peer_end_job(struct peer_server *server, struct peer_client *client)
{
	struct peer *peer = server->peer;

	server->state.job = PEER_NO_JOB;
	server->state.changed += !peer->changes_nothing;
	if (peer->after_state)
		peer->active_state = peer->after_state;
	if (peer->after_result)
		peer->result = peer->reload_result = peer->after_result;
	if (peer->job_result)
		peer_signal(server, client, PEER_JOB, peer->job_result);
}

/* What a call changes; a job may be over with it. */
static void peer_do(struct peer_server *server, struct peer_client *client, const char *name)
{
	const struct peer *peer = server->peer;

	if (peer_is_job(name)) {
		server->state.job = PEER_JOB;
		server->asks_left = peer->job_asks;
		if (peer->job_asks == 0)
			peer_end_job(server, client);
	} else if (strcmp(name, "Job") == 0 && server->asks_left > 0 && --server->asks_left == 0) {
		peer_end_job(server, client);
	}
}

/* Carries a call out and answers it, or the other way round, as systemd does with a job. */
static void peer_carry_out(struct peer_server *server, struct peer_client *client,
			   DBusMessage *call, const char *name, enum peer_act act)
{
	bool is_early = !peer_is_job(name) || server->peer->is_signal_early;
	DBusMessage *reply = NULL;

	if (is_early)
		peer_do(server, client, name);
	if (act == PEER_NO_VALUE)
		reply = dbus_message_new_method_return(call);
	else if (act != PEER_CLOSE_BEHIND)
		reply = peer_answer(server->peer, &server->state, call, act == PEER_WRONG_TYPE);
	if (reply && act == PEER_WRONG_SERIAL)
		assert_true(dbus_message_set_reply_serial(reply, 999));
	if (reply)
		peer_send(server, client, reply);
	if (!is_early)
		peer_do(server, client, name);
	if (act == PEER_CLOSE_BEHIND)
		peer_drop(client);
}

static void peer_take_call(struct peer_server *server, struct peer_client *client,
			   DBusMessage *call)
{
	const char *name = dbus_message_get_member(call);
	const char *interface;
	const struct peer_fault *fault;
	enum peer_act act;

	if (strcmp(name, "Get") == 0)
		assert_true(dbus_message_get_args(call, NULL, DBUS_TYPE_STRING, &interface,
						  DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID));
	peer_record(server->peer, name);
	fault = peer_take_fault(server, name);
	act = fault ? fault->act : PEER_FINE;
	if (act == PEER_SILENCE)
		return;
	if (act == PEER_CLOSE) {
		peer_drop(client);
		return;
	}
	if (act == PEER_ERROR) {
		peer_send(server, client, dbus_message_new_error(call, fault->error, "so it is"));
		return;
	}
	if (act == PEER_LATE)
		heal_sleep_ms(PEER_LATE_MS);
	if (act == PEER_FORGE)
		peer_forge(server, client);
	peer_carry_out(server, client, call, name, act);
	if (act == PEER_RENAME)
		server->state.name = ":1.99";
}

static void peer_consume(struct peer_client *client, size_t len)
{
	memmove(client->buf, client->buf + len, client->len - len);
	client->len -= len;
}

/* SASL as of the D-Bus specification: whoever can connect is believed. */
static bool peer_authenticate(struct peer_client *client)
{
	static const char ok[] = "OK 0123456789abcdef0123456789abcdef\r\n";
	static const char no[] = "ERROR\r\n";
	char *end;

	while (!client->is_authenticated &&
	       (end = memmem(client->buf, client->len, "\r\n", 2))) {
		const char *line = client->buf + (client->buf[0] == '\0');
		const char *answer = strncmp(line, "AUTH", 4) == 0 ? ok : no;

		client->is_authenticated = strncmp(line, "BEGIN", 5) == 0;
		if (!client->is_authenticated &&
		    send(client->fd, answer, strlen(answer), MSG_NOSIGNAL) < 0)
			return false;
		peer_consume(client, (size_t)(end + 2 - client->buf));
	}
	return client->is_authenticated;
}

static void peer_read(struct peer_server *server, struct peer_client *client)
{
	ssize_t n = recv(client->fd, client->buf + client->len,
			 sizeof(client->buf) - client->len, 0);
	int len;

	if (n <= 0) {
		peer_drop(client);
		return;
	}
	client->len += (size_t)n;
	if (!peer_authenticate(client))
		return;
	while (client->fd >= 0 && client->len &&
	       (len = dbus_message_demarshal_bytes_needed(client->buf, (int)client->len)) > 0 &&
	       (size_t)len <= client->len) {
		DBusMessage *call = dbus_message_demarshal(client->buf, len, NULL);

		assert_non_null(call);
		if (client->is_private && !server->peer->first_len)
			server->peer->first_len = (size_t)len;
		peer_consume(client, (size_t)len);
		peer_take_call(server, client, call);
		dbus_message_unref(call);
	}
}

static void peer_accept(struct peer_server *server, bool is_private)
{
	int fd = accept(server->listeners[!is_private], NULL, NULL);
	const char *name = is_private ? "private" : "bus";
	const struct peer_fault *fault = peer_take_fault(server, name);

	peer_record(server->peer, name);
	assert_true(fd >= 0);
	if (fault && fault->act == PEER_CLOSE) {
		(void)close(fd);
		return;
	}
	for (size_t i = 0; i < PEER_CLIENTS; i++) {
		if (server->clients[i].fd >= 0)
			continue;
		server->clients[i] = (struct peer_client){.fd = fd, .is_private = is_private};
		/* Longer than it can be: nothing is read of it. */
		server->clients[i].len = fault && fault->act == PEER_SILENCE ? sizeof(server->clients[i].buf) : 0;
		return;
	}
	fail_msg("too many connections");
}

static void *peer_serve(void *argument)
{
	struct peer_server *server = argument;

	for (;;) {
		struct pollfd fds[3 + PEER_CLIENTS] = {
			{.fd = server->end[0], .events = POLLIN},
			{.fd = server->peer->is_deaf ? -1 : server->listeners[0], .events = POLLIN},
			{.fd = server->listeners[1], .events = POLLIN},
		};

		for (size_t i = 0; i < PEER_CLIENTS; i++) {
			const struct peer_client *client = &server->clients[i];

			fds[3 + i].fd = client->len < sizeof(client->buf) ? client->fd : -1;
			fds[3 + i].events = POLLIN;
		}
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 || fds[0].revents)
			return NULL;
		for (size_t i = 0; i < PEER_CLIENTS; i++)
			if (fds[3 + i].revents)
				peer_read(server, &server->clients[i]);
		for (size_t i = 0; i < 2; i++)
			if (fds[1 + i].revents)
				peer_accept(server, i == 0);
	}
}

static int peer_bind(const struct tree *tree, const char *name, bool is_deaf)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", tree->path, name) <
		    (int)sizeof(address.sun_path));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_true(is_deaf || listen(fd, 8) == 0);
	return fd;
}

static char *peer_address(const struct tree *tree, const char *name)
{
	char *address;

	assert_true(asprintf(&address, "unix:path=%s/%s", tree->path, name) > 0);
	return address;
}

void peer_init(struct peer *peer)
{
	*peer = (struct peer){
		.unit = "ssh.service",
		.active_state = "active",
		.result = "success",
		.reload_result = "success",
		.kill_mode = "process",
		.system_state = "running",
		.directory = "",
		.load_state = "loaded",
		.file_state = "enabled",
		.fragment = "",
		.started_us = PEER_START_US,
		.main_pid = 34,
		.can_reload = true,
		.job_result = "done",
		.has_private = true,
		.has_bus = true,
		.setup = {.call_ms = 2000, .retry_ms = 4000, .pause_ms = 2, .poll_ms = 10,
			  .analyze = "/bin/true"},
	};
}

void peer_hurry(struct peer *peer)
{
	peer->setup.call_ms = 20;
	peer->setup.retry_ms = 30;
}

void peer_start(struct peer *peer)
{
	const struct tree *tree = tree_new();
	struct peer_server *server = calloc(1, sizeof(*server));

	assert_non_null(server);
	*server = (struct peer_server){
		.peer = peer, .tree = tree, .state = {":1.3", PEER_NO_JOB, 1000}};
	for (size_t i = 0; i < PEER_CLIENTS; i++)
		server->clients[i].fd = -1;
	server->listeners[0] = peer->has_private ? peer_bind(tree, "private", peer->is_deaf) : -1;
	server->listeners[1] = peer->has_bus ? peer_bind(tree, "bus", false) : -1;
	peer->setup.private_address = peer_address(tree, "private");
	peer->setup.bus_address = peer_address(tree, "bus");
	peer->server = server;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, server->end), 0);
	assert_int_equal(pthread_create(&server->thread, NULL, peer_serve, server), 0);
}

int peer_connect(struct peer *peer)
{
	peer_start(peer);
	return systemd_open_at(&peer->setup, heal_now_ms() + 2000, &peer->systemd, &peer->error);
}

void peer_end(struct peer *peer)
{
	struct peer_server *server = heal_take(peer->server);

	systemd_close(heal_take(peer->systemd));
	if (!server)
		return;
	(void)close(server->end[1]);
	assert_int_equal(pthread_join(server->thread, NULL), 0);
	(void)close(server->end[0]);
	for (size_t i = 0; i < PEER_CLIENTS; i++)
		heal_closep(&server->clients[i].fd);
	heal_closep(&server->listeners[0]);
	heal_closep(&server->listeners[1]);
	free((char *)peer->setup.private_address);
	free((char *)peer->setup.bus_address);
	free(server);
	tree_remove_all();
}
