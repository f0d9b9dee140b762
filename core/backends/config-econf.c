/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sshd-heal.conf and its drop-ins, read by libeconf. */
#include <inttypes.h>
#include <limits.h>

#include <libeconf.h>
#include <libeconf_ext.h>

#include "../internal.h"

static const char econf_drop_ins[] = "/sshd-heal.conf.d/";

typedef int (*econf_set_fn)(void *user, const char *key, const char *value, const char *path,
			    uint64_t line, struct heal_error *error);

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

/* Where libeconf stopped. Its paths go through our root descriptor: name the host's own. */
static const char *econf_host_path(const char *path, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(path, prefix, len) == 0 ? path + len : path;
}

static int econf_fail(econf_err code, const char *prefix, struct heal_error *error)
{
	_cleanup_free_ char *path = NULL;
	uint64_t line = 0;

	econf_errLocation(&path, &line);
	return heal_error_set(error, code == ECONF_NOMEM ? ENOMEM : EINVAL, "%s:%" PRIu64 ": %s",
			      path ? econf_host_path(path, prefix) : "sshd-heal.conf", line,
			      econf_errString(code));
}

static int econf_each_key(econf_file *file, const char *prefix, econf_set_fn set, void *user,
			  struct heal_error *error)
{
	_cleanup_(econf_free_listp) char **keys = NULL;
	_cleanup_(econf_free_listp) char **groups = NULL;
	size_t n = 0;
	_cleanup_free_ char *path = econf_getPath(file);
	econf_err code = econf_getGroups(file, &n, &groups);

	if (code == ECONF_SUCCESS && n > 0)
		return heal_error_set(error, EINVAL, "%s: it has no sections, but [%s] stands there",
				      path ? econf_host_path(path, prefix) : "sshd-heal.conf", groups[0]);
	n = 0;
	code = econf_getKeys(file, NULL, &n, &keys);
	if (code != ECONF_SUCCESS && code != ECONF_NOKEY && code != ECONF_NOGROUP)
		return econf_fail(code, prefix, error);
	for (size_t i = 0; i < n; i++) {
		econf_ext_value *value = NULL;
		_cleanup_free_ char *text = NULL;
		int r;

		code = econf_getExtValue(file, NULL, keys[i], &value);
		if (code != ECONF_SUCCESS)
			return econf_fail(code, prefix, error);
		code = econf_getStringValue(file, NULL, keys[i], &text);
		r = set(user, keys[i], code == ECONF_SUCCESS && text ? text : "",
			econf_host_path(value->file ? value->file : "", prefix),
			value->line_number, error);
		econf_freeExtValue(value);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The files that a host has, the one that says the last word at the end. */
struct econf_files {
	econf_file **items;
	size_t count;
};

static void econf_files_done(struct econf_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		econf_freeFile(files->items[i]);
	free((void *)files->items);
}

/*
 * Each for itself: of files that it has merged 0.5 does not tell any more which one a
 * value came from, nor that there were sections. Its successor econf_readConfigHistory()
 * is not in the 0.5 that Debian 12 has.
 */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static econf_err econf_read_host(struct econf_files *files, const char *usr, const char *etc)
{
	return econf_readDirsHistory(&files->items, &files->count, usr, etc, "sshd-heal", "conf", "=",
				     "#");
}
#pragma GCC diagnostic pop

/* Whether a drop-in of the same name comes later: it stands in this one's place. */
static bool econf_is_masked(const struct econf_files *files, size_t index)
{
	_cleanup_free_ char *path = econf_getPath(files->items[index]);
	const char *name = path ? strstr(path, econf_drop_ins) : NULL;

	for (size_t i = index + 1; name && i < files->count; i++) {
		_cleanup_free_ char *other = econf_getPath(files->items[i]);
		const char *other_name = other ? strstr(other, econf_drop_ins) : NULL;

		if (other_name && strcmp(name, other_name) == 0)
			return true;
	}
	return false;
}

static int econf_read_files(int root_fd, econf_set_fn set, void *user, struct heal_error *error)
{
	_cleanup_(econf_files_done) struct econf_files files = {0};
	char prefix[32];
	char etc[64];
	char usr[64];
	econf_err code;
	int r = 0;

	(void)snprintf(prefix, sizeof(prefix), "/proc/self/fd/%d", root_fd);
	(void)snprintf(etc, sizeof(etc), "%s/etc", prefix);
	(void)snprintf(usr, sizeof(usr), "%s/usr/lib/sshd-heal", prefix);
	code = econf_read_host(&files, usr, etc);
	if (code != ECONF_SUCCESS)
		return code == ECONF_NOFILE ? 0 : econf_fail(code, prefix, error);
	for (size_t i = 0; r == 0 && i < files.count; i++)
		if (!econf_is_masked(&files, i))
			r = econf_each_key(files.items[i], prefix, set, user, error);
	return r;
}

static int econf_read(int root_fd, const char *path, econf_set_fn set, void *user,
		      struct heal_error *error)
{
	_cleanup_(econf_freep) econf_file *file = NULL;
	econf_err code;

	if (!path)
		return econf_read_files(root_fd, set, user, error);
	code = econf_readFile(&file, path, "=", "#");
	if (code == ECONF_NOFILE)
		return heal_error_set(error, ENOENT, "reading the configuration file %s: no such file",
				      path);
	if (code != ECONF_SUCCESS)
		return econf_fail(code, "", error);
	return econf_each_key(file, "", set, user, error);
}

_export_ extern const struct config_ops heal_config_ops;
const struct config_ops heal_config_ops = {.read = econf_read};
