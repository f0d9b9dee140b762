/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which packages the transactions since the last heal have changed. */
#ifndef SSHD_HEAL_HOST_EVENT_H
#define SSHD_HEAL_HOST_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "host/context.h"
#include "report.h"

/*
 * Parses apt's DPkg::Pre-Install-Pkgs stream, version 3 (apt.conf(5)).
 * buf holds len bytes, not terminated. Every change of version is one entry;
 * configure-only and unchanged lines give none.
 * Returns the number of the first line that is not of that format (1-based)
 * with what came before it in ret; 0 when all was understood; -ENOMEM.
 */
int heal_event_parse_apt(const char *buf, size_t len, struct heal_event *ret);

/*
 * Parses lines of four fields with tabs between: package, architecture, version
 * before, version now; "-" is no version. buf holds len bytes, not terminated. So
 * the hooks of dnf and yum tell a transaction, and so /run/sshd-heal/changes is kept.
 * Returns how many lines are not of that form and were passed over, or -ENOMEM.
 */
int heal_event_parse_lines(const char *buf, size_t len, struct heal_event *ret);

enum heal_event_format {
	HEAL_EVENT_APT,
	HEAL_EVENT_LINES,
};

/*
 * Reads a package manager's list from fd up to its end (or deadline_ms of
 * CLOCK_MONOTONIC) and parses it. One that is cut, overlong or malformed gives
 * what was understood, and a note. Errors: -ENOMEM.
 */
int heal_event_read(int fd, int64_t deadline_ms, enum heal_event_format format,
		    struct heal_event *ret, struct heal_notes *notes);

/*
 * Adds the changes to those that wait in /run/sshd-heal/changes, where they
 * stay until nothing is stale any more. Errors: those of open and write.
 */
int heal_event_note(struct heal_context *ctx, const struct heal_event *event,
		    struct heal_error *error);

/*
 * Gives the changes that wait, the same package folded into one: oldest version
 * before, newest version now. None waiting is not an error; what cannot be read
 * becomes a note. Errors: -ENOMEM.
 */
int heal_event_load(struct heal_context *ctx, struct heal_event *ret, struct heal_notes *notes);

/* Forgets the changes that wait. */
int heal_event_clear(struct heal_context *ctx);

#endif
