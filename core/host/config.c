/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration: its keys, their values, their defaults. Read by libeconf. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/config.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/words.h"

/* Below that nothing can be proved; above it a package manager would seem to hang. */
#define CONFIG_DEADLINE_MIN_S 5
#define CONFIG_DEADLINE_MAX_S 60

int heal_config_init(struct heal_config *config)
{
	/* /usr/bin where sbin was merged into bin. */
	static const char *const sshd_paths[] = {"/usr/sbin/sshd", "/usr/bin/sshd"};
	int r = 0;

	*config = (struct heal_config){.mode = HEAL_MODE_HEAL, .deadline_ms = 30000};
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(sshd_paths); i++)
		r = heal_words_add(&config->sshd_paths, sshd_paths[i], strlen(sshd_paths[i]));
	if (r < 0)
		heal_config_done(config);
	return r;
}

void heal_config_done(struct heal_config *config)
{
	heal_words_done(&config->sshd_paths);
}

/* One of two words. */
static int config_choice(const char *value, const char *no, const char *yes, bool *ret)
{
	if (strcmp(value, yes) != 0 && strcmp(value, no) != 0)
		return -EINVAL;
	*ret = strcmp(value, yes) == 0;
	return 0;
}

static int config_mode(struct heal_config *config, const char *value)
{
	bool warns = false;
	int r = config_choice(value, "heal", "warn", &warns);

	if (r == 0)
		config->mode = warns ? HEAL_MODE_WARN : HEAL_MODE_HEAL;
	return r;
}

static int config_unmanaged(struct heal_config *config, const char *value)
{
	return config_choice(value, "warn", "hup", &config->hup_unmanaged);
}

static int config_motd(struct heal_config *config, const char *value)
{
	return config_choice(value, "no", "yes", &config->motd);
}

/* "30", "30s" or "2min", systemd.time(7). */
static int config_deadline(struct heal_config *config, const char *value)
{
	unsigned long number;
	char *end;

	if (*value < '0' || *value > '9')
		return -EINVAL;
	errno = 0;
	number = strtoul(value, &end, 10);
	if (errno || number > CONFIG_DEADLINE_MAX_S)
		return -EINVAL;
	if (strcmp(end, "min") == 0)
		number *= 60;
	else if (*end && strcmp(end, "s") != 0)
		return -EINVAL;
	if (number < CONFIG_DEADLINE_MIN_S || number > CONFIG_DEADLINE_MAX_S)
		return -EINVAL;
	config->deadline_ms = (unsigned)number * 1000;
	return 0;
}

/* What is watched is what sshd has mapped: the key of 0.1 has no effect any more. */
static int config_packages(struct heal_config *config, const char *value)
{
	(void)value;
	config->has_packages = true;
	return 0;
}

static int config_sshd_path(struct heal_config *config, const char *value)
{
	_cleanup_(heal_words_done) struct heal_words words = {0};

	if (words_split(value, &words) < 0)
		return -ENOMEM;
	if (words.count == 0)
		return -EINVAL;
	for (size_t i = 0; i < words.count; i++)
		if (words.items[i][0] != '/')
			return -EINVAL;
	heal_words_done(&config->sshd_paths);
	config->sshd_paths = words;
	words = (struct heal_words){0};
	return 0;
}

static const struct {
	const char *key;
	int (*set)(struct heal_config *config, const char *value);
	const char *wanted;
} config_keys[] = {
	{"Mode", config_mode, "heal or warn"},
	{"Packages", config_packages, "names of source packages"},
	{"UnmanagedListener", config_unmanaged, "warn or hup"},
	{"Deadline", config_deadline, "a time from 5s to 1min"},
	{"SshdPath", config_sshd_path, "absolute paths"},
	{"Motd", config_motd, "yes or no"},
};

int config_set(void *user, const char *key, const char *value, const char *path, uint64_t line,
	       struct heal_error *error)
{
	for (size_t i = 0; i < ARRAY_SIZE(config_keys); i++) {
		int r;

		if (strcmp(config_keys[i].key, key) != 0)
			continue;
		r = config_keys[i].set(user, value);
		if (r == -EINVAL)
			return heal_error_set(error, EINVAL,
					      "%s:%" PRIu64 ": bad value for %s: \"%s\" (wanted: %s)", path,
					      line, key, value, config_keys[i].wanted);
		return r < 0 ? heal_error_set(error, -r, "%s: out of memory", path) : 0;
	}
	return heal_error_set(error, EINVAL, "%s:%" PRIu64 ": unknown key %s", path, line, key);
}
