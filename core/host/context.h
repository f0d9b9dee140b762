/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What everything is read through. */
#ifndef SSHD_HEAL_HOST_CONTEXT_H
#define SSHD_HEAL_HOST_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "host/config.h"
#include "host/module.h"
#include "report.h"

/* Of whom a diagnosis is asked. */
struct heal_question {
	const char *from; /* a client's address; NULL: anybody's */
	const char *user; /* who would log in; NULL: nobody in particular */
};

struct heal_context {
	int root_fd;
	int view_fd;  /* the root as the listener that is looked at has it; -1: likewise */
	int proc_fd;  /* -1 when the root has no /proc */
	bool is_live; /* the root is that of this machine, so its processes can be acted on */
	bool is_hook;   /* only what can be acted on is of interest */
	bool is_chroot; /* the processes that /proc shows are not of this root */
	enum heal_lock lock;
	bool is_retry; /* of what was put off: without a restart */
	int64_t deadline_ms; /* of the run, CLOCK_MONOTONIC; the configuration may move it */
	int settle_ms; /* how long an action that failed may still be at work */
	int quiet_ms;  /* how long the moment to act is waited for */
	void (*on_act)(void); /* called when an action begins, which must be brought to its proof */
	struct heal_config config;
	bool is_configured; /* the configuration is known */
	struct heal_question question; /* the texts stay the caller's */
	char *module_dir;
	const struct package_ops *package_ops; /* NULL until loaded */
	void *package;
	const struct service_ops *service_ops;
	void *service;
	const struct client_ops *client_ops;
};

/*
 * Opens the directories that everything is read from.
 * root: the host's root directory, "/" or a recorded tree.
 * module_dir: absolute directory that holds the modules.
 * Errors: -ENOENT, -ENOTDIR, -EACCES for the root; a root without /proc is
 * not an error until it is scanned.
 */
int heal_context_new(struct heal_context **ret, const char *root, const char *module_dir,
		     struct heal_error *error);
struct heal_context *heal_context_free(struct heal_context *ctx);

static inline void heal_context_freep(struct heal_context **ctx)
{
	(void)heal_context_free(*ctx);
}

/* The root in which names mean what they mean to the listener that is looked at. */
static inline int heal_view(const struct heal_context *ctx)
{
	return ctx->view_fd < 0 ? ctx->root_fd : ctx->view_fd;
}

/* Loads the backend when first needed. Errors: -ENOENT and the like, with a message. */
int heal_context_package(struct heal_context *ctx, struct heal_error *error);
int heal_context_service(struct heal_context *ctx, struct heal_error *error);
int heal_context_client(struct heal_context *ctx, struct heal_error *error);
/* Loads a module and gives its table. */
int heal_context_load(struct heal_context *ctx, const char *name, const char *symbol,
		      const void **ret, struct heal_error *error);

/* Whether sshd-heal.service may act for it: systemd runs this machine, and the root is its own. */
bool heal_context_has_actor(const struct heal_context *ctx);

/* Whether a directory is this machine's root, however it was named. Errors: those of stat. */
int heal_root_is_live(int root_fd, bool *ret);

#endif
