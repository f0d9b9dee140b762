/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The deleted files that a process still runs, from /proc/PID/maps and exe. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "look/maps.h"

#include "base/array.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "host/context.h"
#include "host/proc.h"
#include "look/whose.h"
#include "report.h"

static const char deleted_suffix[] = " (deleted)";

#define DELETED_LEN (sizeof(deleted_suffix) - 1)

/* Steps over one field and the blanks behind it; NULL at the end of the line. */
static const char *maps_skip_field(const char *p, const char *end)
{
	while (p < end && *p != ' ')
		p++;
	while (p < end && *p == ' ')
		p++;
	return p < end ? p : NULL;
}

int maps_parse_line(const char *line, size_t len, struct heal_mapping *ret)
{
	const char *end = line + len;
	const char *perms = maps_skip_field(line, end);
	const char *offset = perms ? maps_skip_field(perms, end) : NULL;
	const char *device = offset ? maps_skip_field(offset, end) : NULL;
	const char *inode = device ? maps_skip_field(device, end) : NULL;
	const char *path;
	uint64_t number = 0;

	if (!inode || offset - perms < 5)
		return -EINVAL;
	for (path = inode; path < end && isdigit((unsigned char)*path); path++) {
		if (number > (UINT64_MAX - 9) / 10)
			return -EINVAL;
		number = number * 10 + (uint64_t)(*path - '0');
	}
	if (path == inode || (path < end && *path != ' '))
		return -EINVAL;
	while (path < end && *path == ' ')
		path++;
	if (path == end || *path != '/')
		return 0;
	*ret = (struct heal_mapping){
		.path = path,
		.path_len = (size_t)(end - path),
		.inode = number,
		.is_executable = perms[2] == 'x',
	};
	return 1;
}

static bool maps_has_prefix(const char *path, size_t len, const char *prefix)
{
	size_t n = strlen(prefix);

	return len >= n && memcmp(path, prefix, n) == 0;
}

static bool maps_has_suffix(const char *path, size_t len, const char *suffix)
{
	size_t n = strlen(suffix);

	return len > n && memcmp(path + len - n, suffix, n) == 0;
}

/* rpm on older kernels: "libcrypto.so.3.0.7;6b028acf" (rpm's temporary name). */
static size_t maps_strip_rpm(const char *path, size_t len)
{
	size_t i = len;

	while (i > 0 && isxdigit((unsigned char)path[i - 1]))
		i--;
	return i > 1 && len - i == 8 && path[i - 1] == ';' ? i - 1 : len;
}

size_t maps_deleted_name(const char *path, size_t len)
{
	/*
	 * Memory that the kernel shows under a made-up deleted name, proc_pid_maps(5),
	 * shmem_zero_setup(9), memfd_create(2), shm_open(3), hugetlbfs and io_setup(2).
	 */
	static const char *const not_files[] = {
		"/memfd:", "/dev/", "/SYSV", "/[", "/anon_hugepage", "/i915", "/drm ",
	};
	static const char *const dpkg_suffixes[] = {".dpkg-tmp", ".dpkg-new"};

	if (!maps_has_suffix(path, len, deleted_suffix))
		return 0;
	len -= DELETED_LEN;
	for (size_t i = 0; i < ARRAY_SIZE(not_files); i++)
		if (maps_has_prefix(path, len, not_files[i]))
			return 0;
	for (size_t i = 0; i < ARRAY_SIZE(dpkg_suffixes); i++)
		if (maps_has_suffix(path, len, dpkg_suffixes[i]))
			return len - strlen(dpkg_suffixes[i]);
	return maps_strip_rpm(path, len);
}

