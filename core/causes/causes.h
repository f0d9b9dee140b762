/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why clients are turned away: every known cause, by experiment where one can be made. */
#ifndef SSHD_HEAL_CAUSES_CAUSES_H
#define SSHD_HEAL_CAUSES_CAUSES_H

#include "host/context.h"
#include "report.h"

/*
 * Looks at every cause for a listener that was tried, in its mounts; the listener's
 * causes, the one that was shown first.
 */
void heal_causes_find(struct heal_context *ctx, struct heal_listener *listener,
		      const struct heal_question *question);

/*
 * The same for who is not root: of an sshd at the usual port, what can be found out without
 * looking into it, with a client of the caller's own. The rest is unknown. -ENOMEM.
 */
int heal_causes_guess(struct heal_context *ctx, const struct heal_question *question, struct heal_report *ret);

#endif
