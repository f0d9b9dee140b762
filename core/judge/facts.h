/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The facts about a listener, one bit each: what verdict, plan and advice rest on. */
#ifndef SSHD_HEAL_JUDGE_FACTS_H
#define SSHD_HEAL_JUDGE_FACTS_H

#include <stdint.h>

#include "host/config.h"
#include "report.h"

enum heal_fact {
	HEAL_FACT_FOREIGN = 1u << 0,
	HEAL_FACT_STALE = 1u << 1,
	HEAL_FACT_TRIAL_FAILED = 1u << 2,
	HEAL_FACT_KEY_CHANGED = 1u << 3,
	HEAL_FACT_MODE_WARN = 1u << 4,
	HEAL_FACT_FORBIDDEN = 1u << 5, /* policy-rc.d */
	HEAL_FACT_SHUTTING_DOWN = 1u << 6,
	HEAL_FACT_NO_MANAGER = 1u << 7, /* systemd could not be asked */
	HEAL_FACT_UNMANAGED = 1u << 8,  /* not the main process of a service */
	HEAL_FACT_HUP_ALLOWED = 1u << 9,
	HEAL_FACT_SOCKET_ACTIVATED = 1u << 10,
	HEAL_FACT_CAN_RELOAD = 1u << 11,
	HEAL_FACT_RELOADED = 1u << 12, /* was reloaded in this run, and is still stale */
	HEAL_FACT_KILLS_SESSIONS = 1u << 13,
	HEAL_FACT_START_LIMIT = 1u << 14,
	HEAL_FACT_REFUSES_STOP = 1u << 15,
	HEAL_FACT_TRANSACTION = 1u << 16, /* of a package manager: it has begun since it was tried */
	HEAL_FACT_REFUSING = 1u << 17,       /* clients are turned away now */
	HEAL_FACT_UNTRIED = 1u << 18,        /* no trial could be made */
	HEAL_FACT_MOVES = 1u << 19,          /* on disk it would not listen where it does */
	HEAL_FACT_NO_TIME = 1u << 20,
	HEAL_FACT_BUSY = 1u << 21,           /* another run is at work */
	HEAL_FACT_UNLOCKED = 1u << 22,       /* nothing could be locked, so nothing is done */
	HEAL_FACT_POLICY_UNASKED = 1u << 23,
	HEAL_FACT_HUP_FATAL = 1u << 24,      /* after SIGHUP sshd would not find its files */
	HEAL_FACT_SESSIONS_UNSEEN = 1u << 25, /* whether a restart would end any is not known */
	HEAL_FACT_LOG_STUCK = 1u << 26,
	HEAL_FACT_NOT_READY = 1u << 27,
	HEAL_FACT_RETRY = 1u << 28,          /* of what was put off: not worth a restart */
	HEAL_FACT_UNFORESEEN = 1u << 29,     /* that its unit would start again is not certain */
	HEAL_FACT_MASKED = 1u << 30,
	HEAL_FACT_ABSENT = 1u << 31,         /* nothing runs for a unit that is enabled */
	HEAL_FACT_FAILED = 1ull << 32,       /* it has failed, as against being stopped */
	HEAL_FACT_ENDED = 1ull << 33,        /* an action of ours has ended it */
	HEAL_FACT_RESCUED = 1ull << 34,      /* likewise, and our rescue serves in its place */
	HEAL_FACT_UNSEEN = 1ull << 35,       /* what clients meet could not be found out */
	HEAL_FACT_WAITING = 1ull << 37,      /* systemd listens for it, and nothing runs yet */
	HEAL_FACT_FULL = 1ull << 36,         /* as many as MaxStartups allows have not logged in */
	HEAL_FACT_LACKING = 1ull << 39,      /* no login succeeds, for want of a file of PAM's */
	HEAL_FACT_SHUT = 1ull << 43,         /* TCP wrappers refuse everybody, whatever sshd does */
	HEAL_FACT_UNTRIED_NOW = 1ull << 42,  /* and it may be made in a while */
	HEAL_FACT_LOST = 1ull << 40,         /* it refuses only where it listened before an action of ours */
	HEAL_FACT_HELD = 1ull << 41,         /* and there listens somebody else */
	HEAL_FACT_DOOMED = 1ull << 44,       /* its unit would not start again */
	HEAL_FACT_CONFIG_PENDING = 1ull << 38, /* its configuration is not known to be the one that it read */
};

/* The facts that follow from what is configured, from the lock, and from what was seen. Pure. */
uint64_t heal_facts_of(const struct heal_config *config, enum heal_lock lock,
		       const struct heal_listener *listener);

#endif
