/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the library share: the context, the backends, small tools. */
#ifndef SSHD_HEAL_INTERNAL_H
#define SSHD_HEAL_INTERNAL_H

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "heal.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Cleanup at the end of a scope, for memory and descriptors alike. */
#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _cleanup_free_ _cleanup_(heal_freep)
#define _cleanup_close_ _cleanup_(heal_closep)
#define _cleanup_fclose_ _cleanup_(heal_fclosep)
#define _cleanup_closedir_ _cleanup_(heal_closedirp)

/* A module hides everything but its table. */
#define _export_ __attribute__((visibility("default")))

#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))

static inline void heal_freep(void *p)
{
	free(*(void **)p);
}

static inline void heal_closep(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void heal_fclosep(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}

static inline void heal_closedirp(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

/* Hands a descriptor to the caller, so that the cleanup leaves it alone. */
static inline int heal_take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* Likewise for memory. */
#define heal_take(p)                   \
	({                             \
		__typeof__(p) _t = (p); \
		(p) = NULL;            \
		_t;                    \
	})

/* A list of words, with a NULL behind the last one. */
struct heal_words {
	char **items;
	size_t count;
};

/* A unit's ExecStart=, Environment= and EnvironmentFile=, as systemd gives them. */
struct heal_exec {
	char *path; /* of the program, which argv[0] need not be */
	struct heal_words command;
	struct heal_words environment;
	struct heal_words files; /* "-" in front: may be missing */
	char *directory; /* WorkingDirectory=; "" for none, "!" in front: may be missing */
};

/* --- backends: one table of functions each, found in a module by name ------ */

struct heal_package {
	char *name;
	char *source;
	char *version;
	char *arch;
	int64_t install_time; /* seconds since 1970, 0: unknown */
};

/* The package database. All paths are absolute and inside the context's root. */
struct package_ops {
	/* root_fd stays the caller's. Errors: what the database gives, with a message. */
	int (*open)(int root_fd, void **ret, struct heal_error *error);
	/*
	 * Gives the owner of each path in owners[i], zeroed where there is none.
	 * The array of n is the caller's, each entry to be freed by it.
	 */
	int (*owners)(void *handle, const char *const *paths, size_t n,
		      struct heal_package *owners, struct heal_error *error);
	/* Gives every installed binary package built from a source package. */
	int (*of_source)(void *handle, const char *source, struct heal_package **ret,
			 size_t *n, struct heal_error *error);
	void (*close)(void *handle);
};

/* The service manager. Deadlines are CLOCK_MONOTONIC milliseconds. */
struct service_ops {
	int (*open)(int64_t deadline_ms, void **ret, struct heal_error *error);
	/* Whether the machine is going down. */
	int (*is_stopping)(void *handle, bool *ret, struct heal_error *error);
	/* The unit that a process belongs to; -ENOENT when it belongs to none. */
	int (*unit_of)(void *handle, pid_t pid, struct heal_unit *ret, struct heal_error *error);
	/* The present main process of a unit; 0 when it has none. */
	int (*main_pid)(void *handle, const char *unit, pid_t *ret, struct heal_error *error);
	/* How the unit starts its service, nothing expanded yet. */
	int (*exec_start)(void *handle, const char *unit, struct heal_exec *ret,
			  struct heal_error *error);
	/*
	 * Back when the job is done, or at deadline_ms, which is its own. -ECANCELED: it did
	 * not end well; -ETIMEDOUT: it is not over, and may yet be carried out; -ENOTCONN:
	 * what came of it is not known. With any other error nothing was begun.
	 */
	int (*reload)(void *handle, const char *unit, int64_t deadline_ms,
		      struct heal_error *error);
	int (*try_restart)(void *handle, const char *unit, int64_t deadline_ms,
			   struct heal_error *error);
	int (*start)(void *handle, const char *unit, int64_t deadline_ms,
		     struct heal_error *error);
	/* Forgets the starts that count against StartLimitBurst. */
	int (*reset_failed)(void *handle, const char *unit, struct heal_error *error);
	void (*close)(void *handle);
};

/* An ssh client. */
struct client_ops {
	/*
	 * Goes through the key exchange on a connected socket, which stays the
	 * caller's. Sets fate to OK or FAILED, key and detail.
	 */
	void (*meet)(int fd, int timeout_ms, struct heal_hello *hello);
};

/* A reader of sshd-heal.conf and its drop-ins. */
struct config_ops {
	/*
	 * Calls set for each key, in any order; path and line are where it stands.
	 * Returns 0, what set gave, or -errno with a message naming file and line.
	 */
	int (*read)(int root_fd, const char *file,
		    int (*set)(void *user, const char *key, const char *value, const char *path,
			       uint64_t line, struct heal_error *error),
		    void *user, struct heal_error *error);
};

/* dnf 5's answers. */
struct event_ops {
	/* Parses the reply with the packages of a transaction. Errors: -EPROTO, -ENOMEM. */
	int (*parse)(const char *reply, size_t len, struct heal_event *event);
};

/* A format of the report that needs a library. */
struct report_ops {
	int (*write)(FILE *out, const struct heal_report *report);
};

/* The symbols that a module exports. */
#define HEAL_CLIENT_OPS_SYMBOL "heal_client_ops"
#define HEAL_CONFIG_OPS_SYMBOL "heal_config_ops"
#define HEAL_EVENT_OPS_SYMBOL "heal_event_ops"
#define HEAL_REPORT_OPS_SYMBOL "heal_report_ops"
#define HEAL_PACKAGE_OPS_SYMBOL "heal_package_ops"
#define HEAL_SERVICE_OPS_SYMBOL "heal_service_ops"

struct heal_context {
	int root_fd;
	int proc_fd;  /* -1 when the root has no /proc */
	bool is_live; /* the root is that of this machine, so its processes can be acted on */
	bool is_hook;   /* only what can be acted on is of interest */
	bool is_chroot; /* the processes that /proc shows are not of this root */
	bool is_busy;     /* another run has the lock */
	bool is_unlocked; /* the lock could not be had, and no other run has it */
	int64_t deadline_ms;
	void (*on_act)(void); /* called when an action begins, which must be brought to its proof */
	struct heal_config config;
	bool is_configured; /* the configuration is known */
	char *module_dir;
	const struct package_ops *package_ops; /* NULL until loaded */
	void *package;
	const struct service_ops *service_ops;
	void *service;
	const struct client_ops *client_ops;
};

/* --- context.c ------------------------------------------------------------- */

static inline void heal_context_freep(struct heal_context **ctx)
{
	(void)heal_context_free(*ctx);
}

/* Loads the backend when first needed. Errors: -ENOENT and the like, with a message. */
int heal_context_package(struct heal_context *ctx, struct heal_error *error);
int heal_context_service(struct heal_context *ctx, struct heal_error *error);
int heal_context_client(struct heal_context *ctx, struct heal_error *error);
/* Opens /run/sshd-heal, made when create is set. Gives a descriptor or -errno. */
int heal_state_open(struct heal_context *ctx, bool create);
/* Loads a module and gives its table. */
int heal_context_load(struct heal_context *ctx, const char *name, const char *symbol,
		      const void **ret, struct heal_error *error);

/* --- config.c -------------------------------------------------------------- */

/* Sets one key of the struct heal_config that user is; config_ops' set. */
int config_set(void *user, const char *key, const char *value, const char *path, uint64_t line,
	       struct heal_error *error);

int heal_config_init(struct heal_config *config);
void heal_config_done(struct heal_config *config);

/* --- maps.c ---------------------------------------------------------------- */

/* sshd has some 150 mappings; a maps file of this size is no sshd's. */
#define MAPS_MAX (4u << 20)

struct heal_mapping {
	const char *path; /* into the buffer, not terminated */
	size_t path_len;
	uint64_t inode;
	bool is_executable;
};

/*
 * Parses one line of /proc/PID/maps (proc_pid_maps(5)), without its newline.
 * Returns 1 for a mapping of a named file, 0 for any other, -EINVAL for a line
 * that is none.
 */
int maps_parse_line(const char *line, size_t len, struct heal_mapping *ret);

/*
 * Gives the length of the name of a deleted file: without " (deleted)", rpm's
 * ";hex" and dpkg's ".dpkg-tmp" and ".dpkg-new". 0 when the name is not that
 * of a deleted file on disk: not deleted, or memfd, /dev, SysV and POSIX
 * shared memory, and the like.
 */
size_t maps_deleted_name(const char *path, size_t len);

/*
 * Whether a file is really named so, " (deleted)" included: then it exists,
 * with the inode that the kernel gives for it.
 */
bool maps_is_real_name(struct heal_context *ctx, const char *path, size_t len, uint64_t inode);

void maps_clear_stale(struct heal_listener *listener);
/* The directory that the process has its libcrypto or libc from; NULL when it has none. */
char *maps_library_dir(const struct heal_listener *listener);

/* --- blame.c --------------------------------------------------------------- */

/*
 * The path of the file that sshd's words complain of; a library that ld.so names
 * without one is looked for in library_dir. NULL when there is none.
 */
char *blame_find_path(const char *words, const char *library_dir);

/* --- event.c --------------------------------------------------------------- */

/*
 * Reads fd to its end, or until deadline_ms, or with one_line to the end of the first
 * line; what is beyond 16 MB is drained and lost. What came is the caller's to free
 * (NULL when nothing), even with an error.
 */
int heal_read_stream(int fd, int64_t deadline_ms, bool one_line, char **ret, size_t *ret_len);

/* Adds one change; a package that is there already keeps its oldest version before. */
int heal_event_add(struct heal_event *event, const char *package, const char *arch,
		   const char *before, const char *now);

/* --- package.c ------------------------------------------------------------- */

/* The owner of one path. Errors: -ENOENT, or those of the database. */
int heal_package_owner(struct heal_context *ctx, const char *path, struct heal_package *ret);

/* --- socket.c -------------------------------------------------------------- */

struct heal_socket {
	uint64_t inode;
	char address[64]; /* "127.0.0.1:22", "[::1]:22" */
};

/*
 * Parses one line of /proc/net/tcp or tcp6 (proc_pid_net(5)). Returns 1 for a
 * listening socket, 0 for any other line and the heading, -EINVAL for neither.
 */
int socket_parse_line(const char *line, struct heal_socket *ret);

/* Called for each listening socket; anything but 0 ends the list and is given back by it. */
typedef int (*diag_fn)(void *user, const struct heal_socket *found);
/* A descriptor for diag_list(), or -errno. */
int diag_open(void);
/* Lists the listening TCP sockets of one family in our own network namespace. */
int diag_list(int fd, int family, diag_fn fn, void *user);

/*
 * Lists the listening TCP sockets in a listener's network namespace: by sock_diag
 * when it is ours, otherwise (and in a recorded tree) from /proc/PID/net.
 */
int socket_list(struct heal_context *ctx, const struct heal_listener *listener, diag_fn fn,
		void *user);

/*
 * Whether a listener is in our own network namespace, so that we can be its client. Gives
 * 0 when it is; -ENETUNREACH when it has one of its own, -EREMOTE when it is we who have,
 * -EOPNOTSUPP in a recorded tree; other errors: it cannot be told.
 */
int socket_is_reachable(struct heal_context *ctx, const struct heal_listener *listener);

/* Whether two addresses are the same; sshd gives a scope, the kernel's tables do not. */
bool socket_same_address(const char *a, const char *b);
/* Whether the address is one of those that the listener listens on. */
bool socket_has_address(const struct heal_listener *listener, const char *address);

/* Whether a socket listens on the port of an address, at that address or at any. 1, 0, -errno. */
int socket_is_taken(struct heal_context *ctx, const struct heal_listener *listener,
		     const char *address);

/* --- owner.c --------------------------------------------------------------- */

/* A process may have 65,536 groups, which its status names, credentials(7). */
#define OWNER_STATUS_MAX (1u << 20)

struct heal_owner {
	bool is_root;      /* real, effective, saved and filesystem user, in PID 1's user namespace */
	bool is_sandboxed; /* by a seccomp filter */
	uint64_t capabilities; /* the effective ones, capabilities(7) */
	bool takes_hup;    /* it has a handler for SIGHUP, which ends it otherwise */
};

/* Parses /proc/PID/status (proc_pid_status(5)), ended by a NUL. -EBADMSG when it names no user. */
int owner_parse(const char *status, struct heal_owner *ret);
/* Whose the process of a /proc/PID directory is. Errors: those of /proc; -ENOENT, -ESRCH: it has ended. */
int heal_owner_load(const struct heal_context *ctx, int dirfd, struct heal_owner *ret);
/* Whether a link below a /proc/PID directory is PID 1's: "root", "ns/mnt". Errors: as above. */
int heal_owner_same_link(const struct heal_context *ctx, int dirfd, const char *name, bool *ret);

/* --- listener.c ------------------------------------------------------------ */

struct heal_stat {
	pid_t ppid;
	char state;
	uint64_t start_time;
};

/* Parses /proc/PID/stat (proc_pid_stat(5)); the comm may hold anything. */
int stat_parse(const char *buf, size_t len, struct heal_stat *ret);

/* Of /proc/PID/cmdline; a listener's title is its argv and a few words. */
#define CMDLINE_MAX (256u << 10)

enum heal_title {
	HEAL_TITLE_LISTENER,
	HEAL_TITLE_SESSION, /* past authentication, or its privileged monitor */
	HEAL_TITLE_OTHER,   /* before authentication, -i, -R, -t, -T */
};

/* Tells what an sshd is by its /proc/PID/cmdline of len bytes, NULs included. */
enum heal_title title_classify(const char *cmdline, size_t len);

/*
 * Looks at one process again; is_known: it is one that was ours, or that systemd says is
 * our unit's, wherever it runs now. Returns 0 with a listener that is the caller's to
 * free, 1 when it is none, -errno when it may not be read; -EAGAIN: inside execve.
 */
int heal_listener_load(struct heal_context *ctx, pid_t pid, bool is_known, struct heal_listener *ret);
void heal_listener_done(struct heal_listener *listener);
/* The directory of a process, by its number in text; -errno. */
int heal_open_process(const struct heal_context *ctx, const char *pid);
/* /proc's directory from its beginning; NULL with errno. */
DIR *heal_open_proc(struct heal_context *ctx);
/* Whether it is the main process of its unit, a service: what is done to the unit is done to it. */
bool heal_listener_has_unit(const struct heal_listener *listener);
/* Puts a fresh look into the place of an older one, keeping its stale files. Frees the rest. */
void heal_listener_replace(struct heal_listener *listener, struct heal_listener *fresh);

/* --- session.c ------------------------------------------------------------- */

/* Parses /proc/PID/cgroup, ended by a NUL. Gives the path, to be freed; -ENODATA without one. */
int session_cgroup(const char *buf, char **ret);

/* --- quiet.c --------------------------------------------------------------- */

/*
 * Whether the process of a listener's child, by its /proc/PID/cmdline of len
 * bytes, may still need the listener to serve its client.
 */
bool quiet_is_waiting(const char *cmdline, size_t len);

/*
 * Waits until the listener has handed over the clients that it has accepted, a
 * second at most: an action before that cuts them.
 */
void heal_await_quiet(const struct heal_context *ctx, const struct heal_listener *listener);

/* --- exec.c ---------------------------------------------------------------- */

int heal_words_add(struct heal_words *words, const char *text, size_t len);
void heal_words_done(struct heal_words *words);
int heal_words_copy(const struct heal_words *from, struct heal_words *to);
bool heal_words_equal(const struct heal_words *a, const struct heal_words *b);

/* Splits at blanks outside of quotes. */
int exec_split(const char *text, struct heal_words *words);

/* Parses an EnvironmentFile= into "NAME=value" words; lines that are none are passed over. */
int exec_parse_environment(const char *buf, size_t len, struct heal_words *environment);

/* An assignment that changes which code a program runs; NULL when there is none. */
const char *exec_find_loader_variable(const struct heal_words *environment);

/* Expands $NAME, ${NAME} and $$ as systemd.service(5) has it. */
int exec_expand(const struct heal_words *command, const struct heal_words *environment,
		struct heal_words *argv);

/* The arguments in "sshd: /usr/sbin/sshd -D [listener] ..."; -EINVAL when it is no such title. */
int exec_split_title(const char *title, struct heal_words *argv);

/* The arguments to run sshd with: its path, the flags (up to a NULL), a trial's options. */
int exec_build(const char *path, const char *const *flags, const struct heal_words *options,
	       struct heal_words *argv);

/* Whether "sshd: ARGV [listener] ..." is what a listener with these arguments shows. */
bool exec_is_title_of(const char *title, const struct heal_words *argv);

/* The words of a /proc/PID/cmdline. */
int exec_split_nul(const char *buf, size_t len, struct heal_words *argv);

/*
 * The options of a listener that a trial needs, too: configuration file, options,
 * keys, certificates. -EINVAL for one that no listener has.
 */
int exec_trial_options(const struct heal_words *argv, struct heal_words *kept);

/* An option that names a file without saying from where; the texts point into the arguments. */
struct exec_relative {
	char option;       /* 'f' */
	const char *value; /* all of it, "HostKey=keys/a" */
	const char *file;  /* "keys/a" */
};

/*
 * The n-th such option of a listener's arguments, from 0. Returns 1, 0 when there
 * are no more; errors: as exec_trial_options().
 */
int exec_find_relative(const struct heal_words *argv, size_t n, struct exec_relative *ret);

/* --- command.c ------------------------------------------------------------- */

/* How sshd is run: the program, its options, the directory that it is started in. */
struct heal_start {
	const char *path;
	struct heal_words options;
	char *cwd; /* NULL: / */
};

/* What SIGHUP and a restart would run. */
struct heal_starts {
	struct heal_start hup; /* sshd goes to / before it listens, and re-executes itself there */
	struct heal_start restart;
};

/*
 * Finds out what would be started, once nothing of anybody else's can be taken for
 * root's. Sets the trial's is_hup_fatal: that SIGHUP would not find its files is no error
 * where there is a unit. Errors: with the option or the directory named.
 */
int heal_starts_find(struct heal_context *ctx, struct heal_listener *listener,
		     struct heal_starts *starts, struct heal_error *error);
void heal_starts_done(struct heal_starts *starts);
/* Likewise for the unit alone, whose listener has ended. */
int heal_start_find(struct heal_context *ctx, struct heal_listener *listener,
		    struct heal_start *ret, struct heal_error *error);
void heal_start_done(struct heal_start *start);

/* --- pair.c ---------------------------------------------------------------- */

/*
 * Starts sshd with -i on one end of a loopback connection, and is its client on the
 * other. words gets what sshd said. Errors: -ETIME where there is no time, those of
 * starting it.
 */
int heal_pair_try(struct heal_context *ctx, const struct heal_start *start,
		  struct heal_hello *hello, char *words, size_t size);

/* --- effective.c ----------------------------------------------------------- */

/* What sshd -T says, as far as it is of interest. */
struct heal_effective {
	struct heal_words host_keys;
	struct heal_words addresses; /* "0.0.0.0:22", "[::]:22" */
	struct heal_words pid_files;
};

/* Parses the output of sshd -T, sshd_config(5)'s keywords in lower case. */
int effective_parse(const char *buf, size_t len, struct heal_effective *ret);
/* Runs the on-disk sshd -T as a start would run it. Errors: -ETIME for want of time. */
int heal_effective_load(struct heal_context *ctx, const struct heal_start *start,
			struct heal_effective *ret, struct heal_error *error);
/*
 * What sshd wrote to stderr (raw is cut up): one printable line, "; " between its own,
 * without what it says at every start of options that it does not know any more.
 */
void heal_effective_words(char *raw, char *ret, size_t size);
void heal_effective_done(struct heal_effective *effective);
/*
 * Whether a file was changed since the listener's last start or reload. Returns 1, 0, or
 * -errno; one that is not there was not.
 */
int heal_effective_is_new(struct heal_context *ctx, const struct heal_listener *listener,
			  const struct heal_effective *effective, const char *path);
/* The same of its host keys, or whether one may be gone; gives the first for which that is not 0. */
int heal_effective_new_key(struct heal_context *ctx, const struct heal_listener *listener,
			   const struct heal_effective *effective, const char **ret);
/* An address that the listener has and would have no more; or NULL. */
const char *heal_effective_lost(const struct heal_listener *listener,
				const struct heal_effective *effective);
/* Whether there is an address that sshd would listen on and that this host has not now. 1, 0, -errno. */
int heal_effective_absent(const struct heal_effective *effective, const char **ret);
/* Whether there is one that sshd would listen on and that somebody else holds. 1, 0, -errno. */
int heal_effective_taken(struct heal_context *ctx, const struct heal_listener *listener,
			 const struct heal_effective *effective, const char **ret);

/* --- client.c -------------------------------------------------------------- */

/* What the first bytes of a server mean; none: it closed the connection. */
enum heal_fate client_classify(const char *buf, size_t len);
/* Whether no interface has the address: nobody could listen on it now. 1, 0, -errno. */
int client_is_absent(const char *address);
/* Is the client on a connected socket, which stays the caller's. */
void heal_client_meet(struct heal_context *ctx, int fd, int64_t deadline_ms,
		      struct heal_hello *ret);

/* --- process.c ------------------------------------------------------------- */

/* A program to be run. */
struct heal_command {
	const char *path;  /* absolute */
	char *const *argv;
	const char *cwd;   /* absolute; NULL: / */
	int fds[3];        /* its 0 to 2; -1 is /dev/null */
};

/*
 * Starts a program by its path in a process group of its own, with an environment
 * of nothing but PATH.
 */
int heal_process_start(const struct heal_command *command, pid_t *ret);
/* Waits for its end; gives its exit status, 128 and more for a signal. Its group ends with it. -ETIMEDOUT. */
int heal_process_wait(pid_t pid, int timeout_ms, int *ret);
/* Whether somebody has ended it by SIGKILL, as the kernel does when memory runs out. */
bool heal_process_was_killed(pid_t pid);
/* Ends it with its whole group, and reaps it. */
int heal_process_end(pid_t pid);

/* What a program said. Both texts end in a NUL; what was too much of them is left out. */
struct heal_output {
	char *text;  /* its standard output */
	size_t len;
	char *words; /* its standard error */
	int status;  /* as heal_process_wait() gives it */
};

/*
 * Runs a program to its end, at most until deadline_ms of CLOCK_MONOTONIC, and gives
 * what it said; fds[1] and fds[2] do not matter. Errors: those of starting it, -ETIMEDOUT.
 */
int heal_process_capture(const struct heal_command *command, int64_t deadline_ms,
			 struct heal_output *ret);
void heal_output_done(struct heal_output *output);

/* --- trust.c --------------------------------------------------------------- */

/*
 * Whether nobody but root can change what a path (from the root, absolute or not)
 * leads to: it, every directory above it and every link on the way are root's, and
 * nobody else may write to them. Errors: -ENOENT, too, sets ret: of a file that is
 * not there, as far as the path goes; others: those of openat and readlinkat.
 */
int heal_trust_path(int root_fd, const char *path, bool *ret);

/* --- policy.c -------------------------------------------------------------- */

/*
 * What an exit status of policy-rc.d means, invoke-rc.d(8) and Debian policy 9.3.3.
 * -EPROTO for one that means nothing but that something is wrong with it.
 */
int policy_allows(int status, bool *ret);
/*
 * Asks /usr/sbin/policy-rc.d, if there is one, about an action on a unit. Gives
 * false when it forbids it. Errors: it could not be asked, or in time.
 */
int heal_policy_allows(struct heal_context *ctx, const char *unit, const char *action, bool *ret,
		       struct heal_error *error);

/* --- watch.c --------------------------------------------------------------- */

struct heal_watch;
/*
 * Watches from a thread of its own whether a listening socket exists at an
 * address. NULL when it cannot.
 */
struct heal_watch *heal_watch_start(const char *address);
/* Ends it; gives for how long there was none, in ms; negative when unknown. */
double heal_watch_stop(struct heal_watch *watch);

/* --- util.c ---------------------------------------------------------------- */

/* Says what failed; error may be NULL. Gives -code, a positive errno value. */
#define heal_error_set(error, code, ...)               \
	({                                             \
		int _code = (code);                    \
                                                       \
		heal_error_fill(error, _code, __VA_ARGS__); \
		_code > 0 ? -_code : -EIO;             \
	})
void heal_error_fill(struct heal_error *error, int code, const char *fmt, ...) _printf_(3, 4);
int heal_notes_add(struct heal_notes *notes, const char *fmt, ...) _printf_(2, 3);
void heal_notes_done(struct heal_notes *notes);

/*
 * Copies a string so that it can be printed: everything that is not printable
 * ASCII, and the backslash, becomes \xNN. Always terminated; cut at size.
 */
void heal_safe(char *dst, size_t size, const char *src);

/* Appends to a string, made safe to print; what does not fit into its size is left out. */
void heal_append(char *dst, size_t size, const char *fmt, ...) _printf_(3, 4);

/* Sets the detail of a listener's outcome, made safe to print. */
void heal_detail(struct heal_listener *listener, const char *fmt, ...) _printf_(2, 3);

/*
 * Reads a file whole, at most max bytes, and puts a NUL behind it.
 * Errors: those of openat and read; -EFBIG.
 */
int heal_read_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len);

/* Reads a symbolic link of up to PATH_MAX bytes. */
int heal_readlink_at(int dirfd, const char *path, char **ret);

/* With less than this left nothing is begun: it would only be cut off. */
#define HEAL_BEGIN_MS 1000

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t heal_now_ms(void);
double heal_now_ms_exact(void);
/* What is left until a deadline, never negative, never above cap. */
int heal_left_ms(int64_t deadline_ms, int cap);
/* Whether anything may still be begun before a deadline. */
bool heal_has_time(int64_t deadline_ms);
void heal_sleep_ms(int ms);

/*
 * Makes room for one more element in an array that is grown by doubling; array is
 * the address of its pointer. Gives 0 or -ENOMEM, with the array as it was.
 */
void *heal_grown(void *items, size_t count, size_t size);
#define heal_grow(array, count, size)                                                  \
	({                                                                             \
		__typeof__(*(array)) _grown = heal_grown(*(array), (count), (size));   \
                                                                                       \
		if (_grown)                                                            \
			*(array) = _grown;                                             \
		_grown ? 0 : -ENOMEM;                                                  \
	})

void heal_package_done(struct heal_package *package);
void heal_packages_free(struct heal_package *packages, size_t count);

/* strdup for a piece; NULL when out of memory. */
char *heal_strndup(const char *s, size_t len);

/* The next line of a buffer, or NULL at its end; the newline is not part of it. */
const char *heal_next_line(const char **cursor, const char *end, size_t *len);

/*
 * Gives one name for both names of a file on a host with merged /usr:
 * "/usr/lib/x" becomes "/lib/x". Changes len with it.
 */
const char *heal_canonical(const char *path, size_t *len, bool is_usr_merged);

#endif
