/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a start or reload of sshd would take up, beside new programs and libraries. */
#ifndef SSHD_HEAL_TRY_PENDING_H
#define SSHD_HEAL_TRY_PENDING_H

#include "host/context.h"
#include "report.h"

/*
 * Finds the files that count for what a client of a listener meets, what of them it has
 * read, and what it has not: the listener's evidence, counted and pending. Has the live
 * client's key already, where there is any. What could not be found out is said there.
 */
void heal_pending_find(struct heal_context *ctx, struct heal_listener *listener);

#endif
