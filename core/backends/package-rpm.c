/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The package database of rpm, read through librpm. */
#include <fcntl.h>
#include <limits.h>
#include <rpm/header.h>
#include <rpm/rpmdb.h>
#include <rpm/rpmlib.h>
#include <rpm/rpmlog.h>
#include <rpm/rpmts.h>

#include "../internal.h"
#include "package-rpm.h"

struct rpm_database {
	rpmts ts;
	int root_fd;
	char complaint[256]; /* librpm's last error */
};

/* librpm prints what goes wrong unless somebody takes it. */
static int rpm_take_complaint(rpmlogRec rec, rpmlogCallbackData data)
{
	struct rpm_database *db = data;

	if (rpmlogRecPriority(rec) <= RPMLOG_ERR)
		(void)snprintf(db->complaint, sizeof(db->complaint), "%.*s",
			       (int)strcspn(rpmlogRecMessage(rec), "\n"), rpmlogRecMessage(rec));
	return 0;
}

static int rpm_error(struct heal_error *error, const struct rpm_database *db, const char *what)
{
	return heal_error_set(error, EIO, "%s: %s", what,
			      *db->complaint ? db->complaint : "librpm does not say why");
}

static void rpm_close(void *handle)
{
	struct rpm_database *db = handle;

	(void)rpmtsFree(db->ts);
	(void)rpmlogSetCallback(NULL, NULL);
	free(db);
}

static void rpm_closep(struct rpm_database **db)
{
	if (*db)
		rpm_close(*db);
}

/* Another root than "/", by its name: librpm knows no descriptors. */
static int rpm_set_root(struct rpm_database *db)
{
	_cleanup_free_ char *root = NULL;
	char link[32];
	int r;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", db->root_fd);
	r = heal_readlink_at(AT_FDCWD, link, &root);
	if (r == 0 && strcmp(root, "/") != 0 && rpmtsSetRootDir(db->ts, root) != 0)
		r = -EINVAL;
	return r == -ENOENT ? 0 : r;
}

static int rpm_open(int root_fd, void **ret, struct heal_error *error)
{
	_cleanup_(rpm_closep) struct rpm_database *db = calloc(1, sizeof(*db));

	if (!db)
		return heal_error_set(error, ENOMEM, "opening the rpm database: out of memory");
	db->root_fd = root_fd;
	(void)rpmlogSetCallback(rpm_take_complaint, db);
	if (rpmReadConfigFiles(NULL, NULL) != 0)
		return rpm_error(error, db, "reading rpm's configuration");
	db->ts = rpmtsCreate();
	if (!db->ts)
		return heal_error_set(error, ENOMEM, "opening the rpm database: out of memory");
	/* Checking signatures would take ten times as long as what is asked. */
	(void)rpmtsSetVSFlags(db->ts, RPMVSF_MASK_NODIGESTS | RPMVSF_MASK_NOSIGNATURES);
	if (rpm_set_root(db) < 0 || rpmtsOpenDB(db->ts, O_RDONLY) != 0)
		return rpm_error(error, db, "opening the rpm database");
	*ret = heal_take(db);
	return 0;
}

static int rpm_copy_package(Header header, struct heal_package *ret)
{
	_cleanup_(heal_package_done) struct heal_package package = {0};
	const char *source = headerGetString(header, RPMTAG_SOURCERPM);
	const char *name = headerGetString(header, RPMTAG_NAME);
	const char *arch = headerGetString(header, RPMTAG_ARCH);
	size_t source_len = source ? rpm_source_len(source) : 0;

	/* A key or a hand-made package may have no source: then it is its own. */
	if (!source_len) {
		source = name;
		source_len = name ? strlen(name) : 0;
	}
	package.name = name ? strdup(name) : NULL;
	package.arch = strdup(arch ? arch : "noarch");
	package.source = source ? heal_strndup(source, source_len) : NULL;
	package.version = headerGetAsString(header, RPMTAG_EVR);
	package.install_time = (int64_t)headerGetNumber(header, RPMTAG_INSTALLTIME);
	if (!package.name || !package.arch || !package.source || !package.version)
		return -ENOMEM;
	*ret = package;
	package = (struct heal_package){0};
	return 0;
}

