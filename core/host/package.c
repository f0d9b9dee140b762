/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose a file is. */
#include <errno.h>

#include "host/package.h"

#include "base/cleanup.h"
#include "host/context.h"
#include "host/module.h"

int heal_package_owner(struct heal_context *ctx, const char *path, struct heal_package *ret)
{
	_cleanup_(heal_package_done) struct heal_package owner = {0};
	int r = heal_context_package(ctx, NULL);

	if (r == 0)
		r = ctx->package_ops->owners(ctx->package, &path, 1, &owner, NULL);
	if (r < 0)
		return r;
	if (!owner.name)
		return -ENOENT;
	*ret = owner;
	owner = (struct heal_package){0};
	return 0;
}
