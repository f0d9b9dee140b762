/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The structs and enums of the way, and their words. */
#ifndef SSHD_HEAL_REPORT_H
#define SSHD_HEAL_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/words.h"

/* A file that a listener has mapped and that was deleted or replaced since. */
struct heal_stale_file {
	char *path;           /* its name on disk, without the kernel's and packagers' suffixes */
	char *package;        /* owner; NULL when unknown, as are the next three */
	char *source;         /* source package */
	char *version_before; /* of the owner, when the listener was proven last */
	char *version_now;    /* of the owner, as installed */
	int64_t install_time; /* of the owner, seconds since 1970; 0: unknown */
	uint64_t device;      /* of what has its name now, as are the next; all 0: nothing has */
	uint64_t inode;
	int64_t ctime_ns;
};

/* Why a file counts for what a client meets. */
enum heal_counted_kind {
	HEAL_COUNTED_MAPPED,    /* sshd runs it */
	HEAL_COUNTED_CONFIG,    /* its configuration, Includes too */
	HEAL_COUNTED_DIRECTORY, /* where an Include looks for more */
	HEAL_COUNTED_KEY,       /* a host key */
	HEAL_COUNTED_PAM,       /* a file or module of its stack */
};

struct heal_counted {
	enum heal_counted_kind kind;
	char *path;     /* absolute */
	char *package;  /* of a mapped file, as is the next; NULL: unknown */
	char *version;
	/*
	 * What sshd has read, as one printable word or two; NULL: it was not there, "?": not
	 * known. Of a configuration file a hash and the length, of a host key its type and
	 * fingerprint. Of PAM's files it says who is refused without them.
	 */
	char *mark;
	char *now;      /* likewise what is there now; not kept */
	uint64_t device; /* as are the next, of stat(2); all 0: it is not there */
	uint64_t inode;
	int64_t size;
	int64_t ctime_ns; /* since 1970 */
};

/* Whether what is on disk for sshd to read is what it has read. */
struct heal_pending {
	bool is_config; /* its configuration is not, or may not be, or nobody knows */
	bool is_key;    /* a host key is not */
	bool is_lacking; /* what every login needs of PAM is not there */
	char detail[512]; /* which file, printable; "" where there is nothing to say */
};

enum heal_foreign {
	HEAL_OURS,
	HEAL_FOREIGN_USER,      /* not owned by root */
	HEAL_FOREIGN_NAMESPACE, /* another root directory or PID namespace than PID 1 */
	HEAL_FOREIGN_PATH,      /* no known sshd path, and not the file of its unit */
	HEAL_FOREIGN_WRITABLE,  /* its unit's, or what a known path leads to, and others may change it */
};

/* Ordered by how bad it is, except foreign, which is never judged. */
enum heal_verdict {
	HEAL_VERDICT_HEALTHY,
	HEAL_VERDICT_FOREIGN,
	HEAL_VERDICT_AT_RISK, /* it is not stale, and a new start would shut clients out, or fail */
	HEAL_VERDICT_STALE,
	HEAL_VERDICT_UNKNOWN,
	HEAL_VERDICT_DOWN, /* nothing listens where its unit ought to */
	HEAL_VERDICT_REFUSING,
};

enum heal_plan {
	HEAL_PLAN_NONE,
	HEAL_PLAN_RELOAD,
	HEAL_PLAN_RESTART,
	HEAL_PLAN_WARN,
	HEAL_PLAN_HUP,   /* SIGHUP, where systemd cannot reload it, or has no unit for it */
	HEAL_PLAN_START, /* of a unit that an action of ours has ended */
};

enum heal_outcome {
	HEAL_OUTCOME_NOT_NEEDED,
	HEAL_OUTCOME_DRY_RUN,
	HEAL_OUTCOME_HEALED,
	HEAL_OUTCOME_WARNED,
	HEAL_OUTCOME_FAILED,
};

