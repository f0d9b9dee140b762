/* SPDX-License-Identifier: GPL-2.0-or-later */
/* title_classify and stat_parse: what a process says of itself. */
#include "test.h"

struct title_row {
	const char *title; /* '|' stands for NUL */
	enum heal_title expected;
};

static void assert_titles(const struct title_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(rows[i].title);
		_cleanup_free_ char *cmdline = malloc(len + 1);
		enum heal_title title;

		assert_non_null(cmdline);
		memcpy(cmdline, rows[i].title, len + 1);
		for (char *bar = cmdline; (bar = strchr(bar, '|'));)
			*bar++ = '\0';
		title = title_classify(cmdline, len);
		assert_row(title == rows[i].expected, "%s: %d", rows[i].title, (int)title);
	}
}

HEAL_TEST(title_of_a_listener)
{
	static const struct title_row rows[] = {
		/* 8.2 on. */
		{"sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups|", HEAL_TITLE_LISTENER},
		{"sshd: /usr/sbin/sshd -D [listener] 100 of 10-100 startups|", HEAL_TITLE_LISTENER},
		{"sshd: /usr/sbin/sshd -D -o Banner=[net] [listener] 0 of 10-100 startups||||",
		 HEAL_TITLE_LISTENER},
		/* Its argv and environment had too little room for the end, or for more than that. */
		{"sshd: /usr/sbin/sshd -D [listener] 0 of|", HEAL_TITLE_LISTENER},
		{"sshd: /usr/sbin/sshd -D [liste|", HEAL_TITLE_LISTENER},
		{"sshd: /usr/sbin/sshd -D -o Banner=[net]|", HEAL_TITLE_LISTENER},
		{"sshd: /usr/sb|", HEAL_TITLE_LISTENER},
		{"sshd: /", HEAL_TITLE_LISTENER},
		/* Before 8.2, and for a moment after every start. */
		{"/usr/sbin/sshd|", HEAL_TITLE_LISTENER},
		{"/usr/sbin/sshd", HEAL_TITLE_LISTENER},
		{"/usr/sbin/sshd|-D|", HEAL_TITLE_LISTENER},
		{"/usr/sbin/sshd|-De|", HEAL_TITLE_LISTENER},
		{"/usr/sbin/sshd|-D|-4|-q|", HEAL_TITLE_LISTENER},
		{"sshd|-D|", HEAL_TITLE_LISTENER},
	};

	assert_titles(rows, ARRAY_SIZE(rows));
}

HEAL_TEST(title_of_a_listener_whose_option_values_look_like_options)
{
	static const struct title_row rows[] = {
		{"/usr/sbin/sshd|-D|-o|PidFile=/run/sshd-R.pid|", HEAL_TITLE_LISTENER},
		{"/usr/sbin/sshd|-o|-i|", HEAL_TITLE_LISTENER},
		{"/usr/sbin/sshd|-oPrintMotd=no|-D|", HEAL_TITLE_LISTENER},
		{"/usr/sbin/sshd|-f/etc/ssh/iRtT|", HEAL_TITLE_LISTENER},
		{"/usr/sbin/sshd|-Dp|2222|-E|/var/log/iRt|", HEAL_TITLE_LISTENER},
		{"/usr/sbin/sshd|-f|/etc/ssh/test|-D|", HEAL_TITLE_LISTENER},
		{"/usr/sbin/sshd|-D|-o|", HEAL_TITLE_LISTENER},
		{"/usr/sbin/sshd|-D|-o", HEAL_TITLE_LISTENER},
		/* getopt ends at the first word that is no option. */
		{"/usr/sbin/sshd|word|-i|", HEAL_TITLE_LISTENER},
	};

	assert_titles(rows, ARRAY_SIZE(rows));
}

HEAL_TEST(title_of_an_argv_that_does_not_listen)
{
	static const struct title_row rows[] = {
		{"/usr/sbin/sshd|-i|", HEAL_TITLE_OTHER},
		{"/usr/sbin/sshd|-ie|", HEAL_TITLE_OTHER},
		{"/usr/sbin/sshd|-ei|", HEAL_TITLE_OTHER},
		{"/usr/sbin/sshd|-D|-R|", HEAL_TITLE_OTHER},
		{"/usr/sbin/sshd|-t|", HEAL_TITLE_OTHER},
		{"/usr/sbin/sshd|-T|", HEAL_TITLE_OTHER},
		{"/usr/sbin/sshd|-G|", HEAL_TITLE_OTHER},
		{"/usr/sbin/sshd|-V|", HEAL_TITLE_OTHER},
		{"/usr/sbin/sshd|-o|UsePAM=no|-i|", HEAL_TITLE_OTHER},
		{"/usr/sbin/sshd|-oUsePAM=no|-i|", HEAL_TITLE_OTHER},
		{"/usr/sbin/sshd|-f|/etc/ssh/sshd_config|-p|22|-t|", HEAL_TITLE_OTHER},
		{"/usr/lib/openssh/sshd-session|-D|-R|", HEAL_TITLE_OTHER},
		{"", HEAL_TITLE_OTHER},
	};

	assert_titles(rows, ARRAY_SIZE(rows));
}

