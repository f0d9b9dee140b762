/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What sshd has read of its configuration and host keys, against what is there now. The
 * last proof knows it byte by byte; where there is none, or sshd has executed itself since,
 * what is older than that moment was read, and of what is younger nobody knows.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "try/pending.h"

#include "base/array.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "base/words.h"
#include "host/context.h"
#include "host/module.h"
#include "host/trust.h"
#include "look/pam.h"
#include "look/proof.h"
#include "look/sshd-config.h"
#include "look/title.h"
#include "report.h"
#include "try/arguments.h"
#include "try/command.h"

#define PENDING_KEY_MAX (64u << 10)
#define PENDING_EXE_MAX (32u << 20)
#define PENDING_NS INT64_C(1000000000)
/* A start time is cut to 10 ms, and the clock of a file system's dates lags by as much. */
#define PENDING_SLACK_NS (PENDING_NS / 20)

static const char unknown[] = "?";
static const char needed_by_all[] = "all";

struct pending {
	struct heal_context *ctx;
	struct heal_listener *listener;
	struct heal_sshd_config config;
	struct heal_last_proof proof;
	const struct heal_proven *proven; /* NULL: nothing is */
	bool is_reread;   /* it has executed itself since */
	int64_t since_ns; /* when it did, or started, as far as is known */
	bool keeps_keys;  /* in its memory */
};

static void pending_done(struct pending *pending)
{
	heal_sshd_config_done(&pending->config);
	heal_proof_done(&pending->proof);
}

static int pending_fail(struct heal_error *error, const char *what, int r)
{
	return heal_error_set(error, -r, "%s: %s", what, strerror(-r));
}

/* Reads the configuration as the listener's arguments have it. */
static int pending_read_config(struct pending *pending, struct heal_error *error)
{
	_cleanup_free_ char *title = NULL;
	_cleanup_(heal_words_done) struct heal_words argv = {0};
	_cleanup_(heal_words_done) struct heal_words options = {0};
	struct heal_sshd_config *config = &pending->config;
	_cleanup_(heal_start_done) struct heal_start start = HEAL_START_NONE;
	const char *file = "/etc/ssh/sshd_config";
	struct heal_error ignored;
	char path[1024];
	size_t len = 0;
	int r = heal_read_at(pending->listener->process.dirfd, "cmdline", CMDLINE_MAX, &title, &len);

	if (r == 0)
		r = arguments_of_title(title, len, &argv);
	if (r == 0)
		r = arguments_trial_options(&argv, &options);
	for (size_t i = 0; r == 0 && i + 1 < options.count; i++) {
		const char *value = options.items[i + 1];

		if (strcmp(options.items[i], "-f") == 0)
			file = value;
		else if (strcmp(options.items[i], "-o") == 0)
			r = heal_sshd_config_option(config, value);
		else if (strcmp(options.items[i], "-h") == 0)
			r = heal_words_add(&config->host_keys, value, strlen(value));
	}
	if (r < 0)
		return pending_fail(error, "reading the arguments of sshd", r);
	/* Where only a start finds it, it was read there; when it executes itself anew sshd is in /. */
	if (*file != '/' && pending->listener->evidence.trial.is_hup_fatal)
		(void)heal_start_find(pending->ctx, pending->listener, &start, &ignored);
	if (snprintf(path, sizeof(path), "%s%s%s", start.cwd ? start.cwd : "", *file == '/' ? "" : "/", file) >=
	    (int)sizeof(path))
		return pending_fail(error, "reading the arguments of sshd", -ENAMETOOLONG);
	return heal_sshd_config_read(pending->ctx, path, config, error);
}

/* When the process started, in nanoseconds of the wall clock. */
static int64_t pending_start_ns(const struct heal_process *process)
{
	struct timespec boot = {0};
	struct timespec wall = {0};
	int64_t ticks = sysconf(_SC_CLK_TCK);

	(void)clock_gettime(CLOCK_BOOTTIME, &boot);
	(void)clock_gettime(CLOCK_REALTIME, &wall);
	return (wall.tv_sec - boot.tv_sec) * PENDING_NS + wall.tv_nsec - boot.tv_nsec +
	       (int64_t)process->start_time * (PENDING_NS / (ticks > 0 ? ticks : 100));
}

