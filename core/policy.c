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

bool heal_policy_allows(struct heal_context *ctx, const char *unit, const char *action,
			struct heal_notes *notes)
{
	static const int no_fds[3] = {-1, -1, -1};
	size_t len = strlen(unit);
	_cleanup_free_ char *name = NULL;
	char *argv[] = {(char *)policy_path, NULL, (char *)action, NULL};
	pid_t pid;
	int status = 0;
	int r;

	if (!ctx->is_live || faccessat(ctx->root_fd, policy_path + 1, X_OK, 0) < 0)
		return true;
	/* It knows init script names: "ssh" for ssh.service. */
	if (len > 8 && strcmp(unit + len - 8, ".service") == 0)
		len -= 8;
	name = heal_strndup(unit, len);
	argv[1] = name;
	r = name ? heal_process_start(policy_path, argv, no_fds, &pid) : -ENOMEM;
	if (r == 0) {
		r = heal_process_wait(pid, heal_left_ms(ctx->deadline_ms, POLICY_MS), &status);
		if (r < 0)
			(void)heal_process_end(pid);
	}
	if (r < 0)
		(void)heal_notes_add(notes, "asking %s about %s of %s: %s", policy_path, action,
				     unit, strerror(-r));
	return r == 0 && policy_allows(status);
}
