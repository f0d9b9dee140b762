/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the last run left stale: /run/sshd-heal/left. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "look/left.h"

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/words.h"
#include "host/context.h"
#include "host/state.h"
#include "look/proof.h"
#include "report.h"

static const char left_file[] = "left";

#define LEFT_MAX (1u << 20)
/* For how long what was put off is tried again. */
#define LEFT_RETRY_S INT64_C(86400)

int left_parse(const char *buf, int64_t *ret_since_s, const char **ret_what)
{
	const char *what = strchr(buf, '\n');
	int64_t since_s;
	char newline;

	if (!what || sscanf(buf, "%" SCNd64 "%c", &since_s, &newline) != 2 || newline != '\n' ||
	    since_s < 0)
		return -EBADMSG;
	*ret_since_s = since_s;
	*ret_what = what + 1;
	return 0;
}

static int64_t left_now_s(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec;
}

/* What only waits for the end of a transaction is news to whoever looks after it. */
static bool left_is_left(const struct heal_listener *listener)
{
	return listener->result.outcome == HEAL_OUTCOME_FAILED ||
	       (listener->evidence.n_stale && listener->result.outcome != HEAL_OUTCOME_HEALED &&
		listener->evidence.objection != HEAL_OBJECTION_TRANSACTION);
}

int left_parse_ended(const char *line, struct heal_listener *ret)
{
	_cleanup_(heal_words_done) struct heal_words words = {0};
	_cleanup_(heal_listener_done) struct heal_listener listener = {
		.process.dirfd = -1, .unit = {.is_service = true, .absence = HEAL_ABSENCE_ENDED}};
	size_t end = strcspn(line, "\n");
	char newline;

	for (size_t at = 0; at <= end; at += strcspn(line + at, "\t\n") + 1)
		if (heal_words_add(&words, line + at, strcspn(line + at, "\t\n")) < 0)
			return -ENOMEM;
	if (line[end] != '\n' || words.count < 4 || strcmp(words.items[0], "ended") != 0 ||
	    sscanf(words.items[1], "%" SCNu64 "%c", &listener.unit.ended_us, &newline) != 1 ||
	    !*words.items[2] || *words.items[3] != '/')
		return -EBADMSG;
	listener.unit.id = heal_take(words.items[2]);
	listener.process.exe = heal_take(words.items[3]);
	listener.process.addresses = calloc(words.count, sizeof(*listener.process.addresses));
	if (!listener.process.addresses)
		return -ENOMEM;
	for (size_t i = 4; i < words.count; i++)
		listener.process.addresses[listener.process.n_addresses++] = heal_take(words.items[i]);
	*ret = listener;
	listener = (struct heal_listener){.process.dirfd = -1};
	return 0;
}

/* The line of a unit that an action of ours may end, or has ended by now. */
static void left_ended_line(FILE *out, const struct heal_listener *listener)
{
	(void)fprintf(out, "ended\t%" PRId64 "\t%s\t%s", heal_now_ms() * 1000, listener->unit.id,
		      listener->process.exe);
	for (size_t i = 0; i < listener->process.n_addresses; i++)
		(void)fprintf(out, "\t%s", listener->process.addresses[i]);
	(void)fputc('\n', out);
}

int heal_left_begin(struct heal_context *ctx, const struct heal_listener *listener)
{
	_cleanup_free_ char *before = NULL;
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return -ENOMEM;
	if (heal_state_read(ctx, left_file, LEFT_MAX, &before, &len) < 0 || !*before)
		(void)fputs("0\n", out);
	else
		(void)fputs(before, out);
	left_ended_line(out, listener);
	return fclose(out) == 0 ? heal_state_write(ctx, left_file, 0600, text, len) : -ENOMEM;
}

int heal_left_ended(struct heal_context *ctx, struct heal_listeners *ret)
{
	_cleanup_free_ char *left = NULL;
	size_t len = 0;
	int r = heal_state_read(ctx, left_file, LEFT_MAX, &left, &len);

	for (char *line = left; r == 0 && line; line = strchr(line, '\n')) {
		struct heal_listener listener;

		line += *line == '\n';
		if (strncmp(line, "ended\t", 6) != 0)
			continue;
		r = left_parse_ended(line, &listener);
		if (r == 0 && heal_grow(&ret->items, ret->count, sizeof(*ret->items)) < 0) {
			heal_listener_done(&listener);
			r = -ENOMEM;
		}
		if (r == 0)
			ret->items[ret->count++] = listener;
	}
	return r == -ENOENT ? 0 : r;
}

