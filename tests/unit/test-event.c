/* SPDX-License-Identifier: GPL-2.0-or-later */
/* apt's DPkg::Pre-Install-Pkgs stream: parsed, and read from a descriptor. */
#include <fcntl.h>
#include <sys/stat.h>

#include "test.h"
#include "tree.h"

#define CONFIGURATION                                     \
	"VERSION 3\n"                                     \
	"APT::Architecture=amd64\n"                       \
	"APT::Build-Essential::=build-essential\n"        \
	"Dir::Cache=var/cache/apt\n"                      \
	"DPkg::Pre-Install-Pkgs::=/usr/sbin/sshd-heal\n"  \
	"quiet=1\n"                                       \
	"\n"
#define ARCHIVES "/var/cache/apt/archives/"

/* A full-upgrade in small: unpacked, removed, configured. */
static const char stream[] = CONFIGURATION
	"libc6 2.36-9+deb12u7 amd64 same < 2.36-9+deb12u14 amd64 same " ARCHIVES "libc6.deb\n"
	"libssl3 3.0.17-1~deb12u2 amd64 same < 3.0.22-1~deb12u2 amd64 same " ARCHIVES "libssl3.deb\n"
	"libwrap0 - - none < 7.6.q-32 amd64 same " ARCHIVES "libwrap0.deb\n"
	"telnetd 0.17-41 amd64 none > - - none **REMOVE**\n"
	"openssh-server 1:9.2p1-2+deb12u10 amd64 foreign > 1:9.2p1-2+deb12u7 amd64 foreign " ARCHIVES
	"openssh server.deb\n"
	"tzdata 2025b-0+deb12u2 all foreign = 2025b-0+deb12u2 all foreign " ARCHIVES "tzdata.deb\n"
	"libc6 2.36-9+deb12u7 amd64 same < 2.36-9+deb12u14 amd64 same **CONFIGURE**\n"
	"libwrap0 - - none < 7.6.q-32 amd64 same **CONFIGURE**\n"
	"libssl3 3.0.17-1~deb12u2 i386 same < 3.0.22-1~deb12u2 i386 same " ARCHIVES "libssl3i.deb\n";

static const struct heal_change stream_changes[] = {
	{(char *)"libc6", (char *)"amd64", (char *)"2.36-9+deb12u7", (char *)"2.36-9+deb12u14"},
	{(char *)"libssl3", (char *)"amd64", (char *)"3.0.17-1~deb12u2", (char *)"3.0.22-1~deb12u2"},
	{(char *)"libwrap0", (char *)"amd64", NULL, (char *)"7.6.q-32"},
	{(char *)"telnetd", (char *)"amd64", (char *)"0.17-41", NULL},
	{(char *)"openssh-server", (char *)"amd64", (char *)"1:9.2p1-2+deb12u10",
	 (char *)"1:9.2p1-2+deb12u7"},
	{(char *)"libssl3", (char *)"i386", (char *)"3.0.17-1~deb12u2", (char *)"3.0.22-1~deb12u2"},
};

static void assert_changes(const struct heal_event *event, const struct heal_change *expected,
			   size_t n)
{
	assert_int_equal(event->count, n);
	for (size_t i = 0; i < n; i++) {
		const struct heal_change *found = &event->changes[i];

		assert_string_equal(found->package, expected[i].package);
		assert_string_equal(found->arch, expected[i].arch);
		assert_row(test_same(found->version_before, expected[i].version_before),
			   "%s before: %s", found->package, found->version_before);
		assert_row(test_same(found->version_now, expected[i].version_now), "%s now: %s",
			   found->package, found->version_now);
	}
}

/* Its first wrong line is this one, 0 for none, and it gives these changes. */
static void assert_parsed(const char *text, size_t len, int line,
			  const struct heal_change *expected, size_t n)
{
	_cleanup_event_ struct heal_event event = {0};

	assert_int_equal(heal_event_parse_apt(text, len, &event), line);
	assert_changes(&event, expected, n);
}

