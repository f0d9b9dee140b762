/* SPDX-License-Identifier: GPL-2.0-or-later */
/* heal_run where it acts, with all that follows: from the listener to the exit status. */
#include "test.h"
#include "way.h"

HEAL_TEST(way_of_heal_and_hook_ends_healed_and_forgets_what_was_left)
{
	TEST_NEEDS_PIDFDS();
	const enum heal_verb verbs[] = {HEAL_HEAL, TEST_HOOK};

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		_cleanup_way_ struct way way;
		const struct heal_listener *listener;

		way_init(&way);
		listener = way_run(&way, verbs[i]);
		assert_string_equal(way.service.calls, LOOK "reload ssh.service; ");
		assert_int_equal(listener->evidence.live.fate, HEAL_FATE_OK);
		assert_int_equal(listener->evidence.trial.result, HEAL_TRIAL_OK);
		assert_int_equal(listener->evidence.trial.host_key, HEAL_HOST_KEY_SAME);
		assert_int_equal(listener->result.plan, HEAL_PLAN_RELOAD);
		assert_int_equal(listener->result.outcome, HEAL_OUTCOME_HEALED);
		assert_int_equal(listener->result.proved, HEAL_FATE_OK);
		assert_string_equal(listener->result.detail, "");
		assert_int_equal(heal_report_status(&way.report), 0);
		assert_false(tree_has(way.tree, LEFT));
		tree_remove_all();
	}
}

HEAL_TEST(way_of_check_and_dry_run_ends_before_anything_is_done)
{
	TEST_NEEDS_PIDFDS();
	static const enum heal_verb looks[] = {HEAL_CHECK, HEAL_DRY_RUN};

	for (size_t i = 0; i < ARRAY_SIZE(looks); i++) {
		_cleanup_way_ struct way way;
		const struct heal_listener *listener;

		way_init(&way);
		listener = way_run(&way, looks[i]);
		assert_string_equal(way.service.calls, LOOK);
		/* What either of them predicts or advises was tried. */
		assert_int_equal(listener->evidence.trial.result, HEAL_TRIAL_OK);
		assert_int_equal(listener->result.plan, HEAL_PLAN_RELOAD);
		assert_int_equal(listener->result.outcome, HEAL_OUTCOME_DRY_RUN);
		assert_int_equal(heal_report_status(&way.report), 1);
		assert_true(tree_has(way.tree, LEFT));
		tree_remove_all();
	}
}

HEAL_TEST(way_ends_at_a_trial_that_failed)
{
	TEST_NEEDS_PIDFDS();
	static const struct {
		const char *program; /* NULL: none */
		const char *detail;
	} rows[] = {
		{"/bin/false", "gets connection closed by remote host, before the banner"},
		{NULL, "No such file or directory; "},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_way_ struct way way;
		const struct heal_listener *listener;

		way_init(&way);
		tree_remove(way.tree, "usr/sbin/sshd");
		if (rows[i].program)
			tree_link(way.tree, "usr/sbin/sshd", rows[i].program);
		listener = way_run_warned(&way);
		assert_int_equal(listener->evidence.trial.result, HEAL_TRIAL_FAILED);
		assert_row(strstr(listener->evidence.trial.detail, rows[i].detail) != NULL, "%s",
			   listener->evidence.trial.detail);
		assert_int_equal(listener->result.plan, HEAL_PLAN_WARN);
		assert_int_equal(listener->result.verdict, HEAL_VERDICT_STALE);
		assert_true(tree_has(way.tree, LEFT));
		tree_remove_all();
	}
}

HEAL_TEST(way_ends_at_a_unit_whose_options_cannot_be_understood)
{
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	way_init(&way);
	way.service.exec_start = "/usr/sbin/sshd -D stray";
	listener = way_run_untried(&way);
	assert_row(strncmp(listener->evidence.trial.detail, "understanding ", 14) == 0 &&
			   strstr(listener->evidence.trial.detail, ": Invalid argument") != NULL,
		   "%s", listener->evidence.trial.detail);
}

HEAL_TEST(way_ends_at_a_listener_in_another_network_namespace)
{
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	way_init(&way);
	tree_link(way.tree, "proc/thread-self/ns/net", "net:[1]");
	listener = way_run_untried(&way);
	assert_int_equal(listener->evidence.live.fate, HEAL_FATE_UNKNOWN);
}

