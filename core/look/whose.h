/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose a process is, and its file. */
#ifndef SSHD_HEAL_LOOK_WHOSE_H
#define SSHD_HEAL_LOOK_WHOSE_H

#include "base/error.h"
#include "host/context.h"
#include "host/proc.h"
#include "report.h"

/*
 * Whose a process is, as far as its file does not matter: compared with PID 1, not with
 * ourselves. Errors: those of /proc; then it is nobody's.
 */
int heal_whose_process(const struct heal_context *ctx, const struct heal_process *process,
		       const struct heal_owner *owner, enum heal_foreign *ret);

/* A view that is to end with its scope. */
struct heal_view {
	struct heal_context *ctx; /* NULL: it is ours */
};

/*
 * Has names mean what they mean to a listener, whose unit may have put other files over
 * ours (BindPaths=), until heal_view_end(). One at a time. Errors: those of /proc.
 */
int heal_view_begin(struct heal_context *ctx, const struct heal_process *process,
		    struct heal_view *ret);
void heal_view_end(struct heal_view *view);

/*
 * Puts the name that root's own sshd was started by into the place of that of its file,
 * where that is another file by now, or none: dpkg-divert, mv, alternatives. A start, and
 * SIGHUP, go by that name. Takes the name over.
 */
int heal_whose_name(const struct heal_context *ctx, struct heal_process *process, char *name);

/*
 * Whose the file of root's own sshd is, by the configuration: OURS for a known path or
 * what one leads to, as PID 1 sees it; FOREIGN_PATH is heal_whose_claim()'s to decide.
 */
int heal_whose_file(const struct heal_context *ctx, const struct heal_process *process,
		    enum heal_foreign *ret);

/*
 * Makes an sshd of a path that is not known ours, where it is the main process of a system
 * service whose ExecStart= is its file, and that is root's all the way; FOREIGN_WRITABLE
 * where it is not root's. Asks systemd. Errors: it is not known whose it is.
 */
int heal_whose_claim(struct heal_context *ctx, struct heal_listener *listener,
		     struct heal_error *error);

#endif
