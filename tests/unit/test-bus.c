/* SPDX-License-Identifier: GPL-2.0-or-later */
/* systemd_open_at and systemd_ask: a question is answered while anybody is there to answer it. */
#include "peer.h"
#include "test.h"

#define UNIT_PATH SYSTEMD_PATH "/unit/ssh_2eservice"
#define JOIN "bus Hello GetNameOwner AddMatch Subscribe "
#define PROPERTY "asking systemd for MainPID of ssh.service"

static int ask(struct peer *peer, dbus_uint32_t *ret)
{
	return systemd_get_basic(peer->systemd, UNIT_PATH, SYSTEMD_SERVICE, "MainPID", "u", ret,
				 &peer->error);
}

/* It is connected to, asked, and gives an answer, which all in all takes these calls. */
static void assert_answer(struct peer *peer, size_t row, const char *calls)
{
	dbus_uint32_t pid = 0;

	assert_row(peer_connect(peer) == 0, "row %zu: %s", row, peer->error.message);
	assert_row(ask(peer, &pid) == 0, "row %zu: %s", row, peer->error.message);
	peer_end(peer);
	assert_row(pid == 34, "row %zu: %u", row, pid);
	assert_row(test_same(peer->calls, calls), "row %zu: %s", row, peer->calls);
}

HEAL_TEST(bus_prefers_the_private_socket)
{
	_cleanup_peer_ struct peer peer;

	peer_init(&peer);
	assert_answer(&peer, 0, "private Ping MainPID ");
	/* PID 1 may read 256 bytes with the handshake, and then looks no further until more comes. */
	assert_true(peer.first_len > 256);
}

HEAL_TEST(bus_is_taken_where_the_private_socket_cannot_be_had)
{
	static const struct peer_fault denied[] = {{"Ping", PEER_ERROR, DBUS_ERROR_ACCESS_DENIED},
						   {0}};
	static const struct {
		bool has_private;
		bool is_deaf;
		const struct peer_fault *faults;
		const char *calls;
	} rows[] = {
		{false, false, NULL, JOIN "MainPID "},
		{true, false, denied, "private Ping " JOIN "MainPID "},
		/* It is waited for, half of the time. */
		{true, true, NULL, JOIN "MainPID "},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_peer_ struct peer peer;
		int64_t start = heal_now_ms();

		peer_init(&peer);
		peer.setup.retry_ms = rows[i].is_deaf ? 800 : 4000;
		peer.has_private = rows[i].has_private;
		peer.is_deaf = rows[i].is_deaf;
		peer.faults = rows[i].faults;
		assert_answer(&peer, i, rows[i].calls);
		assert_true(!rows[i].is_deaf || heal_now_ms() - start >= 60);
	}
}

HEAL_TEST(bus_is_not_asked_of_a_systemd_that_has_no_time)
{
	/* Silent before the handshake, and behind it. */
	static const char *const calls[] = {"private", "Ping"};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		const struct peer_fault faults[] = {{calls[i], PEER_SILENCE, NULL},
						    {calls[i], PEER_SILENCE, NULL},
						    {0}};
		_cleanup_peer_ struct peer peer;
		int64_t start = heal_now_ms();

		peer_init(&peer);
		peer_hurry(&peer);
		peer.faults = faults;
		assert_int_equal(peer_connect(&peer), -ETIMEDOUT);
		assert_in_range(heal_now_ms() - start, 15, 1000);
		peer_end(&peer);
		assert_null(strstr(peer.calls, "bus"));
		assert_string_equal(peer.error.message,
				    "connecting to systemd: systemd's private socket: greeting "
				    "systemd: no answer in time");
	}
}

HEAL_TEST(bus_waits_for_a_systemd_that_is_executing_itself_anew)
{
	static const struct peer_fault closed[] = {
		{"private", PEER_CLOSE, NULL}, {"Ping", PEER_CLOSE, NULL},
		{"private", PEER_FINE, NULL}, {"private", PEER_CLOSE, NULL}, {0},
	};
	/* Nobody has its name, or it goes away again. */
	static const struct peer_fault nameless[] = {
		{"GetNameOwner", PEER_ERROR, DBUS_ERROR_NAME_HAS_NO_OWNER},
		{"Subscribe", PEER_ERROR, DBUS_ERROR_NO_REPLY},
		{0},
	};
	static const struct {
		bool has_private;
		const struct peer_fault *faults;
		const char *calls;
	} rows[] = {
		{true, closed, "private private Ping private private Ping "},
		{false, nameless, "bus Hello GetNameOwner " JOIN JOIN},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_peer_ struct peer peer;

		peer_init(&peer);
		peer.has_private = rows[i].has_private;
		peer.faults = rows[i].faults;
		assert_int_equal(peer_connect(&peer), 0);
		peer_end(&peer);
		assert_row(test_same(peer.calls, rows[i].calls), "row %zu: %s", i, peer.calls);
	}
}

