/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The connection to systemd: finding it, calling it, never waiting for it too long. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "systemd-bus.h"

/* What PID 1 reads together with the handshake, sd-bus's bus_socket_read_auth(). */
#define SYSTEMD_FIRST_READ 256

/*
 * systemd answers in 1 ms, unless it is reading all units anew. One that re-executes
 * itself is back after 50 to 150 ms (252, 257).
 */
const struct systemd_setup systemd_setup = {
	.private_address = "unix:path=/run/systemd/private",
	.bus_address = "unix:path=/run/dbus/system_bus_socket",
	.analyze = "/usr/bin/systemd-analyze",
	.call_ms = 2000,
	.retry_ms = 4000,
	.pause_ms = 20,
	.poll_ms = 500,
};

void systemd_unref(DBusMessage **message)
{
	if (*message)
		dbus_message_unref(*message);
}

void systemd_forget_signals(struct systemd *systemd)
{
	for (size_t i = 0; i < systemd->n_signals; i++)
		dbus_message_unref(systemd->signals[i]);
	free(heal_take(systemd->signals));
	systemd->n_signals = 0;
}

static void systemd_disconnect(struct systemd *systemd)
{
	if (systemd->bus) {
		dbus_connection_close(systemd->bus);
		dbus_connection_unref(systemd->bus);
		systemd->bus = NULL;
	}
	free(heal_take(systemd->peer));
}

void systemd_close(void *handle)
{
	struct systemd *systemd = handle;

	if (!systemd)
		return;
	systemd_forget_signals(systemd);
	systemd_disconnect(systemd);
	free(systemd);
}

static void systemd_closep(struct systemd **systemd)
{
	systemd_close(*systemd);
}

/* What is said of an addressee that has gone, or is not back yet; no server: nobody listens. */
static bool systemd_is_gone(const DBusError *dbus_error)
{
	static const char spawn[] = "org.freedesktop.DBus.Error.Spawn.";

	return dbus_error_has_name(dbus_error, DBUS_ERROR_NO_REPLY) ||
	       dbus_error_has_name(dbus_error, DBUS_ERROR_DISCONNECTED) ||
	       dbus_error_has_name(dbus_error, DBUS_ERROR_NO_SERVER) ||
	       dbus_error_has_name(dbus_error, DBUS_ERROR_SERVICE_UNKNOWN) ||
	       dbus_error_has_name(dbus_error, DBUS_ERROR_NAME_HAS_NO_OWNER) ||
	       strncmp(dbus_error->name, spawn, sizeof(spawn) - 1) == 0;
}

int systemd_error(DBusError *dbus_error, const char *what, struct heal_error *error)
{
	static const struct {
		const char *name;
		int code;
	} codes[] = {
		{SYSTEMD_NAME ".NoUnitForPID", ENOENT},
		{SYSTEMD_NAME ".NoSuchUnit", ENOENT},
		{DBUS_ERROR_ACCESS_DENIED, EACCES},
		{DBUS_ERROR_NO_MEMORY, ENOMEM},
	};
	int code = systemd_is_gone(dbus_error) ? EPIPE : EIO;

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (dbus_error_has_name(dbus_error, codes[i].name))
			code = codes[i].code;
	(void)heal_error_set(error, code, "%s: %s", what,
			     dbus_error->message ? dbus_error->message : dbus_error->name);
	dbus_error_free(dbus_error);
	return -code;
}

/* Keeps a signal for later; anyone on the bus can send us one: only systemd's word counts. */
static int systemd_keep(struct systemd *systemd, DBusMessage *message)
{
	if (!dbus_message_is_signal(message, SYSTEMD_MANAGER, "JobRemoved") ||
	    (systemd->peer && !dbus_message_has_sender(message, systemd->peer)))
		return 0;
	if (heal_grow(&systemd->signals, systemd->n_signals, sizeof(*systemd->signals)) < 0)
		return -ENOMEM;
	systemd->signals[systemd->n_signals++] = dbus_message_ref(message);
	return 0;
}

