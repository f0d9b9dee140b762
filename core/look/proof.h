/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last proof: what every listener ran when it was last seen to be well. */
#ifndef SSHD_HEAL_LOOK_PROOF_H
#define SSHD_HEAL_LOOK_PROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"
#include "host/context.h"
#include "report.h"

struct heal_proven {
	pid_t pid;
	uint64_t start_time; /* clock ticks after boot */
	uint64_t program;    /* as in struct heal_process */
	bool is_counted;     /* more than what it had mapped */
	enum heal_verdict verdict; /* what was found of it; FOREIGN: systemd was asked whose it is, and nothing is proven of it */
	struct heal_counted *files;
	size_t n_files;
};

struct heal_last_proof {
	struct heal_proven *items;
	size_t count;
};

/*
 * Parses /run/sshd-heal/proven; buf holds len bytes, not terminated. Errors: -ENOMEM;
 * -EBADMSG: not in its format, or cut.
 */
int proof_parse(const char *buf, size_t len, struct heal_last_proof *ret);

/* Reads it. Errors: -ENOENT where there is none; as above; those of reading. */
int heal_proof_load(struct heal_context *ctx, struct heal_last_proof *ret);
void heal_proof_done(struct heal_last_proof *proof);

/* What is known of a process; NULL when nothing is. */
const struct heal_proven *heal_proof_find(const struct heal_last_proof *proof,
					  const struct heal_process *process);
/* Whether a process of root's was found to be foreign, when systemd was asked. */
bool heal_proof_is_foreign(const struct heal_last_proof *proof, const struct heal_process *process);
/* The version that the owner of a file had then; NULL when it is not known. */
const char *heal_proof_version(const struct heal_proven *proven, const char *path,
			       const char *package);
/* The file of that kind and name that it was proven with; or NULL. */
const struct heal_counted *heal_proof_file(const struct heal_proven *proven,
					   enum heal_counted_kind kind, const char *path);
/* Fills in what stat(2) says of a file: nothing of one that is not there. Errors: its others. */
int heal_counted_stat(struct heal_context *ctx, struct heal_counted *file);
/* Whether what a process was proven with is still what is on disk: by stat(2) alone. */
bool heal_proof_holds(struct heal_context *ctx, const struct heal_last_proof *proof,
		      const struct heal_process *process);

/*
 * Writes the last proof over the one before: of the listeners that run what is on disk that, with its owners,
 * and what else counts; of the others what was proven of them before, or that they are
 * foreign. Writes nothing where all of it still holds. Errors: those of reading /proc and the
 * package database, and of writing.
 */
int heal_proof_take(struct heal_context *ctx, const struct heal_listeners *listeners,
		    const struct heal_last_proof *before, struct heal_error *error);

#endif
