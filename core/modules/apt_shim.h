/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libapt-pkg, seen from C: the installed packages of a dpkg status file.
 * No C++ exception leaves the shim; apt's own error stack ends in the message.
 */
#ifndef SSHD_HEAL_APT_SHIM_H
#define SSHD_HEAL_APT_SHIM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One installed binary package. The strings live until the callback returns. */
struct apt_shim_package {
	const char *name;
	const char *source; /* source package, the name itself where dpkg gives none */
	const char *version;
	const char *arch;
};

/* Called for each package; anything but 0 ends the walk and is given back by it. */
typedef int (*apt_shim_fn)(void *user, const struct apt_shim_package *package);

/*
 * Walks over the packages whose files are on disk (dpkg(1): every state but
 * not-installed and config-files).
 * path: of the status file, as a person should read it in an error.
 * fd: the status file, open for reading; it stays the caller's.
 * Returns 0, what fn gave, or -EIO with a message of at most size bytes.
 */
int apt_shim_walk(int fd, const char *path, apt_shim_fn fn, void *user, char *message,
		  size_t size);

#ifdef __cplusplus
}
#endif
#endif
