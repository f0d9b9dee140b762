/* SPDX-License-Identifier: GPL-2.0-or-later */
/* heal_plan_of and heal_verdict_of: the whole policy, row by row and all at once. */
#include "test.h"

#define FACTS_END (1u << 21)
#define STALE HEAL_FACT_STALE
/* What calls for an action, and what is told of one that is well. */
#define ILL (STALE | HEAL_FACT_REFUSING)
#define DOUBTS                                                                             \
	(HEAL_FACT_TRIAL_FAILED | HEAL_FACT_UNTRIED | HEAL_FACT_KEY_CHANGED | HEAL_FACT_MOVES | \
	 HEAL_FACT_UNSEEN)
/* After a reload in vain. */
#define NO_HUP HEAL_FACT_RELOADED

static const char *const plan_names[] = {
	[HEAL_PLAN_NONE] = "none",
	[HEAL_PLAN_RELOAD] = "reload",
	[HEAL_PLAN_RESTART] = "restart",
	[HEAL_PLAN_WARN] = "warn",
	[HEAL_PLAN_HUP] = "hup",
	[HEAL_PLAN_START] = "start",
};

struct plan_case {
	uint64_t facts;
	enum heal_plan plan;
	const char *reason;
};

/* Of a unit that nothing runs for: in the order of the table, and what is advised. */
HEAL_TEST(plan_and_advice_of_what_is_down)
{
	static const uint64_t absent = HEAL_FACT_ABSENT;
	static const struct {
		uint64_t facts;
		enum heal_plan plan;
		enum heal_plan advice;
		enum heal_verdict verdict;
	} rows[] = {
		{0, HEAL_PLAN_WARN, HEAL_PLAN_START, HEAL_VERDICT_AT_RISK},
		{HEAL_FACT_FAILED, HEAL_PLAN_WARN, HEAL_PLAN_START, HEAL_VERDICT_DOWN},
		{HEAL_FACT_FAILED | HEAL_FACT_TRIAL_FAILED, HEAL_PLAN_WARN, HEAL_PLAN_NONE,
		 HEAL_VERDICT_DOWN},
		{HEAL_FACT_ENDED, HEAL_PLAN_START, HEAL_PLAN_START, HEAL_VERDICT_DOWN},
		{HEAL_FACT_ENDED | HEAL_FACT_UNTRIED, HEAL_PLAN_START, HEAL_PLAN_START,
		 HEAL_VERDICT_DOWN},
		{HEAL_FACT_ENDED | HEAL_FACT_MODE_WARN, HEAL_PLAN_WARN, HEAL_PLAN_START,
		 HEAL_VERDICT_DOWN},
		{HEAL_FACT_ENDED | HEAL_FACT_TRIAL_FAILED, HEAL_PLAN_WARN, HEAL_PLAN_NONE,
		 HEAL_VERDICT_DOWN},
		{HEAL_FACT_ENDED | HEAL_FACT_MASKED, HEAL_PLAN_WARN, HEAL_PLAN_NONE,
		 HEAL_VERDICT_DOWN},
		{HEAL_FACT_ENDED | HEAL_FACT_FORBIDDEN, HEAL_PLAN_WARN, HEAL_PLAN_START,
		 HEAL_VERDICT_DOWN},
		{HEAL_FACT_RESCUED, HEAL_PLAN_START, HEAL_PLAN_START, HEAL_VERDICT_AT_RISK},
		{HEAL_FACT_RESCUED | HEAL_FACT_UNTRIED, HEAL_PLAN_WARN, HEAL_PLAN_NONE,
		 HEAL_VERDICT_AT_RISK},
		{HEAL_FACT_RESCUED | HEAL_FACT_UNFORESEEN, HEAL_PLAN_WARN, HEAL_PLAN_NONE,
		 HEAL_VERDICT_AT_RISK},
		{HEAL_FACT_RESCUED | HEAL_FACT_BUSY, HEAL_PLAN_WARN, HEAL_PLAN_START,
		 HEAL_VERDICT_AT_RISK},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t facts = absent | rows[i].facts;

		assert_row(heal_plan_of(facts).plan == rows[i].plan, "row %zu: %s", i,
			   plan_names[heal_plan_of(facts).plan]);
		assert_row(heal_advice_of(facts) == rows[i].advice, "row %zu: advice %s", i,
			   plan_names[heal_advice_of(facts)]);
		assert_row(heal_verdict_of(facts) == rows[i].verdict, "row %zu", i);
	}
}

