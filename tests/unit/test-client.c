/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a client meets, what runs beside it, and what policy-rc.d means. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "fake.h"
#include "test.h"

HEAL_TEST(client_classifies_the_first_bytes_of_a_server)
{
	static const struct {
		const char *text;
		enum heal_fate fate;
	} rows[] = {
		{"", HEAL_FATE_EOF},
		{"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10\r\n", HEAL_FATE_OK},
		{"Welcome\r\nSSH-2.0-x\r\n", HEAL_FATE_OK},
		{"Not allowed at this time\r\n", HEAL_FATE_PENALTY},
		{"Exceeded MaxStartups\r\n", HEAL_FATE_PENALTY},
		{"Exceeded MaxStartup", HEAL_FATE_OK},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_row(client_classify(rows[i].text, strlen(rows[i].text)) == rows[i].fate, "%s",
			   rows[i].text);
}

HEAL_TEST(client_goes_on_to_the_key_exchange_only_behind_a_banner)
{
	static const struct heal_hello well = {.fate = HEAL_FATE_OK, .key = "k"};
	static const struct {
		const char *text;
		bool is_open;
		enum heal_fate fate;
	} rows[] = {
		{"SSH-2.0-x\r\n", true, HEAL_FATE_OK},
		{"", false, HEAL_FATE_EOF},
		{"Exceeded MaxStartups\r\n", false, HEAL_FATE_PENALTY},
		{"", true, HEAL_FATE_TIMEOUT},
	};
	_cleanup_context_ struct heal_context *ctx = tree_context(tree_new());

	fake_client_use(ctx, &well, 1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct heal_hello hello;
		char first = 0;
		int fds[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		assert_int_equal(write(fds[1], rows[i].text, strlen(rows[i].text)),
				 strlen(rows[i].text));
		if (!rows[i].is_open)
			assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
		heal_client_meet(ctx, fds[0], heal_now_ms() + 30, &hello);
		assert_row(hello.fate == rows[i].fate, "row %zu: %d", i, (int)hello.fate);
		assert_row(test_same(hello.key, hello.fate == HEAL_FATE_OK ? "k" : ""), "row %zu", i);
		/* The banner is still there for the library. */
		if (*rows[i].text)
			assert_int_equal(recv(fds[0], &first, 1, MSG_DONTWAIT), 1);
		assert_int_equal(first, *rows[i].text);
		(void)close(fds[0]);
		(void)close(fds[1]);
	}
}

HEAL_TEST(client_probe_of_a_port_where_nobody_listens_is_refused)
{
	static const char *const hosts[] = {"127.0.0.1", "0.0.0.0"};
	_cleanup_context_ struct heal_context *ctx = tree_context(tree_new());

	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		struct heal_hello hello;
		char address[64];
		int port = 0;

		/* Free again, and so with nobody behind it. */
		(void)close(fake_server(&port));
		(void)snprintf(address, sizeof(address), "%s:%d", hosts[i], port);
		heal_client_probe(ctx, address, 500, &hello);
		assert_row(hello.fate == HEAL_FATE_REFUSED, "%s: %d", address, (int)hello.fate);
	}
}

HEAL_TEST(client_probe_of_no_address_is_not_made)
{
	static const char *const addresses[] = {"",          "22",          "localhost:22",
						"127.0.0.1", "127.0.0:22",  "127.0.0.1:65536",
						"[::1]",     "[::1]:99999", "[x]:22"};
	_cleanup_context_ struct heal_context *ctx = tree_context(tree_new());

	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		struct heal_hello hello = {.fate = HEAL_FATE_OK};

		heal_client_probe(ctx, addresses[i], 500, &hello);
		assert_row(hello.fate == HEAL_FATE_UNKNOWN, "%s: %d", addresses[i],
			   (int)hello.fate);
	}
}