/* The line of a process with which an action has failed. */
static void left_failed_line(const struct heal_process *process, char *ret, size_t size)
{
	(void)snprintf(ret, size, "failed\t%d\t%" PRIu64 "\n", (int)process->pid,
		       process->start_time);
}

bool heal_left_has_failed(struct heal_context *ctx, const struct heal_process *process)
{
	_cleanup_free_ char *left = NULL;
	char line[64];
	size_t len = 0;

	left_failed_line(process, line, sizeof(line));
	return heal_state_read(ctx, left_file, LEFT_MAX, &left, &len) == 0 && strstr(left, line);
}

/* The line of a process that does not listen any more where it did, up to the address. */
static void left_lost_begin(const struct heal_process *process, char *ret, size_t size)
{
	(void)snprintf(ret, size, "\nlost\t%d\t%" PRIu64 "\t", (int)process->pid, process->start_time);
}

void heal_left_lost(struct heal_context *ctx, const struct heal_process *process, char *ret, size_t size)
{
	_cleanup_free_ char *left = NULL;
	const char *line = NULL;
	char begin[64];
	size_t len = 0;

	*ret = '\0';
	left_lost_begin(process, begin, sizeof(begin));
	if (heal_state_read(ctx, left_file, LEFT_MAX, &left, &len) == 0)
		line = strstr(left, begin);
	if (!line)
		return;
	line += strlen(begin);
	len = strcspn(line, "\n");
	if (len < size)
		(void)snprintf(ret, size, "%.*s", (int)len, line);
}

/* A line: whose file it is, and what is in its place. */
static void left_write_file(FILE *out, const struct heal_process *process, const char *path,
			    const struct heal_counted *now)
{
	char safe[1024];

	heal_safe(safe, sizeof(safe), path);
	(void)fprintf(out, "%d\t%" PRIu64 "\t%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRId64 "\n",
		      (int)process->pid, process->start_time, safe, now->device, now->inode, now->ctime_ns);
}

/*
 * What is stale, with what was in its place when it was looked at, for that was judged; and
 * what it may have been left for: configuration, host keys.
 */
static void left_write_listener(struct heal_context *ctx, FILE *out, const struct heal_last_proof *proof,
				const struct heal_listener *listener)
{
	const struct heal_process *process = &listener->process;
	const struct heal_proven *proven =
		listener->evidence.n_stale ? heal_proof_find(proof, process) : NULL;

	for (size_t i = 0; i < listener->evidence.n_stale; i++) {
		const struct heal_stale_file *file = &listener->evidence.stale[i];
		const struct heal_counted now = {
			.device = file->device, .inode = file->inode, .ctime_ns = file->ctime_ns};

		left_write_file(out, process, file->path, &now);
	}
	for (size_t i = 0; proven && i < proven->n_files; i++) {
		struct heal_counted now = {.path = proven->files[i].path};

		if (proven->files[i].kind == HEAL_COUNTED_MAPPED)
			continue;
		(void)heal_counted_stat(ctx, &now);
		left_write_file(out, process, now.path, &now);
	}
}

int heal_left_describe(struct heal_context *ctx, const struct heal_listeners *listeners, char **ret)
{
	_cleanup_(heal_proof_done) struct heal_last_proof proof = {0};
	size_t len = 0;
	FILE *out = open_memstream(ret, &len);

	if (!out)
		return -ENOMEM;
	(void)heal_proof_load(ctx, &proof);
	for (size_t i = 0; i < listeners->count; i++)
		if (left_is_left(&listeners->items[i]))
			left_write_listener(ctx, out, &proof, &listeners->items[i]);
	return fclose(out) == 0 ? 0 : -ENOMEM;
}

