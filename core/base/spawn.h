/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs that we run. */
#ifndef SSHD_HEAL_BASE_SPAWN_H
#define SSHD_HEAL_BASE_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A program to be run. */
struct heal_command {
	const char *path;  /* absolute */
	char *const *argv;
	char *const *environment; /* NULL: nothing but PATH */
	const char *cwd;   /* absolute; NULL: / */
	int fds[3];        /* its 0 to 2; -1 is /dev/null */
	/*
	 * Called in the new process before anything else of the above, in new namespaces of
	 * these kinds (CLONE_NEWNET and the like, clone(2)). It may do no more than a signal
	 * handler may, signal-safety(7). Returns 0 or -errno. NULL: there is none.
	 */
	int (*enter)(void *user);
	void *user;
	unsigned long namespaces;
};

/*
 * Starts a program by its path in a process group of its own. Errors: those of posix_spawn(3);
 * of clone(2), and what enter gave.
 */
int heal_spawn_start(const struct heal_command *command, pid_t *ret);
/* Waits for its end; gives its exit status, 128 and more for a signal. Its group ends with it. -ETIMEDOUT. */
int heal_spawn_wait(pid_t pid, int timeout_ms, int *ret);
/* Whether somebody has ended it by SIGKILL, as the kernel does when memory runs out. */
bool heal_spawn_was_killed(pid_t pid);
/* Ends it with its whole group, and reaps it. */
int heal_spawn_end(pid_t pid);

/* What a program said. Both texts end in a NUL; what was too much of them is left out. */
struct heal_output {
	char *text;  /* its standard output */
	size_t len;
	char *words; /* its standard error */
	int status;  /* as heal_spawn_wait() gives it */
};

/*
 * Runs a program to its end, at most until deadline_ms of CLOCK_MONOTONIC, and gives
 * what it said; fds[1] and fds[2] do not matter. Errors: those of starting it, -ETIMEDOUT.
 */
int heal_spawn_capture(const struct heal_command *command, int64_t deadline_ms,
			 struct heal_output *ret);
void heal_output_done(struct heal_output *output);

#endif
