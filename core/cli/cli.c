/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: one table of verbs, one of hooks. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "cli/cli.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "heal.h"
#include "host/config-load.h"
#include "host/context.h"
#include "host/dnf5.h"
#include "host/event.h"
#include "host/transaction.h"
#include "look/upcoming.h"
#include "report.h"
#include "tell/format.h"
#include "tell/motd.h"
#include "tell/text.h"

/* How long sshd-heal.service waits for the end of a transaction, and how often it looks again. */
#define CLI_TRANSACTION_MS INT64_C(600000)
#define CLI_TRANSACTION_PAUSE_MS 100
#define CLI_ROUNDS 10

static void cli_complain(const struct cli *cli, const char *message)
{
	(void)fprintf(cli->err, "sshd-heal: %s\n", message);
}

static int cli_bad_usage(const struct cli *cli, const char *what, const char *word)
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

/* Writes a line per stale listener to syslog, where the journal finds it, and what came up. */
static void cli_log_report(const struct cli *cli, const struct heal_report *report)
{
	bool is_news = report->listeners.unreadable > 0;

	for (size_t i = 0; i < report->listeners.count; i++) {
		const struct heal_listener *listener = &report->listeners.items[i];
		_cleanup_free_ char *line = NULL;
		size_t len = 0;
		int priority;
		FILE *out;

		if (!listener->evidence.n_stale)
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

/* Tells an error of the whole run, and lets syslog know. */
static int cli_fail(const struct cli *cli, const struct cli_options *options,
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

/* Runs the way and reports; the context is the caller's, and freshly made. */
static int cli_go(const struct cli *cli, const struct cli_options *options, struct heal_context *ctx,
		  enum heal_verb verb)
{
	_cleanup_(heal_report_done) struct heal_report report = {0};
	struct heal_error error = {0};
	bool is_live = heal_context_is_live(ctx);

	heal_context_on_act(ctx, cli->on_act);
	/* A hook reads its configuration only when there is something to decide. */
	if (verb != HEAL_HOOK && heal_config_load(ctx, options->config, &error) < 0)
		return cli_fail(cli, options, &error);
	if (heal_run(ctx, verb, &report, &error) < 0)
		return cli_fail(cli, options, &error);
	/* Told last: a terminal that is stopped must not keep it from the journal. */
	if (is_live && (verb == HEAL_HEAL || verb == HEAL_HOOK)) {
		cli_log_report(cli, &report);
		if (heal_motd_update(ctx, &report) < 0)
			cli_complain(cli, "writing /run/motd.d/sshd-heal failed");
	}
	return cli_report(cli, options, ctx, verb, &report);
}

static int cli_way(const struct cli *cli, const struct cli_options *options, enum heal_verb verb)
{
	struct heal_context *ctx = NULL;
	struct heal_error error = {0};
	int status;

	if (geteuid() != 0 && cli_is_live(options, false)) {
		cli_complain(cli, "it needs root to look at sshd's mappings");
		return CLI_UNKNOWN;
	}
	if (heal_context_new(&ctx, options->root, cli->module_dir, &error) < 0)
		return cli_fail(cli, options, &error);
	cli->watch(ctx);
	status = cli_go(cli, options, ctx, verb);
	cli->watch(NULL);
	(void)heal_context_free(ctx);
	return status;
}

static int cli_check(const struct cli *cli, const struct cli_options *options)
{
	if (options->n_words > 0)
		return cli_bad_usage(cli, "check takes no argument", options->words[0]);
	return cli_way(cli, options, HEAL_CHECK);
}

static int cli_heal(const struct cli *cli, const struct cli_options *options)
{
	if (options->n_words > 0)
		return cli_bad_usage(cli, "heal takes no argument", options->words[0]);
	return cli_way(cli, options, options->is_dry_run ? HEAL_DRY_RUN : HEAL_HEAL);
}

/* How a package manager tells a hook what a transaction changes. */
enum cli_input {
	CLI_NOTHING,
	CLI_APT,   /* apt's list of packages, DPkg::Pre-Install-Pkgs */
	CLI_LINES, /* a line per package */
	CLI_DNF5,  /* answers to requests */
	CLI_FILES, /* the files that are about to be removed, a line each */
	CLI_RPM,   /* not at all, and there may be more than one */
};

static int cli_read_event(const struct cli *cli, struct heal_context *ctx, enum cli_input input,
			  struct heal_event *event, struct heal_notes *notes,
			  struct heal_error *error)
{
	switch (input) {
	case CLI_DNF5:
		return heal_event_ask_dnf5(ctx, cli->in_fd, cli->out_fd, event, error);
	case CLI_FILES:
		return heal_event_of_files(ctx, cli->in_fd, event, notes, error);
	default:
		return heal_event_read(cli->in_fd, heal_now_ms() + 30000, HEAL_EVENT_LINES, event,
				       notes);
	}
}

/* Notes what the package manager changes, for the report. */
static void cli_note(const struct cli *cli, const struct cli_options *options, enum cli_input input,
		     bool is_over)
{
	_cleanup_(heal_context_freep) struct heal_context *ctx = NULL;
	_cleanup_(heal_event_done) struct heal_event event = {0};
	struct heal_notes notes = {0};
	struct heal_error error = {0};
	int64_t deadline = heal_now_ms() + 30000;
	int r = 0;

	/* apt gives up when nobody takes its stream, so that is done whatever else fails. */
	if (input == CLI_APT)
		r = heal_event_read(cli->in_fd, deadline, HEAL_EVENT_APT, &event, &notes);
	if (r == 0)
		r = heal_context_new(&ctx, options->root, cli->module_dir, &error);
	/* Where it is over and nothing is stale, nobody will ask for versions. */
	if (r == 0 && is_over && !heal_is_stale(ctx))
		return;
	if (r == 0 && input != CLI_APT)
		r = cli_read_event(cli, ctx, input, &event, &notes, &error);
	if (r == 0)
		r = heal_event_note(ctx, &event, &error);
	if (r < 0)
		cli_complain(cli, r == -ENOMEM ? "out of memory" : error.message);
	for (size_t i = 0; i < notes.count; i++)
		cli_complain(cli, notes.lines[i]);
	heal_notes_done(&notes);
}

static const struct cli_hook {
	const char *name;
	enum cli_input input;
	bool is_over; /* the transaction, so that something can be done */
} cli_hooks[] = {
	{"apt-pre-install", CLI_APT, false},
	{"apt", CLI_NOTHING, true},
	{"dpkg", CLI_NOTHING, true},
	{"dnf4", CLI_LINES, true},
	{"dnf5", CLI_DNF5, true},
	{"yum", CLI_LINES, true},
	{"rpm-pre", CLI_FILES, false},
	{"rpm", CLI_RPM, true},
};

/*
 * For sshd-heal.service. rpm's trigger fires while its transaction is going on, and a
 * start of the service that comes while it is at work would be lost.
 */
static void cli_run_rpm(const struct cli *cli, const struct cli_options *options)
{
	_cleanup_(heal_context_freep) struct heal_context *ctx = NULL;
	struct heal_error error = {0};
	int rounds = 0;

	if (heal_context_new(&ctx, options->root, cli->module_dir, &error) < 0) {
		(void)cli_fail(cli, options, &error);
		return;
	}
	(void)heal_wanted_take(ctx);
	do {
		int64_t end = heal_now_ms() + CLI_TRANSACTION_MS;

		/* Nobody waits for us here, and what is half installed is not to be tried. */
		cli->unwatch();
		while (heal_transaction_is_on(ctx) && heal_now_ms() < end)
			heal_sleep_ms(CLI_TRANSACTION_PAUSE_MS);
		(void)cli_way(cli, options, HEAL_HOOK);
	} while (heal_wanted_take(ctx) && ++rounds < CLI_ROUNDS);
}

static void cli_run_hook(const struct cli *cli, const struct cli_options *options,
			 const struct cli_hook *hook)
{
	if (hook->input == CLI_RPM) {
		cli_run_rpm(cli, options);
		return;
	}
	if (hook->input != CLI_NOTHING)
		cli_note(cli, options, hook->input, hook->is_over);
	/* dnf 5 takes what comes from standard output for requests. */
	if (hook->input == CLI_DNF5 && dup2(cli->err_fd, cli->out_fd) < 0)
		return;
	if (hook->is_over)
		(void)cli_way(cli, options, HEAL_HOOK);
}

/* Whatever is wrong here, is no reason to fail a package manager. */
static int cli_hook(const struct cli *cli, const struct cli_options *options)
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
		cli_run_hook(cli, options, &cli_hooks[i]);
	return CLI_OK;
}

static const struct cli_verb {
	const char *name;
	const char *synopsis;
	const char *help;
	int (*run)(const struct cli *cli, const struct cli_options *options);
	bool acts;
} cli_verbs[] = {
	{"check", "[check]", "what is stale, and what would be done", cli_check, false},
	{"heal", "heal [--dry-run]", "take up the files on disk where sshd is stale", cli_heal, true},
	{"hook", "hook NAME", "for the package managers", cli_hook, true},
};

static const struct cli_verb *cli_find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(cli_verbs); i++)
		if (strcmp(name, cli_verbs[i].name) == 0)
			return &cli_verbs[i];
	return NULL;
}

