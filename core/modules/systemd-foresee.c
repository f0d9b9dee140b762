/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a start of a unit gets as far as sshd. A rehearsal has sshd's arguments and the
 * mounts that the listener has; what systemd does before, around and after sshd is looked
 * at here, and what cannot be foreseen is called that.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/spawn.h"
#include "systemd-bus.h"

/* What capabilities(7) has known since 2.6.39. */
#define FORESEE_CAPABILITIES ((UINT64_C(1) << 36) - 1)

/* What is known of a start. */
struct foresee {
	struct systemd *systemd;
	const char *unit;
	struct heal_error *error; /* what comes in between */
	dbus_bool_t is_unread;
	uint64_t changed_us; /* when the youngest of its files was changed, since 1970 */
	uint64_t started_us; /* when the sshd that runs was */
	char confined_by[64]; /* a property; "": none that counts */
};

/* What to make of a property; not 0 ends it. */
typedef int foresee_property(struct foresee *foresee, const char *name, DBusMessageIter *value);

bool systemd_is_one_of(const char *text, const char *const *list)
{
	while (*list && strcmp(*list, text) != 0)
		list++;
	return *list;
}

/* Whether a command is `sshd -t`, which a rehearsal makes up for; the iterator is in its structure. */
static bool foresee_tests_sshd(DBusMessageIter field)
{
	DBusMessageIter words;
	const char *text;

	dbus_message_iter_get_basic(&field, &text);
	if (strcmp(strrchr(text, '/') ? strrchr(text, '/') : text, "/sshd") != 0)
		return false;
	(void)dbus_message_iter_next(&field);
	dbus_message_iter_recurse(&field, &words);
	for (; dbus_message_iter_get_arg_type(&words) == DBUS_TYPE_STRING; dbus_message_iter_next(&words)) {
		dbus_message_iter_get_basic(&words, &text);
		if (strcmp(text, "-t") == 0)
			return true;
	}
	return false;
}

/*
 * The flag that is the third field of a structure: of a command that it may fail ("-" in
 * front of it), of a bind mount that it may be missing.
 */
static bool foresee_flag(DBusMessageIter field)
{
	dbus_bool_t flag = FALSE;
	int n = 0;

	while (n < 2 && dbus_message_iter_next(&field))
		n++;
	if (n == 2 && dbus_message_iter_get_arg_type(&field) == DBUS_TYPE_BOOLEAN)
		dbus_message_iter_get_basic(&field, &flag);
	return flag;
}

/* That none of the commands of a(sasbttttuii) can keep sshd from running. */
static int foresee_commands(struct foresee *foresee, const char *property, DBusMessageIter *value)
{
	bool is_after = strcmp(property, "ExecStartPost") == 0;
	DBusMessageIter array;

	dbus_message_iter_recurse(value, &array);
	for (; dbus_message_iter_get_arg_type(&array) == DBUS_TYPE_STRUCT; dbus_message_iter_next(&array)) {
		DBusMessageIter field;

		dbus_message_iter_recurse(&array, &field);
		/* What runs before sshd may change what it finds, too. */
		if (is_after ? foresee_flag(field) : foresee_tests_sshd(field))
			continue;
		return heal_error_set(foresee->error, ECANCELED, "%s has an %s=%s, which may fail", foresee->unit,
				      property, is_after ? "" : " other than sshd -t");
	}
	return 0;
}

/* Conditions and asserts as they stand now; PID 1 itself only knows of its last start. */
static int foresee_conditions(const struct systemd *systemd, const char *unit, struct heal_error *error)
{
	_cleanup_(heal_output_done) struct heal_output output = {0};
	const char *path = systemd->setup->analyze;
	char option[192];
	char *const argv[] = {(char *)path, (char *)"condition", option, NULL};
	const struct heal_command command = {.path = path, .argv = argv, .fds = {-1, -1, -1}};
	int64_t deadline_ms = heal_now_ms() + heal_left_ms(systemd->deadline_ms, systemd->setup->retry_ms);
	int r;

	(void)snprintf(option, sizeof(option), "--unit=%s", unit);
	r = heal_spawn_capture(&command, deadline_ms, &output);
	if (r < 0)
		return heal_error_set(error, -r, "asking %s about %s: %s", path, unit, strerror(-r));
	if (output.status != 0)
		return heal_error_set(error, ENXIO,
				      "the conditions of %s may not hold: %s condition %s ended with status %d",
				      unit, path, option, output.status);
	return 0;
}

