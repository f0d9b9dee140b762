/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * heal_run where it acts: a tree taken for the live host, a real server at the
 * listener's address, a real program for a trial sshd, fakes for the rest.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "fake.h"
#include "test.h"

#define PID 34
#define NEW_PID 99
#define NOTED "run/sshd-heal/changes"
#define KEY "ssh-ed25519 SHA256:known"
#define LOOK "is_stopping; unit_of 34; "

static const struct heal_hello gets_in = {.fate = HEAL_FATE_OK, .key = KEY};

struct way {
	const struct tree *tree;
	struct heal_context *ctx;
	struct fake_service service;
	struct fake_packages packages; /* none */
	struct heal_report report;
	struct heal_error error;
	pthread_t server;
	int fd;               /* that it listens on */
	/* What clients of the listener get before the connection is closed. */
	const char *_Atomic greeting;
	char inode[24];
	char address[32];
	char exe[600];
};

/* The scene that the fake's actions belong to. */
static struct way *way_now;

static void *way_serve(void *argument)
{
	const struct way *way = argument;
	const char *greeting;
	int client;

	while ((client = accept(way->fd, NULL, NULL)) >= 0) {
		/* A client that is gone already needs no greeting. */
		greeting = way->greeting;
		if (send(client, greeting, strlen(greeting), MSG_NOSIGNAL) < 0)
			errno = 0;
		(void)close(client);
	}
	return NULL;
}

static void way_listen(struct way *way)
{
	struct sockaddr_in name = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(name);
	struct stat st;

	way->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(way->fd, (struct sockaddr *)&name, len), 0);
	assert_int_equal(listen(way->fd, 8), 0);
	assert_int_equal(getsockname(way->fd, (struct sockaddr *)&name, &len), 0);
	(void)snprintf(way->address, sizeof(way->address), "127.0.0.1:%d", ntohs(name.sin_port));
	assert_int_equal(fstat(way->fd, &st), 0);
	(void)snprintf(way->inode, sizeof(way->inode), "%lu", (unsigned long)st.st_ino);
	assert_int_equal(pthread_create(&way->server, NULL, way_serve, way), 0);
}

static void way_process(const struct way *way, pid_t pid, const char *maps)
{
	tree_add(way->tree, &(struct tree_process){.pid = pid,
						   .exe = way->exe,
						   .maps = maps,
						   .sockets = way->inode});
}

static void way_done(struct way *way)
{
	(void)shutdown(way->fd, SHUT_RDWR);
	(void)pthread_join(way->server, NULL);
	(void)close(way->fd);
	heal_report_done(&way->report);
	(void)heal_context_free(way->ctx);
}
#define _cleanup_way_ _cleanup_(way_done)

static void becomes_fresh(struct fake_service *fake)
{
	tree_set_maps(fake->tree, PID, TREE_MAPS_FRESH);
}

static void serves_again(struct fake_service *fake)
{
	way_now->greeting = "SSH-2.0-new\r\n";
	becomes_fresh(fake);
}

static void ends(struct fake_service *fake)
{
	tree_end(fake->tree, PID);
	fake->main_pid = 0;
}

static void gets_new_process(struct fake_service *fake)
{
	tree_end(fake->tree, PID);
	way_process(way_now, NEW_PID, TREE_MAPS_FRESH);
	fake->main_pid = NEW_PID;
}

