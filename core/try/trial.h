/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Would a client get in with the files on disk? */
#ifndef SSHD_HEAL_TRY_TRIAL_H
#define SSHD_HEAL_TRY_TRIAL_H

#include "host/context.h"
#include "report.h"

/*
 * Tries the sshd on disk with the listener's own options, by a rehearsal or, where that
 * cannot be, by the pair. Fills in trial, the host key compared with that in live. Where it
 * failed, the detail has sshd's own words and the package of the file at fault.
 */
void heal_trial_run(struct heal_context *ctx, struct heal_listener *listener);

/* The same with the unit's options alone, for a listener that has ended. */
void heal_trial_again(struct heal_context *ctx, struct heal_listener *listener);

#endif
