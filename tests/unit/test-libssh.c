/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the client makes of a server that does not do as it should, and of its own limits. */
#include <dlfcn.h>
#include <pthread.h>
#include <pwd.h>
#include <sys/socket.h>

#include "test.h"

#define SERVER_MAX 4096

/* What a server says: its banner, and the rest once the client has told its own. */
struct server {
	char bytes[SERVER_MAX];
	size_t len;
	size_t banner_len;
	int fd;
	bool hangs_up;
};

static void server_say(struct server *server, const void *bytes, size_t len)
{
	assert_true(server->len + len <= sizeof(server->bytes));
	memcpy(server->bytes + server->len, bytes, len);
	server->len += len;
}

static void server_greet(struct server *server, const char *banner, size_t len)
{
	server_say(server, banner, len);
	server->banner_len = len;
}

static void server_number(struct server *server, uint32_t number)
{
	const unsigned char bytes[] = {number >> 24, number >> 16 & 255, number >> 8 & 255,
				       number & 255};

	server_say(server, bytes, sizeof(bytes));
}

static void server_text(struct server *server, const char *text)
{
	server_number(server, (uint32_t)strlen(text));
	server_say(server, text, strlen(text));
}

/* A packet of the binary protocol before keys, RFC 4253 6. */
static void server_packet(struct server *server, const struct server *payload)
{
	size_t padding = 8 - (5 + payload->len) % 8;
	static const char zeros[16];

	padding += padding < 4 ? 8 : 0;
	server_number(server, (uint32_t)(1 + payload->len + padding));
	server_say(server, &(char){(char)padding}, 1);
	server_say(server, payload->bytes, payload->len);
	server_say(server, zeros, padding);
}

/* SSH_MSG_KEXINIT of a server that has only algorithms of its own, RFC 4253 7.1. */
static void server_offer(struct server *server)
{
	struct server payload = {0};
	static const char cookie[16];

	server_say(&payload, "\x14", 1);
	server_say(&payload, cookie, sizeof(cookie));
	for (int i = 0; i < 8; i++)
		server_text(&payload, i < 6 ? "of-its-own@example.org" : "none");
	server_text(&payload, "");
	server_text(&payload, "");
	server_say(&payload, "\0\0\0\0\0", 5);
	server_packet(server, &payload);
}

/* SSH_MSG_DISCONNECT, RFC 4253 11.1. */
static void server_goodbye(struct server *server)
{
	struct server payload = {0};

	server_say(&payload, "\x01", 1);
	server_number(&payload, 2);
	server_text(&payload, "no, thank you");
	server_text(&payload, "");
	server_packet(server, &payload);
}

static void *server_run(void *user)
{
	const struct server *server = user;
	char said[256];
	ssize_t n = send(server->fd, server->bytes, server->banner_len, MSG_NOSIGNAL);

	/*
	 * Its own offer tells that it has taken our banner. Of what comes together with that
	 * 0.10 forgets the error.
	 */
	do
		n = server->len > server->banner_len ? read(server->fd, said, sizeof(said)) : 0;
	while (n > 0 && said[n - 1] == '\n');
	if (send(server->fd, server->bytes + server->banner_len, server->len - server->banner_len,
		 MSG_NOSIGNAL) < 0)
		return NULL;
	if (server->hangs_up)
		(void)shutdown(server->fd, SHUT_RDWR);
	return NULL;
}

/* libssh wants to know its user's home, though nothing of it is read. */
#define NEEDS_ACCOUNT()                     \
	do {                                \
		if (!getpwuid(geteuid()))   \
			skip();             \
	} while (0)

/* The client's view of a server that then hangs up, or is silent. */
static struct heal_hello meet(struct server *server, bool hangs_up, int timeout_ms)
{
	pthread_t thread;
	void *module = dlopen(TEST_MODULE_DIR "/client-libssh.so", RTLD_NOW | RTLD_LOCAL);
	const struct client_ops *ops = module ? dlsym(module, HEAL_CLIENT_OPS_SYMBOL) : NULL;
	struct heal_hello hello = {0};
	int pair[2];

	if (!ops)
		fail_msg("%s", dlerror());
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	server->fd = pair[1];
	server->hangs_up = hangs_up;
	assert_int_equal(pthread_create(&thread, NULL, server_run, server), 0);
	ops->meet(pair[0], timeout_ms, &hello);
	(void)close(pair[0]);
	(void)pthread_join(thread, NULL);
	(void)close(pair[1]);
	return hello;
}

HEAL_TEST(libssh_blames_the_server_that_hangs_up)
{
	NEEDS_ACCOUNT();
	struct server server = {0};
	struct heal_hello hello;

	server_greet(&server, "SSH-2.0-x\r\n", 11);
	hello = meet(&server, true, 2000);
	assert_int_equal(hello.fate, HEAL_FATE_FAILED);
	assert_string_not_equal(hello.detail, "");
	assert_string_equal(hello.key, "");
}

