/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration. */
#ifndef SSHD_HEAL_HOST_CONFIG_H
#define SSHD_HEAL_HOST_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/words.h"

enum heal_mode {
	HEAL_MODE_HEAL,
	HEAL_MODE_WARN,
};

/* The file sshd-heal.conf(5); see heal_config_init() for the defaults. */
struct heal_config {
	enum heal_mode mode;
	struct heal_words sshd_paths; /* absolute, one at least */
	bool hup_unmanaged;
	unsigned deadline_ms; /* of a whole run */
	bool motd;
	bool has_packages; /* Packages=, which has no effect */
};
/* Sets one key of the struct heal_config that user is; config_ops' set. */
int config_set(void *user, const char *key, const char *value, const char *path, uint64_t line,
	       struct heal_error *error);

int heal_config_init(struct heal_config *config);
void heal_config_done(struct heal_config *config);

#endif