/* Whether a unit that another needs is there; what is not would be started, with an end that is open. */
static int foresee_unit(struct foresee *foresee, const char *needed)
{
	static const char *const running[] = {"active", "reloading", "refreshing", NULL};
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *state = NULL;
	int r = systemd_unit_path(foresee->systemd, "GetUnit", needed, &path, foresee->error);
	if (r == 0)
		r = systemd_get_string(foresee->systemd, path, SYSTEMD_UNIT, "ActiveState", &state,
				       foresee->error);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r < 0 || !state || !systemd_is_one_of(state, running))
		return heal_error_set(foresee->error, ECANCELED, "%s needs %s, which is not active",
				      foresee->unit, needed);
	return 0;
}

/* A file of the unit; what cannot be seen was changed. */
static void foresee_date(struct foresee *foresee, const char *file)
{
	struct stat st;
	uint64_t changed_us = UINT64_MAX;

	if (!*file)
		return;
	if (stat(file, &st) == 0)
		changed_us = (uint64_t)st.st_ctim.tv_sec * 1000000 + (uint64_t)st.st_ctim.tv_nsec / 1000;
	if (changed_us > foresee->changed_us)
		foresee->changed_us = changed_us;
}

static bool foresee_has_type(DBusMessageIter *value, int type)
{
	return dbus_message_iter_get_arg_type(value) == type;
}

/* What any unit has. */
static int foresee_of_unit(struct foresee *foresee, const char *name, DBusMessageIter *value)
{
	static const char *const needs[] = {"Requires", "Requisite", "BindsTo", NULL};
	/* Of every service, systemd.service(5), and for as long as the host is up. */
	static const char *const usual[] = {"-.mount", "sysinit.target", "system.slice", NULL};
	bool is_need = systemd_is_one_of(name, needs);
	DBusMessageIter item;
	const char *text;
	int r = 0;

	if (strcmp(name, "NeedDaemonReload") == 0 && foresee_has_type(value, DBUS_TYPE_BOOLEAN))
		dbus_message_iter_get_basic(value, &foresee->is_unread);
	if (strcmp(name, "FragmentPath") == 0 && foresee_has_type(value, DBUS_TYPE_STRING)) {
		dbus_message_iter_get_basic(value, &text);
		foresee_date(foresee, text);
	}
	if ((!is_need && strcmp(name, "DropInPaths") != 0) || !foresee_has_type(value, DBUS_TYPE_ARRAY))
		return 0;
	dbus_message_iter_recurse(value, &item);
	for (; r == 0 && foresee_has_type(&item, DBUS_TYPE_STRING); dbus_message_iter_next(&item)) {
		dbus_message_iter_get_basic(&item, &text);
		if (!is_need)
			foresee_date(foresee, text);
		else if (!systemd_is_one_of(text, usual))
			r = foresee_unit(foresee, text);
	}
	return r;
}

/* Whether a property is set to anything but its default, as far as those go that are asked for. */
static bool foresee_is_set(DBusMessageIter *value)
{
	static const char *const defaults[] = {"", "no", "default", "all", "auto", NULL};
	dbus_bool_t flag = FALSE;
	dbus_uint64_t number = 0;
	const char *text;
	DBusMessageIter inner;

	switch (dbus_message_iter_get_arg_type(value)) {
	case DBUS_TYPE_BOOLEAN:
		dbus_message_iter_get_basic(value, &flag);
		return flag;
	case DBUS_TYPE_UINT64:
		dbus_message_iter_get_basic(value, &number);
		return (number & FORESEE_CAPABILITIES) != FORESEE_CAPABILITIES;
	case DBUS_TYPE_STRING:
		dbus_message_iter_get_basic(value, &text);
		return !systemd_is_one_of(text, defaults);
	case DBUS_TYPE_ARRAY:
		dbus_message_iter_recurse(value, &inner);
		return dbus_message_iter_get_arg_type(&inner) != DBUS_TYPE_INVALID;
	case DBUS_TYPE_STRUCT:
		/* A flag, and what it is about. */
		dbus_message_iter_recurse(value, &inner);
		dbus_message_iter_get_basic(&inner, &flag);
		return flag || (dbus_message_iter_next(&inner) && foresee_is_set(&inner));
	default:
		return false;
	}
}

