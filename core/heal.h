/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libsshdheal: finds sshd listeners that still run deleted files, and heals
 * them through the service manager.
 *
 * One function per step, each giving back a plain struct:
 *   event -> listeners -> stale -> packages -> verdict -> plan -> act -> prove -> report
 * heal_run() walks them in that order.
 *
 * Return values: 0, or -errno; positive only for an outcome that is documented
 * with the function. An output is left untouched on failure. The library does
 * not print, log, or read the environment.
 */
#ifndef SSHD_HEAL_HEAL_H
#define SSHD_HEAL_HEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a person is told when something failed: what was being tried, on what. */
struct heal_error {
	int code;          /* errno value, positive */
	char message[512]; /* printable, no newline */
};

/* Lines about what could not be found out, in the order they came up. */
struct heal_notes {
	char **lines;
	size_t count;
};

/* One package that a transaction changes. Versions are NULL when absent. */
struct heal_change {
	char *package;        /* binary package name */
	char *arch;           /* Debian or rpm architecture */
	char *version_before; /* NULL: newly installed */
	char *version_now;    /* NULL: removed */
};

struct heal_event {
	struct heal_change *changes;
	size_t count;
};

/* A file that a listener has mapped and that was deleted or replaced since. */
struct heal_stale_file {
	char *path;           /* its name on disk, without the kernel's and packagers' suffixes */
	char *package;        /* owner; NULL when unknown, as are the next three */
	char *source;         /* source package */
	char *version_before; /* of the owner, before the noted transactions */
	char *version_now;    /* of the owner, as installed */
	int64_t install_time; /* of the owner, seconds since 1970; 0: unknown */
};

/* A watched package that the noted transactions changed. */
struct heal_upgrade {
	char *package;
	char *source;
	char *version_before; /* NULL: newly installed */
	char *version_now;
};

enum heal_foreign {
	HEAL_OURS,
	HEAL_FOREIGN_USER,      /* not owned by root */
	HEAL_FOREIGN_NAMESPACE, /* other root, mount or PID namespace than PID 1 */
	HEAL_FOREIGN_PATH,      /* exe is no known sshd path */
};

/* Ordered by how bad it is, except foreign, which is never judged. */
enum heal_verdict {
	HEAL_VERDICT_HEALTHY,
	HEAL_VERDICT_FOREIGN,
	HEAL_VERDICT_STALE,
	HEAL_VERDICT_UNKNOWN,
	HEAL_VERDICT_REFUSING,
};

enum heal_plan {
	HEAL_PLAN_NONE,
	HEAL_PLAN_RELOAD,
	HEAL_PLAN_RESTART,
	HEAL_PLAN_WARN,
	HEAL_PLAN_HUP, /* SIGHUP to a listener outside systemd, when configured */
};

enum heal_outcome {
	HEAL_OUTCOME_NOT_NEEDED,
	HEAL_OUTCOME_DRY_RUN,
	HEAL_OUTCOME_HEALED,
	HEAL_OUTCOME_WARNED,
	HEAL_OUTCOME_FAILED,
};