/* The next message, waited for until the deadline. */
static int systemd_receive(struct systemd *systemd, int64_t deadline_ms, DBusMessage **ret)
{
	while (systemd->bus) {
		DBusMessage *message = dbus_connection_pop_message(systemd->bus);
		int left;

		if (message) {
			*ret = message;
			return 0;
		}
		left = heal_left_ms(deadline_ms, 60000);
		if (left == 0)
			return -ETIMEDOUT;
		if (!dbus_connection_read_write(systemd->bus, left))
			systemd_disconnect(systemd);
	}
	return -EPIPE;
}

int systemd_listen(struct systemd *systemd, int64_t deadline_ms)
{
	_cleanup_message_ DBusMessage *message = NULL;
	int r = systemd_receive(systemd, deadline_ms, &message);

	return r < 0 ? r : systemd_keep(systemd, message);
}

static bool systemd_is_reply(DBusMessage *message, dbus_uint32_t serial)
{
	int type = dbus_message_get_type(message);

	/* The bus itself lets only the one that was asked answer, once. */
	return dbus_message_get_reply_serial(message) == serial &&
	       (type == DBUS_MESSAGE_TYPE_METHOD_RETURN || type == DBUS_MESSAGE_TYPE_ERROR);
}

/*
 * Not dbus_connection_send_with_reply_and_block(): it waits without end for a peer
 * that hangs before it has authenticated us.
 */
int systemd_call(struct systemd *systemd, DBusMessage *request, int64_t deadline_ms,
		 const char *what, DBusMessage **ret, struct heal_error *error)
{
	_cleanup_message_ __attribute__((unused)) DBusMessage *owned = request;
	DBusError dbus_error = DBUS_ERROR_INIT;
	dbus_uint32_t serial = 0;
	int r = 0;

	if (!request || (systemd->bus && !dbus_connection_send(systemd->bus, request, &serial)))
		return heal_error_set(error, ENOMEM, "%s: out of memory", what);
	while (r == 0) {
		_cleanup_message_ DBusMessage *message = NULL;

		r = systemd_receive(systemd, deadline_ms, &message);
		if (r < 0)
			break;
		if (!systemd_is_reply(message, serial)) {
			r = systemd_keep(systemd, message);
			continue;
		}
		if (dbus_set_error_from_message(&dbus_error, message))
			return systemd_error(&dbus_error, what, error);
		*ret = heal_take(message);
		return 0;
	}
	return heal_error_set(error, -r, "%s: %s", what,
			      r == -EPIPE	? "the connection to systemd broke"
			      : r == -ETIMEDOUT ? "no answer in time"
						: strerror(-r));
}

DBusMessage *systemd_request(const char *path, const char *interface, const char *method)
{
	return dbus_message_new_method_call(SYSTEMD_NAME, path, interface, method);
}

DBusMessage *systemd_append(DBusMessage *request, int first_type, ...)
{
	va_list args;
	bool is_done;

	if (!request)
		return NULL;
	va_start(args, first_type);
	is_done = dbus_message_append_args_valist(request, first_type, args);
	va_end(args);
	if (is_done)
		return request;
	dbus_message_unref(request);
	return NULL;
}

/*
 * PID 1 can read our first request together with the end of the handshake, and then
 * does not look at it before more comes (8 times of 10 with 252 and 257). Of one that
 * is longer than what it reads there, more is always to come.
 */
