/* SPDX-License-Identifier: GPL-2.0-or-later */
/* addresses_parse_line and heal_listener_addresses: where a listener listens. */
#include "scene.h"

#define TAIL " 00000000:00000000 00:00000000 00000000     0        0 "
#define HEADING "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt\n"
#define ANY6 "00000000000000000000000000000000:0000"

HEAL_TEST(socket_line_that_listens_gives_address_and_inode)
{
	static const struct {
		const char *line;
		const char *address;
		uint64_t inode;
	} rows[] = {
		{"   0: 00000000:0016 00000000:0000 0A" TAIL "36271 1 000000001b13a061 100 0 0 10 0",
		 "0.0.0.0:22", 36271},
		{"   0: 0100007F:177A 00000000:0000 0A" TAIL "1 1 0 100 0 0 10 0\n", "127.0.0.1:6010", 1},
		{"4095: 0200A8C0:FFFF 00000000:0000 0A" TAIL "4294967296 1 0", "192.168.0.2:65535",
		 4294967296},
		{"   0: 00000000000000000000000000000000:0016 " ANY6 " 0A" TAIL "36273 1 0", "[::]:22",
		 36273},
		{"   1: 00000000000000000000000001000000:08AE " ANY6 " 0A" TAIL "5 1 0", "[::1]:2222", 5},
		{"   2: B80D0120000000000000000001000000:0016 " ANY6 " 0A" TAIL "6 1 0",
		 "[2001:db8::1]:22", 6},
		{"   3: 0000000000000000FFFF00000100007F:0016 " ANY6 " 0A" TAIL "7 1 0",
		 "[::ffff:127.0.0.1]:22", 7},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct heal_socket found = {0};
		int r = addresses_parse_line(rows[i].line, &found);

		assert_row(r == 1, "%s: %d", rows[i].line, r);
		assert_row(test_same(found.address, rows[i].address), "%s: %s", rows[i].line,
			   found.address);
		assert_row(found.inode == rows[i].inode, "%s: inode", rows[i].line);
	}
}

/* All of them give that, and nothing else. */
static void assert_no_sockets(const char *const *lines, size_t n, int expected)
{
	for (size_t i = 0; i < n; i++) {
		struct heal_socket found = {.inode = 77};

		assert_row(addresses_parse_line(lines[i], &found) == expected, "%s", lines[i]);
		assert_row(found.inode == 77, "%s: the output was touched", lines[i]);
	}
}

HEAL_TEST(socket_line_that_does_not_listen_is_passed_over)
{
	static const char *const lines[] = {
		HEADING,
		"  sl  local_address                         remote_address                        st "
		"tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
		"   2: 0100007F:0016 0100007F:BD22 01" TAIL "4004 2 0",
		"   7: 0100007F:BD36 0100007F:08AE 06" TAIL "0 3 0",
		"   7: 0100007F:BD36 0100007F:08AE 0B" TAIL "9 3 0",
	};

	assert_no_sockets(lines, ARRAY_SIZE(lines), 0);
}

HEAL_TEST(socket_line_that_is_none_is_refused)
{
	static const char *const lines[] = {
		"",
		"\n",
		"garbage",
		"   0: 00000000:0016",
		"   0: 00000000:0016 00000000:0000 0A",
		"   0: 00000000:0016 00000000:0000 0A" TAIL,
		"   0: 00000000:0016 00000000:0000 0A" TAIL "x",
		"   0: 000000000016 00000000:0000 0A" TAIL "1",
		"   0: 0000000:0016 00000000:0000 0A" TAIL "1",
		"   0: 0000000000000000:0016 00000000:0000 0A" TAIL "1",
		"   0: xxxxxxxx:0016 00000000:0000 0A" TAIL "1",
		"   0: 00000000: 00000000:0000 0A" TAIL "1",
		"   0: 00000000:xx 00000000:0000 0A" TAIL "1",
		"   0: 00000000000000000000000000000000000000000000000000000000000000:0016",
	};

	assert_no_sockets(lines, ARRAY_SIZE(lines), -EINVAL);
}

static void assert_addresses(struct heal_context *ctx, struct heal_listener *listener,
			     const char *expected)
{
	char found[512] = "";
	size_t used = 0;

	assert_int_equal(heal_listener_addresses(ctx, &listener->process), 0);
	for (size_t i = 0; i < listener->process.n_addresses; i++)
		used += (size_t)snprintf(found + used, sizeof(found) - used, "%s ",
					 listener->process.addresses[i]);
	assert_string_equal(found, expected);
}

