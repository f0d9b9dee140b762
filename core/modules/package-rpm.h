/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of package-rpm share; its pure parts have tests and are fuzzed. */
#ifndef SSHD_HEAL_PACKAGE_RPM_H
#define SSHD_HEAL_PACKAGE_RPM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

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

struct heal_error;
struct heal_package;

/* The owners of n paths. */
struct rpm_question {
	const char *const *paths;
	size_t n;
};

/* Asks librpm and writes the packages. Errors: with a message. */
int rpm_answer(int root_fd, const struct rpm_question *question, FILE *out,
	       struct heal_error *error);

/* One package, that of the path with that index. Errors: -EIO. */
int rpm_reply_write(FILE *out, size_t index, const struct heal_package *package);
/* That this was all; or why there is none. */
void rpm_reply_end(FILE *out);
void rpm_reply_fail(FILE *out, const char *why);
/*
 * Parses a reply into packages[index], below n; they are to be freed even after an
 * error. Errors: -EPROTO for a reply that is cut or none, -ENOMEM, -EIO with what the
 * child complained of.
 */
int rpm_reply_parse(const char *reply, size_t len, struct heal_package *packages, size_t n,
		    struct heal_error *error);

#endif
