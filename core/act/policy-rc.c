/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy-rc.d: the administrator's word on service actions, Debian policy 9.3.3.2. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "act/policy-rc.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/spawn.h"
#include "base/text.h"
#include "host/context.h"

#define POLICY_MS 5000

static const char policy_path[] = "/usr/sbin/policy-rc.d";

int policy_allows(int status, bool *ret)
{
	/* 0 and 104 allowed, 1 unknown action, 100 unknown service, 105 uncertain. */
	static const int allowed[] = {0, 1, 100, 104, 105};

	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
		if (status == allowed[i]) {
			*ret = true;
			return 0;
		}
	}
	/* 101 forbidden, 102 and 103 errors of its own, 106 something else should be done instead. */
	if (status < 101 || status > 106)
		return -EPROTO;
	*ret = false;
	return 0;
}

/* As invoke-rc.d has it: one that is not executable is none. */
static int policy_is_there(const struct heal_context *ctx, bool *ret)
{
	struct stat st;

	if (fstatat(ctx->root_fd, policy_path + 1, &st, 0) < 0) {
		*ret = false;
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	}
	*ret = st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH);
	return 0;
}

static int policy_ask(struct heal_context *ctx, const char *unit, const char *action, int *ret_status)
{
	size_t len = strlen(unit);
	_cleanup_free_ char *name = NULL;
	_cleanup_(heal_output_done) struct heal_output output = {0};
	char *argv[] = {(char *)policy_path, NULL, (char *)action, NULL};
	const struct heal_command command = {.path = policy_path, .argv = argv, .fds = {-1, -1, -1}};
	int r;

	if (!heal_has_time(ctx->deadline_ms))
		return -ETIMEDOUT;
	/* It knows init script names: "ssh" for ssh.service. */
	if (len > 8 && strcmp(unit + len - 8, ".service") == 0)
		len -= 8;
	argv[1] = name = heal_strndup(unit, len);
	if (!name)
		return -ENOMEM;
	r = heal_spawn_capture(&command, heal_now_ms() + heal_left_ms(ctx->deadline_ms, POLICY_MS),
				 &output);
	*ret_status = output.status;
	return r;
}

int heal_policy_allows(struct heal_context *ctx, const char *unit, const char *action, bool *ret,
		       struct heal_error *error)
{
	bool is_there = false;
	int status = 0;
	int r = ctx->is_live ? policy_is_there(ctx, &is_there) : 0;

	if (r == 0 && !is_there) {
		*ret = true;
		return 0;
	}
	if (r == 0)
		r = policy_ask(ctx, unit, action, &status);
	if (r < 0)
		return heal_error_set(error, -r, "asking %s about %s of %s: %s", policy_path, action,
				      unit, strerror(-r));
	r = policy_allows(status, ret);
	return r < 0 ? heal_error_set(error, -r, "asking %s about %s of %s: it ended with status %d",
				      policy_path, action, unit, status)
		     : 0;
}