/* Whether just this is what was left, but for what came of our actions. */
static bool left_is_same(const char *what, const char *now)
{
	static const char *const others[] = {"failed\t", "lost\t", "ended\t"};
	size_t len = strlen(now);
	bool is_end;

	if (strncmp(what, now, len) != 0)
		return false;
	is_end = !what[len];
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		is_end |= strncmp(what + len, others[i], strlen(others[i])) == 0;
	return is_end;
}

int heal_left_compare(struct heal_context *ctx, const struct heal_listeners *listeners,
		      enum heal_look *ret)
{
	_cleanup_free_ char *now = NULL;
	_cleanup_free_ char *before = NULL;
	const char *what;
	int64_t since_s;
	size_t len = 0;
	int r = heal_left_describe(ctx, listeners, &now);

	if (r < 0)
		return r;
	*ret = HEAL_LOOK_NEWS;
	if (heal_state_read(ctx, left_file, LEFT_MAX, &before, &len) < 0 ||
	    left_parse(before, &since_s, &what) < 0 || !left_is_same(what, now))
		return 0;
	*ret = since_s && left_now_s() - since_s < LEFT_RETRY_S ? HEAL_LOOK_PUT_OFF : HEAL_LOOK_LEFT;
	return 0;
}

/* Since when the same was put off; now where something else was, 0 where not all of it is. */
static int64_t left_since(struct heal_context *ctx, const struct heal_listeners *listeners,
			  const char *now)
{
	_cleanup_free_ char *before = NULL;
	const char *what;
	int64_t since_s;
	size_t len = 0;
	bool is_any = false;

	for (size_t i = 0; i < listeners->count; i++) {
		/* What is foreign is not put off. */
		if (listeners->items[i].process.foreign != HEAL_OURS || !left_is_left(&listeners->items[i]))
			continue;
		if (!listeners->items[i].result.is_passing)
			return 0;
		is_any = true;
	}
	if (!is_any)
		return 0;
	if (heal_state_read(ctx, left_file, LEFT_MAX, &before, &len) == 0 &&
	    left_parse(before, &since_s, &what) == 0 && since_s && left_is_same(what, now))
		return since_s;
	since_s = left_now_s();
	return since_s ? since_s : 1;
}

static bool left_is_ended(const struct heal_listener *listener)
{
	return listener->unit.absence == HEAL_ABSENCE_ENDED ||
	       listener->unit.absence == HEAL_ABSENCE_RESCUED;
}

static int left_store(struct heal_context *ctx, const struct heal_listeners *listeners,
		      const struct heal_listeners *ended, const char *now)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int r;

	if (!out)
		return -ENOMEM;
	(void)fprintf(out, "%" PRId64 "\n%s", left_since(ctx, listeners, now), now);
	for (size_t i = 0; i < listeners->count; i++) {
		char line[64];

		left_failed_line(&listeners->items[i].process, line, sizeof(line));
		if (listeners->items[i].result.outcome == HEAL_OUTCOME_FAILED)
			(void)fputs(line, out);
		left_lost_begin(&listeners->items[i].process, line, sizeof(line));
		if (*listeners->items[i].evidence.lost)
			(void)fprintf(out, "%s%s\n", line + 1, listeners->items[i].evidence.lost);
	}
	for (size_t i = 0; i < ended->count; i++)
		if (left_is_ended(&ended->items[i]))
			left_ended_line(out, &ended->items[i]);
	r = fclose(out) == 0 ? heal_state_write(ctx, left_file, 0600, text, len) : -ENOMEM;
	free(text);
	return r;
}

int heal_left_write(struct heal_context *ctx, const struct heal_listeners *listeners,
		    const struct heal_listeners *ended)
{
	_cleanup_free_ char *now = NULL;
	int r = heal_left_describe(ctx, listeners, &now);
	bool is_any = heal_listeners_have(listeners, HEAL_OUTCOME_FAILED);

	for (size_t i = 0; i < listeners->count; i++)
		is_any |= *listeners->items[i].evidence.lost != '\0';
	for (size_t i = 0; i < ended->count; i++)
		is_any |= left_is_ended(&ended->items[i]);
	if (r < 0)
		return r;
	return *now || is_any ? left_store(ctx, listeners, ended, now)
			      : heal_state_remove(ctx, left_file);
}
