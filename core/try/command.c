/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What would be started, and in what place: by SIGHUP, and by a restart of the unit. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "try/command.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "base/words.h"
#include "host/context.h"
#include "host/module.h"
#include "host/proc.h"
#include "host/trust.h"
#include "look/title.h"
#include "report.h"
#include "try/arguments.h"

#define COMMAND_ENVIRONMENT_MAX (256u << 10)

/* The environment that the unit gives to its service. Errors: with the file named. */
static int command_environment(struct heal_context *ctx, const char *unit, struct heal_exec *exec,
			       struct heal_error *error)
{
	for (size_t i = 0; i < exec->files.count; i++) {
		_cleanup_free_ char *buf = NULL;
		const char *path = exec->files.items[i];
		bool may_miss = *path == '-';
		bool is_roots = false;
		size_t len;
		int r;

		path += may_miss;
		/* systemd.exec(5) allows wildcards; whoever uses them is told that we do not. */
		if (*path != '/' || strpbrk(path, "*?["))
			return heal_error_set(error, EINVAL, "%s has EnvironmentFile=%s, which is not understood",
					      unit, path);
		/* What stands there becomes root's arguments, at a moment of our choice. */
		r = heal_trust_path(ctx->root_fd, path, &is_roots);
		if (r == 0 && !is_roots)
			r = -EPERM;
		if (r < 0 && r != -ENOENT)
			return heal_error_set(error, -r, "%s has EnvironmentFile=%s: %s", unit, path,
					      r == -EPERM ? "not only root can change it" : strerror(-r));
		r = heal_read_at(ctx->root_fd, path + 1, COMMAND_ENVIRONMENT_MAX, &buf, &len);
		if (r == -ENOENT && may_miss)
			continue;
		if (r == 0)
			r = arguments_parse_environment(buf, len, &exec->environment);
		if (r < 0)
			return heal_error_set(error, -r, "%s has EnvironmentFile=%s: %s", unit, path, strerror(-r));
	}
	return 0;
}

/* Whether two paths lead to the same file, as /sbin/sshd and /usr/sbin/sshd do. */
static bool command_same_file(struct heal_context *ctx, const char *a, const char *b)
{
	struct stat a_st;
	struct stat b_st;

	if (strcmp(a, b) == 0)
		return true;
	return *a == '/' && *b == '/' && fstatat(heal_view(ctx), a + 1, &a_st, 0) == 0 &&
	       fstatat(heal_view(ctx), b + 1, &b_st, 0) == 0 && heal_same_file(&a_st, &b_st);
}

/*
 * Where the unit starts its service: NULL for /. A directory that somebody else may
 * write to, or put another into the place of, is none to run anything in.
 */
static int command_directory(struct heal_context *ctx, const char *whose, const char *directory,
			   char **ret, struct heal_error *error)
{
	bool may_miss = *directory == '!';
	bool is_roots = false;
	char *copy;
	int r;

	directory += may_miss;
	if (!*directory || strcmp(directory, "/") == 0)
		return 0;
	/* "~" is the home of the user that the service runs as. */
	r = *directory == '/' ? heal_trust_path(heal_view(ctx), directory, &is_roots) : -EINVAL;
	if (r == -ENOENT && may_miss && is_roots)
		return 0;
	if (r < 0)
		return heal_error_set(error, -r, "%s starts sshd in %s: %s", whose, directory,
				      strerror(-r));
	if (!is_roots)
		return heal_error_set(error, EPERM,
				      "%s starts sshd in %s, where not only root can put files", whose,
				      directory);
	copy = strdup(directory);
	if (!copy)
		return heal_error_set(error, ENOMEM, "trying sshd: out of memory");
	*ret = copy;
	return 0;
}

int heal_start_arguments(struct heal_context *ctx, const struct heal_listener *listener,
			 struct heal_words *argv, struct heal_start *start, struct heal_error *error)
{
	_cleanup_(heal_exec_done) struct heal_exec exec = {0};
	const char *unit = listener->unit.id;
	struct arguments_relative relative;
	const char *name;
	char whose[256];
	int r = ctx->service_ops->exec_start(ctx->service, unit, &exec, error);