/* When it last executed itself: it writes its PID file anew then. */
static int64_t pending_since_ns(const struct pending *pending)
{
	const struct heal_process *process = &pending->listener->process;
	const char *path = pending->config.pid_file ? pending->config.pid_file : "/run/sshd.pid";
	int64_t since = pending_start_ns(process);
	_cleanup_close_ int fd = *path == '/' ? heal_trust_open(heal_view(pending->ctx), path, O_RDONLY) : -1;
	_cleanup_free_ char *text = NULL;
	struct stat st;
	size_t len;

	if (fd >= 0 && fstat(fd, &st) == 0 && heal_read_fd(fd, 64, &text, &len) == 0 &&
	    atol(text) == process->pid) {
		int64_t written = st.st_mtim.tv_sec * PENDING_NS + st.st_mtim.tv_nsec;

		since = written > since ? written : since;
	}
	return since + PENDING_SLACK_NS;
}

/*
 * Whether a listener has its host keys in its memory: from 9.8 on, which has a program of
 * its own for what comes after. Before that it reads them for every client.
 */
static bool pending_keeps_keys(const struct heal_context *ctx, const struct heal_process *process)
{
	static const char name[] = "/sshd-session";
	/* In a recorded tree the link leads out of it. */
	_cleanup_close_ int fd =
		ctx->is_live ? openat(process->dirfd, "exe", O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	struct stat st;
	void *text;
	bool has;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
	    st.st_size > PENDING_EXE_MAX)
		return true;
	text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED)
		return true;
	has = memmem(text, (size_t)st.st_size, name, sizeof(name) - 1) != NULL;
	(void)munmap(text, (size_t)st.st_size);
	return has;
}

/* FNV-1a and the length: nobody but root writes these files, and so could mean to be taken for another. */
static char *pending_hash(const char *text, size_t len)
{
	uint64_t hash = UINT64_C(14695981039346656037);
	char *ret;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
	return asprintf(&ret, "%016" PRIx64 "/%zu", hash, len) < 0 ? NULL : ret;
}

/* What is there now of a file whose content cannot be told from another's: when it was changed. */
static char *pending_date(const struct heal_counted *file)
{
	char *ret;

	return asprintf(&ret, "of %" PRId64, file->ctime_ns) < 0 ? NULL : ret;
}

static char *pending_name_key(struct heal_context *ctx, const struct heal_counted *file, const char *text)
{
	char name[128];

	if (heal_context_client(ctx, NULL) < 0 || ctx->client_ops->name_key(text, name, sizeof(name)) < 0)
		return pending_date(file);
	return strdup(name);
}

/*
 * Whether a file that is open stands in /usr: it is a package's, and comes with new programs
 * as they do (Fedora's crypto-policies, which its sshd_config includes).
 */
static bool pending_is_packages(const struct heal_context *ctx, int fd)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *root = NULL;
	size_t len;

	if (heal_readlinkf_at(AT_FDCWD, &path, "/proc/thread-self/fd/%d", fd) < 0 ||
	    heal_readlinkf_at(AT_FDCWD, &root, "/proc/thread-self/fd/%d", heal_view(ctx)) < 0)
		return false;
	len = strcmp(root, "/") == 0 ? 0 : strlen(root);
	return strncmp(path, root, len) == 0 && strncmp(path + len, "/usr/", 5) == 0;
}

