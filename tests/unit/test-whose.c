/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose a listener is: its mounts, its names, its unit. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake.h"
#include "test.h"

#define OPT "/opt/ssh/sshd"
#define PROCS "sys/fs/cgroup/system.slice/ssh.service/cgroup.procs"
#define TITLE "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups|"
/* As long as no file's name is. */
#define LONG "0123456789012345678901234567890123456789012345678901234567890123456789"

struct whose {
	const struct tree *tree;
	struct heal_context *ctx;
	struct fake_service service;
	struct fake_packages packages; /* none */
	struct heal_report report;
};

static void whose_done(struct whose *whose)
{
	heal_report_done(&whose->report);
	(void)heal_context_free(whose->ctx);
}
#define _cleanup_whose_ _cleanup_(whose_done)

/* A host with sshd's own file, one in /opt, and nothing that runs. */
static void whose_init(struct whose *whose)
{
	const struct tree *tree = tree_new();

	*whose = (struct whose){
		.tree = tree,
		.ctx = tree_context(tree),
		.service = {.tree = tree, .unit = fake_unit(PID), .main_pid = PID,
			    .exec_path = OPT, .exec_start = OPT " -D"},
	};
	fake_service_use(whose->ctx, &whose->service);
	fake_packages_use(whose->ctx, &whose->packages);
	tree_file(tree, "usr/sbin/sshd", "");
	tree_file(tree, "opt/ssh/sshd", "");
	tree_file(tree, "opt/next/sshd", "");
}

static void look(struct whose *whose)
{
	struct heal_error error = {0};

	heal_report_done(&whose->report);
	if (heal_listeners_find(whose->ctx, &whose->report.listeners, &whose->report.notes, &error) < 0)
		fail_msg("%s", error.message);
}

/* The one listener that is found; NULL: none. */
static const struct heal_process *found(struct whose *whose, const struct tree_process *process)
{
	struct tree_process added = *process;

	added.pid = PID;
	tree_add(whose->tree, &added);
	look(whose);
	assert_int_equal(whose->report.notes.count, 0);
	assert_in_range(whose->report.listeners.count, 0, 1);
	return whose->report.listeners.count ? &whose->report.listeners.items[0].process : NULL;
}

static enum heal_foreign foreign_of(struct whose *whose, const struct tree_process *process)
{
	const struct heal_process *listener = found(whose, process);

	assert_non_null(listener);
	return listener->foreign;
}

HEAL_TEST(whose_mounts_of_a_units_own_do_not_make_it_foreign)
{
	_cleanup_whose_ struct whose whose;

	whose_init(&whose);
	assert_int_equal(foreign_of(&whose, &(struct tree_process){.mnt_ns = "mnt:[1]"}), HEAL_OURS);
}

