/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Throwaway root directories that look like a host: /proc with a PID 1, and
 * whatever a test adds. They lie in $TMPDIR, /dev/shm or /tmp, and are removed after
 * the test. Whatever goes wrong in here fails the test.
 */
#ifndef SSHD_HEAL_TREE_H
#define SSHD_HEAL_TREE_H

#include "core.h"

/* The listener of most trees, and the one that comes after it. */
#define PID 34
#define NEW_PID 99

struct tree {
	int fd;
	char path[512];
};

/* One process; what is left out is that of a listener of root from OpenSSH 9.2. */
struct tree_process {
	pid_t pid;
	pid_t ppid;         /* 0: PID 1 */
	const char *comm;   /* NULL: "sshd" */
	const char *exe;    /* NULL: "/usr/sbin/sshd"; "": none, as when it has just ended */
	const char *title;  /* the cmdline, '|' standing for NUL; NULL: that of a listener */
	const char *uids;   /* real, effective, saved, filesystem; NULL: "0 0 0 0" */
	const char *root;   /* NULL: "/" */
	const char *mnt_ns; /* NULL: that of PID 1, as is the next */
	const char *pid_ns;
	const char *user_ns;
	const char *net_ns;
	const char *maps;    /* NULL: TREE_MAPS_FRESH */
	const char *cgroup;  /* NULL: that of ssh.service; "": it cannot be told */
	const char *sockets; /* inodes; NULL: "4001 4002", in tree_tcp and tree_tcp6 */
	char state;          /* 0: 'S' */
	bool is_starting;    /* without a handler for SIGHUP */
	bool is_killed;      /* and has not ended yet */
	bool is_sandboxed;   /* by seccomp, as sshd's child is before authentication */
};

/* The network namespace of a process when nothing else is said. */
#define TREE_NET_NS "net:[4026531840]"

/* What sshd maps, shortened: program, one library, loader, and what is no file. */
#define TREE_MAPS(libcrypto)                                                                   \
	"55d5a4c00000-55d5a4c0d000 r--p 00000000 08:01 1443 /usr/sbin/sshd\n"                  \
	"55d5a4c0d000-55d5a4cc1000 r-xp 0000d000 08:01 1443 /usr/sbin/sshd\n"                  \
	"55d5a5f1e000-55d5a5f3f000 rw-p 00000000 00:00 0 [heap]\n"                             \
	"7ff5e63de000-7ff5e64a3000 r--p 00000000 08:01 2870 " libcrypto "\n"                   \
	"7ff5e64a3000-7ff5e6720000 r-xp 000c5000 08:01 2870 " libcrypto "\n"                   \
	"7ff5e6b3a000-7ff5e6b60000 r-xp 00001000 08:01 2383 "                                  \
	"/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n"                                     \
	"7ffe6e5a9000-7ffe6e5ca000 rw-p 00000000 00:00 0 [stack]\n"                            \
	"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n"

#define TREE_LIBCRYPTO "/usr/lib/x86_64-linux-gnu/libcrypto.so.3"
#define TREE_MAPS_FRESH TREE_MAPS(TREE_LIBCRYPTO)
#define TREE_MAPS_STALE TREE_MAPS(TREE_LIBCRYPTO " (deleted)")

/* The tables that every process of a tree has: 0.0.0.0:22, 127.0.0.1:6010 and [::]:22. */
extern const char tree_tcp[];
extern const char tree_tcp6[];

struct tree *tree_new(void);
void tree_remove_all(void);

/* Writes a file, its directories included. */
void tree_file(const struct tree *tree, const char *path, const char *text);
void tree_bytes(const struct tree *tree, const char *path, const void *buf, size_t len);
void tree_link(const struct tree *tree, const char *path, const char *target);
/* Removes a file, or a directory with all that it holds. */
void tree_remove(const struct tree *tree, const char *path);
bool tree_has(const struct tree *tree, const char *path);
/* A file's text, to be freed; NULL when it is not there. */
char *tree_read(const struct tree *tree, const char *path);

/* Adds a process, or puts it into the place of the one that has its PID. */
void tree_add(const struct tree *tree, const struct tree_process *process);
void tree_end(const struct tree *tree, pid_t pid);
void tree_set_maps(const struct tree *tree, pid_t pid, const char *maps);

/* A context on the tree, without modules; 2 seconds until its deadline. */
struct heal_context *tree_context(const struct tree *tree);
/* One listener, loaded from the tree, its addresses and stale files filled in. */
void tree_load(struct heal_context *ctx, pid_t pid, struct heal_listener *ret);

#define _cleanup_context_ _cleanup_(heal_context_freep)
#define _cleanup_listener_ _cleanup_(heal_listener_done)
#define _cleanup_listeners_ _cleanup_(heal_listeners_done)
#define _cleanup_notes_ _cleanup_(heal_notes_done)
#define _cleanup_report_ _cleanup_(heal_report_done)

#endif
