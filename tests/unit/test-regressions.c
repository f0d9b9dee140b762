/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bugs that were found once, each shown by what it did. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "scene.h"
#include "test.h"

/* 10.0 on: sshd-auth.c has setproctitle("[session-auth]"), auth2.c "%s [net]". */
HEAL_TEST(title_of_sshd_auth_is_no_listener)
{
	static const char *const titles[] = {"sshd-auth: [session-auth early]",
					     "sshd-auth: [session-auth]", "sshd-auth: anna [net]"};

	for (size_t i = 0; i < ARRAY_SIZE(titles); i++)
		assert_row(title_classify(titles[i], strlen(titles[i]) + 1) == HEAL_TITLE_OTHER,
			   "%s", titles[i]);
}

HEAL_TEST(client_that_authenticates_to_10_0_is_no_session)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	_cleanup_listener_ struct heal_listener listener = {.process.dirfd = -1};
	struct heal_listeners listeners = {.items = &listener, .count = 1};

	tree_add(tree, &(struct tree_process){.pid = PID});
	tree_add(tree, &(struct tree_process){.pid = 200, .ppid = PID,
					      .exe = "/usr/lib/openssh/sshd-session",
					      .title = "sshd-session: anna [priv]|"});
	tree_add(tree, &(struct tree_process){.pid = 201, .ppid = 200,
					      .exe = "/usr/lib/openssh/sshd-auth",
					      .title = "sshd-auth: anna [net]|"});
	tree_load(ctx, PID, &listener);
	assert_int_equal(heal_sessions_count(ctx, &listeners), 0);
	assert_int_equal(listener.process.sessions, 0);
}

/* `env -i /usr/sbin/sshd`: setproctitle has only argv's and the environment's room. Seen on 9.2. */
HEAL_TEST(listener_with_a_cut_title_is_a_listener)
{
	static const char *const titles[] = {
		"sshd: /usr/s", "sshd: /usr/sbin/sshd -D",
		"sshd: /usr/sbin/sshd -p 2223 -o MaxSessions=20 [listen"};

	for (size_t i = 0; i < ARRAY_SIZE(titles); i++)
		assert_row(title_classify(titles[i], strlen(titles[i]) + 1) == HEAL_TITLE_LISTENER,
			   "%s", titles[i]);
}

/* Fails under ASan and valgrind only: strncmp(cmdline, "unknown ", 8) beyond len. */
HEAL_TEST(title_is_not_read_past_its_end)
{
	static const char title[] = "sshd: unkn";
	char *piece = malloc(sizeof(title) - 1);

	memcpy(piece, title, sizeof(title) - 1);
	assert_int_equal(title_classify(piece, sizeof(title) - 1), HEAL_TITLE_SESSION);
	free(piece);
}

/* Likewise. */
HEAL_TEST(stat_is_not_read_past_its_end)
{
	static const char text[] = "25 (sshd) S 1";
	char *piece = malloc(sizeof(text) - 1);
	struct heal_stat stat;

	memcpy(piece, text, sizeof(text) - 1);
	assert_int_equal(stat_parse(piece, sizeof(text) - 1, &stat), -EINVAL);
	free(piece);
}

/* A writer that never stops writing: the deadline does not hold, the child is ended by its alarm. */
HEAL_TEST(stream_of_an_endless_writer_ends_at_the_deadline)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		char *text = NULL;
		size_t len = 0;
		int fd = open("/dev/zero", O_RDONLY);

		(void)alarm(2);
		(void)heal_read_stream(fd, heal_now_ms() + 50, &text, &len);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
}

static void gets_new_process(struct fake_service *fake)
{
	tree_end(fake->tree, PID);
	tree_add(fake->tree, &(struct tree_process){.pid = 99});
	fake->main_pid = 99;
	fake->unit.main_pid = 99;
}

/* The unit keeps its old main PID, so the report says "/usr/sbin/sshd (pid 99, ..." */
HEAL_TEST(report_after_a_restart_still_names_the_unit)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	_cleanup_listener_ struct heal_listener listener = {.process.dirfd = -1};
	_cleanup_notes_ struct heal_notes notes = {0};
	struct fake_service fake = {.tree = tree, .unit = fake_unit(PID), .on_restart = gets_new_process};
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *out;

	fake.unit.is_socket_activated = true;
	tree_add(tree, &(struct tree_process){.pid = PID, .maps = TREE_MAPS_STALE});
	tree_load(ctx, PID, &listener);
	fake_service_use(ctx, &fake);
	assert_int_equal(heal_unit_find(ctx, &listener, NULL), 0);
	heal_act(ctx, &listener, &notes);
	assert_int_equal(listener.result.outcome, HEAL_OUTCOME_HEALED);
	out = open_memstream(&text, &len);
	(void)heal_report_log(out, &listener);
	(void)fclose(out);
	assert_row(strncmp(text, "ssh.service (pid 99", 19) == 0, "%s", text);
}