HEAL_TEST(title_of_a_session)
{
	static const struct title_row rows[] = {
		/* Up to 9.7. */
		{"sshd: root@pts/0|", HEAL_TITLE_SESSION},
		{"sshd: root@notty|", HEAL_TITLE_SESSION},
		{"sshd: root@pts/0,pts/1,notty||||", HEAL_TITLE_SESSION},
		{"sshd: anna@internal-sftp|", HEAL_TITLE_SESSION},
		{"sshd: anna|", HEAL_TITLE_SESSION},
		/* Its monitor lives as long as the session does. */
		{"sshd: anna [priv]||||", HEAL_TITLE_SESSION},
		/* 9.8 on. */
		{"sshd-session: root@pts/0|", HEAL_TITLE_SESSION},
		{"sshd-session: anna [priv]|", HEAL_TITLE_SESSION},
		/* A user may have such a name. */
		{"sshd: listener@pts/0|", HEAL_TITLE_SESSION},
		{"sshd: unknown-one@pts/0|", HEAL_TITLE_SESSION},
	};

	assert_titles(rows, ARRAY_SIZE(rows));
}

HEAL_TEST(title_of_a_connection_before_authentication)
{
	static const struct title_row rows[] = {
		{"sshd: [accepted]||||", HEAL_TITLE_OTHER},
		{"sshd: [net]|", HEAL_TITLE_OTHER},
		{"sshd: root [net]|", HEAL_TITLE_OTHER},
		{"sshd: anna [accepted]|", HEAL_TITLE_OTHER},
		{"sshd: unknown [priv]|", HEAL_TITLE_OTHER},
		{"sshd: unknown [net]|", HEAL_TITLE_OTHER},
		{"sshd-session: [accepted]|", HEAL_TITLE_OTHER},
		{"sshd-session: [rexeced]|", HEAL_TITLE_OTHER},
		{"sshd-session: root [net]|", HEAL_TITLE_OTHER},
		{"sshd-session: unknown [priv]|", HEAL_TITLE_OTHER},
	};

	assert_titles(rows, ARRAY_SIZE(rows));
}

HEAL_TEST(title_of_an_sshd_with_another_name)
{
	static const struct title_row rows[] = {
		{"sshd.distrib: /usr/sbin/sshd.distrib -D [listener] 0 of 10-100 startups|", HEAL_TITLE_LISTENER},
		{"sshd.old: root@pts/0|", HEAL_TITLE_SESSION},
		{"sshd-9.2: [accepted]|", HEAL_TITLE_OTHER},
		{"sshd.distrib: root [net]|", HEAL_TITLE_OTHER},
	};

	assert_titles(rows, ARRAY_SIZE(rows));
}