/* A container may share all namespaces but that, and has the same names. */
HEAL_TEST(whose_root_is_told_by_what_it_is_on_a_live_host)
{
	_cleanup_(heal_process_done) struct heal_process process = {.dirfd = -1};
	_cleanup_whose_ struct whose whose;
	const struct heal_owner root = {.is_root = true};
	enum heal_foreign foreign = HEAL_OURS;
	char other[600];

	whose_init(&whose);
	whose.ctx->is_live = true;
	(void)snprintf(other, sizeof(other), "%s/opt", whose.tree->path);
	assert_int_equal(foreign_of(&whose, &(struct tree_process){.mnt_ns = "mnt:[1]", .root = other}),
			 HEAL_FOREIGN_NAMESPACE);
	assert_int_equal(foreign_of(&whose, &(struct tree_process){.root = other}), HEAL_FOREIGN_NAMESPACE);
	assert_int_equal(foreign_of(&whose, &(struct tree_process){.pid_ns = "pid:[1]"}),
			 HEAL_FOREIGN_NAMESPACE);
	assert_int_equal(foreign_of(&whose, &(struct tree_process){.root = "/"}), HEAL_OURS);
	/* Its name is never asked for. */
	tree_remove(whose.tree, "proc/34/root");
	tree_file(whose.tree, "proc/34/root/bin/sh", "");
	process.dirfd = openat(whose.tree->fd, "proc/34", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(heal_whose_process(whose.ctx, &process, &root, &foreign), 0);
	assert_int_equal(foreign, HEAL_FOREIGN_NAMESPACE);
	/* What cannot be looked at is nobody's. */
	tree_add(whose.tree, &(struct tree_process){.pid = PID, .root = ""});
	look(&whose);
	assert_int_equal(whose.report.listeners.count, 0);
	assert_int_equal(whose.report.listeners.unreadable, 1);
}

HEAL_TEST(whose_names_mean_what_they_mean_to_it_only_where_it_has_mounts_of_its_own)
{
	static const char *const mounts[] = {"mnt:[1]", NULL};

	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		_cleanup_whose_ struct whose whose;
		_cleanup_(heal_view_end) struct heal_view view = {0};
		const struct heal_process *process;
		struct stat st;
		char other[600];

		whose_init(&whose);
		whose.ctx->is_live = true;
		(void)snprintf(other, sizeof(other), "%s/other", whose.tree->path);
		tree_file(whose.tree, "other/etc/ssh/mine", "");
		tree_file(whose.tree, "other/usr/sbin/sshd", "");
		tree_add(whose.tree, &(struct tree_process){.pid = 1, .comm = "systemd", .exe = "/lib/systemd/systemd",
							    .title = "/sbin/init|", .root = other});
		process = found(&whose, &(struct tree_process){.root = other, .mnt_ns = mounts[i]});
		assert_non_null(process);
		assert_int_equal(heal_view_begin(whose.ctx, process, &view), 0);
		assert_int_equal(fstatat(heal_view(whose.ctx), "etc/ssh/mine", &st, 0), mounts[i] ? 0 : -1);
		heal_view_end(&view);
		assert_int_equal(heal_view(whose.ctx), whose.ctx->root_fd);
		tree_remove_all();
	}
}

/* What it was started by is a link, and whoever is at its end renames one and puts another there. */
HEAL_TEST(whose_known_path_is_a_link_is_foreign_where_others_can_put_another_file_at_its_end)
{
	static const char *const exes[] = {OPT " (deleted)", OPT ".old", OPT ".old (deleted)", "/usr/sbin/sshd"};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(exes); i++) {
		_cleanup_whose_ struct whose whose;

		whose_init(&whose);
		tree_file(whose.tree, "opt/ssh/sshd.old", "");
		tree_remove(whose.tree, "usr/sbin/sshd");
		tree_link(whose.tree, "usr/sbin/sshd", "../../opt/ssh/sshd");
		assert_int_equal(fchmodat(whose.tree->fd, "opt/ssh", 0777, 0), 0);
		/* There may be none for the moment. */
		if (i % 2)
			tree_remove(whose.tree, "opt/ssh/sshd");
		assert_row(foreign_of(&whose, &(struct tree_process){.exe = exes[i / 2], .title = TITLE}) ==
				   HEAL_FOREIGN_WRITABLE,
			   "%s: %zu", exes[i / 2], i % 2);
		tree_remove_all();
	}
}

/* BindPaths= may have put anything there. */
HEAL_TEST(whose_known_path_is_one_only_where_the_units_mounts_lead_to_the_same_file)
{
	_cleanup_whose_ struct whose whose;
	char other[600];

	whose_init(&whose);
	whose.ctx->is_live = true;
	(void)snprintf(other, sizeof(other), "%s/other", whose.tree->path);
	tree_file(whose.tree, "other/usr/sbin/sshd", "");
	tree_add(whose.tree, &(struct tree_process){.pid = 1, .comm = "systemd", .exe = "/lib/systemd/systemd",
						    .title = "/sbin/init|", .root = other});
	assert_int_equal(foreign_of(&whose, &(struct tree_process){.root = other}), HEAL_OURS);
	assert_int_equal(foreign_of(&whose, &(struct tree_process){.root = other, .mnt_ns = "mnt:[1]"}),
			 HEAL_FOREIGN_PATH);
}

