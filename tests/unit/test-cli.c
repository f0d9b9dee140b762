/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: what it takes, what it says, how it ends; verbs, hooks and formats. */
#include <fcntl.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "test.h"
#include "tree.h"

#define WORDS_MAX 6

/* What a run said, and to whom. */
struct said {
	char *out;
	char *err;
	int status;
};

static void said_done(struct said *said)
{
	free(said->out);
	free(said->err);
}
#define _cleanup_said_ _cleanup_(said_done)

static char test_logged[512];

static void test_log(int priority, const char *line)
{
	(void)snprintf(test_logged, sizeof(test_logged), "%d %s", priority, line);
}

static void test_watch(struct heal_context *ctx)
{
	(void)ctx;
}

static void test_nothing(void)
{
}

static char test_became[64];

/* As where it cannot be: whoever called goes on by itself. */
static void test_become(const char *hook)
{
	size_t used = strlen(test_became);

	(void)snprintf(test_became + used, sizeof(test_became) - used, "%s ", hook);
}

/* Runs "sshd-heal WORD..." as called from a directory; words end in NULL. */
static struct said call_from(const char *cwd, const char *const *words)
{
	struct said said = {0};
	size_t out_len = 0;
	size_t err_len = 0;
	char *argv[WORDS_MAX + 2] = {(char *)"sshd-heal"};
	_cleanup_(cli_options_done) struct cli_options options = {0};
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct cli cli = {
		.out = open_memstream(&said.out, &out_len),
		.err = open_memstream(&said.err, &err_len),
		.in_fd = null,
		.version = "1.2.3",
		.module_dir = "/nonexistent",
		.cwd = cwd,
		.log = test_log,
		.watch = test_watch,
		.unwatch = test_nothing,
		.on_act = test_nothing,
		.become = test_become,
	};
	int argc = 1;

	while (words[argc - 1]) {
		argv[argc] = (char *)words[argc - 1];
		argc++;
	}
	test_logged[0] = '\0';
	test_became[0] = '\0';
	said.status = cli_parse(&cli, argc, argv, &options);
	if (said.status < 0)
		said.status = cli_run(&cli, &options);
	assert_int_equal(fclose(cli.out), 0);
	assert_int_equal(fclose(cli.err), 0);
	return said;
}

#define call(...) call_from("/", (const char *const[]){__VA_ARGS__, NULL})

static const struct tree *stale_tree(void)
{
	const struct tree *tree = tree_new();

	tree_add(tree, &(struct tree_process){.pid = 34, .maps = TREE_MAPS_STALE});
	return tree;
}

