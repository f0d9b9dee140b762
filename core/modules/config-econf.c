/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sshd-heal.conf and its drop-ins, read by libeconf. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <libeconf.h>
#include <libeconf_ext.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/words.h"
#include "host/module.h"

#define ECONF_FILE_MAX (64u << 10)

/*
 * libeconf takes a file that it could not read for one that ends there, and one that it
 * could not open for none: then what the administrator forbids would be done. So it gets
 * what we have read, in memory, with this at its end, which must come back.
 */
#define ECONF_END "SshdHealEnd"

static const char econf_main[] = "sshd-heal.conf";
static const char econf_etc[] = "etc";
static const char econf_usr[] = "usr/lib/sshd-heal";

typedef int (*econf_set_fn)(void *user, const char *key, const char *value, const char *path,
			    uint64_t line, struct heal_error *error);

/* Who is told the keys of a file, and what the file is called. */
struct econf_reader {
	int root_fd;
	econf_set_fn set;
	void *user;
	struct heal_error *error;
	const char *path; /* absolute */
};

static void econf_freep(econf_file **file)
{
	if (*file)
		econf_freeFile(*file);
}

static void econf_free_listp(char ***list)
{
	if (*list)
		econf_freeArray(*list);
}

static int econf_fail(const struct econf_reader *reader, econf_err code)
{
	_cleanup_free_ char *path = NULL;
	uint64_t line = 0;

	econf_errLocation(&path, &line);
	return heal_error_set(reader->error, code == ECONF_NOMEM ? ENOMEM : EINVAL,
			      "%s:%" PRIu64 ": %s", reader->path, line, econf_errString(code));
}

/* One key; is_end is set when it is ours. */
static int econf_take(const struct econf_reader *reader, econf_file *file, const char *key,
		      bool *is_end)
{
	econf_ext_value *value = NULL;
	_cleanup_free_ char *text = NULL;
	econf_err code;
	int r = 0;

	if (strcmp(key, ECONF_END) == 0) {
		*is_end = true;
		return 0;
	}
	code = econf_getExtValue(file, NULL, key, &value);
	if (code != ECONF_SUCCESS)
		return econf_fail(reader, code);
	code = econf_getStringValue(file, NULL, key, &text);
	if (code == ECONF_NOMEM)
		r = econf_fail(reader, code);
	else
		r = reader->set(reader->user, key, code == ECONF_SUCCESS && text ? text : "",
				reader->path, value->line_number, reader->error);
	econf_freeExtValue(value);
	return r;
}

static int econf_each_key(const struct econf_reader *reader, econf_file *file)
{
	_cleanup_(econf_free_listp) char **keys = NULL;
	_cleanup_(econf_free_listp) char **groups = NULL;
	bool is_whole = false;
	size_t n = 0;
	econf_err code = econf_getGroups(file, &n, &groups);
	int r = 0;

	if (code == ECONF_SUCCESS && n > 0)
		return heal_error_set(reader->error, EINVAL,
				      "%s: it has no sections, but [%s] stands there", reader->path,
				      groups[0]);
	n = 0;
	code = econf_getKeys(file, NULL, &n, &keys);
	if (code != ECONF_SUCCESS && code != ECONF_NOKEY && code != ECONF_NOGROUP)
		return econf_fail(reader, code);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = econf_take(reader, file, keys[i], &is_whole);
	if (r == 0 && !is_whole)
		r = heal_error_set(reader->error, EIO, "reading %s: it was not read to its end",
				   reader->path);
	return r;
}

/* What a file holds; the null device is an empty one. */
static int econf_slurp(int dirfd, const char *name, char **ret, size_t *ret_len)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, 0) < 0)
		return -errno;
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return heal_read_at(dirfd, name, ECONF_FILE_MAX, ret, ret_len);
	*ret = strdup("");
	*ret_len = 0;
	return *ret ? 0 : -ENOMEM;
}

/* A file in memory, with our key at its end. Returns its descriptor, or -errno. */
static int econf_copy(const char *text, size_t len)
{
	static const char end[] = "\n" ECONF_END "=yes\n";
	_cleanup_close_ int fd = memfd_create("sshd-heal.conf", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len ||
	    write(fd, end, sizeof(end) - 1) != (ssize_t)sizeof(end) - 1)
		return -EIO;
	return heal_take_fd(&fd);
}

