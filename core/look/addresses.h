/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a listener listens. */
#ifndef SSHD_HEAL_LOOK_ADDRESSES_H
#define SSHD_HEAL_LOOK_ADDRESSES_H

#include <stdbool.h>

#include "host/context.h"
#include "host/inet-diag.h"
#include "report.h"

/*
 * Parses one line of /proc/net/tcp or tcp6 (proc_pid_net(5)). Returns 1 for a
 * listening socket, 0 for any other line and the heading, -EINVAL for neither.
 */
int addresses_parse_line(const char *line, struct heal_socket *ret);

/* Fills in addresses, from the listening TCP sockets that the process holds. */
int heal_listener_addresses(struct heal_context *ctx, struct heal_process *process);

/*
 * Whether a listener is in our own network namespace, so that we can be its client. Gives
 * 0 when it is; -ENETUNREACH when it has one of its own, -EREMOTE when it is we who have,
 * -EOPNOTSUPP in a recorded tree; other errors: it cannot be told.
 */
int addresses_is_reachable(struct heal_context *ctx, const struct heal_process *process);

/* Whether two addresses are the same; sshd gives a scope, the kernel's tables do not. */
bool addresses_are_same(const char *a, const char *b);
/* Whether an address has the port of one that the listener listens on. */
bool addresses_has_port_of(const struct heal_process *process, const char *address);
/* Whether the address is one of those that the listener listens on. */
bool addresses_has(const struct heal_process *process, const char *address);

/*
 * Whether two sockets would be in each other's way: the same port, and the same
 * address or one of them a wildcard. sshd sets IPV6_V6ONLY: the families do not mix.
 */
bool addresses_conflict(const char *a, const char *b);

#endif