/* What the plan rests on, one bit per fact. */
enum heal_fact {
	HEAL_FACT_FOREIGN = 1u << 0,
	HEAL_FACT_STALE = 1u << 1,
	HEAL_FACT_TRIAL_FAILED = 1u << 2,
	HEAL_FACT_KEY_CHANGED = 1u << 3,
	HEAL_FACT_MODE_WARN = 1u << 4,
	HEAL_FACT_FORBIDDEN = 1u << 5,       /* policy-rc.d */
	HEAL_FACT_SHUTTING_DOWN = 1u << 6,
	HEAL_FACT_NO_MANAGER = 1u << 7,      /* systemd could not be asked */
	HEAL_FACT_UNMANAGED = 1u << 8,       /* not the main process of a service */
	HEAL_FACT_HUP_ALLOWED = 1u << 9,
	HEAL_FACT_SOCKET_ACTIVATED = 1u << 10,
	HEAL_FACT_CAN_RELOAD = 1u << 11,
	HEAL_FACT_RELOADED = 1u << 12,       /* was reloaded in this run, and is still stale */
	HEAL_FACT_KILLS_SESSIONS = 1u << 13,
	HEAL_FACT_START_LIMIT = 1u << 14,    /* earlier starts count against it, and cannot be forgotten */
	HEAL_FACT_REFUSES_STOP = 1u << 15,
	HEAL_FACT_PORT_TAKEN = 1u << 16,
	HEAL_FACT_REFUSING = 1u << 17,       /* clients are turned away now */
	HEAL_FACT_UNTRIED = 1u << 18,        /* no trial could be made */
	HEAL_FACT_MOVES = 1u << 19,          /* on disk it would not listen where it does */
	HEAL_FACT_NO_TIME = 1u << 20,        /* too little of the deadline is left */
	HEAL_FACT_BUSY = 1u << 21,           /* another run is at work */
	HEAL_FACT_UNLOCKED = 1u << 22,       /* nothing could be locked, so nothing is done */
	HEAL_FACT_POLICY_UNASKED = 1u << 23, /* policy-rc.d could not be asked */
	HEAL_FACT_HUP_FATAL = 1u << 24,      /* after SIGHUP sshd would not find its files */
	HEAL_FACT_SESSIONS_UNSEEN = 1u << 25, /* whether a restart would end any is not known */
	HEAL_FACT_LOG_STUCK = 1u << 26,      /* sshd would wait for the log, and serve nobody */
	HEAL_FACT_NOT_READY = 1u << 27,      /* it has no handler for SIGHUP, which would end it */
};

struct heal_decision {
	enum heal_plan plan;
	const char *reason; /* static text */
};

/* What a new ssh client meets. */
enum heal_fate {
	HEAL_FATE_UNKNOWN, /* not tried, or our client could not */
	HEAL_FATE_ANSWERED, /* by a key exchange offer of which our client knows nothing */
	HEAL_FATE_OK,      /* through the whole key exchange, host key signature included */
	HEAL_FATE_REFUSED,
	HEAL_FATE_RESET,
	HEAL_FATE_EOF,     /* closed before the banner */
	HEAL_FATE_PENALTY, /* MaxStartups, PerSourcePenalties: it is about us, not about sshd */
	HEAL_FATE_TIMEOUT, /* no end was seen in the time that it was given */
	HEAL_FATE_FAILED,  /* a banner, but no key exchange */
};

struct heal_hello {
	enum heal_fate fate;
	char key[128];    /* "ssh-ed25519 SHA256:...", "" when it came to none */
	char detail[256]; /* the client library's words, printable */
};

enum heal_trial_result {
	HEAL_TRIAL_SKIPPED,
	HEAL_TRIAL_OK,
	HEAL_TRIAL_FAILED,
};

enum heal_host_key {
	HEAL_HOST_KEY_UNKNOWN,
	HEAL_HOST_KEY_SAME,
	HEAL_HOST_KEY_CHANGED,
};

/* What the sshd on disk does with a client. */
struct heal_trial {
	enum heal_trial_result result;
	enum heal_host_key host_key; /* against that of the running listener */
	char key[128];
	bool is_port_taken;          /* somebody else listens where it would */
	bool is_moving;              /* it would not listen where the listener does */
	bool is_hup_fatal;           /* after SIGHUP it would not find its files */
	char detail[512];            /* why it failed, was skipped or is no good, printable */
};

/* What systemd says of a listener's unit. */
struct heal_unit {
	char *id; /* "ssh.service" */
	pid_t main_pid;
	bool is_service;
	bool is_socket_activated;
	bool can_reload;
	bool refuses_stop;
	bool kills_cgroup; /* KillMode= ends every process of its cgroup, sessions in it included */
};

struct heal_listener {
	pid_t pid;
	pid_t ppid;
	int dirfd;             /* /proc/PID; with start_time it names the process for good. -1: foreign */
	uint64_t start_time;   /* clock ticks after boot, proc(5) field 22 */
	char *exe;             /* without " (deleted)" */
	bool exe_deleted;
	enum heal_foreign foreign;
	char **addresses;      /* "0.0.0.0:22", "[::]:22" */
	size_t n_addresses;
	int sessions;          /* -1: not counted */
	struct heal_stale_file *stale;
	size_t n_stale;
	struct heal_unit unit; /* id NULL: not known */
	struct heal_hello live;  /* a client at its own address, before anything was done */
	struct heal_trial trial;
	enum heal_verdict verdict;
	enum heal_plan plan;
	const char *reason;    /* of the plan; static text */
	enum heal_outcome outcome;
	enum heal_plan in_vain; /* what was done and did not help; NONE: nothing */
	char detail[512];      /* what failed or what to type, "" when there is nothing to add */
	enum heal_fate proved; /* what a client met after the action */
	double refused_ms;     /* how long nothing listened during the action; negative: unknown */
};

