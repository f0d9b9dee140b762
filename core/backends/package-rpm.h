/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pure parts of package-rpm, for their tests and the fuzzer. */
#ifndef SSHD_HEAL_PACKAGE_RPM_H
#define SSHD_HEAL_PACKAGE_RPM_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Gives the length of the source package's name in the name of its file
 * ("openssl-3.0.7-1.el9.src.rpm" has 7), 0 when it is none.
 */
size_t rpm_source_len(const char *sourcerpm);

/*
 * Gives the length of a shared library's next shorter name, which may be that of
 * its soname link: "libcrypto.so.3.0.7" has "libcrypto.so.3.0". 0 when there is
 * none; the one without any version is not the library's, but that of -devel.
 */
size_t rpm_soname_len(const char *name, size_t len);

/*
 * Whether a file may be the soname link of a library that has its version in
 * front of ".so", as glibc's had up to 2.33: "libc.so.6" of "libc-2.28.so".
 */
bool rpm_is_soname_of(const char *link, const char *name);

#endif
