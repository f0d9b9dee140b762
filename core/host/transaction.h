/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The transactions of package managers. */
#ifndef SSHD_HEAL_HOST_TRANSACTION_H
#define SSHD_HEAL_HOST_TRANSACTION_H

#include <stdbool.h>

#include "host/context.h"

/*
 * Whether a transaction is going on, by the locks that package managers hold for
 * writing: that of the database, and with has_front_end also those that a front end
 * holds around all of its transactions. One that cannot be looked at counts as held.
 */
bool heal_transaction_is_on(const struct heal_context *ctx, bool has_front_end);

/*
 * Whether a front end is there that runs rpm once for each package, and locks nothing in
 * between: zypper and what else is of libzypp, which may also stay there with nothing to do.
 */
bool heal_transaction_may_go_on(const struct heal_context *ctx);

#endif
