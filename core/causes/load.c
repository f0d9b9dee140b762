/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Too many at a time: MaxStartups, penalties, the queue of the socket. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/spawn.h"
#include "base/text.h"
#include "causes/cause.h"
#include "host/context.h"
#include "host/inet-diag.h"
#include "look/addresses.h"
#include "look/title.h"
#include "report.h"

/* More different clients than that are not told apart. */
#define LOAD_SOURCES_MAX 256
/* What MaxStartups is to be at the least, where its default is not enough. */
#define LOAD_STARTUPS 100u
#define LOAD_LOG_MS 1000

struct load_source {
	char address[64];
	unsigned count;
};

struct load {
	const struct heal_process *process;
	struct load_source sources[LOAD_SOURCES_MAX];
	size_t n_sources;
	unsigned n_connections;
	const char *full; /* an address whose queue is full; NULL: none */
};

static int load_add(void *user, const struct heal_socket *found)
{
	struct load *load = user;
	size_t len = strcspn(found->peer, "]");
	size_t i = 0;

	if (!addresses_has_port_of(load->process, found->address))
		return 0;
	/* Without the port. */
	if (!found->peer[len])
		len = strcspn(found->peer, ":");
	load->n_connections++;
	while (i < load->n_sources && (strncmp(load->sources[i].address, found->peer, len) != 0 ||
				       load->sources[i].address[len]))
		i++;
	if (i == LOAD_SOURCES_MAX)
		return 0;
	if (i == load->n_sources) {
		(void)snprintf(load->sources[i].address, sizeof(load->sources[i].address), "%.*s", (int)len,
			       found->peer);
		load->n_sources++;
	}
	load->sources[i].count++;
	return 0;
}

static int load_check_queue(void *user, const struct heal_socket *found)
{
	struct load *load = user;

	for (size_t i = 0; i < load->process->n_addresses; i++)
		if (addresses_are_same(found->address, load->process->addresses[i]) && found->waiting > found->backlog)
			load->full = load->process->addresses[i];
	return 0;
}

/* "3 of 10-100 startups", as its title has it. */
static void load_name_startups(const struct heal_process *process, struct heal_cause *ret)
{
	_cleanup_free_ char *title = NULL;
	size_t len = 0;
	const char *at = NULL;

	if (heal_read_at(process->dirfd, "cmdline", CMDLINE_MAX, &title, &len) == 0)
		at = strstr(title, "[listener] ");
	if (at)
		cause_add(ret, "%.64s", at + strlen("[listener] "));
}

static void load_name_sources(const struct load *load, struct heal_cause *ret)
{
	const struct load_source *most = &load->sources[0];

	for (size_t i = 1; i < load->n_sources; i++)
		if (load->sources[i].count > most->count)
			most = &load->sources[i];
	cause_add(ret, "%s%u connection%s", *ret->detail ? ", " : "", load->n_connections, load->n_connections == 1 ? "" : "s");
	if (load->n_sources)
		cause_add(ret, ", %u of them from %s%s", most->count, most->address,
			  most->address[0] == '[' ? "]" : "");
}

/* Whether a line of sshd's log tells of clients that it has turned away for their number. */
static bool load_is_about(const char *line, size_t len)
{
	/* Clients of ours, heal_client_probe(). */
	static const char own[] = "127.83.";
	static const char *const words[] = {"MaxStartups", "drop connection", "PerSource", "penalt", "past threshold"};

	for (size_t i = 0; !memmem(line, len, own, strlen(own)) && i < ARRAY_SIZE(words); i++)
		if (memmem(line, len, words[i], strlen(words[i])))
			return true;
	return false;
}

/* The last of these in the journal of this hour, which may be long: the end of it is read. */
static void load_name_log(const struct causes *self, struct heal_cause *ret)
{
	static const char path[] = "/usr/bin/journalctl";
	_cleanup_(heal_output_done) struct heal_output output = {0};
	char unit[192];
	char *const argv[] = {(char *)path, (char *)"-q", (char *)"-o", (char *)"cat", (char *)"-n", (char *)"200",
			      (char *)"--since=-1h", (char *)"_UID=0", unit, NULL};
	const struct heal_command command = {.path = path, .argv = argv, .fds = {-1, -1, -1}};
	const char *cursor;
	const char *line;
	const char *last = NULL;
	size_t last_len = 0;
	size_t len;

	if (!self->listener->unit.id)
		return;
	(void)snprintf(unit, sizeof(unit), "_SYSTEMD_UNIT=%s", self->listener->unit.id);
	if (heal_spawn_capture(&command, heal_now_ms() + heal_left_ms(self->ctx->deadline_ms, LOAD_LOG_MS), &output) < 0)
		return;
	cursor = output.text;
	while ((line = heal_next_line(&cursor, output.text + output.len, &len))) {
		if (!load_is_about(line, len))
			continue;
		last = line;
		last_len = len;
	}
	if (last)
		cause_add(ret, "; its log: %.*s", (int)(last_len < 160 ? last_len : 160), last);
}

static void load_look(struct load *load)
{
	static const int families[] = {AF_INET, AF_INET6};
	_cleanup_close_ int fd = diag_open();

	for (size_t i = 0; fd >= 0 && i < ARRAY_SIZE(families); i++) {
		(void)diag_list_connected(fd, families[i], load_add, load);
		(void)diag_list(fd, families[i], load_check_queue, load);
	}
}

void cause_of_load(const struct causes *self, struct heal_cause *ret)
{
	const struct heal_hello *live = &self->listener->evidence.live;
	_cleanup_free_ struct load *load = calloc(1, sizeof(*load));

	if (!load || self->listener->process.n_addresses == 0) {
		cause_is(ret, HEAL_CAUSE_UNKNOWN, "nothing runs that could be asked");
		return;
	}
	load->process = &self->listener->process;
	load_look(load);
	if (self->listener->process.dirfd >= 0)
		load_name_startups(&self->listener->process, ret);
	load_name_sources(load, ret);
	if (live->fate == HEAL_FATE_FULL) {
		ret->result = HEAL_CAUSE_SHOWN;
		cause_add(ret, ": MaxStartups is used up by clients that have not logged in");
		cause_advise(ret, "sed -i '1i MaxStartups %u:30:%u' /etc/ssh/sshd_config && systemctl reload %s",
			     2 * load->n_connections + LOAD_STARTUPS, 4 * load->n_connections + LOAD_STARTUPS,
			     self->listener->unit.id ? self->listener->unit.id : "ssh");
	} else if (live->fate == HEAL_FATE_PENALTY && self->listener->evidence.trial.wrapped == HEAL_WRAPPED_NONE) {
		ret->result = HEAL_CAUSE_SHOWN;
		cause_add(ret, ": a client is turned away for its address, sshd_config(5), PerSourcePenalties");
		cause_advise(ret, "systemctl restart %s, which forgets them",
			     self->listener->unit.id ? self->listener->unit.id : "ssh");
	} else if (load->full) {
		ret->result = HEAL_CAUSE_LIKELY;
		cause_add(ret, ": the queue of %s is full", load->full);
	} else {
		ret->result = HEAL_CAUSE_OK;
	}
	if (ret->result != HEAL_CAUSE_OK)
		load_name_log(self, ret);
}