HEAL_TEST(cli_names_what_it_does_not_understand)
{
	static const struct {
		const char *words[WORDS_MAX];
		int status;
		const char *err;
	} rows[] = {
		{{"frobnicate"}, 3, "unknown verb: frobnicate"},
		{{"--frobnicate"}, 3, "unknown or incomplete option: --frobnicate"},
		{{"check", "-x"}, 3, "unknown or incomplete option: -x"},
		{{"--root"}, 3, "unknown or incomplete option: --root"},
		{{"--format=xml"}, 3, "unknown format: xml"},
		{{"check", "more"}, 3, "check takes no argument: more"},
		{{"heal", "now"}, 3, "heal takes no argument: now"},
		{{"check", "--dry-run"}, 3, "--dry-run goes with heal, not with: check"},
		{{"a\nb"}, 3, "unknown verb: a\\x0ab"},
		/* No reason to fail a package manager. */
		{{"hook"}, 0, "unknown hook: (none)"},
		{{"hook", "zypper"}, 0, "unknown hook: zypper"},
		{{"hook", "apt", "dpkg"}, 0, "hook takes one name, not also: dpkg"},
		{{"hook", "apt", "--frobnicate"}, 0, "unknown or incomplete option: --frobnicate"},
		{{"--frobnicate", "hook", "apt"}, 0, "unknown or incomplete option: --frobnicate"},
		{{"hook", "apt", "--dry-run"}, 0, "--dry-run goes with heal, not with: hook"},
		{{"hook", "apt", "--format=xml"}, 0, "unknown format: xml"},
		{{"hook", "apt", "--format=json"}, 0, "a hook takes no --format: json"},
		{{"hook", "apt", "--format=text"}, 0, "a hook takes no --format: text"},
		{{"hook", "apt", "--config=/etc/x"}, 0, "a hook takes no --config: /etc/x"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_said_ struct said said = call_from("/", rows[i].words);
		char expected[128];

		(void)snprintf(expected, sizeof(expected), "sshd-heal: %s (see sshd-heal --help)\n",
			       rows[i].err);
		assert_row(test_same(said.err, expected), "row %zu: %s", i, said.err);
		assert_row(said.status == rows[i].status, "row %zu: %d", i, said.status);
		assert_row(!*said.out, "row %zu: %s", i, said.out);
		assert_row(!*test_logged, "row %zu: %s", i, test_logged);
	}
}

HEAL_TEST(cli_tells_its_version_and_its_use)
{
	_cleanup_said_ struct said version = call("--version");
	_cleanup_said_ struct said help = call("heal", "--help");

	assert_string_equal(version.out, "sshd-heal 1.2.3\n");
	assert_int_equal(version.status, 0);
	assert_non_null(strstr(help.out, "usage: sshd-heal"));
	assert_int_equal(help.status, 0);
}

HEAL_TEST(cli_checks_when_nothing_is_said)
{
	const struct tree *tree = stale_tree();
	const char *const words[] = {"--root", tree->path, NULL};
	_cleanup_said_ struct said said = call_from("/", words);

	assert_non_null(strstr(said.out, "runs files that were replaced or deleted"));
	assert_int_equal(said.status, 1);
	/* A recorded tree is no news for this machine's syslog. */
	assert_string_equal(test_logged, "");
}

HEAL_TEST(cli_takes_paths_from_where_it_was_called)
{
	const struct tree *tree = stale_tree();
	char parent[600];
	char *name;
	const char *words[] = {"--root", NULL, NULL};

	(void)snprintf(parent, sizeof(parent), "%s", tree->path);
	name = strrchr(parent, '/');
	*name++ = '\0';
	words[1] = name;
	for (int i = 0; i < 2; i++) {
		_cleanup_said_ struct said said = call_from(i ? parent : NULL, words);

		assert_int_equal(said.status, i ? 1 : 3);
		assert_row((strstr(said.err, "this directory has no name") != NULL) == !i, "%s", said.err);
	}
}

HEAL_TEST(cli_names_a_configuration_that_is_not_there)
{
	const struct tree *tree = stale_tree();
	const char *const words[] = {"check", "--root", tree->path, "--config", "my.conf", NULL};
	_cleanup_said_ struct said said = call_from("/usr", words);

	/* Without its module nothing can be read: that is the error here. */
	assert_non_null(strstr(said.err, "config-econf"));
	assert_int_equal(said.status, 3);
	assert_string_equal(said.out, "");
}

HEAL_TEST(cli_says_when_the_root_is_not_there)
{
	_cleanup_said_ struct said check = call("check", "--root=/nonexistent");
	_cleanup_said_ struct said hook = call("hook", "apt", "--root=/nonexistent");

	assert_string_equal(check.err, "sshd-heal: opening the root directory /nonexistent: "
				       "No such file or directory\n");
	assert_int_equal(check.status, 3);
	assert_string_equal(hook.err, check.err);
	assert_int_equal(hook.status, 0);
}

HEAL_TEST(cli_of_every_hook_is_quiet_where_all_is_well)
{
	static const char *const hooks[] = {"apt", "dpkg", "dnf4", "dnf5", "yum", "rpm",
					    "apt-pre-install"};
	const struct tree *tree = tree_new();

	tree_add(tree, &(struct tree_process){.pid = 34});
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		const char *const words[] = {"hook", hooks[i], "--root", tree->path, NULL};
		_cleanup_said_ struct said said = call_from("/", words);

		assert_row(said.status == 0, "%s", hooks[i]);
		assert_row(!*said.out, "%s: %s", hooks[i], said.out);
		assert_row(!*said.err, "%s: %s", hooks[i], said.err);
	}
}

HEAL_TEST(cli_of_a_hook_tells_of_a_stale_sshd_and_ends_well)
{
	const struct tree *tree = stale_tree();
	const char *const words[] = {"hook", "dpkg", "--root", tree->path, NULL};
	_cleanup_said_ struct said said = call_from("/", words);

	assert_non_null(strstr(said.out, "(pid 34"));
	assert_int_equal(said.status, 0);
}

HEAL_TEST(cli_of_a_hook_says_what_it_could_not_look_at)
{
	const struct tree *tree = tree_new();
	const char *const words[] = {"hook", "apt", "--root", tree->path, NULL};

	tree_add(tree, &(struct tree_process){.pid = 34, .uids = ""});
	_cleanup_said_ struct said said = call_from("/", words);
	assert_string_equal(said.out, "sshd-heal: cannot tell whether sshd process 34 is stale: "
				      "reading /proc/34: Bad message\n");
	assert_int_equal(said.status, 0);
}

HEAL_TEST(cli_without_its_json_module_says_so_and_does_not_know)
{
	const struct tree *tree = stale_tree();
	const char *const words[] = {"check", "--format=json", "--root", tree->path, NULL};
	_cleanup_said_ struct said said = call_from("/", words);

	assert_non_null(strstr(said.err, "loading module report-json"));
	assert_string_equal(said.out, "");
	assert_int_equal(said.status, 3);
}

