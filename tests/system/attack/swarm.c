/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * swarm [-n N] [-d N] [-l] [-j] [-u] [-t TITLE]: processes of an ordinary user that cost
 * whoever looks at them. Prints the process group to be killed once all is in place.
 *
 *   -n N      N more processes that share the memory and the descriptors of the first
 *   -d N      N descriptors
 *   -l        nobody can take the memory's lock any more: /proc/PID/cmdline, environ
 *             and maps of any of them are waited for until the group is killed
 *   -j        with -l: then fills /dev/log, whose reader reads the cmdline of its writers
 *   -u        undumpable: their directories in /proc are root's, proc(5)
 *   -t TITLE  what /proc/PID/cmdline says
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuse.h"

#define SWARM_STACK 4096
#define SWARM_MOUNT "/mnt"
/* Each of them may have so many lines on their way; the reader's queue has room for some. */
#define SWARM_LOGS 8
#define SWARM_LINES 1000

struct swarm {
	int n_processes;
	int n_descriptors;
	bool holds_lock;
	bool fills_log;
	bool is_undumpable;
	const char *title;
};

static _Noreturn void swarm_fail(const char *what)
{
	perror(what);
	exit(1);
}

/* Without any use of what it shares with the others. */
static int swarm_idle(void *unused)
{
	(void)unused;
	for (;;)
		(void)syscall(SYS_pause);
	return 0;
}

