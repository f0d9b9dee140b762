/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The message of the day. */
#ifndef SSHD_HEAL_TELL_MOTD_H
#define SSHD_HEAL_TELL_MOTD_H

#include "host/context.h"
#include "report.h"

/*
 * Puts the report into /run/motd.d/sshd-heal when the configuration wants that and
 * an sshd is left stale; removes it otherwise. Errors: those of the files.
 */
int heal_motd_update(struct heal_context *ctx, const struct heal_report *report);

#endif
