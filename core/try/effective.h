/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What sshd says of its configuration. */
#ifndef SSHD_HEAL_TRY_EFFECTIVE_H
#define SSHD_HEAL_TRY_EFFECTIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/spawn.h"
#include "base/words.h"
#include "host/context.h"
#include "report.h"
#include "try/command.h"

/* What sshd -T says, as far as it is of interest. */
struct heal_effective {
	struct heal_words addresses; /* "0.0.0.0:22", "[::]:22" */
	bool is_bound;               /* one of them to an interface or routing domain */
};

/* Parses the output of sshd -T, sshd_config(5)'s keywords in lower case. */
int effective_parse(const char *buf, size_t len, struct heal_effective *ret);
/* Runs the on-disk sshd -T as a start would run it. Errors: -ETIME for want of time. */
int heal_effective_load(struct heal_context *ctx, const struct heal_start *start,
			struct heal_effective *ret, struct heal_error *error);
/*
 * What sshd -T says of a connection, "user=root,addr=127.0.0.1", as its standard output.
 * Errors: those of running it; -ENOEXEC where it does not tell.
 */
int heal_effective_ask(struct heal_context *ctx, const struct heal_start *start, const char *connection,
		       struct heal_output *ret);
/*
 * What sshd wrote to stderr (raw is cut up): one printable line, "; " between its own,
 * without what it says of itself, and of options that it does not know any more.
 */
void heal_effective_words(char *raw, char *ret, size_t size);
/*
 * Ends an sshd that was tried, with all that it has started. words gets what it wrote to the
 * other end of fd; one that somebody else has killed has shown nothing.
 */
void heal_effective_end(pid_t pid, int fd, struct heal_hello *hello, char *words, size_t size);
void heal_effective_done(struct heal_effective *effective);
/* An address that the listener has and would have no more; or NULL. */
const char *heal_effective_lost(const struct heal_process *process, const struct heal_words *would);
/* Whether there is one where it listens and that no interface has now. 1, 0, -errno. */
int heal_effective_absent(const struct heal_process *process, const char **ret);

#endif