/* One case for each row of the table, in its order. */
static const struct plan_case cases[] = {
	{HEAL_FACT_FOREIGN | STALE, HEAL_PLAN_NONE, "not this host's own sshd"},
	{0, HEAL_PLAN_NONE, "runs the files on disk"},
	{STALE | HEAL_FACT_TRIAL_FAILED, HEAL_PLAN_WARN,
	 "the files on disk would not let a client in"},
	{STALE | HEAL_FACT_UNTRIED, HEAL_PLAN_WARN,
	 "it could not be tried whether the files on disk let a client in"},
	{STALE | HEAL_FACT_KEY_CHANGED, HEAL_PLAN_WARN,
	 "the host key on disk is not the one that clients know"},
	{STALE | HEAL_FACT_MOVES, HEAL_PLAN_WARN,
	 "with the configuration on disk sshd would not listen where it does now"},
	{STALE | HEAL_FACT_CONFIG_PENDING, HEAL_PLAN_WARN,
	 "its configuration on disk is not known to be the one that it read"},
	{STALE | HEAL_FACT_MODE_WARN, HEAL_PLAN_WARN, "configured to warn only"},
	{STALE | HEAL_FACT_FORBIDDEN, HEAL_PLAN_WARN, "policy-rc.d forbids service actions"},
	{STALE | HEAL_FACT_MASKED, HEAL_PLAN_WARN, "its unit is masked"},
	{STALE | HEAL_FACT_SHUTTING_DOWN, HEAL_PLAN_WARN, "the system is shutting down"},
	{STALE | HEAL_FACT_NO_MANAGER, HEAL_PLAN_WARN, "systemd cannot be asked"},
	{STALE | HEAL_FACT_NO_TIME, HEAL_PLAN_WARN,
	 "too little time is left to act and to prove that it went well"},
	{STALE | HEAL_FACT_TRANSACTION, HEAL_PLAN_WARN, "a package manager is at work"},
	{STALE | HEAL_FACT_UNMANAGED | HEAL_FACT_HUP_ALLOWED, HEAL_PLAN_HUP,
	 "not under a systemd unit"},
	{STALE | HEAL_FACT_UNMANAGED, HEAL_PLAN_WARN, "not under a systemd unit"},
	{STALE | HEAL_FACT_SOCKET_ACTIVATED, HEAL_PLAN_RESTART,
	 "socket-activated, no client is refused meanwhile"},
	{STALE | HEAL_FACT_CAN_RELOAD, HEAL_PLAN_RELOAD, "its unit can reload"},
	{STALE, HEAL_PLAN_HUP, "it binds its own sockets, and its unit cannot reload"},
	{STALE | NO_HUP | HEAL_FACT_KILLS_SESSIONS, HEAL_PLAN_WARN, "a restart would end open sessions"},
	{STALE | NO_HUP | HEAL_FACT_START_LIMIT, HEAL_PLAN_WARN,
	 "its unit's start limit is spent, a restart would leave it stopped"},
	{STALE | NO_HUP | HEAL_FACT_REFUSES_STOP, HEAL_PLAN_WARN,
	 "its unit refuses to be restarted by hand"},
	{STALE | NO_HUP | HEAL_FACT_UNFORESEEN, HEAL_PLAN_WARN,
	 "whether its unit would start again cannot be foreseen"},
	{STALE | NO_HUP, HEAL_PLAN_RESTART, "only a restart takes up the new files"},
};

static void assert_plan(uint64_t facts, enum heal_plan plan, const char *reason)
{
	struct heal_decision decision = heal_plan_of(facts);

	assert_row(decision.plan == plan && test_same(decision.reason, reason),
		   "facts %#llx: %s, %s; and not %s, %s", (unsigned long long)facts, plan_names[decision.plan],
		   decision.reason, plan_names[plan], reason);
}

HEAL_TEST(plan_of_each_row)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_plan(cases[i].facts, cases[i].plan, cases[i].reason);
}