/* Sets what is there now. */
static int pending_look(struct pending *pending, struct heal_counted *file)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	bool is_key = file->kind == HEAL_COUNTED_KEY;
	int r;

	if (!file->inode)
		return 0;
	fd = heal_trust_open(heal_view(pending->ctx), file->path, O_RDONLY);
	r = fd < 0 ? fd
		   : heal_read_fd(fd, is_key ? PENDING_KEY_MAX : SSHD_CONFIG_BYTES_MAX, &text, &len);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		file->now = pending_date(file);
	else if (is_key)
		file->now = pending_name_key(pending->ctx, file, text);
	else
		file->now = pending_is_packages(pending->ctx, fd) ? strdup("of a package") : pending_hash(text, len);
	if (is_key && text)
		explicit_bzero(text, len);
	return file->now ? 0 : -ENOMEM;
}

static bool pending_same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* When what is at a path was changed; of what is not there when it may have been taken away. */
static int64_t pending_changed_ns(const struct pending *pending, const struct heal_counted *file)
{
	_cleanup_free_ char *directory = strdup(file->path);
	struct stat st;

	if (file->inode && file->kind != HEAL_COUNTED_DIRECTORY)
		return file->ctime_ns;
	if (!directory)
		return INT64_MAX;
	if (file->kind != HEAL_COUNTED_DIRECTORY)
		strrchr(directory, '/')[1] = '\0';
	if (fstatat(heal_view(pending->ctx), directory[1] ? directory + 1 : ".", &st, 0) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : INT64_MAX;
	return st.st_mtim.tv_sec * PENDING_NS + st.st_mtim.tv_nsec;
}

/* What sshd has read of a file. */
static const char *pending_read(const struct pending *pending, const struct heal_counted *file)
{
	const struct heal_counted *old =
		pending->proven ? heal_proof_file(pending->proven, file->kind, file->path) : NULL;
	bool is_same = old && old->device == file->device && old->inode == file->inode &&
		       old->size == file->size && old->ctime_ns == file->ctime_ns;

	if (file->kind == HEAL_COUNTED_PAM || (file->kind == HEAL_COUNTED_KEY && !pending->keeps_keys))
		return file->now;
	/* With all names known nothing can be taken away unseen. */
	if (pending->proven && !pending->is_reread)
		return file->kind == HEAL_COUNTED_DIRECTORY ? NULL : old ? old->mark : NULL;
	if ((pending->proven && is_same) || pending_changed_ns(pending, file) <= pending->since_ns)
		return file->now;
	return unknown;
}

/* Counts a file; what is known of it now goes over to it. */
static int pending_count(struct pending *pending, enum heal_counted_kind kind, const char *path,
			 const char *now)
{
	struct heal_evidence *evidence = &pending->listener->evidence;
	struct heal_counted *file;
	const char *mark;
	char safe[1024];
	int r;

	/* What could not be written as it is, cannot be found again. */
	heal_safe(safe, sizeof(safe), path);
	if (*path != '/' || strcmp(safe, path) != 0)
		return 0;
	r = heal_grow(&evidence->counted, evidence->n_counted, sizeof(*evidence->counted));
	if (r < 0)
		return r;
	file = &evidence->counted[evidence->n_counted++];
	*file = (struct heal_counted){.kind = kind, .path = strdup(path), .now = now ? strdup(now) : NULL};
	r = file->path && (file->now || !now) ? heal_counted_stat(pending->ctx, file) : -ENOMEM;
	if (r == 0 && (kind == HEAL_COUNTED_CONFIG || kind == HEAL_COUNTED_KEY))
		r = pending_look(pending, file);
	mark = r == 0 ? pending_read(pending, file) : NULL;
	file->mark = mark ? strdup(mark) : NULL;
	return r == 0 && mark && !file->mark ? -ENOMEM : r;
}

static int pending_count_all(struct pending *pending, enum heal_counted_kind kind,
			     const struct heal_words *paths)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < paths->count; i++)
		r = pending_count(pending, kind, paths->items[i], NULL);
	return r;
}

