/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Would a client get in with the files on disk? The sshd there, and a client. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "try/trial.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "base/words.h"
#include "host/context.h"
#include "host/module.h"
#include "host/package.h"
#include "host/proc.h"
#include "look/addresses.h"
#include "look/maps.h"
#include "report.h"
#include "try/blame.h"
#include "try/command.h"
#include "try/effective.h"
#include "try/pair.h"

#define TRIAL_WORDS_MAX 256

/* Adds the file at fault to the detail: whether it is there, and whose it is. */
static void trial_blame(struct heal_context *ctx, const struct heal_process *process,
			struct heal_trial *trial, const char *words)
{
	_cleanup_free_ char *directory = maps_library_dir(process);
	_cleanup_free_ char *path = blame_find_path(words, directory);
	_cleanup_(heal_package_done) struct heal_package owner = {0};
	char *detail = trial->detail;
	size_t size = sizeof(trial->detail);
	const char *file = path ? path : process->exe;
	bool is_missing = faccessat(ctx->root_fd, file + 1, F_OK, 0) < 0;
	char name[256];

	heal_safe(name, sizeof(name), file);
	if (heal_package_owner(ctx, file, &owner) == 0)
		heal_append(detail, size, "; %s%s belongs to package %s %s", name,
			    is_missing ? " is missing, it" : "", owner.name, owner.version);
	else
		heal_append(detail, size, "; %s %s", name,
			    is_missing ? "is missing" : "belongs to no package");
}

static void trial_judge(struct heal_context *ctx, const struct heal_process *process,
			struct heal_trial *trial, int code, const struct heal_hello *hello,
			const char *words)
{
	size_t size = sizeof(trial->detail);

	trial->detail[0] = '\0';
	if (code == 0 && (hello->fate == HEAL_FATE_OK || hello->fate == HEAL_FATE_ANSWERED)) {
		trial->result = HEAL_TRIAL_OK;
		memcpy(trial->key, hello->key, sizeof(trial->key));
		return;
	}
	trial->result = HEAL_TRIAL_FAILED;
	if (code < 0)
		heal_append(trial->detail, size, "running %s: %s", process->exe, strerror(-code));
	else
		heal_append(trial->detail, size, "a client of %s %s", process->exe,
			    heal_fate_text(hello->fate));
	if (!*words)
		words = hello->detail;
	if (*words)
		heal_append(trial->detail, size, ": %s", words);
	else if (hello->fate == HEAL_FATE_EOF)
		heal_append(trial->detail, size, ", and it does not say why (does hosts.deny refuse 127.0.0.1?)");
	trial_blame(ctx, process, trial, words);
}

static void trial_skip(struct heal_trial *trial, const char *why)
{
	trial->result = HEAL_TRIAL_SKIPPED;
	trial->detail[0] = '\0';
	heal_append(trial->detail, sizeof(trial->detail), "%s", why);
}

/* What execve(2) says of the file itself; anything else is about this machine's state. */
static bool trial_is_about_file(const char *path, int code)
{
	static const int codes[] = {ENOENT, ENOEXEC, ENOTDIR, ELOOP, ELIBBAD, EISDIR};
	struct stat st;

	/* Without any bit for it nobody may execute it; otherwise it is we who may not. */
	if (code == EACCES)
		return stat(path, &st) == 0 && !(st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH));

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (code == codes[i])
			return true;
	return false;
}

/* Whether a trial said nothing about sshd, for it was ours that went wrong; says so. */
static bool trial_is_void(const struct heal_start *start, int code, const struct heal_hello *hello,
			  struct heal_error *error)
{
	if (code == -ETIME)
		(void)heal_error_set(error, ETIME, "no time is left to try it");
	else if (code < 0 && !trial_is_about_file(start->path, -code))
		(void)heal_error_set(error, -code, "trying %s: %s", start->path, strerror(-code));
	else if (code == 0 && hello->fate == HEAL_FATE_TIMEOUT)
		(void)heal_error_set(error, ETIME, "it could not be tried in time");
	else if (code == 0 && hello->fate == HEAL_FATE_UNKNOWN)
		(void)heal_error_set(error, EIO, "trying %s: our client failed%s%s", start->path,
				     *hello->detail ? ": " : "", hello->detail);
	else
		return false;
	return true;
}

