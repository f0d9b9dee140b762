/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy: what follows from a listener's facts. Nothing else. */
#include <stdbool.h>
#include <stdint.h>

#include "judge/plan.h"

#include "judge/facts.h"
#include "report.h"

/* From the top, the first row whose `all` are set and whose `none` are not. */
struct plan_row {
	uint64_t all;
	uint64_t none;
	enum heal_plan plan;
	const char *reason;
};

/* What rules a restart out, socket-activated or not; each has its own row further down. */
#define NO_RESTART                                                                     \
	(HEAL_FACT_KILLS_SESSIONS | HEAL_FACT_SESSIONS_UNSEEN | HEAL_FACT_START_LIMIT | \
	 HEAL_FACT_REFUSES_STOP | HEAL_FACT_UNFORESEEN)

/* What rules SIGHUP out, whoever sends it: sshd binds anew, and where it cannot, it ends. */
#define NO_HUP                                                                         \
	(HEAL_FACT_RELOADED | HEAL_FACT_SOCKET_ACTIVATED | HEAL_FACT_HUP_FATAL)

/* What keeps a unit that we have ended from being started again. */
#define NO_START                                                                       \
	(HEAL_FACT_BUSY | HEAL_FACT_UNLOCKED | HEAL_FACT_MODE_WARN | HEAL_FACT_MASKED | \
	 HEAL_FACT_FORBIDDEN | HEAL_FACT_POLICY_UNASKED | HEAL_FACT_SHUTTING_DOWN |     \
	 HEAL_FACT_NO_MANAGER | HEAL_FACT_LOG_STUCK | HEAL_FACT_NO_TIME |               \
	 HEAL_FACT_TRIAL_FAILED)

/* What passes by itself: worth another try, later. */
#define PASSING                                                                        \
	(HEAL_FACT_BUSY | HEAL_FACT_UNLOCKED | HEAL_FACT_SHUTTING_DOWN |                \
	 HEAL_FACT_NO_MANAGER | HEAL_FACT_LOG_STUCK | HEAL_FACT_NOT_READY |             \
	 HEAL_FACT_NO_TIME | HEAL_FACT_TRANSACTION | HEAL_FACT_RETRY |                  \
	 HEAL_FACT_KILLS_SESSIONS | HEAL_FACT_SESSIONS_UNSEEN | HEAL_FACT_UNTRIED_NOW)

/* Of a unit that is enabled, and that nothing runs for. */
static const struct plan_row plan_absent_rows[] = {
	{HEAL_FACT_ENDED, NO_START, HEAL_PLAN_START, "an action of sshd-heal had ended it"},
	{HEAL_FACT_ENDED, 0, HEAL_PLAN_WARN,
	 "an action of sshd-heal had ended it, and it cannot be started now"},
	/* A start ends the rescue: nothing about it may be uncertain. */
	{HEAL_FACT_RESCUED, NO_START | HEAL_FACT_UNTRIED | HEAL_FACT_UNFORESEEN | HEAL_FACT_TRANSACTION,
	 HEAL_PLAN_START,
	 "sshd-heal-rescue.service serves in its place"},
	{HEAL_FACT_RESCUED, 0, HEAL_PLAN_WARN,
	 "sshd-heal-rescue.service serves in its place, as long as it is not certain to start"},
	{HEAL_FACT_FAILED, 0, HEAL_PLAN_WARN, "its unit has failed"},
	{0, 0, HEAL_PLAN_WARN, "its unit was stopped"},
};

/* Of one that runs what is on disk and lets clients in, as far as that was seen. */
static const struct plan_row plan_well_rows[] = {
	{HEAL_FACT_TRIAL_FAILED, 0, HEAL_PLAN_WARN, "a restart would lock clients out"},
	{HEAL_FACT_UNTRIED, 0, HEAL_PLAN_WARN,
	 "it could not be tried whether clients would get in after a restart"},
	{HEAL_FACT_KEY_CHANGED, 0, HEAL_PLAN_WARN,
	 "after a restart the host key would not be the one that clients know"},
	{HEAL_FACT_MOVES, 0, HEAL_PLAN_WARN, "after a restart sshd would not listen where it does now"},
	{HEAL_FACT_DOOMED, 0, HEAL_PLAN_WARN, "its unit would not start again"},
	{HEAL_FACT_UNSEEN, 0, HEAL_PLAN_WARN, "what clients meet could not be found out"},
	{0, 0, HEAL_PLAN_NONE, "runs the files on disk"},
};

