/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Units and jobs of systemd, org.freedesktop.systemd1(5). */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/words.h"
#include "host/module.h"
#include "report.h"
#include "systemd-bus.h"

static int systemd_is_stopping(void *handle, bool *ret, struct heal_error *error)
{
	_cleanup_free_ char *state = NULL;
	int r = systemd_get_string(handle, SYSTEMD_PATH, SYSTEMD_MANAGER, "SystemState", &state,
				   error);

	if (r == 0)
		*ret = strcmp(state, "stopping") == 0;
	return r;
}

/*
 * Whether a unit is active, or was at a time in microseconds of CLOCK_MONOTONIC; one that
 * systemd has not loaded was not.
 */
static int systemd_was_active(struct systemd *systemd, const char *unit, uint64_t since_us,
			      bool *ret, struct heal_error *error)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *state = NULL;
	uint64_t end_us = 0;
	int r = systemd_unit_path(systemd, "GetUnit", unit, &path, error);

	if (r == 0)
		r = systemd_get_string(systemd, path, SYSTEMD_UNIT, "ActiveState", &state, error);
	if (r == 0 && strcmp(state, "active") != 0)
		r = systemd_get_basic(systemd, path, SYSTEMD_UNIT, "ActiveExitTimestampMonotonic", "t",
				      &end_us, error);
	if (r < 0 && r != -ENOENT)
		return r;
	*ret = r == 0 && (strcmp(state, "active") == 0 || end_us > since_us);
	return 0;
}

/*
 * Whether a list of units (TriggeredBy) names a socket that systemd holds open, or held
 * open when it started the service: that has its descriptor for good, and dies of SIGHUP
 * also when the socket was stopped since.
 */
static int systemd_is_socket_activated(struct systemd *systemd, const char *path, bool *ret,
				       struct heal_error *error)
{
	_cleanup_message_ DBusMessage *reply = NULL;
	DBusMessageIter value;
	DBusMessageIter item;
	uint64_t start_us = 0;
	bool found = false;
	int r = systemd_get_basic(systemd, path, SYSTEMD_SERVICE, "ExecMainStartTimestampMonotonic",
				  "t", &start_us, error);

	if (r == 0)
		r = systemd_get(systemd, path, SYSTEMD_UNIT, "TriggeredBy", "as", &reply, &value,
				error);
	if (r < 0)
		return r;
	dbus_message_iter_recurse(&value, &item);
	for (; !found && dbus_message_iter_get_arg_type(&item) == DBUS_TYPE_STRING;
	     dbus_message_iter_next(&item)) {
		const char *unit;
		size_t len;

		dbus_message_iter_get_basic(&item, &unit);
		len = strlen(unit);
		if (len <= 7 || strcmp(unit + len - 7, ".socket") != 0)
			continue;
		/* Not to know is not to be taken for no: SIGHUP would end it. */
		r = systemd_was_active(systemd, unit, start_us, &found, error);
		if (r < 0)
			return r;
	}
	*ret = found;
	return 0;
}

/* Whether a unit's file is masked, and whether a job of systemd's is at work on it. */
static int systemd_fill_hold(struct systemd *systemd, const char *path, bool *is_masked,
			     bool *has_job, struct heal_error *error)
{
	_cleanup_free_ char *load_state = NULL;
	int r = systemd_get_string(systemd, path, SYSTEMD_UNIT, "LoadState", &load_state, error);

	if (r == 0)
		r = load_state ? systemd_has_job(systemd, path, has_job, error) : -EBADMSG;
	if (r == 0)
		*is_masked = strcmp(load_state, "masked") == 0;
	return r;
}

static int systemd_fill_service(struct systemd *systemd, const char *path, struct heal_unit *unit,
				struct heal_error *error)
{
	_cleanup_free_ char *kill_mode = NULL;
	dbus_bool_t can_reload = FALSE;
	dbus_bool_t refuses_stop = FALSE;
	dbus_uint32_t main_pid = 0;
	int r = systemd_get_basic(systemd, path, SYSTEMD_SERVICE, "MainPID", "u",
				  &main_pid, error);