HEAL_TEST(whose_known_path_may_be_a_link)
{
	_cleanup_whose_ struct whose whose;
	const struct heal_process *process;

	whose_init(&whose);
	tree_remove(whose.tree, "usr/sbin/sshd");
	tree_link(whose.tree, "usr/sbin/sshd", "../../opt/ssh/sshd");
	process = found(&whose, &(struct tree_process){.exe = OPT, .title = TITLE});
	assert_non_null(process);
	assert_int_equal(process->foreign, HEAL_OURS);
	assert_string_equal(process->exe, OPT);
	assert_false(process->exe_deleted);
	/* By an upgrade of its package, and by its own name. */
	assert_int_equal(foreign_of(&whose, &(struct tree_process){.exe = OPT " (deleted)", .title = TITLE}),
			 HEAL_OURS);
	assert_int_equal(foreign_of(&whose, &(struct tree_process){.exe = OPT}), HEAL_OURS);
	/* Into a directory that others may write to. */
	assert_int_equal(fchmodat(whose.tree->fd, "opt/ssh", 0777, 0), 0);
	assert_int_equal(foreign_of(&whose, &(struct tree_process){.exe = OPT}), HEAL_FOREIGN_WRITABLE);
	/* alternatives, stow: what it was started by leads elsewhere by now. */
	tree_remove(whose.tree, "usr/sbin/sshd");
	tree_link(whose.tree, "usr/sbin/sshd", "../../opt/next/sshd");
	process = found(&whose, &(struct tree_process){.exe = OPT, .title = TITLE});
	assert_non_null(process);
	assert_int_equal(process->foreign, HEAL_OURS);
	assert_string_equal(process->exe, "/usr/sbin/sshd");
	assert_true(process->exe_deleted);
}

HEAL_TEST(whose_file_was_renamed_is_stale_and_known_by_the_name_that_it_was_started_by)
{
	static const char *const exes[] = {
		"/usr/sbin/sshd.distrib", "/usr/sbin/sshd.old", "/usr/sbin/sshd-9.2", "/root/sshd",
		"/usr/sbin/sshd.old (deleted)",
		"/usr/local/a/path/that/is/longer/than/the/quick/look/reads/of/it/sbin/sshd.old",
	};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(exes); i++) {
		_cleanup_whose_ struct whose whose;
		const char *exe = exes[i / 2];
		const struct heal_process *process;

		whose_init(&whose);
		/* Replaced, or not yet: then its old name is still that of a file. */
		if (i % 2 == 0)
			tree_remove(whose.tree, "usr/sbin/sshd");
		if (i % 2 == 0 && !strchr(exe, ' '))
			tree_file(whose.tree, exe + 1, "");
		process = found(&whose, &(struct tree_process){.exe = exe, .title = TITLE});
		assert_row(process && process->foreign == HEAL_OURS, "%s: %zu", exe, i % 2);
		assert_row(test_same(process->exe, "/usr/sbin/sshd"), "%s: %s", exe, process->exe);
		assert_row(process->exe_deleted, "%s", exe);
		tree_remove_all();
	}
}

/* Between its start and its title, and for good before 8.2. */
HEAL_TEST(whose_file_was_renamed_is_known_by_its_first_argument)
{
	_cleanup_whose_ struct whose whose;

	whose_init(&whose);
	assert_int_equal(foreign_of(&whose, &(struct tree_process){.exe = "/usr/sbin/sshd.old",
								   .title = "/usr/sbin/sshd|-D|"}),
			 HEAL_OURS);
	assert_null(found(&whose, &(struct tree_process){.exe = "/usr/sbin/sshd-proxy",
							 .title = "/usr/sbin/sshd-proxy|-D|"}));
}

HEAL_TEST(whose_file_has_no_name_of_an_sshd_is_found_in_its_unit)
{
	static const char *const units[] = {"ssh.service", "sshd.service"};
	static const char *const mounts[] = {"sys/fs/cgroup", "sys/fs/cgroup/systemd"};
	const struct tree_process moved = {.exe = "/root/openssh.bak", .title = TITLE};

	for (size_t i = 0; i < 4; i++) {
		_cleanup_whose_ struct whose whose;
		const struct heal_process *process;
		char procs[128];

		whose_init(&whose);
		tree_add(whose.tree, &(struct tree_process){.pid = 200, .ppid = PID, .exe = "/bin/bash",
							    .title = "-bash|"});
		tree_add(whose.tree, &(struct tree_process){.pid = 201, .ppid = 200, .exe = "/bin/bash",
							    .title = TITLE, .uids = "1000\t1000\t1000\t1000"});
		tree_file(whose.tree, "proc/202/comm", "bash\n");
		assert_null(found(&whose, &moved));
		(void)snprintf(procs, sizeof(procs), "%s/system.slice/%s/cgroup.procs", mounts[i / 2],
			       units[i % 2]);
		tree_file(whose.tree, procs, "200\n201\n202\n34\n");
		process = found(&whose, &moved);
		assert_row(process && process->foreign == HEAL_OURS, "%s", procs);
		assert_string_equal(process->exe, "/usr/sbin/sshd");
		assert_true(process->exe_deleted);
		/* One that has its name is not listed twice. */
		assert_non_null(found(&whose, &(struct tree_process){.pid = PID}));
		tree_remove_all();
	}
}