bool maps_is_real_name(struct heal_context *ctx, const char *path, size_t len, uint64_t inode)
{
	_cleanup_free_ char *relative = heal_strndup(path + 1, len - 1);
	struct stat st;

	if (!relative || fstatat(heal_view(ctx), relative, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	/* Inode numbers do not survive the recording of a tree. */
	return !ctx->is_live || st.st_ino == inode;
}

static int maps_add_stale(struct heal_context *ctx, struct heal_evidence *evidence, const char *path,
			  size_t len)
{
	struct heal_stale_file *file;
	struct stat st = {0};
	char *copy;

	for (size_t i = 0; i < evidence->n_stale; i++) {
		const char *known = evidence->stale[i].path;

		if (strlen(known) == len && memcmp(known, path, len) == 0)
			return 0;
	}
	if (heal_grow(&evidence->stale, evidence->n_stale, sizeof(*evidence->stale)) < 0)
		return -ENOMEM;
	copy = heal_strndup(path, len);
	if (!copy)
		return -ENOMEM;
	if (fstatat(heal_view(ctx), copy[1] ? copy + 1 : ".", &st, 0) < 0)
		st = (struct stat){0};
	file = &evidence->stale[evidence->n_stale++];
	*file = (struct heal_stale_file){
		.path = copy,
		.device = st.st_dev,
		.inode = st.st_ino,
		.ctime_ns = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec,
	};
	return 0;
}

int heal_maps_each(const struct heal_process *process,
		   int (*fn)(void *user, const struct heal_mapping *mapping), void *user)
{
	_cleanup_free_ char *buf = NULL;
	size_t len = 0;
	size_t line_len = 0;
	const char *cursor;
	const char *line;
	int r = heal_read_program_at(process->dirfd, "maps", MAPS_MAX, &buf, &len);

	/* What maps nothing has ended, or is about to. */
	if (r < 0)
		return r == -ENOENT || r == -EAGAIN ? -ESRCH : r;
	cursor = buf;
	while (r == 0 && (line = heal_next_line(&cursor, buf + len, &line_len))) {
		struct heal_mapping mapping;

		if (maps_parse_line(line, line_len, &mapping) == 1 && mapping.is_executable)
			r = fn(user, &mapping);
	}
	return r;
}

struct maps_search {
	struct heal_context *ctx;
	struct heal_evidence *evidence;
};

static int maps_add_if_stale(void *user, const struct heal_mapping *mapping)
{
	const struct maps_search *search = user;
	size_t len = maps_deleted_name(mapping->path, mapping->path_len);

	if (len == 0 || maps_is_real_name(search->ctx, mapping->path, mapping->path_len, mapping->inode))
		return 0;
	return maps_add_stale(search->ctx, search->evidence, mapping->path, len);
}

int heal_listener_stale(struct heal_context *ctx, const struct heal_process *process,
			struct heal_evidence *evidence)
{
	_cleanup_(heal_view_end) struct heal_view view = {0};
	struct maps_search search = {.ctx = ctx, .evidence = evidence};
	int r = heal_view_begin(ctx, process, &view);

	heal_evidence_clear_stale(evidence);
	if (r == 0 && process->exe_deleted)
		r = maps_add_stale(ctx, evidence, process->exe, strlen(process->exe));
	if (r == 0)
		r = heal_maps_each(process, maps_add_if_stale, &search);
	if (r < 0)
		heal_evidence_clear_stale(evidence);
	return r;
}

char *maps_library_dir(const struct heal_process *process)
{
	static const char *const names[] = {"/libcrypto.so.", "/libc.so.", "/libc-"};
	_cleanup_free_ char *buf = NULL;
	size_t len = 0;

	if (heal_read_at(process->dirfd, "maps", MAPS_MAX, &buf, &len) < 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *end = memmem(buf, len, names[i], strlen(names[i]));
		const char *start = end;

		while (start && start > buf && start[-1] != ' ')
			start--;
		if (start && *start == '/')
			return heal_strndup(start, (size_t)(end - start));
	}
	return NULL;
}

int maps_add_path(void *words, const struct heal_mapping *mapping)
{
	int r = heal_words_add_once(words, mapping->path, mapping->path_len);

	return r < 0 ? r : 0;
}
