/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The proof that an action took. */
#ifndef SSHD_HEAL_ACT_PROVE_H
#define SSHD_HEAL_ACT_PROVE_H

#include "host/context.h"
#include "report.h"

/*
 * Waits until the listener (or, after a restart, the unit's new main process)
 * listens on its addresses again, maps no deleted file and lets a client in, at
 * most timeout_ms. The listener then describes the process as it is now, but
 * for the stale files, which stay for the report. Of the last two, detail has the reason.
 */
enum heal_proof heal_prove(struct heal_context *ctx, struct heal_listener *listener, int timeout_ms);

#endif
