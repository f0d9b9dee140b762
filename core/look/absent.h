/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Units that ought to serve ssh, and for which nothing listens. */
#ifndef SSHD_HEAL_LOOK_ABSENT_H
#define SSHD_HEAL_LOOK_ABSENT_H

#include "host/context.h"
#include "report.h"

/*
 * Adds them to the listeners, which have their addresses: those that an action of ours has
 * ended, and where nothing of this host's own listens at all, the one that is enabled.
 * What could not be found out becomes a note, and one more that is unreadable.
 */
void heal_absent_find(struct heal_context *ctx, struct heal_listeners *listeners,
		      struct heal_notes *notes);

#endif
