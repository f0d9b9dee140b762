/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last proof, /run/sshd-heal/proven: a line per listener and per file of it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "look/proof.h"

#include "base/array.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "base/words.h"
#include "host/context.h"
#include "host/module.h"
#include "host/state.h"
#include "look/maps.h"
#include "report.h"

static const char proof_file[] = "proven";

static const char proof_heading[] = "sshd-heal proven 1";

#define PROOF_MAX (1u << 20)
#define PROOF_PATH_MAX 1024

static void proof_file_done(struct heal_proven_file *file)
{
	free(file->path);
	free(file->package);
	free(file->version);
}

void heal_proof_done(struct heal_last_proof *proof)
{
	for (size_t i = 0; i < proof->count; i++) {
		for (size_t j = 0; j < proof->items[i].n_files; j++)
			proof_file_done(&proof->items[i].files[j]);
		free(proof->items[i].files);
	}
	free(proof->items);
	*proof = (struct heal_last_proof){0};
}

static int proof_parse_listener(const char *line, struct heal_last_proof *proof)
{
	struct heal_proven proven = {0};
	long pid;

	if (sscanf(line, "listener\t%ld\t%" SCNu64, &pid, &proven.start_time) != 2 || pid <= 0 ||
	    pid > INT_MAX)
		return -EBADMSG;
	proven.pid = (pid_t)pid;
	if (heal_grow(&proof->items, proof->count, sizeof(*proof->items)) < 0)
		return -ENOMEM;
	proof->items[proof->count++] = proven;
	return 0;
}