HEAL_TEST(client_probe_that_this_machine_could_not_make_says_nothing_of_the_server)
{
	_cleanup_context_ struct heal_context *ctx = tree_context(tree_new());
	struct heal_hello hello = {.fate = HEAL_FATE_OK};

	/* Without a scope there is no way to a link-local address, ipv6(7). */
	heal_client_probe(ctx, "[fe80::1]:22", 500, &hello);
	assert_int_equal(hello.fate, HEAL_FATE_UNKNOWN);
}

HEAL_TEST(client_has_words_for_every_fate)
{
	for (int fate = HEAL_FATE_UNKNOWN; fate <= HEAL_FATE_FAILED; fate++)
		assert_row(heal_fate_text((enum heal_fate)fate) != NULL, "%d", fate);
}

HEAL_TEST(policy_allows_what_debian_policy_says)
{
	for (int status = 0; status < 256; status++) {
		bool expected = status == 0 || status == 1 || status == 100 || status == 104 ||
				status == 105;
		bool is_forbidden = status == 101 || status == 102 || status == 103 || status == 106;
		bool is_allowed = !expected;
		int r = policy_allows(status, &is_allowed);

		/* Anything else says only that something is wrong with it. */
		assert_row(r == (expected || is_forbidden ? 0 : -EPROTO), "%d: %d", status, r);
		assert_row(r < 0 || is_allowed == expected, "%d", status);
	}
}

HEAL_TEST(policy_of_a_host_without_policy_rc_d_allows_all)
{
	_cleanup_context_ struct heal_context *ctx = tree_context(tree_new());
	bool is_allowed = false;

	assert_int_equal(heal_policy_allows(ctx, "ssh.service", "reload", &is_allowed, NULL), 0);
	assert_true(is_allowed);
}

static int test_start(const char *path, char *const argv[], const int fds[3], pid_t *ret)
{
	const struct heal_command command = {
		.path = path, .argv = argv, .fds = {fds[0], fds[1], fds[2]}};

	return heal_spawn_start(&command, ret);
}

HEAL_TEST(process_is_started_with_its_arguments_and_nothing_of_our_environment)
{
	TEST_NEEDS_PIDFDS();
	char script[] = "echo \"$0,$1,$PATH,$HEAL_TEST\"; exit 7";
	char *argv[] = {(char *)"sh", (char *)"-c", script, (char *)"zero", (char *)"one", NULL};
	char found[128] = "";
	int status = -1;
	int out[2];
	pid_t pid;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(setenv("HEAL_TEST", "leaked", 1), 0);
	assert_int_equal(test_start("/bin/sh", argv, (int[3]){-1, out[1], -1}, &pid), 0);
	assert_int_equal(heal_spawn_wait(pid, 2000, &status), 0);
	assert_int_equal(status, 7);
	assert_true(read(out[0], found, sizeof(found) - 1) > 0);
	assert_string_equal(found, "zero,one,/usr/sbin:/usr/bin:/sbin:/bin,\n");
	(void)close(out[0]);
	(void)close(out[1]);
}

/* Starts a shell whose output can be read at *out. */
static pid_t start_script(char *script, int *out)
{
	char *argv[] = {(char *)"sh", (char *)"-c", script, NULL};
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(test_start("/bin/sh", argv, (int[3]){-1, fds[1], -1}, &pid), 0);
	(void)close(fds[1]);
	*out = fds[0];
	return pid;
}

/* Whoever could write to it has ended. */
static void assert_ends(int fd)
{
	struct pollfd poller = {.fd = fd, .events = POLLIN};
	char byte;

	assert_int_equal(poll(&poller, 1, 2000), 1);
	assert_int_equal(read(fd, &byte, 1), 0);
}

HEAL_TEST(process_that_does_not_end_is_ended_with_its_group)
{
	TEST_NEEDS_PIDFDS();
	char script[] = "sleep 30 & wait";
	_cleanup_close_ int out = -1;
	int status = -1;
	pid_t pid = start_script(script, &out);

	assert_int_equal(heal_spawn_wait(pid, 20, &status), -ETIMEDOUT);
	assert_int_equal(heal_spawn_end(pid), 0);
	/* The end of file says that the child's child has ended, too. */
	assert_ends(out);
}