/* A stale listener that still lets clients in, and files on disk that do, too. */
static void way_init(struct way *way)
{
	*way = (struct way){.tree = tree_new(), .greeting = "SSH-2.0-old\r\n"};
	way_now = way;
	way->ctx = tree_context(way->tree);
	way->ctx->is_live = true;
	way->service = (struct fake_service){
		.tree = way->tree,
		.unit = fake_unit(PID),
		.main_pid = PID,
		.on_reload = becomes_fresh,
		.on_restart = gets_new_process,
		.on_start = gets_new_process,
		.exec_start = "/usr/sbin/sshd -D",
	};
	fake_service_use(way->ctx, &way->service);
	fake_packages_use(way->ctx, &way->packages);
	fake_client_use(way->ctx, &gets_in, 1);
	way_listen(way);
	(void)snprintf(way->exe, sizeof(way->exe), "%s/usr/sbin/sshd", way->tree->path);
	free(way->ctx->config.sshd_paths[0]);
	way->ctx->config.sshd_paths[0] = strdup(way->exe);
	/* Whatever it prints on its standard output is a greeting to its client. */
	tree_link(way->tree, "usr/sbin/sshd", "/bin/echo");
	way_process(way, PID, TREE_MAPS_STALE);
	tree_link(way->tree, "proc/thread-self/ns/net", TREE_NET_NS);
	tree_file(way->tree, NOTED, "libssl3\tamd64\t3.0.17\t3.0.22\n");
}

static const struct heal_listener *run(struct way *way, enum heal_verb verb)
{
	if (heal_run(way->ctx, verb, &way->report, &way->error) < 0)
		fail_msg("%s", way->error.message);
	assert_int_equal(way->report.listeners.count, 1);
	return &way->report.listeners.items[0];
}

HEAL_TEST(way_of_heal_and_hook_ends_healed_and_forgets_the_changes)
{
	static const enum heal_verb verbs[] = {HEAL_HEAL, HEAL_HOOK};

	TEST_NEEDS_PIDFDS();
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		_cleanup_way_ struct way way;
		const struct heal_listener *listener;

		way_init(&way);
		listener = run(&way, verbs[i]);
		assert_string_equal(way.service.calls, LOOK "reload ssh.service; ");
		assert_int_equal(listener->live.fate, HEAL_FATE_OK);
		assert_int_equal(listener->trial.result, HEAL_TRIAL_OK);
		assert_int_equal(listener->trial.host_key, HEAL_HOST_KEY_SAME);
		assert_int_equal(listener->plan, HEAL_PLAN_RELOAD);
		assert_int_equal(listener->outcome, HEAL_OUTCOME_HEALED);
		assert_string_equal(listener->detail, "");
		assert_int_equal(heal_report_status(&way.report), 0);
		assert_false(tree_has(way.tree, NOTED));
		tree_remove_all();
	}
}

HEAL_TEST(way_of_check_and_dry_run_ends_before_anything_is_done)
{
	static const struct {
		enum heal_verb verb;
		enum heal_trial_result trial;
	} rows[] = {{HEAL_CHECK, HEAL_TRIAL_SKIPPED}, {HEAL_DRY_RUN, HEAL_TRIAL_OK}};

	TEST_NEEDS_PIDFDS();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_way_ struct way way;
		const struct heal_listener *listener;

		way_init(&way);
		listener = run(&way, rows[i].verb);
		assert_string_equal(way.service.calls, LOOK);
		assert_int_equal(listener->trial.result, rows[i].trial);
		assert_int_equal(listener->plan, HEAL_PLAN_RELOAD);
		assert_int_equal(listener->outcome, HEAL_OUTCOME_DRY_RUN);
		assert_int_equal(heal_report_status(&way.report), 1);
		assert_true(tree_has(way.tree, NOTED));
		tree_remove_all();
	}
}

HEAL_TEST(way_ends_at_a_trial_that_failed)
{
	static const struct {
		const char *program; /* NULL: none */
		const char *detail;
	} rows[] = {
		{"/bin/false", "gets connection closed by remote host, before the banner"},
		{NULL, "No such file or directory; "},
	};

	TEST_NEEDS_PIDFDS();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_way_ struct way way;
		const struct heal_listener *listener;

		way_init(&way);
		tree_remove(way.tree, "usr/sbin/sshd");
		if (rows[i].program)
			tree_link(way.tree, "usr/sbin/sshd", rows[i].program);
		listener = run(&way, HEAL_HEAL);
		assert_string_equal(way.service.calls, LOOK);
		assert_int_equal(listener->trial.result, HEAL_TRIAL_FAILED);
		assert_row(strstr(listener->trial.detail, rows[i].detail) != NULL, "%s",
			   listener->trial.detail);
		assert_int_equal(listener->plan, HEAL_PLAN_WARN);
		assert_int_equal(listener->outcome, HEAL_OUTCOME_WARNED);
		assert_int_equal(listener->verdict, HEAL_VERDICT_STALE);
		assert_true(tree_has(way.tree, NOTED));
		tree_remove_all();
	}
}