/* A proof of the listener that has read another configuration, or this one. */
static void way_has_read(const struct way *way, const char *mark)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
		       "sshd-heal proven 3\nlistener\t34\t228034\t28\t1\thealthy\n"
		       "config\t1\t2\t3\t4\t/etc/ssh/sshd_config\t-\t-\t%s\n", mark);
	tree_file(way->tree, "run/sshd-heal/proven", text);
	tree_file(way->tree, "etc/ssh/sshd_config", "");
}

HEAL_TEST(way_ends_at_a_configuration_that_sshd_has_not_read)
{
	TEST_NEEDS_PIDFDS();
	static const char detail[] = "/etc/ssh/sshd_config was changed since sshd read its configuration";
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	way_init(&way);
	way_has_read(&way, "0123456789abcdef/9");
	listener = way_run_warned(&way);
	assert_int_equal(listener->evidence.trial.result, HEAL_TRIAL_OK);
	assert_string_equal(listener->evidence.pending.detail, detail);
	assert_string_equal(listener->result.reason,
			    "its configuration on disk is not known to be the one that it read");
	assert_string_equal(listener->result.detail, "systemctl reload ssh.service");
	heal_report_done(&way.report);
	/* The hash of nothing. */
	way_has_read(&way, "cbf29ce484222325/0");
	listener = way_run(&way, HEAL_HEAL);
	assert_string_equal(listener->evidence.pending.detail, "");
	assert_int_equal(listener->result.outcome, HEAL_OUTCOME_HEALED);
}

HEAL_TEST(way_of_a_listener_that_turns_clients_away_takes_up_what_waits)
{
	TEST_NEEDS_PIDFDS();
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	way_init(&way);
	way.greeting = "";
	way.service.on_reload = way_serves_again;
	way_has_read(&way, "0123456789abcdef/9");
	listener = way_run(&way, HEAL_HEAL);
	assert_int_equal(listener->result.outcome, HEAL_OUTCOME_HEALED);
	assert_string_not_equal(listener->evidence.pending.detail, "");
}

HEAL_TEST(way_does_not_end_at_a_port_that_sshd_never_had)
{
	TEST_NEEDS_PIDFDS();
	int port = 0;
	_cleanup_close_ int other = fake_server(&port);
	_cleanup_way_ struct way way;
	char text[96];

	way_init(&way);
	/* Another process's, and one that this host has not: it did without both. */
	(void)snprintf(text, sizeof(text), "listenaddress 0.0.0.0:%d\nlistenaddress 192.0.2.77:1\n", port);
	way_sshd_says(&way, text);
	assert_int_equal(way_run(&way, HEAL_HEAL)->result.outcome, HEAL_OUTCOME_HEALED);
}

HEAL_TEST(way_ends_at_a_configuration_that_listens_elsewhere)
{
	TEST_NEEDS_PIDFDS();
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;
	char expected[128];

	way_init(&way);
	(void)snprintf(expected, sizeof(expected), "it would not listen on %s any more", way.address);
	(void)snprintf(way.address, sizeof(way.address), "127.0.0.1:1");
	way_sshd_says(&way, "");
	listener = way_run_warned(&way);
	assert_true(listener->evidence.trial.is_moving);
	assert_string_equal(listener->evidence.trial.detail, expected);
}

HEAL_TEST(way_ends_at_a_unit_that_starts_another_program)
{
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	way_init(&way);
	way.service.exec_path = "/usr/sbin/dropbear";
	listener = way_run_untried(&way);
	assert_non_null(strstr(listener->evidence.trial.detail, "ssh.service starts /usr/sbin/dropbear, but "));
}

HEAL_TEST(way_ends_at_a_host_key_that_clients_do_not_know)
{
	TEST_NEEDS_PIDFDS();
	static const struct heal_hello hellos[] = {
		{.fate = HEAL_FATE_OK, .key = KEY},
		{.fate = HEAL_FATE_OK, .key = "ssh-ed25519 SHA256:other"},
	};
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	way_init(&way);
	fake_client_use(way.ctx, hellos, ARRAY_SIZE(hellos));
	listener = way_run_warned(&way);
	assert_int_equal(listener->evidence.trial.host_key, HEAL_HOST_KEY_CHANGED);
	assert_string_equal(listener->result.reason,
			    "the host key on disk is not the one that clients know");
}

