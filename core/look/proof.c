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
#include "host/proc.h"
#include "host/state.h"
#include "look/maps.h"
#include "look/whose.h"
#include "report.h"

static const char proof_file[] = "proven";

static const char proof_heading[] = "sshd-heal proven 3";

#define PROOF_MAX (1u << 20)
#define PROOF_PATH_MAX 1024

static const char *const proof_kinds[] = {
	[HEAL_COUNTED_MAPPED] = "mapped",       [HEAL_COUNTED_CONFIG] = "config",
	[HEAL_COUNTED_DIRECTORY] = "directory", [HEAL_COUNTED_KEY] = "key",
	[HEAL_COUNTED_PAM] = "pam",
};

void heal_proof_done(struct heal_last_proof *proof)
{
	for (size_t i = 0; i < proof->count; i++)
		heal_counted_free(proof->items[i].files, proof->items[i].n_files);
	free(proof->items);
	*proof = (struct heal_last_proof){0};
}

static int proof_parse_verdict(const char *word, enum heal_verdict *ret)
{
	for (enum heal_verdict verdict = HEAL_VERDICT_HEALTHY; verdict <= HEAL_VERDICT_REFUSING; verdict++)
		if (strcmp(word, heal_verdict_text(verdict)) == 0) {
			*ret = verdict;
			return 0;
		}
	return -EBADMSG;
}

