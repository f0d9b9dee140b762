/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stand-ins for systemd, the package database and libssh: they do as told, and keep a record. */
#ifndef SSHD_HEAL_FAKE_H
#define SSHD_HEAL_FAKE_H

#include "core.h"
#include "tree.h"

struct fake_service {
	const struct tree *tree;
	struct heal_unit unit; /* of every process; id NULL: none */
	bool is_stopping;
	pid_t main_pid;            /* after an action */
	const char *failing;       /* the call that fails: "open", "reload", ... */
	int code;                  /* with this errno value */
	int64_t job_deadline_ms;   /* that the last job was given */
	void (*on_reload)(struct fake_service *fake);
	void (*on_restart)(struct fake_service *fake);
	void (*on_start)(struct fake_service *fake);
	void (*on_rescue)(struct fake_service *fake);
	pid_t rescue_pid;              /* 0: it does not run */
	struct heal_unit_state state;  /* of the unit */
	bool is_confined;
	const char *ssh_unit;          /* one more that is loaded; NULL: none */
	const char *socket;            /* where ssh.socket listens; NULL: nowhere */
	bool accepts;                  /* it starts an instance for each client */
	const char *exec_path;         /* the program of ExecStart= */
	const char *exec_start;        /* and its words */
	const char *environment;       /* NULL: none */
	const char *environment_files; /* NULL: none */
	const char *runtime;           /* RuntimeDirectory=; NULL: none */
	const char *directory;         /* WorkingDirectory=; NULL: none */
	char calls[512]; /* "is_stopping; unit_of 34; reload ssh.service; " */
};

/* A unit as Debian's ssh.service is, with that main process. */
struct heal_unit fake_unit(pid_t main_pid);
/* From now on this call fails, with that errno value. */
void fake_service_fails(struct fake_service *fake, const char *call, int code);
/* What an action may do to PID: it has the files on disk, as after SIGHUP, or nothing is left. */
void fake_becomes_fresh(struct fake_service *fake);
void fake_ends(struct fake_service *fake);
/* Lets the context ask this instead of systemd, opened already or not yet. */
void fake_service_use(struct heal_context *ctx, struct fake_service *fake);
void fake_service_offer(struct heal_context *ctx, struct fake_service *fake);

struct fake_owner {
	const char *path;
	struct heal_package package;
};

struct fake_packages {
	const struct fake_owner *owners; /* path NULL behind the last */
	const char *failing;
	size_t n_owners_calls;
};

void fake_packages_use(struct heal_context *ctx, struct fake_packages *fake);

/*
 * An ssh client that is told these, one after the other, the last one from then
 * on. Only where the server's first bytes look well is it asked at all.
 */
void fake_client_use(struct heal_context *ctx, const struct heal_hello *hellos, size_t n);

/* Listens on a port of the loopback: on any when *port is 0, which is then set. */
int fake_server(int *port);

#endif
