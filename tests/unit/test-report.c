/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report, letter by letter: for people, for syslog, and as an exit status. */
#include <syslog.h>

#include "test.h"

#define LIBDIR "/usr/lib/x86_64-linux-gnu/"

static char *addresses[] = {(char *)"0.0.0.0:22", (char *)"[::]:22"};

static struct heal_stale_file stale_files[] = {
	{.path = (char *)LIBDIR "libcrypto.so.3", .package = (char *)"libssl3", .source = (char *)"openssl",
	 .version_before = (char *)"3.0.17", .version_now = (char *)"3.0.22"},
	{.path = (char *)LIBDIR "libssl.so.3", .package = (char *)"libssl3", .source = (char *)"openssl",
	 .version_before = (char *)"3.0.17", .version_now = (char *)"3.0.22"},
	{.path = (char *)LIBDIR "libc.so.6", .package = (char *)"libc6", .source = (char *)"glibc",
	 .version_now = (char *)"2.36"},
	{.path = (char *)"/opt/own.so"},
};

/* Borrowed pieces only: nothing of a sample is to be freed. */
struct sample {
	struct heal_report report;
	struct heal_listener listener;
};

static void sample_init(struct sample *sample)
{
	*sample = (struct sample){
		.listener = {
			.process.pid = 34,
			.process.dirfd = -1,
			.process.exe = (char *)"/usr/sbin/sshd",
			.process.addresses = addresses,
			.process.n_addresses = 2,
			.process.sessions = 2,
			.unit = {.id = (char *)"ssh.service", .main_pid = 34, .is_service = true},
		},
		.report = {.listeners = {.count = 1}},
	};
	sample->report.listeners.items = &sample->listener;
}

static void sample_init_stale(struct sample *sample, enum heal_plan plan, const char *reason,
			      enum heal_outcome outcome, const char *detail)
{
	sample_init(sample);
	sample->listener.evidence.stale = stale_files;
	sample->listener.evidence.n_stale = ARRAY_SIZE(stale_files);
	sample->listener.result.verdict = HEAL_VERDICT_STALE;
	sample->listener.result.plan = plan;
	sample->listener.result.reason = reason;
	sample->listener.result.outcome = outcome;
	sample->report.verdict = HEAL_VERDICT_STALE;
	(void)snprintf(sample->listener.result.detail, sizeof(sample->listener.result.detail), "%s", detail);
}

static void assert_log(const struct sample *sample, int priority, const char *expected)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_int_equal(heal_report_log(out, &sample->listener), priority);
	(void)fclose(out);
	assert_string_equal(text, expected);
	/* syslog(3) takes it as one line. */
	assert_null(strchr(text, '\n'));
}

#define SUBJECT "ssh.service (pid 34, listens on 0.0.0.0:22 [::]:22, 2 sessions)"
#define STALE_LINES                                                                    \
	"sshd-heal: " SUBJECT " runs files that were replaced or deleted\n"            \
	"  " LIBDIR "libcrypto.so.3: libssl3 3.0.17 -> 3.0.22 (source openssl)\n"      \
	"  " LIBDIR "libssl.so.3: libssl3 3.0.17 -> 3.0.22 (source openssl)\n"         \
	"  " LIBDIR "libc.so.6: libc6 2.36 (source glibc)\n"                           \
	"  /opt/own.so: owner unknown\n"
#define LOG_START                                                                      \
	SUBJECT " ran deleted files of libssl3 3.0.17 -> 3.0.22 (source openssl), "    \
		"libc6 2.36 (source glibc), /opt/own.so; "

