/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which packages the transactions since the last heal have changed. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/event.h"

#include "base/array.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "host/context.h"
#include "host/module.h"
#include "host/state.h"
#include "report.h"

#define EVENT_NOTED_MAX (8u << 20)

static const char event_file[] = "changes";

#define EVENT_FIELDS_MAX 9

struct event_field {
	const char *text;
	size_t len;
};

/* Splits at single blanks (or tabs), the last field taking the rest. Returns how many. */
static size_t event_split(const char *line, size_t len, char separator,
			  struct event_field *fields, size_t max)
{
	size_t n = 0;

	while (n < max) {
		const char *end = n + 1 < max ? memchr(line, separator, len) : NULL;

		fields[n].text = line;
		fields[n++].len = end ? (size_t)(end - line) : len;
		if (!end)
			break;
		len -= (size_t)(end - line) + 1;
		line = end + 1;
	}
	return n;
}

static bool event_field_is(const struct event_field *field, const char *text)
{
	return field->len == strlen(text) && memcmp(field->text, text, field->len) == 0;
}

/* Names, versions and architectures are printable ASCII without blanks, deb-version(7). */
static bool event_field_is_plain(const struct event_field *field)
{
	for (size_t i = 0; i < field->len; i++)
		if (field->text[i] <= ' ' || field->text[i] > '~')
			return false;
	return field->len > 0;
}

/* A version field, where "-" says that there is none. */
static int event_version(const struct event_field *field, char **ret)
{
	char *version;

	if (event_field_is(field, "-")) {
		*ret = NULL;
		return 0;
	}
	version = heal_strndup(field->text, field->len);
	if (!version)
		return -ENOMEM;
	*ret = version;
	return 0;
}

static bool event_same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static struct heal_change *event_find(const struct heal_event *event, const char *package,
				      const char *arch)
{
	for (size_t i = 0; i < event->count; i++)
		if (strcmp(event->changes[i].package, package) == 0 &&
		    strcmp(event->changes[i].arch, arch) == 0)
			return &event->changes[i];
	return NULL;
}

static int event_add(struct heal_event *event, const struct event_field *package,
		     const struct event_field *arch, const struct event_field *before,
		     const struct event_field *now)
{
	_cleanup_(heal_change_done) struct heal_change change = {0};
	struct heal_change *known;

	change.package = heal_strndup(package->text, package->len);
	change.arch = heal_strndup(arch->text, arch->len);
	if (!change.package || !change.arch || event_version(before, &change.version_before) < 0 ||
	    event_version(now, &change.version_now) < 0)
		return -ENOMEM;
	known = event_find(event, change.package, change.arch);
	if (known) {
		free(known->version_now);
		known->version_now = heal_take(change.version_now);
		return 0;
	}
	if (heal_grow(&event->changes, event->count, sizeof(*event->changes)) < 0)
		return -ENOMEM;
	event->changes[event->count++] = change;
	change = (struct heal_change){0};
	return 0;
}

int heal_event_add(struct heal_event *event, const char *package, const char *arch,
		   const char *before, const char *now)
{
	const char *const texts[] = {package, arch, before ? before : "-", now ? now : "-"};
	struct event_field f[ARRAY_SIZE(texts)];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		f[i] = (struct event_field){texts[i], strlen(texts[i])};
	return event_add(event, &f[0], &f[1], &f[2], &f[3]);
}

/* name oldversion oldarch oldMA op newversion newarch newMA action, apt.conf(5). */
static int event_apt_line(const char *line, size_t len, struct heal_event *event)
{
	struct event_field f[EVENT_FIELDS_MAX];
	const struct event_field *arch;

	if (event_split(line, len, ' ', f, EVENT_FIELDS_MAX) != EVENT_FIELDS_MAX)
		return -EINVAL;
	for (size_t i = 0; i + 1 < EVENT_FIELDS_MAX; i++)
		if (!event_field_is_plain(&f[i]))
			return -EINVAL;
	if (!event_field_is(&f[4], "<") && !event_field_is(&f[4], ">") &&
	    !event_field_is(&f[4], "="))
		return -EINVAL;
	/* The same package again, once it is unpacked. */
	if (event_field_is(&f[4], "=") || event_field_is(&f[8], "**CONFIGURE**"))
		return 0;
	arch = event_field_is(&f[6], "-") ? &f[2] : &f[6];
	return event_add(event, &f[0], arch, &f[1], &f[5]);
}

int heal_event_parse_apt(const char *buf, size_t len, struct heal_event *ret)
{
	static const char version[] = "VERSION 3";
	_cleanup_(heal_event_done) struct heal_event event = {0};
	const char *cursor = buf;
	const char *line;
	size_t line_len = 0;
	int number = 0;
	bool is_package = false;
	int r = 0;

	while (r == 0 && (line = heal_next_line(&cursor, buf + len, &line_len))) {
		number++;
		/* A last line without its end: the stream was cut. */
		if (line + line_len == buf + len)
			r = -EINVAL;
		else if (number == 1)
			r = line_len == strlen(version) && memcmp(line, version, line_len) == 0
				    ? 0
				    : -EINVAL;
		else if (is_package)
			r = event_apt_line(line, line_len, &event);
		else
			is_package = line_len == 0;
	}
	if (r == -ENOMEM)
		return r;
	/* apt ends the configuration with an empty line, always. */
	if (r == 0 && !is_package) {
		r = -EINVAL;
		number++;
	}
	*ret = event;
	event = (struct heal_event){0};
	return r < 0 ? number : 0;
}