	if (r < 0)
		return r;
	/* What is tried must be what a restart would start. */
	if (!command_same_file(ctx, exec.path, listener->process.exe))
		return heal_error_set(error, ENOTSUP, "%s starts %s, but %s is what runs", unit,
				      exec.path, listener->process.exe);
	r = command_environment(ctx, unit, &exec, error);
	if (r < 0)
		return r;
	name = r == 0 ? arguments_find_loader_variable(&exec.environment) : NULL;
	if (name)
		return heal_error_set(error, ENOTSUP, "%s sets %s, which a trial would not have", unit,
				      name);
	if (r == 0)
		r = arguments_expand(&exec.command, &exec.environment, argv);
	if (r == 0)
		r = heal_words_copy(&exec.environment, &start->environment);
	if (r == 0)
		r = heal_words_copy(&exec.runtime, &start->runtime);
	if (r < 0)
		return heal_error_set(error, -r, "understanding how %s starts sshd: %s", unit,
				      strerror(-r));
	/* Named with the option that makes it matter most; its configuration may name files, too. */
	if (arguments_find_relative(argv, 0, &relative) == 1)
		(void)snprintf(whose, sizeof(whose), "%s has -%c %s and", unit, relative.option,
			       relative.value);
	else
		(void)snprintf(whose, sizeof(whose), "%s", unit);
	return command_directory(ctx, whose, exec.directory ? exec.directory : "", &start->cwd,
				 error);
}

/*
 * The arguments that the running listener has, and keeps across a SIGHUP. Its
 * title has them with blanks between, which is ambiguous: where it is the one
 * that the unit's arguments would give, those are taken.
 */
static int command_running_argv(const struct heal_listener *listener,
			      const struct heal_words *unit_argv, struct heal_words *argv,
			      struct heal_error *error)
{
	_cleanup_free_ char *cmdline = NULL;
	size_t len = 0;
	int r = heal_read_at(listener->process.dirfd, "cmdline", CMDLINE_MAX, &cmdline, &len);

	if (r == 0 && arguments_is_title_of(cmdline, unit_argv))
		return heal_words_copy(unit_argv, argv);
	if (r == 0)
		r = arguments_of_title(cmdline, len, argv);
	return r < 0 ? heal_error_set(error, -r, "reading the arguments of sshd process %d: %s",
				      (int)listener->process.pid, strerror(-r))
		     : 0;
}

/*
 * Whether the files that are named without saying from where are root's alone, looked
 * up from a directory. One that is not there is an error where may_miss is not set.
 */
static int command_check_names(struct heal_context *ctx, const struct heal_words *argv,
			     const char *cwd, bool may_miss, const char *whose,
			     struct heal_error *error)
{
	struct arguments_relative name;

	for (size_t i = 0; arguments_find_relative(argv, i, &name) == 1; i++) {
		_cleanup_free_ char *path = NULL;
		bool is_roots = false;
		int r;

		if (asprintf(&path, "%s/%s", cwd ? cwd : "", name.file) < 0) {
			path = NULL;
			return heal_error_set(error, ENOMEM, "trying sshd: out of memory");
		}
		r = heal_trust_path(heal_view(ctx), path, &is_roots);
		/* A log or PID file is made anew. */
		if (r == -ENOENT && is_roots &&
		    (may_miss || name.option == 'E' || strncasecmp(name.value, "PidFile", 7) == 0))
			r = 0;
		if (r < 0)
			return heal_error_set(error, -r, "%s has -%c %s, but %s: %s", whose, name.option,
					      name.value, path, strerror(-r));
		if (!is_roots)
			return heal_error_set(error, EPERM,
					      "%s has -%c %s, and not only root can write to %s", whose,
					      name.option, name.value, path);
	}
	return 0;
}

/*
 * The options of a trial, once nothing of anybody else's can be taken for root's;
 * whose arguments they are is for the message.
 */
static int command_options(struct heal_context *ctx, const struct heal_words *argv,
			 const char *whose, bool may_miss, struct heal_start *start,
			 struct heal_error *error)
{
	const char *log = arguments_find(argv, 'E');
	int r = arguments_trial_options(argv, &start->options);

	/* One that is relative has its own check. */
	if (r == 0 && log && *log == '/') {
		start->log = strdup(log);
		r = start->log ? 0 : -ENOMEM;
	}
	if (r < 0)
		return heal_error_set(error, -r, "understanding how %s starts sshd: %s", whose,
				      strerror(-r));
	return command_check_names(ctx, argv, start->cwd, may_miss, whose, error);
}

