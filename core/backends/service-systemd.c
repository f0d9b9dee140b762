/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Units and jobs of systemd, org.freedesktop.systemd1(5). */
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

/* The object path in a reply that holds nothing else. */
static int systemd_reply_path(DBusMessage *reply, const char *what, const char **ret,
			      struct heal_error *error)
{
	DBusError dbus_error = DBUS_ERROR_INIT;

	if (!dbus_message_get_args(reply, &dbus_error, DBUS_TYPE_OBJECT_PATH, ret,
				   DBUS_TYPE_INVALID))
		return systemd_error(&dbus_error, what, error);
	return 0;
}

/* The object path of a unit that systemd has loaded. */
static int systemd_get_unit(struct systemd *systemd, const char *unit, DBusMessage **reply,
			    const char **path, struct heal_error *error)
{
	static const char what[] = "asking systemd for a unit";
	int r = systemd_call(systemd,
			     systemd_append(systemd_request(systemd, SYSTEMD_PATH, SYSTEMD_MANAGER,
							    "GetUnit"),
					    DBUS_TYPE_STRING, &unit, DBUS_TYPE_INVALID),
			     what, reply, error);

	return r < 0 ? r : systemd_reply_path(*reply, what, path, error);
}

/* Whether a unit is active; one that cannot be asked about is not. */
static bool systemd_is_active(struct systemd *systemd, const char *unit)
{
	_cleanup_message_ DBusMessage *reply = NULL;
	_cleanup_free_ char *state = NULL;
	struct heal_error error;
	const char *path;

	return systemd_get_unit(systemd, unit, &reply, &path, &error) == 0 &&
	       systemd_get_string(systemd, path, SYSTEMD_UNIT, "ActiveState", &state, &error) == 0 &&
	       state && strcmp(state, "active") == 0;
}

/* Whether a list of units (TriggeredBy) names a socket that systemd holds open. */
static int systemd_is_socket_activated(struct systemd *systemd, const char *path, bool *ret,
				       struct heal_error *error)
{
	_cleanup_message_ DBusMessage *reply = NULL;
	DBusMessageIter value;
	DBusMessageIter item;
	bool found = false;
	int r = systemd_get(systemd, path, SYSTEMD_UNIT, "TriggeredBy", "as", &reply,
			    &value, error);

	if (r < 0)
		return r;
	dbus_message_iter_recurse(&value, &item);
	for (; dbus_message_iter_get_arg_type(&item) == DBUS_TYPE_STRING;
	     dbus_message_iter_next(&item)) {
		const char *unit;
		size_t len;

		dbus_message_iter_get_basic(&item, &unit);
		len = strlen(unit);
		if (len > 7 && strcmp(unit + len - 7, ".socket") == 0)
			found |= systemd_is_active(systemd, unit);
	}
	*ret = found;
	return 0;
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
	static const char what[] = "asking systemd for the unit of a process";
	_cleanup_message_ DBusMessage *reply = NULL;
	DBusMessage *request =
		systemd_request(handle, SYSTEMD_PATH, SYSTEMD_MANAGER, "GetUnitByPID");
	struct heal_unit unit = {0};
	dbus_uint32_t number = (dbus_uint32_t)pid;
	const char *path;
	const char *dot;
	int r;

	request = systemd_append(request, DBUS_TYPE_UINT32, &number, DBUS_TYPE_INVALID);
	r = systemd_call(handle, request, what, &reply, error);
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
	_cleanup_message_ DBusMessage *reply = NULL;
	const char *path;
	dbus_uint32_t main_pid = 0;
	int r = systemd_get_unit(handle, unit, &reply, &path, error);

	if (r == 0)
		r = systemd_get_basic(handle, path, SYSTEMD_SERVICE, "MainPID", "u",
				      &main_pid, error);
	if (r == 0)
		*ret = (pid_t)main_pid;
	return r;
}

/* Asks for signals; on the private socket PID 1 sends them unasked. */
static int systemd_subscribe(struct systemd *systemd, struct heal_error *error)
{
	static const char rule[] = "type='signal',sender='" SYSTEMD_NAME "',path='" SYSTEMD_PATH
				   "',interface='" SYSTEMD_MANAGER "',member='JobRemoved'";
	_cleanup_message_ DBusMessage *reply = NULL;
	const char *text = rule;
	DBusMessage *request;
	int r;

	if (systemd->is_private || systemd->is_subscribed)
		return 0;
	/* By hand, for dbus_bus_add_match() has no deadline. */
	request = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
					       DBUS_INTERFACE_DBUS, "AddMatch");
	request = systemd_append(request, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
	r = systemd_call(systemd, request, "listening for systemd's jobs", &reply, error);
	if (r < 0)
		return r;
	systemd_unref(&reply);
	reply = NULL;
	r = systemd_call(systemd,
			 systemd_request(systemd, SYSTEMD_PATH, SYSTEMD_MANAGER, "Subscribe"),
			 "subscribing to systemd's jobs", &reply, error);
	systemd->is_subscribed = r == 0;
	return r;
}

/* Whether a message says that the job is done; result then points into it. */
static bool systemd_is_result(const struct systemd *systemd, DBusMessage *message,
			      const char *job, const char **result)
{
	dbus_uint32_t id;
	const char *path;
	const char *unit;
	const char *text;

	if (!systemd_is_from_peer(systemd, message) ||
	    !dbus_message_is_signal(message, SYSTEMD_MANAGER, "JobRemoved") ||
	    !dbus_message_get_args(message, NULL, DBUS_TYPE_UINT32, &id, DBUS_TYPE_OBJECT_PATH,
				   &path, DBUS_TYPE_STRING, &unit, DBUS_TYPE_STRING, &text,
				   DBUS_TYPE_INVALID) ||
	    strcmp(path, job) != 0)
		return false;
	*result = text;
	return true;
}

