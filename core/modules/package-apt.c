/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dpkg database: packages and versions through libapt-pkg, the owners of
 * files from dpkg's lists, for which libapt-pkg has no look-up (deb-pkg lists
 * in /var/lib/dpkg/info, dpkg-divert(1)).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "host/module.h"
#include "apt_shim.h"
#include "package-apt.h"

#define APT_LIST_MAX (64u << 20)
#define APT_DIVERSIONS_MAX (8u << 20)

static const char updates_path[] = "var/lib/dpkg/updates";
static const char status_path[] = "var/lib/dpkg/status";
static const char info_path[] = "var/lib/dpkg/info";
static const char diversions_path[] = "var/lib/dpkg/diversions";

struct apt_database {
	int root_fd;
	bool is_usr_merged;
	bool is_updating; /* what comes now replaces what is known */
	struct heal_package *packages;
	size_t n_packages;
};

/* One path that is looked for. */
struct apt_target {
	const char *listed;   /* the name in the owner's list, canonical */
	size_t listed_len;
	const char *only;     /* the owner must be this package; NULL: any */
	const char *but_not;  /* the owner must not be this package; NULL: any */
};

static bool apt_same_path(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return a_len == b_len && memcmp(a, b, a_len) == 0;
}

int apt_divert_parse(char *buf, size_t len, struct apt_diversion **ret, size_t *ret_n)
{
	_cleanup_free_ struct apt_diversion *diversions = NULL;
	size_t n = 0;
	char *p = buf;
	char *end = buf + len;

	while (p < end) {
		char *line[3];

		for (size_t i = 0; i < 3; i++) {
			char *newline = memchr(p, '\n', (size_t)(end - p));

			if (!newline)
				return -EINVAL;
			*newline = '\0';
			line[i] = p;
			p = newline + 1;
		}
		if (heal_grow(&diversions, n, sizeof(*diversions)) < 0)
			return -ENOMEM;
		diversions[n++] = (struct apt_diversion){
			.from = line[0], .to = line[1], .package = line[2]};
	}
	*ret = heal_take(diversions);
	*ret_n = n;
	return 0;
}

/* What to look for so as to find the owner of a path on disk, diversions considered. */
static struct apt_target apt_target_of(const struct apt_database *db, const char *path,
				       const struct apt_diversion *diversions, size_t n)
{
	size_t len = strlen(path);
	const char *canonical = heal_canonical(path, &len, db->is_usr_merged);
	struct apt_target target = {.listed = canonical, .listed_len = len};

	for (size_t i = 0; i < n; i++) {
		size_t from_len = strlen(diversions[i].from);
		size_t to_len = strlen(diversions[i].to);
		const char *from = heal_canonical(diversions[i].from, &from_len, db->is_usr_merged);
		const char *to = heal_canonical(diversions[i].to, &to_len, db->is_usr_merged);

		if (apt_same_path(canonical, len, to, to_len)) {
			target.listed = from;
			target.listed_len = from_len;
			target.but_not = diversions[i].package;
		} else if (apt_same_path(canonical, len, from, from_len)) {
			target.only = diversions[i].package;
		}
	}
	return target;
}

static const struct heal_package *apt_find_package(const struct apt_database *db, const char *name,
						   size_t name_len, const char *arch)
{
	for (size_t i = 0; i < db->n_packages; i++) {
		const struct heal_package *package = &db->packages[i];

		if (strncmp(package->name, name, name_len) == 0 && !package->name[name_len] &&
		    (!arch || strcmp(package->arch, arch) == 0))
			return package;
	}
	return NULL;
}

static int apt_copy_package(const struct heal_package *from, struct heal_package *ret)
{
	_cleanup_(heal_package_done) struct heal_package copy = {
		.name = strdup(from->name),
		.source = strdup(from->source),
		.version = strdup(from->version),
		.arch = strdup(from->arch),
		.install_time = from->install_time,
	};

	if (!copy.name || !copy.source || !copy.version || !copy.arch)
		return -ENOMEM;
	*ret = copy;
	copy = (struct heal_package){0};
	return 0;
}