HEAL_TEST(whose_unit_cannot_be_looked_into_is_no_answer)
{
	_cleanup_whose_ struct whose whose;

	whose_init(&whose);
	tree_file(whose.tree, PROCS "/x", "");
	look(&whose);
	assert_int_equal(whose.report.listeners.unreadable, 1);
	assert_string_equal(whose.report.notes.lines[0],
			    "looking for the processes of ssh.service: Invalid argument");
}

HEAL_TEST(whose_name_cannot_be_looked_at_is_no_answer)
{
	_cleanup_whose_ struct whose whose;

	whose_init(&whose);
	tree_add(whose.tree, &(struct tree_process){
				     .pid = PID, .title = "sshd: /" LONG LONG LONG LONG " -D [listener]|"});
	look(&whose);
	assert_int_equal(whose.report.listeners.count, 0);
	assert_int_equal(whose.report.listeners.unreadable, 1);
	assert_string_equal(whose.report.notes.lines[0],
			    "cannot tell whether sshd process 34 is stale: reading /proc/34: File name too long");
}

/* heal_run on the one listener there is. */
static const struct heal_listener *run(struct whose *whose, enum heal_verb verb)
{
	struct heal_error error = {0};

	heal_report_done(&whose->report);
	whose->service.calls[0] = '\0';
	if (heal_run(whose->ctx, verb, &whose->report, &error) < 0)
		fail_msg("%s", error.message);
	assert_int_equal(whose->report.listeners.count, 1);
	return &whose->report.listeners.items[0];
}

