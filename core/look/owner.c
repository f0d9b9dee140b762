/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose the stale files are, and what the watched packages were before. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "look/owner.h"

#include "base/array.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "host/context.h"
#include "host/module.h"
#include "report.h"

static const struct heal_change *owner_change(const struct heal_event *event,
						const struct heal_package *package)
{
	for (size_t i = 0; i < event->count; i++) {
		const struct heal_change *change = &event->changes[i];

		if (strcmp(change->package, package->name) == 0 &&
		    (!package->arch || strcmp(change->arch, package->arch) == 0))
			return change;
	}
	return NULL;
}

/* All stale files of all listeners, in one list, so that the database is read once. */
static int owner_collect(const struct heal_report *report, struct heal_stale_file ***ret,
			   size_t *ret_n)
{
	struct heal_stale_file **files;
	size_t n = 0;

	for (size_t i = 0; i < report->listeners.count; i++)
		n += report->listeners.items[i].evidence.n_stale;
	files = calloc(n + 1, sizeof(*files));
	if (!files)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < report->listeners.count; i++)
		for (size_t j = 0; j < report->listeners.items[i].evidence.n_stale; j++)
			files[n++] = &report->listeners.items[i].evidence.stale[j];
	*ret = files;
	*ret_n = n;
	return 0;
}

/* Moves what the database says into a stale file. */
static int owner_fill(struct heal_stale_file *file, struct heal_package *owner,
			const struct heal_event *event)
{
	const struct heal_change *change;

	if (!owner->name)
		return 0;
	change = owner_change(event, owner);
	if (change && change->version_before && strcmp(change->version_before, owner->version) != 0) {
		file->version_before = strdup(change->version_before);
		if (!file->version_before)
			return -ENOMEM;
	}
	file->package = heal_take(owner->name);
	file->source = heal_take(owner->source);
	file->version_now = heal_take(owner->version);
	file->install_time = owner->install_time;
	return 0;
}

static int owner_name_files(struct heal_context *ctx, struct heal_report *report,
			      struct heal_error *error)
{
	_cleanup_free_ struct heal_stale_file **files = NULL;
	_cleanup_free_ const char **paths = NULL;
	struct heal_package *owners = NULL;
	size_t n = 0;
	int r = owner_collect(report, &files, &n);

	if (r == 0) {
		paths = calloc(n + 1, sizeof(*paths));
		owners = calloc(n + 1, sizeof(*owners));
	}
	if (!paths || !owners) {
		heal_packages_free(owners, 0);
		return heal_error_set(error, ENOMEM, "naming packages: out of memory");
	}
	for (size_t i = 0; i < n; i++)
		paths[i] = files[i]->path;
	r = ctx->package_ops->owners(ctx->package, paths, n, owners, error);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = owner_fill(files[i], &owners[i], &report->event);
	heal_packages_free(owners, n);
	return r;
}

static int owner_add_upgrade(struct heal_report *report, struct heal_package *package,
			       const struct heal_change *change)
{
	struct heal_upgrade upgrade = {0};

	if (heal_grow(&report->upgrades, report->n_upgrades, sizeof(*report->upgrades)) < 0)
		return -ENOMEM;
	if (change->version_before) {
		upgrade.version_before = strdup(change->version_before);
		if (!upgrade.version_before)
			return -ENOMEM;
	}
	upgrade.package = heal_take(package->name);
	upgrade.source = heal_take(package->source);
	upgrade.version_now = heal_take(package->version);
	report->upgrades[report->n_upgrades++] = upgrade;
	return 0;
}

/* The packages of one watched source that the noted transactions changed. */
static int owner_name_upgrades(struct heal_context *ctx, struct heal_report *report,
				 const char *source, struct heal_error *error)
{
	struct heal_package *packages = NULL;
	size_t n = 0;
	int r = ctx->package_ops->of_source(ctx->package, source, &packages, &n, error);

	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct heal_change *change = owner_change(&report->event, &packages[i]);

		/* What was taken back since is not worth a word. */
		if (change && (!change->version_before ||
			       strcmp(change->version_before, packages[i].version) != 0))
			r = owner_add_upgrade(report, &packages[i], change);
	}
	heal_packages_free(packages, n);
	return r;
}

int heal_packages_name(struct heal_context *ctx, struct heal_report *report)
{
	struct heal_error error = {0};
	int r = heal_context_package(ctx, &error);

	if (r == 0)
		r = owner_name_files(ctx, report, &error);
	for (char **source = ctx->config.packages; r == 0 && report->event.count && *source; source++)
		r = owner_name_upgrades(ctx, report, *source, &error);
	if (r < 0 && r != -ENOMEM)
		(void)heal_notes_add(&report->notes, "%s", error.message);
	return r == -ENOMEM ? r : 0;
}