struct apt_search {
	const struct apt_database *db;
	const struct apt_target *targets;
	struct heal_package *owners;
	size_t n;
	int64_t list_time; /* when the list that is searched was written: at its installation */
};

static bool apt_name_is(const char *name, size_t len, const char *package)
{
	return strlen(package) == len && memcmp(package, name, len) == 0;
}

/* One line of the list of "NAME" or "NAME:ARCH" against every path that has no owner yet. */
static int apt_match_line(struct apt_search *search, const char *list_name, const char *line,
			  size_t line_len)
{
	size_t name_len = strcspn(list_name, ":");
	const char *arch = list_name[name_len] ? list_name + name_len + 1 : NULL;
	size_t len = line_len;
	const char *path = heal_canonical(line, &len, search->db->is_usr_merged);

	for (size_t i = 0; i < search->n; i++) {
		const struct apt_target *target = &search->targets[i];
		const struct heal_package *package;
		int r;

		if (search->owners[i].name ||
		    !apt_same_path(path, len, target->listed, target->listed_len) ||
		    (target->only && !apt_name_is(list_name, name_len, target->only)) ||
		    (target->but_not && apt_name_is(list_name, name_len, target->but_not)))
			continue;
		package = apt_find_package(search->db, list_name, name_len, arch);
		if (!package)
			continue;
		r = apt_copy_package(package, &search->owners[i]);
		if (r < 0)
			return r;
		search->owners[i].install_time = search->list_time;
	}
	return 0;
}

static int apt_search_list(struct apt_search *search, int info_fd, const char *file)
{
	_cleanup_free_ char *name = heal_strndup(file, strlen(file) - strlen(".list"));
	_cleanup_free_ char *buf = NULL;
	const char *cursor;
	const char *line;
	struct stat st;
	size_t len = 0;
	size_t line_len = 0;
	int r = name ? heal_read_at(info_fd, file, APT_LIST_MAX, &buf, &len) : -ENOMEM;

	/* A package that is removed at this moment owns nothing any more. */
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	search->list_time = fstatat(info_fd, file, &st, 0) == 0 ? st.st_mtime : 0;
	cursor = buf;
	while (r == 0 && (line = heal_next_line(&cursor, buf + len, &line_len)))
		r = apt_match_line(search, name, line, line_len);
	return r;
}

static int apt_search_all(struct apt_search *search)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int r = heal_opendir_at(search->db->root_fd, info_path, &dir);

	if (r < 0)
		return r;
	while (r == 0 && (errno = 0, entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (len > 5 && strcmp(entry->d_name + len - 5, ".list") == 0)
			r = apt_search_list(search, dirfd(dir), entry->d_name);
	}
	return r ? r : -errno;
}

static int apt_owners(void *handle, const char *const *paths, size_t n,
		      struct heal_package *owners, struct heal_error *error)
{
	struct apt_database *db = handle;
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ struct apt_diversion *diversions = NULL;
	_cleanup_free_ struct apt_target *targets = NULL;
	struct apt_search search = {.db = db, .owners = owners, .n = n};
	size_t len = 0;
	size_t n_diversions = 0;
	int r;

	r = heal_read_at(db->root_fd, diversions_path, APT_DIVERSIONS_MAX, &text, &len);
	if (r == 0)
		r = apt_divert_parse(text, len, &diversions, &n_diversions);
	if (r < 0 && r != -ENOENT)
		return heal_error_set(error, -r, "reading /%s: %s", diversions_path, strerror(-r));
	/* Not sooner: gcc 12's analyzer then takes the NULL in the other two for unset. */
	search.targets = targets = calloc(n + 1, sizeof(*targets));
	if (!targets)
		return heal_error_set(error, ENOMEM, "naming packages: out of memory");
	for (size_t i = 0; i < n; i++)
		targets[i] = apt_target_of(db, paths[i], diversions, n_diversions);
	r = apt_search_all(&search);
	return r < 0 ? heal_error_set(error, -r, "searching /%s: %s", info_path, strerror(-r)) : 0;
}