/* Reads it as a hook does, from a pipe that is closed behind it. */
static void read_piped(const char *text, size_t len, enum heal_event_format format,
		       struct heal_event *event, struct heal_notes *notes)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], text, len), len);
	(void)close(fds[1]);
	assert_int_equal(heal_event_read(fds[0], heal_now_ms() + 2000, format, event, notes), 0);
	(void)close(fds[0]);
}

HEAL_TEST(event_stream_of_apt_gives_every_change_of_version_once)
{
	assert_parsed(stream, sizeof(stream) - 1, 0, stream_changes, ARRAY_SIZE(stream_changes));
}

HEAL_TEST(event_stream_without_packages_is_fine)
{
	assert_parsed(CONFIGURATION, strlen(CONFIGURATION), 0, NULL, 0);
	assert_parsed("VERSION 3\n\n", 11, 0, NULL, 0);
}

/* How many changes the complete lines among the first len bytes of the stream hold. */
static size_t changes_before(size_t len)
{
	static const char *const lines[] = {"libc6 ",   "libssl3 ",        "libwrap0 ",
					    "telnetd ", "openssh-server ", "libssl3i.deb"};
	size_t n = 0;

	while (n < ARRAY_SIZE(lines)) {
		const char *found = strstr(stream + strlen(CONFIGURATION), lines[n]);
		const char *end = strchr(found, '\n');

		if ((size_t)(end + 1 - stream) > len)
			break;
		n++;
	}
	return n;
}

HEAL_TEST(event_stream_cut_anywhere_gives_the_line_and_what_came_before)
{
	for (size_t len = 0; len < sizeof(stream) - 1; len++) {
		_cleanup_event_ struct heal_event event = {0};
		_cleanup_free_ char *piece = malloc(len ? len : 1);
		bool is_whole = len && stream[len - 1] == '\n' && len >= strlen(CONFIGURATION);
		int line = 1;
		int r;

		assert_non_null(piece);
		memcpy(piece, stream, len);
		for (size_t i = 0; i < len; i++)
			line += stream[i] == '\n';
		r = heal_event_parse_apt(piece, len, &event);
		assert_row(r == (is_whole ? 0 : line), "%zu bytes: %d, line %d", len, r, line);
		assert_changes(&event, stream_changes, changes_before(len));
	}
}

HEAL_TEST(event_stream_of_another_version_is_refused_at_line_one)
{
	static const char *const starts[] = {
		"VERSION 2\n", "VERSION 1\n", "VERSION 30\n", "VERSION 3 \n", " VERSION 3\n",
		"version 3\n", "VERSION 3\r\n", "VERSION\n",   "\n",           "/x/libc6.deb\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
		_cleanup_event_ struct heal_event event = {0};
		char text[256];

		(void)snprintf(text, sizeof(text), "%s\nlibc6 1 amd64 same < 2 amd64 same /x.deb\n",
			       starts[i]);
		assert_row(heal_event_parse_apt(text, strlen(text), &event) == 1, "%s", starts[i]);
		assert_row(event.count == 0, "%s: %zu changes", starts[i], event.count);
	}
}

HEAL_TEST(event_line_that_is_not_of_the_format_ends_the_stream_there)
{
	static const char *const lines[] = {
		"",
		" ",
		"libc6",
		"libc6 1 amd64 same < 2 amd64 same",
		"libc6 1 amd64 < 2 amd64 /x.deb",
		"libc6 1 amd64 same <  2 amd64 same /x.deb",
		" libc6 1 amd64 same < 2 amd64 same /x.deb",
		"libc6 1 amd64 same ? 2 amd64 same /x.deb",
		"libc6 1 amd64 same << 2 amd64 same /x.deb",
		"libc6 1 amd64 same 2 < amd64 same /x.deb",
		"lib\tc6 1 amd64 same < 2 amd64 same /x.deb",
		"lib\033[31mc6 1 amd64 same < 2 amd64 same /x.deb",
		"libc6 1\r amd64 same < 2 amd64 same /x.deb",
		"libc6 1 amd64 same < 2\177 amd64 same /x.deb",
		"libc6 1 amd64 same < 2 am\303\244d64 same /x.deb",
		"libc6 1 amd\a64 same < 2 amd64 same /x.deb",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_event_ struct heal_event event = {0};
		char text[256];

		(void)snprintf(text, sizeof(text),
			       "VERSION 3\n\na 1 amd64 none < 2 amd64 none /a.deb\n%s\n"
			       "b 1 amd64 none < 2 amd64 none /b.deb\n",
			       lines[i]);
		assert_row(heal_event_parse_apt(text, strlen(text), &event) == 4, "%s", lines[i]);
		assert_row(event.count == 1 && strcmp(event.changes[0].package, "a") == 0,
			   "%s: %zu changes", lines[i], event.count);
	}
}