static void trial_with(struct heal_context *ctx, struct heal_listener *listener,
		       const struct heal_start *start)
{
	struct heal_hello hello = {0};
	struct heal_error error;
	char words[TRIAL_WORDS_MAX] = "";
	int r = heal_pair_try(ctx, start, &hello, words, sizeof(words));

	if (trial_is_void(start, r, &hello, &error))
		trial_skip(&listener->evidence.trial, error.message);
	else
		trial_judge(ctx, &listener->process, &listener->evidence.trial, r, &hello, words);
}

static void trial_compare_keys(const struct heal_hello *hello, struct heal_trial *trial)
{
	const char *live = hello->key;
	const char *tried = trial->key;

	if (!*live || !*tried)
		return;
	trial->host_key =
		strcmp(live, tried) == 0 ? HEAL_HOST_KEY_SAME : HEAL_HOST_KEY_CHANGED;
	if (trial->host_key == HEAL_HOST_KEY_CHANGED)
		heal_append(trial->detail, sizeof(trial->detail),
			    "clients know the host key %s, on disk is %s", live, tried);
}

/* Adds a sentence about something to the detail. */
static void trial_add(struct heal_trial *trial, const char *before, const char *what,
		      const char *after)
{
	heal_append(trial->detail, sizeof(trial->detail), "%s%s%s%s", *trial->detail ? "; " : "",
		    before, what, after);
}

/* Where sshd would listen, as against where it does. systemd's sockets are not its affair. */
static int trial_check_addresses(struct heal_context *ctx, const struct heal_process *process,
				 struct heal_trial *trial, const struct heal_effective *effective,
				 const char **ret)
{
	const char *address = heal_effective_lost(process, effective);
	int r;

	if (address) {
		trial->is_moving = true;
		trial_add(trial, "it would not listen on ", address, " any more");
	}
	r = heal_effective_absent(effective, ret);
	if (r < 0)
		return r;
	if (r > 0) {
		trial->is_moving = true;
		trial_add(trial, "this host has no address for ", *ret, " now");
	}
	r = heal_effective_taken(ctx, process, effective, ret);
	if (r > 0) {
		trial->is_port_taken = true;
		trial_add(trial, "another process listens on ", *ret, ", where sshd would");
	}
	return r < 0 ? r : 0;
}

/* The configuration file: that of -f, or the usual one. */
static const char *trial_config_file(const struct heal_words *options)
{
	for (size_t i = 0; i + 1 < options->count; i++)
		if (strcmp(options->items[i], "-f") == 0)
			return options->items[i + 1];
	return "/etc/ssh/sshd_config";
}

/* The keys of the other types than the client's, and the configuration. */
static int trial_check_files(struct heal_context *ctx, const struct heal_process *process,
			     struct heal_trial *trial, const struct heal_effective *effective,
			     const char *config, const char **ret)
{
	int r = heal_effective_new_key(ctx, process, effective, ret);

	if (r < 0)
		return r;
	if (r > 0 && trial->host_key != HEAL_HOST_KEY_CHANGED) {
		trial->host_key = HEAL_HOST_KEY_CHANGED;
		trial_add(trial, "the host key ", *ret, " was replaced after sshd had started");
	}
	*ret = config;
	r = heal_effective_is_new(ctx, process, effective, config);
	if (r > 0)
		trial_add(trial, "sshd takes up what was changed in ", config, " since it started");
	return r < 0 ? r : 0;
}

/* What a client does not see. */
static void trial_ask_sshd(struct heal_context *ctx, struct heal_listener *listener,
			   const struct heal_start *start)
{
	_cleanup_(heal_effective_done) struct heal_effective effective = {0};
	const struct heal_process *process = &listener->process;
	struct heal_trial *trial = &listener->evidence.trial;
	struct heal_error error = {0};
	const char *what = NULL;
	int r = heal_effective_load(ctx, start, &effective, &error);

	if (r == 0) {
		r = trial_check_files(ctx, process, trial, &effective,
				      trial_config_file(&start->options), &what);
		if (r == 0 && !heal_listener_is_socket_activated(listener))
			r = trial_check_addresses(ctx, process, trial, &effective, &what);
		if (r < 0)
			(void)heal_error_set(&error, -r, "looking at %s: %s", what, strerror(-r));
	}
	if (r < 0)
		trial_skip(trial, error.message);
}

