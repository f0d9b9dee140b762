/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose the stale files are, and which version of it the listener was proven with. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "look/owner.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "host/context.h"
#include "host/module.h"
#include "look/proof.h"
#include "report.h"

/* A stale file, and what was proven of the listener that runs it. */
struct owner_file {
	struct heal_stale_file *file;
	const struct heal_proven *proven; /* NULL: nothing */
};

static size_t owner_count(const struct heal_report *report)
{
	size_t n = 0;

	for (size_t i = 0; i < report->listeners.count; i++)
		n += report->listeners.items[i].evidence.n_stale;
	return n;
}

/*
 * All stale files of all listeners, in one list, so that the database is read once.
 * Gives how many there are.
 */
static size_t owner_collect(const struct heal_report *report, const struct heal_last_proof *proof,
			  struct owner_file *files)
{
	size_t n = 0;

	for (size_t i = 0; i < report->listeners.count; i++) {
		const struct heal_listener *listener = &report->listeners.items[i];

		for (size_t j = 0; j < listener->evidence.n_stale; j++)
			files[n++] = (struct owner_file){
				.file = &listener->evidence.stale[j],
				.proven = heal_proof_find(proof, &listener->process)};
	}
	return n;
}

/* Moves what the database says into a stale file. */
static int owner_fill(const struct owner_file *target, struct heal_package *owner)
{
	struct heal_stale_file *file = target->file;
	const char *before;

	if (!owner->name)
		return 0;
	before = target->proven ? heal_proof_version(target->proven, file->path, owner->name) : NULL;
	if (before && strcmp(before, owner->version) != 0) {
		file->version_before = strdup(before);
		if (!file->version_before)
			return -ENOMEM;
	}
	file->package = heal_take(owner->name);
	file->source = heal_take(owner->source);
	file->version_now = heal_take(owner->version);
	file->install_time = owner->install_time;
	return 0;
}

static int owner_name_files(struct heal_context *ctx, const struct heal_report *report,
			    const struct heal_last_proof *proof, struct heal_error *error)
{
	size_t n = owner_count(report);
	_cleanup_free_ struct owner_file *files = calloc(n + 1, sizeof(*files));
	_cleanup_free_ const char **paths = calloc(n + 1, sizeof(*paths));
	struct heal_package *owners = calloc(n + 1, sizeof(*owners));
	int r;

	if (!files || !paths || !owners) {
		heal_packages_free(owners, 0);
		return heal_error_set(error, ENOMEM, "naming packages: out of memory");
	}
	n = owner_collect(report, proof, files);
	for (size_t i = 0; i < n; i++)
		paths[i] = files[i].file->path;
	r = ctx->package_ops->owners(ctx->package, paths, n, owners, error);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = owner_fill(&files[i], &owners[i]);
	heal_packages_free(owners, n);
	return r;
}

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

int heal_packages_name(struct heal_context *ctx, struct heal_report *report,
		       const struct heal_last_proof *proof)
{
	struct heal_error error = {0};
	int r = heal_context_package(ctx, &error);

	if (r == 0)
		r = owner_name_files(ctx, report, proof, &error);
	if (r < 0 && r != -ENOMEM)
		(void)heal_notes_add(&report->notes, "%s", error.message);
	return r == -ENOMEM ? r : 0;
}