HEAL_TEST(way_of_a_listener_that_turns_clients_away_is_critical_until_healed)
{
	TEST_NEEDS_PIDFDS();
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	way_init(&way);
	way.greeting = "";
	listener = way_run(&way, HEAL_DRY_RUN);
	assert_int_equal(listener->evidence.live.fate, HEAL_FATE_EOF);
	assert_int_equal(way.report.verdict, HEAL_VERDICT_REFUSING);
	assert_int_equal(heal_report_status(&way.report), 2);
	heal_report_done(&way.report);
	way.service.on_reload = way_serves_again;
	listener = way_run(&way, HEAL_HEAL);
	assert_int_equal(listener->result.outcome, HEAL_OUTCOME_HEALED);
	assert_int_equal(heal_report_status(&way.report), 0);
}

static const struct heal_listener *run_failed(struct way *way, enum heal_verb verb,
						const char *detail)
{
	const struct heal_listener *listener = way_run(way, verb);

	assert_int_equal(listener->result.outcome, HEAL_OUTCOME_FAILED);
	assert_string_equal(listener->result.detail, detail);
	assert_int_equal(heal_report_status(&way->report), 2);
	return listener;
}

HEAL_TEST(way_that_leaves_clients_outside_has_failed)
{
	TEST_NEEDS_PIDFDS();
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;
	char expected[256];

	way_init(&way);
	way.greeting = "";
	(void)snprintf(expected, sizeof(expected),
		       "CRITICAL: a new client at %s gets connection closed by remote host, before "
		       "the banner",
		       way.address);
	listener = run_failed(&way, HEAL_HEAL, expected);
	assert_int_equal(listener->result.proved, HEAL_FATE_EOF);
	assert_true(tree_has(way.tree, LEFT));
}

HEAL_TEST(way_that_changed_the_host_key_has_failed)
{
	TEST_NEEDS_PIDFDS();
	static const struct heal_hello hellos[] = {
		{.fate = HEAL_FATE_OK, .key = KEY},
		{.fate = HEAL_FATE_OK, .key = KEY},
		{.fate = HEAL_FATE_OK, .key = "ssh-rsa SHA256:other"},
	};
	_cleanup_way_ struct way way;

	way_init(&way);
	fake_client_use(way.ctx, hellos, ARRAY_SIZE(hellos));
	(void)run_failed(&way, HEAL_HEAL,
			 "CRITICAL: its host key changed, from " KEY " to ssh-rsa SHA256:other");
}

HEAL_TEST(way_starts_an_sshd_again_that_an_action_has_ended)
{
	TEST_NEEDS_PIDFDS();
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	way_init(&way);
	fake_service_fails(&way.service, "reload", ECANCELED);
	way.service.on_reload = fake_ends;
	listener = way_run(&way, HEAL_HEAL);
	assert_string_equal(way.service.calls,
			    LOOK "reload ssh.service; reset_failed ssh.service; start ssh.service; ");
	assert_int_equal(listener->result.outcome, HEAL_OUTCOME_HEALED);
	assert_string_equal(listener->result.detail, "sshd was down and had to be started again: reload "
					      "did not work");
	assert_int_equal(listener->process.pid, NEW_PID);
}