static bool cli_is_hook(const struct cli_options *options)
{
	return options->verb && strcmp(options->verb, "hook") == 0;
}

bool cli_acts(const struct cli_options *options)
{
	const struct cli_verb *verb = cli_find_verb(options->verb);

	return verb && verb->acts && !options->is_dry_run;
}

enum cli_status cli_giving_up(const struct cli_options *options)
{
	return cli_is_hook(options) ? CLI_OK : CLI_UNKNOWN;
}

/* A path of the command line as the caller meant it: we are somewhere else by now. */
static int cli_path(const struct cli *cli, const char *path, char **ret)
{
	bool is_relative = *path != '/';
	char *copy = NULL;

	if (is_relative && !cli->cwd)
		return cli_bad_usage(cli, "this directory has no name, so it takes an absolute path", path);
	if (asprintf(&copy, "%s%s%s", is_relative ? cli->cwd : "", is_relative ? "/" : "", path) < 0) {
		cli_complain(cli, "out of memory");
		return CLI_UNKNOWN;
	}
	free(*ret);
	*ret = copy;
	return -1;
}

enum cli_letter {
	CLI_DRY_RUN = 1,
	CLI_ROOT,
	CLI_CONFIG,
	CLI_FORMAT,
	CLI_HELP,
	CLI_VERSION,
};

