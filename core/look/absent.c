/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Units that ought to serve ssh, and for which nothing listens. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "look/absent.h"

#include "base/array.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/words.h"
#include "host/context.h"
#include "host/module.h"
#include "look/addresses.h"
#include "look/left.h"
#include "report.h"

static void absent_socket_done(struct heal_socket_unit *unit)
{
	free(unit->service);
	heal_words_done(&unit->addresses);
}

/* Takes the listener over. */
static int absent_add(struct heal_listeners *listeners, struct heal_listener *absent)
{
	if (heal_grow(&listeners->items, listeners->count, sizeof(*listeners->items)) < 0)
		return -ENOMEM;
	absent->unit.manager = HEAL_MANAGER_RUNNING;
	absent->process.sessions = -1;
	absent->result.refused_ms = -1;
	listeners->items[listeners->count++] = *absent;
	*absent = (struct heal_listener){.process.dirfd = -1};
	return 0;
}

/* Whether somebody of ours listens where it did. */
static bool absent_is_replaced(const struct heal_listeners *listeners, const struct heal_process *process)
{
	for (size_t i = 0; process->n_addresses && i < listeners->count; i++)
		if (listeners->items[i].process.foreign == HEAL_OURS &&
		    addresses_has(&listeners->items[i].process, process->addresses[0]))
			return true;
	return false;
}

/* One that an action of ours has ended; what others have started since is theirs. */
static int absent_take_ended(struct heal_context *ctx, struct heal_listeners *listeners,
			     struct heal_listener *ended, struct heal_error *error)
{
	struct heal_unit_state rescue = {.is_at_rest = true};
	struct heal_unit_state state = {0};
	int r = ctx->service_ops->state_of(ctx->service, ended->unit.id, &state, error);

	if (r == 0)
		r = ctx->service_ops->state_of(ctx->service, HEAL_RESCUE_UNIT, &rescue, error);
	if (r < 0 || !state.is_at_rest || state.active_us > ended->unit.ended_us)
		return r;
	if (!rescue.is_at_rest)
		ended->unit.absence = HEAL_ABSENCE_RESCUED;
	else if (absent_is_replaced(listeners, &ended->process))
		return 0;
	ended->unit.is_masked = state.is_masked;
	return absent_add(listeners, ended);
}

/* The sshd of a known path that a unit starts; -ENOENT where it starts something else, or is not there. */
static int absent_program(struct heal_context *ctx, const char *unit, char **ret)
{
	_cleanup_(heal_exec_done) struct heal_exec exec = {0};
	struct heal_error ignored;
	int r = ctx->service_ops->exec_start(ctx->service, unit, &exec, &ignored);

	if (r == -ENOTCONN || r == -ETIMEDOUT || r == -ENOMEM)
		return r;
	for (char **path = ctx->config.sshd_paths.items; r == 0 && *path; path++)
		if (strcmp(*path, exec.path) == 0) {
			*ret = heal_take(exec.path);
			return 0;
		}
	return -ENOENT;
}

/* A socket unit with no sshd behind it: its next one is what a client will meet. */
static int absent_add_waiting(struct heal_context *ctx, struct heal_listeners *listeners,
			      const char *unit, struct heal_error *error)
{
	_cleanup_(absent_socket_done) struct heal_socket_unit found = {0};
	_cleanup_(heal_listener_done) struct heal_listener absent = {
		.process.dirfd = -1,
		.unit = {.is_service = true, .is_socket_activated = true, .absence = HEAL_ABSENCE_WAITING}};
	int r = ctx->service_ops->socket_of(ctx->service, unit, &found, error);

	/* systemd-ssh-generator(8) has one that nobody reaches over a network. */
	if (r <= 0 || !found.addresses.count)
		return r < 0 ? r : 0;
	absent.unit.is_per_client = found.accepts;
	absent.unit.id = heal_take(found.service);
	absent.process.addresses = found.addresses.items;
	absent.process.n_addresses = found.addresses.count;
	found.addresses = (struct heal_words){0};
	r = absent_program(ctx, absent.unit.id, &absent.process.exe);
	if (r == -ENOENT && (strcmp(unit, "ssh.socket") == 0 || strcmp(unit, "sshd.socket") == 0)) {
		absent.process.exe = strdup(ctx->config.sshd_paths.items[0]);
		r = absent.process.exe ? 0 : -ENOMEM;
	}
	return r == 0 ? absent_add(listeners, &absent) : r == -ENOENT ? 0 : r;
}