/* The result of a job, from a signal that came already or from the next ones. */
static int systemd_await(struct systemd *systemd, const char *job, const char *what,
			 struct heal_error *error)
{
	const char *result = NULL;
	_cleanup_message_ DBusMessage *message = NULL;
	size_t i = 0;

	while (i < systemd->n_signals && !systemd_is_result(systemd, systemd->signals[i], job, &result))
		i++;
	while (!result) {
		int r;

		systemd_unref(&message);
		message = NULL;
		r = systemd_receive(systemd, systemd->deadline_ms, what, &message, error);
		if (r < 0)
			return r;
		(void)systemd_is_result(systemd, message, job, &result);
	}
	if (strcmp(result, "done") == 0)
		return 0;
	return heal_error_set(error, ECANCELED, "%s: systemd's job ended with %s", what, result);
}

static int systemd_run_job(struct systemd *systemd, const char *method, const char *verb,
			   const char *unit, struct heal_error *error)
{
	_cleanup_message_ DBusMessage *reply = NULL;
	DBusMessage *request;
	/* Never pushes somebody else's queued job aside. */
	const char *mode = "fail";
	const char *job = NULL;
	char what[192];
	int r = systemd_subscribe(systemd, error);

	if (r < 0)
		return r;
	(void)snprintf(what, sizeof(what), "%s %s", verb, unit);
	request = systemd_request(systemd, SYSTEMD_PATH, SYSTEMD_MANAGER, method);
	request = systemd_append(request, DBUS_TYPE_STRING, &unit, DBUS_TYPE_STRING, &mode, DBUS_TYPE_INVALID);
	r = systemd_call(systemd, request, what, &reply, error);
	if (r == 0)
		r = systemd_reply_path(reply, what, &job, error);
	if (r < 0 || !job)
		return r < 0 ? r : -EBADMSG;
	return systemd_await(systemd, job, what, error);
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

static int systemd_exec_start(void *handle, const char *unit, struct heal_exec *ret,
			      struct heal_error *error)
{
	_cleanup_message_ DBusMessage *unit_reply = NULL;
	_cleanup_message_ DBusMessage *command = NULL;
	_cleanup_message_ DBusMessage *environment = NULL;
	_cleanup_message_ DBusMessage *files = NULL;
	DBusMessageIter value;
	DBusMessageIter words;
	const char *path;
	int r = systemd_get_unit(handle, unit, &unit_reply, &path, error);

	if (r == 0)
		r = systemd_get(handle, path, SYSTEMD_SERVICE, "ExecStart", "a(sasbttttuii)",
				&command, &value, error);
	if (r < 0)
		return r;
	r = systemd_add_command(&value, ret);
	if (r < 0)
		return heal_error_set(error, -r, "understanding ExecStart= of %s: %s", unit,
				      strerror(-r));
	r = systemd_get(handle, path, SYSTEMD_SERVICE, "Environment", "as", &environment,
			&value, error);
	if (r < 0)
		return r;
	dbus_message_iter_recurse(&value, &words);
	if (systemd_add_words(&words, &ret->environment) < 0)
		return heal_error_set(error, ENOMEM, "asking systemd about %s: out of memory", unit);
	r = systemd_get(handle, path, SYSTEMD_SERVICE, "EnvironmentFiles", "a(sb)", &files,
			&value, error);
	if (r < 0)
		return r;
	if (systemd_add_files(&value, &ret->files) < 0)
		return heal_error_set(error, ENOMEM, "asking systemd about %s: out of memory", unit);
	return systemd_get_string(handle, path, SYSTEMD_SERVICE, "WorkingDirectory",
				  &ret->directory, error);
}

static int systemd_reload(void *handle, const char *unit, struct heal_error *error)
{
	return systemd_run_job(handle, "ReloadUnit", "reloading", unit, error);
}

static int systemd_try_restart(void *handle, const char *unit, struct heal_error *error)
{
	return systemd_run_job(handle, "TryRestartUnit", "restarting", unit, error);
}

static int systemd_start(void *handle, const char *unit, struct heal_error *error)
{
	return systemd_run_job(handle, "StartUnit", "starting", unit, error);
}

static int systemd_reset_failed(void *handle, const char *unit, struct heal_error *error)
{
	_cleanup_message_ DBusMessage *reply = NULL;

	return systemd_call(handle,
			    systemd_append(systemd_request(handle, SYSTEMD_PATH, SYSTEMD_MANAGER,
							   "ResetFailedUnit"),
					   DBUS_TYPE_STRING, &unit, DBUS_TYPE_INVALID),
			    "clearing a unit's start limit", &reply, error);
}

_export_ extern const struct service_ops heal_service_ops;
const struct service_ops heal_service_ops = {
	.open = systemd_open,
	.is_stopping = systemd_is_stopping,
	.unit_of = systemd_unit_of,
	.main_pid = systemd_main_pid,
	.exec_start = systemd_exec_start,
	.reload = systemd_reload,
	.try_restart = systemd_try_restart,
	.start = systemd_start,
	.reset_failed = systemd_reset_failed,
	.close = systemd_close,
};
