/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the configuration, by libeconf. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "host/config-load.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "host/config.h"
#include "host/context.h"
#include "host/module.h"

/* Whether the host has any configuration: most have none, and then no library is needed. */
static bool config_load_exists(int root_fd)
{
	static const char *const paths[] = {
		"etc/sshd-heal.conf",
		"etc/sshd-heal.conf.d",
		"usr/lib/sshd-heal/sshd-heal.conf",
		"usr/lib/sshd-heal/sshd-heal.conf.d",
	};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (faccessat(root_fd, paths[i], F_OK, 0) == 0 || errno != ENOENT)
			return true;
	return false;
}

int heal_config_load(struct heal_context *ctx, const char *file, struct heal_error *error)
{
	struct heal_config config = {0};
	const struct config_ops *ops;
	const void *found;
	int r;

	if (!file && !config_load_exists(ctx->root_fd)) {
		ctx->is_configured = true;
		return 0;
	}
	r = heal_context_load(ctx, "config-econf", HEAL_CONFIG_OPS_SYMBOL, &found, error);
	if (r < 0)
		return r;
	ops = found;
	if (heal_config_init(&config) < 0)
		return heal_error_set(error, ENOMEM, "reading the configuration: out of memory");
	r = ops->read(ctx->root_fd, file, config_set, &config, error);
	if (r < 0) {
		heal_config_done(&config);
		return r;
	}
	/* The deadline counts from the start of the run. */
	ctx->deadline_ms += (int64_t)config.deadline_ms - ctx->config.deadline_ms;
	heal_config_done(&ctx->config);
	ctx->config = config;
	ctx->is_configured = true;
	return 0;
}