HEAL_TEST(report_of_a_stale_listener_before_anything_is_done)
{
	static const struct {
		enum heal_plan plan;
		const char *line;
	} rows[] = {
		{HEAL_PLAN_RELOAD, "  would be reloaded: the reason\n"},
		{HEAL_PLAN_RESTART, "  would be restarted: the reason\n"},
		{HEAL_PLAN_HUP, "  would get SIGHUP: the reason\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sample sample;
		char expected[1024];

		sample_init_stale(&sample, rows[i].plan, "the reason", HEAL_OUTCOME_DRY_RUN, "");
		(void)snprintf(expected, sizeof(expected), STALE_LINES "%s", rows[i].line);
		assert_text(&sample.report, HEAL_CHECK, expected);
		assert_text(&sample.report, HEAL_HOOK, expected);
		assert_int_equal(heal_report_status(&sample.report), 1);
	}
}

HEAL_TEST(report_of_a_healed_listener)
{
	static const struct {
		enum heal_plan plan;
		double refused_ms;
		enum heal_fate proved;
		const char *done;
	} rows[] = {
		{HEAL_PLAN_RELOAD, 5.14, HEAL_FATE_OK,
		 "healed: reloaded, no deleted file left, a new client gets up to the login; clients were "
		 "refused for 5.1 ms"},
		{HEAL_PLAN_RESTART, 0, HEAL_FATE_OK,
		 "healed: restarted, no deleted file left, a new client gets up to the login; clients were "
		 "refused for 0.0 ms"},
		{HEAL_PLAN_HUP, -1, HEAL_FATE_OK,
		 "healed: sent SIGHUP, no deleted file left, a new client gets up to the login"},
		/* Shut out for our own probes: that proves nothing. */
		{HEAL_PLAN_RELOAD, -1, HEAL_FATE_PENALTY,
		 "healed: reloaded, no deleted file left, a new client could not be tried"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sample sample;
		char expected[1024];

		sample_init_stale(&sample, rows[i].plan, "x", HEAL_OUTCOME_HEALED, "");
		sample.listener.result.refused_ms = rows[i].refused_ms;
		sample.listener.result.proved = rows[i].proved;
		(void)snprintf(expected, sizeof(expected), STALE_LINES "  %s\n", rows[i].done);
		assert_text(&sample.report, HEAL_HOOK, expected);
		(void)snprintf(expected, sizeof(expected), LOG_START "%s", rows[i].done);
		assert_log(&sample, LOG_NOTICE, expected);
		assert_int_equal(heal_report_status(&sample.report), 0);
	}
}

HEAL_TEST(report_of_a_healed_listener_has_what_else_is_to_be_said)
{
	struct sample sample;

	sample_init_stale(&sample, HEAL_PLAN_RESTART, "x", HEAL_OUTCOME_HEALED,
			  "sshd was down");
	sample.listener.result.refused_ms = -1;
	sample.listener.result.proved = HEAL_FATE_OK;
	assert_text(&sample.report, HEAL_HEAL,
		    STALE_LINES "  healed: restarted, no deleted file left, a new client gets up to the login; "
				"but sshd was down\n");
}

HEAL_TEST(report_of_a_listener_that_is_left_alone)
{
	struct sample sample;

	sample_init_stale(&sample, HEAL_PLAN_WARN, "configured to warn only",
			  HEAL_OUTCOME_WARNED, "systemctl reload ssh.service");
	sample.listener.evidence.trial.result = HEAL_TRIAL_OK;
	assert_text(&sample.report, HEAL_HOOK,
		    STALE_LINES "  left alone: configured to warn only; to heal it by hand: "
				"systemctl reload ssh.service\n");
	assert_log(&sample, LOG_WARNING,
		   LOG_START "left alone: configured to warn only; to heal it by hand: "
			     "systemctl reload ssh.service");
	assert_int_equal(heal_report_status(&sample.report), 1);
}

HEAL_TEST(report_gives_no_advice_where_there_is_none)
{
	static const struct {
		enum heal_trial_result result;
		const char *detail;
		const char *text;
		const char *log;
	} rows[] = {
		{HEAL_TRIAL_FAILED, "a client of /usr/sbin/sshd gets nothing",
		 STALE_LINES "  a client of /usr/sbin/sshd gets nothing\n  left alone: why\n",
		 LOG_START "a client of /usr/sbin/sshd gets nothing; left alone: why"},
		{HEAL_TRIAL_SKIPPED, "no module", STALE_LINES "  no module\n  left alone: why\n",
		 LOG_START "no module; left alone: why"},
		{HEAL_TRIAL_SKIPPED, "", STALE_LINES "  left alone: why\n",
		 LOG_START "left alone: why"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sample sample;

		sample_init_stale(&sample, HEAL_PLAN_WARN, "why", HEAL_OUTCOME_WARNED, "");
		sample.listener.evidence.trial.result = rows[i].result;
		(void)snprintf(sample.listener.evidence.trial.detail, sizeof(sample.listener.evidence.trial.detail),
			       "%s", rows[i].detail);
		assert_text(&sample.report, HEAL_HOOK, rows[i].text);
		assert_log(&sample, LOG_WARNING, rows[i].log);
	}
}

HEAL_TEST(report_of_a_listener_that_turns_clients_away_is_critical)
{
	struct sample sample;

	sample_init_stale(&sample, HEAL_PLAN_WARN, "why", HEAL_OUTCOME_WARNED, "type this");
	sample.listener.result.verdict = HEAL_VERDICT_REFUSING;
	sample.listener.evidence.live.fate = HEAL_FATE_EOF;
	sample.listener.evidence.trial.result = HEAL_TRIAL_OK;
	assert_text(&sample.report, HEAL_HOOK,
		    STALE_LINES "  CRITICAL: a new client gets connection closed by remote host, "
				"before the banner\n"
				"  left alone: why; to heal it by hand: type this\n");
	assert_log(&sample, LOG_CRIT,
		   LOG_START "left alone: why; to heal it by hand: type this");
	assert_int_equal(heal_report_status(&sample.report), 2);
	/* A penalty is about us: told, but not critical. */
	sample.listener.result.verdict = HEAL_VERDICT_STALE;
	sample.listener.evidence.live.fate = HEAL_FATE_PENALTY;
	assert_text(&sample.report, HEAL_HOOK,
		    STALE_LINES "  a new client is turned away for its address\n"
				"  left alone: why; to heal it by hand: type this\n");
	assert_int_equal(heal_report_status(&sample.report), 1);
}

HEAL_TEST(report_of_a_unit_that_nothing_runs_for)
{
	static const struct {
		enum heal_absence absence;
		enum heal_verdict verdict;
		enum heal_outcome outcome;
		const char *text;
		int priority;
		const char *log;
	} rows[] = {
		{HEAL_ABSENCE_STOPPED, HEAL_VERDICT_AT_RISK, HEAL_OUTCOME_WARNED,
		 "is enabled and stopped, and nothing listens\n  left alone: why; to heal it by hand: "
		 "type this\n",
		 LOG_WARNING, "left alone: why; to heal it by hand: type this"},
		{HEAL_ABSENCE_FAILED, HEAL_VERDICT_DOWN, HEAL_OUTCOME_WARNED,
		 "CRITICAL: it is enabled and has failed, and nothing listens\n  left alone: why; to "
		 "heal it by hand: type this\n",
		 LOG_CRIT, "left alone: why; to heal it by hand: type this"},
		{HEAL_ABSENCE_ENDED, HEAL_VERDICT_DOWN, HEAL_OUTCOME_FAILED,
		 "CRITICAL: an action of sshd-heal has ended it, and nothing listens\n  NOT healed: "
		 "type this\n",
		 LOG_CRIT, "NOT healed: type this"},
		{HEAL_ABSENCE_RESCUED, HEAL_VERDICT_AT_RISK, HEAL_OUTCOME_DRY_RUN,
		 "does not run, and sshd-heal-rescue.service serves in its place\n  would be started: "
		 "why\n",
		 LOG_NOTICE, "would be started: why"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sample sample;
		char text[256];

		sample_init_stale(&sample, HEAL_PLAN_START, "why", rows[i].outcome, "type this");
		sample.listener.evidence.n_stale = 0;
		sample.listener.process.pid = 0;
		sample.listener.process.sessions = -1;
		sample.listener.unit.main_pid = 0;
		sample.listener.unit.absence = rows[i].absence;
		sample.listener.result.verdict = rows[i].verdict;
		(void)snprintf(text, sizeof(text),
			       "sshd-heal: ssh.service (down, listened on 0.0.0.0:22 [::]:22): %s",
			       rows[i].text);
		/* A hook tells it, too. */
		assert_text(&sample.report, HEAL_CHECK, text);
		assert_text(&sample.report, HEAL_HOOK, text);
		(void)snprintf(text, sizeof(text),
			       "ssh.service (down, listened on 0.0.0.0:22 [::]:22) was down; %s",
			       rows[i].log);
		assert_log(&sample, rows[i].priority, text);
	}
}

HEAL_TEST(report_has_what_a_trial_found_though_it_passed)
{
	struct sample sample;

	sample_init_stale(&sample, HEAL_PLAN_WARN, "why", HEAL_OUTCOME_WARNED, "type this");
	sample.listener.evidence.trial.host_key = HEAL_HOST_KEY_CHANGED;
	sample.listener.evidence.trial.result = HEAL_TRIAL_OK;
	(void)strcpy(sample.listener.evidence.trial.detail, "clients know another host key");
	assert_text(&sample.report, HEAL_HOOK,
		    STALE_LINES "  clients know another host key\n"
				"  left alone: why; to heal it by hand: type this\n");
	assert_log(&sample, LOG_WARNING,
		   LOG_START "clients know another host key; left alone: why; to heal it by hand: "
			     "type this");
}

HEAL_TEST(report_names_what_waits_to_be_read)
{
	struct sample sample;

	sample_init_stale(&sample, HEAL_PLAN_WARN, "why", HEAL_OUTCOME_WARNED, "type this");
	sample.listener.evidence.pending.is_config = true;
	(void)strcpy(sample.listener.evidence.pending.detail, "/etc/x was added");
	assert_text(&sample.report, HEAL_HOOK,
		    STALE_LINES "  /etc/x was added\n"
				"  left alone: why; to apply that, and heal it: type this\n");
	assert_log(&sample, LOG_WARNING,
		   LOG_START "/etc/x was added; left alone: why; to apply that, and heal it: type this");
}

HEAL_TEST(report_of_a_listener_that_could_not_be_healed)
{
	struct sample sample;

	sample_init_stale(&sample, HEAL_PLAN_RELOAD, "x", HEAL_OUTCOME_FAILED,
			  "the job failed");
	assert_text(&sample.report, HEAL_HOOK, STALE_LINES "  NOT healed: the job failed\n");
	assert_log(&sample, LOG_CRIT, LOG_START "NOT healed: the job failed");
	assert_int_equal(heal_report_status(&sample.report), 2);
}

HEAL_TEST(report_of_a_healthy_listener)
{
	struct sample sample;

	sample_init(&sample);
	assert_text(&sample.report, HEAL_CHECK,
		    "sshd-heal: " SUBJECT ": healthy, runs the files on disk\n");
	sample.listener.process.sessions = 1;
	sample.listener.process.n_addresses = 1;
	assert_text(&sample.report, HEAL_HEAL,
		    "sshd-heal: ssh.service (pid 34, listens on 0.0.0.0:22, 1 session): "
		    "healthy, runs the files on disk\n");
	sample.listener.process.sessions = 0;
	sample.listener.process.n_addresses = 0;
	assert_text(&sample.report, HEAL_DRY_RUN,
		    "sshd-heal: ssh.service (pid 34): healthy, runs the files on disk\n");
	sample.listener.process.sessions = -1;
	assert_text(&sample.report, HEAL_DRY_RUN,
		    "sshd-heal: ssh.service (pid 34): healthy, runs the files on disk\n");
	assert_text(&sample.report, HEAL_HOOK, "");
	assert_int_equal(heal_report_status(&sample.report), 0);
}

HEAL_TEST(report_names_a_listener_beside_its_unit_by_its_exe)
{
	static const struct heal_unit units[] = {
		{.id = NULL},
		{.id = (char *)"ssh.service", .main_pid = 33, .is_service = true},
		{.id = (char *)"session-1.scope", .main_pid = 34},
	};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		struct sample sample;

		sample_init(&sample);
		sample.listener.unit = units[i];
		assert_text(&sample.report, HEAL_CHECK,
			    "sshd-heal: /usr/sbin/sshd (pid 34, listens on 0.0.0.0:22 [::]:22, 2 "
			    "sessions): healthy, runs the files on disk\n");
	}
}

HEAL_TEST(report_of_a_foreign_listener_says_why)
{
	static const struct {
		enum heal_foreign foreign;
		const char *why;
	} rows[] = {
		{HEAL_FOREIGN_USER, "not run by root"},
		{HEAL_FOREIGN_NAMESPACE, "in a container or chroot"},
		{HEAL_FOREIGN_PATH, "not a known sshd path, and not the file of its unit; SshdPath=/usr/sbin/sshd in "
				    "sshd-heal.conf would make it one"},
		{HEAL_FOREIGN_WRITABLE, "not only root can change /usr/sbin/sshd, or put another file in its place"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sample sample;
		char expected[256];

		sample_init(&sample);
		sample.listener.process.foreign = rows[i].foreign;
		sample.listener.result.verdict = HEAL_VERDICT_FOREIGN;
		(void)snprintf(expected, sizeof(expected), "sshd-heal: " SUBJECT ": left alone, %s\n",
			       rows[i].why);
		assert_text(&sample.report, HEAL_CHECK, expected);
		assert_text(&sample.report, HEAL_HOOK, "");
		assert_int_equal(heal_report_status(&sample.report), 0);
	}
}

HEAL_TEST(report_of_no_listener_at_all)
{
	struct heal_report report = {0};

	assert_text(&report, HEAL_CHECK, "sshd-heal: no sshd is running, nothing to heal\n");
	assert_text(&report, HEAL_HEAL, "sshd-heal: no sshd is running, nothing to heal\n");
	assert_text(&report, HEAL_HOOK, "");
	assert_int_equal(heal_report_status(&report), 0);
	/* There may be one, which could not be looked at. */
	report.listeners.unreadable = 1;
	assert_text(&report, HEAL_CHECK, "");
	assert_int_equal(heal_report_status(&report), 3);
}

HEAL_TEST(report_of_a_listener_that_could_not_be_examined)
{
	struct sample sample;

	sample_init(&sample);
	sample.listener.result.verdict = HEAL_VERDICT_UNKNOWN;
	sample.report.listeners.unreadable = 1;
	assert_text(&sample.report, HEAL_CHECK, "sshd-heal: " SUBJECT ": could not be examined\n");
	assert_int_equal(heal_report_status(&sample.report), 3);
}

HEAL_TEST(report_begins_with_the_notes)
{
	char *lines[] = {(char *)"the first", (char *)"the second"};
	struct sample sample;

	sample_init(&sample);
	sample.report.notes = (struct heal_notes){.lines = lines, .count = 2};
	assert_text(&sample.report, HEAL_CHECK,
		    "sshd-heal: the first\nsshd-heal: the second\nsshd-heal: " SUBJECT
		    ": healthy, runs the files on disk\n");
	/* A hook has nothing to say as long as nothing is stale. */
	assert_text(&sample.report, HEAL_HOOK, "");
	sample_init_stale(&sample, HEAL_PLAN_RELOAD, "why", HEAL_OUTCOME_DRY_RUN, "");
	sample.report.notes = (struct heal_notes){.lines = lines, .count = 2};
	assert_text(&sample.report, HEAL_HOOK,
		    "sshd-heal: the first\nsshd-heal: the second\n" STALE_LINES
		    "  would be reloaded: why\n");
}

HEAL_TEST(report_lets_no_unsafe_byte_through)
{
	struct heal_stale_file evil = {
		.path = (char *)"/tmp/\033]0;x\a\n\\x1b\303\244",
		.package = (char *)"a\033[2J",
		.source = (char *)"b\nc",
		.version_before = (char *)"1\r",
		.version_now = (char *)"2\t",
	};
	struct sample sample;

	sample_init_stale(&sample, HEAL_PLAN_RELOAD, "why", HEAL_OUTCOME_DRY_RUN, "");
	sample.listener.evidence.stale = &evil;
	sample.listener.evidence.n_stale = 1;
	sample.listener.process.exe = (char *)"/tmp/\033c/sshd\n";
	sample.listener.unit.id = NULL;
	sample.listener.process.n_addresses = 0;
	assert_text(&sample.report, HEAL_CHECK,
		    "sshd-heal: /tmp/\\x1bc/sshd\\x0a (pid 34, 2 sessions) runs files that were "
		    "replaced or deleted\n"
		    "  /tmp/\\x1b]0;x\\x07\\x0a\\x5cx1b\\xc3\\xa4: a\\x1b[2J 1\\x0d -> 2\\x09 "
		    "(source b\\x0ac)\n"
		    "  would be reloaded: why\n");
	assert_log(&sample, LOG_NOTICE,
		   "/tmp/\\x1bc/sshd\\x0a (pid 34, 2 sessions) ran deleted files of a\\x1b[2J "
		   "1\\x0d -> 2\\x09 (source b\\x0ac); would be reloaded: why");
}

HEAL_TEST(report_to_a_full_disk_is_an_error)
{
	struct sample sample;
	FILE *full = fopen("/dev/full", "we");

	assert_non_null(full);
	sample_init(&sample);
	assert_int_equal(heal_report_text(full, &sample.report, HEAL_CHECK), -EIO);
	(void)fclose(full);
}

HEAL_TEST(status_is_that_of_the_worst_listener)
{
	static const struct {
		enum heal_verdict verdict;
		enum heal_outcome outcome;
		int status;
	} rows[] = {
		{HEAL_VERDICT_HEALTHY, HEAL_OUTCOME_NOT_NEEDED, 0},
		{HEAL_VERDICT_FOREIGN, HEAL_OUTCOME_NOT_NEEDED, 0},
		{HEAL_VERDICT_AT_RISK, HEAL_OUTCOME_WARNED, 1},
		{HEAL_VERDICT_STALE, HEAL_OUTCOME_HEALED, 0},
		{HEAL_VERDICT_STALE, HEAL_OUTCOME_DRY_RUN, 1},
		{HEAL_VERDICT_STALE, HEAL_OUTCOME_WARNED, 1},
		{HEAL_VERDICT_STALE, HEAL_OUTCOME_FAILED, 2},
		{HEAL_VERDICT_UNKNOWN, HEAL_OUTCOME_FAILED, 3},
		{HEAL_VERDICT_DOWN, HEAL_OUTCOME_WARNED, 2},
		{HEAL_VERDICT_DOWN, HEAL_OUTCOME_HEALED, 0},
		{HEAL_VERDICT_REFUSING, HEAL_OUTCOME_NOT_NEEDED, 2},
		{HEAL_VERDICT_REFUSING, HEAL_OUTCOME_WARNED, 2},
	};
	/* From the best to the worst, as monitoring plugins number them. */
	static const int order[] = {0, 1, 3, 2};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(rows); j++) {
			struct heal_listener listeners[] = {
				{.result.verdict = rows[i].verdict, .result.outcome = rows[i].outcome},
				{.result.verdict = rows[j].verdict, .result.outcome = rows[j].outcome},
			};
			struct heal_report report = {.listeners = {listeners, 2, 0}};
			int worst = 0;

			for (size_t k = 0; k < ARRAY_SIZE(order); k++)
				if (rows[i].status == order[k] || rows[j].status == order[k])
					worst = order[k];
			assert_row(heal_report_status(&report) == worst, "rows %zu and %zu", i, j);
			/* What could not be looked at may be worse than stale. */
			report.listeners.unreadable = 1;
			assert_row(heal_report_status(&report) == (worst == 2 ? 2 : 3),
				   "rows %zu and %zu, one unreadable", i, j);
		}
	}
}