struct heal_listeners {
	struct heal_listener *items;
	size_t count;
	size_t unreadable; /* processes that call themselves sshd and may not be looked at */
	size_t n_foreign;  /* foreign ones, those that are too many to be listed included */
};

/* Everything that one run found out and did. */
struct heal_report {
	struct heal_event event;
	struct heal_listeners listeners;
	struct heal_upgrade *upgrades; /* of the watched source packages */
	size_t n_upgrades;
	struct heal_notes notes;
	enum heal_verdict verdict;
};

enum heal_mode {
	HEAL_MODE_HEAL,
	HEAL_MODE_WARN,
};

/* The file sshd-heal.conf, design.md; see heal_config_init() for the defaults. */
struct heal_config {
	enum heal_mode mode;
	char **packages;     /* source packages, NULL-terminated */
	char **sshd_paths;   /* absolute, NULL-terminated */
	bool hup_unmanaged;
	unsigned deadline_ms; /* of a whole run */
	bool motd;
};

struct heal_context;

/*
 * Opens the directories that everything is read from.
 * root: the host's root directory, "/" or a recorded tree.
 * module_dir: absolute directory that holds the backends.
 * Errors: -ENOENT, -ENOTDIR, -EACCES for the root; a root without /proc is
 * not an error until it is scanned.
 */
int heal_context_new(struct heal_context **ret, const char *root, const char *module_dir,
		     struct heal_error *error);
struct heal_context *heal_context_free(struct heal_context *ctx);

/* Whether its root is this machine's. */
bool heal_context_is_live(const struct heal_context *ctx);
/* When a run on it ends, in CLOCK_MONOTONIC ms; the configuration may move that. */
int64_t heal_context_deadline(const struct heal_context *ctx);
/* Has a function called before the first action of a run, which is brought to its proof. */
void heal_context_on_act(struct heal_context *ctx, void (*on_act)(void));

/* Whether a directory is this machine's root, however it was named. Errors: those of stat. */
int heal_root_is_live(int root_fd, bool *ret);

/*
 * Reads the configuration: file, or /etc/sshd-heal.conf over that in
 * /usr/lib/sshd-heal, with their drop-ins. None of them existing is no error.
 * Errors: -EINVAL with file and line, and the defaults stay; those of loading.
 */
int heal_config_load(struct heal_context *ctx, const char *file, struct heal_error *error);

/* Whether an rpm transaction is going on: it holds its lock for writing, rpm(8). */
bool heal_transaction_is_on(const struct heal_context *ctx);

/*
 * Takes away the mark of rpm's trigger, /run/sshd-heal/wanted. Returns whether it
 * was there: then a transaction has ended since it was taken last.
 */
bool heal_wanted_take(struct heal_context *ctx);

/*
 * Parses apt's DPkg::Pre-Install-Pkgs stream, version 3 (apt.conf(5)).
 * buf holds len bytes, not terminated. Every change of version is one entry;
 * configure-only and unchanged lines give none.
 * Returns the number of the first line that is not of that format (1-based)
 * with what came before it in ret; 0 when all was understood; -ENOMEM.
 */
int heal_event_parse_apt(const char *buf, size_t len, struct heal_event *ret);

/*
 * Parses lines of four fields with tabs between: package, architecture, version
 * before, version now; "-" is no version. buf holds len bytes, not terminated. So
 * the hooks of dnf and yum tell a transaction, and so /run/sshd-heal/changes is kept.
 * Returns how many lines are not of that form and were passed over, or -ENOMEM.
 */
int heal_event_parse_lines(const char *buf, size_t len, struct heal_event *ret);

enum heal_event_format {
	HEAL_EVENT_APT,
	HEAL_EVENT_LINES,
};

/*
 * Reads a package manager's list from fd up to its end (or deadline_ms of
 * CLOCK_MONOTONIC) and parses it. One that is cut, overlong or malformed gives
 * what was understood, and a note. Errors: -ENOMEM.
 */