	if (r == 0)
		r = systemd_get_basic(systemd, path, SYSTEMD_UNIT, "CanReload", "b",
				      &can_reload, error);
	if (r == 0)
		r = systemd_get_basic(systemd, path, SYSTEMD_UNIT, "RefuseManualStop", "b",
				      &refuses_stop, error);
	if (r == 0)
		r = systemd_get_string(systemd, path, SYSTEMD_SERVICE, "KillMode", &kill_mode, error);
	if (r == 0)
		r = systemd_is_socket_activated(systemd, path, &unit->is_socket_activated, error);
	if (r == 0)
		r = systemd_fill_hold(systemd, path, &unit->is_masked, &unit->has_job, error);
	if (r < 0 || !kill_mode)
		return r < 0 ? r : -EBADMSG;
	unit->main_pid = (pid_t)main_pid;
	unit->can_reload = can_reload;
	unit->refuses_stop = refuses_stop;
	/*
	 * KillMode=process and none leave everything but the main process alone,
	 * systemd.kill(5). Whether there is anything else is not asked of systemd, which reads
	 * the cmdline of each, and then can be kept waiting by any of them.
	 */
	unit->kills_cgroup = strcmp(kill_mode, "process") != 0 && strcmp(kill_mode, "none") != 0;
	return 0;
}

static int systemd_unit_of(void *handle, pid_t pid, struct heal_unit *ret, struct heal_error *error)
{
	_cleanup_message_ DBusMessage *reply = NULL;
	DBusMessage *request = systemd_request(SYSTEMD_PATH, SYSTEMD_MANAGER, "GetUnitByPID");
	struct heal_unit unit = {0};
	dbus_uint32_t number = (dbus_uint32_t)pid;
	const char *path;
	const char *dot;
	char what[64];
	int r;

	(void)snprintf(what, sizeof(what), "asking systemd for the unit of process %d", (int)pid);
	request = systemd_append(request, DBUS_TYPE_UINT32, &number, DBUS_TYPE_INVALID);
	r = systemd_ask(handle, request, what, &reply, error);
	if (r == 0)
		r = systemd_reply_path(reply, what, &path, error);
	if (r == 0)
		r = systemd_get_string(handle, path, SYSTEMD_UNIT, "Id", &unit.id, error);
	if (r < 0 || !unit.id)
		return r < 0 ? r : -EBADMSG;
	dot = strrchr(unit.id, '.');
	unit.is_service = dot && strcmp(dot, ".service") == 0;
	if (unit.is_service)
		r = systemd_fill_service(handle, path, &unit, error);
	if (r < 0) {
		free(unit.id);
		return r;
	}
	*ret = unit;
	return 0;
}

static int systemd_main_pid(void *handle, const char *unit, pid_t *ret, struct heal_error *error)
{
	_cleanup_free_ char *path = NULL;
	dbus_uint32_t main_pid = 0;
	int r = systemd_unit_path(handle, "GetUnit", unit, &path, error);

	if (r == 0)
		r = systemd_get_basic(handle, path, SYSTEMD_SERVICE, "MainPID", "u",
				      &main_pid, error);
	if (r == 0)
		*ret = (pid_t)main_pid;
	return r;
}

