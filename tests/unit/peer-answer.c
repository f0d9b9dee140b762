/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What systemd, or the bus, says to a call. */
#include "peer.h"
#include "test.h"

static void peer_append(DBusMessageIter *iter, int type, const void *value)
{
	assert_true(dbus_message_iter_append_basic(iter, type, value));
}

static void peer_open(DBusMessageIter *iter, int type, const char *signature, DBusMessageIter *ret)
{
	assert_true(dbus_message_iter_open_container(iter, type, signature, ret));
}

static void peer_strings(DBusMessageIter *variant, const char *text)
{
	DBusMessageIter array;

	peer_open(variant, DBUS_TYPE_ARRAY, "s", &array);
	if (text)
		peer_append(&array, DBUS_TYPE_STRING, &text);
	assert_true(dbus_message_iter_close_container(variant, &array));
}

static void peer_job(DBusMessageIter *variant, const char *job)
{
	DBusMessageIter entry;
	dbus_uint32_t id = strcmp(job, PEER_NO_JOB) != 0 ? 7 : 0;

	peer_open(variant, DBUS_TYPE_STRUCT, NULL, &entry);
	peer_append(&entry, DBUS_TYPE_UINT32, &id);
	peer_append(&entry, DBUS_TYPE_OBJECT_PATH, &job);
	assert_true(dbus_message_iter_close_container(variant, &entry));
}

/* a(sasbttttuii) */
static void peer_commands(DBusMessageIter *variant, const char *program, const char *option)
{
	const char *const words[] = {program, option, "$SSHD_OPTS"};
	DBusMessageIter array;
	DBusMessageIter entry;
	DBusMessageIter argv;
	dbus_uint64_t when = 0;
	dbus_uint32_t number = 0;

	peer_open(variant, DBUS_TYPE_ARRAY, "(sasbttttuii)", &array);
	if (program) {
		peer_open(&array, DBUS_TYPE_STRUCT, NULL, &entry);
		peer_append(&entry, DBUS_TYPE_STRING, &words[0]);
		peer_open(&entry, DBUS_TYPE_ARRAY, "s", &argv);
		for (size_t i = 0; i < ARRAY_SIZE(words); i++)
			peer_append(&argv, DBUS_TYPE_STRING, &words[i]);
		assert_true(dbus_message_iter_close_container(&entry, &argv));
		peer_append(&entry, DBUS_TYPE_BOOLEAN, &number);
		for (int i = 0; i < 4; i++)
			peer_append(&entry, DBUS_TYPE_UINT64, &when);
		peer_append(&entry, DBUS_TYPE_UINT32, &number);
		peer_append(&entry, DBUS_TYPE_INT32, &number);
		peer_append(&entry, DBUS_TYPE_INT32, &number);
		assert_true(dbus_message_iter_close_container(&array, &entry));
	}
	assert_true(dbus_message_iter_close_container(variant, &array));
}

/* a(sb) */
static void peer_files(DBusMessageIter *variant)
{
	static const char *const paths[] = {"/etc/default/ssh", "/etc/ssh/environment"};
	DBusMessageIter array;
	DBusMessageIter entry;

	peer_open(variant, DBUS_TYPE_ARRAY, "(sb)", &array);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		dbus_bool_t may_miss = i == 0;

		peer_open(&array, DBUS_TYPE_STRUCT, NULL, &entry);
		peer_append(&entry, DBUS_TYPE_STRING, &paths[i]);
		peer_append(&entry, DBUS_TYPE_BOOLEAN, &may_miss);
		assert_true(dbus_message_iter_close_container(&array, &entry));
	}
	assert_true(dbus_message_iter_close_container(variant, &array));
}

/* A property's value, and its signature; value is a string unless that says otherwise. */
struct peer_value {
	const char *property;
	const char *signature;
	const void *value;
};

static void peer_fill(const struct peer *peer, const struct peer_value *value,
		      DBusMessageIter *variant)
{
	if (strcmp(value->signature, "as") == 0)
		peer_strings(variant, value->value);
	else if (strcmp(value->signature, "(uo)") == 0)
		peer_job(variant, value->value);
	else if (strcmp(value->signature, "a(sb)") == 0)
		peer_files(variant);
	else if (value->signature[0] == 'a' && strcmp(value->property, "ExecStart") == 0)
		peer_commands(variant, peer->has_no_command ? NULL : "/usr/sbin/sshd", "-D");
	else if (value->signature[0] == 'a')
		peer_commands(variant, value->value, "-t");
	else
		peer_append(variant, value->signature[0], value->value);
}