/* But for the rows that later facts exclude, which have tests of their own below. */
HEAL_TEST(plan_of_an_earlier_row_wins)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t j = i + 1; j < ARRAY_SIZE(cases); j++) {
			uint64_t both = cases[i].facts | cases[j].facts;
			uint64_t later = cases[j].facts & ~STALE;

			if (cases[i].facts == 0)
				continue;
			if (cases[i].facts == (STALE | HEAL_FACT_SOCKET_ACTIVATED) &&
			    later & (HEAL_FACT_KILLS_SESSIONS | HEAL_FACT_START_LIMIT |
				     HEAL_FACT_REFUSES_STOP | HEAL_FACT_UNFORESEEN))
				continue;
			if (cases[i].plan != HEAL_PLAN_WARN &&
			    cases[i].facts != (STALE | HEAL_FACT_SOCKET_ACTIVATED) &&
			    later & NO_HUP && !(both & HEAL_FACT_FOREIGN))
				continue;
			if (cases[i].facts == STALE && later & HEAL_FACT_SOCKET_ACTIVATED)
				continue;
			/* The other way round: HUP_ALLOWED is the earlier row's only. */
			if (cases[i].facts == (STALE | HEAL_FACT_UNMANAGED) &&
			    later & HEAL_FACT_HUP_ALLOWED)
				continue;
			assert_plan(both, cases[i].plan, cases[i].reason);
		}
	}
}