/* What sshd has read, and nothing names any more. */
static int pending_count_lost(struct pending *pending)
{
	struct heal_evidence *evidence = &pending->listener->evidence;
	const struct heal_proven *proven = pending->is_reread ? NULL : pending->proven;
	size_t n = evidence->n_counted;
	int r = 0;

	for (size_t i = 0; r == 0 && proven && i < proven->n_files; i++) {
		const struct heal_counted *old = &proven->files[i];
		bool is_named = (old->kind != HEAL_COUNTED_CONFIG && old->kind != HEAL_COUNTED_KEY) || !old->mark;

		for (size_t j = 0; j < n; j++)
			is_named |= evidence->counted[j].kind == old->kind &&
				    strcmp(evidence->counted[j].path, old->path) == 0;
		if (is_named)
			continue;
		r = pending_count(pending, old->kind, old->path, NULL);
		if (r == 0)
			free(heal_take(evidence->counted[evidence->n_counted - 1].now));
	}
	return r;
}

static int pending_count_keys(struct pending *pending)
{
	/* HostKey's default, sshd_config(5). */
	static const char *const usual[] = {"/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_ecdsa_key",
					    "/etc/ssh/ssh_host_ed25519_key"};
	int r = pending_count_all(pending, HEAL_COUNTED_KEY, &pending->config.host_keys);

	for (size_t i = 0; r == 0 && !pending->config.host_keys.count && i < ARRAY_SIZE(usual); i++)
		r = pending_count(pending, HEAL_COUNTED_KEY, usual[i], NULL);
	return r;
}

/* PAM's files are read for each client: none of them waits for a reload. */
static int pending_count_pam(struct pending *pending)
{
	static const char *const needs[] = {
		[HEAL_PAM_SPARE] = NULL, [HEAL_PAM_PASSWORDS] = "passwords", [HEAL_PAM_ALL] = needed_by_all};
	const struct heal_sshd_config *config = &pending->config;
	_cleanup_(heal_pam_done) struct heal_pam pam = {0};
	int r = 0;

	if (!config->uses_pam || strcasecmp(config->uses_pam, "yes") != 0 ||
	    heal_pam_find(pending->ctx, &pending->listener->process,
			  config->pam_service ? config->pam_service : "sshd", &pam, NULL) < 0)
		return 0;
	for (size_t i = 0; r == 0 && i < pam.count; i++)
		r = pending_count(pending, HEAL_COUNTED_PAM, pam.files[i].path, needs[pam.files[i].need]);
	return r;
}

static int pending_count_everything(struct pending *pending, struct heal_error *error)
{
	int r = pending_count_all(pending, HEAL_COUNTED_CONFIG, &pending->config.files);

	if (r == 0)
		r = pending_count_all(pending, HEAL_COUNTED_DIRECTORY, &pending->config.directories);
	if (r == 0)
		r = pending_count_keys(pending);
	if (r == 0)
		r = pending_count_lost(pending);
	if (r == 0)
		r = pending_count_pam(pending);
	return r < 0 ? pending_fail(error, "looking at what sshd has read", r) : 0;
}

static void pending_say(struct heal_pending *pending, const char *before, const char *what, const char *after)
{
	heal_append(pending->detail, sizeof(pending->detail), "%s%s%s%s", *pending->detail ? "; " : "",
		    before, what, after);
}

/* The first file by name that is not as it was read; a directory only for want of one. */
static void pending_judge_config(struct heal_evidence *evidence)
{
	const struct heal_counted *first = NULL;

	for (size_t i = 0; i < evidence->n_counted; i++) {
		const struct heal_counted *file = &evidence->counted[i];

		if (file->kind > HEAL_COUNTED_DIRECTORY || pending_same(file->mark, file->now))
			continue;
		if (!first || file->kind < first->kind ||
		    (file->kind == first->kind && strcmp(file->path, first->path) < 0))
			first = file;
	}
	evidence->pending.is_config = first != NULL;
	if (first && first->kind == HEAL_COUNTED_DIRECTORY)
		pending_say(&evidence->pending, "files may have been taken out of ", first->path,
			    " since sshd read its configuration");
	else if (first)
		pending_say(&evidence->pending, "", first->path,
			    !first->mark ? " was added since sshd read its configuration"
			    : !first->now ? " was taken away since sshd read its configuration"
			    : strcmp(first->mark, unknown) == 0
				    ? " was changed after sshd had read its configuration, or right before"
				    : " was changed since sshd read its configuration");
}

