/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The connection to systemd: finding it, calling it, never waiting for it too long. */
#include <stdarg.h>

#include "systemd-bus.h"

/* A bus that does not answer within this is taken for dead; systemd answers in 1 ms. */
#define SYSTEMD_CALL_MS 3000
#define SYSTEMD_FIRST_CALL_MS 200

void systemd_unref(DBusMessage **message)
{
	if (*message)
		dbus_message_unref(*message);
}

void systemd_close(void *handle)
{
	struct systemd *systemd = handle;

	for (size_t i = 0; i < systemd->n_signals; i++)
		dbus_message_unref(systemd->signals[i]);
	free(systemd->signals);
	free(systemd->peer);
	if (systemd->bus) {
		dbus_connection_close(systemd->bus);
		dbus_connection_unref(systemd->bus);
	}
	free(systemd);
}

static void systemd_closep(struct systemd **systemd)
{
	if (*systemd)
		systemd_close(*systemd);
}

/* Maps D-Bus's error names to errno; the message keeps the peer's words. */
int systemd_error(DBusError *dbus_error, const char *what, struct heal_error *error)
{
	static const struct {
		const char *name;
		int code;
	} codes[] = {
		{SYSTEMD_NAME ".NoUnitForPID", ENOENT},
		{SYSTEMD_NAME ".NoSuchUnit", ENOENT},
		{DBUS_ERROR_NO_REPLY, ETIMEDOUT},
		{DBUS_ERROR_TIMEOUT, ETIMEDOUT},
		{DBUS_ERROR_ACCESS_DENIED, EACCES},
		{DBUS_ERROR_NO_MEMORY, ENOMEM},
	};
	int code = EIO;

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (dbus_error_has_name(dbus_error, codes[i].name))
			code = codes[i].code;
	(void)heal_error_set(error, code, "%s: %s", what,
			     dbus_error->message ? dbus_error->message : dbus_error->name);
	dbus_error_free(dbus_error);
	return -code;
}

/* Anyone on the bus can send us anything: only systemd's word counts. */
bool systemd_is_from_peer(const struct systemd *systemd, DBusMessage *message)
{
	return !systemd->peer || dbus_message_has_sender(message, systemd->peer);
}

/* Keeps a signal for later; anything else that nobody awaits is dropped. */
static int systemd_keep(struct systemd *systemd, DBusMessage *message)
{
	if (!systemd_is_from_peer(systemd, message) || !dbus_message_is_signal(message, SYSTEMD_MANAGER, "JobRemoved"))
		return 0;
	if (heal_grow(&systemd->signals, systemd->n_signals, sizeof(*systemd->signals)) < 0)
		return -ENOMEM;
	systemd->signals[systemd->n_signals++] = dbus_message_ref(message);
	return 0;
}

/* The next message, waited for until the deadline. */
int systemd_receive(struct systemd *systemd, int64_t deadline_ms, const char *what,
			   DBusMessage **ret, struct heal_error *error)
{
	for (;;) {
		DBusMessage *message = dbus_connection_pop_message(systemd->bus);
		int left;

		if (message) {
			*ret = message;
			return 0;
		}
		left = heal_left_ms(deadline_ms, 60000);
		if (left == 0)
			return heal_error_set(error, ETIMEDOUT, "%s: no answer in time", what);
		if (!dbus_connection_read_write(systemd->bus, left))
			return heal_error_set(error, EPIPE, "%s: the connection broke", what);
	}
}

/*
 * Sends a method call and waits for the reply. Takes the request over. Not
 * dbus_connection_send_with_reply_and_block(): it waits without end for a peer
 * that hangs before it has authenticated us.
 */
int systemd_call(struct systemd *systemd, DBusMessage *request, const char *what,
			DBusMessage **ret, struct heal_error *error)
{
	_cleanup_message_ __attribute__((unused)) DBusMessage *owned = request;
	int64_t deadline_ms =
		heal_now_ms() + heal_left_ms(systemd->deadline_ms, systemd->call_ms);
	DBusError dbus_error = DBUS_ERROR_INIT;
	dbus_uint32_t serial;

	if (!request || !dbus_connection_send(systemd->bus, request, &serial))
		return heal_error_set(error, ENOMEM, "%s: out of memory", what);
	for (;;) {
		_cleanup_message_ DBusMessage *message = NULL;
		int r = systemd_receive(systemd, deadline_ms, what, &message, error);

		if (r < 0)
			return r;
		/* The bus itself lets only the one that was asked answer, once. */
		if (dbus_message_get_reply_serial(message) != serial ||
		    (dbus_message_get_type(message) != DBUS_MESSAGE_TYPE_METHOD_RETURN &&
		     dbus_message_get_type(message) != DBUS_MESSAGE_TYPE_ERROR)) {
			if (systemd_keep(systemd, message) < 0)
				return heal_error_set(error, ENOMEM, "%s: out of memory", what);
			continue;
		}
		if (dbus_set_error_from_message(&dbus_error, message))
			return systemd_error(&dbus_error, what, error);
		*ret = heal_take(message);
		return 0;
	}
}

DBusMessage *systemd_request(const struct systemd *systemd, const char *path,
				    const char *interface, const char *method)
{
	return dbus_message_new_method_call(systemd->is_private ? NULL : SYSTEMD_NAME, path,
					    interface, method);
}