static const struct cli_switch {
	const char *name;
	const char *argument; /* NULL: it takes none */
	const char *help;     /* NULL: its verb tells */
	enum cli_letter letter;
} cli_switches[] = {
	{"dry-run", NULL, NULL, CLI_DRY_RUN},
	{"format", "FORMAT", "how to report", CLI_FORMAT},
	{"root", "DIR", "read a recorded tree instead of this host; nothing is acted on", CLI_ROOT},
	{"config", "FILE", "read this file instead of /etc/sshd-heal.conf", CLI_CONFIG},
	{"help", NULL, "this text", CLI_HELP},
	{"version", NULL, "the version", CLI_VERSION},
};

/* "--format=text|json" */
static void cli_describe(const struct cli_switch *which, char *ret, size_t size)
{
	bool has_list = which->letter == CLI_FORMAT;

	*ret = '\0';
	heal_append(ret, size, "--%s", which->name);
	if (which->argument && !has_list)
		heal_append(ret, size, "=%s", which->argument);
	for (size_t i = 0; has_list && heal_formats[i].name; i++)
		heal_append(ret, size, "%s%s", i ? "|" : "=", heal_formats[i].name);
}

static void cli_usage(FILE *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(cli_verbs); i++)
		(void)fprintf(out, "%s sshd-heal %-20s%s\n", i ? "      " : "usage:",
			      cli_verbs[i].synopsis, cli_verbs[i].help);
	(void)fputs("\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(cli_switches); i++) {
		char text[64];

		cli_describe(&cli_switches[i], text, sizeof(text));
		if (cli_switches[i].help)
			(void)fprintf(out, "  %-20s%s\n", text, cli_switches[i].help);
	}
	(void)fputs("\nexit status: 0 fine or healed, 1 stale, 2 clients are refused or healing failed,\n"
		    "3 could not find out; a hook always exits 0\n",
		    out);
}

static int cli_option(const struct cli *cli, int letter, const char *word,
		      struct cli_options *options)
{
	switch (letter) {
	case CLI_DRY_RUN:
		options->is_dry_run = true;
		return -1;
	case CLI_ROOT:
		return cli_path(cli, optarg, &options->root);
	case CLI_CONFIG:
		return cli_path(cli, optarg, &options->config);
	case CLI_FORMAT:
		options->format = heal_format_find(optarg);
		return options->format ? -1 : cli_bad_usage(cli, "unknown format", optarg);
	case CLI_HELP:
		cli_usage(cli->out);
		return CLI_OK;
	case CLI_VERSION:
		(void)fprintf(cli->out, "sshd-heal %s\n", cli->version);
		return CLI_OK;
	default:
		return cli_bad_usage(cli, "unknown or incomplete option", word);
	}
}

/* Parses the options; every one of them is looked at, so that the verb is known in any case. */
static int cli_parse_options(const struct cli *cli, int argc, char **argv,
			     struct cli_options *options)
{
	struct option longs[ARRAY_SIZE(cli_switches) + 1] = {0};
	int status = -1;
	int c;

	for (size_t i = 0; i < ARRAY_SIZE(cli_switches); i++)
		longs[i] = (struct option){
			.name = cli_switches[i].name,
			.has_arg = cli_switches[i].argument ? required_argument : no_argument,
			.val = cli_switches[i].letter,
		};
	opterr = 0;
	/* 0 starts getopt(3) anew. */
	optind = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
		int r = status < 0 ? cli_option(cli, c, argv[optind - 1], options) : -1;

		status = status < 0 ? r : status;
	}
	options->verb = optind < argc ? argv[optind++] : "check";
	options->words = argv + optind;
	options->n_words = argc - optind;
	return status;
}

int cli_parse(const struct cli *cli, int argc, char **argv, struct cli_options *ret)
{
	int status = cli_parse_options(cli, argc, argv, ret);

	if (status < 0 && !ret->root)
		status = cli_path(cli, "/", &ret->root);
	if (status < 0 && ret->is_dry_run && strcmp(ret->verb, "heal") != 0)
		status = cli_bad_usage(cli, "--dry-run goes with heal, not with", ret->verb);
	return status > 0 && cli_is_hook(ret) ? CLI_OK : status;
}

void cli_options_done(struct cli_options *options)
{
	free(options->root);
	free(options->config);
	*options = (struct cli_options){0};
}

int cli_run(const struct cli *cli, const struct cli_options *options)
{
	const struct cli_verb *verb = cli_find_verb(options->verb);

	return verb ? verb->run(cli, options) : cli_bad_usage(cli, "unknown verb", options->verb);
}
