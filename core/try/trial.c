/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Would a client get in with the files on disk? The sshd there, and a client. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "try/trial.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "base/words.h"
#include "host/context.h"
#include "host/module.h"
#include "host/proc.h"
#include "look/addresses.h"
#include "look/maps.h"
#include "look/owner.h"
#include "look/proof.h"
#include "look/wrappers.h"
#include "report.h"
#include "try/blame.h"
#include "try/command.h"
#include "try/effective.h"
#include "try/live.h"
#include "try/pair.h"
#include "try/place.h"
#include "try/rehearse.h"

/* It takes 50 ms; a machine that takes longer is given a second chance. */
#define TRIAL_MS 3000
/* What is left for all that comes after. */
#define TRIAL_RESERVE_MS 8000
/* How much longer than without TCP wrappers a client may take with them. */
#define TRIAL_SLOWER 5
#define TRIAL_WRAPPED_MS 300
/* As many can be sent of one family, beside ours and anybody. */
#define TRIAL_SOURCES_MAX PLACE_CLIENTS

/* Whose a file was when the listener was proven: what a database needs may be what is missing. */
static int trial_owner_before(struct heal_context *ctx, const struct heal_process *process,
			      const char *path, struct heal_package *ret)
{
	_cleanup_(heal_proof_done) struct heal_last_proof proof = {0};
	const struct heal_proven *proven =
		heal_proof_load(ctx, &proof) == 0 ? heal_proof_find(&proof, process) : NULL;

	for (size_t i = 0; proven && i < proven->n_files; i++) {
		const struct heal_counted *file = &proven->files[i];

		if (strcmp(file->path, path) != 0 || !file->package || !file->version)
			continue;
		ret->name = strdup(file->package);
		ret->version = strdup(file->version);
		return ret->name && ret->version ? 0 : -ENOMEM;
	}
	return -ENOENT;
}

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
	bool is_missing = faccessat(heal_view(ctx), file + 1, F_OK, 0) < 0;
	char name[256];

	heal_safe(name, sizeof(name), file);
	if (heal_package_owner(ctx, file, &owner) == 0 ||
	    trial_owner_before(ctx, process, file, &owner) == 0)
		heal_append(detail, size, "; %s%s belongs to package %s %s", name,
			    is_missing ? " is missing, it" : "", owner.name, owner.version);
	else if (is_missing)
		heal_append(detail, size, "; %s is missing", name);
}