HEAL_TEST(event_line_with_a_nul_byte_is_refused)
{
	static const char nul_in_name[] = "VERSION 3\n\nli\0c6 1 amd64 same < 2 amd64 same /x\n";
	static const char nul_in_version[] = "VERSION 3\n\nlibc6 1\0 amd64 same < 2 amd64 same /x\n";
	static const char nul_in_start[] = "VERSION 3\0\n\nlibc6 1 amd64 same < 2 amd64 same /x\n";

	assert_parsed(nul_in_name, sizeof(nul_in_name) - 1, 3, NULL, 0);
	assert_parsed(nul_in_version, sizeof(nul_in_version) - 1, 3, NULL, 0);
	assert_parsed(nul_in_start, sizeof(nul_in_start) - 1, 1, NULL, 0);
}

HEAL_TEST(event_of_a_package_that_is_only_configured_is_no_change)
{
	/* What was unpacked before comes as if it were new, or with its version before. */
	static const char text[] = "VERSION 3\n\n"
				   "a - - none < 2 amd64 none **CONFIGURE**\n"
				   "b 1 amd64 none < 2 amd64 none **CONFIGURE**\n"
				   "c 2 amd64 none = 2 amd64 none **CONFIGURE**\n";

	assert_parsed(text, sizeof(text) - 1, 0, NULL, 0);
}

HEAL_TEST(event_stream_with_a_package_twice_folds_it)
{
	static const char text[] = "VERSION 3\n\n"
				   "a 1 amd64 none < 2 amd64 none /a.deb\n"
				   "a 2 amd64 none < 3 amd64 none /a.deb\n"
				   "a 2 i386 none < 3 i386 none /a.deb\n";
	static const struct heal_change folded[] = {
		{(char *)"a", (char *)"amd64", (char *)"1", (char *)"3"},
		{(char *)"a", (char *)"i386", (char *)"2", (char *)"3"},
	};

	assert_parsed(text, sizeof(text) - 1, 0, folded, ARRAY_SIZE(folded));
}

HEAL_TEST(event_is_read_from_a_pipe_up_to_its_end)
{
	_cleanup_event_ struct heal_event event = {0};
	_cleanup_notes_ struct heal_notes notes = {0};

	read_piped(stream, sizeof(stream) - 1, HEAL_EVENT_APT, &event, &notes);
	assert_changes(&event, stream_changes, ARRAY_SIZE(stream_changes));
	assert_int_equal(notes.count, 0);
}

HEAL_TEST(event_from_a_writer_that_does_not_end_is_given_up_at_the_deadline)
{
	_cleanup_event_ struct heal_event event = {0};
	_cleanup_notes_ struct heal_notes notes = {0};
	int64_t start = heal_now_ms();
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	/* All but the end of the last line. */
	assert_int_equal(write(fds[1], stream, sizeof(stream) - 2), sizeof(stream) - 2);
	assert_int_equal(heal_event_read(fds[0], start + 50, HEAL_EVENT_APT, &event, &notes), 0);
	assert_in_range(heal_now_ms() - start, 50, 1500);
	(void)close(fds[0]);
	(void)close(fds[1]);
	assert_changes(&event, stream_changes, ARRAY_SIZE(stream_changes) - 1);
	assert_int_equal(notes.count, 2);
	assert_string_equal(notes.lines[0], "reading the list of packages: Connection timed out");
	assert_string_equal(notes.lines[1],
			    "apt's list of packages is not of its version 3 format from line 16 on: "
			    "versions before the upgrade may be missing from the report");
}