HEAL_TEST(way_starts_an_sshd_again_only_where_the_job_was_its_own)
{
	TEST_NEEDS_PIDFDS();
	static const struct {
		const char *failing;
		int code;
		enum heal_outcome outcome;
		const char *detail;
	} rows[] = {
		{NULL, 0, HEAL_OUTCOME_HEALED,
		 "sshd was down and had to be started again: nothing listens any more"},
		{"reload", ECANCELED, HEAL_OUTCOME_HEALED,
		 "sshd was down and had to be started again: reload did not work"},
		{"reload", ETIMEDOUT, HEAL_OUTCOME_HEALED,
		 "sshd was down and had to be started again: reload did not work"},
		{"reload", EACCES, HEAL_OUTCOME_FAILED, "reload did not work"},
		{"reload", EBUSY, HEAL_OUTCOME_FAILED, "reload did not work"},
		{"reload", ENOENT, HEAL_OUTCOME_FAILED, "reload did not work"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_way_ struct way way;
		const struct heal_listener *listener;

		way_init(&way);
		fake_service_fails(&way.service, rows[i].failing, rows[i].code);
		way.service.on_reload = fake_ends;
		listener = way_run(&way, HEAL_HEAL);
		assert_row(listener->result.outcome == rows[i].outcome, "row %zu: %d", i,
			   (int)listener->result.outcome);
		assert_row(test_same(listener->result.detail, rows[i].detail), "row %zu: %s", i,
			   listener->result.detail);
		assert_row(!strstr(way.service.calls, "start ssh.service") ==
				   (rows[i].outcome == HEAL_OUTCOME_FAILED),
			   "row %zu: %s", i, way.service.calls);
		tree_remove_all();
	}
}

/* The scene that shuts_us_out belongs to. */
static struct way *way_shut;

static void shuts_us_out(struct fake_service *fake)
{
	way_shut->greeting = "Exceeded MaxStartups\r\n";
	fake_becomes_fresh(fake);
}

HEAL_TEST(way_that_shut_out_its_own_client_claims_nothing)
{
	TEST_NEEDS_PIDFDS();
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	way_init(&way);
	way_shut = &way;
	way.service.on_reload = shuts_us_out;
	listener = way_run(&way, HEAL_HEAL);
	assert_int_equal(listener->evidence.live.fate, HEAL_FATE_OK);
	assert_int_equal(listener->result.proved, HEAL_FATE_PENALTY);
	assert_int_equal(listener->result.outcome, HEAL_OUTCOME_HEALED);
	assert_string_equal(listener->result.detail, "");
}

HEAL_TEST(way_that_leaves_clients_outside_at_one_address_has_failed)
{
	TEST_NEEDS_PIDFDS();
	static const struct heal_hello hellos[] = {
		{.fate = HEAL_FATE_OK, .key = KEY}, /* live */
		{.fate = HEAL_FATE_OK, .key = KEY}, /* the trial */
		{.fate = HEAL_FATE_OK, .key = KEY},
		{.fate = HEAL_FATE_FAILED, .detail = "no\nkeys"},
	};
	_cleanup_way_ struct way way;
	_cleanup_way_ struct way second = {.greeting = "SSH-2.0-second\r\n"};
	const struct heal_listener *listener;
	char expected[256];

	way_init(&way);
	way_listen(&second);
	(void)snprintf(expected, sizeof(expected), "%s %s", way.inode, second.inode);
	way_process(&way, PID, TREE_MAPS_STALE, expected);
	(void)snprintf(expected, sizeof(expected), "listenaddress %s", second.address);
	way_sshd_says(&way, expected);
	fake_client_use(way.ctx, hellos, ARRAY_SIZE(hellos));
	listener = way_run(&way, HEAL_HEAL);
	assert_int_equal(listener->process.n_addresses, 2);
	assert_int_equal(listener->result.outcome, HEAL_OUTCOME_FAILED);
	/* That of the first client. */
	assert_int_equal(listener->result.proved, HEAL_FATE_OK);
	(void)snprintf(expected, sizeof(expected),
		       "CRITICAL: a new client at %s does not get through the key exchange: "
		       "no\\x0akeys",
		       listener->process.addresses[1]);
	assert_string_equal(listener->result.detail, expected);
	assert_int_equal(heal_report_status(&way.report), 2);
}

static void ends_a_session(struct fake_service *fake)
{
	tree_end(fake->tree, 200);
	fake_becomes_fresh(fake);
}

HEAL_TEST(way_that_cost_a_session_says_so)
{
	TEST_NEEDS_PIDFDS();
	static void (*const actions[])(struct fake_service *) = {fake_becomes_fresh, ends_a_session};

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		_cleanup_way_ struct way way;

		way_init(&way);
		way.service.on_reload = actions[i];
		for (int pid = 200; pid < 203; pid++)
			tree_add(way.tree, &(struct tree_process){.pid = pid,
								  .ppid = pid == 200 ? PID : 1,
								  .title = "sshd: root@pts/0|"});
		assert_int_equal(way_run(&way, HEAL_HEAL)->result.outcome, HEAL_OUTCOME_HEALED);
		assert_row(way.report.notes.count == i, "%s",
			   way.report.notes.count ? way.report.notes.lines[0] : "no note");
		assert_int_equal(way.report.listeners.items[0].process.sessions, 3 - (int)i);
		if (i)
			assert_string_equal(way.report.notes.lines[0],
					    "3 ssh sessions were open before, 2 are now");
		tree_remove_all();
	}
}