int heal_event_parse_lines(const char *buf, size_t len, struct heal_event *ret)
{
	_cleanup_(heal_event_done) struct heal_event event = {0};
	const char *cursor = buf;
	const char *line;
	size_t line_len = 0;
	int bad = 0;

	while ((line = heal_next_line(&cursor, buf + len, &line_len))) {
		struct event_field f[4];

		if (event_split(line, line_len, '\t', f, ARRAY_SIZE(f)) != ARRAY_SIZE(f) ||
		    !event_field_is_plain(&f[0]) || !event_field_is_plain(&f[1]) ||
		    !event_field_is_plain(&f[2]) || !event_field_is_plain(&f[3]))
			bad++;
		else if (event_add(&event, &f[0], &f[1], &f[2], &f[3]) < 0)
			return -ENOMEM;
	}
	*ret = event;
	event = (struct heal_event){0};
	return bad;
}

int heal_event_read(int fd, int64_t deadline_ms, enum heal_event_format format,
		    struct heal_event *ret, struct heal_notes *notes)
{
	_cleanup_free_ char *buf = NULL;
	size_t len = 0;
	int r = heal_read_stream(fd, deadline_ms, false, &buf, &len);
	int bad;

	if (r < 0)
		(void)heal_notes_add(notes, "reading the list of packages: %s", strerror(-r));
	bad = format == HEAL_EVENT_APT ? heal_event_parse_apt(buf ? buf : "", len, ret)
				       : heal_event_parse_lines(buf ? buf : "", len, ret);
	if (bad < 0)
		return bad;
	if (bad > 0 && format == HEAL_EVENT_APT)
		(void)heal_notes_add(notes,
				     "apt's list of packages is not of its version 3 format from line %d on: "
				     "versions before the upgrade may be missing from the report",
				     bad);
	if (bad > 0 && format == HEAL_EVENT_LINES)
		(void)heal_notes_add(notes,
				     "%d lines of the list of packages are not of four fields: versions "
				     "before the upgrade may be missing from the report",
				     bad);
	return 0;
}

/* The lines of the file, in memory. */
static int event_format(const struct heal_event *event, char **ret, size_t *ret_len)
{
	FILE *out = open_memstream(ret, ret_len);

	if (!out)
		return -errno;
	for (size_t i = 0; i < event->count; i++) {
		const struct heal_change *change = &event->changes[i];

		(void)fprintf(out, "%s\t%s\t%s\t%s\n", change->package, change->arch,
			      change->version_before ? change->version_before : "-",
			      change->version_now ? change->version_now : "-");
	}
	return fclose(out) == 0 ? 0 : -ENOMEM;
}

/* All or nothing: half a line would spoil the next one, too. */
static int event_append(int fd, const char *text, size_t len)
{
	off_t before = lseek(fd, 0, SEEK_END);
	ssize_t n = before < 0 ? -1 : write(fd, text, len);
	int code = n < 0 ? errno : ENOSPC;

	if (n == (ssize_t)len)
		return 0;
	if (n > 0 && ftruncate(fd, before) < 0)
		code = errno;
	return -code;
}

int heal_event_note(struct heal_context *ctx, const struct heal_event *event,
		    struct heal_error *error)
{
	_cleanup_close_ int dir = -1;
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r;

	/* In a chroot /run may be that of the host around it, which is not what changes. */
	if (event->count == 0 || ctx->is_chroot)
		return 0;
	r = event_format(event, &text, &len);
	if (r == 0)
		r = dir = heal_state_open(ctx, true);
	if (r >= 0) {
		fd = openat(dir, event_file, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
		r = fd < 0 ? -errno : event_append(fd, text, len);
	}
	return r < 0 ? heal_error_set(error, -r,
				      "noting the changed packages in /run/sshd-heal/changes: %s",
				      strerror(-r))
		     : 0;
}

/* Drops what ends as it began: installed and removed again, or taken back. */
static void event_drop_unchanged(struct heal_event *event)
{
	size_t kept = 0;

	for (size_t i = 0; i < event->count; i++) {
		struct heal_change *change = &event->changes[i];

		if (event_same_text(change->version_before, change->version_now))
			heal_change_done(change);
		else
			event->changes[kept++] = *change;
	}
	event->count = kept;
}

int heal_event_load(struct heal_context *ctx, struct heal_event *ret, struct heal_notes *notes)
{
	_cleanup_close_ int dir = heal_state_open(ctx, false);
	_cleanup_free_ char *buf = NULL;
	_cleanup_(heal_event_done) struct heal_event event = {0};
	size_t len = 0;
	int r = dir;

	if (r >= 0)
		r = heal_read_at(dir, event_file, EVENT_NOTED_MAX, &buf, &len);
	if (r == 0)
		r = heal_event_parse_lines(buf, len, &event);
	if (r == -ENOMEM)
		return r;
	if (r < 0 && r != -ENOENT)
		(void)heal_notes_add(notes, "reading /run/sshd-heal/changes: %s", strerror(-r));
	if (r > 0)
		(void)heal_notes_add(notes, "reading /run/sshd-heal/changes: %d damaged lines", r);
	event_drop_unchanged(&event);
	*ret = event;
	event = (struct heal_event){0};
	return 0;
}

int heal_event_clear(struct heal_context *ctx)
{
	_cleanup_close_ int dir = heal_state_open(ctx, false);

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	return unlinkat(dir, event_file, 0) < 0 && errno != ENOENT ? -errno : 0;
}
