/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pure parts of package-apt, for their tests and the fuzzer. */
#ifndef SSHD_HEAL_PACKAGE_APT_H
#define SSHD_HEAL_PACKAGE_APT_H

#include <stdbool.h>
#include <stddef.h>

struct apt_diversion {
	const char *from;
	const char *to;
	const char *package; /* ":" for a local one */
};

/*
 * Parses dpkg's diversions file: three lines each. The buffer is changed, and
 * the diversions point into it. Errors: -EINVAL for a cut one, -ENOMEM.
 */
int apt_divert_parse(char *buf, size_t len, struct apt_diversion **ret, size_t *ret_n);

#endif