/* What a new ssh client meets. */
enum heal_fate {
	HEAL_FATE_UNKNOWN, /* not tried, or our client could not */
	HEAL_FATE_ANSWERED, /* by a key exchange offer of which our client knows nothing */
	HEAL_FATE_OK,      /* through the whole key exchange, host key signature included */
	HEAL_FATE_REFUSED,
	HEAL_FATE_RESET,
	HEAL_FATE_EOF,     /* closed before the banner */
	HEAL_FATE_PENALTY, /* turned away as who it is: PerSourcePenalties, TCP wrappers */
	HEAL_FATE_FULL,    /* turned away like everybody: MaxStartups */
	HEAL_FATE_TIMEOUT, /* no end was seen in the time that it was given */
	HEAL_FATE_FAILED,  /* a banner, but no key exchange */
};

struct heal_hello {
	enum heal_fate fate;
	bool is_connected;
	char key[128];    /* "ssh-ed25519 SHA256:...", "" when it came to none */
	char detail[256]; /* the client library's words, printable */
};

enum heal_trial_result {
	HEAL_TRIAL_NONE, /* none was called for */
	HEAL_TRIAL_SKIPPED,
	HEAL_TRIAL_OK,
	HEAL_TRIAL_FAILED,
};

/* How it was tried. */
enum heal_trial_kind {
	HEAL_TRIAL_PAIR,      /* sshd -i on one end of a connection */
	HEAL_TRIAL_REHEARSAL, /* sshd started for real, in a network of its own */
};

enum heal_host_key {
	HEAL_HOST_KEY_UNKNOWN,
	HEAL_HOST_KEY_SAME,
	HEAL_HOST_KEY_CHANGED,
};

/* Whom TCP wrappers refuse that sshd would not. */
enum heal_wrapped {
	HEAL_WRAPPED_NONE,
	HEAL_WRAPPED_UNTRIED, /* not known: to ask would have them run something */
	HEAL_WRAPPED_OURS, /* our client, and not everybody for all we know */
	HEAL_WRAPPED_ALL,
};

/* What the sshd on disk does with a client. */
struct heal_trial {
	enum heal_trial_result result;
	enum heal_trial_kind kind;
	bool is_passing; /* why it was skipped */
	enum heal_wrapped wrapped;
	char let_in[64];             /* whom TCP wrappers let in, who refuse ours; "": not known */
	unsigned deny_line;          /* of hosts.deny, the first that is about sshd; 0: none */
	enum heal_host_key host_key; /* against that of the running listener */
	char key[128];
	bool is_moving;              /* it would not listen where the listener does */
	bool is_hup_fatal;           /* after SIGHUP it would not find its files */
	bool is_hup_only;            /* what a restart would start is not known, and was not tried */
	struct heal_words mapped;    /* what those have mapped as code that serve a client */
	char detail[512];            /* why it failed, was skipped or is no good, printable */
};

enum heal_manager {
	HEAL_MANAGER_UNKNOWN, /* it could not be asked */
	HEAL_MANAGER_NONE,    /* this host has no systemd */
	HEAL_MANAGER_RUNNING,
	HEAL_MANAGER_STOPPING, /* the system is shutting down */
};

/* Why a unit has no process that listens. Such a one is among the listeners, with pid 0. */
enum heal_absence {
	HEAL_ABSENCE_NONE,
	HEAL_ABSENCE_STOPPED, /* by somebody else, or it was never started */
	HEAL_ABSENCE_FAILED,
	HEAL_ABSENCE_ENDED,   /* by an action of ours */
	HEAL_ABSENCE_RESCUED, /* likewise, and sshd-heal-rescue.service serves in its place */
	HEAL_ABSENCE_WAITING, /* for a client: systemd listens in its place */
};

/* What systemd says of a listener's unit: look/unit, look/absent. */
struct heal_unit {
	enum heal_manager manager;
	char *id; /* "ssh.service" */
	pid_t main_pid;
	bool is_service;
	bool is_socket_activated;
	bool can_reload;
	bool refuses_stop;
	bool kills_cgroup; /* KillMode= ends every process of its cgroup, sessions in it included */
	bool is_masked;
	bool has_job;      /* one of systemd's is waiting or under way */
	enum heal_absence absence;
	bool is_per_client; /* an instance is started for each, sshd -i */
	uint64_t ended_us; /* when an action of ours had ended it, CLOCK_MONOTONIC */
};

