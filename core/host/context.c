/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What everything is read through: the root and /proc, and the modules once loaded. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/context.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "host/config.h"
#include "host/module.h"

#define CONTEXT_SETTLE_MS 500
#define CONTEXT_QUIET_MS 1000

/* There where systemd is PID 1, sd_booted(3). */
static const char context_systemd[] = "run/systemd/system";

/* The databases that a host may have, in the order in which they are looked for. */
static const struct {
	const char *path;
	const char *module;
} context_databases[] = {
	{"var/lib/dpkg/status", "package-apt"},
	{"var/lib/rpm", "package-rpm"},
	{"usr/lib/sysimage/rpm", "package-rpm"},
};

int heal_root_is_live(int root_fd, bool *ret)
{
	struct stat root;
	struct stat ours;

	if (fstat(root_fd, &root) < 0 || stat("/", &ours) < 0)
		return -errno;
	*ret = heal_same_file(&root, &ours);
	return 0;
}

/* Whether our root is another than PID 1's, as in an image build or by --installroot. */
static int context_is_chroot(int proc_fd, bool *ret)
{
	struct stat init;
	struct stat ours;

	if (fstatat(proc_fd, "1/root", &init, 0) < 0) {
		/* What is mounted there need not be all of it; and who may not look is no hook. */
		if (errno != ENOENT && errno != EACCES && errno != EPERM)
			return -errno;
		return 0;
	}
	if (stat("/", &ours) < 0)
		return -errno;
	*ret = !heal_same_file(&init, &ours);
	return 0;
}

static int context_open(struct heal_context *ctx, const char *root, struct heal_error *error)
{
	int r;

	ctx->root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ctx->root_fd < 0)
		return heal_error_set(error, errno, "opening the root directory %s: %s", root,
				      strerror(errno));
	ctx->proc_fd = openat(ctx->root_fd, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* A root without it is one thing, not to get at it is another. */
	if (ctx->proc_fd < 0 && errno != ENOENT && errno != ENOTDIR)
		return heal_error_set(error, errno, "opening /proc of %s: %s", root, strerror(errno));
	r = heal_root_is_live(ctx->root_fd, &ctx->is_live);
	/* A directory that nothing is mounted on has no processes to tell of. */
	if (r == 0 && ctx->is_live && geteuid() == 0 && ctx->proc_fd >= 0 &&
	    faccessat(ctx->proc_fd, "1", F_OK, 0) < 0 && errno == ENOENT)
		(void)close(heal_take_fd(&ctx->proc_fd));
	if (r == 0 && ctx->is_live && ctx->proc_fd >= 0)
		r = context_is_chroot(ctx->proc_fd, &ctx->is_chroot);
	return r < 0 ? heal_error_set(error, -r, "comparing %s with the root of PID 1: %s", root,
				      strerror(-r))
		     : 0;
}

int heal_context_new(struct heal_context **ret, const char *root, const char *module_dir,
		     struct heal_error *error)
{
	_cleanup_(heal_context_freep) struct heal_context *ctx = calloc(1, sizeof(*ctx));
	int r;

	if (!ctx)
		return heal_error_set(error, ENOMEM, "starting: out of memory");
	ctx->root_fd = ctx->view_fd = ctx->proc_fd = -1;
	ctx->settle_ms = CONTEXT_SETTLE_MS;
	ctx->quiet_ms = CONTEXT_QUIET_MS;
	r = context_open(ctx, root, error);
	if (r < 0)
		return r;
	ctx->module_dir = strdup(module_dir);
	if (!ctx->module_dir || heal_config_init(&ctx->config) < 0)
		return heal_error_set(error, ENOMEM, "starting: out of memory");
	ctx->deadline_ms = heal_now_ms() + ctx->config.deadline_ms;
	*ret = heal_take(ctx);
	return 0;
}

struct heal_context *heal_context_free(struct heal_context *ctx)
{
	if (!ctx)
		return NULL;
	if (ctx->package)
		ctx->package_ops->close(ctx->package);
	if (ctx->service)
		ctx->service_ops->close(ctx->service);
	heal_config_done(&ctx->config);
	heal_closep(&ctx->proc_fd);
	heal_closep(&ctx->root_fd);
	free(ctx->module_dir);
	free(ctx);
	return NULL;
}

bool heal_context_has_actor(const struct heal_context *ctx)
{
	return ctx->is_live && !ctx->is_chroot &&
	       faccessat(ctx->root_fd, context_systemd, F_OK, 0) == 0;
}

/* Never unloaded: the libraries behind a module keep threads, atexit and TLS of their own. */
int heal_context_load(struct heal_context *ctx, const char *name, const char *symbol,
		      const void **ret, struct heal_error *error)
{
	char path[PATH_MAX];
	const char *const *build;
	void *module;

	if (snprintf(path, sizeof(path), "%s/%s.so", ctx->module_dir, name) >= (int)sizeof(path))
		return heal_error_set(error, ENAMETOOLONG, "loading module %s", name);
	module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!module)
		return heal_error_set(error, ELIBACC, "loading module %s: %s", name, dlerror());
	/* Every table begins with it. */
	build = dlsym(module, symbol);
	if (!build)
		return heal_error_set(error, ELIBBAD, "loading module %s: %s", name, dlerror());
	if (!*build || strcmp(*build, heal_build) != 0)
		return heal_error_set(error, ELIBBAD,
				      "loading module %s: %s is of another build than this sshd-heal",
				      name, path);
	*ret = build;
	return 0;
}

int heal_context_package(struct heal_context *ctx, struct heal_error *error)
{
	int r = 0;

	if (ctx->package)
		return 0;
	/* A host may have both databases; its package has only the module of its own. */
	for (size_t i = 0; i < ARRAY_SIZE(context_databases) && !ctx->package_ops; i++) {
		const void *ops = NULL;
		int code;

		if (faccessat(ctx->root_fd, context_databases[i].path, F_OK, 0) < 0)
			continue;
		code = heal_context_load(ctx, context_databases[i].module, HEAL_PACKAGE_OPS_SYMBOL,
					 &ops, r < 0 ? NULL : error);
		ctx->package_ops = ops;
		r = r < 0 ? r : code;
	}
	if (!ctx->package_ops)
		return r < 0 ? r
			     : heal_error_set(error, ENOENT,
					      "finding out whose files they are: no dpkg or rpm database");
	return ctx->package_ops->open(ctx->root_fd, &ctx->package, error);
}

int heal_context_service(struct heal_context *ctx, struct heal_error *error)
{
	const void *ops = NULL;
	int r;

	if (ctx->service)
		return 0;
	if (!ctx->service_ops) {
		if (faccessat(ctx->root_fd, context_systemd, F_OK, 0) < 0)
			return heal_error_set(error, ENOENT,
					      "asking systemd: it is not running on this system");
		r = heal_context_load(ctx, "service-systemd", HEAL_SERVICE_OPS_SYMBOL, &ops, error);
		if (r < 0)
			return r;
		ctx->service_ops = ops;
	}
	return ctx->service_ops->open(ctx->deadline_ms, &ctx->service, error);
}

int heal_context_client(struct heal_context *ctx, struct heal_error *error)
{
	const void *ops = NULL;
	int r;

	if (ctx->client_ops)
		return 0;
	r = heal_context_load(ctx, "client-libssh", HEAL_CLIENT_OPS_SYMBOL, &ops, error);
	if (r == 0)
		ctx->client_ops = ops;
	return r;
}
