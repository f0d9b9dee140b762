/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of TCP wrappers, hosts_access(5) and hosts_options(5). */
#ifndef SSHD_HEAL_LOOK_WRAPPERS_H
#define SSHD_HEAL_LOOK_WRAPPERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/words.h"
#include "host/context.h"

/* One rule, as it stands in its file: the fields are not terminated. */
struct wrappers_rule {
	unsigned line; /* the first one of it, from 1 */
	const char *daemons;
	size_t daemons_len;
	const char *clients;
	size_t clients_len;
	const char *options;
	size_t options_len;
};

typedef int (*wrappers_fn)(void *user, const struct wrappers_rule *rule);
/*
 * Gives each rule of a hosts.allow or hosts.deny to fn, whose first value but 0 ends it
 * and is given back. Lines that a backslash joins are joined in the text itself.
 */
int wrappers_parse(char *text, size_t len, wrappers_fn fn, void *user);

/* Whether a rule is about sshd, as about everything. */
bool wrappers_is_sshds(const struct wrappers_rule *rule);

/* The address of one whom a pattern means, "10.0.0." and "10.0.0.0/8" are 10.0.0.1; false: it has none. */
bool wrappers_source(const char *pattern, size_t len, char *ret, size_t size);

struct heal_wrappers {
	bool has_rules;           /* a line that is more than a comment, or a file that cannot be read */
	bool has_names;           /* somebody may be let in whom only a name or a file tells of */
	bool has_commands;        /* a client of sshd may have libwrap run something */
	int error;                /* -errno: not all of them could be read; then all of the above may be so */
	unsigned deny_line;       /* the first in hosts.deny that is about sshd; 0: none */
	struct heal_words sources; /* an address of each who is named by address in rules for sshd */
};

/* Reads /etc/hosts.allow and /etc/hosts.deny. */
void heal_wrappers_load(struct heal_context *ctx, struct heal_wrappers *ret);
void heal_wrappers_done(struct heal_wrappers *wrappers);

#endif
