/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What serves a client beside the listener: sshd-session, sshd-auth, PAM, and their libraries. */
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "causes/cause.h"
#include "host/context.h"
#include "host/module.h"
#include "look/maps.h"
#include "look/owner.h"
#include "report.h"
#include "try/blame.h"

/* Of the families that have a package database, whose tool is there. */
static void login_helpers_advise(const struct causes *self, const char *path, struct heal_cause *ret)
{
	_cleanup_(heal_package_done) struct heal_package owner = {0};

	if (heal_package_owner(self->ctx, path, &owner) < 0)
		return;
	if (faccessat(self->ctx->root_fd, "usr/bin/apt-get", X_OK, 0) == 0)
		cause_advise(ret, "apt-get install --reinstall %s", owner.name);
	else
		cause_advise(ret, "dnf reinstall %s", owner.name);
}

void cause_of_login_helpers(const struct causes *self, struct heal_cause *ret)
{
	const struct heal_evidence *evidence = &self->listener->evidence;
	_cleanup_free_ char *directory = maps_library_dir(&self->listener->process);
	_cleanup_free_ char *path = NULL;

	if (evidence->pending.is_lacking) {
		path = blame_find_path(evidence->pending.detail, directory);
		cause_is(ret, HEAL_CAUSE_LIKELY, "%s", evidence->pending.detail);
		if (path)
			login_helpers_advise(self, path, ret);
		return;
	}
	if (evidence->trial.result == HEAL_TRIAL_FAILED)
		path = blame_find_path(evidence->trial.detail, directory);
	/* Its configuration and keys have rows of their own. */
	if (!path || strncmp(path, "/etc/", strlen("/etc/")) == 0 ||
	    faccessat(heal_view(self->ctx), path + 1, F_OK, 0) == 0) {
		cause_is(ret, evidence->trial.result == HEAL_TRIAL_NONE ? HEAL_CAUSE_UNKNOWN : HEAL_CAUSE_OK,
			 "nothing is missing that serves a client");
		return;
	}
	cause_is(ret, HEAL_CAUSE_SHOWN, "%s", evidence->trial.detail);
	login_helpers_advise(self, path, ret);
}
