/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files that sshd's configuration is made of, and what it says of keys and PAM. */
#ifndef SSHD_HEAL_LOOK_SSHD_CONFIG_H
#define SSHD_HEAL_LOOK_SSHD_CONFIG_H

#include <stddef.h>

#include "base/error.h"
#include "base/words.h"
#include "host/context.h"

/* More than this, in files, directories, their matches or bytes, is no sshd's configuration. */
#define SSHD_CONFIG_FILES_MAX 256
#define SSHD_CONFIG_DIRECTORIES_MAX 64
#define SSHD_CONFIG_MATCHES_MAX 1024
#define SSHD_CONFIG_BYTES_MAX (1u << 20)

struct heal_sshd_config {
	struct heal_words files;       /* that are read, or would be if they were there */
	struct heal_words directories; /* that the patterns of Include look in */
	struct heal_words host_keys;   /* of HostKey; none: the usual ones */
	char *uses_pam;                /* UsePAM, PAMServiceName, PidFile: NULL where not said */
	char *pam_service;
	char *pid_file;
};

/*
 * Splits a line of sshd_config(5) as sshd does: the keyword, which ends at a blank, "=" or
 * with its quotes, then the arguments, in quotes of both kinds, up to a comment. No words:
 * it says nothing. Errors: -EINVAL, for which sshd would not start; -ENOMEM.
 */
int sshd_config_words(const char *line, size_t len, struct heal_words *ret);

/* Takes an option of the command line, "Keyword=value", which comes before any file. */
int heal_sshd_config_option(struct heal_sshd_config *config, const char *option);

/*
 * Reads a file and all that it includes, by names that only root can change. Errors, with
 * the file named: -EPERM for one of another's, -E2BIG, those of reading. That a file is
 * not there is none.
 */
int heal_sshd_config_read(struct heal_context *ctx, const char *path,
			  struct heal_sshd_config *config, struct heal_error *error);
void heal_sshd_config_done(struct heal_sshd_config *config);

#endif