HEAL_TEST(way_without_a_lock_only_warns)
{
	TEST_NEEDS_PIDFDS();
	_cleanup_way_ struct way way;
	const struct heal_listener *listener;

	way_init(&way);
	tree_link(way.tree, "run/sshd-heal/lock", "../../victim");
	listener = way_run(&way, TEST_HOOK);
	assert_string_equal(way.service.calls, LOOK);
	assert_int_equal(listener->evidence.trial.result, HEAL_TRIAL_OK);
	assert_int_equal(listener->result.outcome, HEAL_OUTCOME_WARNED);
	assert_string_equal(listener->result.detail, "systemctl reload ssh.service");
	assert_true(tree_has(way.tree, LEFT));
}

HEAL_TEST(way_that_failed_is_left)
{
	TEST_NEEDS_PIDFDS();
	_cleanup_way_ struct way way;

	way_init(&way);
	fake_service_fails(&way.service, "reload", ECANCELED);
	way.service.on_reload = NULL;
	(void)run_failed(&way, TEST_HOOK, "reload did not work");
	assert_string_equal(way.service.calls, LOOK "reload ssh.service; ");
	assert_true(tree_has(way.tree, LEFT));
}

HEAL_TEST(way_does_not_start_an_sshd_again_whose_files_on_disk_are_broken)
{
	TEST_NEEDS_PIDFDS();
	static const struct heal_hello hellos[] = {
		{.fate = HEAL_FATE_OK, .key = KEY},
		{.fate = HEAL_FATE_OK, .key = KEY},
		{.fate = HEAL_FATE_FAILED, .detail = "no key exchange"},
	};
	_cleanup_way_ struct way way;
	char expected[256];

	way_init(&way);
	fake_service_fails(&way.service, "reload", ECANCELED);
	way.service.on_reload = fake_ends;
	fake_client_use(way.ctx, hellos, ARRAY_SIZE(hellos));
	/* The scene's own server is there, which no process of its tree has open. */
	(void)snprintf(expected, sizeof(expected),
		       "CRITICAL: sshd is DOWN, reload did not work; %s is held by user %u; type: "
		       "systemctl reset-failed ssh.service; systemctl start ssh.service",
		       way.address, (unsigned)geteuid());
	(void)run_failed(&way, HEAL_HEAL, expected);
	assert_string_equal(way.service.calls, LOOK "reload ssh.service; ");
}

HEAL_TEST(way_heals_the_unit_and_warns_of_the_listener_beside_it)
{
	TEST_NEEDS_PIDFDS();
	_cleanup_way_ struct way way;
	size_t n_healed = 0;

	way_init(&way);
	/* Started by hand from a session: the reload of the unit is not about that one. */
	way_process(&way, 35, TREE_MAPS_STALE, way.inode);
	if (heal_run(way.ctx, HEAL_HEAL, &way.report, &way.error) < 0)
		fail_msg("%s", way.error.message);
	assert_int_equal(way.report.listeners.count, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct heal_listener *listener = &way.report.listeners.items[i];

		n_healed += listener->result.outcome == HEAL_OUTCOME_HEALED;
		if (listener->process.pid != 35)
			continue;
		assert_int_equal(listener->result.outcome, HEAL_OUTCOME_WARNED);
		assert_string_equal(listener->result.detail, "kill -HUP 35");
	}
	assert_int_equal(n_healed, 1);
	assert_int_equal(heal_report_status(&way.report), 1);
	/* Something still is stale, so the versions before are still wanted. */
	assert_true(tree_has(way.tree, LEFT));
}

/* What is fresh after an action that failed, is well only when a client gets in. */
HEAL_TEST(way_after_a_failure_calls_nothing_healthy_that_turns_clients_away)
{
	_cleanup_way_ struct way way;

	way_init(&way);
	fake_becomes_fresh(&way.service);
	tree_file(way.tree, LEFT, "0\nfailed\t34\t228034\n");
	way.greeting = "";
	assert_int_equal(way_run(&way, HEAL_HOOK)->result.verdict, HEAL_VERDICT_REFUSING);
	assert_int_equal(heal_report_status(&way.report), 2);
	assert_false(tree_has(way.tree, "run/sshd-heal/proven"));
	assert_true(tree_has(way.tree, LEFT));
	heal_report_done(&way.report);
	way.greeting = "SSH-2.0-new\r\n";
	assert_int_equal(way_run(&way, HEAL_HOOK)->result.verdict, HEAL_VERDICT_HEALTHY);
	assert_true(tree_has(way.tree, "run/sshd-heal/proven"));
	assert_false(tree_has(way.tree, LEFT));
}
