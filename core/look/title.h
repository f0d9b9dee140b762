/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an sshd is, by its title. */
#ifndef SSHD_HEAL_LOOK_TITLE_H
#define SSHD_HEAL_LOOK_TITLE_H

#include <stdbool.h>
#include <stddef.h>

/* Of /proc/PID/cmdline; a listener's title is its argv and a few words. */
#define CMDLINE_MAX (256u << 10)

enum heal_title {
	HEAL_TITLE_LISTENER,
	HEAL_TITLE_SESSION, /* past authentication, or its privileged monitor */
	HEAL_TITLE_OTHER,   /* before authentication, -i, -R, -t, -T */
};

/* Tells what an sshd is by its /proc/PID/cmdline of len bytes, NULs included. */
enum heal_title title_classify(const char *cmdline, size_t len);

/*
 * The length of the name that a title begins with, "sshd: ", "sshd-session: ": that of the
 * file it was started by. sshd up to 9.7 has its own in every role. 0: it is no title that
 * an sshd has given itself.
 */
size_t title_name(const char *cmdline, size_t len);

/*
 * The name that a listener was started by, which is its first argument: to be freed, or
 * NULL where it is not absolute, or was cut. It may have blanks in it where it is its exe.
 */
int title_program(const char *cmdline, size_t len, const char *exe, char **ret);

/*
 * Whether a listener's title, ended by a NUL, says that it turns clients away: "10 of
 * 10-100 startups" are as many that have not logged in as it lets be before it begins to.
 */
bool title_is_full(const char *title);

#endif
