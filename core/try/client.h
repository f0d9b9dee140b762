/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an ssh client meets. */
#ifndef SSHD_HEAL_TRY_CLIENT_H
#define SSHD_HEAL_TRY_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "host/context.h"
#include "report.h"

/* What the first bytes of a server mean; none: it closed the connection. */
enum heal_fate client_classify(const char *buf, size_t len);
/* Whether no interface has the address: nobody could listen on it now. 1, 0, -errno. */
int client_is_absent(const char *address);
/*
 * Is the client on a connected socket, which stays the caller's. Up to the banner it needs
 * no library; where there is none it ends there, with fate UNKNOWN.
 */
void heal_client_meet(struct heal_context *ctx, int fd, int64_t deadline_ms,
		      struct heal_hello *ret);

/*
 * Connects a socket to an address, from that of a source if it is not NULL, and says
 * nothing. 0 or -errno; it stays the caller's.
 */
int heal_client_call(int fd, const char *source, const char *address, int64_t deadline_ms);
/* The same, and waits until there is an answer. */
int heal_client_knock(int fd, const char *address, int64_t deadline_ms);
/* What is said to one that has called, UNKNOWN where nothing was until now; it takes nothing. */
enum heal_fate heal_client_hear(int fd);
/* Connects a socket to an address, "127.0.0.1:22", and is the client on it; it stays the caller's. */
void heal_client_on(struct heal_context *ctx, int fd, const char *address, int64_t deadline_ms,
		    struct heal_hello *ret);

/*
 * Is a client at a listener's address, wildcards by loopback, up to the verified
 * host key; at most timeout_ms. Costs the source 1 s of PerSourcePenalties.
 */
void heal_client_probe(struct heal_context *ctx, const char *address, int timeout_ms,
		       struct heal_hello *ret);

#endif
