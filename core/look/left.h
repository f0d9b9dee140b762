/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the last run left stale, so that it is not done, nor told, over and over. */
#ifndef SSHD_HEAL_LOOK_LEFT_H
#define SSHD_HEAL_LOOK_LEFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/context.h"
#include "report.h"

/* What a look finds, as against the last run and the last proof. */
enum heal_look {
	HEAL_LOOK_QUIET,    /* every listener is as it was proven */
	HEAL_LOOK_UNPROVEN, /* none is stale, and one is not as it was proven */
	HEAL_LOOK_LEFT,     /* what is stale was left so, and nothing has changed since */
	HEAL_LOOK_PUT_OFF,  /* likewise, for a reason that passes: worth another try */
	HEAL_LOOK_NEWS,
};

/*
 * Parses /run/sshd-heal/left, ended by a NUL: when (seconds of CLOCK_BOOTTIME; 0: for no
 * reason that passes) and then, as the rest, what was left. -EBADMSG.
 */
int left_parse(const char *buf, int64_t *ret_since_s, const char **ret_what);

/*
 * Parses a line of it that tells of a unit that an action of ours has ended: its name, its
 * program, where it listened. Errors: -EBADMSG, -ENOMEM.
 */
int left_parse_ended(const char *line, struct heal_listener *ret);

/*
 * Notes before an action that it may end the unit, so that it is known for what it is even
 * if we are ended with it. The run's last word, heal_left_write(), takes it back.
 */
int heal_left_begin(struct heal_context *ctx, const struct heal_listener *listener);
/* Adds the units that actions of ours have ended. Errors: those of the file; -EBADMSG. */
int heal_left_ended(struct heal_context *ctx, struct heal_listeners *ret);

/* What is left stale, as a text that stays the same as long as nothing changes. Errors: -ENOMEM. */
int heal_left_describe(struct heal_context *ctx, const struct heal_listeners *listeners, char **ret);

/* Whether an action of ours has failed with this very process, and no client was seen to get in since. */
bool heal_left_has_failed(struct heal_context *ctx, const struct heal_process *process);

/* An address that an action of ours has cost this very process; "" where it has cost it none. */
void heal_left_lost(struct heal_context *ctx, const struct heal_process *process, char *ret, size_t size);

/* Compares the stale listeners with those that were left. Errors: -ENOMEM. */
int heal_left_compare(struct heal_context *ctx, const struct heal_listeners *listeners,
		      enum heal_look *ret);
/*
 * Notes what this run leaves, and whether all of it is put off; ended has, among others,
 * the units that actions of ours have ended. Errors: those of the file.
 */
int heal_left_write(struct heal_context *ctx, const struct heal_listeners *listeners,
		    const struct heal_listeners *ended);

#endif