/* Tries what the running listener has, and where it differs what its unit says now. */
static void trial_starts_with(struct heal_context *ctx, struct heal_listener *listener,
			      const struct heal_starts *starts)
{
	struct heal_trial *trial = &listener->evidence.trial;
	bool has_unit = heal_listener_has_unit(listener);

	if (!trial->is_hup_fatal)
		trial_with(ctx, listener, &starts->hup);
	if (trial->is_hup_fatal ||
	    (trial->result == HEAL_TRIAL_OK && has_unit &&
	     (starts->restart.cwd ||
	      !heal_words_equal(&starts->hup.options, &starts->restart.options))))
		trial_with(ctx, listener, &starts->restart);
	trial_compare_keys(&listener->evidence.live, trial);
	if (trial->result == HEAL_TRIAL_OK)
		trial_ask_sshd(ctx, listener, has_unit ? &starts->restart : &starts->hup);
}

/* Whether we can be its client. */
static int trial_check_reach(struct heal_context *ctx, const struct heal_process *process,
			     struct heal_error *error)
{
	int r = addresses_is_reachable(ctx, process);

	if (r == -ENETUNREACH)
		return heal_error_set(error, -r, "it is in a network namespace of its own, where no "
						 "client can be tried");
	if (r == -EREMOTE)
		return heal_error_set(error, -r, "this sshd-heal is in a network namespace of its own, "
						 "where no client can be tried");
	return r < 0 ? heal_error_set(error, -r, "finding out whether a client can be tried: %s",
				      strerror(-r))
		     : 0;
}

/* What we may not do, the sshd that we start may not either: that would be no word on sshd. */
static int trial_check_confinement(struct heal_context *ctx, const struct heal_process *process,
				   struct heal_error *error)
{
	_cleanup_close_ int self = heal_open_process(ctx, "thread-self");
	struct heal_owner ours = {0};
	struct heal_owner theirs = {0};
	int r = self < 0 ? self : heal_owner_load(ctx, self, &ours);

	if (r == 0)
		r = heal_owner_load(ctx, process->dirfd, &theirs);
	if (r < 0)
		return heal_error_set(error, -r, "comparing our rights with those of sshd: %s",
				      strerror(-r));
	if (theirs.capabilities & ~ours.capabilities)
		return heal_error_set(error, EPERM, "this sshd-heal was started without capabilities that "
						    "sshd has");
	return 0;
}

void heal_trial_run(struct heal_context *ctx, struct heal_listener *listener)
{
	_cleanup_(heal_starts_done) struct heal_starts starts = {0};
	struct heal_error error = {0};
	int r = heal_context_client(ctx, &error);

	if (r == 0 && listener->process.n_addresses == 0)
		r = heal_error_set(&error, EADDRNOTAVAIL, "its listening sockets were not found");
	if (r == 0)
		r = trial_check_reach(ctx, &listener->process, &error);
	if (r == 0)
		r = trial_check_confinement(ctx, &listener->process, &error);
	if (r == 0)
		r = heal_starts_find(ctx, listener, &starts, &error);
	if (r < 0)
		trial_skip(&listener->evidence.trial, error.message);
	else
		trial_starts_with(ctx, listener, &starts);
}

void heal_trial_again(struct heal_context *ctx, struct heal_listener *listener)
{
	_cleanup_(heal_start_done) struct heal_start start = {0};
	struct heal_error error = {0};

	if (heal_start_find(ctx, listener, &start, &error) < 0)
		trial_skip(&listener->evidence.trial, error.message);
	else
		trial_with(ctx, listener, &start);
	/* With the unit down its RuntimeDirectory is gone, which a start makes anew. */
	if (listener->evidence.trial.result == HEAL_TRIAL_FAILED &&
	    strstr(listener->evidence.trial.detail, "Missing privilege separation directory"))
		trial_skip(&listener->evidence.trial, "");
}