HEAL_TEST(bus_says_why_nobody_can_be_reached)
{
	_cleanup_peer_ struct peer peer;
	int64_t start = heal_now_ms();

	peer_init(&peer);
	peer_hurry(&peer);
	peer.has_private = peer.has_bus = false;
	assert_int_equal(peer_connect(&peer), -ENOTCONN);
	assert_in_range(heal_now_ms() - start, 15, 1000);
	assert_null(peer.systemd);
	assert_non_null(strstr(peer.error.message,
			       "connecting to systemd: systemd's private socket: "));
	assert_non_null(strstr(peer.error.message,
			       "/private: No such file or directory; the system bus: "));
	assert_non_null(strstr(peer.error.message, "/bus: No such file or directory"));
}

HEAL_TEST(bus_that_is_silent_costs_a_limited_time)
{
	static const char *const calls[] = {"bus", "Hello", "GetNameOwner", "AddMatch", "Subscribe"};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		const struct peer_fault faults[] = {{calls[i], PEER_SILENCE, NULL},
						    {calls[i], PEER_SILENCE, NULL},
						    {calls[i], PEER_SILENCE, NULL},
						    {0}};
		_cleanup_peer_ struct peer peer;
		int64_t start = heal_now_ms();
		int r;

		peer_init(&peer);
		peer_hurry(&peer);
		peer.has_private = false;
		peer.faults = faults;
		r = peer_connect(&peer);
		assert_row(r == -ETIMEDOUT, "%s: %d", calls[i], r);
		assert_in_range(heal_now_ms() - start, 15, 1000);
		assert_row(strstr(peer.error.message, "no answer in time"), "%s: %s", calls[i],
			   peer.error.message);
	}
}

HEAL_TEST(bus_asks_again_what_was_not_answered)
{
	static const struct {
		struct peer_fault fault;
		const char *calls;
	} rows[] = {
		{{"MainPID", PEER_CLOSE, NULL}, "private Ping MainPID private Ping MainPID "},
		{{"MainPID", PEER_CLOSE_BEHIND, NULL}, "private Ping MainPID private Ping MainPID "},
		{{"MainPID", PEER_SILENCE, NULL}, "private Ping MainPID private Ping MainPID "},
		{{"MainPID", PEER_WRONG_SERIAL, NULL}, "private Ping MainPID private Ping MainPID "},
		{{"MainPID", PEER_LATE, NULL}, "private Ping MainPID "},
		{{"MainPID", PEER_FORGE, NULL}, "private Ping MainPID "},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct peer_fault faults[] = {rows[i].fault, {0}};
		_cleanup_peer_ struct peer peer;

		peer_init(&peer);
		/* What does not come is not waited for long; what comes may be, on a slow machine. */
		if (rows[i].fault.act == PEER_SILENCE || rows[i].fault.act == PEER_WRONG_SERIAL)
			peer.setup.call_ms = 250;
		peer.faults = faults;
		assert_answer(&peer, i, rows[i].calls);
	}
}

HEAL_TEST(bus_without_systemd_for_a_moment_is_asked_again)
{
	static const char *const errors[] = {
		DBUS_ERROR_NO_REPLY,
		DBUS_ERROR_SERVICE_UNKNOWN,
		DBUS_ERROR_NAME_HAS_NO_OWNER,
		DBUS_ERROR_DISCONNECTED,
		DBUS_ERROR_SPAWN_CHILD_EXITED,
	};

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		const struct peer_fault faults[] = {{"MainPID", PEER_ERROR, errors[i]}, {0}};
		_cleanup_peer_ struct peer peer;

		peer_init(&peer);
		peer.has_private = false;
		peer.faults = faults;
		assert_answer(&peer, i, JOIN "MainPID " JOIN "MainPID ");
	}
}

HEAL_TEST(bus_comes_back_by_the_way_that_is_left)
{
	/* The bus was all there was, and breaks; then both are gone for a moment. */
	static const struct peer_fault faults[] = {
		{"Ping", PEER_ERROR, DBUS_ERROR_ACCESS_DENIED},
		{"MainPID", PEER_CLOSE, NULL},
		{"Ping", PEER_ERROR, DBUS_ERROR_ACCESS_DENIED},
		{"bus", PEER_FINE, NULL},
		{"bus", PEER_CLOSE, NULL},
		{0},
	};
	_cleanup_peer_ struct peer peer;

	peer_init(&peer);
	peer.faults = faults;
	assert_answer(&peer, 0, "private Ping " JOIN "MainPID "
			     "private Ping bus private Ping MainPID ");
}