HEAL_TEST(cli_knows_which_verbs_act_and_how_to_give_them_up)
{
	static const struct {
		struct cli_options options;
		bool acts;
		int status;
	} rows[] = {
		{{.verb = "check"}, false, 3},
		{{.verb = "heal"}, true, 3},
		{{.verb = "heal", .is_dry_run = true}, false, 3},
		{{.verb = "hook"}, true, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_row(cli_acts(&rows[i].options) == rows[i].acts, "%s", rows[i].options.verb);
		assert_row((int)cli_giving_up(&rows[i].options) == rows[i].status, "%s",
			   rows[i].options.verb);
	}
}

HEAL_TEST(cli_of_the_service_has_nothing_to_do_where_all_is_as_it_was_proven)
{
	const struct tree *tree = tree_new();
	const char *const words[] = {"hook", "service", "--root", tree->path, NULL};

	tree_add(tree, &(struct tree_process){.pid = 34});
	tree_file(tree, "run/sshd-heal/proven", "sshd-heal proven 3\nlistener\t34\t228034\t28\t0\thealthy\n");
	_cleanup_said_ struct said said = call_from("/", words);
	assert_string_equal(test_became, "");
	assert_string_equal(said.out, "");
	assert_string_equal(said.err, "");
}

HEAL_TEST(cli_of_the_service_becomes_another_program_before_it_acts)
{
	const struct tree *tree = stale_tree();
	const char *const words[] = {"hook", "service", "--root", tree->path, NULL};
	_cleanup_said_ struct said said = call_from("/", words);

	assert_string_equal(test_became, "service-now ");
	assert_non_null(strstr(said.out, "(pid 34"));
	assert_int_equal(said.status, 0);
}

HEAL_TEST(cli_of_the_service_is_one)
{
	static const char *const hooks[] = {"service", "service-now"};
	const struct tree *tree = stale_tree();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	_cleanup_close_ int claim = heal_actor_claim(ctx);

	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		const char *const words[] = {"hook", hooks[i], "--root", tree->path, NULL};
		_cleanup_said_ struct said said = call_from("/", words);

		assert_string_equal(said.out, "");
		assert_string_equal(test_became, "");
	}
}

/* Only what is late is told with what was done before, and never for another's. */
HEAL_TEST(cli_of_the_service_answers_nobody_with_what_was_before)
{
	static const struct {
		bool is_stale;
		const char *before;
	} rows[] = {{true, "sshd-heal: of another transaction\n"},
		    {false, "sshd-heal: of this transaction\n"}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct tree *tree = rows[i].is_stale ? stale_tree() : tree_new();
		_cleanup_context_ struct heal_context *ctx = tree_context(tree);
		const char *const words[] = {"hook", "service-now", "--root", tree->path, NULL};
		_cleanup_(heal_answer_done) struct heal_answer answer = {0};
		_cleanup_(heal_answer_done) struct heal_answer before = {
			.status = 2, .text = strdup(rows[i].before)};
		int64_t asked_ns = 0;

		assert_int_equal(heal_untold_write(ctx, &before), 0);
		assert_int_equal(heal_request_add(ctx, HEAL_REQUEST_END, &asked_ns), 0);
		_cleanup_said_ struct said said = call_from("/", words);
		assert_int_equal(heal_answer_read(ctx, asked_ns, &answer), 1);
		assert_string_equal(answer.text, rows[i].is_stale ? said.out : rows[i].before);
		assert_int_equal(answer.status, rows[i].is_stale ? 1 : 2);
		assert_false(tree_has(tree, "run/sshd-heal/untold"));
		tree_remove_all();
	}
}

HEAL_TEST(cli_of_the_service_answers_who_has_asked_and_keeps_the_rest)
{
	static const struct {
		enum heal_request request;
		bool is_answered;
	} rows[] = {{HEAL_REQUEST_END, true}, {HEAL_REQUEST_WITHIN, false}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct tree *tree = stale_tree();
		_cleanup_context_ struct heal_context *ctx = tree_context(tree);
		const char *const words[] = {"hook", "service-now", "--root", tree->path, NULL};
		_cleanup_(heal_answer_done) struct heal_answer answer = {0};
		_cleanup_(heal_answer_done) struct heal_answer untold = {0};
		int64_t asked_ns = 0;

		assert_int_equal(heal_request_add(ctx, rows[i].request, &asked_ns), 0);
		_cleanup_said_ struct said said = call_from("/", words);
		assert_int_equal(heal_answer_read(ctx, asked_ns, &answer), rows[i].is_answered);
		assert_int_equal(heal_untold_take(ctx, &untold), !rows[i].is_answered);
		assert_string_equal(rows[i].is_answered ? answer.text : untold.text, said.out);
		assert_int_equal(rows[i].is_answered ? answer.status : untold.status, 1);
		assert_int_equal(heal_request_peek(ctx), HEAL_REQUEST_NONE);
		assert_string_equal(test_became, "");
		tree_remove_all();
	}
}
