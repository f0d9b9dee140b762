/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What sshd -T says, and what follows from it; the message of the day. */
#include <sys/stat.h>

#include "scene.h"

static void assert_effective(const char *text, const char *addresses)
{
	struct heal_effective effective = {0};

	assert_int_equal(effective_parse(text, strlen(text), &effective), 0);
	assert_words("addresses", &effective.addresses, addresses);
	heal_effective_done(&effective);
}

HEAL_TEST(effective_takes_addresses)
{
	/* In a VRF a word more stands behind the address. */
	static const char text[] = "port 22\n"
				   "listenaddress [::]:22\n"
				   "listenaddress 0.0.0.0:22 rdomain red\n"
				   "listenaddress \n"
				   "listenaddress\n"
				   " listenaddress 192.0.2.1:22\n"
				   "listenaddresses 192.0.2.2:22\n"
				   "pidfile /run/sshd.pid";

	assert_effective(text, "[::]:22|0.0.0.0:22|");
}

/* As OpenSSH 10.6 prints them. */
HEAL_TEST(effective_keywords_have_no_case)
{
	static const char text[] = "Port 22\n"
				   "ListenAddress [::]:22\n"
				   "PidFile /run/sshd.pid\n";

	assert_effective(text, "[::]:22|");
}

HEAL_TEST(effective_is_asked_of_the_program_with_the_options)
{
	TEST_NEEDS_PIDFDS();
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = NULL;
	struct heal_effective effective = {0};
	struct heal_error error = {0};
	struct heal_start start = HEAL_START_NONE;
	char path[600];

	ctx = tree_context(tree);
	tree_file(tree, "sshd", "#!/bin/sh\necho \"listenaddress $(echo $* in $PWD | tr ' ' ,)\"\n");
	assert_int_equal(fchmodat(tree->fd, "sshd", 0755, 0), 0);
	assert_int_equal(words_split("-f /etc/x", &start.options), 0);
	(void)snprintf(path, sizeof(path), "%s/sshd", tree->path);
	start.path = path;
	assert_int_equal(heal_effective_load(ctx, &start, &effective, &error), 0);
	assert_string_equal(effective.addresses.items[0], "-T,-f,/etc/x,in,/");
	heal_effective_done(&effective);
	start.path = "/nonexistent/sshd";
	assert_int_equal(heal_effective_load(ctx, &start, &effective, &error), -ENOENT);
	assert_string_equal(error.message, "sshd -T did not tell its configuration: "
					   "No such file or directory");
	/* What it said before it failed is not believed; why it failed is told. */
	start.path = path;
	tree_file(tree, "sshd", "#!/bin/sh\necho listenaddress x\necho 'line 3: Bad thing' >&2\nexit 1\n");
	assert_int_equal(heal_effective_load(ctx, &start, &effective, &error), -ENOEXEC);
	assert_string_equal(error.message,
			    "sshd -T did not tell its configuration: line 3: Bad thing");
	assert_int_equal(effective.addresses.count, 0);
	heal_words_done(&start.options);
}

HEAL_TEST(effective_is_asked_for_in_the_directory_of_the_start)
{
	TEST_NEEDS_PIDFDS();
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	struct heal_effective effective = {0};
	struct heal_error error = {0};
	char path[600];
	char cwd[600];
	struct heal_start start = {.path = path, .cwd = cwd, .mount_fd = -1};

	tree_file(tree, "sshd", "#!/bin/sh\necho \"listenaddress $(pwd)\"\n");
	assert_int_equal(fchmodat(tree->fd, "sshd", 0755, 0), 0);
	(void)snprintf(path, sizeof(path), "%s/sshd", tree->path);
	(void)snprintf(cwd, sizeof(cwd), "%s/run", tree->path);
	assert_int_equal(heal_effective_load(ctx, &start, &effective, &error), 0);
	assert_string_equal(effective.addresses.items[0], cwd);
	heal_effective_done(&effective);
}

HEAL_TEST(effective_is_not_asked_for_without_time)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	struct heal_effective effective = {0};
	struct heal_error error = {0};
	const struct heal_start start = {.path = "/nonexistent/sshd", .mount_fd = -1};

	ctx->deadline_ms = heal_now_ms() + HEAL_BEGIN_MS - 10;
	assert_int_equal(heal_effective_load(ctx, &start, &effective, &error), -ETIME);
	assert_string_equal(error.message, "no time is left to ask sshd -T");
}

HEAL_TEST(effective_address_is_lost_when_sshd_would_not_listen_there)
{
	static const struct {
		const char *text;
		const char *lost;
	} rows[] = {
		{"listenaddress 0.0.0.0:22\nlistenaddress [::]:22\n", NULL},
		{"listenaddress [::]:22\nlistenaddress 0.0.0.0:22\nlistenaddress 0.0.0.0:23\n", NULL},
		{"listenaddress 0.0.0.0:22\n", "[::]:22"},
		/* Only a rehearsal can bind the one that is on no interface, and then not the other. */
		{"listenaddress 192.0.2.77:22\nlistenaddress [::]:22\n", NULL},
		{"listenaddress 127.0.0.1:22\nlistenaddress [::]:22\n", "0.0.0.0:22"},
		{"listenaddress 192.0.2.77:23\nlistenaddress [::]:22\n", "0.0.0.0:22"},
		{"listenaddress 0.0.0.0:2222\nlistenaddress [::]:22\n", "0.0.0.0:22"},
		{"", "0.0.0.0:22"},
	};
	char *addresses[] = {(char *)"0.0.0.0:22", (char *)"[::]:22"};
	const struct heal_listener listener = {.process.addresses = addresses, .process.n_addresses = 2};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct heal_effective effective = {0};

		assert_int_equal(effective_parse(rows[i].text, strlen(rows[i].text), &effective), 0);
		assert_row(test_same(heal_effective_lost(&listener.process, &effective.addresses), rows[i].lost),
			   "row %zu", i);
		heal_effective_done(&effective);
	}
}

HEAL_TEST(effective_address_is_absent_when_no_interface_has_it)
{
	/* 192.0.2.0/24 is for documentation, RFC 5737. */
	char *addresses[] = {(char *)"0.0.0.0:22", (char *)"127.0.0.1:22", (char *)"192.0.2.77:22"};
	const struct heal_process process = {.addresses = addresses, .n_addresses = 3};
	const struct heal_process present = {.addresses = addresses, .n_addresses = 2};
	const char *address = NULL;

	assert_int_equal(client_is_absent("0.0.0.0:22"), 0);
	assert_int_equal(client_is_absent("127.0.0.1:22"), 0);
	assert_int_equal(client_is_absent("garbage"), -EINVAL);
	assert_int_equal(heal_effective_absent(&present, &address), 0);
	assert_int_equal(heal_effective_absent(&process, &address), 1);
	assert_string_equal(address, "192.0.2.77:22");
}

HEAL_TEST(effective_address_may_be_bound_to_an_interface)
{
	static const struct {
		const char *text;
		bool is_bound;
	} rows[] = {
		{"listenaddress 0.0.0.0:22\nlistenaddress [::]:22\nbanner a b%c\n", false},
		{"listenaddress [fe80::1%eth0]:22\n", true},
		{"listenaddress 0.0.0.0:22 rdomain red\n", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct heal_effective effective = {0};

		assert_int_equal(effective_parse(rows[i].text, strlen(rows[i].text), &effective), 0);
		assert_row(effective.is_bound == rows[i].is_bound, "%s", rows[i].text);
		heal_effective_done(&effective);
	}
}
