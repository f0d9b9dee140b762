/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy-rc.d: the administrator's word on service actions, Debian policy 9.3.3.2. */
#include <fcntl.h>

#include "internal.h"

#define POLICY_MS 5000

static const char policy_path[] = "/usr/sbin/policy-rc.d";

bool policy_allows(int status)
{
	/* 0 and 104 allowed, 1 unknown action, 100 unknown service, 105 uncertain. */
	static const int allowed[] = {0, 1, 100, 104, 105};

	/* 101 forbidden, 102 and 103 errors, 106 something else should be done instead. */
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		if (status == allowed[i])
			return true;
	return false;
}

int heal_policy_allows(struct heal_context *ctx, const char *unit, const char *action, bool *ret,
		       struct heal_error *error)
{
	size_t len = strlen(unit);
	_cleanup_free_ char *name = NULL;
	_cleanup_(heal_output_done) struct heal_output output = {0};
	char *argv[] = {(char *)policy_path, NULL, (char *)action, NULL};
	const struct heal_command command = {.path = policy_path, .argv = argv, .fds = {-1, -1, -1}};
	int r = 0;

	/* As invoke-rc.d does: one that is not executable is none. */
	if (!ctx->is_live || (faccessat(ctx->root_fd, policy_path + 1, X_OK, 0) < 0 &&
			      (errno == ENOENT || errno == EACCES))) {
		*ret = true;
		return 0;
	}
	if (!heal_has_time(ctx->deadline_ms))
		r = -ETIMEDOUT;
	/* It knows init script names: "ssh" for ssh.service. */
	if (len > 8 && strcmp(unit + len - 8, ".service") == 0)
		len -= 8;
	argv[1] = name = heal_strndup(unit, len);
	if (r == 0)
		r = name ? heal_process_capture(&command,
						heal_now_ms() + heal_left_ms(ctx->deadline_ms, POLICY_MS),
						&output)
			 : -ENOMEM;
	if (r < 0)
		return heal_error_set(error, -r, "asking %s about %s of %s: %s", policy_path, action,
				      unit, strerror(-r));
	*ret = policy_allows(output.status);
	return 0;
}
