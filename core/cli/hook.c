/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hooks: one table. Those of package managers only ask; sshd-heal.service is the one
 * that acts, in a place of its own, whoever upgraded.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "cli/hook.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/run.h"
#include "heal.h"
#include "host/context.h"
#include "host/request.h"
#include "host/transaction.h"
#include "report.h"
#include "tell/last.h"

static const char hook_unit[] = "sshd-heal.service";

/*
 * As long as systemd may take to answer or have nothing under way, and to begin with what
 * it has: 0.35 s beside 8 busy loops on two cores, 1.5 s beside 40 (252, 257).
 */
#define HOOK_START_MS 1000
#define HOOK_BEGIN_MS 5000
/* An actor that ended just before takes a start for its own: then it is asked for anew. */
#define HOOK_AGAIN_MS 100
/* What an actor takes beyond its deadline, to begin and to end. */
#define HOOK_GRACE_MS 10000
#define HOOK_PAUSE_MS 5
/*
 * How long the end of a transaction is waited for, and how often it is looked at. What comes
 * later starts another actor; who has started this one may be in that transaction.
 */
#define HOOK_TRANSACTION_MS INT64_C(120000)
#define HOOK_TRANSACTION_PAUSE_MS 20
/* Who ends an actor that waits, and has it start again, may be in there and wait for it. */
#define HOOK_TRANSACTION_AGAIN_MS 1000
/* aptitude has dpkg run several times, and holds nothing in between. */
#define HOOK_TRANSACTION_LOOKS 3
/* zypper may have something to fetch. 5 seconds. */
#define HOOK_TRANSACTION_LOOKS_ZYPP 250

static int hook_open(const struct cli *cli, const struct cli_options *options,
		     struct heal_context **ret)
{
	struct heal_error error = {0};
	int r = heal_context_new(ret, options->root, cli->module_dir, &error);

	if (r < 0)
		(void)cli_fail(cli, options, &error);
	return r;
}

static int hook_connect(struct heal_context *ctx, struct heal_error *error)
{
	int64_t end_ms = ctx->deadline_ms;
	int r;

	/* A connection keeps the deadline that it was opened with. */
	if (ctx->service)
		ctx->service_ops->close(heal_take(ctx->service));
	ctx->deadline_ms = heal_now_ms() + HOOK_START_MS;
	r = heal_context_service(ctx, error);
	ctx->deadline_ms = end_ms;
	return r;
}

static void hook_start_actor(struct heal_context *ctx, struct heal_error *error)
{
	if (hook_connect(ctx, error) == 0)
		(void)ctx->service_ops->request_start(ctx->service, hook_unit, error);
}

/* What the actor has to say, to where it belongs: what is left to do must be seen. */
static void hook_tell(const struct cli *cli, struct heal_context *ctx,
		      const struct heal_answer *answer)
{
	heal_told_write(ctx, answer, answer->status == 0 ? cli->out : cli->err);
}

static void hook_tell_nothing(const struct cli *cli, const struct heal_error *why)
{
	(void)fprintf(cli->err,
		      "sshd-heal: sshd may still run deleted files, and %s %s%s%s; type: sshd-heal heal\n",
		      hook_unit, *why->message ? "could not be started" : "does not answer",
		      *why->message ? ": " : "", why->message);
}

/*
 * Asks once more where nothing is under way: the request may have gone with an actor that
 * has ended since. Gives whether something is; a systemd that is silent may have begun with it.
 */
static bool hook_ask_again(struct heal_context *ctx, struct heal_error *why)
{
	struct heal_unit_state state = {0};
	int64_t again_ns;
	int r;

	*why = (struct heal_error){0};
	r = hook_connect(ctx, why);
	if (r == 0)
		r = ctx->service_ops->state_of(ctx->service, hook_unit, &state, why);
	if (r < 0 || !state.is_at_rest)
		return r == 0 || r == -ETIMEDOUT;
	if (heal_request_peek(ctx) != HEAL_REQUEST_END)
		(void)heal_request_add(ctx, HEAL_REQUEST_END, &again_ns);
	(void)ctx->service_ops->request_start(ctx->service, hook_unit, why);
	return false;
}

