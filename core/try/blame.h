/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file at fault. */
#ifndef SSHD_HEAL_TRY_BLAME_H
#define SSHD_HEAL_TRY_BLAME_H

/*
 * The path of the file that sshd's words complain of; a library that ld.so names
 * without one is looked for in library_dir. NULL when there is none.
 */
char *blame_find_path(const char *words, const char *library_dir);

#endif