/* heal_listener_stale gives -ESRCH for a process that has ended or is inside execve. */
HEAL_TEST(process_without_mappings_is_not_called_healthy)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	_cleanup_report_ struct heal_report report = {0};
	struct heal_error error = {0};

	tree_add(tree, &(struct tree_process){.pid = PID, .maps = ""});
	assert_int_equal(heal_run(ctx, HEAL_CHECK, &report, &error), 0);
	assert_true(report.listeners.count == 0 ||
		    report.listeners.items[0].result.verdict != HEAL_VERDICT_HEALTHY);
}

/* "stay until nothing is stale any more": whether it is, is not known here. */
HEAL_TEST(changes_are_kept_when_a_listener_could_not_be_examined)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	_cleanup_report_ struct heal_report report = {0};
	struct heal_error error = {0};
	struct stat st;

	tree_add(tree, &(struct tree_process){.pid = PID});
	tree_remove(tree, "proc/34/maps");
	tree_file(tree, "proc/34/maps/x", "");
	tree_file(tree, "run/sshd-heal/changes", "libc6\tamd64\t1\t2\n");
	ctx->is_live = true;
	assert_int_equal(heal_run(ctx, TEST_HOOK, &report, &error), 0);
	assert_int_equal(report.verdict, HEAL_VERDICT_UNKNOWN);
	assert_int_equal(fstatat(tree->fd, "run/sshd-heal/changes", &st, 0), 0);
}

/* The reload was just done, in vain. */
HEAL_TEST(advice_after_a_reload_in_vain_is_not_to_reload)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, 20);
	scene_see(&scene, HEAL_FACT_STALE | HEAL_FACT_CAN_RELOAD | HEAL_FACT_KILLS_SESSIONS);
	heal_act(scene.ctx, &scene.listener, &scene.notes);
	assert_row(strstr(scene.listener.result.detail, "reload") == NULL, "%s",
		   scene.listener.result.detail);
}

/* error.message is safe already; as a note its backslashes are escaped once more. */
/* A foreign path is looked at as long as no configuration was read, which a hook on a tree never does. */
HEAL_TEST(hook_on_a_tree_says_nothing_of_a_foreign_listener)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	_cleanup_report_ struct heal_report report = {0};
	struct heal_error error = {0};
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *out;

	tree_add(tree, &(struct tree_process){.pid = PID, .exe = "/opt/sshd", .maps = TREE_MAPS_STALE});
	assert_int_equal(heal_run(ctx, HEAL_HOOK, &report, &error), 0);
	out = open_memstream(&text, &len);
	(void)heal_report_text(out, &report, HEAL_HOOK);
	(void)fclose(out);
	assert_string_equal(text, "");
}

static void ends_at_once(struct fake_service *fake)
{
	tree_end(fake->tree, PID);
	fake->main_pid = 0;
}

/*
 * prove uses up the rest of the run's deadline, so that the one attempt to start
 * sshd again has none left for its trial: a short Deadline= leaves sshd down.
 * (Needs /bin/echo; the trial alone would pass.)
 */
HEAL_TEST(sshd_that_is_down_is_started_again_at_the_deadline_too)
{
	TEST_NEEDS_PIDFDS();
	static const struct heal_hello well = {.fate = HEAL_FATE_OK, .key = "k"};
	_cleanup_scene_ struct scene scene;
	_cleanup_free_ char *exe = NULL;

	scene_init(&scene, 300);
	assert_true(asprintf(&exe, "%s/sshd", scene.fake.tree->path) > 0);
	tree_link(scene.fake.tree, "sshd", "/bin/echo");
	free(scene.listener.process.exe);
	scene.listener.process.exe = strdup(exe);
	scene.fake.exec_path = exe;
	scene.fake.exec_start = "/usr/sbin/sshd -D";
	scene.fake.on_reload = ends_at_once;
	scene.fake.on_start = gets_new_process;
	fake_client_use(scene.ctx, &well, 1);
	scene_see(&scene, HEAL_FACT_STALE | HEAL_FACT_CAN_RELOAD);
	heal_act(scene.ctx, &scene.listener, &scene.notes);
	assert_row(strstr(scene.fake.calls, "start ssh.service") != NULL, "%s; %s",
		   scene.fake.calls, scene.listener.result.detail);
}

/* blame looks at the last sentence first, where "no hostkeys available" now wins over the named key. */
HEAL_TEST(blame_takes_the_configured_key_that_sshd_names)
{
	_cleanup_free_ char *path = blame_find_path(
		"Unable to load host key: /etc/ssh/k; sshd: no hostkeys available -- exiting.", NULL);

	assert_string_equal(path, "/etc/ssh/k");
}
