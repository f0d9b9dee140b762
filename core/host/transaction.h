/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The transactions of rpm. */
#ifndef SSHD_HEAL_HOST_TRANSACTION_H
#define SSHD_HEAL_HOST_TRANSACTION_H

#include <stdbool.h>

#include "host/context.h"

/* Whether an rpm transaction is going on: it holds its lock for writing, rpm(8). */
bool heal_transaction_is_on(const struct heal_context *ctx);

/*
 * Takes away the mark of rpm's trigger, /run/sshd-heal/wanted. Returns whether it
 * was there: then a transaction has ended since it was taken last.
 */
bool heal_wanted_take(struct heal_context *ctx);

#endif