/*
 * Waits for the answer to a request of that time, as long as an actor is there or may yet
 * be. Returns whether there was one.
 */
static bool hook_await(const struct cli *cli, struct heal_context *ctx, int64_t asked_ns,
		       enum heal_look look, struct heal_error *why)
{
	int64_t seen = heal_now_ms();
	int64_t asked = seen;
	bool is_under_way = false;

	while (heal_now_ms() < ctx->deadline_ms &&
	       heal_now_ms() - seen < (is_under_way ? HOOK_BEGIN_MS : HOOK_START_MS)) {
		_cleanup_(heal_answer_done) struct heal_answer answer = {0};

		if (heal_answer_read(ctx, asked_ns, &answer) == 1) {
			hook_tell(cli, ctx, &answer);
			return true;
		}
		if (heal_actor_is_there(ctx)) {
			seen = asked = heal_now_ms();
		} else if (heal_now_ms() - asked > HOOK_AGAIN_MS) {
			/* Of what only is not proven there is hardly anything to say. */
			is_under_way = hook_ask_again(ctx, why) && look != HEAL_LOOK_UNPROVEN;
			asked = heal_now_ms();
		}
		heal_sleep_ms(HOOK_PAUSE_MS);
	}
	return false;
}

/* What was done already, for a request that came before ours. */
static void hook_tell_untold(const struct cli *cli, struct heal_context *ctx)
{
	_cleanup_(heal_answer_done) struct heal_answer answer = {0};

	if (heal_context_has_actor(ctx) && heal_untold_take(ctx, &answer) == 1)
		hook_tell(cli, ctx, &answer);
}

/*
 * A recorded tree, a chroot, a host that is not systemd's, or whose /run takes nothing:
 * there is no actor. In the middle of a transaction of this machine nothing is done then.
 */
static void hook_go(const struct cli *cli, const struct cli_options *options,
		    const struct heal_context *ctx, enum heal_request kind)
{
	if (kind == HEAL_REQUEST_END || !ctx->is_live)
		(void)cli_way(cli, options, HEAL_HOOK);
}

/* Starts the actor; who waits for no answer says here why it cannot be. Returns whether it was. */
static bool hook_start(const struct cli *cli, struct heal_context *ctx, enum heal_request kind,
		       struct heal_error *why)
{
	hook_start_actor(ctx, why);
	if (kind == HEAL_REQUEST_WITHIN && *why->message)
		cli->log(LOG_WARNING, why->message);
	return !*why->message;
}

/* Asks the actor, where there is anything to ask it for. */
static void hook_ask(const struct cli *cli, const struct cli_options *options,
		     enum heal_request kind)
{
	_cleanup_(heal_context_freep) struct heal_context *ctx = NULL;
	struct heal_error why = {0};
	enum heal_look look;
	int64_t asked_ns = 0;
	bool is_done;
	int r;

	if (hook_open(cli, options, &ctx) < 0)
		return;
	look = heal_look(ctx);
	if (look == HEAL_LOOK_QUIET) {
		if (kind == HEAL_REQUEST_END)
			hook_tell_untold(cli, ctx);
		return;
	}
	r = heal_context_has_actor(ctx) ? heal_request_add(ctx, kind, &asked_ns) : -ENOENT;
	if (r < 0 && r != -EROFS) {
		hook_go(cli, options, ctx, kind);
		return;
	}
	/* Whatever holds it then, in systemd or at the terminal, does not hold the front end. */
	ctx->deadline_ms = heal_now_ms() + ctx->config.deadline_ms + HOOK_GRACE_MS;
	cli->watch(ctx);
	is_done = hook_start(cli, ctx, kind, &why);
	/* Read-only for this front end is not so for the actor: it looks of itself, and answers nobody. */
	if (kind == HEAL_REQUEST_END && r == 0)
		is_done = hook_await(cli, ctx, asked_ns, look, &why);
	/* Of what only is not proven yet there is nothing to say. */
	if (kind == HEAL_REQUEST_END && !is_done && look != HEAL_LOOK_UNPROVEN)
		hook_tell_nothing(cli, &why);
	cli->watch(NULL);
}

