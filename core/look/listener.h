/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sshd listeners of this host. */
#ifndef SSHD_HEAL_LOOK_LISTENER_H
#define SSHD_HEAL_LOOK_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "host/context.h"
#include "report.h"

/*
 * Finds the sshd listeners by their exe (basename sshd, or one that begins so), or their
 * unit (ssh.service, sshd.service), and title, sshd(8). Sessions are left out. A process that ends meanwhile is passed over; one
 * that may not be read becomes a note. Errors: -ENOENT and others of /proc
 * itself, -ENOMEM.
 */
int heal_listeners_find(struct heal_context *ctx, struct heal_listeners *ret,
			struct heal_notes *notes, struct heal_error *error);

/*
 * Looks at one process again; is_known: it is one that was ours, or that systemd says is
 * our unit's, wherever it runs now. Returns 0 with a process that is the caller's to
 * free, 1 when it is none, -errno when it may not be read; -EAGAIN: inside execve.
 */
int heal_listener_load(struct heal_context *ctx, pid_t pid, bool is_known, struct heal_process *ret);

#endif