HEAL_TEST(bus_gives_up_in_time_and_names_the_unit)
{
	static const struct {
		enum peer_act act;
		int result;
		const char *end;
	} rows[] = {
		{PEER_CLOSE, -ENOTCONN, ": the connection to systemd broke"},
		{PEER_SILENCE, -ETIMEDOUT, ": no answer in time"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct peer_fault faults[] = {
			{"private", PEER_FINE, NULL},  {"MainPID", rows[i].act, NULL},
			{"private", rows[i].act, NULL}, {"MainPID", rows[i].act, NULL},
			{"private", rows[i].act, NULL}, {0},
		};
		_cleanup_peer_ struct peer peer;
		dbus_uint32_t pid = 77;
		int64_t start;
		int r;

		peer_init(&peer);
		peer.has_bus = false;
		peer.faults = faults;
		assert_int_equal(peer_connect(&peer), 0);
		if (rows[i].act == PEER_SILENCE)
			peer_hurry(&peer);
		/* One attempt is all that there is time for. */
		peer.setup.pause_ms = peer.setup.retry_ms + 1;
		start = heal_now_ms();
		r = ask(&peer, &pid);
		assert_true(heal_now_ms() - start < 1000);
		assert_row(r == rows[i].result, "row %zu: %d, %s", i, r, peer.error.message);
		assert_row(strncmp(peer.error.message, PROPERTY ": ", sizeof(PROPERTY ": ") - 1) == 0 &&
				   strstr(peer.error.message, rows[i].end),
			   "row %zu: %s", i, peer.error.message);
		assert_int_equal(pid, 77);
		if (rows[i].act != PEER_CLOSE)
			continue;
		/* Nor is there time for one now. */
		peer.systemd->deadline_ms = heal_now_ms() - 1;
		assert_int_equal(ask(&peer, &pid), -ENOTCONN);
		assert_string_equal(peer.error.message, PROPERTY ": the connection to systemd broke");
	}
}

HEAL_TEST(bus_takes_no_answer_for_what_it_is_not)
{
	static const struct {
		struct peer_fault fault;
		int result;
		const char *message;
	} rows[] = {
		{{"MainPID", PEER_WRONG_TYPE, NULL}, -EBADMSG, PROPERTY ": unexpected type"},
		{{"MainPID", PEER_NO_VALUE, NULL}, -EBADMSG, PROPERTY ": unexpected reply"},
		{{"MainPID", PEER_ERROR, DBUS_ERROR_ACCESS_DENIED}, -EACCES, PROPERTY ": so it is"},
		{{"MainPID", PEER_ERROR, DBUS_ERROR_FAILED}, -EIO, PROPERTY ": so it is"},
		{{"MainPID", PEER_ERROR, DBUS_ERROR_NO_MEMORY}, -ENOMEM, PROPERTY ": so it is"},
		{{"MainPID", PEER_ERROR, SYSTEMD_NAME ".NoSuchUnit"}, -ENOENT, PROPERTY ": so it is"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct peer_fault faults[] = {rows[i].fault, {0}};
		_cleanup_peer_ struct peer peer;
		dbus_uint32_t pid = 77;
		int r;

		peer_init(&peer);
		peer.faults = faults;
		assert_int_equal(peer_connect(&peer), 0);
		r = ask(&peer, &pid);
		peer_end(&peer);
		assert_row(r == rows[i].result, "row %zu: %d", i, r);
		assert_row(test_same(peer.error.message, rows[i].message), "row %zu: %s", i,
			   peer.error.message);
		/* It was said: there is nothing to ask again. */
		assert_string_equal(peer.calls, "private Ping MainPID ");
		assert_int_equal(pid, 77);
	}
}

HEAL_TEST(bus_wants_an_owner_that_is_a_name)
{
	static const struct peer_fault faults[] = {{"GetNameOwner", PEER_NO_VALUE, NULL}, {0}};
	_cleanup_peer_ struct peer peer;

	peer_init(&peer);
	peer.has_private = false;
	peer.faults = faults;
	/* The second time it is. */
	assert_int_equal(peer_connect(&peer), 0);
	assert_string_equal(peer.systemd->peer, ":1.3");
}

HEAL_TEST(bus_asks_nothing_beyond_the_deadline)
{
	_cleanup_peer_ struct peer peer;

	peer_init(&peer);
	peer.faults = (const struct peer_fault[]){{"private", PEER_SILENCE, NULL}, {0}};
	peer_start(&peer);
	assert_int_equal(systemd_open_at(&peer.setup, heal_now_ms() - 1, &peer.systemd,
					 &peer.error),
			 -ETIMEDOUT);
	assert_null(peer.systemd);
}

HEAL_TEST(bus_names_objects_as_people_do)
{
	static const struct {
		const char *path;
		const char *name;
	} rows[] = {
		{UNIT_PATH, "ssh.service"},
		{SYSTEMD_PATH "/unit/sshd_40a_5cx2d_2eservice", "sshd@a\\x2d.service"},
		{SYSTEMD_PATH, "systemd1"},
		{SYSTEMD_PATH "/job/7", "7"},
		{"/", ""},
		{"", ""},
		{"/a_", "a_"},
		{"/a_2", "a_2"},
		{"/a_zz", "a_zz"},
		{"/ssh_2eservice_2eservice", "ssh.service.service"},
		{"/ssh_2eservice_2eservice_2e", "ssh.service.service"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char name[20];

		systemd_name_of_path(rows[i].path, name, sizeof(name));
		assert_row(test_same(name, rows[i].name), "%s: %s", rows[i].path, name);
	}
}
