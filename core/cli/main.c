/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process: what it has from its caller, what may end it, and when. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "host/context.h"
#include "host/syslog.h"

#ifndef HEAL_VERSION

#error "HEAL_VERSION comes from the Makefile"

#endif

#ifndef HEAL_MODULE_DIR

#error "HEAL_MODULE_DIR comes from the Makefile"

#endif

/* What has no deadline yet, ends after as long as the usual one. */
#define MAIN_LIMIT_S 30
/* A hook that is still there this long after its deadline is ended, whatever holds it. */
#define MAIN_GRACE_S 5
/* And where even that does not end it, the kernel does. */
#define MAIN_KILL_S 2

/* The exit status of a run that is given up; read by the handlers. */
static volatile sig_atomic_t main_status = CLI_UNKNOWN;

static struct heal_context *volatile main_watched;

static timer_t main_timer;

static bool main_has_timer;

static void main_log(int priority, const char *line)
{
	static bool is_stuck;

	/* Whoever keeps the log from taking anything, does not keep us; nor once more for each line. */
	is_stuck = is_stuck || heal_log_is_stuck();
	if (is_stuck)
		return;
	openlog("sshd-heal", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	syslog(priority, "%s", line);
	closelog();
}

_Noreturn static void main_give_up(const char *line, size_t len)
{
	/* Nothing can be done about a failed write here; a hook must end, and well. */
	if (write(STDERR_FILENO, line, len) < 0)
		_exit(main_status);
	_exit(main_status);
}

/*
 * The last resort against anything that hangs inside a library or the kernel: first a
 * signal, whose handler can say so, then one that also ends a wait that no handler can
 * interrupt. 0 takes both back.
 */
static void main_limit(unsigned seconds)
{
	const struct itimerspec when = {.it_value.tv_sec = seconds ? seconds + MAIN_KILL_S : 0};

	(void)alarm(seconds);
	if (main_has_timer)
		(void)timer_settime(main_timer, 0, &when, NULL);
}

static void main_on_alarm(int signal)
{
	static const char line[] = "sshd-heal: gave up, it took too long\n";

	(void)signal;
	/* Its deadline may have moved once the configuration was read. */
	if (main_watched &&
	    heal_now_ms() < main_watched->deadline_ms + MAIN_GRACE_S * INT64_C(1000)) {
		main_limit(1);
		return;
	}
	main_give_up(line, sizeof(line) - 1);
}

static void main_on_term(int signal)
{
	static const char line[] = "sshd-heal: told to end, and has changed nothing\n";

	(void)signal;
	main_give_up(line, sizeof(line) - 1);
}

/* From here on sshd may be in the middle of what we do to it. */
static void main_on_act(void)
{
	(void)signal(SIGTERM, SIG_IGN);
}

static void main_watch(struct heal_context *ctx)
{
	main_watched = ctx;
	main_limit(MAIN_LIMIT_S + MAIN_GRACE_S);
}

static void main_unwatch(void)
{
	main_watched = NULL;
	main_limit(0);
}

static void main_arm(void)
{
	struct sigaction action = {.sa_handler = main_on_alarm, .sa_flags = SA_RESTART};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};

	main_has_timer = timer_create(CLOCK_MONOTONIC, &event, &main_timer) == 0;
	if (sigaction(SIGALRM, &action, NULL) == 0)
		main_watch(NULL);
}

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

/*
 * A terminal or a reader of our output that goes away must not end or stop us half-way
 * through an action, nor an impatient key: the deadline will. SIGTERM ends what has not
 * begun to act. And whatever our caller ignored or blocked, we wait for children and for
 * the alarm.
 */
static void main_set_signals(bool acts)
{
	static const int ignored[] = {SIGPIPE, SIGHUP,	SIGINT,	 SIGQUIT,
				      SIGTSTP, SIGTTIN, SIGTTOU, SIGXCPU};
	sigset_t none;

	for (size_t i = 0; i < (acts ? ARRAY_SIZE(ignored) : 1); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)signal(SIGTERM, main_on_term);
	(void)signal(SIGCHLD, SIG_DFL);
	if (sigemptyset(&none) == 0)
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Where we were started from; NULL: it is not known. */
static const char *main_program;

/*
 * As a new program, with the libraries of now: the one that was started, which may have
 * been replaced since, or else the very same.
 */
static void main_become(const char *hook)
{
	const char *program = main_program ? main_program : "/proc/self/exe";
	/* By its name it is found again: a third program must not be the first one's file. */
	char *const argv[] = {(char *)program, (char *)"hook", (char *)hook, NULL};
	static char *const nothing[] = {NULL};

	(void)execve(program, argv, nothing);
	/* Where it was removed, its modules were, too, and nobody wants it any more. */
	if (errno == ENOENT)
		_exit(main_status);
}

static int main_go(const struct cli *cli, int argc, char **argv)
{
	_cleanup_(cli_options_done) struct cli_options options = {0};
	int status = cli_parse(cli, argc, argv, &options);

	if (status >= 0)
		return status;
	main_status = cli_giving_up(&options);
	main_set_signals(cli_acts(&options));
	main_arm();
	return cli_run(cli, &options);
}

/*
 * The dynamic loader has read its part of the environment before main, and goes by it
 * with every library of a module: only a new execution is free of it, ld.so(8). Where it
 * fails we go on: it is root's own environment.
 */
static void main_leave_environment(char **argv)
{
	static const char *const prefixes[] = {"LD_", "GLIBC_TUNABLES=", "MALLOC_", "GCONV_PATH="};
	static char *const nothing[] = {NULL};
	bool is_clean = true;

	for (char **entry = environ; *entry; entry++)
		for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
			is_clean &= strncmp(*entry, prefixes[i], strlen(prefixes[i])) != 0;
	if (!is_clean)
		(void)execve("/proc/self/exe", argv, nothing);
	(void)clearenv();
}

/* Everything but what is given: nothing that our caller has is meant for us. */
static int main_in_root(int argc, char **argv, const char *cwd)
{
	const struct cli cli = {
		.out = stdout,
		.err = stderr,
		.in_fd = STDIN_FILENO,
		.version = HEAL_VERSION,
		.module_dir = HEAL_MODULE_DIR,
		.cwd = cwd,
		.log = main_log,
		.watch = main_watch,
		.unwatch = main_unwatch,
		.on_act = main_on_act,
		.become = main_become,
	};

	main_open_stdio();
	/* What everybody may read, /run/motd.d among it, is no matter of the caller's. */
	(void)umask(022);
	return main_go(&cli, argc, argv);
}

int main(int argc, char **argv)
{
	char cwd[PATH_MAX];
	bool has_name;

	main_leave_environment(argv);
	main_program = argc > 0 && *argv[0] == '/' ? argv[0] : NULL;
	/* The kernel knows it; getcwd(3) may walk over what hangs. What it cannot reach has no name. */
	has_name = syscall(SYS_getcwd, cwd, sizeof(cwd)) > 0 && *cwd == '/';
	/* Anybody may write to the directory that names would be looked up in. */
	if (chdir("/") < 0) {
		(void)fprintf(stderr, "sshd-heal: going to /: %s\n", strerror(errno));
		return argc > 1 && strcmp(argv[1], "hook") == 0 ? CLI_OK : CLI_UNKNOWN;
	}
	return main_in_root(argc, argv, has_name ? cwd : NULL);
}