static int proof_parse_listener(const char *line, struct heal_last_proof *proof)
{
	struct heal_proven proven = {0};
	int is_counted;
	int used = 0;
	long pid;

	if (sscanf(line, "listener\t%ld\t%" SCNu64 "\t%" SCNu64 "\t%1d\t%n", &pid, &proven.start_time,
		   &proven.program, &is_counted, &used) != 4 ||
	    pid <= 0 || pid > INT_MAX || !used || proof_parse_verdict(line + used, &proven.verdict) < 0)
		return -EBADMSG;
	proven.pid = (pid_t)pid;
	proven.is_counted = is_counted;
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

static int proof_parse_kind(char **cursor, enum heal_counted_kind *ret)
{
	const char *word = strsep(cursor, "\t");

	for (size_t i = 0; *cursor && i < ARRAY_SIZE(proof_kinds); i++)
		if (strcmp(word, proof_kinds[i]) == 0) {
			*ret = (enum heal_counted_kind)i;
			return 0;
		}
	return -EBADMSG;
}

/* Into the place behind the last one, where it stays whatever comes of it. */
static int proof_parse_file(char *line, struct heal_proven *proven)
{
	struct heal_counted *file;
	char *cursor = line;
	int used = 0;
	int r = heal_grow(&proven->files, proven->n_files, sizeof(*proven->files));

	if (r < 0)
		return r;
	file = &proven->files[proven->n_files++];
	*file = (struct heal_counted){0};
	r = proof_parse_kind(&cursor, &file->kind);
	if (r < 0 || sscanf(cursor, "%" SCNu64 "\t%" SCNu64 "\t%" SCNd64 "\t%" SCNd64 "\t%n", &file->device,
			    &file->inode, &file->size, &file->ctime_ns, &used) != 4 || !used)
		return -EBADMSG;
	cursor += used;
	r = proof_text(&cursor, &file->path);
	if (r == 0)
		r = proof_text(&cursor, &file->package);
	if (r == 0)
		r = proof_text(&cursor, &file->version);
	if (r == 0)
		r = proof_text(&cursor, &file->mark);
	return r == 0 && (cursor || !file->path || *file->path != '/') ? -EBADMSG : r;
}

static int proof_parse_line(char *line, size_t number, struct heal_last_proof *proof)
{
	if (number == 0)
		return strcmp(line, proof_heading) == 0 ? 0 : -EBADMSG;
	if (strncmp(line, "listener\t", 9) == 0 || strncmp(line, "foreign\t", 8) == 0)
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

bool heal_proof_is_foreign(const struct heal_last_proof *proof, const struct heal_process *process)
{
	const struct heal_proven *proven = heal_proof_find(proof, process);

	return proven && proven->program == process->program && proven->verdict == HEAL_VERDICT_FOREIGN;
}

const char *heal_proof_version(const struct heal_proven *proven, const char *path,
			       const char *package)
{
	for (size_t i = 0; i < proven->n_files; i++) {
		const struct heal_counted *file = &proven->files[i];

		if (file->package && strcmp(file->path, path) == 0 &&
		    strcmp(file->package, package) == 0)
			return file->version;
	}
	return NULL;
}

const struct heal_counted *heal_proof_file(const struct heal_proven *proven,
					   enum heal_counted_kind kind, const char *path)
{
	for (size_t i = 0; i < proven->n_files; i++)
		if (proven->files[i].kind == kind && strcmp(proven->files[i].path, path) == 0)
			return &proven->files[i];
	return NULL;
}

int heal_counted_stat(struct heal_context *ctx, struct heal_counted *file)
{
	struct stat st = {0};

	if (fstatat(heal_view(ctx), file->path[1] ? file->path + 1 : ".", &st, 0) < 0) {
		if (errno != ENOENT && errno != ENOTDIR)
			return -errno;
		st = (struct stat){0};
	}
	file->device = st.st_dev;
	file->inode = st.st_ino;
	file->size = st.st_size;
	file->ctime_ns = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
	return 0;
}

static bool proof_file_holds(struct heal_context *ctx, const struct heal_counted *file)
{
	struct heal_counted now = {.path = file->path};

	return heal_counted_stat(ctx, &now) == 0 && now.device == file->device &&
	       now.inode == file->inode && now.size == file->size && now.ctime_ns == file->ctime_ns;
}

/* Which program it is by now. */
static uint64_t proof_program(const struct heal_process *process)
{
	struct heal_stat stat = {0};

	return process->dirfd >= 0 && heal_stat_load(process->dirfd, &stat) == 0 ? stat.stack : 0;
}

bool heal_proof_holds(struct heal_context *ctx, const struct heal_last_proof *proof,
		      const struct heal_process *process)
{
	const struct heal_proven *proven = heal_proof_find(proof, process);
	_cleanup_(heal_view_end) struct heal_view view = {0};

	/* After a reload by somebody else it has read all of it anew. */
	if (!proven || proven->program != process->program ||
	    heal_view_begin(ctx, process, &view) < 0)
		return false;
	for (size_t i = 0; i < proven->n_files; i++)
		if (!proof_file_holds(ctx, &proven->files[i]))
			return false;
	return proven->verdict != HEAL_VERDICT_FOREIGN;
}

/* Whether a path can be written as it is. No package has another. */
static bool proof_is_plain(const char *path)
{
	char safe[PROOF_PATH_MAX];

	heal_safe(safe, sizeof(safe), path);
	return strcmp(safe, path) == 0;
}

static const char *proof_or_none(const char *text)
{
	return text ? text : "-";
}

static void proof_write_file(FILE *out, const struct heal_counted *file, const char *mark)
{
	(void)fprintf(out, "%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRId64 "\t%" PRId64 "\t%s\t%s\t%s\t%s\n",
		      proof_kinds[file->kind], file->device, file->inode, file->size, file->ctime_ns,
		      file->path, proof_or_none(file->package), proof_or_none(file->version),
		      proof_or_none(mark));
}

static void proof_write_listener(FILE *out, const struct heal_proven *proven)
{
	(void)fprintf(out, "listener\t%d\t%" PRIu64 "\t%" PRIu64 "\t%d\t%s\n", (int)proven->pid,
		      proven->start_time, proven->program, proven->is_counted,
		      heal_verdict_text(proven->verdict));
}

/* What a process runs now. A database that does not tell leaves owners unknown. */
static int proof_write_mapped(struct heal_context *ctx, FILE *out, const struct heal_words *paths)
{
	struct heal_package *owners = calloc(paths->count + 1, sizeof(*owners));

	if (!owners)
		return -ENOMEM;
	if (heal_context_package(ctx, NULL) == 0)
		(void)ctx->package_ops->owners(ctx->package, (const char *const *)paths->items,
					       paths->count, owners, NULL);
	for (size_t i = 0; i < paths->count; i++) {
		struct heal_counted file = {.path = paths->items[i],
					    .package = owners[i].name,
					    .version = owners[i].version};

		/* What was deleted in this moment will be found stale. */
		if (proof_is_plain(file.path) && heal_counted_stat(ctx, &file) == 0 && file.inode)
			proof_write_file(out, &file, NULL);
	}
	heal_packages_free(owners, paths->count);
	return 0;
}

/* What a listener runs, and what else counts: after an action of ours it has read what is there. */
static int proof_write_now(struct heal_context *ctx, FILE *out, const struct heal_listener *listener)
{
	_cleanup_(heal_words_done) struct heal_words paths = {0};
	_cleanup_(heal_view_end) struct heal_view view = {0};
	const struct heal_evidence *evidence = &listener->evidence;
	bool has_read = listener->result.outcome == HEAL_OUTCOME_HEALED;
	const struct heal_proven proven = {
		.pid = listener->process.pid,
		.start_time = listener->process.start_time,
		.program = has_read ? proof_program(&listener->process) : listener->process.program,
		.is_counted = evidence->is_counted,
		.verdict = has_read ? HEAL_VERDICT_HEALTHY : listener->result.verdict,
	};
	int r = heal_view_begin(ctx, &listener->process, &view);

	if (r == 0)
		r = heal_maps_each(&listener->process, maps_add_path, &paths);
	if (r < 0)
		return r;
	proof_write_listener(out, &proven);
	for (size_t i = 0; r >= 0 && i < evidence->trial.mapped.count; i++)
		r = heal_words_add_once(&paths, evidence->trial.mapped.items[i],
					strlen(evidence->trial.mapped.items[i]));
	if (r >= 0)
		r = proof_write_mapped(ctx, out, &paths);
	for (size_t i = 0; r == 0 && i < evidence->n_counted; i++) {
		const struct heal_counted *file = &evidence->counted[i];

		proof_write_file(out, file, has_read ? file->now : file->mark);
	}
	return r;
}

/* What was proven of it before. */
static void proof_write_again(FILE *out, const struct heal_proven *proven)
{
	proof_write_listener(out, proven);
	for (size_t i = 0; i < proven->n_files; i++)
		proof_write_file(out, &proven->files[i], proven->files[i].mark);
}

/* Whether a listener runs what is on disk, by what this run has seen and done. */
static bool proof_is_well(const struct heal_listener *listener)
{
	enum heal_verdict verdict = listener->result.verdict;

	/* A unit that nothing runs for has nothing to prove. */
	if (listener->process.pid == 0)
		return false;
	return listener->result.outcome == HEAL_OUTCOME_HEALED ||
	       (listener->evidence.n_stale == 0 && listener->result.outcome != HEAL_OUTCOME_FAILED &&
		(verdict == HEAL_VERDICT_HEALTHY || verdict == HEAL_VERDICT_AT_RISK ||
		 listener->evidence.pending.is_lacking ||
		 listener->evidence.trial.result == HEAL_TRIAL_SKIPPED));
}

/* Whether it was found that a listener of root's is foreign. */
static bool proof_is_foreign(const struct heal_listener *listener)
{
	return listener->process.foreign != HEAL_OURS && heal_process_is_roots(&listener->process) &&
	       listener->result.verdict == HEAL_VERDICT_FOREIGN;
}

static int proof_write(struct heal_context *ctx, FILE *out, const struct heal_listeners *listeners,
		       const struct heal_last_proof *before)
{
	int r = 0;

	(void)fprintf(out, "%s\n", proof_heading);
	for (size_t i = 0; r == 0 && i < listeners->count; i++) {
		const struct heal_listener *listener = &listeners->items[i];
		const struct heal_proven *proven = heal_proof_find(before, &listener->process);

		if (proof_is_foreign(listener))
			proof_write_listener(out, &(struct heal_proven){
							  .pid = listener->process.pid,
							  .start_time = listener->process.start_time,
							  .program = listener->process.program,
							  .verdict = HEAL_VERDICT_FOREIGN});
		else if (listener->process.foreign == HEAL_OURS && proof_is_well(listener))
			r = proof_write_now(ctx, out, listener);
		else if (proven)
			proof_write_again(out, proven);
		/* One that has ended meanwhile has nothing to prove. */
		if (r == -ESRCH || r == -ENOENT)
			r = 0;
	}
	return r;
}

/* Whether more is known of a listener than was proven, or something else. */
static bool proof_is_more(const struct heal_listener *listener, const struct heal_proven *proven)
{
	return listener->evidence.is_counted > proven->is_counted ||
	       listener->result.verdict != proven->verdict;
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
		     !heal_proof_holds(ctx, before, &listener->process) ||
		     proof_is_more(listener, heal_proof_find(before, &listener->process))))
			return true;
		if (proof_is_foreign(listener) && !heal_proof_is_foreign(before, &listener->process))
			return true;
	}
	return listeners->count == 0 && listeners->unreadable == 0 && before->count > 0;
}

int heal_proof_take(struct heal_context *ctx, const struct heal_listeners *listeners,
		    const struct heal_last_proof *before, struct heal_error *error)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *out;
	int r;

	if (!proof_is_news(ctx, listeners, before))
		return 0;
	out = open_memstream(&text, &len);
	if (!out)
		return heal_error_set(error, ENOMEM, "remembering what sshd runs: out of memory");
	r = proof_write(ctx, out, listeners, before);
	if (fclose(out) != 0 && r == 0)
		r = -ENOMEM;
	if (r == 0)
		r = heal_state_write(ctx, proof_file, 0600, text, len);
	return r < 0 ? heal_error_set(error, -r, "remembering what sshd runs in /run/sshd-heal/%s: %s",
				      proof_file, strerror(-r))
		     : 0;
}
