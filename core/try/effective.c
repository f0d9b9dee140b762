/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the sshd on disk would do with its configuration, by its own word: sshd -T.
 * It tells what a rehearsal cannot have (interfaces, routing domains), and the pair where it would listen.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "try/effective.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/spawn.h"
#include "base/text.h"
#include "base/words.h"
#include "host/context.h"
#include "look/addresses.h"
#include "report.h"
#include "try/arguments.h"
#include "try/client.h"
#include "try/command.h"
#include "try/place.h"

#define EFFECTIVE_MS 3000
#define EFFECTIVE_WORDS_MAX 4096

/* How long the address is: "0.0.0.0:22 rdomain x" is one and where it is, "fe80::1%eth0" has that in it. */
static size_t effective_address(const char *text, size_t len, bool *is_bound)
{
	const char *blank = memchr(text, ' ', len);

	*is_bound |= blank || memchr(text, '%', len);
	return blank ? (size_t)(blank - text) : len;
}

int effective_parse(const char *buf, size_t len, struct heal_effective *ret)
{
	static const char key[] = "listenaddress ";
	const size_t n = sizeof(key) - 1;
	const char *cursor = buf;
	const char *line;
	size_t line_len = 0;

	while ((line = heal_next_line(&cursor, buf + len, &line_len)))
		/* Keywords have no case, sshd_config(5); 10.6 prints ListenAddress. */
		if (line_len > n && strncasecmp(line, key, n) == 0 &&
		    heal_words_add(&ret->addresses, line + n,
				   effective_address(line + n, line_len - n, &ret->is_bound)) < 0)
			return -ENOMEM;
	return 0;
}

void heal_effective_done(struct heal_effective *effective)
{
	heal_words_done(&effective->addresses);
}

/* Whether a line of sshd's says no more than that it runs, or that it does not know an old option. */
static bool effective_is_chat(const char *line)
{
	static const char *const chats[] = {
		"Deprecated option", "eprecated key", "Server listening on ", "Connection closed by ",
		"Connection reset by ", "Received SIGHUP; restarting",
		/* The frame of a warning, whose words come next. */
		"@@@@@@@@",
	};

	for (size_t i = 0; i < ARRAY_SIZE(chats); i++)
		if (strstr(line, chats[i]))
			return true;
	return false;
}

void heal_effective_words(char *raw, char *ret, size_t size)
{
	char *save = NULL;

	*ret = '\0';
	for (char *line = strtok_r(raw, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save))
		if (!effective_is_chat(line))
			heal_append(ret, size, "%s%s", *ret ? "; " : "", line);
}

void heal_effective_end(pid_t pid, int fd, struct heal_hello *hello, char *words, size_t size)
{
	char buf[EFFECTIVE_WORDS_MAX + 1];
	ssize_t n = read(fd, buf, EFFECTIVE_WORDS_MAX);

	buf[n > 0 ? n : 0] = '\0';
	heal_effective_words(buf, words, size);
	if (heal_spawn_was_killed(pid)) {
		hello->fate = HEAL_FATE_UNKNOWN;
		(void)snprintf(hello->detail, sizeof(hello->detail), "the sshd on trial was killed");
	}
	/* However its end went: what it did with its client is known. */
	(void)heal_spawn_end(pid);
}

/* One sshd -T. Returns 1 when it did not tell, with its words. */
static int effective_ask(struct heal_context *ctx, const struct heal_start *start,
			 const struct heal_words *argv, const char *runtime, struct heal_output *ret)
{
	_cleanup_(heal_words_done) struct heal_words environment = {0};
	const struct place place = {
		.mount_fd = start->mount_fd, .socket_fd = -1, .runtime = runtime, .label = ""};
	struct heal_command command = {.argv = argv->items, .fds = {-1, -1, -1}};
	int r = place_set(&place, start, &environment, &command);

	if (r == 0)
		r = heal_spawn_capture(&command, heal_now_ms() + heal_left_ms(ctx->deadline_ms, EFFECTIVE_MS),
				       ret);
	return r == 0 ? ret->status != 0 : r;
}

int heal_effective_ask(struct heal_context *ctx, const struct heal_start *start, const char *connection,
		       struct heal_output *ret)
{
	const char *const flags[] = {"-T", "-C", connection, NULL};
	_cleanup_(heal_words_done) struct heal_words argv = {0};
	int r = arguments_build(start->path, flags, &start->options, &argv);

	if (r == 0)
		r = effective_ask(ctx, start, &argv, NULL, ret);
	return r == 1 ? -ENOEXEC : r;
}

int heal_effective_load(struct heal_context *ctx, const struct heal_start *start,
			struct heal_effective *ret, struct heal_error *error)
{
	static const char what[] = "sshd -T did not tell its configuration";
	/* Some Match blocks want to know of whom; an older sshd does not know all of these words. */
	static const char client[] = "user=root,host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22,rdomain=";
	static const char *const flags[][4] = {{"-T", NULL}, {"-T", "-C", client, NULL}};
	_cleanup_(heal_output_done) struct heal_output output = {0};
	const char *runtime;
	char words[256];
	int r = 1;

	if (!heal_has_time(ctx->deadline_ms))
		return heal_error_set(error, ETIME, "no time is left to ask sshd -T");
	for (size_t i = 0; r == 1 && i < ARRAY_SIZE(flags); i++) {
		_cleanup_(heal_words_done) struct heal_words argv = {0};

		heal_output_done(&output);
		r = arguments_build(start->path, flags[i], &start->options, &argv);
		if (r == 0)
			r = effective_ask(ctx, start, &argv, NULL, &output);
		runtime = r == 1 ? heal_start_runtime(start, output.words) : NULL;
		if (runtime) {
			heal_output_done(&output);
			r = effective_ask(ctx, start, &argv, runtime, &output);
		}
		/* Only then the second would tell more than the first. */
		if (r == 1 && i == 0 && !strstr(output.words, "connection test"))
			break;
	}
	if (r == -ETIMEDOUT)
		return heal_error_set(error, ETIME, "%s in time", what);
	if (r < 0)
		return heal_error_set(error, -r, "%s: %s", what, strerror(-r));
	if (r == 1) {
		heal_effective_words(output.words, words, sizeof(words));
		return heal_error_set(error, ENOEXEC, "%s%s%s", what, *words ? ": " : "", words);
	}
	r = effective_parse(output.text, output.len, ret);
	return r < 0 ? heal_error_set(error, -r, "%s: out of memory", what) : 0;
}

/*
 * Whether sshd would have an address: it is among those that it bound, or the one in its
 * place is on no interface, where a start passes over it and binds the other.
 */
static bool effective_is_kept(const char *address, const struct heal_words *would)
{
	bool is_kept = false;

	for (size_t i = 0; i < would->count; i++)
		is_kept |= addresses_are_same(address, would->items[i]) ||
			   (addresses_conflict(address, would->items[i]) &&
			    client_is_absent(would->items[i]) == 1);
	return is_kept;
}

const char *heal_effective_lost(const struct heal_process *process, const struct heal_words *would)
{
	for (size_t i = 0; i < process->n_addresses; i++)
		if (!effective_is_kept(process->addresses[i], would))
			return process->addresses[i];
	return NULL;
}

int heal_effective_absent(const struct heal_process *process, const char **ret)
{
	for (size_t i = 0; i < process->n_addresses; i++) {
		int r = client_is_absent(process->addresses[i]);

		if (r != 0)
			*ret = process->addresses[i];
		if (r != 0)
			return r;
	}
	return 0;
}