/* One package of the status file, or of an update that is newer than that. */
static int apt_collect(void *user, const struct apt_shim_package *package)
{
	struct apt_database *db = user;
	const struct heal_package borrowed = {
		.name = (char *)package->name,
		.source = (char *)package->source,
		.version = (char *)package->version,
		.arch = (char *)package->arch,
	};

	for (size_t i = 0; db->is_updating && i < db->n_packages; i++) {
		struct heal_package *known = &db->packages[i];
		struct heal_package now;

		if (strcmp(known->name, package->name) != 0 || strcmp(known->arch, package->arch) != 0)
			continue;
		if (apt_copy_package(&borrowed, &now) < 0)
			return -ENOMEM;
		heal_package_done(known);
		*known = now;
		return 0;
	}
	if (heal_grow(&db->packages, db->n_packages, sizeof(*db->packages)) < 0 ||
	    apt_copy_package(&borrowed, &db->packages[db->n_packages]) < 0)
		return -ENOMEM;
	db->n_packages++;
	return 0;
}

static int apt_is_update(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 0 && strspn(entry->d_name, "0123456789") == len;
}

/*
 * While dpkg is at work, its triggers included, what has changed since it began is in
 * files of their own, one after the other, and goes into the status file at its end.
 */
static int apt_read_updates(struct apt_database *db, char *message, size_t size)
{
	_cleanup_close_ int dir =
		openat(db->root_fd, updates_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent **entries = NULL;
	int n = dir < 0 ? 0 : scandirat(dir, ".", &entries, apt_is_update, versionsort);
	int r = (dir < 0 && errno != ENOENT) || n < 0 ? -errno : 0;

	if (r < 0) {
		(void)snprintf(message, size, "reading /%s: %s", updates_path, strerror(-r));
		return r;
	}
	db->is_updating = true;
	for (int i = 0; i < n; i++) {
		_cleanup_close_ int fd = openat(dir, entries[i]->d_name, O_RDONLY | O_CLOEXEC);

		free(entries[i]);
		/* dpkg may have put them together meanwhile. */
		if (r == 0 && fd >= 0)
			r = apt_shim_walk(fd, "/var/lib/dpkg/updates", apt_collect, db, message, size);
	}
	free(entries);
	return r;
}

static void apt_close(void *handle)
{
	struct apt_database *db = handle;

	heal_packages_free(db->packages, db->n_packages);
	free(db);
}

static void apt_closep(struct apt_database **db)
{
	if (*db)
		apt_close(*db);
}

static bool apt_is_usr_merged(int root_fd)
{
	_cleanup_free_ char *link = NULL;

	return heal_readlink_at(root_fd, "lib", &link) == 0 &&
	       (strcmp(link, "usr/lib") == 0 || strcmp(link, "/usr/lib") == 0);
}

static int apt_open(int root_fd, void **ret, struct heal_error *error)
{
	_cleanup_(apt_closep) struct apt_database *db = calloc(1, sizeof(*db));
	_cleanup_close_ int fd = openat(root_fd, status_path, O_RDONLY | O_CLOEXEC);
	char message[sizeof(error->message)];
	int r;

	if (!db)
		return heal_error_set(error, ENOMEM, "opening the dpkg database: out of memory");
	if (fd < 0)
		return heal_error_set(error, errno, "opening /%s: %s", status_path, strerror(errno));
	db->root_fd = root_fd;
	db->is_usr_merged = apt_is_usr_merged(root_fd);
	r = apt_shim_walk(fd, "/var/lib/dpkg/status", apt_collect, db, message, sizeof(message));
	if (r == 0)
		r = apt_read_updates(db, message, sizeof(message));
	if (r == -ENOMEM)
		return heal_error_set(error, ENOMEM, "opening the dpkg database: out of memory");
	if (r < 0)
		return heal_error_set(error, -r, "%s", message);
	*ret = heal_take(db);
	return 0;
}

_export_ extern const struct package_ops heal_package_ops;
const struct package_ops heal_package_ops = {
	.build = heal_build,
	.open = apt_open,
	.owners = apt_owners,
	.close = apt_close,
};