static void rpm_iterator_done(rpmdbMatchIterator *iterator)
{
	(void)rpmdbFreeIterator(*iterator);
}

/* The installed owner of one path. Returns 1 with it, 0 when there is none. */
static int rpm_owner(struct rpm_database *db, const char *path, struct heal_package *ret)
{
	_cleanup_(rpm_iterator_done) rpmdbMatchIterator iterator =
		rpmtsInitIterator(db->ts, RPMDBI_INSTFILENAMES, path, 0);
	Header header = rpmdbNextIterator(iterator);
	int r = header ? rpm_copy_package(header, ret) : 0;

	return r < 0 ? r : header != NULL;
}

/* The owner of a shorter name in the same directory: that of the soname link. */
static int rpm_owner_of_link(struct rpm_database *db, const char *path, struct heal_package *ret)
{
	_cleanup_free_ char *shorter = strdup(path);
	int r = 0;

	if (!shorter)
		return -ENOMEM;
	for (char *name = strrchr(shorter, '/') + 1; r == 0;) {
		size_t len = rpm_soname_len(name, strlen(name));

		if (!len)
			break;
		name[len] = '\0';
		r = rpm_owner(db, shorter, ret);
	}
	return r;
}

/* The owner of the only link that may be the soname of a library that is gone. */
static int rpm_owner_of_sibling(struct rpm_database *db, const char *path,
				struct heal_package *ret)
{
	const char *name = strrchr(path, '/') + 1;
	_cleanup_free_ char *directory = heal_strndup(path, (size_t)(name - path));
	_cleanup_closedir_ DIR *dir = NULL;
	char found[PATH_MAX] = "";
	struct dirent *entry;
	int fd;

	if (!directory)
		return -ENOMEM;
	fd = openat(db->root_fd, directory + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(dir))) {
		if (!rpm_is_soname_of(entry->d_name, name))
			continue;
		/* With two of them nobody knows. */
		if (*found || snprintf(found, sizeof(found), "%s%s", directory, entry->d_name) >=
				      (int)sizeof(found))
			return 0;
	}
	return *found ? rpm_owner(db, found, ret) : 0;
}

static int rpm_owners(void *handle, const char *const *paths, size_t n,
		      struct heal_package *owners, struct heal_error *error)
{
	struct rpm_database *db = handle;

	for (size_t i = 0; i < n; i++) {
		int r;

		if (paths[i][0] != '/')
			continue;
		r = rpm_owner(db, paths[i], &owners[i]);
		/* What the new version does not ship any more belongs to nobody now. */
		if (r == 0)
			r = rpm_owner_of_link(db, paths[i], &owners[i]);
		if (r == 0)
			r = rpm_owner_of_sibling(db, paths[i], &owners[i]);
		if (r < 0)
			return heal_error_set(error, -r, "naming packages: %s", strerror(-r));
	}
	return *db->complaint ? rpm_error(error, db, "reading the rpm database") : 0;
}

static int rpm_of_source(void *handle, const char *source, struct heal_package **ret,
			 size_t *ret_n, struct heal_error *error)
{
	struct rpm_database *db = handle;
	_cleanup_(rpm_iterator_done) rpmdbMatchIterator iterator =
		rpmtsInitIterator(db->ts, RPMDBI_PACKAGES, NULL, 0);
	struct heal_package *found = NULL;
	size_t n = 0;
	Header header;

	while ((header = rpmdbNextIterator(iterator))) {
		_cleanup_(heal_package_done) struct heal_package package = {0};

		if (rpm_copy_package(header, &package) < 0)
			goto nomem;
		if (strcmp(package.source, source) != 0)
			continue;
		if (heal_grow(&found, n, sizeof(*found)) < 0)
			goto nomem;
		found[n++] = package;
		package = (struct heal_package){0};
	}
	*ret = found;
	*ret_n = n;
	return 0;
nomem:
	heal_packages_free(found, n);
	return heal_error_set(error, ENOMEM, "naming packages: out of memory");
}

_export_ extern const struct package_ops heal_package_ops;
const struct package_ops heal_package_ops = {
	.open = rpm_open,
	.owners = rpm_owners,
	.of_source = rpm_of_source,
	.close = rpm_close,
};