HEAL_TEST(plan_without_stale_is_none_or_a_warning)
{
	static const struct plan_case rows[] = {
		{HEAL_FACT_TRIAL_FAILED, HEAL_PLAN_WARN, "a restart would lock clients out"},
		{HEAL_FACT_UNTRIED, HEAL_PLAN_WARN,
		 "it could not be tried whether clients would get in after a restart"},
		{HEAL_FACT_KEY_CHANGED, HEAL_PLAN_WARN,
		 "after a restart the host key would not be the one that clients know"},
		{HEAL_FACT_MOVES, HEAL_PLAN_WARN,
		 "after a restart sshd would not listen where it does now"},
		{HEAL_FACT_UNSEEN, HEAL_PLAN_WARN, "what clients meet could not be found out"},
		{HEAL_FACT_MODE_WARN | HEAL_FACT_CAN_RELOAD | HEAL_FACT_KILLS_SESSIONS | HEAL_FACT_NO_MANAGER,
		 HEAL_PLAN_NONE, "runs the files on disk"},
		{HEAL_FACT_FOREIGN | HEAL_FACT_TRIAL_FAILED, HEAL_PLAN_NONE, "not this host's own sshd"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_plan(rows[i].facts, rows[i].plan, rows[i].reason);
}

HEAL_TEST(plan_of_one_that_refuses_clients_is_that_of_a_stale_one)
{
	assert_plan(HEAL_FACT_REFUSING | HEAL_FACT_CAN_RELOAD, HEAL_PLAN_RELOAD, "its unit can reload");
	assert_plan(HEAL_FACT_REFUSING | HEAL_FACT_TRIAL_FAILED, HEAL_PLAN_WARN,
		    "the files on disk would not let a client in");
	assert_true(heal_plan_of(STALE | HEAL_FACT_UNTRIED | HEAL_FACT_UNTRIED_NOW).is_passing);
	assert_false(heal_plan_of(STALE | HEAL_FACT_UNTRIED).is_passing);
	/* Only where it does not listen any more: there is something to lose. */
	assert_plan(HEAL_FACT_REFUSING | HEAL_FACT_LOST | HEAL_FACT_CAN_RELOAD, HEAL_PLAN_RELOAD,
		    "its unit can reload");
	assert_plan(HEAL_FACT_REFUSING | HEAL_FACT_LOST | HEAL_FACT_CONFIG_PENDING, HEAL_PLAN_WARN,
		    "its configuration on disk is not known to be the one that it read");
	assert_plan(HEAL_FACT_REFUSING | HEAL_FACT_LOST | HEAL_FACT_HELD | HEAL_FACT_CAN_RELOAD,
		    HEAL_PLAN_WARN, "somebody else listens where it did");
	assert_plan(ILL | HEAL_FACT_LOST | HEAL_FACT_HELD | HEAL_FACT_CAN_RELOAD, HEAL_PLAN_RELOAD,
		    "its unit can reload");
	assert_plan(HEAL_FACT_REFUSING | HEAL_FACT_RELOADED, HEAL_PLAN_RESTART,
		    "clients are refused, and would not be after a restart");
}

HEAL_TEST(plan_takes_up_what_waits_where_clients_are_turned_away)
{
	assert_plan(STALE | HEAL_FACT_CAN_RELOAD | HEAL_FACT_REFUSING | HEAL_FACT_CONFIG_PENDING,
		    HEAL_PLAN_RELOAD, "its unit can reload");
}

HEAL_TEST(plan_after_a_reload_in_vain)
{
	assert_plan(STALE | HEAL_FACT_CAN_RELOAD | HEAL_FACT_RELOADED, HEAL_PLAN_RESTART,
		    "only a restart takes up the new files");
	assert_plan(STALE | HEAL_FACT_CAN_RELOAD | HEAL_FACT_RELOADED | HEAL_FACT_KILLS_SESSIONS,
		    HEAL_PLAN_WARN, "a restart would end open sessions");
	assert_plan(STALE | HEAL_FACT_UNMANAGED | HEAL_FACT_HUP_ALLOWED | HEAL_FACT_RELOADED,
		    HEAL_PLAN_WARN, "not under a systemd unit");
}

HEAL_TEST(plan_of_a_socket_activated_listener_never_reloads)
{
	static const struct plan_case rows[] = {
		{HEAL_FACT_KILLS_SESSIONS, HEAL_PLAN_WARN, "a restart would end open sessions"},
		{HEAL_FACT_START_LIMIT, HEAL_PLAN_WARN,
		 "its unit's start limit is spent, a restart would leave it stopped"},
		{HEAL_FACT_REFUSES_STOP, HEAL_PLAN_WARN, "its unit refuses to be restarted by hand"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_plan(STALE | HEAL_FACT_SOCKET_ACTIVATED | HEAL_FACT_CAN_RELOAD | rows[i].facts,
			    rows[i].plan, rows[i].reason);
}

HEAL_TEST(plan_reloads_where_a_restart_is_ruled_out)
{
	assert_plan(STALE | HEAL_FACT_CAN_RELOAD | HEAL_FACT_KILLS_SESSIONS | HEAL_FACT_START_LIMIT |
			    HEAL_FACT_REFUSES_STOP,
		    HEAL_PLAN_RELOAD, "its unit can reload");
}

/* What the plan must be, said by the actions and not by the rows. */
static enum heal_plan plan_expected(unsigned facts)
{
	const unsigned hands_off = HEAL_FACT_TRIAL_FAILED | HEAL_FACT_UNTRIED |
				   HEAL_FACT_KEY_CHANGED | HEAL_FACT_MOVES |
				   HEAL_FACT_NO_TIME | HEAL_FACT_TRANSACTION | HEAL_FACT_MODE_WARN | HEAL_FACT_FORBIDDEN |
				   HEAL_FACT_SHUTTING_DOWN | HEAL_FACT_NO_MANAGER;
	const unsigned no_restart =
		HEAL_FACT_KILLS_SESSIONS | HEAL_FACT_START_LIMIT | HEAL_FACT_REFUSES_STOP;
	bool is_reloaded = facts & HEAL_FACT_RELOADED;

	if (facts & HEAL_FACT_FOREIGN)
		return HEAL_PLAN_NONE;
	if (!(facts & ILL))
		return facts & DOUBTS ? HEAL_PLAN_WARN : HEAL_PLAN_NONE;
	if (facts & hands_off)
		return HEAL_PLAN_WARN;
	if (facts & HEAL_FACT_UNMANAGED)
		return facts & HEAL_FACT_HUP_ALLOWED && !is_reloaded ? HEAL_PLAN_HUP : HEAL_PLAN_WARN;
	if (facts & HEAL_FACT_SOCKET_ACTIVATED)
		return facts & no_restart ? HEAL_PLAN_WARN : HEAL_PLAN_RESTART;
	if (!is_reloaded)
		return facts & HEAL_FACT_CAN_RELOAD ? HEAL_PLAN_RELOAD : HEAL_PLAN_HUP;
	return facts & no_restart ? HEAL_PLAN_WARN : HEAL_PLAN_RESTART;
}

/* What must never be, whatever the table says. */
static bool plan_is_safe(unsigned facts, enum heal_plan plan)
{
	const unsigned never_act = HEAL_FACT_FOREIGN | HEAL_FACT_TRIAL_FAILED |
				   HEAL_FACT_UNTRIED | HEAL_FACT_MOVES |
				   HEAL_FACT_NO_TIME | HEAL_FACT_TRANSACTION | HEAL_FACT_KEY_CHANGED | HEAL_FACT_MODE_WARN |
				   HEAL_FACT_FORBIDDEN | HEAL_FACT_SHUTTING_DOWN |
				   HEAL_FACT_NO_MANAGER;
	const unsigned never_restart = HEAL_FACT_UNMANAGED | HEAL_FACT_KILLS_SESSIONS |
				       HEAL_FACT_START_LIMIT | HEAL_FACT_REFUSES_STOP;

	switch (plan) {
	case HEAL_PLAN_NONE:
		return facts & HEAL_FACT_FOREIGN || !(facts & (ILL | DOUBTS));
	case HEAL_PLAN_WARN:
		return facts & (ILL | DOUBTS) && !(facts & HEAL_FACT_FOREIGN);
	case HEAL_PLAN_RELOAD:
		return facts & ILL && facts & HEAL_FACT_CAN_RELOAD && !(facts & never_act) &&
		       !(facts & (HEAL_FACT_UNMANAGED | HEAL_FACT_SOCKET_ACTIVATED |
				  HEAL_FACT_RELOADED));
	case HEAL_PLAN_RESTART:
		return facts & ILL && !(facts & (never_act | never_restart));
	case HEAL_PLAN_HUP:
		return facts & ILL && !(facts & never_act) &&
		       (facts & HEAL_FACT_UNMANAGED
				? facts & HEAL_FACT_HUP_ALLOWED
				: !(facts & (HEAL_FACT_SOCKET_ACTIVATED | HEAL_FACT_CAN_RELOAD |
					     HEAL_FACT_RELOADED)));
	case HEAL_PLAN_START:
		return facts & HEAL_FACT_ABSENT && !(facts & never_act & ~HEAL_FACT_UNTRIED);
	}
	return false;
}

HEAL_TEST(plan_of_all_combinations_of_facts_is_safe_and_as_designed)
{
	for (unsigned facts = 0; facts < FACTS_END; facts++) {
		struct heal_decision decision = heal_plan_of(facts);

		assert_row(plan_is_safe(facts, decision.plan), "facts %#x: %s is not safe", facts,
			   plan_names[decision.plan]);
		assert_row(decision.plan == plan_expected(facts), "facts %#x: %s and not %s", facts,
			   plan_names[decision.plan], plan_names[plan_expected(facts)]);
		assert_row(decision.reason && *decision.reason, "facts %#x: no reason", facts);
	}
}

HEAL_TEST(verdict_of_all_combinations_of_facts)
{
	for (unsigned facts = 0; facts < FACTS_END; facts++) {
		enum heal_verdict verdict = heal_verdict_of(facts);
		enum heal_verdict expected = HEAL_VERDICT_HEALTHY;

		if (facts & (HEAL_FACT_TRIAL_FAILED | HEAL_FACT_KEY_CHANGED | HEAL_FACT_MOVES))
			expected = HEAL_VERDICT_AT_RISK;
		if (facts & HEAL_FACT_UNTRIED)
			expected = HEAL_VERDICT_UNKNOWN;
		if (facts & STALE)
			expected = HEAL_VERDICT_STALE;
		if (facts & HEAL_FACT_REFUSING)
			expected = HEAL_VERDICT_REFUSING;
		if (facts & HEAL_FACT_FOREIGN)
			expected = HEAL_VERDICT_FOREIGN;
		assert_row(verdict == expected, "facts %#x: %d", facts, (int)verdict);
	}
}

HEAL_TEST(verdict_and_plan_where_no_login_succeeds)
{
	assert_int_equal(heal_verdict_of(HEAL_FACT_LACKING), HEAL_VERDICT_REFUSING);
	assert_plan(HEAL_FACT_LACKING | HEAL_FACT_CAN_RELOAD, HEAL_PLAN_WARN,
		    "no login succeeds for want of a file, and a restart does not bring it back");
	/* It does not keep a stale one from its new files. */
	assert_plan(HEAL_FACT_LACKING | HEAL_FACT_CAN_RELOAD | STALE, HEAL_PLAN_RELOAD,
		    "its unit can reload");
}

HEAL_TEST(verdict_is_unknown_where_clients_could_not_be_seen)
{
	assert_int_equal(heal_verdict_of(HEAL_FACT_UNSEEN), HEAL_VERDICT_UNKNOWN);
	assert_int_equal(heal_verdict_of(HEAL_FACT_UNSEEN | STALE), HEAL_VERDICT_STALE);
}

HEAL_TEST(verdict_worsens_in_the_order_of_its_values)
{
	assert_true(HEAL_VERDICT_HEALTHY < HEAL_VERDICT_AT_RISK);
	assert_true(HEAL_VERDICT_AT_RISK < HEAL_VERDICT_STALE);
	assert_true(HEAL_VERDICT_STALE < HEAL_VERDICT_UNKNOWN);
	assert_true(HEAL_VERDICT_UNKNOWN < HEAL_VERDICT_DOWN);
	assert_true(HEAL_VERDICT_DOWN < HEAL_VERDICT_REFUSING);
}