static const char *peer_unit_of_path(const char *path)
{
	return strstr(path, "/unit/ssh_2eservice") ? "ssh.service" : "another";
}

/* One property, or all with NULL for its name: then of each its name is in front. */
static int peer_add(const struct peer *peer, const struct peer_state *now, DBusMessage *call,
		    const char *property, DBusMessageIter *iter)
{
	bool is_ours = strcmp(peer_unit_of_path(dbus_message_get_path(call)), "ssh.service") == 0;
	const char *state = is_ours ? peer->active_state : peer->sub_unit_state;
	dbus_bool_t can_reload = peer->can_reload;
	dbus_bool_t refuses_stop = peer->refuses_stop;
	dbus_bool_t is_changed = peer->is_changed;
	const dbus_bool_t yes = TRUE;
	const char *no = "no";
	const uint64_t start_us = PEER_START_US;
	const struct peer_value values[] = {
		{"Id", "s", &peer->unit},
		{"ActiveState", "s", &state},
		{"Result", "s", &peer->result},
		{"ReloadResult", "s", &peer->reload_result},
		{"KillMode", "s", &peer->kill_mode},
		{"SystemState", "s", &peer->system_state},
		{"WorkingDirectory", "s", &peer->directory},
		{"LoadState", "s", &peer->load_state},
		{"UnitFileState", "s", &peer->file_state},
		{"NeedDaemonReload", "b", &is_changed},
		{"ActiveEnterTimestampMonotonic", "t", &start_us},
		{"ExecStartPre", "a(sasbttttuii)", peer->start_pre},
		{"ExecCondition", "a(sasbttttuii)", NULL},
		{"ExecStartPost", "a(sasbttttuii)", peer->start_post},
		{"ExecMainStartTimestamp", "t", &peer->started_us},
		{"FragmentPath", "s", &peer->fragment},
		{"DropInPaths", "as", peer->drop_in},
		{"Requires", "as", peer->requires},
		{"ReadOnlyPaths", "as", peer->read_only},
		{"ProtectSystem", "s", &no},
		{peer->confined_by ? peer->confined_by : "none", "b", &yes},
		{"MainPID", "u", &peer->main_pid},
		{"NRestarts", "u", &peer->n_restarts},
		{"CanReload", "b", &can_reload},
		{"RefuseManualStop", "b", &refuses_stop},
		{"StateChangeTimestampMonotonic", "t", &now->changed},
		{"ExecMainStartTimestampMonotonic", "t", &start_us},
		{"ActiveExitTimestampMonotonic", "t", &peer->closed_us},
		{"TriggeredBy", "as", peer->triggered_by},
		{"Environment", "as", peer->environment},
		{"RuntimeDirectory", "as", peer->runtime},
		{"EnvironmentFiles", "a(sb)", NULL},
		{"ExecStart", "a(sasbttttuii)", NULL},
		{"Job", "(uo)", now->job},
	};
	int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		const struct peer_value *value = &values[i];
		DBusMessageIter entry;
		DBusMessageIter variant;

		if (property && strcmp(value->property, property) != 0)
			continue;
		/* Some have no value by now. */
		if (!property && value->signature[0] == 's' && (!*(const char *const *)value->value))
			continue;
		if (!property)
			peer_open(iter, DBUS_TYPE_DICT_ENTRY, NULL, &entry);
		if (!property)
			peer_append(&entry, DBUS_TYPE_STRING, &value->property);
		peer_open(property ? iter : &entry, DBUS_TYPE_VARIANT, value->signature, &variant);
		peer_fill(peer, value, &variant);
		assert_true(dbus_message_iter_close_container(property ? iter : &entry, &variant));
		if (!property)
			assert_true(dbus_message_iter_close_container(iter, &entry));
		n++;
		if (property)
			break;
	}
	return n;
}

static DBusMessage *peer_property(const struct peer *peer, const struct peer_state *now,
				  DBusMessage *call, bool is_wrong)
{
	static const dbus_int16_t number = 5;
	DBusMessage *reply = dbus_message_new_method_return(call);
	DBusMessageIter iter;
	DBusMessageIter variant;
	const char *interface;
	const char *property;

	assert_true(dbus_message_get_args(call, NULL, DBUS_TYPE_STRING, &interface,
					  DBUS_TYPE_STRING, &property, DBUS_TYPE_INVALID));
	dbus_message_iter_init_append(reply, &iter);
	if (is_wrong) {
		peer_open(&iter, DBUS_TYPE_VARIANT, "n", &variant);
		peer_append(&variant, DBUS_TYPE_INT16, &number);
		assert_true(dbus_message_iter_close_container(&iter, &variant));
		return reply;
	}
	if (peer_add(peer, now, call, property, &iter))
		return reply;
	dbus_message_unref(reply);
	return dbus_message_new_error(call, DBUS_ERROR_UNKNOWN_PROPERTY, property);
}