/* Units with names of an administrator's own: a socket that listens, a service that has failed. */
static int absent_find_named(struct heal_context *ctx, struct heal_listeners *listeners,
			     struct heal_error *error)
{
	_cleanup_(heal_words_done) struct heal_words units = {0};
	int r = ctx->service_ops->ssh_units(ctx->service, &units, error);

	for (size_t i = 0; r == 0 && i < units.count; i++) {
		_cleanup_(heal_listener_done) struct heal_listener absent = {
			.process.dirfd = -1, .unit = {.is_service = true, .absence = HEAL_ABSENCE_FAILED}};
		struct heal_unit_state state = {0};

		if (strstr(units.items[i], ".socket")) {
			r = absent_add_waiting(ctx, listeners, units.items[i], error);
			continue;
		}
		r = ctx->service_ops->state_of(ctx->service, units.items[i], &state, error);
		if (r < 0 || !state.has_failed || !state.is_enabled || state.is_masked)
			continue;
		r = absent_program(ctx, units.items[i], &absent.process.exe);
		absent.unit.id = r == 0 ? strdup(units.items[i]) : NULL;
		if (r == 0)
			r = absent.unit.id ? absent_add(listeners, &absent) : -ENOMEM;
		r = r == -ENOENT ? 0 : r;
	}
	return r;
}

/* The unit that is enabled, where none of them runs, or is about to. */
static int absent_find_enabled(struct heal_context *ctx, struct heal_listeners *listeners,
			       struct heal_error *error)
{
	static const char *const units[] = {"ssh.service", "sshd.service", "ssh.socket", "sshd.socket"};
	_cleanup_(heal_listener_done) struct heal_listener absent = {
		.process.dirfd = -1, .unit.is_service = true};
	const char *found = NULL;
	size_t n_before = listeners->count;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		struct heal_unit_state state = {0};

		r = ctx->service_ops->state_of(ctx->service, units[i], &state, error);
		if (r < 0)
			return r;
		if (!state.is_at_rest)
			return strstr(units[i], ".socket") ? absent_add_waiting(ctx, listeners, units[i], error)
							   : 0;
		if (found || !state.is_enabled || state.is_masked)
			continue;
		found = units[i];
		absent.unit.absence = state.has_failed ? HEAL_ABSENCE_FAILED : HEAL_ABSENCE_STOPPED;
	}
	r = absent_find_named(ctx, listeners, error);
	if (r < 0 || !found || listeners->count > n_before)
		return r;
	absent.unit.id = strdup(found);
	absent.process.exe = strdup(ctx->config.sshd_paths.items[0]);
	return absent.unit.id && absent.process.exe ? absent_add(listeners, &absent) : -ENOMEM;
}

/* Whether root runs an sshd on this host, from wherever, as far as that can be seen. */
static bool absent_has_own(const struct heal_listeners *listeners)
{
	for (size_t i = 0; i < listeners->count; i++)
		if (listeners->items[i].process.foreign == HEAL_OURS ||
		    listeners->items[i].process.foreign == HEAL_FOREIGN_PATH)
			return true;
	return listeners->unreadable > 0;
}

static int absent_find(struct heal_context *ctx, struct heal_listeners *listeners,
		       struct heal_listeners *ended, struct heal_error *error)
{
	bool is_stopping = false;
	int r = heal_context_service(ctx, error);

	if (r == 0)
		r = ctx->service_ops->is_stopping(ctx->service, &is_stopping, error);
	/* In a shutdown all units stop. */
	for (size_t i = 0; r == 0 && !is_stopping && i < ended->count; i++)
		r = absent_take_ended(ctx, listeners, &ended->items[i], error);
	if (r == 0 && !is_stopping && !absent_has_own(listeners))
		r = absent_find_enabled(ctx, listeners, error);
	return r;
}

void heal_absent_find(struct heal_context *ctx, struct heal_listeners *listeners,
		      struct heal_notes *notes)
{
	_cleanup_(heal_listeners_done) struct heal_listeners ended = {0};
	struct heal_error error = {0};
	int r = heal_left_ended(ctx, &ended);

	if (r < 0)
		(void)heal_notes_add(notes, "reading /run/sshd-heal/left: %s", strerror(-r));
	if (!heal_context_has_actor(ctx) || (!ended.count && absent_has_own(listeners)))
		return;
	r = absent_find(ctx, listeners, &ended, &error);
	if (r == 0)
		return;
	listeners->unreadable++;
	(void)heal_notes_add(notes, "whether a unit of sshd is down could not be found out: %s",
			     r == -ENOMEM && !*error.message ? strerror(ENOMEM) : error.message);
}
