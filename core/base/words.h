/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of words. */
#ifndef SSHD_HEAL_BASE_WORDS_H
#define SSHD_HEAL_BASE_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* A list of words, with a NULL behind the last one. */
struct heal_words {
	char **items;
	size_t count;
};
int heal_words_add(struct heal_words *words, const char *text, size_t len);
/* Adds one that is not there yet. Returns 1 where it was. */
int heal_words_add_once(struct heal_words *words, const char *text, size_t len);
void heal_words_done(struct heal_words *words);
int heal_words_copy(const struct heal_words *from, struct heal_words *to);
bool heal_words_equal(const struct heal_words *a, const struct heal_words *b);

/* Splits at blanks outside of quotes. */
int words_split(const char *text, struct heal_words *words);

/* The words of a /proc/PID/cmdline. */
int words_split_nul(const char *buf, size_t len, struct heal_words *argv);

/*
 * Takes one piece of text up to its end or an unquoted blank, without quotes and
 * backslashes: outside of quotes a backslash takes any character, in double quotes
 * only those that systemd.exec(5) names. out has room for len + 1 bytes. Returns
 * what was consumed.
 */
size_t words_unquote(const char *text, size_t len, bool stops_at_blank, char *out, size_t *out_len);

#endif