/* Each with PID 1 for its parent in the end, as a listener has. */
static void swarm_clone(int n)
{
	char *stacks = mmap(NULL, (size_t)(n + 1) * SWARM_STACK, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (stacks == MAP_FAILED)
		swarm_fail("mmap");
	for (int i = 0; i < n; i++)
		if (clone(swarm_idle, stacks + (size_t)(i + 1) * SWARM_STACK,
			  CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_PARENT | SIGCHLD, NULL) < 0)
			swarm_fail("clone");
}

static void swarm_open(int n)
{
	struct rlimit limit;
	int fd = open("/dev/null", O_RDONLY);

	if (fd < 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		swarm_fail("getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		swarm_fail("setrlimit");
	for (int i = 0; i < n; i++)
		if (dup(fd) < 0)
			swarm_fail("dup");
}

/*
 * The first attempt at a page lets go of the lock while it waits, the second one
 * does not, mm/filemap.c: this thread has it for reading, for ever.
 */
static void *swarm_touch(void *page)
{
	return (void *)(intptr_t) * (volatile char *)page;
}

/* Wants the lock for writing; behind whoever waits for that, readers queue up, too. */
static void *swarm_write(void *unused)
{
	for (;;) {
		void *page = mmap(NULL, SWARM_STACK, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (page != MAP_FAILED)
			(void)munmap(page, SWARM_STACK);
		(void)usleep(1000);
	}
	return unused;
}

/* The one who waits for us, at the other end of standard error, hears that all is in place. */
static void swarm_tell(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || write(STDERR_FILENO, "", 1) < 0 || dup2(null, STDERR_FILENO) < 0)
		_exit(1);
	(void)close(null);
}

/* Called in the server's process, whose memory is its own. */
static void swarm_is_held(void *unused)
{
	(void)unused;
	/* Time for the other thread to queue up. */
	(void)usleep(100000);
	swarm_tell();
}

/* A page that cannot be had. Whoever shares memory may have no namespaces of its own. */
static void *swarm_map(void)
{
	int fuse = fuse_mount(SWARM_MOUNT);
	void *page;
	pid_t pid;
	int fd;

	if (fuse < 0)
		swarm_fail("mounting");
	pid = fork();
	if (pid < 0)
		swarm_fail("fork");
	if (pid == 0)
		fuse_serve(fuse, swarm_is_held, NULL);
	(void)close(fuse);
	fd = open(SWARM_MOUNT "/file", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		swarm_fail("opening the file");
	page = mmap(NULL, SWARM_STACK, PROT_READ, MAP_PRIVATE, fd, 0);
	/* Nothing is to be read ahead. */
	if (page == MAP_FAILED || madvise(page, SWARM_STACK, MADV_RANDOM) < 0)
		swarm_fail("mapping the file");
	return page;
}

static void swarm_hold(void *page)
{
	pthread_t threads[2];

	if (pthread_create(&threads[0], NULL, swarm_write, NULL) != 0 ||
	    pthread_create(&threads[1], NULL, swarm_touch, page) != 0)
		swarm_fail("starting a thread");
}

static void swarm_open_logs(int logs[SWARM_LOGS])
{
	const struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};

	for (int i = 0; i < SWARM_LOGS; i++) {
		logs[i] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (logs[i] < 0 || connect(logs[i], (const struct sockaddr *)&name, sizeof(name)) < 0)
			swarm_fail("/dev/log");
	}
}

static void swarm_fill_logs(const int logs[SWARM_LOGS])
{
	static const char line[] = "<14>swarm: a line";
	int n_sent = 0;

	/* As long as for the lock to be held. */
	(void)usleep(300000);
	for (int i = 0; i < SWARM_LOGS * SWARM_LINES; i++)
		if (send(logs[i % SWARM_LOGS], line, sizeof(line), MSG_DONTWAIT) > 0)
			n_sent++;
	if (n_sent == 0)
		_exit(1);
}

static _Noreturn void swarm_run(const struct swarm *swarm)
{
	void *page = swarm->holds_lock ? swarm_map() : NULL;
	int logs[SWARM_LOGS];

	if (swarm->fills_log)
		swarm_open_logs(logs);
	swarm_open(swarm->n_descriptors);
	swarm_clone(swarm->n_processes);
	if (swarm->is_undumpable && prctl(PR_SET_DUMPABLE, 0) < 0)
		swarm_fail("prctl");
	if (page)
		swarm_hold(page);
	else
		swarm_tell();
	(void)close(STDERR_FILENO);
	if (swarm->fills_log)
		swarm_fill_logs(logs);
	(void)swarm_idle(NULL);
	_exit(1);
}

/* Left behind by its parent, as anybody's process may be: PID 1 is its parent then. */
static pid_t swarm_start(const struct swarm *swarm, int *ret)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int pair[2];
	pid_t pid;

	if (null < 0 || pipe2(pair, O_CLOEXEC) < 0)
		swarm_fail("pipe");
	pid = fork();
	if (pid < 0)
		swarm_fail("fork");
	if (pid == 0) {
		/* Nobody is to wait for our end but at the pipe. */
		if (setsid() < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
		    dup2(pair[1], STDERR_FILENO) < 0)
			swarm_fail("setsid");
		(void)close(null);
		(void)close(pair[0]);
		(void)close(pair[1]);
		swarm_run(swarm);
	}
	(void)close(pair[1]);
	*ret = pair[0];
	return pid;
}

/* The arguments lie in a row, and the title is one of them: there is room for it. */
static void swarm_set_title(int argc, char **argv, const char *title)
{
	size_t room = (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) - argv[0]);
	char *copy = title ? strdup(title) : NULL;

	if (!copy)
		return;
	memset(argv[0], 0, room);
	memcpy(argv[0], copy, strlen(copy));
	free(copy);
}

int main(int argc, char **argv)
{
	struct swarm swarm = {0};
	char words[256];
	ssize_t n;
	pid_t pid;
	int fd;
	int c;

	while ((c = getopt(argc, argv, "n:d:ljut:")) >= 0) {
		switch (c) {
		case 'n':
			swarm.n_processes = atoi(optarg);
			break;
		case 'd':
			swarm.n_descriptors = atoi(optarg);
			break;
		case 'l':
			swarm.holds_lock = true;
			break;
		case 'j':
			swarm.fills_log = true;
			break;
		case 'u':
			swarm.is_undumpable = true;
			break;
		case 't':
			swarm.title = optarg;
			break;
		default:
			return 2;
		}
	}
	swarm_set_title(argc, argv, swarm.title);
	pid = swarm_start(&swarm, &fd);
	n = read(fd, words, sizeof(words));
	if (n <= 0 || words[0] != '\0') {
		(void)fprintf(stderr, "swarm: %.*s\n", n < 0 ? 0 : (int)n, words);
		return 1;
	}
	(void)printf("%d\n", (int)pid);
	return 0;
}
