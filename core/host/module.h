/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is behind a module: one table of functions each, found by name. A table begins with
 * the build that it is of: in the middle of our own upgrade a program may meet a module of
 * another one, whose table and structs need not be what it knows.
 */
#ifndef SSHD_HEAL_HOST_MODULE_H
#define SSHD_HEAL_HOST_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/words.h"
#include "report.h"

/* How a unit starts its service, as systemd gives it. */
struct heal_exec {
	char *path; /* of the program, which argv[0] need not be */
	struct heal_words command;
	struct heal_words environment;
	struct heal_words files; /* "-" in front: may be missing */
	struct heal_words runtime; /* RuntimeDirectory=, below /run */
	char *directory; /* WorkingDirectory=; "" for none, "!" in front: may be missing */
};

/* How a unit stands, be it loaded or not. */
struct heal_unit_state {
	bool is_enabled;
	bool is_masked;
	bool is_at_rest; /* inactive or failed, and no job is to change that; or the next is in vain */
	bool has_failed; /* or fails again and again, and is started again and again (Restart=) */
	uint64_t active_us; /* when it became active last, on CLOCK_MONOTONIC; 0: never */
};

/* A socket unit that listens. */
struct heal_socket_unit {
	bool accepts;  /* an instance of its service is started for each client */
	char *service; /* "ssh.service", "ssh@sshd-heal.service" */
	struct heal_words addresses; /* "[::]:22" */
};

/* A service that is to serve in the place of others, until one of them is started. */
struct heal_rescue {
	const char *unit; /* in whose place, beside ssh.service, sshd.service and ssh.socket */
	const struct heal_words *argv;
	const char *directory; /* NULL: / */
};

struct heal_package {
	char *name;
	char *source;
	char *version;
	char *arch; /* as dpkg has it; NULL with rpm */
	int64_t install_time; /* seconds since 1970, 0: unknown */
};

/* The package database. All paths are absolute and inside the context's root. */
struct package_ops {
	const char *build;
	/* root_fd stays the caller's. Errors: what the database gives, with a message. */
	int (*open)(int root_fd, void **ret, struct heal_error *error);
	/*
	 * Gives the owner of each path in owners[i], zeroed where there is none.
	 * The array of n is the caller's, each entry to be freed by it.
	 */
	int (*owners)(void *handle, const char *const *paths, size_t n,
		      struct heal_package *owners, struct heal_error *error);
	void (*close)(void *handle);
};

/* What is done to a unit. */
enum heal_job {
	HEAL_JOB_RELOAD,
	HEAL_JOB_TRY_RESTART,
	HEAL_JOB_START,
	HEAL_JOB_TAKE_OVER, /* a start that ends what runs in the unit's place */
};

/* The service manager. Deadlines are CLOCK_MONOTONIC milliseconds. */
struct service_ops {
	const char *build;
	int (*open)(int64_t deadline_ms, void **ret, struct heal_error *error);
	/* Whether the machine is going down. */
	int (*is_stopping)(void *handle, bool *ret, struct heal_error *error);
	/* The unit that a process belongs to; -ENOENT when it belongs to none. */
	int (*unit_of)(void *handle, pid_t pid, struct heal_unit *ret, struct heal_error *error);
	/* The present main process of a unit; 0 when it has none. */
	int (*main_pid)(void *handle, const char *unit, pid_t *ret, struct heal_error *error);
	/* How the unit starts its service, nothing expanded yet. */
	int (*exec_start)(void *handle, const char *unit, struct heal_exec *ret,
			  struct heal_error *error);
	/*
	 * 0 where a start of the unit gets as far as sshd; -ENXIO: it would not, now; otherwise
	 * why that is not known.
	 */
	int (*foresee)(void *handle, const char *unit, struct heal_error *error);
	int (*state_of)(void *handle, const char *unit, struct heal_unit_state *ret,
			struct heal_error *error);
	/* 1 for a socket unit that is listening, and its owner frees what it gives; 0 for any other. */
	int (*socket_of)(void *handle, const char *unit, struct heal_socket_unit *ret,
			 struct heal_error *error);
	/* Adds the names of the units that are loaded and have "ssh" in theirs. */
	int (*ssh_units)(void *handle, struct heal_words *ret, struct heal_error *error);
	/* Whether the unit is shut in by address filters or namespaces of its own. */
	int (*is_confined)(void *handle, const char *unit, bool *ret, struct heal_error *error);
	/*
	 * Back when the job is done, or at deadline_ms, which is its own. -ECANCELED: it did
	 * not end well; -ETIMEDOUT: it is not over, and may yet be carried out; -ENOTCONN:
	 * what came of it is not known. With any other error nothing was begun.
	 */
	int (*run_job)(void *handle, enum heal_job job, const char *unit, int64_t deadline_ms,
		       struct heal_error *error);
	/* Likewise starts HEAL_RESCUE_UNIT. */
	int (*start_rescue)(void *handle, const struct heal_rescue *rescue, int64_t deadline_ms,
			    struct heal_error *error);
	/* Asks for a start, and does not wait for it. Errors: it was not asked for. */
	int (*request_start)(void *handle, const char *unit, struct heal_error *error);
	/* Forgets the starts that count against StartLimitBurst. */
	int (*reset_failed)(void *handle, const char *unit, struct heal_error *error);
	void (*close)(void *handle);
};

/* An ssh client. */
struct client_ops {
	const char *build;
	/*
	 * Goes through the key exchange on a connected socket, which stays the
	 * caller's. Sets fate to OK or FAILED, key and detail.
	 */
	void (*meet)(int fd, int timeout_ms, struct heal_hello *hello);
	/*
	 * Names the key of a file's text, private without a passphrase or public: type and
	 * fingerprint, as in a hello. -EBADMSG: the library knows no such key.
	 */
	int (*name_key)(const char *text, char *ret, size_t size);
};

/* A reader of sshd-heal.conf and its drop-ins. */
struct config_ops {
	const char *build;
	/*
	 * Calls set for each key, in any order; path and line are where it stands.
	 * Returns 0, what set gave, or -errno with a message naming file and line.
	 */
	int (*read)(int root_fd, const char *file,
		    int (*set)(void *user, const char *key, const char *value, const char *path,
			       uint64_t line, struct heal_error *error),
		    void *user, struct heal_error *error);
};

/* A format of the report that needs a library. */
struct report_ops {
	const char *build;
	int (*write)(FILE *out, const struct heal_report *report);
};

/* The build of whoever has it: the version, and a digest of all sources. */
extern const char heal_build[];

/* The symbols that a module exports. */
#define HEAL_CLIENT_OPS_SYMBOL "heal_client_ops"
#define HEAL_CONFIG_OPS_SYMBOL "heal_config_ops"
#define HEAL_REPORT_OPS_SYMBOL "heal_report_ops"
#define HEAL_PACKAGE_OPS_SYMBOL "heal_package_ops"
#define HEAL_SERVICE_OPS_SYMBOL "heal_service_ops"

void heal_exec_done(struct heal_exec *exec);
void heal_package_done(struct heal_package *package);
void heal_packages_free(struct heal_package *packages, size_t count);

#endif
