/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a unit's ExecStart= and a listener's title to the options of a trial. */
#include "test.h"

HEAL_TEST(words_are_kept_in_order_with_a_null_behind)
{
	struct heal_words words = {0};

	for (size_t i = 0; i < 40; i++) {
		assert_int_equal(heal_words_add(&words, "abcdef", i % 7), 0);
		assert_null(words.items[words.count]);
	}
	assert_int_equal(words.count, 40);
	assert_string_equal(words.items[0], "");
	assert_string_equal(words.items[20], "abcdef");
	heal_words_done(&words);
	assert_int_equal(words.count, 0);
}

HEAL_TEST(words_are_equal_when_all_are)
{
	static const struct {
		const char *a;
		const char *b;
		bool are_equal;
	} rows[] = {
		{"", "", true},        {"a", "a", true},    {"-o x", "-o x", true},
		{"-o x", "-o y", false}, {"a", "a b", false}, {"a b", "a", false},
		{"a b", "b a", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct heal_words a = {0};
		struct heal_words b = {0};

		assert_int_equal(words_split(rows[i].a, &a), 0);
		assert_int_equal(words_split(rows[i].b, &b), 0);
		assert_row(heal_words_equal(&a, &b) == rows[i].are_equal, "%s, %s", rows[i].a,
			   rows[i].b);
		heal_words_done(&a);
		heal_words_done(&b);
	}
}

HEAL_TEST(exec_split_heeds_quotes)
{
	static const struct {
		const char *text;
		const char *words;
	} rows[] = {
		{"", ""},
		{" \t ", ""},
		{"-D", "-D|"},
		{" -D\t-4  ", "-D|-4|"},
		{"-o \"Banner /etc/a b\"", "-o|Banner /etc/a b|"},
		{"-o 'Banner \"x\"'", "-o|Banner \"x\"|"},
		{"a\"b c\"d", "ab cd|"},
		{"''", "|"},
		{"a\\ b", "a b|"},
		{"'a\\b'", "a\\b|"},
		{"\"a\\\"b\"", "a\"b|"},
		/* In double quotes a backslash is for few characters only, systemd.exec(5). */
		{"\"a\\$b\\\\c\\`\"", "a$b\\c`|"},
		{"\"a\\nb\"", "a\\nb|"},
		/* Not closed, and cut after a backslash. */
		{"\"a b", "a b|"},
		{"a\\", "a\\|"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(heal_words_done) struct heal_words words = {0};

		assert_int_equal(words_split(rows[i].text, &words), 0);
		assert_words(rows[i].text, &words, rows[i].words);
	}
}

HEAL_TEST(exec_environment_file_gives_its_assignments)
{
	static const char text[] = "# Options\n"
				   "; more\n"
				   "\n"
				   "SSHD_OPTS=\n"
				   "  A=b  \n"
				   "Q=\"a b\"\n"
				   "S='a \"b'\n"
				   "E=x=y\n"
				   "=none\n"
				   "word\n"
				   "N=a\0b\n"
				   "  SPACED = x y  \n"
				   "JOINED=\"-o A \\\n-o B\"\n"
				   "# not \\\nGONE=1\n"
				   "U=a\\ \\\\b\n"
				   "V=x \"y z\" 'q'\n"
				   "W='a\\b'\n"
				   "LAST=1";
	_cleanup_(heal_words_done) struct heal_words words = {0};

	assert_int_equal(arguments_parse_environment(text, sizeof(text) - 1, &words), 0);
	assert_words("file", &words, "SSHD_OPTS=|A=b|Q=a b|S=a \"b|E=x=y|SPACED=x y|"
			      "JOINED=-o A -o B|U=a \\b|V=x \"y z\" 'q'|W=a\\b|LAST=1|");
}

HEAL_TEST(exec_finds_a_variable_that_changes_which_code_is_run)
{
	static const struct {
		const char *environment;
		const char *found;
	} rows[] = {
		{"", NULL},
		{"SSHD_OPTS= LANG=C PATH=/bin", NULL},
		{"LANG=C LD_LIBRARY_PATH=/opt LD_PRELOAD=/x", "LD_LIBRARY_PATH=/opt"},
		{"OPENSSL_MODULES=/x", "OPENSSL_MODULES=/x"},
		{"GLIBC_TUNABLES=glibc.malloc.check=3", "GLIBC_TUNABLES=glibc.malloc.check=3"},
		{"MALLOC_PERTURB_=1", "MALLOC_PERTURB_=1"},
		{"OLD_PRELOAD=/x A=LD_PRELOAD", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(heal_words_done) struct heal_words words = {0};
		const char *found;

		assert_int_equal(words_split(rows[i].environment, &words), 0);
		found = arguments_find_loader_variable(&words);
		assert_row(test_same(found, rows[i].found), "%s: %s", rows[i].environment,
			   found ? found : "none");
	}
}

HEAL_TEST(exec_expand_as_systemd_does)
{
	static const struct {
		const char *command;
		const char *argv;
	} rows[] = {
		{"/usr/sbin/sshd -D $SSHD_OPTS", "/usr/sbin/sshd|-D|-o|A b|-4|"},
		{"sshd ${SSHD_OPTS}", "sshd|-o 'A b' -4|"},
		{"sshd -o${ONE}x", "sshd|-o1x|"},
		{"sshd $EMPTY -D", "sshd|-D|"},
		{"sshd ${EMPTY} -D", "sshd||-D|"},
		{"sshd $UNSET ${UNSET}", "sshd||"},
		{"sshd $$ONE a$$b", "sshd|$ONE|a$b|"},
		{"sshd a$ONE $", "sshd|a$ONE|$|"},
		{"sshd ${ONE", "sshd|${ONE|"},
		/* The last assignment wins, and ON is not ONE. */
		{"sshd $TWICE $ON", "sshd|second|"},
	};
	static const char *const assignments[] = {"SSHD_OPTS=-o 'A b' -4", "ONE=1", "EMPTY=",
						  "TWICE=first", "TWICE=second"};
	_cleanup_(heal_words_done) struct heal_words environment = {0};

	for (size_t i = 0; i < ARRAY_SIZE(assignments); i++)
		assert_int_equal(heal_words_add(&environment, assignments[i],
						strlen(assignments[i])), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(heal_words_done) struct heal_words command = {0};
		_cleanup_(heal_words_done) struct heal_words argv = {0};

		assert_int_equal(words_split(rows[i].command, &command), 0);
		assert_int_equal(arguments_expand(&command, &environment, &argv), 0);
		assert_words(rows[i].command, &argv, rows[i].argv);
	}
}

HEAL_TEST(exec_title_gives_the_arguments_of_a_listener)
{
	_cleanup_(heal_words_done) struct heal_words argv = {0};
	static const char *const none[] = {"sshd: root@pts/0", "sshd: /usr/sbin/sshd -D"};
	static const char renamed[] = "sshd.old: /usr/sbin/sshd -D -p 22 [listener] 0 of 10-100 startups";
	static const char title[] = "sshd: /usr/sbin/sshd -D -p 22 [listener] 0 of 10-100 startups";

	assert_int_equal(arguments_of_title(title, sizeof(title), &argv), 0);
	assert_words("title", &argv, "/usr/sbin/sshd|-D|-p|22|");
	heal_words_done(&argv);
	assert_int_equal(arguments_of_title(renamed, sizeof(renamed), &argv), 0);
	assert_words("title", &argv, "/usr/sbin/sshd|-D|-p|22|");
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		assert_row(arguments_of_title(none[i], strlen(none[i]), &argv) == -EINVAL, "%s", none[i]);
}

HEAL_TEST(exec_title_is_that_of_the_arguments_it_shows)
{
	static const struct {
		const char *title;
		const char *argv;
		bool is_it;
	} rows[] = {
		{"sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", "/usr/sbin/sshd -D", true},
		/* Where the title alone is ambiguous. */
		{"sshd: sshd -o Banner /a b [listener] 0", "sshd -o 'Banner /a b'", true},
		{"sshd: sshd -o Banner /a b [listener] 0", "sshd -o 'Banner /a' b", true},
		/* By the name of the file that it was started by. */
		{"sshd.distrib: sshd -D [listener] 0", "sshd -D", true},
		{"sshd: sshd -D [listener] 0", "sshd", false},
		{"sshd: sshd [listener] 0", "sshd -D", false},
		{"sshd: sshd -D [listener] 0", "sshd -E", false},
		{"sshd: sshd -D", "sshd -D", false},
		{"sshd: sshd -Dq [listener] 0", "sshd -D", false},
		{"x: sshd -D [listener] 0", "sshd -D", false},
		{"", "sshd", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(heal_words_done) struct heal_words argv = {0};

		assert_int_equal(words_split(rows[i].argv, &argv), 0);
		assert_row(arguments_is_title_of(rows[i].title, &argv) == rows[i].is_it, "%s, %s",
			   rows[i].title, rows[i].argv);
	}
}

HEAL_TEST(words_are_copied_behind_those_that_are_there)
{
	_cleanup_(heal_words_done) struct heal_words from = {0};
	_cleanup_(heal_words_done) struct heal_words to = {0};

	assert_int_equal(words_split("b c", &from), 0);
	assert_int_equal(words_split("a", &to), 0);
	assert_int_equal(heal_words_copy(&from, &to), 0);
	assert_words("copy", &to, "a|b|c|");
	assert_words("original", &from, "b|c|");
}

HEAL_TEST(exec_split_nul_gives_the_words_of_a_cmdline)
{
	static const char cmdline[] = "sshd\0-D\0\0-o\0a b";
	_cleanup_(heal_words_done) struct heal_words argv = {0};
	_cleanup_(heal_words_done) struct heal_words empty = {0};

	assert_int_equal(words_split_nul(cmdline, sizeof(cmdline) - 1, &argv), 0);
	assert_words("cmdline", &argv, "sshd|-D||-o|a b|");
	assert_int_equal(words_split_nul("", 0, &empty), 0);
	assert_int_equal(empty.count, 0);
}

HEAL_TEST(exec_trial_keeps_what_decides_whom_sshd_lets_in)
{
	static const struct {
		const char *argv;
		const char *kept; /* NULL: refused */
	} rows[] = {
		{"sshd", ""},
		{"sshd -D", ""},
		{"sshd -D -e -q -d", ""},
		{"sshd -D46", "-4|-6|"},
		{"sshd -f /etc/ssh/other -D", "-f|/etc/ssh/other|"},
		{"sshd -f/etc/ssh/other", "-f|/etc/ssh/other|"},
		{"sshd -Df /etc/ssh/other", "-f|/etc/ssh/other|"},
		{"sshd -o UsePAM=no -oBanner=none", "-o|UsePAM=no|-o|Banner=none|"},
		{"sshd -h /key -c /cert -u 0 -g 20", "-h|/key|-c|/cert|-u|0|-g|20|"},
		{"sshd -p 2222 -p22", "-p|2222|-p|22|"},
		/* Where it writes to is not a trial's. */
		{"sshd -E /var/log/sshd -b 768 -C user=x -k 1h", "-b|768|-C|user=x|-k|1h|"},
		/* No listener has these. */
		{"sshd -i", NULL},
		{"sshd -t", NULL},
		{"sshd -DR", NULL},
		{"sshd -x", NULL},
		{"sshd --", NULL},
		{"sshd -", NULL},
		{"sshd word", NULL},
		{"sshd -D word", NULL},
		{"sshd -o", NULL},
		{"sshd -D -f", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(heal_words_done) struct heal_words argv = {0};
		_cleanup_(heal_words_done) struct heal_words kept = {0};
		int r;

		assert_int_equal(words_split(rows[i].argv, &argv), 0);
		r = arguments_trial_options(&argv, &kept);
		assert_row(r == (rows[i].kept ? 0 : -EINVAL), "%s: %d", rows[i].argv, r);
		if (rows[i].kept)
			assert_words(rows[i].argv, &kept, rows[i].kept);
	}
}

HEAL_TEST(exec_finds_the_options_that_do_not_say_from_where)
{
	static const struct {
		const char *argv;
		const char *found; /* "OPTION VALUE FILE|..." */
	} rows[] = {
		{"sshd -D -f /etc/x -h /k -o HostKey=/k -E /var/log/x", ""},
		{"sshd -f etc/x", "f etc/x etc/x|"},
		{"sshd -Dfx", "f x x|"},
		{"sshd -h k -c c -E log", "h k k|c c c|E log log|"},
		{"sshd -o HostKey=k", "o HostKey=k k|"},
		{"sshd -ohostkey=k -o 'HOSTKEY k'", "o hostkey=k k|o HOSTKEY k k|"},
		{"sshd -o 'HostCertificate = a/b'", "o HostCertificate = a/b a/b|"},
		{"sshd -o SecurityKeyProvider=tmp/evil.so", "o SecurityKeyProvider=tmp/evil.so tmp/evil.so|"},
		{"sshd -o SecurityKeyProvider=internal -o PidFile=none -o HostKeyAgent=SSH_AUTH_SOCK", ""},
		{"sshd -o Banner=none -o Banner=b", "o Banner=b b|"},
		/* Those that are looked up from elsewhere, or name no file. */
		{"sshd -o AuthorizedKeysFile=.ssh/k -o Port=22 -o HostKey -p 22 -g 20", ""},
		{"sshd -o HostKeys=k", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(heal_words_done) struct heal_words argv = {0};
		struct arguments_relative name;
		char found[256] = "";
		size_t used = 0;

		assert_int_equal(words_split(rows[i].argv, &argv), 0);
		for (size_t n = 0; arguments_find_relative(&argv, n, &name) == 1; n++)
			used += (size_t)snprintf(found + used, sizeof(found) - used, "%c %s %s|",
						 name.option, name.value, name.file);
		assert_row(test_same(found, rows[i].found), "%s: %s", rows[i].argv, found);
	}
}

HEAL_TEST(exec_finds_no_relative_name_in_what_no_listener_has)
{
	_cleanup_(heal_words_done) struct heal_words argv = {0};
	struct arguments_relative name = {.option = 'x'};

	assert_int_equal(words_split("sshd -f a -i", &argv), 0);
	assert_int_equal(arguments_find_relative(&argv, 0, &name), -EINVAL);
	assert_int_equal(name.option, 'x');
}

HEAL_TEST(blame_finds_the_file_that_sshd_complains_of)
{
	static const char dir[] = "/usr/lib/x86_64-linux-gnu";
	static const struct {
		const char *words;
		const char *path; /* NULL: none */
	} rows[] = {
		{"/usr/lib/openssh/sshd-session: error while loading shared libraries: "
		 "libpam.so.0: cannot open shared object file: No such file or directory",
		 "/usr/lib/x86_64-linux-gnu/libpam.so.0"},
		{"sshd: error while loading shared libraries: /opt/lib/x.so: invalid ELF header",
		 "/opt/lib/x.so"},
		{"/usr/lib/openssh/sshd-auth does not exist or is not executable",
		 "/usr/lib/openssh/sshd-auth"},
		{"Missing privilege separation directory: /run/sshd", "/run/sshd"},
		/* What ended it is what it said last. */
		{"/etc/ssh/a: ignored; /etc/ssh/sshd_config: line 3: Bad option; giving up",
		 "/etc/ssh/sshd_config"},
		{"cannot read '/etc/x'.", "/etc/x"},
		{"see /etc/x.", "/etc/x"},
		{"sshd: no hostkeys available -- exiting.", "/etc/ssh/ssh_host_ed25519_key"},
		{"Unable to load host key: /etc/ssh/k; sshd: no hostkeys available -- exiting.",
		 "/etc/ssh/k"},
		{"and/or nothing", NULL},
		{"OpenSSL version mismatch. Built against 30000080, you have 30100000", NULL},
		{"/", NULL},
		{"", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *path = blame_find_path(rows[i].words, dir);

		assert_row(test_same(path, rows[i].path), "%s: %s", rows[i].words,
			   path ? path : "none");
	}
	assert_null(blame_find_path("x: error while loading shared libraries: liba.so: cannot", NULL));
}