/* Reads one file, by its name in a directory. */
static int econf_read_file(struct econf_reader *reader, int dirfd, const char *name)
{
	_cleanup_(econf_freep) econf_file *file = NULL;
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int copy = -1;
	char path[32];
	econf_err code;
	size_t len = 0;
	int r = econf_slurp(dirfd, name, &text, &len);

	if (r == 0)
		r = copy = econf_copy(text, len);
	if (r < 0)
		return heal_error_set(reader->error, -r, "reading the configuration file %s: %s",
				      reader->path, strerror(-r));
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", copy);
	code = econf_readFile(&file, path, "=", "#");
	return code == ECONF_SUCCESS ? econf_each_key(reader, file) : econf_fail(reader, code);
}

/* The same, by its place on the host. */
static int econf_read_host_file(struct econf_reader *reader, const char *relative)
{
	_cleanup_free_ char *path = NULL;
	int r;

	if (asprintf(&path, "/%s", relative) < 0) {
		path = NULL;
		return heal_error_set(reader->error, ENOMEM, "reading the configuration: out of memory");
	}
	reader->path = path;
	r = econf_read_file(reader, reader->root_fd, relative);
	reader->path = NULL;
	return r;
}

/* Whether a file is there; of what cannot be told it is found out when it is read. */
static bool econf_is_there(int root_fd, const char *path)
{
	return faccessat(root_fd, path, F_OK, 0) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

static int econf_is_drop_in(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 5 && entry->d_name[0] != '.' && strcmp(entry->d_name + len - 5, ".conf") == 0;
}

/* Adds the drop-ins of a directory. */
static int econf_find_drop_ins(int root_fd, const char *directory, struct heal_words *found)
{
	struct dirent **entries = NULL;
	char path[PATH_MAX];
	int n;
	int r = 0;

	(void)snprintf(path, sizeof(path), "%s/%s.d", directory, econf_main);
	n = scandirat(root_fd, path, &entries, econf_is_drop_in, alphasort);
	if (n < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s.d/%s", directory, econf_main,
			       entries[i]->d_name);
		if (r == 0)
			r = heal_words_add(found, path, strlen(path));
		free(entries[i]);
	}
	free(entries);
	return r;
}

static const char *econf_basename(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* By name, and of one name that in etc before that in usr. */
static int econf_compare(const void *a, const void *b)
{
	const char *one = *(char *const *)a;
	const char *other = *(char *const *)b;
	int order = strcmp(econf_basename(one), econf_basename(other));

	return order ? order : strcmp(one, other);
}

/* Reads the drop-ins in the order of their names, wherever they are; /etc comes first of two. */
static int econf_read_drop_ins(struct econf_reader *reader)
{
	_cleanup_(heal_words_done) struct heal_words found = {0};
	int r = econf_find_drop_ins(reader->root_fd, econf_etc, &found);

	if (r == 0)
		r = econf_find_drop_ins(reader->root_fd, econf_usr, &found);
	if (r < 0)
		return heal_error_set(reader->error, -r, "reading the directories %s.d: %s", econf_main,
				      strerror(-r));
	if (found.count)
		qsort(found.items, found.count, sizeof(*found.items), econf_compare);
	for (size_t i = 0; r == 0 && i < found.count; i++) {
		/* Of two of one name that of /etc is before the other. */
		if (i == 0 || strcmp(econf_basename(found.items[i]),
				     econf_basename(found.items[i - 1])) != 0)
			r = econf_read_host_file(reader, found.items[i]);
	}
	return r;
}

static int econf_read(int root_fd, const char *path, econf_set_fn set, void *user,
		      struct heal_error *error)
{
	struct econf_reader reader = {
		.root_fd = root_fd, .set = set, .user = user, .error = error, .path = path};
	char name[64];
	int r = 0;

	if (path)
		return econf_read_file(&reader, AT_FDCWD, path);
	(void)snprintf(name, sizeof(name), "%s/%s", econf_etc, econf_main);
	if (!econf_is_there(root_fd, name))
		(void)snprintf(name, sizeof(name), "%s/%s", econf_usr, econf_main);
	if (econf_is_there(root_fd, name))
		r = econf_read_host_file(&reader, name);
	return r < 0 ? r : econf_read_drop_ins(&reader);
}

_export_ extern const struct config_ops heal_config_ops;
const struct config_ops heal_config_ops = {.build = heal_build, .read = econf_read};