/* GetAll, whichever interface is asked for. */
static DBusMessage *peer_properties(const struct peer *peer, const struct peer_state *now, DBusMessage *call)
{
	DBusMessage *reply = dbus_message_new_method_return(call);
	DBusMessageIter iter;
	DBusMessageIter all;

	dbus_message_iter_init_append(reply, &iter);
	peer_open(&iter, DBUS_TYPE_ARRAY, "{sv}", &all);
	(void)peer_add(peer, now, call, NULL, &all);
	assert_true(dbus_message_iter_close_container(&iter, &all));
	return reply;
}

/* A transient unit is told by what it is to conflict with and to run; both, or it is none. */
static bool peer_is_rescue(DBusMessage *call)
{
	char *bytes;
	int len;
	bool is_one = dbus_message_has_signature(call, "ssa(sv)a(sa(sv))") &&
		      dbus_message_marshal(call, &bytes, &len);

	if (!is_one)
		return false;
	is_one = memmem(bytes, (size_t)len, "second.service", 14) &&
		 memmem(bytes, (size_t)len, "/usr/sbin/sshd\0\0\2\0\0\0-f", 22);
	dbus_free(bytes);
	return is_one;
}

static DBusMessage *peer_reply(DBusMessage *call, int type, const char *text)
{
	DBusMessage *reply = dbus_message_new_method_return(call);

	assert_true(dbus_message_append_args(reply, type, &text, DBUS_TYPE_INVALID));
	return reply;
}

bool peer_is_job(const char *method)
{
	return strcmp(method, "ReloadUnit") == 0 || strcmp(method, "TryRestartUnit") == 0 ||
	       strcmp(method, "StartUnit") == 0 || strcmp(method, "StartTransientUnit") == 0;
}

static DBusMessage *peer_unit_path(const struct peer *peer, DBusMessage *call)
{
	const char *unit = "ssh.service";

	if (!dbus_message_has_member(call, "GetUnitByPID"))
		assert_true(dbus_message_get_args(call, NULL, DBUS_TYPE_STRING, &unit,
						  DBUS_TYPE_INVALID));
	else if (!peer->unit)
		return dbus_message_new_error(call, SYSTEMD_NAME ".NoUnitForPID", "no such PID");
	if (strcmp(unit, "ssh.service") == 0)
		return peer_reply(call, DBUS_TYPE_OBJECT_PATH, SYSTEMD_PATH "/unit/ssh_2eservice");
	if (!peer->sub_unit_state)
		return dbus_message_new_error(call, SYSTEMD_NAME ".NoSuchUnit", "it is not loaded");
	return peer_reply(call, DBUS_TYPE_OBJECT_PATH, SYSTEMD_PATH "/unit/other");
}

DBusMessage *peer_answer(const struct peer *peer, const struct peer_state *now, DBusMessage *call,
			 bool is_wrong)
{
	const char *method = dbus_message_get_member(call);

	if (strcmp(method, "Get") == 0)
		return peer_property(peer, now, call, is_wrong);
	if (strcmp(method, "GetAll") == 0 && !is_wrong)
		return peer_properties(peer, now, call);
	if (strcmp(method, "StartTransientUnit") == 0 && !peer_is_rescue(call))
		return dbus_message_new_error(call, DBUS_ERROR_INVALID_ARGS, "no such unit");
	if (is_wrong)
		return peer_reply(call, DBUS_TYPE_STRING, "wrong");
	if (strcmp(method, "Hello") == 0)
		return peer_reply(call, DBUS_TYPE_STRING, ":1.7");
	if (strcmp(method, "GetNameOwner") == 0)
		return peer_reply(call, DBUS_TYPE_STRING, now->name);
	if (strcmp(method, "GetUnit") == 0 || strcmp(method, "LoadUnit") == 0 ||
	    strcmp(method, "GetUnitByPID") == 0)
		return peer_unit_path(peer, call);
	if (peer_is_job(method))
		return peer_reply(call, DBUS_TYPE_OBJECT_PATH, PEER_JOB);
	return dbus_message_new_method_return(call);
}
