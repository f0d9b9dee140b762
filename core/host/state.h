/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is kept in /run/sshd-heal. */
#ifndef SSHD_HEAL_HOST_STATE_H
#define SSHD_HEAL_HOST_STATE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "host/context.h"

/*
 * Opens one of the files of /run/sshd-heal for reading and writing, with more flags of
 * open(2); O_CREAT makes the directory, too. Gives a descriptor or -errno.
 */
int heal_state_open(struct heal_context *ctx, const char *name, int flags);

/* Reads or replaces one of its files. Errors: those of opening, reading, writing. */
int heal_state_read(struct heal_context *ctx, const char *name, size_t max, char **ret,
		    size_t *ret_len);
int heal_state_write(struct heal_context *ctx, const char *name, mode_t mode, const char *text,
		     size_t len);

/* Removes one of its files. One that is not there is no error. */
int heal_state_remove(struct heal_context *ctx, const char *name);

/* Locks a file of it with flock(2). -EBUSY: somebody else has it until deadline_ms. */
int heal_state_flock(int fd, int64_t deadline_ms);

/*
 * Takes the lock of who acts, at most until deadline_ms of CLOCK_MONOTONIC. Gives a
 * descriptor that holds it, or -errno: -EBUSY, without a message, for another run's.
 */
int heal_state_lock(struct heal_context *ctx, int64_t deadline_ms, struct heal_error *error);

#endif
