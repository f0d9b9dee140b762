/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The scene of a whole way that acts: a tree taken for the live host, a real server
 * at the listener's address, a real program for the sshd on disk, fakes for the rest.
 */
#ifndef SSHD_HEAL_WAY_H
#define SSHD_HEAL_WAY_H

#include <pthread.h>

#include "fake.h"

#define LEFT "run/sshd-heal/left"
#define KEY "ssh-ed25519 SHA256:known"
/* What the service manager is asked before anything is decided, and before a restart. */
#define LOOK "is_stopping; unit_of 34; "
#define LOOK_AGAIN "reset_failed ssh.service; unit_of 34; "

struct way {
	const struct tree *tree;
	struct heal_context *ctx;
	struct fake_service service;
	struct fake_packages packages; /* none */
	struct heal_report report;
	struct heal_error error;
	pthread_t server;
	int fd;               /* that it listens on */
	/* What clients of the listener get before the connection is closed. */
	const char *_Atomic greeting;
	char inode[24];
	char address[32];
	char exe[600];
};

/* A stale listener that still lets clients in, and files on disk that do, too. */
void way_init(struct way *way);
void way_done(struct way *way);
#define _cleanup_way_ _cleanup_(way_done)

/* Starts its server alone, with a greeting, and ends it. */
void way_listen(struct way *way);
void way_hang_up(struct way *way);

/* Adds a process of its sshd, which listens on these inodes. */
void way_process(const struct way *way, pid_t pid, const char *maps, const char *sockets);

/* A shell script in the place of sshd: this for a client, and that for -T. */
void way_sshd(const struct way *way, const char *serve, const char *tell);
/* As a server it greets, with -T it tells this, behind the listener's own address. */
void way_sshd_says(const struct way *way, const char *effective);

/* The one listener behind heal_run. */
const struct heal_listener *way_run(struct way *way, enum heal_verb verb);
/* Likewise of `heal` where it only warns: nothing was done, and no more asked than for a look. */
const struct heal_listener *way_run_warned(struct way *way);
/* Likewise because no trial is to be had. */
const struct heal_listener *way_run_untried(struct way *way);

/* Actions of the fake, on the scene that was begun last. */
void way_serves_again(struct fake_service *fake);
void way_gets_new_process(struct fake_service *fake);

#endif
