/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: one table of verbs. */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <sys/stat.h>
#include <syslog.h>

#include "internal.h"

#ifndef HEAL_VERSION
#error "HEAL_VERSION comes from the Makefile"
#endif
#ifndef HEAL_MODULE_DIR
#error "HEAL_MODULE_DIR comes from the Makefile"
#endif

/* A hook that is still there this long after its deadline is ended, whatever holds it. */
#define MAIN_GRACE_S 5

/* How long sshd-heal.service waits for the end of a transaction, and how often it looks again. */
#define MAIN_TRANSACTION_MS INT64_C(600000)
#define MAIN_TRANSACTION_PAUSE_MS 100
#define MAIN_ROUNDS 10

enum main_status {
	MAIN_OK = 0,
	MAIN_UNKNOWN = 3,
};

struct main_options {
	const char *root;
	const char *config; /* NULL: the host's own */
	bool is_json;
	bool is_dry_run;
};

/* The run that the alarm watches; its deadline may move once the configuration is read. */
static struct heal_context *volatile main_watched;
static volatile enum main_status main_alarm_status;

struct main_verb {
	const char *name;
	int (*run)(const struct main_options *options, int argc, char **argv);
};

static void main_usage(FILE *out)
{
	(void)fputs("usage: sshd-heal [check]             what is stale; reads only\n"
		    "       sshd-heal heal [--dry-run]    take up the files on disk where sshd is stale\n"
		    "       sshd-heal hook NAME           for the package managers\n"
		    "\n"
		    "  --format=text|json  how to report\n"
		    "  --root=DIR          read a recorded tree instead of this host; nothing is acted on\n"
		    "  --config=FILE       read this file instead of /etc/sshd-heal.conf\n"
		    "  --help              this text\n"
		    "  --version           the version\n"
		    "\n"
		    "exit status: 0 fine or healed, 1 stale, 2 clients are refused or healing failed,\n"
		    "3 could not find out; "
		    "a hook always exits 0\n",
		    out);
}

static int main_bad_usage(const char *what, const char *word)
{
	char safe[128];

	heal_safe(safe, sizeof(safe), word);
	(void)fprintf(stderr, "sshd-heal: %s: %s (see sshd-heal --help)\n", what, safe);
	return MAIN_UNKNOWN;
}

static void main_complain(const char *message)
{
	(void)fprintf(stderr, "sshd-heal: %s\n", message);
}

