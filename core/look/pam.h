/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stack of PAM that sshd lets its clients through: its files, its modules. */
#ifndef SSHD_HEAL_LOOK_PAM_H
#define SSHD_HEAL_LOOK_PAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/words.h"
#include "host/context.h"
#include "report.h"

/* More files or lines than this are no sshd's. */
#define PAM_FILES_MAX 64
#define PAM_RULES_MAX 512

enum pam_type {
	PAM_TYPE_AUTH,
	PAM_TYPE_ACCOUNT,
	PAM_TYPE_SESSION,
	PAM_TYPE_PASSWORD,
	PAM_TYPES, /* all of them */
};

enum pam_action {
	PAM_ACTION_IGNORE,
	PAM_ACTION_BAD,
	PAM_ACTION_DIE,
	PAM_ACTION_OK,
	PAM_ACTION_DONE,
	PAM_ACTION_RESET,
	PAM_ACTION_JUMP, /* and above: over so many */
};

enum pam_kind {
	PAM_NOTHING,
	PAM_MODULE,
	PAM_INCLUDE,  /* @include and include */
	PAM_SUBSTACK,
};

/* One rule of a service, pam.d(5). */
struct pam_rule {
	enum pam_kind kind;
	enum pam_type type;
	int on_success;  /* enum pam_action */
	int on_unknown;  /* when the module is not there */
	char name[256];  /* of the module, the file */
};

/*
 * Parses a rule, ended by a NUL, continuation lines joined and comments cut
 * off already. Nothing for a line that says nothing, or nothing that PAM takes.
 */
void pam_parse_rule(const char *line, struct pam_rule *ret);

/*
 * Takes the next rule's line off a text, as PAM puts it together: lines that a backslash
 * joins, without comments. Returns 1; 0 at the end; -ENOMEM.
 */
int pam_next_line(const char **cursor, const char *end, char **ret, size_t *ret_len);

/* Who is refused where it is missing; those that are in neither class are not. */
enum heal_pam_need {
	HEAL_PAM_SPARE,
	HEAL_PAM_PASSWORDS, /* who logs in by password */
	HEAL_PAM_ALL,
};

struct heal_pam_file {
	char *path; /* absolute */
	bool is_missing;
	enum heal_pam_need need; /* of modules, and of what is missing */
};

struct heal_pam {
	struct heal_pam_file *files;
	size_t count;
};

/*
 * Finds the files and modules of a service ("sshd"). Who gets in is told for a client whom
 * every module that is there lets in. Errors, with the file named: as
 * heal_sshd_config_read().
 */
int heal_pam_find(struct heal_context *ctx, const struct heal_process *process,
		  const char *service, struct heal_pam *ret, struct heal_error *error);
void heal_pam_done(struct heal_pam *pam);

#endif