/* Whether a property is one that shuts a service in, systemd.exec(5), systemd.resource-control(5). */
static bool foresee_is_confinement(const char *name)
{
	static const char *const prefixes[] = {"IPAddress", "IPIngressFilter", "IPEgressFilter",
					       "SocketBind", "Private", "Protect"};
	/* By its whole name: Extension and Root have policies, which always are set (257). */
	static const char *const names[] = {
		"BindPaths", "BindReadOnlyPaths", "DynamicUser", "ExecPaths", "ExtensionDirectories",
		"ExtensionImages", "IPCNamespacePath", "InaccessiblePaths", "MountImages",
		"NetworkNamespacePath", "NoExecPaths", "ProcSubset", "ReadOnlyPaths",
		"ReadWritePaths", "RootDirectory", "RootImage", "TemporaryFileSystem", NULL};
	bool is_one = systemd_is_one_of(name, names);

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		is_one |= strncmp(name, prefixes[i], strlen(prefixes[i])) == 0;
	return is_one;
}

/* Whether an sshd that was started without a property may not start with it. */
static bool foresee_may_hinder(const char *name)
{
	static const char *const names[] = {
		"AppArmorProfile", "CapabilityBoundingSet", "DeviceAllow", "DevicePolicy", "Group",
		"LoadCredential", "LoadCredentialEncrypted", "MemoryDenyWriteExecute", "NoNewPrivileges",
		"PAMName", "Personality", "RestrictAddressFamilies", "RestrictFileSystems",
		"SELinuxContext", "SetCredential", "SmackProcessLabel", "SystemCallArchitectures",
		"SystemCallFilter", "User", NULL};

	return foresee_is_confinement(name) || systemd_is_one_of(name, names);
}

static int foresee_file(const struct foresee *foresee, const char *property, const char *path)
{
	/* "-": it may be missing; "+": within the unit's root directory, which is that of all. */
	bool may_miss = *path == '-';

	path += strspn(path, "-+");
	if (may_miss || *path != '/' || access(path, F_OK) == 0)
		return 0;
	return heal_error_set(foresee->error, ENXIO, "%s needs %s by its %s=: %s", foresee->unit, path,
			      property, strerror(errno));
}

/* The files of a list: words, or structures of which one word is a file. */
static int foresee_files(const struct foresee *foresee, const char *property, DBusMessageIter *value)
{
	bool is_credential = strncmp(property, "Load", 4) == 0;
	DBusMessageIter item;
	int r = 0;

	dbus_message_iter_recurse(value, &item);
	for (; r == 0 && dbus_message_iter_get_arg_type(&item) != DBUS_TYPE_INVALID;
	     dbus_message_iter_next(&item)) {
		DBusMessageIter field = item;
		const char *path;

		if (dbus_message_iter_get_arg_type(&item) == DBUS_TYPE_STRUCT)
			dbus_message_iter_recurse(&item, &field);
		if (is_credential)
			(void)dbus_message_iter_next(&field);
		dbus_message_iter_get_basic(&field, &path);
		if (strncmp(property, "Bind", 4) != 0 || !foresee_flag(field))
			r = foresee_file(foresee, property, path);
	}
	return r;
}

/* What systemd needs for a start, and had for the last one. */
static int foresee_needs(const struct foresee *foresee, const char *name, DBusMessageIter *value)
{
	static const char *const lists[] = {
		"BindPaths", "BindReadOnlyPaths", "ExecPaths", "InaccessiblePaths", "LoadCredential",
		"LoadCredentialEncrypted", "NoExecPaths", "ReadOnlyPaths", "ReadWritePaths", NULL};
	static const char *const streams[] = {"StandardInput", "StandardOutput", "StandardError", NULL};
	static const char *const files[] = {"append", "file", "truncate", NULL};
	const char *text;

	if (systemd_is_one_of(name, lists) && foresee_has_type(value, DBUS_TYPE_ARRAY))
		return foresee_files(foresee, name, value);
	if (!systemd_is_one_of(name, streams) || !foresee_has_type(value, DBUS_TYPE_STRING))
		return 0;
	/* Which one it is, systemd does not tell. */
	dbus_message_iter_get_basic(value, &text);
	return systemd_is_one_of(text, files)
		       ? heal_error_set(foresee->error, ECANCELED, "%s has %s=%s:, of a file that may not be had",
					foresee->unit, name, text)
		       : 0;
}

