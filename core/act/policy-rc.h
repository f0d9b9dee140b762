/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The administrator's word on service actions. */
#ifndef SSHD_HEAL_ACT_POLICY_RC_H
#define SSHD_HEAL_ACT_POLICY_RC_H

#include <stdbool.h>

#include "base/error.h"
#include "host/context.h"

/*
 * What an exit status of policy-rc.d means, invoke-rc.d(8) and Debian policy 9.3.3.
 * -EPROTO for one that means nothing but that something is wrong with it.
 */
int policy_allows(int status, bool *ret);
/*
 * Asks /usr/sbin/policy-rc.d, if there is one, about an action on a unit. Gives
 * false when it forbids it. Errors: it could not be asked, or in time.
 */
int heal_policy_allows(struct heal_context *ctx, const char *unit, const char *action, bool *ret,
		       struct heal_error *error);

#endif