HEAL_TEST(way_ends_at_a_unit_whose_options_cannot_be_understood)
{
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	way_init(&way);
	way.service.exec_start = "/usr/sbin/sshd -D stray";
	listener = run(&way, HEAL_HEAL);
	assert_string_equal(way.service.calls, LOOK);
	assert_int_equal(listener->trial.result, HEAL_TRIAL_SKIPPED);
	assert_row(strncmp(listener->trial.detail, "understanding ", 14) == 0 &&
			   strstr(listener->trial.detail, ": Invalid argument") != NULL,
		   "%s", listener->trial.detail);
	assert_int_equal(listener->outcome, HEAL_OUTCOME_WARNED);
}

HEAL_TEST(way_ends_at_a_listener_in_another_network_namespace)
{
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	way_init(&way);
	tree_link(way.tree, "proc/thread-self/ns/net", "net:[1]");
	listener = run(&way, HEAL_HEAL);
	assert_string_equal(way.service.calls, LOOK);
	assert_int_equal(listener->live.fate, HEAL_FATE_UNKNOWN);
	assert_int_equal(listener->trial.result, HEAL_TRIAL_SKIPPED);
	assert_int_equal(listener->outcome, HEAL_OUTCOME_WARNED);
}

/* A program in the place of sshd: as a server it greets, with -T it tells this. */
static void sshd_says(const struct way *way, const char *effective)
{
	char text[512];

	(void)snprintf(text, sizeof(text),
		       "#!/bin/sh\ncase \"$1\" in\n-T) cat <<'EOF'\n%s\nEOF\n;;\n"
		       "*) echo SSH-2.0-disk ;;\nesac\n",
		       effective);
	tree_remove(way->tree, "usr/sbin/sshd");
	tree_file(way->tree, "usr/sbin/sshd", text);
	assert_int_equal(fchmodat(way->tree->fd, "usr/sbin/sshd", 0755, 0), 0);
}

HEAL_TEST(way_ends_at_a_host_key_file_that_was_replaced_since)
{
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	TEST_NEEDS_PIDFDS();
	way_init(&way);
	/* A key that no client of the trial has asked for; the listener is as old as the system. */
	sshd_says(&way, "hostkey /etc/ssh/ssh_host_rsa_key");
	tree_file(way.tree, "etc/ssh/ssh_host_rsa_key", "new");
	listener = run(&way, HEAL_HEAL);
	assert_string_equal(way.service.calls, LOOK);
	assert_int_equal(listener->trial.result, HEAL_TRIAL_OK);
	assert_int_equal(listener->trial.host_key, HEAL_HOST_KEY_CHANGED);
	assert_string_equal(listener->trial.detail, "the host key /etc/ssh/ssh_host_rsa_key was "
						    "replaced after sshd had started");
	assert_int_equal(listener->outcome, HEAL_OUTCOME_WARNED);
}

HEAL_TEST(way_ends_at_a_port_that_another_process_holds)
{
	struct sockaddr_in name = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	_cleanup_close_ int other = -1;
	socklen_t len = sizeof(name);
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;
	char text[96];

	TEST_NEEDS_PIDFDS();
	other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	way_init(&way);
	assert_int_equal(bind(other, (struct sockaddr *)&name, len), 0);
	assert_int_equal(listen(other, 1), 0);
	assert_int_equal(getsockname(other, (struct sockaddr *)&name, &len), 0);
	(void)snprintf(text, sizeof(text), "listenaddress %s\nlistenaddress 0.0.0.0:%d", way.address,
		       ntohs(name.sin_port));
	sshd_says(&way, text);
	listener = run(&way, HEAL_HEAL);
	assert_string_equal(way.service.calls, LOOK);
	assert_true(listener->trial.is_port_taken);
	assert_string_equal(listener->reason, "another process holds its port");
	assert_int_equal(listener->outcome, HEAL_OUTCOME_WARNED);
}

