/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection to systemd over D-Bus, through libdbus: the system bus, or systemd's
 * private socket where the bus is down, hung or being upgraded.
 */
#ifndef SSHD_HEAL_SYSTEMD_BUS_H
#define SSHD_HEAL_SYSTEMD_BUS_H

#include <dbus/dbus.h>

#include "../internal.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER SYSTEMD_NAME ".Manager"
#define SYSTEMD_UNIT SYSTEMD_NAME ".Unit"
#define SYSTEMD_SERVICE SYSTEMD_NAME ".Service"

struct systemd {
	DBusConnection *bus;
	bool is_subscribed;
	char *peer;      /* systemd's unique name on the bus; NULL on the private socket */
	bool is_private; /* straight to PID 1: no names, no Subscribe, no match rules */
	int64_t deadline_ms;
	int call_ms; /* how long a reply may take */
	DBusMessage **signals; /* JobRemoved that came while a reply was awaited */
	size_t n_signals;
};

#define _cleanup_message_ _cleanup_(systemd_unref)
void systemd_unref(DBusMessage **message);

/* Connects; service_ops' open and close. */
int systemd_open(int64_t deadline_ms, void **ret, struct heal_error *error);
void systemd_close(void *handle);

/* Gives -errno for a D-Bus error, which it frees; the message keeps the peer's words. */
int systemd_error(DBusError *dbus_error, const char *what, struct heal_error *error);

/* A method call to systemd; NULL when out of memory. */
DBusMessage *systemd_request(const struct systemd *systemd, const char *path,
			     const char *interface, const char *method);

/* Appends arguments as dbus_message_append_args() does; NULL when out of memory. */
DBusMessage *systemd_append(DBusMessage *request, int first_type, ...);

/* Sends a request, which may be NULL and is taken over, and waits for the reply. */
int systemd_call(struct systemd *systemd, DBusMessage *request, const char *what,
		 DBusMessage **ret, struct heal_error *error);

/* The next message, waited for until the deadline (CLOCK_MONOTONIC ms). */
int systemd_receive(struct systemd *systemd, int64_t deadline_ms, const char *what,
		    DBusMessage **ret, struct heal_error *error);

/* Whether a message comes from systemd, and not from anyone else on the bus. */
bool systemd_is_from_peer(const struct systemd *systemd, DBusMessage *message);

/* One property of an object; the iterator stands on its value, of the given signature. */
int systemd_get(struct systemd *systemd, const char *path, const char *interface,
		const char *property, const char *signature, DBusMessage **ret,
		DBusMessageIter *value, struct heal_error *error);

/* A property of a basic type other than a string, named by its signature. */
int systemd_get_basic(struct systemd *systemd, const char *path, const char *interface,
		      const char *property, const char *signature, void *ret,
		      struct heal_error *error);

/* A string property, to be freed. */
int systemd_get_string(struct systemd *systemd, const char *path, const char *interface,
		       const char *property, char **ret, struct heal_error *error);

#endif