/* What a service has. */
static int foresee_of_service(struct foresee *foresee, const char *name, DBusMessageIter *value)
{
	static const char *const commands[] = {"ExecStartPre", "ExecCondition", "ExecStartPost", NULL};

	if (systemd_is_one_of(name, commands) && foresee_has_type(value, DBUS_TYPE_ARRAY))
		return foresee_commands(foresee, name, value);
	if (strcmp(name, "ExecMainStartTimestamp") == 0 && foresee_has_type(value, DBUS_TYPE_UINT64))
		dbus_message_iter_get_basic(value, &foresee->started_us);
	if (foresee_may_hinder(name) && foresee_is_set(value))
		(void)snprintf(foresee->confined_by, sizeof(foresee->confined_by), "%s", name);
	return foresee_needs(foresee, name, value);
}

/* Asks for all properties of an interface. */
static int foresee_look(struct foresee *foresee, const char *path, const char *interface,
			foresee_property *look)
{
	_cleanup_message_ DBusMessage *reply = NULL;
	char what[192];
	DBusMessageIter iter;
	DBusMessageIter entry;
	int r;

	(void)snprintf(what, sizeof(what), "asking systemd for what %s may do", foresee->unit);
	r = systemd_ask(foresee->systemd,
			systemd_append(systemd_request(path, DBUS_INTERFACE_PROPERTIES, "GetAll"),
				       DBUS_TYPE_STRING, &interface, DBUS_TYPE_INVALID),
			what, &reply, foresee->error);
	if (r < 0)
		return r;
	if (!dbus_message_has_signature(reply, "a{sv}") || !dbus_message_iter_init(reply, &iter))
		return heal_error_set(foresee->error, EBADMSG, "%s: unexpected reply", what);
	dbus_message_iter_recurse(&iter, &entry);
	for (; r == 0 && foresee_has_type(&entry, DBUS_TYPE_DICT_ENTRY); dbus_message_iter_next(&entry)) {
		DBusMessageIter field;
		DBusMessageIter value;
		const char *name;

		dbus_message_iter_recurse(&entry, &field);
		dbus_message_iter_get_basic(&field, &name);
		(void)dbus_message_iter_next(&field);
		dbus_message_iter_recurse(&field, &value);
		r = look(foresee, name, &value);
	}
	return r;
}

static int foresee_is_open(struct foresee *foresee, const char *name, DBusMessageIter *value)
{
	(void)foresee;
	return foresee_is_confinement(name) && foresee_is_set(value);
}

int systemd_is_confined(void *handle, const char *unit, bool *ret, struct heal_error *error)
{
	struct foresee foresee = {.systemd = handle, .unit = unit, .error = error};
	_cleanup_free_ char *path = NULL;
	int r = systemd_unit_path(handle, "LoadUnit", unit, &path, error);

	if (r == 0)
		r = foresee_look(&foresee, path, SYSTEMD_SERVICE, foresee_is_open);
	if (r < 0)
		return r;
	*ret = r > 0;
	return 0;
}

int systemd_foresee(void *handle, const char *unit, struct heal_error *error)
{
	struct foresee foresee = {.systemd = handle, .unit = unit, .error = error};
	_cleanup_free_ char *path = NULL;
	int r = systemd_unit_path(handle, "LoadUnit", unit, &path, error);

	if (r == 0)
		r = foresee_look(&foresee, path, SYSTEMD_UNIT, foresee_of_unit);
	if (r == 0 && foresee.is_unread)
		r = heal_error_set(error, ECANCELED, "%s was changed since systemd has read it", unit);
	if (r == 0)
		r = foresee_look(&foresee, path, SYSTEMD_SERVICE, foresee_of_service);
	if (r == 0 && foresee.changed_us > foresee.started_us && *foresee.confined_by)
		r = heal_error_set(error, ECANCELED, "%s was changed since it was started, and has %s=", unit,
				   foresee.confined_by);
	return r < 0 ? r : foresee_conditions(handle, unit, error);
}
