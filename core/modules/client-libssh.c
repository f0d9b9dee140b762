/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ssh client of trial and proof: libssh, up to the verified host key. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libssh/libssh.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "host/module.h"
#include "report.h"

#define CLIENT_END_MS 50

struct client {
	ssh_session session;
	int fd; /* of its own */
	ssh_key key;
	unsigned char *hash;
	char *fingerprint;
};

static void client_done(struct client *client)
{
	ssh_string_free_char(client->fingerprint);
	ssh_clean_pubkey_hash(&client->hash);
	ssh_key_free(client->key);
	if (client->session)
		ssh_free(client->session);
	/* 0.10 leaves it open, whatever becomes of the session; a later one may not. */
	if (client->fd >= 0 && fcntl(client->fd, F_GETFD) >= 0)
		(void)close(client->fd);
}

static int client_set_up(struct client *client, int fd, int timeout_ms)
{
	ssh_session session = client->session;
	long seconds = timeout_ms / 1000;
	long microseconds = (timeout_ms % 1000) * 1000L;
	int process_config = 0;
	int verbosity = SSH_LOG_NOLOG;

	client->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (client->fd < 0)
		return -errno;
	/*
	 * A name must be set; it goes nowhere. No file of the caller's is read: known
	 * hosts would change which host key is asked for.
	 */
	if (ssh_options_set(session, SSH_OPTIONS_FD, &client->fd) < 0 ||
	    ssh_options_set(session, SSH_OPTIONS_HOST, "localhost") < 0 ||
	    ssh_options_set(session, SSH_OPTIONS_KNOWNHOSTS, "/dev/null") < 0 ||
	    ssh_options_set(session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null") < 0 ||
	    ssh_options_set(session, SSH_OPTIONS_USER, "sshd-heal") < 0 ||
	    ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &process_config) < 0 ||
	    ssh_options_set(session, SSH_OPTIONS_LOG_VERBOSITY, &verbosity) < 0 ||
	    ssh_options_set(session, SSH_OPTIONS_TIMEOUT, &seconds) < 0 ||
	    ssh_options_set(session, SSH_OPTIONS_TIMEOUT_USEC, &microseconds) < 0)
		return -EINVAL;
	return 0;
}

/* "ssh-ed25519 SHA256:…", as ssh-keygen -l shows it. */
static int client_describe_key(struct client *client, char *ret, size_t size)
{
	size_t len = 0;

	if (ssh_get_publickey_hash(client->key, SSH_PUBLICKEY_HASH_SHA256, &client->hash, &len) < 0)
		return -EBADMSG;
	client->fingerprint =
		ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, client->hash, len);
	if (!client->fingerprint)
		return -ENOMEM;
	(void)snprintf(ret, size, "%s %s", ssh_key_type_to_char(ssh_key_type(client->key)),
		       client->fingerprint);
	return 0;
}

static int client_name_server(struct client *client, struct heal_hello *hello)
{
	return ssh_get_server_publickey(client->session, &client->key) != SSH_OK
		       ? -EBADMSG
		       : client_describe_key(client, hello->key, sizeof(hello->key));
}

/* A line of a public key file: "ssh-ed25519 AAAA... comment". */
static int client_read_public(const char *text, ssh_key *ret)
{
	char type[64];
	char base64[8192];

	if (sscanf(text, "%63s %8191s", type, base64) != 2 ||
	    ssh_pki_import_pubkey_base64(base64, ssh_key_type_from_name(type), ret) != SSH_OK)
		return -EBADMSG;
	return 0;
}

static int client_name_key(const char *text, char *ret, size_t size)
{
	_cleanup_(client_done) struct client client = {.fd = -1};

	/* sshd is not asked for a passphrase, nor must libcrypto ask at a terminal. */
	if (strncmp(text, "-----BEGIN ", 11) != 0)
		return client_read_public(text, &client.key) < 0 ? -EBADMSG
								: client_describe_key(&client, ret, size);
	if (ssh_pki_import_privkey_base64(text, "", NULL, NULL, &client.key) != SSH_OK)
		return -EBADMSG;
	return client_describe_key(&client, ret, size);
}

/*
 * Whether the server ended the connection, by a word or without one. A close that it
 * has just done takes a moment to arrive.
 */
static bool client_was_ended(int fd, const char *words)
{
	struct pollfd poller = {.fd = fd, .events = POLLIN | POLLRDHUP};
	char byte;

	if (strstr(words, "SSH_MSG_DISCONNECT"))
		return true;
	if (poll(&poller, 1, CLIENT_END_MS) <= 0)
		return false;
	return poller.revents & (POLLRDHUP | POLLHUP | POLLERR) ||
	       recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/*
 * Why the key exchange came to no end. What the server did not bring about is the doing
 * of our client, and says nothing of the server: too long a banner, no memory.
 */
static enum heal_fate client_judge(int fd, int64_t deadline_ms, const char *words)
{
	/* It got as far as offering its algorithms; that we have none of them is our affair. */
	if (strstr(words, "no match for method"))
		return HEAL_FATE_ANSWERED;
	if (client_was_ended(fd, words))
		return HEAL_FATE_FAILED;
	return heal_left_ms(deadline_ms, 1) == 0 || strstr(words, "imeout") ? HEAL_FATE_TIMEOUT
									      : HEAL_FATE_UNKNOWN;
}

static void client_meet(int fd, int timeout_ms, struct heal_hello *hello)
{
	_cleanup_(client_done) struct client client = {.session = ssh_new(), .fd = -1};
	int64_t deadline = heal_now_ms() + timeout_ms;
	int r = client.session ? client_set_up(&client, fd, timeout_ms) : -ENOMEM;

	hello->fate = HEAL_FATE_UNKNOWN;
	if (r < 0) {
		(void)snprintf(hello->detail, sizeof(hello->detail), "setting up libssh: %s",
			       strerror(-r));
		return;
	}
	if (ssh_connect(client.session) != SSH_OK) {
		heal_safe(hello->detail, sizeof(hello->detail), ssh_get_error(client.session));
		hello->fate = client_judge(fd, deadline, hello->detail);
		ssh_silent_disconnect(client.session);
		return;
	}
	/* The signature was right; that its name was not to be had is our trouble, too. */
	hello->fate = client_name_server(&client, hello) < 0 ? HEAL_FATE_UNKNOWN : HEAL_FATE_OK;
	if (hello->fate == HEAL_FATE_UNKNOWN)
		(void)snprintf(hello->detail, sizeof(hello->detail), "libssh: no name for the host key");
	ssh_disconnect(client.session);
}

_export_ extern const struct client_ops heal_client_ops;
const struct client_ops heal_client_ops = {
	.build = heal_build, .meet = client_meet, .name_key = client_name_key};