/* Of one that is stale, or refuses clients. */
static const struct plan_row plan_ill_rows[] = {
	{HEAL_FACT_BUSY, 0, HEAL_PLAN_WARN, "another sshd-heal is at work"},
	{HEAL_FACT_TRIAL_FAILED, 0, HEAL_PLAN_WARN,
	 "the files on disk would not let a client in"},
	{HEAL_FACT_UNTRIED | HEAL_FACT_UNTRIED_NOW, 0, HEAL_PLAN_WARN,
	 "it could not be tried whether the files on disk let a client in"},
	{HEAL_FACT_UNTRIED, 0, HEAL_PLAN_WARN,
	 "it could not be tried whether the files on disk let a client in"},
	{HEAL_FACT_KEY_CHANGED, 0, HEAL_PLAN_WARN,
	 "the host key on disk is not the one that clients know"},
	{HEAL_FACT_MOVES, 0, HEAL_PLAN_WARN,
	 "with the configuration on disk sshd would not listen where it does now"},
	/* Where clients are turned away, nothing that lets them in again can be for the worse. */
	{HEAL_FACT_CONFIG_PENDING, HEAL_FACT_REFUSING, HEAL_PLAN_WARN,
	 "its configuration on disk is not known to be the one that it read"},
	{HEAL_FACT_CONFIG_PENDING | HEAL_FACT_LOST, 0, HEAL_PLAN_WARN,
	 "its configuration on disk is not known to be the one that it read"},
	{HEAL_FACT_LACKING, HEAL_FACT_STALE | HEAL_FACT_REFUSING, HEAL_PLAN_WARN,
	 "no login succeeds for want of a file, and a restart does not bring it back"},
	{HEAL_FACT_SHUT, HEAL_FACT_STALE, HEAL_PLAN_WARN, "TCP wrappers refuse every client"},
	/* A restart would begin to count anew, and leave those that are there where they are. */
	{HEAL_FACT_FULL, HEAL_FACT_STALE, HEAL_PLAN_WARN,
	 "MaxStartups is used up by connections that have not logged in"},
	{HEAL_FACT_HELD, HEAL_FACT_STALE, HEAL_PLAN_WARN, "somebody else listens where it did"},
	{HEAL_FACT_WAITING, 0, HEAL_PLAN_WARN, "systemd starts sshd anew for a client, and that is refused"},
	{HEAL_FACT_MODE_WARN, 0, HEAL_PLAN_WARN, "configured to warn only"},
	{HEAL_FACT_UNLOCKED, 0, HEAL_PLAN_WARN,
	 "nothing is done that another sshd-heal could not be kept from"},
	{HEAL_FACT_FORBIDDEN, 0, HEAL_PLAN_WARN, "policy-rc.d forbids service actions"},
	{HEAL_FACT_POLICY_UNASKED, 0, HEAL_PLAN_WARN, "policy-rc.d could not be asked"},
	{HEAL_FACT_MASKED, 0, HEAL_PLAN_WARN, "its unit is masked"},
	{HEAL_FACT_SHUTTING_DOWN, 0, HEAL_PLAN_WARN, "the system is shutting down"},
	{HEAL_FACT_NO_MANAGER, 0, HEAL_PLAN_WARN, "systemd cannot be asked"},
	{HEAL_FACT_LOG_STUCK, 0, HEAL_PLAN_WARN,
	 "the system's log takes nothing, and sshd would wait for it when it starts"},
	{HEAL_FACT_NOT_READY, 0, HEAL_PLAN_WARN,
	 "sshd does not take a SIGHUP now, which would end it"},
	{HEAL_FACT_NO_TIME, 0, HEAL_PLAN_WARN,
	 "too little time is left to act and to prove that it went well"},
	{HEAL_FACT_TRANSACTION, 0, HEAL_PLAN_WARN, "a package manager is at work"},
	{HEAL_FACT_RETRY, 0, HEAL_PLAN_WARN,
	 "only a restart takes up the new files, and it was put off before"},
	{HEAL_FACT_UNMANAGED | HEAL_FACT_HUP_ALLOWED,
	 HEAL_FACT_RELOADED | HEAL_FACT_HUP_FATAL, HEAL_PLAN_HUP,
	 "not under a systemd unit"},
	{HEAL_FACT_UNMANAGED, 0, HEAL_PLAN_WARN, "not under a systemd unit"},
	/* The port stays with systemd; SIGHUP would end such an sshd: it cannot bind. */
	{HEAL_FACT_SOCKET_ACTIVATED, NO_RESTART, HEAL_PLAN_RESTART,
	 "socket-activated, no client is refused meanwhile"},
	/* What a unit lacks for a start, it may lack for ExecReload=, too. */
	{HEAL_FACT_CAN_RELOAD, NO_HUP | HEAL_FACT_DOOMED, HEAL_PLAN_RELOAD, "its unit can reload"},
	{0, NO_HUP, HEAL_PLAN_HUP, "it binds its own sockets, and its unit cannot reload"},
	{HEAL_FACT_KILLS_SESSIONS, 0, HEAL_PLAN_WARN, "a restart would end open sessions"},
	{HEAL_FACT_SESSIONS_UNSEEN, 0, HEAL_PLAN_WARN,
	 "whether a restart would end open sessions could not be found out"},
	{HEAL_FACT_START_LIMIT, 0, HEAL_PLAN_WARN,
	 "its unit's start limit is spent, a restart would leave it stopped"},
	{HEAL_FACT_REFUSES_STOP, 0, HEAL_PLAN_WARN, "its unit refuses to be restarted by hand"},
	{HEAL_FACT_UNFORESEEN, 0, HEAL_PLAN_WARN,
	 "whether its unit would start again cannot be foreseen"},
	{HEAL_FACT_STALE, 0, HEAL_PLAN_RESTART, "only a restart takes up the new files"},
	{0, 0, HEAL_PLAN_RESTART, "clients are refused, and would not be after a restart"},
};