static int systemd_ping(struct systemd *systemd, int64_t deadline_ms, struct heal_error *error)
{
	_cleanup_message_ DBusMessage *reply = NULL;
	char padding[SYSTEMD_FIRST_READ + 1];
	const char *text = padding;
	DBusMessage *request = systemd_request(SYSTEMD_PATH, DBUS_INTERFACE_PEER, "Ping");

	memset(padding, 'x', SYSTEMD_FIRST_READ);
	padding[SYSTEMD_FIRST_READ] = '\0';
	request = systemd_append(request, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
	return systemd_call(systemd, request, deadline_ms, "greeting systemd", &reply, error);
}

/* Calls the bus itself, with one argument or none. By hand, for dbus_bus_*() have no deadline. */
static int systemd_call_bus(struct systemd *systemd, const char *method, const char *argument,
			    int64_t deadline_ms, DBusMessage **ret, struct heal_error *error)
{
	DBusMessage *request = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
							    DBUS_INTERFACE_DBUS, method);

	if (argument)
		request = systemd_append(request, DBUS_TYPE_STRING, &argument, DBUS_TYPE_INVALID);
	return systemd_call(systemd, request, deadline_ms, method, ret, error);
}

/* Asks who systemd is on the bus, for its signals must be told from others'. */
static int systemd_find_peer(struct systemd *systemd, int64_t deadline_ms,
			     struct heal_error *error)
{
	static const char what[] = "looking for systemd";
	_cleanup_message_ DBusMessage *reply = NULL;
	DBusError dbus_error = DBUS_ERROR_INIT;
	const char *owner;
	int r = systemd_call_bus(systemd, "GetNameOwner", SYSTEMD_NAME, deadline_ms, &reply, error);

	if (r < 0)
		return r;
	if (!dbus_message_get_args(reply, &dbus_error, DBUS_TYPE_STRING, &owner, DBUS_TYPE_INVALID))
		return systemd_error(&dbus_error, what, error);
	systemd->peer = strdup(owner);
	return systemd->peer ? 0 : heal_error_set(error, ENOMEM, "%s: out of memory", what);
}

/* Asks for signals about jobs, which the private socket sends unasked. */
static int systemd_subscribe(struct systemd *systemd, int64_t deadline_ms,
			     struct heal_error *error)
{
	static const char rule[] = "type='signal',sender='" SYSTEMD_NAME "',path='" SYSTEMD_PATH
				   "',interface='" SYSTEMD_MANAGER "',member='JobRemoved'";
	_cleanup_message_ DBusMessage *matched = NULL;
	_cleanup_message_ DBusMessage *subscribed = NULL;
	int r = systemd_call_bus(systemd, "AddMatch", rule, deadline_ms, &matched, error);

	if (r < 0)
		return r;
	return systemd_call(systemd, systemd_request(SYSTEMD_PATH, SYSTEMD_MANAGER, "Subscribe"),
			    deadline_ms, "Subscribe", &subscribed, error);
}

static int systemd_join(struct systemd *systemd, int64_t deadline_ms, struct heal_error *error)
{
	_cleanup_message_ DBusMessage *reply = NULL;
	int r = systemd_call_bus(systemd, "Hello", NULL, deadline_ms, &reply, error);

	if (r == 0)
		r = systemd_find_peer(systemd, deadline_ms, error);
	return r < 0 ? r : systemd_subscribe(systemd, deadline_ms, error);
}

/* Connects one way, and proves that systemd answers there. */
static int systemd_connect(struct systemd *systemd, bool is_private, int64_t end_ms,
			   struct heal_error *error)
{
	const struct systemd_setup *setup = systemd->setup;
	const char *address = is_private ? setup->private_address : setup->bus_address;
	int64_t deadline_ms = heal_now_ms() + heal_left_ms(end_ms, setup->call_ms);
	DBusError dbus_error = DBUS_ERROR_INIT;
	int r;

	systemd_disconnect(systemd);
	systemd->bus = dbus_connection_open_private(address, &dbus_error);
	if (!systemd->bus)
		return systemd_error(&dbus_error, "connecting", error);
	systemd->is_private = is_private;
	r = is_private ? systemd_ping(systemd, deadline_ms, error)
		       : systemd_join(systemd, deadline_ms, error);
	if (r < 0)
		systemd_disconnect(systemd);
	return r;
}

/*
 * Connects whichever way works. Where the private socket is there and silent, PID 1 has
 * no time for us, and the bus cannot help either; where nobody listens at it, or closes
 * it again, PID 1 is executing itself anew, and is waited for before the bus is tried.
 */
