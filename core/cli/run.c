/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the verbs share: a run of the way, its report, and what is said of ourselves. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <unistd.h>

#include "cli/run.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "causes/causes.h"
#include "heal.h"
#include "host/config-load.h"
#include "host/context.h"
#include "report.h"
#include "tell/format.h"
#include "tell/last.h"
#include "tell/motd.h"
#include "tell/text.h"

void cli_complain(const struct cli *cli, const char *message)
{
	(void)fprintf(cli->err, "sshd-heal: %s\n", message);
}

int cli_bad_usage(const struct cli *cli, const char *what, const char *word)
{
	char safe[128];

	heal_safe(safe, sizeof(safe), word);
	(void)fprintf(cli->err, "sshd-heal: %s: %s (see sshd-heal --help)\n", what, safe);
	return CLI_UNKNOWN;
}

/* Whether the root is that of this machine; otherwise when that cannot be told. */
static bool cli_is_live(const struct cli_options *options, bool otherwise)
{
	_cleanup_close_ int fd = open(options->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool is_live = otherwise;

	return fd >= 0 && heal_root_is_live(fd, &is_live) == 0 ? is_live : otherwise;
}

/* Writes a line per listener that is news to syslog, where the journal finds it, and what came up. */
static void cli_log_report(const struct cli *cli, const struct heal_report *report)
{
	bool is_news = report->listeners.unreadable > 0;

	for (size_t i = 0; i < report->listeners.count; i++) {
		const struct heal_listener *listener = &report->listeners.items[i];
		_cleanup_free_ char *line = NULL;
		size_t len = 0;
		int priority;
		FILE *out;

		if (!heal_listener_is_news(listener))
			continue;
		is_news = true;
		out = open_memstream(&line, &len);
		if (!out)
			return;
		priority = heal_report_log(out, listener);
		if (fclose(out) == 0)
			cli->log(priority, line);
	}
	for (size_t i = 0; is_news && i < report->notes.count; i++)
		cli->log(LOG_WARNING, report->notes.lines[i]);
}

int cli_fail(const struct cli *cli, const struct cli_options *options,
	     const struct heal_error *error)
{
	cli_complain(cli, error->message);
	if (cli_is_live(options, true))
		cli->log(LOG_ERR, error->message);
	return CLI_UNKNOWN;
}

static int cli_report(const struct cli *cli, const struct cli_options *options,
		      struct heal_context *ctx, enum heal_verb verb, const struct heal_report *report)
{
	const struct heal_format *format = options->format ? options->format : heal_formats;
	struct heal_error error = {0};

	for (size_t i = 0; format->is_for_programs && i < report->notes.count; i++)
		cli_complain(cli, report->notes.lines[i]);
	if (format->write(ctx, cli->out, report, verb, &error) < 0) {
		if (format->is_for_programs)
			return cli_fail(cli, options, &error);
		cli_complain(cli, error.message);
	}
	return heal_report_status(report);
}

/* What a run leaves for others than its caller. */
static void cli_leave(const struct cli *cli, struct heal_context *ctx, const struct heal_report *report)
{
	cli_log_report(cli, report);
	if (heal_motd_update(ctx, report) < 0)
		cli_complain(cli, "writing /run/motd.d/sshd-heal failed");
	if (heal_last_write(ctx, report) < 0)
		cli_complain(cli, "writing /run/sshd-heal/report.txt failed");
}

static int cli_run_way(const struct cli *cli, const struct cli_options *options,
		       struct heal_context *ctx, enum heal_verb verb, struct heal_report *report)
{
	struct heal_error error = {0};

	ctx->on_act = cli->on_act;
	ctx->question = options->question;
	/* A hook reads its configuration only when there is something to decide. */
	if (verb != HEAL_HOOK && heal_config_load(ctx, options->config, &error) < 0)
		return cli_fail(cli, options, &error);
	if (heal_run(ctx, verb, report, &error) < 0)
		return cli_fail(cli, options, &error);
	/* Told last: a terminal that is stopped must not keep it from the journal. */
	if (ctx->is_live && (verb == HEAL_HEAL || verb == HEAL_HOOK))
		cli_leave(cli, ctx, report);
	return cli_report(cli, options, ctx, verb, report);
}

int cli_go(const struct cli *cli, const struct cli_options *options, struct heal_context *ctx,
	   enum heal_verb verb, struct heal_report *report)
{
	int status;

	cli->watch(ctx);
	status = cli_run_way(cli, options, ctx, verb, report);
	cli->watch(NULL);
	return status;
}

/* What who is not root gets to know, which never is that all is well. */
static int cli_guess(const struct cli *cli, const struct cli_options *options)
{
	_cleanup_(heal_context_freep) struct heal_context *ctx = NULL;
	_cleanup_(heal_report_done) struct heal_report report = {0};
	struct heal_error error = {0};

	if (heal_context_new(&ctx, options->root, cli->module_dir, &error) < 0)
		return cli_fail(cli, options, &error);
	cli->watch(ctx);
	if (heal_causes_guess(ctx, &options->question, &report) < 0)
		cli_complain(cli, "out of memory");
	else
		(void)cli_report(cli, options, ctx, HEAL_DIAGNOSE, &report);
	cli->watch(NULL);
	return CLI_UNKNOWN;
}

int cli_way(const struct cli *cli, const struct cli_options *options, enum heal_verb verb)
{
	_cleanup_(heal_context_freep) struct heal_context *ctx = NULL;
	_cleanup_(heal_report_done) struct heal_report report = {0};
	struct heal_error error = {0};

	if (geteuid() != 0 && cli_is_live(options, false) && verb == HEAL_DIAGNOSE)
		return cli_guess(cli, options);
	if (geteuid() != 0 && cli_is_live(options, false)) {
		cli_complain(cli, "it needs root to look at sshd's mappings");
		return CLI_UNKNOWN;
	}
	if (heal_context_new(&ctx, options->root, cli->module_dir, &error) < 0)
		return cli_fail(cli, options, &error);
	return cli_go(cli, options, ctx, verb, &report);
}
