/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The unit of a listener. */
#ifndef SSHD_HEAL_LOOK_UNIT_H
#define SSHD_HEAL_LOOK_UNIT_H

#include "base/error.h"
#include "host/context.h"
#include "report.h"

/*
 * Asks systemd for the unit of a listener, and looks whether sessions are where the end of
 * the unit would end them: fills in unit and at_stake. What cannot be found out becomes
 * manager UNKNOWN with the unit as it was, or at_stake UNSEEN. Errors: those of asking systemd.
 */
int heal_unit_find(struct heal_context *ctx, struct heal_listener *listener,
		   struct heal_error *error);

/* Looks again for what a restart of its unit, which was found, would end now, and for its job. */
void heal_unit_again(struct heal_context *ctx, struct heal_listener *listener);

#endif