int heal_event_read(int fd, int64_t deadline_ms, enum heal_event_format format,
		    struct heal_event *ret, struct heal_notes *notes);

/*
 * Reads from fd the files that a transaction is about to remove, one in a line,
 * and gives the packages, with their present version, of those that a listener of
 * ours has mapped. Where there is none, no library is loaded.
 * Errors: -ENOMEM, those of /proc and of the package database.
 */
int heal_event_of_files(struct heal_context *ctx, int fd, struct heal_event *ret,
			struct heal_notes *notes, struct heal_error *error);

/*
 * Asks dnf 5 what the transaction changed, in the JSON mode of its actions plugin:
 * one line out, one line in. Errors: -ENOMEM, -ETIMEDOUT, -EPROTO for another
 * answer, those of loading json-c.
 */
int heal_event_ask_dnf5(struct heal_context *ctx, int in, int out, struct heal_event *ret,
			struct heal_error *error);

/*
 * Adds the changes to those that wait in /run/sshd-heal/changes, where they
 * stay until nothing is stale any more. Errors: those of open and write.
 */
int heal_event_note(struct heal_context *ctx, const struct heal_event *event,
		    struct heal_error *error);

/*
 * Gives the changes that wait, the same package folded into one: oldest version
 * before, newest version now. None waiting is not an error; what cannot be read
 * becomes a note. Errors: -ENOMEM.
 */
int heal_event_load(struct heal_context *ctx, struct heal_event *ret, struct heal_notes *notes);

/* Forgets the changes that wait. */
int heal_event_clear(struct heal_context *ctx);
void heal_event_done(struct heal_event *event);

/*
 * Finds the sshd listeners by their exe (basename sshd) and title, sshd(8).
 * Sessions are left out. A process that ends meanwhile is passed over; one
 * that may not be read becomes a note. Errors: -ENOENT and others of /proc
 * itself, -ENOMEM.
 */
int heal_listeners_find(struct heal_context *ctx, struct heal_listeners *ret,
			struct heal_notes *notes, struct heal_error *error);
void heal_listeners_done(struct heal_listeners *listeners);

/* Fills in addresses, from the listening TCP sockets that the process holds. */
int heal_listener_addresses(struct heal_context *ctx, struct heal_listener *listener);

/*
 * Fills in sessions: those that the listener started and that are past
 * authentication; sessions of an earlier listener count for the first of ours.
 */
int heal_sessions_count(struct heal_context *ctx, struct heal_listeners *listeners);

/*
 * Whether sessions are in the control group of a listener's process, cgroups(7), where
 * what ends all of that ends them. Errors: those of /proc.
 */
int heal_sessions_inside(struct heal_context *ctx, const struct heal_listener *listener,
			 bool *ret);

/*
 * Fills in the stale files: the exe and every executable file mapping whose
 * name ends in " (deleted)" (proc_pid_maps(5)), each path once.
 * Returns 0; -ESRCH when the process has ended; -EACCES, -EPERM when it may
 * not be read.
 */
int heal_listener_stale(struct heal_context *ctx, struct heal_listener *listener);

/*
 * Names the owners of all stale files, and the watched packages that the event
 * changed. What cannot be found out stays NULL and becomes a note.
 */
int heal_packages_name(struct heal_context *ctx, struct heal_report *report);

/* The judgement of one listener, from its facts alone. */
enum heal_verdict heal_verdict_of(unsigned facts);

/* The plan for one listener: the first row of the table that its facts match. */
struct heal_decision heal_plan_of(unsigned facts);

/*
 * Gives the facts that verdict and plan rest on, and fills in the unit. systemd
 * is asked for a listener of ours; that it cannot be is a fact, too, and for a
 * stale one a note.
 */
unsigned heal_facts_find(struct heal_context *ctx, struct heal_listener *listener,
			 struct heal_notes *notes);

/*
 * Tries the sshd on disk: runs it with -i and the listener's own options on one
 * end of a loopback connection, and is its client on the other. Fills in trial,
 * the host key compared with that in live. Where it failed, the detail has
 * sshd's own words and the package of the file at fault.
 */
void heal_trial_run(struct heal_context *ctx, struct heal_listener *listener);