HEAL_TEST(process_that_has_ended_leaves_nothing_behind_in_its_group)
{
	TEST_NEEDS_PIDFDS();
	char script[] = "sleep 30 & exit 7";
	_cleanup_close_ int out = -1;
	int status = -1;
	pid_t pid = start_script(script, &out);

	assert_int_equal(heal_spawn_wait(pid, 2000, &status), 0);
	assert_int_equal(status, 7);
	/* The end of file says that what it has started has ended, too. */
	assert_ends(out);
}

HEAL_TEST(process_that_is_not_there_is_an_error)
{
	TEST_NEEDS_PIDFDS();
	char *argv[] = {(char *)"none", NULL};
	pid_t pid;

	assert_int_equal(test_start("/nonexistent/none", argv, (int[3]){-1, -1, -1}, &pid),
			 -ENOENT);
}

struct wanted {
	char address[32];
	int n;
};

static int count_address(void *user, const struct heal_socket *found)
{
	struct wanted *wanted = user;

	wanted->n += strcmp(found->address, wanted->address) == 0;
	return 0;
}

HEAL_TEST(diag_lists_sockets_that_listen_and_no_connections)
{
	struct sockaddr_in name = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct wanted wanted = {.n = 0};
	int port = 0;
	int fd = fake_server(&port);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int diag = diag_open();
	int server;

	assert_true(diag >= 0);
	name.sin_port = htons((uint16_t)port);
	assert_int_equal(connect(client, (struct sockaddr *)&name, sizeof(name)), 0);
	server = accept(fd, NULL, NULL);
	(void)snprintf(wanted.address, sizeof(wanted.address), "127.0.0.1:%d", port);
	assert_int_equal(diag_list(diag, AF_INET, count_address, &wanted), 0);
	assert_int_equal(wanted.n, 1);
	assert_int_equal(diag_list_at(diag, AF_INET, (uint16_t)port, count_address, &wanted), 0);
	assert_int_equal(wanted.n, 2);
	assert_int_equal(diag_list_at(diag, AF_INET, (uint16_t)(port + 1), count_address, &wanted), 0);
	assert_int_equal(wanted.n, 2);
	/* The connection, which has the same local address, outlives the listener. */
	(void)close(fd);
	assert_int_equal(diag_list(diag, AF_INET, count_address, &wanted), 0);
	assert_int_equal(wanted.n, 2);
	(void)close(server);
	(void)close(client);
	(void)close(diag);
}

/* Watches it, and has seen it listen. */
static struct heal_gap *watch_port(int port)
{
	struct heal_gap *watch;
	char address[32];

	(void)snprintf(address, sizeof(address), "127.0.0.1:%d", port);
	watch = heal_gap_start(address);
	assert_non_null(watch);
	heal_sleep_ms(10);
	return watch;
}

HEAL_TEST(watch_tells_for_how_long_nothing_listened)
{
	int port = 0;
	int fd = fake_server(&port);
	struct heal_gap *watch = watch_port(port);
	double refused_ms;

	(void)close(fd);
	/* Long enough for a thread that other work keeps waiting. */
	heal_sleep_ms(150);
	fd = fake_server(&port);
	heal_sleep_ms(30);
	refused_ms = heal_gap_stop(watch);
	(void)close(fd);
	assert_row(refused_ms >= 15 && refused_ms < 1000, "%f", refused_ms);
}

HEAL_TEST(watch_of_an_address_that_stays_is_zero)
{
	int port = 0;
	int fd = fake_server(&port);
	double refused_ms = heal_gap_stop(watch_port(port));

	(void)close(fd);
	assert_row(refused_ms >= 0 && refused_ms < 0.001, "%f", refused_ms);
	assert_true(heal_gap_stop(NULL) < 0);
}