void heal_start_done(struct heal_start *start)
{
	heal_words_done(&start->options);
	heal_words_done(&start->environment);
	heal_words_done(&start->runtime);
	free(start->cwd);
	free(start->log);
	heal_closep(&start->mount_fd);
}

void heal_starts_done(struct heal_starts *starts)
{
	heal_start_done(&starts->hup);
	heal_start_done(&starts->restart);
}

/*
 * Finds out what SIGHUP would run. That it would not find its files again is no error
 * where there is a unit: then only a restart can help.
 */
static int command_find_hup(struct heal_context *ctx, struct heal_listener *listener,
			  const struct heal_words *unit_argv, struct heal_start *hup,
			  struct heal_error *error)
{
	_cleanup_(heal_words_done) struct heal_words argv = {0};
	int r = command_running_argv(listener, unit_argv, &argv, error);

	if (r < 0)
		return r;
	r = command_options(ctx, &argv, "its title", false, hup, error);
	listener->evidence.trial.is_hup_fatal = r == -ENOENT && heal_listener_has_unit(listener);
	return listener->evidence.trial.is_hup_fatal ? 0 : r;
}

void command_label(const char *current, char *ret, size_t size)
{
	const char *mode = strstr(current, " (");
	size_t len = strcspn(current, "\n");

	*ret = '\0';
	if (mode)
		(void)snprintf(ret, size, "exec %.*s", (int)(mode - current), current);
	else if (memchr(current, ':', len) && len < size)
		(void)snprintf(ret, size, "%.*s", (int)len, current);
}

/* Most kernels have none; where it cannot be read, the start has what it gets by itself. */
static void command_load_label(const struct heal_process *process, struct heal_start *start)
{
	_cleanup_free_ char *current = NULL;
	size_t len = 0;

	if (heal_read_at(process->dirfd, "attr/current", sizeof(start->label), &current, &len) == 0)
		command_label(current, start->label, sizeof(start->label));
}

/* Where systemd gave it mounts of its own: a start is tried in there. */
static int command_mounts(struct heal_context *ctx, const struct heal_process *process,
			  struct heal_start *start, struct heal_error *error)
{
	bool is_ours = false;
	int r = heal_owner_same_link(ctx, "thread-self", process->dirfd, "ns/mnt", &is_ours);

	command_load_label(process, start);
	/* A recorded tree has none of ours. */
	if (r == -ENOENT || (r == 0 && is_ours))
		return 0;
	if (r == 0)
		start->mount_fd = openat(process->dirfd, "ns/mnt", O_RDONLY | O_CLOEXEC);
	if (r == 0 && start->mount_fd < 0)
		r = -errno;
	return r < 0 ? heal_error_set(error, -r, "joining the mount namespace of sshd process %d: %s",
				      (int)process->pid, strerror(-r))
		     : 0;
}

