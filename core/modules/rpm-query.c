/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is asked of librpm; all of it runs in a child of its own. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <rpm/header.h>
#include <rpm/rpmdb.h>
#include <rpm/rpmlib.h>
#include <rpm/rpmlog.h>
#include <rpm/rpmmacro.h>
#include <rpm/rpmts.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "host/module.h"
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

/* librpm would make a new database where there is none. */
static bool rpm_has_database(const struct rpm_database *db, const char *path)
{
	static const char *const names[] = {"rpmdb.sqlite", "Packages.db", "Packages"};
	_cleanup_close_ int fd = openat(db->root_fd, path[1] ? path + 1 : ".",
					O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < ARRAY_SIZE(names); i++)
		if (faccessat(fd, names[i], F_OK, 0) == 0)
			return true;
	return false;
}

/*
 * Lets librpm use the database that is there: where its configuration says, which
 * is this machine's also for another root, or in one of the usual places.
 */
static int rpm_find_database(const struct rpm_database *db)
{
	_cleanup_free_ char *configured = rpmExpand("%{_dbpath}", NULL);
	const char *const paths[] = {configured, "/usr/lib/sysimage/rpm", "/var/lib/rpm"};
	char macro[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		if (!paths[i] || paths[i][0] != '/' || !rpm_has_database(db, paths[i]))
			continue;
		(void)snprintf(macro, sizeof(macro), "_dbpath %s", paths[i]);
		return rpmDefineMacro(NULL, macro, 0) == 0 ? 0 : -EINVAL;
	}
	return -ENOENT;
}

static void rpm_iterator_done(rpmdbMatchIterator *iterator)
{
	(void)rpmdbFreeIterator(*iterator);
}

/* A damaged database is an empty one to librpm. */
static bool rpm_has_packages(const struct rpm_database *db)
{
	_cleanup_(rpm_iterator_done) rpmdbMatchIterator iterator =
		rpmtsInitIterator(db->ts, RPMDBI_PACKAGES, NULL, 0);

	return rpmdbNextIterator(iterator) != NULL;
}

static int rpm_open(struct rpm_database *db, struct heal_error *error)
{
	(void)rpmlogSetCallback(rpm_take_complaint, db);
	if (rpmReadConfigFiles(NULL, NULL) != 0)
		return rpm_error(error, db, "reading rpm's configuration");
	if (rpm_find_database(db) < 0)
		return heal_error_set(error, ENOENT, "opening the rpm database: there is none");
	db->ts = rpmtsCreate();
	if (!db->ts)
		return heal_error_set(error, ENOMEM, "opening the rpm database: out of memory");
	/* Checking signatures would take ten times as long as what is asked. */
	(void)rpmtsSetVSFlags(db->ts, RPMVSF_MASK_NODIGESTS | RPMVSF_MASK_NOSIGNATURES);
	if (rpm_set_root(db) < 0 || rpmtsOpenDB(db->ts, O_RDONLY) != 0)
		return rpm_error(error, db, "opening the rpm database");
	if (!rpm_has_packages(db))
		return heal_error_set(error, EIO, "reading the rpm database: no package in it%s%s",
				      *db->complaint ? ", " : "", db->complaint);
	/* Of its configuration it may complain, and go on. */
	db->complaint[0] = '\0';
	return 0;
}

static int rpm_copy_package(Header header, struct heal_package *ret)
{
	_cleanup_(heal_package_done) struct heal_package package = {0};
	const char *source = headerGetString(header, RPMTAG_SOURCERPM);
	const char *name = headerGetString(header, RPMTAG_NAME);
	size_t source_len = source ? rpm_source_len(source) : 0;

	/* A key or a hand-made package may have no source: then it is its own. */
	if (!source_len) {
		source = name;
		source_len = name ? strlen(name) : 0;
	}
	package.name = name ? strdup(name) : NULL;
	package.source = source ? heal_strndup(source, source_len) : NULL;
	package.version = headerGetAsString(header, RPMTAG_EVR);
	package.install_time = (int64_t)headerGetNumber(header, RPMTAG_INSTALLTIME);
	if (!package.name || !package.source || !package.version)
		return -ENOMEM;
	*ret = package;
	package = (struct heal_package){0};
	return 0;
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
	int r;

	if (!directory)
		return -ENOMEM;
	r = heal_opendir_at(db->root_fd, directory + 1, &dir);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
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

static int rpm_owners(struct rpm_database *db, const struct rpm_question *question, FILE *out)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < question->n; i++) {
		_cleanup_(heal_package_done) struct heal_package owner = {0};
		const char *path = question->paths[i];

		if (path[0] != '/')
			continue;
		r = rpm_owner(db, path, &owner);
		/* What the new version does not ship any more belongs to nobody now. */
		if (r == 0)
			r = rpm_owner_of_link(db, path, &owner);
		if (r == 0)
			r = rpm_owner_of_sibling(db, path, &owner);
		if (r > 0)
			r = rpm_reply_write(out, i, &owner);
	}
	return r < 0 ? r : 0;
}

int rpm_answer(int root_fd, const struct rpm_question *question, FILE *out,
	       struct heal_error *error)
{
	struct rpm_database db = {.root_fd = root_fd};
	int r = rpm_open(&db, error);

	if (r == 0) {
		r = rpm_owners(&db, question, out);
		if (r < 0)
			(void)heal_error_set(error, -r, "reading the rpm database: %s", strerror(-r));
		else if (*db.complaint)
			r = rpm_error(error, &db, "reading the rpm database");
	}
	(void)rpmtsFree(db.ts);
	return r;
}