HEAL_TEST(libssh_blames_the_server_that_says_goodbye)
{
	NEEDS_ACCOUNT();
	struct server server = {0};

	server_greet(&server, "SSH-2.0-x\r\n", 11);
	server_goodbye(&server);
	assert_int_equal(meet(&server, false, 2000).fate, HEAL_FATE_FAILED);
}

HEAL_TEST(libssh_says_of_a_silent_server_only_that_it_did_not_wait_longer)
{
	NEEDS_ACCOUNT();
	struct server server = {0};

	server_greet(&server, "SSH-2.0-x\r\n", 11);
	assert_int_equal(meet(&server, false, 100).fate, HEAL_FATE_TIMEOUT);
}

HEAL_TEST(libssh_takes_algorithms_that_it_has_not_for_an_answer)
{
	NEEDS_ACCOUNT();
	struct server server = {0};
	struct heal_hello hello;

	server_greet(&server, "SSH-2.0-x\r\n", 11);
	server_offer(&server);
	hello = meet(&server, false, 2000);
	assert_int_equal(hello.fate, HEAL_FATE_ANSWERED);
	assert_string_equal(hello.key, "");
}

HEAL_TEST(libssh_does_not_blame_the_server_for_a_banner_that_is_too_long_for_it)
{
	NEEDS_ACCOUNT();
	struct server server = {0};
	char banner[1000];
	struct heal_hello hello;

	memset(banner, 'x', sizeof(banner));
	memcpy(banner, "SSH-2.0-", 8);
	memcpy(banner + sizeof(banner) - 2, "\r\n", 2);
	server_greet(&server, banner, sizeof(banner));
	hello = meet(&server, false, 2000);
	assert_int_equal(hello.fate, HEAL_FATE_UNKNOWN);
	assert_string_not_equal(hello.detail, "");
}

/* Throwaway keys, of this test and nothing else. */
HEAL_TEST(libssh_names_the_key_of_a_file)
{
	static const struct {
		const char *text;
		const char *name; /* NULL: it knows none */
	} rows[] = {
		{"-----BEGIN OPENSSH PRIVATE KEY-----\n"
		 "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n"
		 "QyNTUxOQAAACCAYkcvff/GUxOpGj0OipPiZMvq/lbTaXETfTaCtr4WmwAAAIj4S/vY+Ev7\n"
		 "2AAAAAtzc2gtZWQyNTUxOQAAACCAYkcvff/GUxOpGj0OipPiZMvq/lbTaXETfTaCtr4Wmw\n"
		 "AAAECv/5RIxvwmkLjsG7n+qJtrwymCpvb5Eghg5n4HlGTDx4BiRy99/8ZTE6kaPQ6Kk+Jk\n"
		 "y+r+VtNpcRN9NoK2vhabAAAAAAECAwQF\n"
		 "-----END OPENSSH PRIVATE KEY-----\n",
		 "ssh-ed25519 SHA256:zTLNdGbi4TLTpK3f0ix4vNUmbw5zrVTVbAWHWQ+ndR4"},
		/* What an agent has the other half of. */
		{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIBiRy99/8ZTE6kaPQ6Kk+Jky+r+VtNpcRN9NoK2vhab host\n",
		 "ssh-ed25519 SHA256:zTLNdGbi4TLTpK3f0ix4vNUmbw5zrVTVbAWHWQ+ndR4"},
		/* With a passphrase, which nobody may be asked for at the terminal. */
		{"-----BEGIN EC PRIVATE KEY-----\n"
		 "Proc-Type: 4,ENCRYPTED\n"
		 "DEK-Info: AES-128-CBC,E305B955D853437CE381DDF516FDD55F\n"
		 "\n"
		 "uymeohwSWzQza9t+o2d9NFZd5+y1pTPOTp8PrLmORO/kWTbrAXv49ewRIZvGlRj/\n"
		 "5yheDUTHeAu99SAwj4jJ5x+WzPZOetn3JN9aNWXIzyRXW8A2cQeHzaZpmpuAJuGs\n"
		 "gUa51xcP03EW9PNr7gXCAb77JEWQY+dssmLgNUZvGGo=\n"
		 "-----END EC PRIVATE KEY-----\n",
		 NULL},
		{"", NULL},
		{"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", NULL},
		{"ssh-ed25519 AAAA", NULL},
		{"no key at all", NULL},
	};
	void *module = dlopen(TEST_MODULE_DIR "/client-libssh.so", RTLD_NOW | RTLD_LOCAL);
	const struct client_ops *ops = module ? dlsym(module, HEAL_CLIENT_OPS_SYMBOL) : NULL;

	if (!ops)
		fail_msg("%s", dlerror());
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char name[128] = "";
		int r = ops->name_key(rows[i].text, name, sizeof(name));

		assert_row(r == (rows[i].name ? 0 : -EBADMSG), "row %zu: %d", i, r);
		if (rows[i].name)
			assert_string_equal(name, rows[i].name);
	}
}