HEAL_TEST(way_ends_at_a_host_key_that_clients_do_not_know)
{
	static const struct heal_hello hellos[] = {
		{.fate = HEAL_FATE_OK, .key = KEY},
		{.fate = HEAL_FATE_OK, .key = "ssh-ed25519 SHA256:other"},
	};
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	TEST_NEEDS_PIDFDS();
	way_init(&way);
	fake_client_use(way.ctx, hellos, ARRAY_SIZE(hellos));
	listener = run(&way, HEAL_HEAL);
	assert_string_equal(way.service.calls, LOOK);
	assert_int_equal(listener->trial.host_key, HEAL_HOST_KEY_CHANGED);
	assert_string_equal(listener->reason,
			    "the host key on disk is not the one that clients know");
	assert_int_equal(listener->outcome, HEAL_OUTCOME_WARNED);
}

HEAL_TEST(way_of_a_listener_that_turns_clients_away_is_critical_until_healed)
{
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	TEST_NEEDS_PIDFDS();
	way_init(&way);
	way.greeting = "";
	listener = run(&way, HEAL_DRY_RUN);
	assert_int_equal(listener->live.fate, HEAL_FATE_EOF);
	assert_int_equal(way.report.verdict, HEAL_VERDICT_REFUSING);
	assert_int_equal(heal_report_status(&way.report), 2);
	heal_report_done(&way.report);
	way.service.on_reload = serves_again;
	listener = run(&way, HEAL_HEAL);
	assert_int_equal(listener->outcome, HEAL_OUTCOME_HEALED);
	assert_int_equal(heal_report_status(&way.report), 0);
}

HEAL_TEST(way_that_leaves_clients_outside_has_failed)
{
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;
	char expected[256];

	TEST_NEEDS_PIDFDS();
	way_init(&way);
	way.greeting = "";
	listener = run(&way, HEAL_HEAL);
	assert_int_equal(listener->outcome, HEAL_OUTCOME_FAILED);
	(void)snprintf(expected, sizeof(expected),
		       "CRITICAL: a new client at %s gets connection closed by remote host, before "
		       "the banner",
		       way.address);
	assert_string_equal(listener->detail, expected);
	assert_int_equal(heal_report_status(&way.report), 2);
	assert_true(tree_has(way.tree, NOTED));
}

HEAL_TEST(way_that_changed_the_host_key_has_failed)
{
	static const struct heal_hello hellos[] = {
		{.fate = HEAL_FATE_OK, .key = KEY},
		{.fate = HEAL_FATE_OK, .key = KEY},
		{.fate = HEAL_FATE_OK, .key = "ssh-rsa SHA256:other"},
	};
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	TEST_NEEDS_PIDFDS();
	way_init(&way);
	fake_client_use(way.ctx, hellos, ARRAY_SIZE(hellos));
	listener = run(&way, HEAL_HEAL);
	assert_int_equal(listener->outcome, HEAL_OUTCOME_FAILED);
	assert_string_equal(listener->detail, "CRITICAL: its host key changed, from " KEY
					      " to ssh-rsa SHA256:other");
}

HEAL_TEST(way_starts_an_sshd_again_that_an_action_has_ended)
{
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	TEST_NEEDS_PIDFDS();
	way_init(&way);
	way.service.failing = "reload";
	way.service.code = ECANCELED;
	way.service.on_reload = ends;
	listener = run(&way, HEAL_HEAL);
	assert_string_equal(way.service.calls,
			    LOOK "reload ssh.service; reset_failed ssh.service; start ssh.service; ");
	assert_int_equal(listener->outcome, HEAL_OUTCOME_HEALED);
	assert_string_equal(listener->detail, "sshd was down and had to be started again: reload "
					      "did not work");
	assert_int_equal(listener->pid, NEW_PID);
}