static size_t pending_type(const char *key)
{
	return strcspn(key, " ");
}

static bool pending_same_type(const char *a, const char *b)
{
	return pending_type(a) == pending_type(b) && strncmp(a, b, pending_type(a)) == 0;
}

/* The key of that type that a start would take: the first one. */
static const char *pending_key_of_type(const struct heal_evidence *evidence, const char *key)
{
	for (size_t i = 0; i < evidence->n_counted; i++) {
		const struct heal_counted *file = &evidence->counted[i];

		if (file->kind == HEAL_COUNTED_KEY && file->now && pending_same_type(file->now, key))
			return file->now;
	}
	return NULL;
}

/* A client has seen the key of one type: that is what was read of its file. */
static int pending_hear_client(struct heal_evidence *evidence)
{
	const char *live = evidence->live.key;

	for (size_t i = 0; *live && i < evidence->n_counted; i++) {
		struct heal_counted *file = &evidence->counted[i];

		if (file->kind != HEAL_COUNTED_KEY || !file->mark || strcmp(file->mark, unknown) != 0 ||
		    !file->now || !pending_same_type(file->now, live))
			continue;
		free(file->mark);
		file->mark = strdup(live);
		if (!file->mark)
			return -ENOMEM;
	}
	return 0;
}

static void pending_judge_keys(struct heal_evidence *evidence)
{
	for (size_t i = 0; i < evidence->n_counted; i++) {
		const struct heal_counted *file = &evidence->counted[i];
		const char *now;

		if (file->kind != HEAL_COUNTED_KEY || !file->mark || pending_same(file->mark, file->now))
			continue;
		now = pending_key_of_type(evidence, file->mark);
		if (now && strcmp(now, file->mark) == 0)
			continue;
		evidence->pending.is_key = true;
		pending_say(&evidence->pending, "the host key ", file->path,
			    strcmp(file->mark, unknown) == 0 ? " may not be the one that sshd has read"
			    : file->now			     ? " was replaced since sshd read it"
							     : " was taken away since sshd read it");
		return;
	}
}

/* What PAM does not find: it is looked for at each login, and nobody gets in without it. */
static void pending_judge_pam(struct heal_evidence *evidence)
{
	for (size_t i = 0; i < evidence->n_counted; i++) {
		const struct heal_counted *file = &evidence->counted[i];

		if (file->kind != HEAL_COUNTED_PAM || file->inode || !file->now ||
		    strcmp(file->now, needed_by_all) != 0)
			continue;
		evidence->pending.is_lacking = true;
		pending_say(&evidence->pending, "PAM lacks ", file->path, ", without which no login succeeds");
		return;
	}
}

void heal_pending_find(struct heal_context *ctx, struct heal_listener *listener)
{
	_cleanup_(pending_done) struct pending pending = {.ctx = ctx, .listener = listener};
	struct heal_evidence *evidence = &listener->evidence;
	struct heal_error error = {0};
	int r = pending_read_config(&pending, &error);

	(void)heal_proof_load(ctx, &pending.proof);
	pending.proven = heal_proof_find(&pending.proof, &listener->process);
	if (pending.proven && !pending.proven->is_counted)
		pending.proven = NULL;
	pending.is_reread = pending.proven && pending.proven->program != listener->process.program;
	pending.since_ns = pending_since_ns(&pending);
	pending.keeps_keys = pending_keeps_keys(ctx, &listener->process);
	if (r == 0)
		r = pending_count_everything(&pending, &error);
	if (r == 0)
		r = pending_hear_client(evidence);
	evidence->is_counted = r == 0;
	evidence->pending = (struct heal_pending){.is_config = r < 0};
	if (r < 0) {
		pending_say(&evidence->pending, "whether its configuration was changed could not be found out: ",
			    error.message, "");
		return;
	}
	pending_judge_config(evidence);
	pending_judge_keys(evidence);
	pending_judge_pam(evidence);
}