HEAL_TEST(whose_file_is_its_units_own_is_ours_if_it_is_roots_all_the_way)
{
	static const struct {
		const char *exe;
		const char *title;     /* NULL: as exe */
		const char *exec_path; /* NULL: as it is */
		const char *link;      /* /opt/link leads there */
		const char *writable;
		pid_t main_pid;
		enum heal_foreign foreign;
	} rows[] = {
		{OPT, NULL, OPT, NULL, NULL, PID, HEAL_OURS},
		{OPT " (deleted)", NULL, OPT, NULL, NULL, PID, HEAL_OURS},
		{"/opt/none/sshd (deleted)", NULL, "/opt/none/sshd", NULL, NULL, PID, HEAL_OURS},
		{OPT, "sshd: /opt/link/sshd -D [listener]|", "/opt/link/sshd", "ssh", NULL, PID, HEAL_OURS},
		{OPT, "sshd: /opt/link/sshd -D [listener]|", "/opt/link/sshd", "next", NULL, PID, HEAL_OURS},
		{"/opt/ssh/sshd.old", "sshd: " OPT " -D [listener]|", OPT, NULL, NULL, PID, HEAL_OURS},
		/* Started by hand. */
		{OPT, NULL, OPT, NULL, NULL, 33, HEAL_FOREIGN_PATH},
		/* By a program of the unit. */
		{OPT, NULL, "/usr/bin/env", NULL, NULL, PID, HEAL_FOREIGN_PATH},
		{OPT, NULL, "/opt/next/sshd", NULL, NULL, PID, HEAL_FOREIGN_PATH},
		{OPT, NULL, OPT, NULL, "opt/ssh/sshd", PID, HEAL_FOREIGN_WRITABLE},
		{OPT, NULL, OPT, NULL, "opt/ssh", PID, HEAL_FOREIGN_WRITABLE},
		{OPT, NULL, OPT, NULL, "opt", PID, HEAL_FOREIGN_WRITABLE},
		{OPT, "sshd: /opt/link/sshd -D [listener]|", "/opt/link/sshd", "ssh", "opt/ssh", PID,
		 HEAL_FOREIGN_WRITABLE},
		{OPT, "sshd: /etc/hard/sshd -D [listener]|", "/etc/hard/sshd", NULL, "opt/ssh", PID,
		 HEAL_FOREIGN_WRITABLE},
		/* A link within what is root's, to what is not, and the other way round. */
		{OPT, "sshd: /etc/mine/sshd -D [listener]|", "/etc/mine/sshd", NULL, "etc/mine", PID,
		 HEAL_FOREIGN_WRITABLE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_whose_ struct whose whose;
		const struct heal_listener *listener;

		whose_init(&whose);
		tree_link(whose.tree, "etc/mine/sshd", "../../opt/ssh/sshd");
		tree_file(whose.tree, "etc/hard/x", "");
		assert_int_equal(linkat(whose.tree->fd, "opt/ssh/sshd", whose.tree->fd, "etc/hard/sshd", 0), 0);
		if (rows[i].link)
			tree_link(whose.tree, "opt/link", rows[i].link);
		if (rows[i].writable)
			assert_int_equal(fchmodat(whose.tree->fd, rows[i].writable, 0777, 0), 0);
		whose.service.exec_path = rows[i].exec_path;
		whose.service.unit.main_pid = rows[i].main_pid;
		tree_add(whose.tree, &(struct tree_process){
					     .pid = PID, .exe = rows[i].exe, .title = rows[i].title,
					     .maps = TREE_MAPS_STALE});
		listener = run(&whose, HEAL_CHECK);
		assert_row(listener->process.foreign == rows[i].foreign, "row %zu: %d", i,
			   (int)listener->process.foreign);
		/* It is shown as what it is, in any case. */
		assert_row(listener->evidence.n_stale > 0, "row %zu", i);
		assert_row((listener->result.verdict == HEAL_VERDICT_STALE) == (rows[i].foreign == HEAL_OURS),
			   "row %zu: %d", i, (int)listener->result.verdict);
		tree_remove_all();
	}
}

HEAL_TEST(whose_unit_cannot_be_asked_for_is_unknown_and_not_foreign)
{
	static const char *const calls[] = {"is_stopping", "unit_of", "exec_start"};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		_cleanup_whose_ struct whose whose;
		const struct heal_listener *listener;
		char note[64];

		whose_init(&whose);
		tree_add(whose.tree, &(struct tree_process){.pid = PID, .exe = OPT});
		fake_service_fails(&whose.service, calls[i], EIO);
		listener = run(&whose, HEAL_CHECK);
		assert_row(listener->result.verdict == HEAL_VERDICT_UNKNOWN, "%s", calls[i]);
		assert_int_equal(heal_report_status(&whose.report), 3);
		(void)snprintf(note, sizeof(note), "%s did not work", calls[i]);
		assert_string_equal(whose.report.notes.lines[0], note);
		(void)snprintf(note, sizeof(note), "sshd-heal: %s\n", whose.report.notes.lines[0]);
		if (i < 2)
			assert_text(&whose.report, HEAL_HOOK, note);
		tree_remove_all();
	}
}

HEAL_TEST(whose_path_is_foreign_is_asked_of_systemd_once_by_hooks)
{
	_cleanup_whose_ struct whose whose;

	whose_init(&whose);
	whose.ctx->is_live = true;
	whose.service.unit.main_pid = 33;
	tree_add(whose.tree, &(struct tree_process){.pid = PID, .exe = OPT, .maps = TREE_MAPS_STALE});
	assert_int_equal(heal_look(whose.ctx), HEAL_LOOK_NEWS);
	assert_int_equal(run(&whose, HEAL_HOOK)->result.verdict, HEAL_VERDICT_FOREIGN);
	assert_string_equal(whose.service.calls, "is_stopping; unit_of 34; ");
	/* And nothing is said of it. */
	assert_text(&whose.report, HEAL_HOOK, "");
	assert_int_equal(heal_look(whose.ctx), HEAL_LOOK_QUIET);
	assert_int_equal(run(&whose, HEAL_HOOK)->result.verdict, HEAL_VERDICT_FOREIGN);
	assert_int_equal(whose.report.verdict, HEAL_VERDICT_HEALTHY);
	assert_string_equal(whose.service.calls, "");
	/* Another one that has its place is another one. */
	tree_add(whose.tree, &(struct tree_process){.pid = NEW_PID, .exe = OPT});
	assert_int_equal(heal_look(whose.ctx), HEAL_LOOK_UNPROVEN);
	tree_set_maps(whose.tree, NEW_PID, TREE_MAPS_STALE);
	assert_int_equal(heal_look(whose.ctx), HEAL_LOOK_NEWS);
}