/* Takes the next field off a line; "-" is none. */
static int proof_text(char **cursor, char **ret)
{
	const char *text = strsep(cursor, "\t");

	if (!text || !*text)
		return -EBADMSG;
	if (strcmp(text, "-") == 0)
		return 0;
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int proof_parse_file(char *line, struct heal_proven *proven)
{
	struct heal_proven_file file = {0};
	char *cursor = line;
	int used = 0;
	int r = 0;

	if (sscanf(line, "file\t%" SCNu64 "\t%" SCNu64 "\t%" SCNd64 "\t%" SCNd64 "\t%n", &file.device,
		   &file.inode, &file.size, &file.ctime_ns, &used) != 4 || !used)
		return -EBADMSG;
	cursor += used;
	r = proof_text(&cursor, &file.path);
	if (r == 0)
		r = proof_text(&cursor, &file.package);
	if (r == 0)
		r = proof_text(&cursor, &file.version);
	if (r == 0 && (cursor || !file.path || *file.path != '/'))
		r = -EBADMSG;
	if (r == 0)
		r = heal_grow(&proven->files, proven->n_files, sizeof(*proven->files));
	if (r < 0)
		proof_file_done(&file);
	else
		proven->files[proven->n_files++] = file;
	return r;
}

static int proof_parse_line(char *line, size_t number, struct heal_last_proof *proof)
{
	if (number == 0)
		return strcmp(line, proof_heading) == 0 ? 0 : -EBADMSG;
	if (strncmp(line, "listener", 8) == 0)
		return proof_parse_listener(line, proof);
	return proof->count ? proof_parse_file(line, &proof->items[proof->count - 1]) : -EBADMSG;
}

int proof_parse(const char *buf, size_t len, struct heal_last_proof *ret)
{
	_cleanup_(heal_proof_done) struct heal_last_proof proof = {0};
	const char *cursor = buf;
	const char *line;
	size_t line_len = 0;
	size_t number = 0;

	if (len == 0 || buf[len - 1] != '\n')
		return -EBADMSG;
	for (; (line = heal_next_line(&cursor, buf + len, &line_len)); number++) {
		_cleanup_free_ char *copy = heal_strndup(line, line_len);
		int r = copy ? proof_parse_line(copy, number, &proof) : -ENOMEM;

		if (r < 0)
			return r;
	}
	*ret = proof;
	proof = (struct heal_last_proof){0};
	return 0;
}

int heal_proof_load(struct heal_context *ctx, struct heal_last_proof *ret)
{
	_cleanup_free_ char *buf = NULL;
	size_t len = 0;
	int r = heal_state_read(ctx, proof_file, PROOF_MAX, &buf, &len);

	return r < 0 ? r : proof_parse(buf, len, ret);
}

const struct heal_proven *heal_proof_find(const struct heal_last_proof *proof,
					  const struct heal_process *process)
{
	for (size_t i = 0; i < proof->count; i++)
		if (proof->items[i].pid == process->pid &&
		    proof->items[i].start_time == process->start_time)
			return &proof->items[i];
	return NULL;
}

const char *heal_proof_version(const struct heal_proven *proven, const char *path,
			       const char *package)
{
	for (size_t i = 0; i < proven->n_files; i++) {
		const struct heal_proven_file *file = &proven->files[i];

		if (file->package && strcmp(file->path, path) == 0 &&
		    strcmp(file->package, package) == 0)
			return file->version;
	}
	return NULL;
}

static int64_t proof_ctime(const struct stat *st)
{
	return (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
}

static bool proof_file_holds(struct heal_context *ctx, const struct heal_proven_file *file)
{
	struct stat st;

	return fstatat(ctx->root_fd, file->path + 1, &st, 0) == 0 && st.st_dev == file->device &&
	       st.st_ino == file->inode && st.st_size == file->size &&
	       proof_ctime(&st) == file->ctime_ns;
}

bool heal_proof_holds(struct heal_context *ctx, const struct heal_last_proof *proof,
		      const struct heal_process *process)
{
	const struct heal_proven *proven = heal_proof_find(proof, process);

	for (size_t i = 0; proven && i < proven->n_files; i++)
		if (!proof_file_holds(ctx, &proven->files[i]))
			return false;
	return proven != NULL;
}

/* The names of the files that a process has mapped as code, each once. */
static int proof_add_path(void *user, const struct heal_mapping *mapping)
{
	struct heal_words *paths = user;

	for (size_t i = 0; i < paths->count; i++)
		if (strlen(paths->items[i]) == mapping->path_len &&
		    memcmp(paths->items[i], mapping->path, mapping->path_len) == 0)
			return 0;
	return heal_words_add(paths, mapping->path, mapping->path_len);
}

/* Whether a path can be written as it is. No package has another. */
static bool proof_is_plain(const char *path)
{
	char safe[PROOF_PATH_MAX];

	heal_safe(safe, sizeof(safe), path);
	return strcmp(safe, path) == 0;
}

static void proof_write_file(FILE *out, const char *path, const struct stat *st,
			     const struct heal_package *owner)
{
	(void)fprintf(out, "file\t%" PRIu64 "\t%" PRIu64 "\t%" PRId64 "\t%" PRId64 "\t%s\t%s\t%s\n",
		      (uint64_t)st->st_dev, (uint64_t)st->st_ino, (int64_t)st->st_size,
		      proof_ctime(st), path, owner->name ? owner->name : "-",
		      owner->version ? owner->version : "-");
}

static void proof_write_listener(FILE *out, pid_t pid, uint64_t start_time)
{
	(void)fprintf(out, "listener\t%d\t%" PRIu64 "\n", (int)pid, start_time);
}

/* What a process runs now. A database that does not tell leaves owners unknown. */
static int proof_write_now(struct heal_context *ctx, FILE *out, const struct heal_process *process)
{
	_cleanup_(heal_words_done) struct heal_words paths = {0};
	struct heal_package *owners = NULL;
	int r = heal_maps_each(process, proof_add_path, &paths);

	if (r < 0)
		return r;
	owners = calloc(paths.count + 1, sizeof(*owners));
	if (!owners)
		return -ENOMEM;
	if (heal_context_package(ctx, NULL) == 0)
		(void)ctx->package_ops->owners(ctx->package, (const char *const *)paths.items,
					       paths.count, owners, NULL);
	proof_write_listener(out, process->pid, process->start_time);
	for (size_t i = 0; i < paths.count; i++) {
		struct stat st;

		/* What was deleted in this moment will be found stale. */
		if (proof_is_plain(paths.items[i]) &&
		    fstatat(ctx->root_fd, paths.items[i] + 1, &st, 0) == 0)
			proof_write_file(out, paths.items[i], &st, &owners[i]);
	}
	heal_packages_free(owners, paths.count);
	return 0;
}

/* What was proven of it before. */
static void proof_write_again(FILE *out, const struct heal_proven *proven)
{
	proof_write_listener(out, proven->pid, proven->start_time);
	for (size_t i = 0; i < proven->n_files; i++) {
		const struct heal_proven_file *file = &proven->files[i];

		(void)fprintf(out, "file\t%" PRIu64 "\t%" PRIu64 "\t%" PRId64 "\t%" PRId64 "\t%s\t%s\t%s\n",
			      file->device, file->inode, file->size, file->ctime_ns, file->path,
			      file->package ? file->package : "-",
			      file->version ? file->version : "-");
	}
}

/* Whether a listener runs what is on disk, by what this run has seen and done. */
static bool proof_is_well(const struct heal_listener *listener)
{
	enum heal_verdict verdict = listener->result.verdict;

	/* A unit for which nothing listens runs nothing, whatever may be said of it. */
	if (listener->process.dirfd < 0)
		return false;
	return listener->result.outcome == HEAL_OUTCOME_HEALED ||
	       (listener->evidence.n_stale == 0 && listener->result.outcome != HEAL_OUTCOME_FAILED &&
		(verdict == HEAL_VERDICT_HEALTHY || verdict == HEAL_VERDICT_AT_RISK ||
		 listener->evidence.trial.result == HEAL_TRIAL_SKIPPED));
}

static int proof_write(struct heal_context *ctx, FILE *out, const struct heal_listeners *listeners,
		       const struct heal_last_proof *before)
{
	int r = 0;

	(void)fprintf(out, "%s\n", proof_heading);
	for (size_t i = 0; r == 0 && i < listeners->count; i++) {
		const struct heal_listener *listener = &listeners->items[i];
		const struct heal_proven *proven = heal_proof_find(before, &listener->process);

		if (listener->process.foreign != HEAL_OURS)
			continue;
		if (proof_is_well(listener))
			r = proof_write_now(ctx, out, &listener->process);
		else if (proven)
			proof_write_again(out, proven);
		/* One that has ended meanwhile has nothing to prove. */
		if (r == -ESRCH || r == -ENOENT)
			r = 0;
	}
	return r;
}

/*
 * Whether there is anything to write: a listener that is well, and not as it was proven; or
 * that there is none any more, and need not be.
 */
static bool proof_is_news(struct heal_context *ctx, const struct heal_listeners *listeners,
			  const struct heal_last_proof *before)
{
	for (size_t i = 0; i < listeners->count; i++) {
		const struct heal_listener *listener = &listeners->items[i];

		if (listener->process.foreign == HEAL_OURS && proof_is_well(listener) &&
		    (listener->result.outcome == HEAL_OUTCOME_HEALED ||
		     !heal_proof_holds(ctx, before, &listener->process)))
			return true;
	}
	return listeners->count == 0 && listeners->unreadable == 0 && before->count > 0;
}

int heal_proof_take(struct heal_context *ctx, const struct heal_listeners *listeners,
		    struct heal_error *error)
{
	_cleanup_(heal_proof_done) struct heal_last_proof before = {0};
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *out;
	int r;

	/* One that cannot be read is as good as none. */
	(void)heal_proof_load(ctx, &before);
	if (!proof_is_news(ctx, listeners, &before))
		return 0;
	out = open_memstream(&text, &len);
	if (!out)
		return heal_error_set(error, ENOMEM, "remembering what sshd runs: out of memory");
	r = proof_write(ctx, out, listeners, &before);
	if (fclose(out) != 0 && r == 0)
		r = -ENOMEM;
	if (r == 0)
		r = heal_state_write(ctx, proof_file, 0600, text, len);
	return r < 0 ? heal_error_set(error, -r, "remembering what sshd runs in /run/sshd-heal/%s: %s",
				      proof_file, strerror(-r))
		     : 0;
}
