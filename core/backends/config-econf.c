/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sshd-heal.conf and its drop-ins, read by libeconf. */
#include <inttypes.h>
#include <limits.h>

#include <libeconf.h>
#include <libeconf_ext.h>

#include "../internal.h"

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
	econf_err code = econf_getGroups(file, &n, &groups);

	if (code == ECONF_SUCCESS && n > 0)
		return heal_error_set(error, EINVAL, "sshd-heal.conf: it has no sections, but [%s] stands there",
				      groups[0]);
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

/* Its successor econf_readConfig() is not in the 0.5 that Debian 12 has. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static econf_err econf_read_host(econf_file **file, const char *usr, const char *etc)
{
	return econf_readDirs(file, usr, etc, "sshd-heal", "conf", "=", "#");
}
#pragma GCC diagnostic pop

static int econf_read(int root_fd, const char *path, econf_set_fn set, void *user,
		      struct heal_error *error)
{
	_cleanup_(econf_freep) econf_file *file = NULL;
	char prefix[32];
	char etc[64];
	char usr[64];
	econf_err code;

	(void)snprintf(prefix, sizeof(prefix), "/proc/self/fd/%d", root_fd);
	(void)snprintf(etc, sizeof(etc), "%s/etc", prefix);
	(void)snprintf(usr, sizeof(usr), "%s/usr/lib/sshd-heal", prefix);
	if (path)
		code = econf_readFile(&file, path, "=", "#");
	else
		code = econf_read_host(&file, usr, etc);
	if (code == ECONF_NOFILE && !path)
		return 0;
	if (code == ECONF_NOFILE)
		return heal_error_set(error, ENOENT, "reading the configuration file %s: no such file",
				      path);
	if (code != ECONF_SUCCESS)
		return econf_fail(code, prefix, error);
	return econf_each_key(file, prefix, set, user, error);
}

_export_ extern const struct config_ops heal_config_ops;
const struct config_ops heal_config_ops = {.read = econf_read};
