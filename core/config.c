/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration's defaults. */
#include "internal.h"

static void config_list_free(char **list)
{
	for (char **item = list; item && *item; item++)
		free(*item);
	free(list);
}

static char **config_list_copy(const char *const *items, size_t n)
{
	char **list = calloc(n + 1, sizeof(*list));

	for (size_t i = 0; list && i < n; i++) {
		list[i] = strdup(items[i]);
		if (!list[i]) {
			config_list_free(list);
			return NULL;
		}
	}
	return list;
}

int heal_config_init(struct heal_config *config)
{
	static const char *const packages[] = {"glibc", "openssl"};
	/* /usr/bin where sbin was merged into bin. */
	static const char *const sshd_paths[] = {"/usr/sbin/sshd", "/usr/bin/sshd"};

	*config = (struct heal_config){
		.mode = HEAL_MODE_HEAL,
		.packages = config_list_copy(packages, ARRAY_SIZE(packages)),
		.sshd_paths = config_list_copy(sshd_paths, ARRAY_SIZE(sshd_paths)),
		.deadline_ms = 30000,
	};
	if (config->packages && config->sshd_paths)
		return 0;
	heal_config_done(config);
	return -ENOMEM;
}

void heal_config_done(struct heal_config *config)
{
	config_list_free(config->packages);
	config_list_free(config->sshd_paths);
	config->packages = NULL;
	config->sshd_paths = NULL;
}
