/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this room share: one cause each, a row of the table in causes.c. */
#ifndef SSHD_HEAL_CAUSES_CAUSE_H
#define SSHD_HEAL_CAUSES_CAUSE_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "host/context.h"
#include "report.h"

/* What is asked about. */
struct causes {
	struct heal_context *ctx;
	struct heal_listener *listener;
	const char *user; /* who would log in; NULL: nobody in particular */
	const char *from; /* a client's address, else that of who asks; NULL: anybody's */
	bool is_refused; /* a client is turned away, now or by what is on disk */
};

/* The address that who asks has come from by ssh to that listener; "" where that is not so. */
void caller_find(struct heal_context *ctx, const struct heal_process *process, char *ret, size_t size);

/* Sets what came out, and why, which is made safe to print. */
void cause_is(struct heal_cause *cause, enum heal_cause_result result, const char *fmt, ...) _printf_(3, 4);
/* Adds to the reason, or to what to type. */
void cause_add(struct heal_cause *cause, const char *fmt, ...) _printf_(2, 3);
void cause_advise(struct heal_cause *cause, const char *fmt, ...) _printf_(2, 3);

void cause_of_replaced_files(const struct causes *self, struct heal_cause *ret);
void cause_of_hosts_deny(const struct causes *self, struct heal_cause *ret);
void cause_of_host_keys(const struct causes *self, struct heal_cause *ret);
void cause_of_load(const struct causes *self, struct heal_cause *ret);
void cause_of_configuration(const struct causes *self, struct heal_cause *ret);
void cause_of_login_helpers(const struct causes *self, struct heal_cause *ret);
void cause_of_resources(const struct causes *self, struct heal_cause *ret);
void cause_of_user(const struct causes *self, struct heal_cause *ret);

#endif
