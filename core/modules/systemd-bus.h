/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection to systemd over D-Bus, through libdbus: by PID 1's private socket, as
 * root's systemctl does, which needs no dbus-daemon; by the system bus where that socket
 * cannot be had. It is made anew when it breaks.
 */
#ifndef SSHD_HEAL_SYSTEMD_BUS_H
#define SSHD_HEAL_SYSTEMD_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dbus/dbus.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/words.h"
#include "host/module.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER SYSTEMD_NAME ".Manager"
#define SYSTEMD_UNIT SYSTEMD_NAME ".Unit"
#define SYSTEMD_SERVICE SYSTEMD_NAME ".Service"

/* Where systemd is to be met, and how long that may take, in ms. */
struct systemd_setup {
	const char *private_address;
	const char *bus_address;
	const char *analyze; /* systemd-analyze(1) */
	int call_ms;  /* no answer within this is none */
	int retry_ms; /* for so long a question is asked again, and a connection tried */
	int pause_ms; /* between two attempts to connect */
	int poll_ms;  /* how long a job is awaited before its unit is asked about it */
};

/* That of a host. */
extern const struct systemd_setup systemd_setup;

struct systemd {
	const struct systemd_setup *setup;
	int64_t deadline_ms; /* of every question but a job's */
	DBusConnection *bus; /* NULL: it broke, and is to be made anew */
	bool is_private;
	char *peer; /* systemd's unique name on the bus; NULL on the private socket */
	DBusMessage **signals; /* JobRemoved that came while something else was awaited */
	size_t n_signals;
};

#define _cleanup_message_ _cleanup_(systemd_unref)
void systemd_unref(DBusMessage **message);

/* Connects; the setup stays the caller's. Errors: those of systemd_ask(). */
int systemd_open_at(const struct systemd_setup *setup, int64_t deadline_ms, struct systemd **ret,
		    struct heal_error *error);
void systemd_close(void *handle);

/*
 * Gives -errno for a D-Bus error, which it frees; the message keeps the peer's words.
 * -EPIPE: whoever was asked went away without an answer, or is not there now.
 */
int systemd_error(DBusError *dbus_error, const char *what, struct heal_error *error);

/* A method call to systemd; NULL when out of memory. */
DBusMessage *systemd_request(const char *path, const char *interface, const char *method);

/* Appends arguments as dbus_message_append_args() does; NULL when out of memory. */
DBusMessage *systemd_append(DBusMessage *request, int first_type, ...);

/*
 * Sends a request once and waits for the answer until deadline_ms. The request is taken
 * over, and may be NULL for want of memory. Errors: -EPIPE when the connection broke,
 * -ETIMEDOUT when no answer came: then nobody knows whether the request was received.
 */
int systemd_call(struct systemd *systemd, DBusMessage *request, int64_t deadline_ms,
		 const char *what, DBusMessage **ret, struct heal_error *error);

/*
 * The same for a request that changes nothing when it is carried out twice: asked again,
 * over a new connection, while there is time. Errors: -ENOTCONN, -ETIMEDOUT, those that
 * systemd gives.
 */
int systemd_ask(struct systemd *systemd, DBusMessage *request, const char *what,
		DBusMessage **ret, struct heal_error *error);

/*
 * Waits for a JobRemoved, or anything else, and keeps the former in signals.
 * Errors: -ETIMEDOUT, -EPIPE, -ENOMEM.
 */
int systemd_listen(struct systemd *systemd, int64_t deadline_ms);
void systemd_forget_signals(struct systemd *systemd);

/* "ssh.service" for the path of its object, "…/unit/ssh_2eservice"; cut at size. */
void systemd_name_of_path(const char *path, char *ret, size_t size);

/* The object path in a reply that holds nothing else; it points into the reply. */
int systemd_reply_path(DBusMessage *reply, const char *what, const char **ret,
		       struct heal_error *error);

/* The object path of a unit, by "GetUnit" (-ENOENT when it is not loaded) or "LoadUnit". */
int systemd_unit_path(struct systemd *systemd, const char *method, const char *unit, char **ret,
		      struct heal_error *error);

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

/* --- systemd-job.c --------------------------------------------------------- */

/* Whether a unit, by its object, has a job that waits or runs. */
int systemd_has_job(struct systemd *systemd, const char *unit_path, bool *ret, struct heal_error *error);

/* service_ops' run_job(). */
int systemd_run_job(void *handle, enum heal_job which, const char *unit, int64_t deadline_ms,
		    struct heal_error *error);
/* Likewise a request of our own making that starts a unit; it is taken over, and may be NULL. */
int systemd_run_request(struct systemd *systemd, const char *unit, DBusMessage *request,
			int64_t deadline_ms, struct heal_error *error);

/* --- systemd-foresee.c ----------------------------------------------------- */

/* Whether a text is in a list, which ends with NULL. */
bool systemd_is_one_of(const char *text, const char *const *list);

/* service_ops' foresee() and is_confined(). */
int systemd_foresee(void *handle, const char *unit, struct heal_error *error);
int systemd_is_confined(void *handle, const char *unit, bool *ret, struct heal_error *error);

/* --- systemd-rescue.c ------------------------------------------------------ */

/* StartTransientUnit for HEAL_RESCUE_UNIT; NULL when out of memory. */
DBusMessage *systemd_rescue_request(const struct heal_rescue *rescue);

/* --- systemd-socket.c ------------------------------------------------------ */

/* service_ops' socket_of(). */
int systemd_socket_of(void *handle, const char *unit, struct heal_socket_unit *ret,
		      struct heal_error *error);
/* service_ops' ssh_units(). */
int systemd_ssh_units(void *handle, struct heal_words *ret, struct heal_error *error);

#endif