HEAL_TEST(event_from_an_empty_or_broken_descriptor_is_a_note)
{
	_cleanup_event_ struct heal_event event = {0};
	_cleanup_notes_ struct heal_notes notes = {0};
	_cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(heal_event_read(null, heal_now_ms() + 2000, HEAL_EVENT_APT, &event, &notes),
			 0);
	assert_int_equal(event.count, 0);
	assert_int_equal(notes.count, 1);
	assert_non_null(strstr(notes.lines[0], "from line 1 on"));
	assert_int_equal(heal_event_read(dir, heal_now_ms() + 2000, HEAL_EVENT_APT, &event, &notes),
			 0);
	assert_int_equal(event.count, 0);
	assert_int_equal(notes.count, 3);
	assert_string_equal(notes.lines[1], "reading the list of packages: Is a directory");
}

/* apt aborts when its pipe is not read to the end, whatever it holds. */
HEAL_TEST(event_stream_beyond_16_mib_is_read_to_its_end)
{
	const struct tree *tree = tree_new();
	const off_t size = (17 << 20) + 123;
	_cleanup_event_ struct heal_event event = {0};
	_cleanup_notes_ struct heal_notes notes = {0};
	_cleanup_close_ int fd = -1;

	tree_file(tree, "stream", stream);
	fd = openat(tree->fd, "stream", O_RDWR | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(heal_event_read(fd, heal_now_ms() + 5000, HEAL_EVENT_APT, &event, &notes),
			 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), size);
	assert_changes(&event, stream_changes, ARRAY_SIZE(stream_changes));
	assert_int_equal(notes.count, 1);
	assert_non_null(strstr(notes.lines[0], "from line 17 on"));
}

/* As the hooks of dnf and yum give them. */
HEAL_TEST(event_of_lines)
{
	static const char text[] = "openssl-libs\tx86_64\t1:3.0.7-1\t1:3.0.7-2\n"
				   "new\tnoarch\t-\t1-1\n"
				   "gone\tx86_64\t2-1\t-\n"
				   "openssl-libs\tx86_64\t1:3.0.7-2\t1:3.2.2-1\n"
				   "three\tfields\tonly\n"
				   "\tx86_64\t1\t2\n"
				   "a b\tx86_64\t1\t2\n"
				   "last\tx86_64\t1\t2";
	static const struct heal_change expected[] = {
		{(char *)"openssl-libs", (char *)"x86_64", (char *)"1:3.0.7-1", (char *)"1:3.2.2-1"},
		{(char *)"new", (char *)"noarch", NULL, (char *)"1-1"},
		{(char *)"gone", (char *)"x86_64", (char *)"2-1", NULL},
		{(char *)"last", (char *)"x86_64", (char *)"1", (char *)"2"},
	};
	_cleanup_event_ struct heal_event event = {0};

	assert_int_equal(heal_event_parse_lines(text, sizeof(text) - 1, &event), 3);
	assert_changes(&event, expected, ARRAY_SIZE(expected));
}

HEAL_TEST(event_of_damaged_lines_is_a_note)
{
	static const char text[] = "a\tb\tc\td\nx\n";
	_cleanup_event_ struct heal_event event = {0};
	_cleanup_notes_ struct heal_notes notes = {0};

	read_piped(text, sizeof(text) - 1, HEAL_EVENT_LINES, &event, &notes);
	assert_int_equal(event.count, 1);
	assert_int_equal(notes.count, 1);
	assert_string_equal(notes.lines[0],
			    "1 lines of the list of packages are not of four fields: versions "
			    "before the upgrade may be missing from the report");
}