static void trial_judge(struct heal_context *ctx, const struct heal_process *process,
			struct heal_trial *trial, int code, const struct heal_hello *hello,
			const char *words)
{
	size_t size = sizeof(trial->detail);

	trial->detail[0] = '\0';
	if (code == 0 && heal_fate_is_in(hello->fate)) {
		trial->result = HEAL_TRIAL_OK;
		memcpy(trial->key, hello->key, sizeof(trial->key));
		return;
	}
	trial->result = HEAL_TRIAL_FAILED;
	if (code < 0)
		heal_append(trial->detail, size, "running %s: %s", process->exe, strerror(-code));
	else if (hello->fate == HEAL_FATE_REFUSED)
		heal_append(trial->detail, size, "%s does not start", process->exe);
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

/* What this machine lacks now, it may have in a while. */
static bool trial_is_passing(int code)
{
	static const int codes[] = {ETIME, ETIMEDOUT, EAGAIN, ENOMEM, EMFILE, ENFILE, ENOBUFS,
				    ENOSPC, EIO, EBUSY, ENOTCONN, EADDRINUSE};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (code == codes[i])
			return true;
	return false;
}

static void trial_skip(struct heal_trial *trial, const struct heal_error *why)
{
	trial->result = HEAL_TRIAL_SKIPPED;
	trial->is_passing = trial_is_passing(why->code);
	trial->detail[0] = '\0';
	heal_append(trial->detail, sizeof(trial->detail), "%s", why->message);
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

/* One start and its client; what takes too long is given four times as long once more. */
static int trial_rehearse_once(struct heal_context *ctx, const struct heal_start *start,
			       struct heal_rehearsal_of *of, struct heal_rehearsal *ret)
{
	int timeout_ms = of->timeout_ms;
	int r = heal_rehearse(ctx, start, of, ret);

	of->timeout_ms = heal_left_ms(ctx->deadline_ms - TRIAL_RESERVE_MS, 4 * timeout_ms);
	if (r == 0 && ret->hello.fate == HEAL_FATE_TIMEOUT && of->timeout_ms > timeout_ms) {
		heal_rehearsal_done(ret);
		*ret = (struct heal_rehearsal){0};
		r = heal_rehearse(ctx, start, of, ret);
	}
	of->timeout_ms = timeout_ms;
	return r;
}

/* Whom TCP wrappers refuse, by a rehearsal with them. */
static void trial_note_wrapped(struct heal_trial *trial, const struct heal_wrappers *wrappers,
			       const struct heal_rehearsal *wrapped)
{
	trial->wrapped = HEAL_WRAPPED_NONE;
	memcpy(trial->let_in, wrapped->let_in, sizeof(trial->let_in));
	if (wrapped->hello.fate != HEAL_FATE_OK)
		trial->wrapped = *wrapped->let_in || wrapped->is_full || wrappers->has_names ||
						 wrappers->sources.count > TRIAL_SOURCES_MAX
					 ? HEAL_WRAPPED_OURS
					 : HEAL_WRAPPED_ALL;
	trial->deny_line = wrappers->deny_line;
}

/*
 * What libwrap does with our client says nothing of the others: one of everybody whom its
 * rules know is sent, too, and of those whom they do not. It refuses without a word, and
 * after seconds: a client that gets in without it shows how long one may take.
 */
static int trial_rehearse(struct heal_context *ctx, struct heal_listener *listener,
			  const struct heal_start *start, bool hups, struct heal_rehearsal *ret)
{
	/* Addresses of nobody's, RFC 5737 and 3849. */
	static const char *const anybody[] = {"192.0.2.83", "2001:db8::83"};
	_cleanup_(heal_wrappers_done) struct heal_wrappers wrappers = {0};
	_cleanup_(heal_rehearsal_done) struct heal_rehearsal wrapped = {0};
	struct heal_rehearsal_of of = {
		.process = &listener->process,
		.hups = hups,
		.timeout_ms = TRIAL_MS,
	};
	int64_t begin = heal_now_ms();
	int r = 0;

	heal_wrappers_load(ctx, &wrappers);
	of.hides_wrappers = wrappers.has_rules;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(anybody); i++)
		r = heal_words_add(&wrappers.sources, anybody[i], strlen(anybody[i]));
	if (r == 0)
		r = trial_rehearse_once(ctx, start, &of, ret);
	if (r < 0 || !of.hides_wrappers || ret->hello.fate != HEAL_FATE_OK)
		return r;
	if (wrappers.has_commands) {
		listener->evidence.trial.wrapped = HEAL_WRAPPED_UNTRIED;
		return 0;
	}
	of.hides_wrappers = of.hups = false;
	of.sources = &wrappers.sources;
	of.timeout_ms = (int)(heal_now_ms() - begin) * TRIAL_SLOWER + TRIAL_WRAPPED_MS;
	r = heal_rehearse(ctx, start, &of, &wrapped);
	if (r == 0)
		trial_note_wrapped(&listener->evidence.trial, &wrappers, &wrapped);
	return r;
}

/*
 * Whether sshd could open the file of its option -E, without which it does not start; a
 * trial has none. Errors: what sshd would be told.
 */
static int trial_check_log(const struct heal_context *ctx, const char *path)
{
	_cleanup_free_ char *directory = strdup(path);
	struct stat st;

	if (!directory)
		return -ENOMEM;
	if (fstatat(heal_view(ctx), path + 1, &st, 0) == 0) {
		if (S_ISDIR(st.st_mode))
			return -EISDIR;
		return faccessat(heal_view(ctx), path + 1, W_OK, 0) < 0 ? -errno : 0;
	}
	if (errno != ENOENT)
		return -errno;
	*strrchr(directory, '/') = '\0';
	return faccessat(heal_view(ctx), directory[0] ? directory + 1 : ".", W_OK, 0) < 0 ? -errno : 0;
}

/* How it is tried. */
enum trial_manner {
	TRIAL_BY_PAIR,
	TRIAL_BY_REHEARSAL,
	TRIAL_BY_REHEARSAL_WITH_HUP,
};

/* One trial, with a directory that the start makes first (NULL: none), in a /run that has nothing else. */
static int trial_once(struct heal_context *ctx, struct heal_listener *listener,
		      const struct heal_start *start, enum trial_manner manner, const char *runtime,
		      struct heal_rehearsal *ret)
{
	const struct heal_rehearsal_of of = {
		.process = &listener->process, .runtime = runtime, .timeout_ms = TRIAL_MS};
	int r = -EOPNOTSUPP;

	heal_rehearsal_done(ret);
	*ret = (struct heal_rehearsal){0};
	if (manner != TRIAL_BY_PAIR)
		r = runtime ? heal_rehearse(ctx, start, &of, ret)
			    : trial_rehearse(ctx, listener, start, manner == TRIAL_BY_REHEARSAL_WITH_HUP, ret);
	listener->evidence.trial.kind = r == -EOPNOTSUPP ? HEAL_TRIAL_PAIR : HEAL_TRIAL_REHEARSAL;
	return r == -EOPNOTSUPP ? heal_pair_try(ctx, start, runtime, &ret->hello, ret->words, sizeof(ret->words))
				: r;
}

/* Adds a sentence about something to the detail. */
static void trial_add(struct heal_trial *trial, const char *before, const char *what,
		      const char *after)
{
	heal_append(trial->detail, sizeof(trial->detail), "%s%s%s%s", *trial->detail ? "; " : "",
		    before, what, after);
}

/* Nobody gets in, and that is none of sshd's doing. */
static void trial_note_shut(struct heal_trial *trial)
{
	trial_add(trial, "TCP wrappers refuse every client: /etc/hosts.deny", "", "");
	if (trial->deny_line)
		heal_append(trial->detail, sizeof(trial->detail), ", line %u", trial->deny_line);
}

static void trial_with(struct heal_context *ctx, struct heal_listener *listener,
		       const struct heal_start *start, enum trial_manner manner, struct heal_words *would)
{
	_cleanup_(heal_rehearsal_done) struct heal_rehearsal rehearsal = {0};
	struct heal_trial *trial = &listener->evidence.trial;
	struct heal_error error;
	int r = trial_once(ctx, listener, start, manner, NULL, &rehearsal);
	const char *runtime = r == 0 ? heal_start_runtime(start, rehearsal.words) : NULL;

	/* A SIGHUP makes nothing. */
	trial->is_hup_fatal |= runtime != NULL;
	if (runtime)
		r = trial_once(ctx, listener, start, manner, runtime, &rehearsal);
	if (trial_is_void(start, r, &rehearsal.hello, &error))
		trial_skip(trial, &error);
	else
		trial_judge(ctx, &listener->process, trial, r, &rehearsal.hello, rehearsal.words);
	if (runtime && trial->result == HEAL_TRIAL_OK && listener->unit.absence == HEAL_ABSENCE_NONE)
		heal_append(trial->detail, sizeof(trial->detail), "/run/%s is missing, which a start makes anew",
			    runtime);
	if (trial->result == HEAL_TRIAL_OK && trial->wrapped == HEAL_WRAPPED_ALL)
		trial_note_shut(trial);
	r = start->log && start->mount_fd < 0 ? trial_check_log(ctx, start->log) : 0;
	if (r < 0 && trial->result == HEAL_TRIAL_OK) {
		trial->result = HEAL_TRIAL_FAILED;
		heal_append(trial->detail, sizeof(trial->detail), "%s does not start: opening its log %s: %s",
			    start->path, start->log, strerror(-r));
	}
	heal_words_done(would);
	*would = rehearsal.addresses;
	rehearsal.addresses = (struct heal_words){0};
	heal_words_done(&trial->mapped);
	trial->mapped = rehearsal.mapped;
	rehearsal.mapped = (struct heal_words){0};
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

/* Where sshd would listen, as against where it does. systemd's sockets are not its affair. */
static int trial_check_addresses(const struct heal_process *process, struct heal_trial *trial,
				 const struct heal_words *would, const char **ret)
{
	int r;

	*ret = heal_effective_lost(process, would);
	if (*ret) {
		trial->is_moving = true;
		trial_add(trial, "it would not listen on ", *ret, " any more");
	}
	/* What only a rehearsal can bind. */
	r = heal_effective_absent(process, ret);
	if (r > 0) {
		trial->is_moving = true;
		trial_add(trial, "this host has no address for ", *ret, " now");
	}
	return r < 0 ? r : 0;
}

/* What a client does not see: where it would listen. */
static void trial_check(struct heal_listener *listener, const struct heal_effective *effective,
			const struct heal_words *would)
{
	const struct heal_process *process = &listener->process;
	struct heal_trial *trial = &listener->evidence.trial;
	const char *what = NULL;
	struct heal_error error;
	int r = heal_listener_is_socket_activated(listener)
			? 0
			: trial_check_addresses(process, trial, would->count ? would : &effective->addresses,
						&what);

	if (r < 0) {
		(void)heal_error_set(&error, -r, "looking at %s: %s", what, strerror(-r));
		trial_skip(trial, &error);
	}
}

/* What is found in a recorded tree is not started: it would take this machine for its own. */
static bool trial_can_rehearse(const struct heal_context *ctx)
{
	bool is_live = false;

	return heal_root_is_live(ctx->root_fd, &is_live) == 0 && is_live;
}

/* Whether two starts come to the same; SIGHUP's is in /. */
static bool trial_are_same(const struct heal_start *hup, const struct heal_start *restart)
{
	return !restart->cwd && heal_words_equal(&hup->options, &restart->options) &&
	       (!restart->log || (hup->log && strcmp(hup->log, restart->log) == 0));
}

/* Tries what the running listener has, and where it differs what its unit says now. */
static void trial_starts_with(struct heal_context *ctx, struct heal_listener *listener,
			      const struct heal_starts *starts)
{
	_cleanup_(heal_effective_done) struct heal_effective effective = {0};
	_cleanup_(heal_words_done) struct heal_words would = {0};
	struct heal_trial *trial = &listener->evidence.trial;
	bool has_unit = heal_listener_has_unit(listener) && !trial->is_hup_only;
	const struct heal_start *next = has_unit ? &starts->restart : &starts->hup;
	struct heal_error error = {0};
	int told = heal_effective_load(ctx, next, &effective, &error);
	bool rehearses = trial_can_rehearse(ctx) && !effective.is_bound;
	enum trial_manner manner = rehearses ? TRIAL_BY_REHEARSAL : TRIAL_BY_PAIR;

	if (!trial->is_hup_fatal)
		trial_with(ctx, listener, &starts->hup,
			   rehearses && !heal_listener_is_socket_activated(listener) ? TRIAL_BY_REHEARSAL_WITH_HUP
									    : manner,
			   &would);
	/* Where a rehearsal is, nobody is asked for names; sshd -T has just found them all. */
	if (manner == TRIAL_BY_REHEARSAL && told == 0 && strstr(trial->detail, "bad addr or host")) {
		manner = TRIAL_BY_PAIR;
		trial_with(ctx, listener, &starts->hup, manner, &would);
	}
	if (trial->is_hup_fatal ||
	    (trial->result == HEAL_TRIAL_OK && has_unit && !trial_are_same(&starts->hup, &starts->restart)) ||
	    (trial->result == HEAL_TRIAL_FAILED && heal_start_runtime(&starts->restart, trial->detail)))
		trial_with(ctx, listener, &starts->restart, manner, &would);
	trial_compare_keys(&listener->evidence.live, trial);
	if (trial->result != HEAL_TRIAL_OK)
		return;
	if (told < 0)
		trial_skip(trial, &error);
	else
		trial_check(listener, &effective, &would);
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
	_cleanup_(heal_starts_done) struct heal_starts starts = HEAL_STARTS_NONE;
	struct heal_error error = {0};
	struct heal_error client_error = {0};
	int client = heal_context_client(ctx, &client_error);
	int r = 0;

	if (listener->process.n_addresses == 0)
		r = heal_error_set(&error, EADDRNOTAVAIL, "its listening sockets were not found");
	if (r == 0)
		r = trial_check_reach(ctx, &listener->process, &error);
	if (r == 0)
		r = trial_check_confinement(ctx, &listener->process, &error);
	if (r == 0)
		r = heal_starts_find(ctx, listener, &starts, &error);
	if (r < 0) {
		trial_skip(&listener->evidence.trial, client < 0 ? &client_error : &error);
		return;
	}
	trial_starts_with(ctx, listener, &starts);
	/* An sshd that does not even start needs no client to be seen. */
	if (client < 0 && listener->evidence.trial.result != HEAL_TRIAL_FAILED)
		trial_skip(&listener->evidence.trial, &client_error);
}

void heal_trial_again(struct heal_context *ctx, struct heal_listener *listener)
{
	_cleanup_(heal_start_done) struct heal_start start = HEAL_START_NONE;
	_cleanup_(heal_words_done) struct heal_words would = {0};
	struct heal_error error = {0};

	if (heal_start_find(ctx, listener, &start, &error) < 0)
		trial_skip(&listener->evidence.trial, &error);
	else
		trial_with(ctx, listener, &start,
			   trial_can_rehearse(ctx) && !listener->unit.is_per_client ? TRIAL_BY_REHEARSAL
									    : TRIAL_BY_PAIR,
			   &would);
}