HEAL_TEST(addresses_are_those_of_the_sockets_that_it_holds)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, 2000);
	/* 127.0.0.1:6010 is there, too, but another's: X11 of a session. */
	assert_addresses(scene.ctx, &scene.listener, "0.0.0.0:22 [::]:22 ");
	/* They are looked up anew, not added to. */
	assert_addresses(scene.ctx, &scene.listener, "0.0.0.0:22 [::]:22 ");
	tree_remove(scene.fake.tree, "proc/34/fd/3");
	assert_addresses(scene.ctx, &scene.listener, "[::]:22 ");
}

HEAL_TEST(addresses_leave_out_connections_that_it_holds)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	_cleanup_listener_ struct heal_listener listener = {.process.dirfd = -1};

	tree_add(tree, &(struct tree_process){.pid = PID, .sockets = "4004 4001"});
	tree_link(tree, "proc/34/fd/6", "pipe:[4002]");
	tree_link(tree, "proc/34/fd/7", "/var/run/socket:[4002]");
	assert_int_equal(heal_listener_load(ctx, PID, false, &listener.process), 0);
	assert_addresses(ctx, &listener, "0.0.0.0:22 ");
}

HEAL_TEST(addresses_are_found_without_ipv6)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, 2000);
	tree_remove(scene.fake.tree, "proc/34/net/tcp6");
	assert_addresses(scene.ctx, &scene.listener, "0.0.0.0:22 ");
}

HEAL_TEST(addresses_of_a_process_that_has_ended_are_an_error)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, 2000);
	tree_end(scene.fake.tree, PID);
	assert_int_equal(heal_listener_addresses(scene.ctx, &scene.listener.process), -ENOENT);
	assert_int_equal(scene.listener.process.n_addresses, 0);
}

HEAL_TEST(socket_addresses_conflict_where_one_port_is_for_both)
{
	static const struct {
		const char *a;
		const char *b;
		bool is_conflict;
	} rows[] = {
		{"0.0.0.0:22", "0.0.0.0:22", true},
		{"0.0.0.0:22", "192.0.2.1:22", true},
		{"127.0.0.1:6010", "0.0.0.0:6010", true},
		{"[::]:22", "[::1]:22", true},
		{"127.0.0.1:6010", "127.0.0.2:6010", false},
		/* sshd's sockets for IPv6 are for IPv6 only. */
		{"127.0.0.1:6010", "[::]:6010", false},
		{"0.0.0.0:22", "0.0.0.0:2222", false},
		{"0.0.0.0:22", "0.0.0.0:2", false},
		{"0.0.0.0:22", "garbage", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_row(addresses_conflict(rows[i].a, rows[i].b) == rows[i].is_conflict &&
				   addresses_conflict(rows[i].b, rows[i].a) == rows[i].is_conflict,
			   "%s and %s", rows[i].a, rows[i].b);
}

HEAL_TEST(socket_addresses_are_the_same_but_for_their_scope)
{
	static const struct {
		const char *a;
		const char *b;
		bool are_same;
	} rows[] = {
		{"0.0.0.0:22", "0.0.0.0:22", true},
		{"[fe80::1%eth0]:22", "[fe80::1]:22", true},
		{"[fe80::1]:22", "[fe80::1%eth0]:22", true},
		{"[fe80::1%eth0]:22", "[fe80::1%eth1]:22", false},
		{"0.0.0.0:22", "0.0.0.0:2", false},
		{"0.0.0.0:2", "0.0.0.0:22", false},
		{"[fe80::1%eth0]:22", "[fe80::1]:23", false},
		{"[fe80::1%eth0]:22", "[fe80::12]:22", false},
		{"[::]:22", "0.0.0.0:22", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_row(addresses_are_same(rows[i].a, rows[i].b) == rows[i].are_same, "%s, %s",
			   rows[i].a, rows[i].b);
}

HEAL_TEST(socket_is_reachable_on_a_live_host_in_our_own_network_namespace_only)
{
	_cleanup_scene_ struct scene scene;
	struct heal_context *ctx;
	const struct tree *tree;

	scene_init(&scene, 2000);
	ctx = scene.ctx;
	tree = scene.fake.tree;
	tree_link(tree, "proc/thread-self/ns/net", TREE_NET_NS);
	assert_int_equal(addresses_is_reachable(ctx, &scene.listener.process), -EOPNOTSUPP);
	ctx->is_live = true;
	assert_int_equal(addresses_is_reachable(ctx, &scene.listener.process), 0);
	/* It is where PID 1 is, and we are not. */
	tree_link(tree, "proc/thread-self/ns/net", "net:[1]");
	assert_int_equal(addresses_is_reachable(ctx, &scene.listener.process), -EREMOTE);
	tree_link(tree, "proc/1/ns/net", "net:[1]");
	assert_int_equal(addresses_is_reachable(ctx, &scene.listener.process), -ENETUNREACH);
	tree_remove(tree, "proc/thread-self");
	assert_int_equal(addresses_is_reachable(ctx, &scene.listener.process), -ENOENT);
}