/* Whether a program is one that becomes another, as env(1) and scripts with `exec` do. */
static bool command_is_wrapper(const struct heal_context *ctx, const char *path)
{
	static const char *const names[] = {
		"/bash", "/capsh", "/choom", "/chrt", "/dash", "/env", "/ionice", "/nice", "/numactl",
		"/prlimit", "/setpriv", "/setsid", "/sh", "/taskset",
	};
	_cleanup_close_ int fd = *path == '/' ? openat(heal_view(ctx), path + 1, O_RDONLY | O_CLOEXEC) : -1;
	const char *name = strrchr(path, '/');
	char mark[2] = "";

	for (size_t i = 0; fd >= 0 && i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return fd >= 0 && read(fd, mark, sizeof(mark)) == (ssize_t)sizeof(mark) && mark[0] == '#' && mark[1] == '!';
}

/*
 * Whether a SIGHUP can be tried though a restart cannot: it starts the running program anew
 * by the arguments that it has, and neither its unit's program, a wrapper that has become
 * sshd, nor its environment files. A unit that starts another sshd is nobody's to guess.
 */
static bool command_is_hup_enough(struct heal_context *ctx, const struct heal_listener *listener)
{
	_cleanup_(heal_exec_done) struct heal_exec exec = {0};
	struct heal_error ignored;

	if (listener->unit.is_masked)
		return true;
	if (ctx->service_ops->exec_start(ctx->service, listener->unit.id, &exec, &ignored) < 0)
		return false;
	/* As a SIGHUP leaves it, and a trial would not have it. */
	if (arguments_find_loader_variable(&exec.environment))
		return false;
	return command_same_file(ctx, exec.path, listener->process.exe)
		       ? command_environment(ctx, listener->unit.id, &exec, &ignored) < 0
		       : command_is_wrapper(ctx, exec.path);
}

/* What a restart of the unit would start; where that is not known, and SIGHUP has no need of it, why. */
static int command_find_restart(struct heal_context *ctx, struct heal_listener *listener,
				struct heal_words *argv, struct heal_start *restart, struct heal_error *error)
{
	struct heal_evidence *evidence = &listener->evidence;
	int r = heal_start_arguments(ctx, listener, argv, restart, error);

	if (r == 0)
		return command_options(ctx, argv, listener->unit.id, true, restart, error);
	if (!command_is_hup_enough(ctx, listener))
		return r;
	evidence->trial.is_hup_only = true;
	evidence->is_doomed = listener->unit.is_masked || r == -ENOENT;
	evidence->start[0] = '\0';
	if (listener->unit.is_masked)
		heal_append(evidence->start, sizeof(evidence->start), "%s is masked", listener->unit.id);
	else
		heal_append(evidence->start, sizeof(evidence->start), "%s", error->message);
	return 0;
}

int heal_starts_find(struct heal_context *ctx, struct heal_listener *listener,
		     struct heal_starts *starts, struct heal_error *error)
{
	_cleanup_(heal_words_done) struct heal_words unit_argv = {0};
	struct arguments_relative name;
	bool has_unit = heal_listener_has_unit(listener);
	int r = command_mounts(ctx, &listener->process, &starts->hup, error);

	starts->hup.path = starts->restart.path = listener->process.exe;
	if (r == 0)
		r = command_mounts(ctx, &listener->process, &starts->restart, error);
	if (r == 0 && has_unit)
		r = command_find_restart(ctx, listener, &unit_argv, &starts->restart, error);
	if (r == 0 && heal_words_copy(&starts->restart.environment, &starts->hup.environment) < 0)
		r = heal_error_set(error, ENOMEM, "trying sshd: out of memory");
	if (r == 0)
		r = command_find_hup(ctx, listener, &unit_argv, &starts->hup, error);
	if (r == 0 && listener->evidence.trial.is_hup_only && listener->evidence.trial.is_hup_fatal) {
		r = heal_error_set(error, ENOTSUP, "%s", listener->evidence.start);
		listener->evidence.start[0] = '\0';
		listener->evidence.is_doomed = false;
	}
	/* The same name is another file for SIGHUP, which must not be taken up for it. */
	if (r == 0 && starts->restart.cwd && arguments_find_relative(&unit_argv, 0, &name) == 1)
		listener->evidence.trial.is_hup_fatal = true;
	return r;
}

int heal_start_find(struct heal_context *ctx, struct heal_listener *listener,
		    struct heal_start *ret, struct heal_error *error)
{
	_cleanup_(heal_words_done) struct heal_words argv = {0};
	int r;

	ret->path = listener->process.exe;
	r = heal_start_arguments(ctx, listener, &argv, ret, error);
	/* The one of each client, which a trial has anyhow. */
	for (size_t i = 0; listener->unit.is_per_client && i < argv.count; i++)
		if (strcmp(argv.items[i], "-i") == 0)
			argv.items[i][1] = 'D';
	return r < 0 ? r : command_options(ctx, &argv, listener->unit.id, true, ret, error);
}

const char *heal_start_runtime(const struct heal_start *start, const char *words)
{
	static const char missing[] = "Missing privilege separation directory: /run/";
	const char *path = strstr(words, missing);

	if (!path)
		return NULL;
	path += strlen(missing);
	for (size_t i = 0; i < start->runtime.count; i++) {
		const char *name = start->runtime.items[i];

		if (*name && strlen(name) == strcspn(path, "; \t\r\n") &&
		    strncmp(path, name, strlen(name)) == 0 && !strchr(name, '/'))
			return name;
	}
	return NULL;
}
