/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which packages that a listener has mapped a transaction is about to replace. */
#include <stdbool.h>
#include <string.h>

#include "look/upcoming.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "host/context.h"
#include "host/module.h"
#include "look/listener.h"
#include "look/maps.h"
#include "report.h"

/* The listed path of a file by the name that a process has mapped; NULL when it is not listed. */
static char *upcoming_listed(const char *files, size_t len, const char *path, size_t path_len)
{
	/* A package may spell a name the other way. */
	const char *name = heal_canonical(path, &path_len, true);
	const char *rest = files;
	const char *line;
	size_t line_len = 0;

	while ((line = heal_next_line(&rest, files + len, &line_len))) {
		size_t listed_len = line_len;
		const char *listed = heal_canonical(line, &listed_len, true);

		if (listed_len == path_len && memcmp(listed, name, path_len) == 0)
			return heal_strndup(line, line_len);
	}
	return NULL;
}

/* Adds the owner of every listed file that one listener has mapped as code. */
static int upcoming_add(struct heal_context *ctx, const struct heal_process *process,
			const char *files, size_t len, struct heal_event *event,
			struct heal_error *error)
{
	_cleanup_free_ char *maps = NULL;
	size_t maps_len = 0;
	size_t line_len = 0;
	const char *cursor;
	const char *line;
	int r = 0;

	if (heal_read_at(process->dirfd, "maps", MAPS_MAX, &maps, &maps_len) < 0)
		return 0;
	cursor = maps;
	while (r == 0 && (line = heal_next_line(&cursor, maps + maps_len, &line_len))) {
		_cleanup_(heal_package_done) struct heal_package owner = {0};
		_cleanup_free_ char *listed = NULL;
		struct heal_mapping mapping;

		if (maps_parse_line(line, line_len, &mapping) != 1 || !mapping.is_executable)
			continue;
		listed = upcoming_listed(files, len, mapping.path, mapping.path_len);
		if (!listed)
			continue;
		r = heal_context_package(ctx, error);
		if (r == 0)
			r = ctx->package_ops->owners(ctx->package, (const char *const *)&listed, 1,
						     &owner, error);
		if (r == 0 && owner.name)
			r = heal_event_add(event, owner.name, owner.arch, owner.version, NULL);
	}
	return r;
}

int heal_event_of_files(struct heal_context *ctx, int fd, struct heal_event *ret,
			struct heal_notes *notes, struct heal_error *error)
{
	_cleanup_(heal_listeners_done) struct heal_listeners listeners = {0};
	_cleanup_(heal_event_done) struct heal_event event = {0};
	_cleanup_free_ char *files = NULL;
	size_t len = 0;
	int r = heal_read_stream(fd, ctx->deadline_ms, false, &files, &len);

	if (r < 0)
		(void)heal_notes_add(notes, "reading the list of files: %s", strerror(-r));
	/* In a chroot the processes are not of the root that changes. */
	if (len == 0 || ctx->is_chroot || ctx->proc_fd < 0)
		return 0;
	r = heal_listeners_find(ctx, &listeners, notes, error);
	for (size_t i = 0; r == 0 && i < listeners.count; i++)
		if (listeners.items[i].process.foreign == HEAL_OURS)
			r = upcoming_add(ctx, &listeners.items[i].process, files, len, &event, error);
	*ret = event;
	event = (struct heal_event){0};
	return r;
}