static void hook_end(const struct cli *cli, const struct cli_options *options)
{
	hook_ask(cli, options, HEAL_REQUEST_END);
}

/* dnf 5 takes what comes from standard output for its own. */
static void hook_end_aside(const struct cli *cli, const struct cli_options *options)
{
	struct cli aside = *cli;

	aside.out = cli->err;
	hook_end(&aside, options);
}

static void hook_within(const struct cli *cli, const struct cli_options *options)
{
	hook_ask(cli, options, HEAL_REQUEST_WITHIN);
}

/* Runs the way; its words are the answer to those who have asked. */
static int hook_run(const struct cli *cli, const struct cli_options *options,
		    struct heal_context *ctx, struct heal_report *report, struct heal_answer *ret)
{
	struct heal_answer answer = {0};
	struct cli own = *cli;
	size_t len = 0;

	own.out = own.err = open_memstream(&answer.text, &len);
	if (!own.out)
		return -ENOMEM;
	answer.status = cli_go(&own, options, ctx, HEAL_HOOK, report);
	if (fclose(own.out) != 0) {
		free(answer.text);
		return -ENOMEM;
	}
	*ret = answer;
	return 0;
}

/*
 * Answers a front end, which may have been late by a moment for all there is to tell. Where
 * there is something, what was not told may as well be of a transaction before this one.
 */
static void hook_answer(struct heal_context *ctx, int64_t taken_ns, const struct heal_answer *answer)
{
	_cleanup_(heal_answer_done) struct heal_answer untold = {0};
	bool is_late = heal_untold_take(ctx, &untold) == 1 && !*answer->text;

	(void)heal_answer_write(ctx, taken_ns, is_late ? &untold : answer);
}

/*
 * Whether something has come up meanwhile, which has started nobody: we were there. After
 * a failure it is none: what did not help would be done again and again.
 */
static bool hook_has_more(struct heal_context *ctx, const struct heal_report *report, int status)
{
	return heal_request_peek(ctx) != HEAL_REQUEST_NONE ||
	       ((status == 0 || status == 1) && heal_has_news(ctx, report));
}

/* The actor's second half: acts, answers, and looks whether that was all. */
static void hook_service_now(const struct cli *cli, const struct cli_options *options)
{
	_cleanup_(heal_context_freep) struct heal_context *ctx = NULL;
	_cleanup_(heal_report_done) struct heal_report report = {0};
	_cleanup_(heal_answer_done) struct heal_answer answer = {0};
	_cleanup_close_ int claim = -1;
	enum heal_request request = HEAL_REQUEST_NONE;
	int64_t taken_ns = 0;
	bool can_take;

	if (hook_open(cli, options, &ctx) < 0)
		return;
	claim = heal_actor_claim(ctx);
	if (claim < 0 && claim != -ENOSPC)
		return;
	/* Where it cannot be known who has asked, nobody can be answered. */
	can_take = heal_request_take(ctx, &request, &taken_ns) == 0;
	ctx->is_retry = request == HEAL_REQUEST_NONE && heal_look(ctx) == HEAL_LOOK_PUT_OFF;
	if (hook_run(cli, options, ctx, &report, &answer) < 0) {
		cli_complain(cli, "out of memory");
		return;
	}
	if (request == HEAL_REQUEST_END)
		hook_answer(ctx, taken_ns, &answer);
	else if (*answer.text)
		(void)heal_untold_write(ctx, &answer);
	(void)fputs(answer.text, cli->out);
	if (can_take && hook_has_more(ctx, &report, answer.status))
		cli->become("service");
}

/* How many looks without a lock are the end of it. */
static int hook_looks(struct heal_context *ctx, bool is_asked)
{
	if (is_asked)
		return 1;
	return heal_transaction_may_go_on(ctx) ? HOOK_TRANSACTION_LOOKS_ZYPP : HOOK_TRANSACTION_LOOKS;
}

