/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One sshd and one client. */
#ifndef SSHD_HEAL_TRY_PAIR_H
#define SSHD_HEAL_TRY_PAIR_H

#include <stddef.h>

#include "host/context.h"
#include "report.h"
#include "try/command.h"

/*
 * Starts sshd with -i on one end of a loopback connection, and is its client on the
 * other. runtime: a directory that is all that there is in /run; NULL: /run as it is. words gets what sshd said. Errors: -ETIME where there is no time, those of
 * starting it.
 */
int heal_pair_try(struct heal_context *ctx, const struct heal_start *start, const char *runtime,
		  struct heal_hello *hello, char *words, size_t size);

#endif