/* Whose hand has made the sockets that a process listens on. */
enum heal_sockets {
	HEAL_SOCKETS_UNKNOWN,
	HEAL_SOCKETS_OWN,
	HEAL_SOCKETS_INHERITED, /* made outside of its control group: by systemd */
};

/* The process that listens: look/listener and look/addresses. */
struct heal_process {
	pid_t pid;
	pid_t ppid;
	int dirfd;           /* /proc/PID; with start_time it names the process for good. -1: not of root's own */
	uint64_t start_time; /* clock ticks after boot, proc(5) field 22 */
	uint64_t program;    /* tells it from what it was before its last execve(2); 0: not told */
	char *exe;           /* without " (deleted)"; the name it was started by, where that is another file */
	bool exe_deleted;    /* what runs is not what has that name now */
	enum heal_foreign foreign;
	bool has_own_mounts; /* others than PID 1 has: its unit's */
	char **addresses; /* "0.0.0.0:22", "[::]:22" */
	size_t n_addresses;
	enum heal_sockets sockets;
	int sessions; /* -1: not counted */
};

/* Whether sessions are where the end of its unit would end them. */
enum heal_at_stake {
	HEAL_AT_STAKE_NONE,
	HEAL_AT_STAKE_SESSIONS,
	HEAL_AT_STAKE_UNSEEN, /* it could not be found out */
};

/* What speaks against an action that would be begun now. */
enum heal_objection {
	HEAL_OBJECTION_NONE,
	HEAL_OBJECTION_NO_TIME,         /* too little of the deadline is left */
	HEAL_OBJECTION_TRANSACTION,     /* what is on disk is being changed, and need not be what was tried */
	HEAL_OBJECTION_NOT_READY,       /* it has no handler for SIGHUP, or a job is at work on it */
	HEAL_OBJECTION_LOG_STUCK,       /* sshd would wait for the log, and serve nobody */
	HEAL_OBJECTION_POLICY_FORBIDS,  /* policy-rc.d */
	HEAL_OBJECTION_POLICY_UNASKED,  /* policy-rc.d could not be asked */
	HEAL_OBJECTION_RETRY,           /* it is not worth a restart */
	HEAL_OBJECTION_START_LIMIT,     /* earlier starts count against it, and cannot be forgotten */
	HEAL_OBJECTION_UNFORESEEN,      /* whether its unit would start is not certain */
};

/* What was seen of it before anything is done: look, try, and act right before it begins. */
struct heal_evidence {
	struct heal_stale_file *stale;
	size_t n_stale;
	enum heal_at_stake at_stake;
	struct heal_hello live; /* a client at its own address */
	struct heal_trial trial;
	struct heal_pending pending;
	struct heal_counted *counted; /* all but what it has mapped */
	size_t n_counted;
	bool is_counted;
	enum heal_objection objection;
	char lost[64];     /* an address that an action of ours has cost it; "": none */
	bool is_lost_held; /* somebody else listens there */
	bool is_doomed; /* its unit would not start again, though its sshd would */
	char start[256]; /* why that is, or why nobody knows; "": it would, as far as was asked */
};

/* What was made of it, and what became of that: judge, act and prove. */
struct heal_result {
	enum heal_verdict verdict;
	enum heal_plan plan;
	const char *reason; /* of the plan; static text */
	bool is_passing;    /* the reason, so that it may be tried again later */
	enum heal_outcome outcome;
	enum heal_plan in_vain; /* what was done and did not help; NONE: nothing */
	char detail[512];       /* what failed or what to type, "" when there is nothing to add */
	enum heal_fate proved;  /* what a client met after the action */
	double refused_ms;      /* how long nothing listened during the action; negative: unknown */
};

/* Ordered by how much it explains. */
enum heal_cause_result {
	HEAL_CAUSE_OK,
	HEAL_CAUSE_UNKNOWN, /* it could not be found out */
	HEAL_CAUSE_LIKELY,  /* it was read, and would explain what clients meet */
	HEAL_CAUSE_SHOWN,   /* by experiment, or in sshd's own words */
};