/* Appends arguments as dbus_message_append_args() does; NULL when out of memory. */
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

/* One property of an object; the iterator stands on its value. */
int systemd_get(struct systemd *systemd, const char *path, const char *interface,
		const char *property, const char *signature, DBusMessage **ret,
		DBusMessageIter *value, struct heal_error *error)
{
	_cleanup_message_ DBusMessage *reply = NULL;
	DBusMessage *request =
		systemd_request(systemd, path, "org.freedesktop.DBus.Properties", "Get");
	DBusMessageIter variant;
	char what[96];
	char *found;
	bool is_expected;
	int r;

	(void)snprintf(what, sizeof(what), "asking systemd for %s", property);
	request = systemd_append(request, DBUS_TYPE_STRING, &interface, DBUS_TYPE_STRING, &property, DBUS_TYPE_INVALID);
	r = systemd_call(systemd, request, what, &reply, error);
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

/* A property of a basic type, copied to ret; strings are copied by the caller. */
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
	int r = systemd_get(systemd, path, interface, property, "s", &reply, &value,
			    error);

	if (r < 0)
		return r;
	dbus_message_iter_get_basic(&value, &borrowed);
	copy = strdup(borrowed);
	if (!copy)
		return heal_error_set(error, ENOMEM, "asking systemd for %s: out of memory", property);
	*ret = copy;
	return 0;
}

/* Hello by hand: dbus_bus_get() would wait 25 s for a bus that hangs. */
static int systemd_hello(struct systemd *systemd, struct heal_error *error)
{
	_cleanup_message_ DBusMessage *reply = NULL;
	DBusMessage *request = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
							    DBUS_INTERFACE_DBUS, "Hello");

	return systemd_call(systemd, request, "greeting the system bus", &reply, error);
}

/* Asks who systemd is on the bus, for its signals must be told from others'. */
static int systemd_find_peer(struct systemd *systemd, struct heal_error *error)
{
	static const char what[] = "asking the system bus for systemd";
	_cleanup_message_ DBusMessage *reply = NULL;
	const char *name = SYSTEMD_NAME;
	DBusMessage *request = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
							    DBUS_INTERFACE_DBUS, "GetNameOwner");
	DBusError dbus_error = DBUS_ERROR_INIT;
	const char *owner;
	int r = systemd_call(systemd,
			     systemd_append(request, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID),
			     what, &reply, error);

	if (r < 0)
		return r;
	if (!dbus_message_get_args(reply, &dbus_error, DBUS_TYPE_STRING, &owner, DBUS_TYPE_INVALID))
		return systemd_error(&dbus_error, what, error);
	systemd->peer = strdup(owner);
	return systemd->peer ? 0 : heal_error_set(error, ENOMEM, "%s: out of memory", what);
}

/* Connects, and proves that systemd answers there. */
static int systemd_connect(struct systemd *systemd, const char *address, bool is_private,
			   struct heal_error *error)
{
	DBusError dbus_error = DBUS_ERROR_INIT;
	_cleanup_free_ char *version = NULL;
	int r = 0;

	systemd->bus = dbus_connection_open_private(address, &dbus_error);
	if (!systemd->bus)
		return systemd_error(&dbus_error, "connecting to systemd", error);
	systemd->is_private = is_private;
	if (!is_private)
		r = systemd_hello(systemd, error);
	if (r == 0 && !is_private)
		r = systemd_find_peer(systemd, error);
	/*
	 * PID 1 can read our first request together with the end of the handshake,
	 * and then does not look at it before more comes (seen with 252): ask again.
	 */
	systemd->call_ms = is_private ? SYSTEMD_FIRST_CALL_MS : SYSTEMD_CALL_MS;
	for (int i = 0; r == 0 && !version && i < 2; i++) {
		r = systemd_get_string(systemd, SYSTEMD_PATH, SYSTEMD_MANAGER, "Version", &version,
				       error);
		if (r == -ETIMEDOUT && is_private && i == 0)
			r = 0;
		systemd->call_ms = SYSTEMD_CALL_MS;
	}
	if (r < 0) {
		dbus_connection_close(systemd->bus);
		dbus_connection_unref(systemd->bus);
		systemd->bus = NULL;
		free(heal_take(systemd->peer));
	}
	return r;
}

int systemd_open(int64_t deadline_ms, void **ret, struct heal_error *error)
{
	_cleanup_(systemd_closep) struct systemd *systemd = calloc(1, sizeof(*systemd));

	if (!systemd)
		return heal_error_set(error, ENOMEM, "connecting to systemd: out of memory");
	systemd->deadline_ms = deadline_ms;
	systemd->call_ms = SYSTEMD_CALL_MS;
	if (systemd_connect(systemd, "unix:path=/run/dbus/system_bus_socket", false, error) < 0) {
		struct heal_error private_error = {0};
		char bus_message[sizeof(error->message)];
		int r = systemd_connect(systemd, "unix:path=/run/systemd/private", true,
					&private_error);

		(void)snprintf(bus_message, sizeof(bus_message), "%s", error->message);
		if (r < 0)
			return heal_error_set(error, -r, "%s; by its private socket: %s",
					      bus_message, private_error.message);
	}
	*ret = heal_take(systemd);
	return 0;
}
