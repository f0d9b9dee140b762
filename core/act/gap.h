/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For how long nothing listened. */
#ifndef SSHD_HEAL_ACT_GAP_H
#define SSHD_HEAL_ACT_GAP_H

struct heal_gap;
/*
 * Watches from a thread of its own whether a listening socket exists at an
 * address. NULL when it cannot.
 */
struct heal_gap *heal_gap_start(const char *address);
/* Ends it; gives for how long there was none, in ms; negative when unknown. */
double heal_gap_stop(struct heal_gap *watch);

#endif