/* One known cause of clients being turned away. */
struct heal_cause {
	const char *name; /* static text, "hosts-deny" */
	enum heal_cause_result result;
	char detail[768]; /* why, printable */
	char advice[384]; /* what to type, "" for nothing */
};
#define HEAL_CAUSES_MAX 8

struct heal_listener {
	struct heal_process process;
	struct heal_unit unit; /* id NULL: not known, or none */
	struct heal_evidence evidence;
	struct heal_result result;
	bool is_guessed; /* by who is not root: nothing of it could be looked into */
	struct heal_cause causes[HEAL_CAUSES_MAX];
	size_t n_causes; /* 0: nobody has asked, and nothing called for it */
};

struct heal_listeners {
	struct heal_listener *items;
	size_t count;
	size_t unreadable; /* processes that call themselves sshd and may not be looked at */
	size_t n_foreign;  /* not root's own, those that are too many to be listed included */
};

/* Everything that one run found out and did. */
struct heal_report {
	struct heal_listeners listeners;
	struct heal_notes notes;
	enum heal_verdict verdict;
};

enum heal_proof {
	HEAL_PROOF_OK,
	HEAL_PROOF_STALE,    /* it still runs deleted files */
	HEAL_PROOF_DOWN,     /* nothing listens */
	HEAL_PROOF_SHUT_OUT, /* it is fresh, and no client gets in, or not everywhere as before */
	HEAL_PROOF_UNKNOWN,  /* it could not be looked at */
};

/* What a run that may act has of the lock that keeps others from it. */
enum heal_lock {
	HEAL_LOCK_HELD, /* or there is no need of it */
	HEAL_LOCK_BUSY, /* another run has it */
	HEAL_LOCK_NONE, /* it could not be had, and no other run has it */
};

enum heal_verb {
	HEAL_CHECK, /* reads only */
	HEAL_DRY_RUN,
	HEAL_DIAGNOSE, /* the same as a check, and every cause that clients could be turned away for */
	HEAL_HEAL,
	HEAL_HOOK, /* heal, and silent when all is well */
};

/* "healthy", "at-risk", "stale", "unknown", "down", "refusing" or "foreign". */
const char *heal_verdict_text(enum heal_verdict verdict);

/* Whether a client met what it is to meet. */
bool heal_fate_is_in(enum heal_fate fate);
/* Whether a client was turned away, as against not being tried to the end. */
bool heal_fate_is_refusal(enum heal_fate fate);
/* What a client meets, as the end of a sentence that begins with "a new client". */
const char *heal_fate_text(enum heal_fate fate);
/* Whether it is the main process of its unit, a service: what is done to the unit is done to it. */
bool heal_listener_has_unit(const struct heal_listener *listener);
/* Whether it cannot bind anew: its sockets tell, or else what its unit says of ssh.socket. */
bool heal_listener_is_socket_activated(const struct heal_listener *listener);
/* Our own unit, which serves in the place of one that we have ended. */
#define HEAL_RESCUE_UNIT "sshd-heal-rescue.service"

/* Whether it is of root's own in the namespaces of PID 1, be its file foreign or not. */
bool heal_process_is_roots(const struct heal_process *process);
/* Why one that is not ours is left alone, for a person. */
void heal_foreign_words(const struct heal_listener *listener, char *ret, size_t size);

void heal_process_done(struct heal_process *process);
void heal_evidence_clear_stale(struct heal_evidence *evidence);
void heal_counted_free(struct heal_counted *counted, size_t count);
void heal_listener_done(struct heal_listener *listener);
void heal_listeners_done(struct heal_listeners *listeners);
void heal_report_done(struct heal_report *report);

/* Whether what was done has come out so with any of them. */
bool heal_listeners_have(const struct heal_listeners *listeners, enum heal_outcome outcome);

/* Exit status: 0 fine or healed, 1 at risk or stale, 2 refusing, down or failed, 3 not found out. */
int heal_report_status(const struct heal_report *report);

/* Sets the detail of an outcome, made safe to print. */
void heal_detail(struct heal_result *result, const char *fmt, ...) _printf_(2, 3);

#endif