static void ends_a_session(struct fake_service *fake)
{
	tree_end(fake->tree, 200);
	becomes_fresh(fake);
}

HEAL_TEST(way_that_cost_a_session_says_so)
{
	static void (*const actions[])(struct fake_service *) = {becomes_fresh, ends_a_session};

	TEST_NEEDS_PIDFDS();
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		_cleanup_way_ struct way way;

		way_init(&way);
		way.service.on_reload = actions[i];
		for (int pid = 200; pid < 203; pid++)
			tree_add(way.tree, &(struct tree_process){.pid = pid,
								  .ppid = pid == 200 ? PID : 1,
								  .title = "sshd: root@pts/0|"});
		assert_int_equal(run(&way, HEAL_HEAL)->outcome, HEAL_OUTCOME_HEALED);
		assert_row(way.report.notes.count == i, "%s",
			   way.report.notes.count ? way.report.notes.lines[0] : "no note");
		assert_int_equal(way.report.listeners.items[0].sessions, 3 - (int)i);
		if (i)
			assert_string_equal(way.report.notes.lines[0],
					    "3 ssh sessions were open before, 2 are now");
		tree_remove_all();
	}
}

HEAL_TEST(way_that_failed_keeps_the_changes)
{
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	TEST_NEEDS_PIDFDS();
	way_init(&way);
	way.service.failing = "reload";
	way.service.code = ECANCELED;
	way.service.on_reload = NULL;
	listener = run(&way, HEAL_HOOK);
	assert_string_equal(way.service.calls, LOOK "reload ssh.service; ");
	assert_int_equal(listener->outcome, HEAL_OUTCOME_FAILED);
	assert_string_equal(listener->detail, "reload did not work");
	assert_int_equal(heal_report_status(&way.report), 2);
	assert_true(tree_has(way.tree, NOTED));
}

HEAL_TEST(way_does_not_start_an_sshd_again_whose_files_on_disk_are_broken)
{
	static const struct heal_hello hellos[] = {
		{.fate = HEAL_FATE_OK, .key = KEY},
		{.fate = HEAL_FATE_OK, .key = KEY},
		{.fate = HEAL_FATE_FAILED, .detail = "no key exchange"},
	};
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	TEST_NEEDS_PIDFDS();
	way_init(&way);
	way.service.failing = "reload";
	way.service.code = ECANCELED;
	way.service.on_reload = ends;
	fake_client_use(way.ctx, hellos, ARRAY_SIZE(hellos));
	listener = run(&way, HEAL_HEAL);
	assert_string_equal(way.service.calls, LOOK "reload ssh.service; ");
	assert_int_equal(listener->outcome, HEAL_OUTCOME_FAILED);
	assert_string_equal(listener->detail, "CRITICAL: sshd is DOWN, reload did not work; type: "
					      "systemctl start ssh.service");
	assert_int_equal(heal_report_status(&way.report), 2);
}

HEAL_TEST(way_heals_the_unit_and_warns_of_the_listener_beside_it)
{
	_cleanup_way_ struct way way;
	size_t n_healed = 0;

	TEST_NEEDS_PIDFDS();
	way_init(&way);
	/* Started by hand from a session: the reload of the unit is not about that one. */
	way_process(&way, 35, TREE_MAPS_STALE);
	if (heal_run(way.ctx, HEAL_HEAL, &way.report, &way.error) < 0)
		fail_msg("%s", way.error.message);
	assert_int_equal(way.report.listeners.count, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct heal_listener *listener = &way.report.listeners.items[i];

		n_healed += listener->outcome == HEAL_OUTCOME_HEALED;
		if (listener->pid != 35)
			continue;
		assert_int_equal(listener->outcome, HEAL_OUTCOME_WARNED);
		assert_string_equal(listener->detail, "kill -HUP 35");
	}
	assert_int_equal(n_healed, 1);
	assert_int_equal(heal_report_status(&way.report), 1);
	/* Something still is stale, so the versions before are still wanted. */
	assert_true(tree_has(way.tree, NOTED));
}