/* A list of strings, each a variant's or a structure's first member. */
static int systemd_add_words(DBusMessageIter *list, struct heal_words *words)
{
	for (; dbus_message_iter_get_arg_type(list) == DBUS_TYPE_STRING;
	     dbus_message_iter_next(list)) {
		const char *text;

		dbus_message_iter_get_basic(list, &text);
		if (heal_words_add(words, text, strlen(text)) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* ExecStart is a(sasbttttuii): the path, the arguments, the rest is of no interest. */
static int systemd_add_command(DBusMessageIter *array, struct heal_exec *exec)
{
	DBusMessageIter entry;
	DBusMessageIter field;
	DBusMessageIter words;
	const char *path;

	dbus_message_iter_recurse(array, &entry);
	if (dbus_message_iter_get_arg_type(&entry) != DBUS_TYPE_STRUCT)
		return -ENODATA;
	dbus_message_iter_recurse(&entry, &field);
	dbus_message_iter_get_basic(&field, &path);
	exec->path = strdup(path);
	if (!exec->path)
		return -ENOMEM;
	(void)dbus_message_iter_next(&field);
	dbus_message_iter_recurse(&field, &words);
	return systemd_add_words(&words, &exec->command);
}

/* EnvironmentFiles is a(sb): the path, and whether it may be missing. */
static int systemd_add_files(DBusMessageIter *array, struct heal_words *files)
{
	DBusMessageIter entry;

	dbus_message_iter_recurse(array, &entry);
	for (; dbus_message_iter_get_arg_type(&entry) == DBUS_TYPE_STRUCT;
	     dbus_message_iter_next(&entry)) {
		DBusMessageIter field;
		dbus_bool_t may_miss = FALSE;
		const char *path;
		char *text;
		int r;

		dbus_message_iter_recurse(&entry, &field);
		dbus_message_iter_get_basic(&field, &path);
		if (dbus_message_iter_next(&field))
			dbus_message_iter_get_basic(&field, &may_miss);
		if (asprintf(&text, "%s%s", may_miss ? "-" : "", path) < 0)
			return -ENOMEM;
		r = heal_words_add(files, text, strlen(text));
		free(text);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A property that is a list of strings. */
static int systemd_get_words(struct systemd *systemd, const char *path, const char *property,
			     struct heal_words *words, struct heal_error *error)
{
	_cleanup_message_ DBusMessage *reply = NULL;
	DBusMessageIter value;
	DBusMessageIter list;
	int r = systemd_get(systemd, path, SYSTEMD_SERVICE, property, "as", &reply, &value, error);

	if (r < 0)
		return r;
	dbus_message_iter_recurse(&value, &list);
	return systemd_add_words(&list, words) < 0
		       ? heal_error_set(error, ENOMEM, "asking systemd for %s: out of memory", property)
		       : 0;
}

static int systemd_exec_start(void *handle, const char *unit, struct heal_exec *ret,
			      struct heal_error *error)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_message_ DBusMessage *command = NULL;
	_cleanup_message_ DBusMessage *files = NULL;
	DBusMessageIter value;
	int r = systemd_unit_path(handle, "LoadUnit", unit, &path, error);

	if (r == 0)
		r = systemd_get(handle, path, SYSTEMD_SERVICE, "ExecStart", "a(sasbttttuii)",
				&command, &value, error);
	if (r < 0)
		return r;
	r = systemd_add_command(&value, ret);
	if (r < 0)
		return heal_error_set(error, -r, "understanding ExecStart= of %s: %s", unit,
				      strerror(-r));
	r = systemd_get_words(handle, path, "Environment", &ret->environment, error);
	if (r == 0)
		r = systemd_get(handle, path, SYSTEMD_SERVICE, "EnvironmentFiles", "a(sb)", &files,
				&value, error);
	if (r == 0 && systemd_add_files(&value, &ret->files) < 0)
		r = heal_error_set(error, ENOMEM, "asking systemd about %s: out of memory", unit);
	if (r == 0)
		r = systemd_get_words(handle, path, "RuntimeDirectory", &ret->runtime, error);
	return r < 0 ? r
		     : systemd_get_string(handle, path, SYSTEMD_SERVICE, "WorkingDirectory",
					  &ret->directory, error);
}

/*
 * Whether a service ended by itself, and systemd starts it again and again: it is
 * activating for as long as it does not come up, and has a job now and then.
 */
static int systemd_is_failing(struct systemd *systemd, const char *path, const char *unit, bool *ret,
			      struct heal_error *error)
{
	const char *dot = strrchr(unit, '.');
	dbus_uint32_t n_restarts = 0;
	int r = 0;

	if (dot && strcmp(dot, ".service") == 0)
		r = systemd_get_basic(systemd, path, SYSTEMD_SERVICE, "NRestarts", "u", &n_restarts, error);
	*ret = n_restarts > 0;
	return r;
}

static int systemd_state_of(void *handle, const char *unit, struct heal_unit_state *ret,
			    struct heal_error *error)
{
	static const char *const enabled[] = {"enabled", "enabled-runtime", NULL};
	static const char *const resting[] = {"inactive", "failed", NULL};
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *active = NULL;
	_cleanup_free_ char *file = NULL;
	struct heal_unit_state state = {0};
	bool is_failing = false;
	bool has_job = false;
	/* One that is not loaded may be enabled all the same. */
	int r = systemd_unit_path(handle, "LoadUnit", unit, &path, error);

	if (r == 0)
		r = systemd_get_string(handle, path, SYSTEMD_UNIT, "ActiveState", &active, error);
	if (r == 0)
		r = systemd_get_string(handle, path, SYSTEMD_UNIT, "UnitFileState", &file, error);
	if (r == 0)
		r = systemd_get_basic(handle, path, SYSTEMD_UNIT, "ActiveEnterTimestampMonotonic",
				      "t", &state.active_us, error);
	if (r == 0)
		r = systemd_fill_hold(handle, path, &state.is_masked, &has_job, error);
	if (r == 0 && active && strcmp(active, "activating") == 0)
		r = systemd_is_failing(handle, path, unit, &is_failing, error);
	if (r < 0 || !active || !file)
		return r < 0 ? r : -EBADMSG;
	state.is_enabled = systemd_is_one_of(file, enabled);
	state.is_at_rest = (systemd_is_one_of(active, resting) && !has_job) || is_failing;
	state.has_failed = strcmp(active, "failed") == 0 || is_failing;
	*ret = state;
	return 0;
}

static int systemd_start_rescue(void *handle, const struct heal_rescue *rescue, int64_t deadline_ms,
				struct heal_error *error)
{
	return systemd_run_request(handle, HEAL_RESCUE_UNIT, systemd_rescue_request(rescue), deadline_ms,
				   error);
}

static int systemd_request_start(void *handle, const char *unit, struct heal_error *error)
{
	_cleanup_message_ DBusMessage *reply = NULL;
	DBusMessage *request = systemd_request(SYSTEMD_PATH, SYSTEMD_MANAGER, "StartUnit");
	const char *mode = "fail";
	char what[192];

	(void)snprintf(what, sizeof(what), "starting %s", unit);
	request = systemd_append(request, DBUS_TYPE_STRING, &unit, DBUS_TYPE_STRING, &mode,
				 DBUS_TYPE_INVALID);
	return systemd_ask(handle, request, what, &reply, error);
}

static int systemd_reset_failed(void *handle, const char *unit, struct heal_error *error)
{
	_cleanup_message_ DBusMessage *reply = NULL;
	DBusMessage *request = systemd_request(SYSTEMD_PATH, SYSTEMD_MANAGER, "ResetFailedUnit");
	char what[192];

	(void)snprintf(what, sizeof(what), "clearing the start limit of %s", unit);
	request = systemd_append(request, DBUS_TYPE_STRING, &unit, DBUS_TYPE_INVALID);
	return systemd_ask(handle, request, what, &reply, error);
}

static int systemd_open(int64_t deadline_ms, void **ret, struct heal_error *error)
{
	struct systemd *systemd;
	int r = systemd_open_at(&systemd_setup, deadline_ms, &systemd, error);

	if (r == 0)
		*ret = systemd;
	return r;
}

_export_ extern const struct service_ops heal_service_ops;
const struct service_ops heal_service_ops = {
	.build = heal_build,
	.open = systemd_open,
	.is_stopping = systemd_is_stopping,
	.unit_of = systemd_unit_of,
	.main_pid = systemd_main_pid,
	.exec_start = systemd_exec_start,
	.foresee = systemd_foresee,
	.state_of = systemd_state_of,
	.is_confined = systemd_is_confined,
	.socket_of = systemd_socket_of,
	.ssh_units = systemd_ssh_units,
	.run_job = systemd_run_job,
	.start_rescue = systemd_start_rescue,
	.request_start = systemd_request_start,
	.reset_failed = systemd_reset_failed,
	.close = systemd_close,
};
