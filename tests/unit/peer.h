/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A systemd that does as told: it answers on a private socket, on a bus, or on both, from
 * a thread of its own, tells the truth of struct peer, and goes wrong where a fault says so.
 */
#ifndef SSHD_HEAL_PEER_H
#define SSHD_HEAL_PEER_H

#include <pthread.h>

#include "modules/systemd-bus.h"

enum peer_act {
	PEER_FINE,         /* for once it goes well */
	PEER_SILENCE,      /* no answer, ever */
	PEER_CLOSE,        /* the connection, before it is carried out */
	PEER_CLOSE_BEHIND, /* the connection, after it was carried out, without an answer */
	PEER_LATE,         /* 20 ms late */
	PEER_ERROR,        /* the error of that name */
	PEER_WRONG_TYPE,
	PEER_NO_VALUE,
	PEER_WRONG_SERIAL, /* an answer to something else, and none to this */
	PEER_FORGE,        /* first signals of others, who say that the job has failed */
	PEER_RENAME,       /* answers, and is another on the bus from then on */
};

/*
 * What goes wrong: at the next call of that name ("Ping", "ReloadUnit"; of Get the property,
 * "MainPID"; "private" and "bus" for a connection that is accepted). Each happens once, in
 * this order for the same name.
 */
struct peer_fault {
	const char *call; /* NULL behind the last */
	enum peer_act act;
	const char *error;
};

/* When the service's main process was started. */
#define PEER_START_US 1000000

struct peer {
	const char *unit; /* that every process belongs to; NULL: none */
	const char *active_state;
	const char *sub_unit_state; /* of every other unit; NULL: it is not loaded */
	const char *result;
	const char *reload_result;
	const char *kill_mode;
	const char *system_state;
	const char *triggered_by; /* NULL: nothing */
	const char *runtime;     /* RuntimeDirectory=; NULL: none */
	const char *environment;  /* NULL: nothing */
	const char *directory;
	const char *load_state;
	const char *file_state;
	const char *start_pre; /* the program of ExecStartPre=; NULL: none */
	const char *start_post; /* that of ExecStartPost=; NULL: none */
	const char *fragment;   /* its file */
	const char *drop_in;    /* NULL: none */
	const char *requires;   /* a unit; NULL: none */
	const char *read_only;  /* ReadOnlyPaths=; NULL: none */
	const char *confined_by; /* a property that is set; NULL: none */
	uint32_t main_pid;
	uint32_t n_restarts; /* by systemd itself */
	uint64_t started_us; /* when the service's main process was started, since 1970 */
	uint64_t closed_us; /* when every other unit was active last */
	bool can_reload;
	bool refuses_stop;
	bool is_changed; /* NeedDaemonReload */
	bool has_no_command;

	/* A job that was asked for: is over at once, or once the unit's Job was asked for so often. */
	int job_asks;           /* -1: it never is over */
	const char *job_result; /* in its signal; NULL: there is none */
	bool is_signal_early;   /* it comes before the answer to the request */
	bool changes_nothing;   /* the unit's state is as it was */
	const char *after_state;  /* then; NULL: as before, like the next */
	const char *after_result;

	bool has_private;
	bool is_deaf; /* nobody listens at the private socket, which is there */
	bool has_bus;
	const struct peer_fault *faults;

	/* What came: "private Ping LoadUnit ...". Only to be read after peer_end(). */
	char calls[1024];
	size_t first_len; /* of the first message on the private socket */

	/* To reach it, with times that a slow machine can keep. */
	struct systemd_setup setup;
	struct systemd *systemd; /* who has, by peer_connect() */
	struct heal_error error;
	bool is_hurried; /* for test-job: peer_hurry() once it is reached */
	struct peer_server *server;
};

/* A healthy Debian ssh.service, by the private socket and the bus; no faults. */
void peer_init(struct peer *peer);
void peer_start(struct peer *peer);
/* Starts it, and gives what connecting to it gives. */
int peer_connect(struct peer *peer);
/* Makes the times short: for who has no answer to expect, but must get one where it can. */
void peer_hurry(struct peer *peer);
/* Ends it, and removes all trees; may be called again. */
void peer_end(struct peer *peer);

/* --- peer-answer.c --------------------------------------------------------- */

#define PEER_JOB SYSTEMD_PATH "/job/7"
#define PEER_NO_JOB "/"

/* What changes while it serves. */
struct peer_state {
	const char *name; /* systemd's on the bus */
	const char *job;  /* of the unit */
	uint64_t changed; /* when the unit's state did, last */
};

/* The answer to a call, to be freed. */
DBusMessage *peer_answer(const struct peer *peer, const struct peer_state *now, DBusMessage *call,
			 bool is_wrong);
bool peer_is_job(const char *method);

#define _cleanup_peer_ _cleanup_(peer_end)

#endif