static const struct plan_row *plan_table(uint64_t facts)
{
	static const struct plan_row plan_foreign_rows[] = {
		{0, 0, HEAL_PLAN_NONE, "not this host's own sshd"},
	};

	if (facts & HEAL_FACT_FOREIGN)
		return plan_foreign_rows;
	if (facts & HEAL_FACT_ABSENT)
		return plan_absent_rows;
	return facts & (HEAL_FACT_STALE | HEAL_FACT_REFUSING | HEAL_FACT_LACKING) ? plan_ill_rows : plan_well_rows;
}

struct heal_decision heal_plan_of(uint64_t facts)
{
	const struct plan_row *row = plan_table(facts);

	/* The last row of each table takes every listener. */
	while ((facts & row->all) != row->all || (facts & row->none))
		row++;
	return (struct heal_decision){
		.plan = row->plan, .reason = row->reason, .is_passing = row->all & PASSING};
}

enum heal_plan heal_advice_of(uint64_t facts)
{
	static const uint64_t dangers =
		HEAL_FACT_TRIAL_FAILED | HEAL_FACT_UNTRIED |
		HEAL_FACT_MOVES | HEAL_FACT_SHUTTING_DOWN |
		HEAL_FACT_NO_MANAGER | HEAL_FACT_BUSY | HEAL_FACT_LOG_STUCK | HEAL_FACT_NOT_READY |
		HEAL_FACT_TRANSACTION | HEAL_FACT_DOOMED;
	static const uint64_t orders = HEAL_FACT_MODE_WARN | HEAL_FACT_FORBIDDEN |
				       HEAL_FACT_POLICY_UNASKED | HEAL_FACT_UNLOCKED |
				       HEAL_FACT_UNMANAGED | HEAL_FACT_NO_TIME |
				       HEAL_FACT_KEY_CHANGED | HEAL_FACT_CONFIG_PENDING;

	/* What is down cannot get worse, unless a rescue serves. */
	if (facts & HEAL_FACT_ABSENT)
		return facts & (HEAL_FACT_TRIAL_FAILED | HEAL_FACT_MASKED | HEAL_FACT_SHUTTING_DOWN |
				HEAL_FACT_NO_MANAGER) ||
				       (facts & HEAL_FACT_RESCUED &&
					facts & (HEAL_FACT_UNTRIED | HEAL_FACT_UNFORESEEN))
			       ? HEAL_PLAN_NONE
			       : HEAL_PLAN_START;
	if (facts & dangers || !(facts & orders))
		return HEAL_PLAN_NONE;
	if (facts & HEAL_FACT_UNMANAGED)
		return HEAL_PLAN_HUP;
	if (!(facts & NO_HUP))
		return facts & HEAL_FACT_CAN_RELOAD ? HEAL_PLAN_RELOAD : HEAL_PLAN_HUP;
	return facts & NO_RESTART ? HEAL_PLAN_NONE : HEAL_PLAN_RESTART;
}
