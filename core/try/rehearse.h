/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The same sshd, started for real in a network of its own. */
#ifndef SSHD_HEAL_TRY_REHEARSE_H
#define SSHD_HEAL_TRY_REHEARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/words.h"
#include "host/context.h"
#include "report.h"
#include "try/command.h"

/* What a rehearsal is to show. */
struct heal_rehearsal_of {
	const struct heal_process *process; /* where it listens now: a client goes to the same place */
	bool hups;           /* and gets in after a SIGHUP, too */
	bool hides_wrappers; /* without hosts.allow and hosts.deny */
	const struct heal_words *sources; /* a client of each of these addresses, too; NULL: only ours */
	bool is_about_sources; /* whatever becomes of ours */
	const char *runtime; /* with this directory in /run; NULL: as it is */
	int timeout_ms;
};

struct heal_rehearsal {
	struct heal_hello hello;     /* what a client met, the last one that was sent */
	struct heal_words addresses; /* where sshd listened, "0.0.0.0:22" */
	struct heal_words mapped;    /* what those had mapped as code that served a client */
	char words[256];             /* what sshd said */
	char let_in[64];             /* the first of the sources that gets in, "": none does */
	bool is_full;                /* one of them was turned away for there were too many */
};

/*
 * Starts the sshd on disk with its own arguments, in its own place, and is its client;
 * nothing is left of it afterwards. fate is REFUSED where it never listened. Errors:
 * -EOPNOTSUPP where this host does not let us; -ETIME, those of starting it.
 */
int heal_rehearse(struct heal_context *ctx, const struct heal_start *start,
		  const struct heal_rehearsal_of *of, struct heal_rehearsal *ret);
void heal_rehearsal_done(struct heal_rehearsal *rehearsal);

#endif