/* Waits for the end of a transaction; a front end that asks has come to it. Gives whether it came. */
static bool hook_await_transaction(struct heal_context *ctx, int claim)
{
	int64_t end_ms = heal_now_ms() + (heal_actor_has_waited(claim) ? HOOK_TRANSACTION_AGAIN_MS
								      : HOOK_TRANSACTION_MS);
	int free_looks = 0;

	/* It stays where the end does not come: who started this one may start another. */
	heal_actor_note_wait(claim, true);
	while (heal_now_ms() < end_ms) {
		bool is_asked = heal_request_peek(ctx) == HEAL_REQUEST_END;

		free_looks = heal_transaction_is_on(ctx, !is_asked) ? 0 : free_looks + 1;
		if (free_looks >= hook_looks(ctx, is_asked)) {
			heal_actor_note_wait(claim, false);
			return true;
		}
		heal_sleep_ms(HOOK_TRANSACTION_PAUSE_MS);
	}
	return false;
}

/*
 * The actor's first half: waits, and loads nothing, for what waited through an upgrade
 * has libraries of before it. The second half is a program of its own.
 */
static void hook_service(const struct cli *cli, const struct cli_options *options)
{
	_cleanup_(heal_context_freep) struct heal_context *ctx = NULL;
	_cleanup_close_ int claim = -1;
	enum heal_look look;

	if (hook_open(cli, options, &ctx) < 0)
		return;
	claim = heal_actor_claim(ctx);
	if (claim < 0 && claim != -ENOSPC)
		return;
	look = heal_look(ctx);
	if (heal_request_peek(ctx) == HEAL_REQUEST_NONE &&
	    (look == HEAL_LOOK_QUIET || look == HEAL_LOOK_LEFT))
		return;
	cli->unwatch();
	/* In the middle of it nothing is done: the end of it will start us again. */
	if (!hook_await_transaction(ctx, claim))
		return;
	cli->become("service-now");
	/* In here, if there is no other way. */
	(void)close(heal_take_fd(&claim));
	hook_service_now(cli, options);
}

/* A list that nobody has a use for any more; apt fails where it is not read. */
static void hook_drain(const struct cli *cli, const struct cli_options *options)
{
	_cleanup_free_ char *list = NULL;
	size_t len = 0;

	(void)options;
	(void)heal_read_stream(cli->in_fd, heal_now_ms() + 30000, &list, &len);
}

static const struct cli_hook {
	const char *name;
	void (*run)(const struct cli *cli, const struct cli_options *options);
} cli_hooks[] = {
	{"apt", hook_end},
	{"dnf4", hook_end},
	{"dnf5", hook_end_aside},
	{"dpkg", hook_within},
	{"rpm", hook_within},
	{"yum", hook_end},
	{"service", hook_service},
	{"service-now", hook_service_now},
	/* 0.1's hook of apt, which may outlive it in an apt that is at work. */
	{"apt-pre-install", hook_drain},
};

int cli_hook(const struct cli *cli, const struct cli_options *options)
{
	const char *name = options->n_words > 0 ? options->words[0] : "(none)";
	size_t i = 0;

	while (i < ARRAY_SIZE(cli_hooks) && strcmp(name, cli_hooks[i].name) != 0)
		i++;
	/* A hook that did what nobody meant would do it at every upgrade. */
	if (options->config)
		(void)cli_bad_usage(cli, "a hook takes no --config", options->config);
	else if (options->format)
		(void)cli_bad_usage(cli, "a hook takes no --format", options->format->name);
	else if (options->n_words > 1)
		(void)cli_bad_usage(cli, "hook takes one name, not also", options->words[1]);
	else if (i == ARRAY_SIZE(cli_hooks))
		(void)cli_bad_usage(cli, "unknown hook", name);
	else
		cli_hooks[i].run(cli, options);
	return CLI_OK;
}
