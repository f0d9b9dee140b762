/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The transient unit that serves in the place of one that cannot be started. */
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/words.h"
#include "host/module.h"
#include "report.h"
#include "systemd-bus.h"

/* A list that is being made. Once there was no memory, nothing is added any more. */
struct rescue_list {
	DBusMessageIter iter;
	bool is_broken;
};

static void rescue_open(struct rescue_list *list, int type, const char *signature,
			struct rescue_list *ret)
{
	*ret = (struct rescue_list){.iter = DBUS_MESSAGE_ITER_INIT_CLOSED};
	ret->is_broken = list->is_broken ||
			 !dbus_message_iter_open_container(&list->iter, type, signature, &ret->iter);
}

static void rescue_close(struct rescue_list *list, struct rescue_list *inner)
{
	if (inner->is_broken && !list->is_broken)
		dbus_message_iter_abandon_container_if_open(&list->iter, &inner->iter);
	list->is_broken = inner->is_broken ||
			  !dbus_message_iter_close_container(&list->iter, &inner->iter);
}

static void rescue_add(struct rescue_list *list, int type, const void *value)
{
	list->is_broken = list->is_broken || !dbus_message_iter_append_basic(&list->iter, type, value);
}

static void rescue_add_words(struct rescue_list *list, char *const *words, size_t count)
{
	struct rescue_list inner;

	rescue_open(list, DBUS_TYPE_ARRAY, "s", &inner);
	for (size_t i = 0; i < count; i++)
		rescue_add(&inner, DBUS_TYPE_STRING, &words[i]);
	rescue_close(list, &inner);
}

/* a(sasb): the program, its arguments, and that its failure is one. */
static void rescue_add_command(struct rescue_list *list, const struct heal_words *argv)
{
	struct rescue_list commands;
	struct rescue_list command;
	dbus_bool_t is_ignored = FALSE;

	rescue_open(list, DBUS_TYPE_ARRAY, "(sasb)", &commands);
	rescue_open(&commands, DBUS_TYPE_STRUCT, NULL, &command);
	rescue_add(&command, DBUS_TYPE_STRING, &argv->items[0]);
	rescue_add_words(&command, argv->items, argv->count);
	rescue_add(&command, DBUS_TYPE_BOOLEAN, &is_ignored);
	rescue_close(&commands, &command);
	rescue_close(list, &commands);
}

/* One property; the value is a string, a list of words, or the command. */
static void rescue_add_property(struct rescue_list *properties, const char *name,
				const char *signature, const void *value, size_t count)
{
	struct rescue_list property;
	struct rescue_list variant;

	rescue_open(properties, DBUS_TYPE_STRUCT, NULL, &property);
	rescue_add(&property, DBUS_TYPE_STRING, &name);
	rescue_open(&property, DBUS_TYPE_VARIANT, signature, &variant);
	if (signature[0] == 's')
		rescue_add(&variant, DBUS_TYPE_STRING, &value);
	else if (signature[1] == 's')
		rescue_add_words(&variant, value, count);
	else
		rescue_add_command(&variant, value);
	rescue_close(&property, &variant);
	rescue_close(properties, &property);
}

/*
 * Conflicts= and Before= let any of the others take over: the start of one ends the
 * rescue first. Without them it would find its port taken. /run/sshd outlives it, for
 * without that directory no sshd even begins.
 */
static void rescue_add_properties(struct rescue_list *list, const struct heal_rescue *rescue)
{
	const char *const others[] = {rescue->unit, "ssh.service", "sshd.service", "ssh.socket"};
	const char *const directories[] = {"sshd"};

	rescue_add_property(list, "Description", "s",
			    "OpenSSH server, kept up by sshd-heal until its own unit starts", 0);
	rescue_add_property(list, "Conflicts", "as", others, ARRAY_SIZE(others));
	rescue_add_property(list, "Before", "as", others, ARRAY_SIZE(others));
	rescue_add_property(list, "Type", "s", "exec", 0);
	rescue_add_property(list, "KillMode", "s", "process", 0);
	rescue_add_property(list, "CollectMode", "s", "inactive-or-failed", 0);
	rescue_add_property(list, "RuntimeDirectory", "as", directories, ARRAY_SIZE(directories));
	rescue_add_property(list, "RuntimeDirectoryPreserve", "s", "yes", 0);
	if (rescue->directory)
		rescue_add_property(list, "WorkingDirectory", "s", rescue->directory, 0);
	rescue_add_property(list, "ExecStart", "a(sasb)", rescue->argv, 0);
}

DBusMessage *systemd_rescue_request(const struct heal_rescue *rescue)
{
	const char *unit = HEAL_RESCUE_UNIT;
	const char *mode = "fail";
	DBusMessage *request =
		systemd_append(systemd_request(SYSTEMD_PATH, SYSTEMD_MANAGER, "StartTransientUnit"),
			       DBUS_TYPE_STRING, &unit, DBUS_TYPE_STRING, &mode, DBUS_TYPE_INVALID);
	struct rescue_list all = {0};
	struct rescue_list list;

	if (!request)
		return NULL;
	dbus_message_iter_init_append(request, &all.iter);
	rescue_open(&all, DBUS_TYPE_ARRAY, "(sv)", &list);
	rescue_add_properties(&list, rescue);
	rescue_close(&all, &list);
	/* No units beside it. */
	rescue_open(&all, DBUS_TYPE_ARRAY, "(sa(sv))", &list);
	rescue_close(&all, &list);
	if (!all.is_broken)
		return request;
	dbus_message_unref(request);
	return NULL;
}