/* The same with the unit's options alone, for a listener that has ended. */
void heal_trial_again(struct heal_context *ctx, struct heal_listener *listener);

/*
 * Is a client at a listener's address, wildcards by loopback, up to the verified
 * host key; at most timeout_ms. Costs the source 1 s of PerSourcePenalties.
 */
void heal_client_probe(struct heal_context *ctx, const char *address, int timeout_ms,
		       struct heal_hello *ret);

/* What a client meets, as the end of a sentence that begins with "a new client". */
const char *heal_fate_text(enum heal_fate fate);

/*
 * Tries a stale listener of ours: a live client, and a trial of the sshd on disk.
 * Gives facts with what came out of it.
 */
unsigned heal_facts_try(struct heal_context *ctx, struct heal_listener *listener, unsigned facts);

/*
 * Sets plan, reason and outcome without acting: DRY_RUN where there would be
 * something to do, and for a warning what to type in detail, if that is safe.
 * policy-rc.d is run only with asks_policy.
 */
void heal_plan_show(struct heal_context *ctx, struct heal_listener *listener, unsigned facts,
		    bool asks_policy, struct heal_notes *notes);

/*
 * Carries out the plan and proves the result: reload, then restart where that
 * was not enough. Sets plan, reason, outcome, detail and refused_ms.
 */
void heal_act(struct heal_context *ctx, struct heal_listener *listener, unsigned facts,
	      struct heal_notes *notes);

/* Whether who writes to this machine's syslog would have to wait; takes half a second at most. */
bool heal_log_is_stuck(void);

enum heal_proof {
	HEAL_PROOF_OK,
	HEAL_PROOF_STALE,    /* it still runs deleted files */
	HEAL_PROOF_DOWN,     /* nothing listens */
	HEAL_PROOF_SHUT_OUT, /* it is fresh, and no client gets in, or not everywhere as before */
	HEAL_PROOF_UNKNOWN,  /* it could not be looked at */
};

/*
 * Waits until the listener (or, after a restart, the unit's new main process)
 * listens on its addresses again, maps no deleted file and lets a client in, at
 * most timeout_ms. The listener then describes the process as it is now, but
 * for the stale files, which stay for the report. Of the last two, detail has the reason.
 */
enum heal_proof heal_prove(struct heal_context *ctx, struct heal_listener *listener, int timeout_ms);

enum heal_verb {
	HEAL_CHECK, /* reads only */
	HEAL_DRY_RUN,
	HEAL_HEAL,
	HEAL_HOOK, /* heal, and silent when all is well */
};

/*
 * The whole way for one verb. Errors: those of the scan. Where another sshd-heal
 * is at work until the deadline, or nothing can be locked, it only warns.
 */
int heal_run(struct heal_context *ctx, enum heal_verb verb, struct heal_report *ret,
	     struct heal_error *error);
void heal_report_done(struct heal_report *report);

/* Whether a listener is stale: the beginning of the way, for who has more to ask if so. */
bool heal_is_stale(struct heal_context *ctx);

/* "healthy", "stale", "refusing", "foreign" or "unknown". */
const char *heal_verdict_text(enum heal_verdict verdict);

/* Writes the report as one JSON object and a newline. Errors: those of loading json-c, -EIO. */
int heal_report_json(struct heal_context *ctx, FILE *out, const struct heal_report *report,
		     struct heal_error *error);

/* Writes the report for people. Hooks get nothing, no note either, when nothing is stale. */
int heal_report_text(FILE *out, const struct heal_report *report, enum heal_verb verb);

/*
 * Writes the one line that goes to syslog for a stale listener, without a
 * newline. Returns its priority (LOG_NOTICE, LOG_WARNING or LOG_CRIT).
 */
int heal_report_log(FILE *out, const struct heal_listener *listener);

/*
 * Puts the report into /run/motd.d/sshd-heal when the configuration wants that and
 * an sshd is left stale; removes it otherwise. Errors: those of the files.
 */
int heal_motd_update(struct heal_context *ctx, const struct heal_report *report);

/* Exit status: 0 fine or healed, 1 stale, 2 refusing or failed, 3 not found out. */
int heal_report_status(const struct heal_report *report);

#ifdef __cplusplus
}
#endif
#endif