static void main_log(int priority, const char *line)
{
	openlog("sshd-heal", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	syslog(priority, "%s", line);
	closelog();
}

/* Whether the root is that of this machine, however it is written. */
static bool main_is_live(const struct main_options *options)
{
	struct stat root;
	struct stat ours;

	return stat(options->root, &root) == 0 && stat("/", &ours) == 0 &&
	       root.st_dev == ours.st_dev && root.st_ino == ours.st_ino;
}

/* Writes a line per stale listener to syslog, where the journal finds it, and what came up. */
static void main_log_report(const struct heal_report *report)
{
	bool is_stale = false;

	for (size_t i = 0; i < report->listeners.count; i++) {
		const struct heal_listener *listener = &report->listeners.items[i];
		_cleanup_free_ char *line = NULL;
		size_t len = 0;
		int priority;
		FILE *out;

		if (!listener->n_stale)
			continue;
		is_stale = true;
		out = open_memstream(&line, &len);
		if (!out)
			return;
		priority = heal_report_log(out, listener);
		if (fclose(out) == 0)
			main_log(priority, line);
	}
	for (size_t i = 0; is_stale && i < report->notes.count; i++)
		main_log(LOG_WARNING, report->notes.lines[i]);
}

/* Tells an error of the whole run, and lets syslog know. */
static int main_fail(const struct main_options *options, const struct heal_error *error)
{
	main_complain(error->message);
	if (main_is_live(options))
		main_log(LOG_ERR, error->message);
	return MAIN_UNKNOWN;
}

static int main_report(struct heal_context *ctx, const struct main_options *options,
		       enum heal_verb verb, const struct heal_report *report)
{
	struct heal_error error = {0};

	if (options->is_json) {
		for (size_t i = 0; i < report->notes.count; i++)
			main_complain(report->notes.lines[i]);
		if (heal_report_json(ctx, stdout, report, &error) < 0)
			return main_fail(options, &error);
	} else if (heal_report_text(stdout, report, verb) < 0) {
		main_complain("writing the report to standard output failed");
	}
	return heal_report_status(report);
}

static void main_unwatch(struct heal_context **ctx)
{
	main_watched = NULL;
	(void)heal_context_free(*ctx);
}

/* Runs the way and reports. */
static int main_run(const struct main_options *options, enum heal_verb verb)
{
	_cleanup_(main_unwatch) struct heal_context *ctx = NULL;
	_cleanup_(heal_report_done) struct heal_report report = {0};
	struct heal_error error = {0};
	int status;

	if (main_is_live(options) && geteuid() != 0) {
		main_complain("it needs root to look at sshd's mappings");
		return MAIN_UNKNOWN;
	}
	if (heal_context_new(&ctx, options->root, HEAL_MODULE_DIR, &error) < 0)
		return main_fail(options, &error);
	main_watched = ctx;
	/* A hook reads its configuration only when there is something to decide. */
	if (verb != HEAL_HOOK && heal_config_load(ctx, options->config, &error) < 0)
		return main_fail(options, &error);
	if (heal_run(ctx, verb, &report, &error) < 0)
		return main_fail(options, &error);
	/* Told first: a journal that hangs must not keep it from the terminal. */
	status = main_report(ctx, options, verb, &report);
	if (main_is_live(options) && (verb == HEAL_HEAL || verb == HEAL_HOOK)) {
		main_log_report(&report);
		if (heal_motd_update(ctx, &report) < 0)
			main_complain("writing /run/motd.d/sshd-heal failed");
	}
	return status;
}

static int main_check(const struct main_options *options, int argc, char **argv)
{
	if (argc > 0)
		return main_bad_usage("check takes no argument", argv[0]);
	return main_run(options, HEAL_CHECK);
}

static int main_heal(const struct main_options *options, int argc, char **argv)
{
	if (argc > 0)
		return main_bad_usage("heal takes no argument", argv[0]);
	return main_run(options, options->is_dry_run ? HEAL_DRY_RUN : HEAL_HEAL);
}

static void main_on_alarm(int signal)
{
	static const char line[] = "sshd-heal: gave up, it took too long\n";
	int64_t end = main_watched ? main_watched->deadline_ms + MAIN_GRACE_S * INT64_C(1000) : 0;

	(void)signal;
	if (heal_now_ms() < end) {
		(void)alarm(1);
		return;
	}
	/* Nothing can be done about a failed write here; the hook must end, and well. */
	if (write(STDERR_FILENO, line, sizeof(line) - 1) < 0)
		_exit(main_alarm_status);
	_exit(main_alarm_status);
}

/* The last resort against anything that hangs inside a library or the kernel. */
static void main_arm_alarm(enum main_status status)
{
	struct sigaction action = {.sa_handler = main_on_alarm, .sa_flags = SA_RESTART};

	main_alarm_status = status;
	if (sigaction(SIGALRM, &action, NULL) == 0)
		(void)alarm(30 + MAIN_GRACE_S);
}

/* How a package manager tells a hook what a transaction changes. */
enum main_input {
	MAIN_NOTHING,
	MAIN_APT,   /* apt's list of packages, DPkg::Pre-Install-Pkgs */
	MAIN_LINES, /* a line per package */
	MAIN_DNF5,  /* answers to requests */
	MAIN_FILES, /* the files that are about to be removed, a line each */
	MAIN_RPM,   /* not at all, and there may be more than one */
};

static int main_read_event(struct heal_context *ctx, enum main_input input,
			   struct heal_event *event, struct heal_notes *notes,
			   struct heal_error *error)
{
	switch (input) {
	case MAIN_DNF5:
		return heal_event_ask_dnf5(ctx, STDIN_FILENO, STDOUT_FILENO, event, error);
	case MAIN_FILES:
		return heal_event_of_files(ctx, STDIN_FILENO, event, notes, error);
	default:
		return heal_event_read(STDIN_FILENO, ctx->deadline_ms, HEAL_EVENT_LINES, event,
				       notes);
	}
}

/* Notes what the package manager changes, for the report. */
static void main_note(const struct main_options *options, enum main_input input, bool is_over)
{
	_cleanup_(heal_context_freep) struct heal_context *ctx = NULL;
	_cleanup_(heal_event_done) struct heal_event event = {0};
	struct heal_notes notes = {0};
	struct heal_error error = {0};
	int64_t deadline = heal_now_ms() + 30000;
	int r = 0;

	/* apt gives up when nobody takes its stream, so that is done whatever else fails. */
	if (input == MAIN_APT)
		r = heal_event_read(STDIN_FILENO, deadline, HEAL_EVENT_APT, &event, &notes);
	if (r == 0)
		r = heal_context_new(&ctx, options->root, HEAL_MODULE_DIR, &error);
	/* Where it is over and nothing is stale, nobody will ask for versions. */
	if (r == 0 && is_over && !heal_is_stale(ctx))
		return;
	if (r == 0 && input != MAIN_APT)
		r = main_read_event(ctx, input, &event, &notes, &error);
	if (r == 0)
		r = heal_event_note(ctx, &event, &error);
	if (r < 0)
		main_complain(r == -ENOMEM ? "out of memory" : error.message);
	for (size_t i = 0; i < notes.count; i++)
		main_complain(notes.lines[i]);
	heal_notes_done(&notes);
}

static const struct main_hook {
	const char *name;
	enum main_input input;
	bool is_over; /* the transaction, so that something can be done */
} main_hooks[] = {
	{"apt-pre-install", MAIN_APT, false},
	{"apt", MAIN_NOTHING, true},
	{"dpkg", MAIN_NOTHING, true},
	{"dnf4", MAIN_LINES, true},
	{"dnf5", MAIN_DNF5, true},
	{"yum", MAIN_LINES, true},
	{"rpm-pre", MAIN_FILES, false},
	{"rpm", MAIN_RPM, true},
};

/*
 * For sshd-heal.service. rpm's trigger fires while its transaction is going on, and a
 * start of the service that comes while it is at work would be lost.
 */
static void main_run_rpm(const struct main_options *options)
{
	_cleanup_(heal_context_freep) struct heal_context *ctx = NULL;
	struct heal_error error = {0};
	int rounds = 0;

	if (heal_context_new(&ctx, options->root, HEAL_MODULE_DIR, &error) < 0) {
		(void)main_fail(options, &error);
		return;
	}
	(void)heal_wanted_take(ctx);
	do {
		int64_t end = heal_now_ms() + MAIN_TRANSACTION_MS;

		/* Nobody waits for us here, and what is half installed is not to be tried. */
		(void)alarm(0);
		while (heal_transaction_is_on(ctx) && heal_now_ms() < end)
			heal_sleep_ms(MAIN_TRANSACTION_PAUSE_MS);
		main_arm_alarm(MAIN_OK);
		(void)main_run(options, HEAL_HOOK);
	} while (heal_wanted_take(ctx) && ++rounds < MAIN_ROUNDS);
}

static int main_run_hook(const struct main_options *options, const struct main_hook *hook)
{
	if (hook->input == MAIN_RPM) {
		main_run_rpm(options);
		return MAIN_OK;
	}
	if (hook->input != MAIN_NOTHING)
		main_note(options, hook->input, hook->is_over);
	/* dnf 5 takes what comes from standard output for requests. */
	if (hook->input == MAIN_DNF5 && dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return MAIN_OK;
	if (hook->is_over)
		(void)main_run(options, HEAL_HOOK);
	return MAIN_OK;
}

static int main_hook(const struct main_options *options, int argc, char **argv)
{
	if (argc > 1) {
		(void)main_bad_usage("hook takes one name, not also", argv[1]);
		return MAIN_OK;
	}
	for (size_t i = 0; argc == 1 && i < ARRAY_SIZE(main_hooks); i++)
		if (strcmp(argv[0], main_hooks[i].name) == 0)
			return main_run_hook(options, &main_hooks[i]);
	/* Still no reason to fail a package manager. */
	(void)main_bad_usage("unknown hook", argc > 0 ? argv[0] : "(none)");
	return MAIN_OK;
}

static const struct main_verb main_verbs[] = {
	{"check", main_check},
	{"heal", main_heal},
	{"hook", main_hook},
};

/* Descriptors 0 to 2 must be open, or the next open() gets one of them. */
static void main_open_stdio(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* The lowest free one is this one. A chroot may have no /dev: then any does. */
		if (open("/dev/null", O_RDWR) < 0 && open("/", O_RDONLY | O_DIRECTORY) < 0)
			return;
	}
}

/* Gives the exit status when the options alone decide it, -1 otherwise. */
static int main_parse(struct main_options *options, int argc, char **argv)
{
	static const struct option longs[] = {
		{"dry-run", no_argument, NULL, 'n'},
		{"root", required_argument, NULL, 'r'},
		{"config", required_argument, NULL, 'c'},
		{"format", required_argument, NULL, 'f'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
		switch (c) {
		case 'n':
			options->is_dry_run = true;
			break;
		case 'r':
			options->root = optarg;
			break;
		case 'c':
			options->config = optarg;
			break;
		case 'f':
			options->is_json = strcmp(optarg, "json") == 0;
			if (!options->is_json && strcmp(optarg, "text") != 0)
				return main_bad_usage("unknown format", optarg);
			break;
		case 'h':
			main_usage(stdout);
			return MAIN_OK;
		case 'V':
			(void)puts("sshd-heal " HEAL_VERSION);
			return MAIN_OK;
		default:
			return main_bad_usage("unknown or incomplete option", argv[optind - 1]);
		}
	}
	return -1;
}

/*
 * A terminal or a reader of our output that goes away must not end us half-way
 * through an action, nor an impatient key: the deadline will. And whatever our
 * caller ignored or blocked, we wait for children and for the alarm.
 */
static void main_set_signals(bool acts)
{
	static const int ignored[] = {SIGPIPE, SIGHUP, SIGINT, SIGTERM};
	sigset_t none;

	for (size_t i = 0; i < (acts ? ARRAY_SIZE(ignored) : 1); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	if (sigemptyset(&none) == 0)
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

int main(int argc, char **argv)
{
	struct main_options options = {.root = "/"};
	const char *name;
	int r;

	/* Nothing of the caller's environment is meant for us, or for the libraries behind us. */
	(void)clearenv();
	main_open_stdio();
	r = main_parse(&options, argc, argv);
	if (r >= 0)
		return r;
	name = optind < argc ? argv[optind++] : "check";
	main_set_signals(strcmp(name, "check") != 0);
	main_arm_alarm(strcmp(name, "hook") == 0 ? MAIN_OK : MAIN_UNKNOWN);
	if (options.is_dry_run && strcmp(name, "heal") != 0)
		return main_bad_usage("--dry-run goes with heal, not with", name);
	for (size_t i = 0; i < ARRAY_SIZE(main_verbs); i++)
		if (strcmp(name, main_verbs[i].name) == 0)
			return main_verbs[i].run(&options, argc - optind, argv + optind);
	return main_bad_usage("unknown verb", name);
}
