/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: one table of verbs. */
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/hook.h"
#include "cli/run.h"
#include "report.h"
#include "tell/format.h"

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

/* What is asked about must be a word of ours as well as of those who are asked. */
static int cli_diagnose(const struct cli *cli, const struct cli_options *options)
{
	static const char names[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._$-\\";
	const char *from = options->question.from;
	const char *user = options->question.user;
	unsigned char address[sizeof(struct in6_addr)];

	if (options->n_words > 0)
		return cli_bad_usage(cli, "diagnose takes no argument", options->words[0]);
	if (from && inet_pton(strchr(from, ':') ? AF_INET6 : AF_INET, from, address) != 1)
		return cli_bad_usage(cli, "--from takes an IP address, not", from);
	if (user && (!*user || *user == '-' || user[strspn(user, names)]))
		return cli_bad_usage(cli, "--user takes the name of a user, not", user);
	return cli_way(cli, options, HEAL_DIAGNOSE);
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
	{"diagnose", "diagnose", "why clients are turned away, by experiment", cli_diagnose, false},
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
	CLI_FROM,
	CLI_USER,
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
	{"from", "ADDRESS", "diagnose for a client of this address", CLI_FROM},
	{"user", "NAME", "diagnose for who would log in as this user", CLI_USER},
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
	(void)fputs("\nexit status: 0 fine or healed, 1 stale or at risk, 2 clients are refused, nothing\n"
		    "listens or healing failed, 3 could not find out; a hook always exits 0\n",
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
	case CLI_FROM:
		options->question.from = optarg;
		return -1;
	case CLI_USER:
		options->question.user = optarg;
		return -1;
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
	if (status < 0 && (ret->question.from || ret->question.user) && strcmp(ret->verb, "diagnose") != 0)
		status = cli_bad_usage(cli, "--from and --user go with diagnose, not with", ret->verb);
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