HEAL_TEST(title_tells_by_which_name_a_listener_was_started)
{
	static const struct {
		const char *title; /* '|' stands for NUL */
		const char *exe;
		const char *program; /* NULL: it is not known */
		bool is_sshds;
	} rows[] = {
		{"sshd: /usr/sbin/sshd -D [listener] 0 of|", "/usr/sbin/sshd.old", "/usr/sbin/sshd", true},
		{"sshd.old: /usr/sbin/sshd.old -D [listener]|", "/x", "/usr/sbin/sshd.old", true},
		{"sshd: /opt/my ssh/sshd -D [listener] 0 of|", "/opt/my ssh/sshd", "/opt/my ssh/sshd", true},
		{"sshd: /usr/sbin/sshd2 [listener] 0 of|", "/usr/sbin/sshd", "/usr/sbin/sshd2", true},
		/* It was cut, perhaps. */
		{"sshd: /usr/sbin/sshd|", "/usr/sbin/sshd", NULL, true},
		{"sshd: /usr/sb|", "/usr/sbin/sshd", NULL, true},
		{"sshd: sshd -D [listener]|", "/usr/sbin/sshd", NULL, true},
		{"/usr/sbin/sshd|-D|", "/usr/sbin/sshd.old", "/usr/sbin/sshd", false},
		{"/opt/my ssh/sshd|-D|", "/x", "/opt/my ssh/sshd", false},
		{"sshd|-D|", "/usr/sbin/sshd", NULL, false},
		{"/", "/usr/sbin/sshd", NULL, false},
		{"sshd:", "/usr/sbin/sshd", NULL, false},
		{"sshd/x: /a b|", "/usr/sbin/sshd", NULL, false},
		{"bash: /usr/sbin/sshd -D|", "/bin/bash", NULL, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = strlen(rows[i].title);
		_cleanup_free_ char *cmdline = malloc(len + 1);
		_cleanup_free_ char *program = NULL;

		assert_non_null(cmdline);
		memcpy(cmdline, rows[i].title, len + 1);
		for (char *bar = cmdline; (bar = strchr(bar, '|'));)
			*bar++ = '\0';
		assert_int_equal(title_program(cmdline, len, rows[i].exe, &program), 0);
		assert_row(test_same(program, rows[i].program), "%s: %s", rows[i].title, program);
		assert_row((title_name(cmdline, len) != 0) == rows[i].is_sshds, "%s", rows[i].title);
	}
}

/* From the parent on, the start time being the 19th. */
#define STAT_REST "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 228669 20 21\n"

HEAL_TEST(stat_is_read_whatever_the_comm_holds)
{
	static const struct {
		const char *text;
		pid_t ppid;
		char state;
		uint64_t start_time;
	} rows[] = {
		/* Recorded. */
		{"25 (sshd) S 11 0 0 0 -1 4194560 654 628 3 0 1 0 0 0 20 0 1 0 228669 15826944 "
		 "2347 18446744073709551615 94374724726784 94374725571469 140725242489776 0 0 0 0 "
		 "4098 81925 1 0 0 17 0 0 0 0 0 0 94374725924720 94374725940880 94375244222464 "
		 "140725242493576 140725242493594 140725242493594 140725242494953 0\n",
		 11, 'S', 228669},
		/* A comm that continues like the fields do. */
		{"25 (a) R 9 (x) Z " STAT_REST, 1, 'Z', 228669},
		{"25 (a (b) c) S 11 0 0 0 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22\n", 11, 'S',
		 19},
		{"25 (ss\nhd) S 11 0 0 0 5 6 7 8 9 10 11 12 13 14 15 16 17 18 42 20 21 22\n", 11, 'S', 42},
		{"25 ()) X 0 0 0 0 5 6 7 8 9 10 11 12 13 14 15 16 17 18 18446744073709551615", 0, 'X',
		 UINT64_MAX},
		{"25 () R 1 0 0 0 5 6 7 8 9 10 11 12 13 14 15 16 17 18 7", 1, 'R', 7},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct heal_stat stat = {0};
		int r = stat_parse(rows[i].text, strlen(rows[i].text), &stat);

		assert_row(r == 0, "%s: %d", rows[i].text, r);
		assert_row(stat.ppid == rows[i].ppid, "%s: parent %d", rows[i].text, (int)stat.ppid);
		assert_row(stat.state == rows[i].state, "%s: state %c", rows[i].text, stat.state);
		assert_row(stat.start_time == rows[i].start_time, "%s: start %llu",
			   rows[i].text, (unsigned long long)stat.start_time);
	}
}

HEAL_TEST(stat_that_is_none_is_refused)
{
	static const char *const texts[] = {
		"",
		"\n",
		"25",
		"25 (sshd",
		"25 sshd S 11",
		"25 (sshd)",
		"25 (sshd) S",
		"25 (sshd) S x 0 0 0 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
		"25 (sshd) S 11 0 0 0 5 6 7 8 9 10 11 12 13 14 15 16 17 18",
		"25 (sshd) S 11 0 0 0 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct heal_stat stat = {.ppid = 77};

		assert_row(stat_parse(texts[i], strlen(texts[i]), &stat) == -EINVAL, "%s", texts[i]);
		assert_row(stat.ppid == 77, "%s: the output was touched", texts[i]);
	}
}

HEAL_TEST(title_tells_of_a_listener_that_is_full)
{
	static const struct {
		const char *title;
		bool is_full;
	} rows[] = {
		{"sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", false},
		{"sshd: /usr/sbin/sshd -D [listener] 9 of 10-100 startups", false},
		{"sshd: /usr/sbin/sshd -D [listener] 10 of 10-100 startups", true},
		{"sshd: /usr/sbin/sshd -D [listener] 99 of 10-100 startups", true},
		{"sshd: /usr/sbin/sshd -D [listener]", false},
		{"sshd: /usr/sbin/sshd -D [listener] x of y", false},
		{"sshd: root@pts/0", false},
		{"", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_row(title_is_full(rows[i].title) == rows[i].is_full, "%s", rows[i].title);
}