static int systemd_connect_any(struct systemd *systemd, int64_t end_ms, bool waits,
			       struct heal_error *error)
{
	struct heal_error private_error = {0};
	struct heal_error bus_error = {0};
	int r = systemd_connect(systemd, true, end_ms, &private_error);

	if (r == 0)
		return 0;
	if (r == -ETIMEDOUT || (r == -EPIPE && waits))
		return heal_error_set(error, -r, "systemd's private socket: %s",
				      private_error.message);
	r = systemd_connect(systemd, false, end_ms, &bus_error);
	if (r == 0)
		return 0;
	return heal_error_set(error, -r, "systemd's private socket: %s; the system bus: %s",
			      private_error.message, bus_error.message);
}

/* The same, tried again until end_ms. */
static int systemd_reconnect(struct systemd *systemd, int64_t end_ms, const char *what,
			     struct heal_error *error)
{
	const struct systemd_setup *setup = systemd->setup;
	int64_t bus_ms = heal_now_ms() + heal_left_ms(end_ms, setup->retry_ms) / 2;
	int pause_ms = setup->pause_ms;

	for (;;) {
		struct heal_error why = {0};
		int r = systemd_connect_any(systemd, end_ms, heal_now_ms() < bus_ms, &why);

		if (r == 0)
			return 0;
		/* Once more in no time would only hide what was wrong. */
		if (r == -ENOMEM || heal_left_ms(end_ms, pause_ms) < pause_ms)
			return heal_error_set(error, r == -EPIPE || r == -EIO ? ENOTCONN : -r,
					      "%s: %s", what, why.message);
		heal_sleep_ms(pause_ms);
	}
}

int systemd_ask(struct systemd *systemd, DBusMessage *request, const char *what,
		DBusMessage **ret, struct heal_error *error)
{
	_cleanup_message_ __attribute__((unused)) DBusMessage *owned = request;
	const struct systemd_setup *setup = systemd->setup;
	int64_t end_ms = heal_now_ms() + heal_left_ms(systemd->deadline_ms, setup->retry_ms);

	if (!request)
		return heal_error_set(error, ENOMEM, "%s: out of memory", what);
	for (;;) {
		int64_t deadline_ms = heal_now_ms() + heal_left_ms(end_ms, setup->call_ms);
		/* A message can be sent but once. */
		int r = systemd_call(systemd, dbus_message_copy(request), deadline_ms, what, ret,
				     error);

		if (r != -EPIPE && r != -ETIMEDOUT)
			return r;
		if (heal_left_ms(end_ms, 1) == 0)
			return r == -EPIPE ? -ENOTCONN : r;
		r = systemd_reconnect(systemd, end_ms, what, error);
		if (r < 0)
			return r;
	}
}

int systemd_open_at(const struct systemd_setup *setup, int64_t deadline_ms, struct systemd **ret,
		    struct heal_error *error)
{
	static const char what[] = "connecting to systemd";
	_cleanup_(systemd_closep) struct systemd *systemd = calloc(1, sizeof(*systemd));
	int r;

	if (!systemd)
		return heal_error_set(error, ENOMEM, "%s: out of memory", what);
	systemd->setup = setup;
	systemd->deadline_ms = deadline_ms;
	r = systemd_reconnect(systemd, heal_now_ms() + heal_left_ms(deadline_ms, setup->retry_ms),
			      what, error);
	if (r == 0)
		*ret = heal_take(systemd);
	return r;
}

/* sd_bus_path_encode(3): what is no letter or digit is _XX. */
void systemd_name_of_path(const char *path, char *ret, size_t size)
{
	const char *label = strrchr(path, '/');
	size_t len = 0;

	for (const char *p = label ? label + 1 : path; *p && len + 1 < size; p++) {
		if (*p == '_' && isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2])) {
			const char digits[3] = {p[1], p[2], '\0'};

			ret[len++] = (char)strtoul(digits, NULL, 16);
			p += 2;
		} else {
			ret[len++] = *p;
		}
	}
	ret[len] = '\0';
}

