/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What hooks ask of the actor, sshd-heal.service, and what it answers: files in /run/sshd-heal. */
#ifndef SSHD_HEAL_HOST_REQUEST_H
#define SSHD_HEAL_HOST_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/context.h"

/* When the actor may begin, ordered by how soon that is. */
enum heal_request {
	HEAL_REQUEST_NONE,
	HEAL_REQUEST_WITHIN, /* asked in the middle of a transaction: after the end of all of it */
	HEAL_REQUEST_END,    /* asked at its end, by a front end that waits for the answer */
};

/*
 * Parses /run/sshd-heal/requests, a line each; buf holds len bytes, not terminated. Gives
 * the soonest. A line that is none, of another version or cut, counts as WITHIN.
 */
enum heal_request request_parse(const char *buf, size_t len);

/* Adds a request; gives its time, for heal_answer_read(). Errors: those of the file. */
int heal_request_add(struct heal_context *ctx, enum heal_request kind, int64_t *ret_ns);
/* The soonest that waits; errors count as none. */
enum heal_request heal_request_peek(struct heal_context *ctx);
/* Takes all that wait; gives the soonest, and a time that is later than that of each. */
int heal_request_take(struct heal_context *ctx, enum heal_request *ret, int64_t *ret_ns);

struct heal_answer {
	int status; /* of the run, as heal_report_status() has it */
	char *text; /* for the front end's user, "" for nothing */
};

/*
 * Parses /run/sshd-heal/answer, ended by a NUL: two numbers, and behind their line the
 * text, which points into buf. -EBADMSG.
 */
int answer_parse(const char *buf, int64_t *ret_taken_ns, int *ret_status, const char **ret_text);

/* Leaves the answer to the requests that were taken at a time. Errors: those of the file. */
int heal_answer_write(struct heal_context *ctx, int64_t taken_ns, const struct heal_answer *answer);
/* Gives the answer if it is one to a request of that time. Returns 1, 0, -errno. */
int heal_answer_read(struct heal_context *ctx, int64_t asked_ns, struct heal_answer *ret);
void heal_answer_done(struct heal_answer *answer);

/* Keeps for a front end that asks in a moment what was said when nobody waited for it. */
int heal_untold_write(struct heal_context *ctx, const struct heal_answer *answer);
/* Takes what was kept so and is of this moment. Returns 1, 0 when there is nothing, -ENOMEM. */
int heal_untold_take(struct heal_context *ctx, struct heal_answer *ret);

/* Claims to be the actor, for as long as the descriptor is open. -EBUSY: another one is. */
int heal_actor_claim(struct heal_context *ctx);
/* Whether there is an actor at work. */
bool heal_actor_is_there(struct heal_context *ctx);

#endif
