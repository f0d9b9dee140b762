/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A socket unit: where systemd listens, and what it starts for a client. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/words.h"
#include "host/module.h"
#include "systemd-bus.h"

#define SOCKET_INTERFACE "org.freedesktop.systemd1.Socket"
/* No client's instance has this name, "NUMBER-FROM-TO". */
#define SOCKET_INSTANCE "sshd-heal"

/* Listen is a(ss), the kind and the address. */
static int socket_add_addresses(DBusMessageIter *array, struct heal_words *addresses)
{
	DBusMessageIter entry;

	dbus_message_iter_recurse(array, &entry);
	for (; dbus_message_iter_get_arg_type(&entry) == DBUS_TYPE_STRUCT;
	     dbus_message_iter_next(&entry)) {
		DBusMessageIter field;
		const char *kind;
		const char *address;

		dbus_message_iter_recurse(&entry, &field);
		dbus_message_iter_get_basic(&field, &kind);
		if (!dbus_message_iter_next(&field) || strcmp(kind, "Stream") != 0)
			continue;
		dbus_message_iter_get_basic(&field, &address);
		/* One in the file system is none of ssh's. */
		if (*address != '/' && *address != '@' && strrchr(address, ':') &&
		    heal_words_add(addresses, address, strlen(address)) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* The unit that it starts: what it triggers, or an instance of the template of its name. */
static int socket_service(struct systemd *systemd, const char *path, const char *unit, bool accepts,
			  char **ret, struct heal_error *error)
{
	_cleanup_message_ DBusMessage *reply = NULL;
	DBusMessageIter value;
	DBusMessageIter item;
	const char *service;
	int r;

	if (accepts) {
		r = asprintf(ret, "%.*s@" SOCKET_INSTANCE ".service", (int)strcspn(unit, "."), unit);
		if (r < 0)
			*ret = NULL;
		return r < 0 ? heal_error_set(error, ENOMEM, "asking systemd about %s: out of memory", unit)
			     : 0;
	}
	r = systemd_get(systemd, path, SYSTEMD_UNIT, "Triggers", "as", &reply, &value, error);
	if (r < 0)
		return r;
	dbus_message_iter_recurse(&value, &item);
	if (dbus_message_iter_get_arg_type(&item) != DBUS_TYPE_STRING)
		return heal_error_set(error, ENODATA, "%s starts no unit", unit);
	dbus_message_iter_get_basic(&item, &service);
	*ret = strdup(service);
	return *ret ? 0 : heal_error_set(error, ENOMEM, "asking systemd about %s: out of memory", unit);
}

int systemd_socket_of(void *handle, const char *unit, struct heal_socket_unit *ret,
		      struct heal_error *error)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *state = NULL;
	_cleanup_message_ DBusMessage *reply = NULL;
	DBusMessageIter value;
	dbus_bool_t accepts = FALSE;
	int r = systemd_unit_path(handle, "LoadUnit", unit, &path, error);

	if (r == 0)
		r = systemd_get_string(handle, path, SYSTEMD_UNIT, "ActiveState", &state, error);
	if (r < 0 || !state)
		return r < 0 ? r : -EBADMSG;
	if (strcmp(state, "active") != 0)
		return 0;
	r = systemd_get_basic(handle, path, SOCKET_INTERFACE, "Accept", "b", &accepts, error);
	if (r == 0)
		r = systemd_get(handle, path, SOCKET_INTERFACE, "Listen", "a(ss)", &reply, &value, error);
	if (r == 0 && socket_add_addresses(&value, &ret->addresses) < 0)
		r = heal_error_set(error, ENOMEM, "asking systemd about %s: out of memory", unit);
	if (r == 0)
		r = socket_service(handle, path, unit, accepts, &ret->service, error);
	ret->accepts = accepts;
	return r < 0 ? r : 1;
}

/* ListUnitsByPatterns gives a(ssssssouso), the name first. */
int systemd_ssh_units(void *handle, struct heal_words *ret, struct heal_error *error)
{
	static const char *const patterns[] = {"*ssh*.service", "*ssh*.socket"};
	static const char what[] = "asking systemd for units of ssh";
	_cleanup_message_ DBusMessage *reply = NULL;
	const char *const *states = patterns;
	const char *const *names = patterns;
	DBusMessage *request = systemd_append(
		systemd_request(SYSTEMD_PATH, SYSTEMD_MANAGER, "ListUnitsByPatterns"), DBUS_TYPE_ARRAY,
		DBUS_TYPE_STRING, &states, 0, DBUS_TYPE_ARRAY, DBUS_TYPE_STRING, &names,
		(int)ARRAY_SIZE(patterns), DBUS_TYPE_INVALID);
	DBusMessageIter iter;
	DBusMessageIter array;
	int r = systemd_ask(handle, request, what, &reply, error);

	if (r < 0)
		return r;
	if (!dbus_message_has_signature(reply, "a(ssssssouso)") || !dbus_message_iter_init(reply, &iter))
		return heal_error_set(error, EBADMSG, "%s: unexpected reply", what);
	dbus_message_iter_recurse(&iter, &array);
	for (; dbus_message_iter_get_arg_type(&array) == DBUS_TYPE_STRUCT; dbus_message_iter_next(&array)) {
		DBusMessageIter field;
		const char *name;

		dbus_message_iter_recurse(&array, &field);
		dbus_message_iter_get_basic(&field, &name);
		if (heal_words_add(ret, name, strlen(name)) < 0)
			return heal_error_set(error, ENOMEM, "%s: out of memory", what);
	}
	return 0;
}