int systemd_reply_path(DBusMessage *reply, const char *what, const char **ret,
		       struct heal_error *error)
{
	DBusError dbus_error = DBUS_ERROR_INIT;

	if (!dbus_message_get_args(reply, &dbus_error, DBUS_TYPE_OBJECT_PATH, ret,
				   DBUS_TYPE_INVALID))
		return systemd_error(&dbus_error, what, error);
	return 0;
}

int systemd_unit_path(struct systemd *systemd, const char *method, const char *unit, char **ret,
		      struct heal_error *error)
{
	_cleanup_message_ DBusMessage *reply = NULL;
	DBusMessage *request = systemd_request(SYSTEMD_PATH, SYSTEMD_MANAGER, method);
	const char *path = NULL;
	char what[192];
	char *copy;
	int r;

	(void)snprintf(what, sizeof(what), "asking systemd for %s", unit);
	request = systemd_append(request, DBUS_TYPE_STRING, &unit, DBUS_TYPE_INVALID);
	r = systemd_ask(systemd, request, what, &reply, error);
	if (r == 0)
		r = systemd_reply_path(reply, what, &path, error);
	if (r < 0 || !path)
		return r < 0 ? r : -EBADMSG;
	copy = strdup(path);
	if (!copy)
		return heal_error_set(error, ENOMEM, "%s: out of memory", what);
	*ret = copy;
	return 0;
}

int systemd_get(struct systemd *systemd, const char *path, const char *interface,
		const char *property, const char *signature, DBusMessage **ret,
		DBusMessageIter *value, struct heal_error *error)
{
	_cleanup_message_ DBusMessage *reply = NULL;
	DBusMessage *request = systemd_request(path, DBUS_INTERFACE_PROPERTIES, "Get");
	DBusMessageIter variant;
	char name[128];
	char what[192];
	char *found;
	bool is_expected;
	int r;

	systemd_name_of_path(path, name, sizeof(name));
	(void)snprintf(what, sizeof(what), "asking systemd for %s of %s", property, name);
	request = systemd_append(request, DBUS_TYPE_STRING, &interface, DBUS_TYPE_STRING, &property,
				 DBUS_TYPE_INVALID);
	r = systemd_ask(systemd, request, what, &reply, error);
	if (r < 0)
		return r;
	if (!dbus_message_iter_init(reply, &variant) ||
	    dbus_message_iter_get_arg_type(&variant) != DBUS_TYPE_VARIANT)
		return heal_error_set(error, EBADMSG, "%s: unexpected reply", what);
	dbus_message_iter_recurse(&variant, value);
	found = dbus_message_iter_get_signature(value);
	is_expected = found && strcmp(found, signature) == 0;
	dbus_free(found);
	if (!is_expected)
		return heal_error_set(error, EBADMSG, "%s: unexpected type", what);
	*ret = heal_take(reply);
	return 0;
}

int systemd_get_basic(struct systemd *systemd, const char *path, const char *interface,
		      const char *property, const char *signature, void *ret,
		      struct heal_error *error)
{
	_cleanup_message_ DBusMessage *reply = NULL;
	DBusMessageIter value;
	int r = systemd_get(systemd, path, interface, property, signature, &reply, &value, error);

	if (r == 0)
		dbus_message_iter_get_basic(&value, ret);
	return r;
}

int systemd_get_string(struct systemd *systemd, const char *path, const char *interface,
		       const char *property, char **ret, struct heal_error *error)
{
	_cleanup_message_ DBusMessage *reply = NULL;
	DBusMessageIter value;
	const char *borrowed;
	char *copy;
	int r = systemd_get(systemd, path, interface, property, "s", &reply, &value, error);

	if (r < 0)
		return r;
	dbus_message_iter_get_basic(&value, &borrowed);
	copy = strdup(borrowed);
	if (!copy)
		return heal_error_set(error, ENOMEM, "asking systemd for %s: out of memory", property);
	*ret = copy;
	return 0;
}
