/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a client of the running sshd meets. */
#ifndef SSHD_HEAL_TRY_LIVE_H
#define SSHD_HEAL_TRY_LIVE_H

#include <stdbool.h>

#include "host/context.h"
#include "report.h"

/*
 * Is a client at one of a listener's addresses. Where there is no connection although
 * sshd listens, something else is in the way: then fate is UNKNOWN. What the look before has
 * waited for in vain (before: TIMEOUT) is not waited for as long again.
 */
void heal_live_at(struct heal_context *ctx, const struct heal_process *process, const char *address,
		  enum heal_fate before, struct heal_hello *ret);

/* The n-th of its addresses to be a client at, from 0; NULL: there are no more. */
const char *heal_live_address(const struct heal_process *process, size_t n);

/* The same at its first address, or, where that cannot be reached, at another. */
void heal_live_look(struct heal_context *ctx, const struct heal_process *process,
		    enum heal_fate before, struct heal_hello *ret);

/* What TCP wrappers do with our client, by what the trial has found, is nothing that sshd does. */
void heal_live_excuse(const struct heal_trial *trial, struct heal_hello *hello);

#endif
