/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last proof: what is written of a listener, and whether it still holds. */
#include <sys/stat.h>

#include "scene.h"

#define PROVEN "run/sshd-heal/proven"
#define HEADING "sshd-heal proven 3\n"
#define LISTENER "listener\t34\t7\t28\t1\thealthy\n"
#define ROW "mapped\t1\t2\t3\t4\t/a\tp\t1\t-\n"

static const struct fake_owner owners[] = {
	{TREE_LIBCRYPTO, {(char *)"libssl3", (char *)"openssl", (char *)"3.0.22", (char *)"amd64", 0}},
	{NULL, {NULL, NULL, NULL, NULL, 0}},
};

/* A listener whose files are on disk, too. */
static void fresh_init(struct scene *scene, struct fake_packages *packages)
{
	scene_init(scene, 500);
	tree_set_maps(scene->fake.tree, PID, TREE_MAPS_FRESH);
	heal_evidence_clear_stale(&scene->listener.evidence);
	tree_file(scene->fake.tree, "usr/sbin/sshd", "sshd");
	tree_file(scene->fake.tree, TREE_LIBCRYPTO + 1, "libcrypto");
	*packages = (struct fake_packages){.owners = owners};
	fake_packages_use(scene->ctx, packages);
}

static int take_all(struct heal_context *ctx, const struct heal_listeners *listeners, struct heal_error *error)
{
	_cleanup_(heal_proof_done) struct heal_last_proof before = {0};

	(void)heal_proof_load(ctx, &before);
	return heal_proof_take(ctx, listeners, &before, error);
}

static int take(struct scene *scene, struct heal_error *error)
{
	return take_all(scene->ctx, &(struct heal_listeners){.items = &scene->listener, .count = 1}, error);
}

static bool holds(struct scene *scene)
{
	_cleanup_(heal_proof_done) struct heal_last_proof proof = {0};

	(void)heal_proof_load(scene->ctx, &proof);
	return heal_proof_holds(scene->ctx, &proof, &scene->listener.process);
}

HEAL_TEST(proof_that_is_not_of_its_format_is_none)
{
	static const struct {
		const char *text;
		int r;
	} rows[] = {
		{HEADING, 0},
		{HEADING LISTENER ROW ROW "listener\t35\t8\t0\t0\thealthy\n" ROW, 0},
		{HEADING LISTENER "mapped\t1\t2\t3\t4\t/a b\t-\t-\t-\n", 0},
		{HEADING LISTENER "config\t0\t0\t0\t0\t/a\t-\t-\t?\ndirectory\t1\t2\t3\t4\t/\t-\t-\t-\n", 0},
		{HEADING LISTENER "key\t1\t2\t3\t4\t/a\t-\t-\tssh-rsa SHA256:x\npam\t1\t2\t3\t4\t/a\t-\t-\tall\n", 0},
		{"", -EBADMSG},
		/* What an older one has written is no proof. */
		{"sshd-heal proven 1\n", -EBADMSG},
		{LISTENER, -EBADMSG},
		{HEADING ROW, -EBADMSG},
		{HEADING "listener\t34\t7\t28\t1\thealthy", -EBADMSG},
		{HEADING "listener\t34\t7\t28\t1\twell\n", -EBADMSG},
		{HEADING "listener\t34\t7\n", -EBADMSG},
		{HEADING "listener\t-34\t7\t28\t1\thealthy\n", -EBADMSG},
		{HEADING "listener\t0\t7\t28\t1\thealthy\n", -EBADMSG},
		{HEADING LISTENER "mapped\t1\t2\t3\t/a\tp\t1\t-\n", -EBADMSG},
		{HEADING LISTENER "mapped\t1\t2\t3\t4\ta\tp\t1\t-\n", -EBADMSG},
		{HEADING LISTENER "mapped\t1\t2\t3\t4\t-\tp\t1\t-\n", -EBADMSG},
		{HEADING LISTENER "mapped\t1\t2\t3\t4\t/a\tp\t1\n", -EBADMSG},
		{HEADING LISTENER "mapped\t1\t2\t3\t4\t/a\tp\t1\t-\tmore\n", -EBADMSG},
		{HEADING LISTENER "mapped\t1\t2\t3\t4\t/a\t\t1\t-\n", -EBADMSG},
		{HEADING LISTENER "file\t1\t2\t3\t4\t/a\tp\t1\t-\n", -EBADMSG},
		{HEADING LISTENER "else\n", -EBADMSG},
		{HEADING LISTENER "mapped\n", -EBADMSG},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(heal_proof_done) struct heal_last_proof proof = {0};
		int r = proof_parse(rows[i].text, strlen(rows[i].text), &proof);

		assert_row(r == rows[i].r, "row %zu: %d", i, r);
	}
}

HEAL_TEST(proof_that_is_taken_holds_and_knows_the_versions)
{
	_cleanup_(heal_proof_done) struct heal_last_proof proof = {0};
	_cleanup_scene_ struct scene scene;
	struct fake_packages packages;
	struct heal_error error = {0};
	const struct heal_proven *proven;

	fresh_init(&scene, &packages);
	assert_false(holds(&scene));
	assert_int_equal(take(&scene, &error), 0);
	assert_true(holds(&scene));
	assert_int_equal(heal_proof_load(scene.ctx, &proof), 0);
	proven = heal_proof_find(&proof, &scene.listener.process);
	assert_non_null(proven);
	/* The loader is not in the tree. */
	assert_int_equal(proven->n_files, 2);
	assert_string_equal(heal_proof_version(proven, TREE_LIBCRYPTO, "libssl3"), "3.0.22");
	assert_null(heal_proof_version(proven, TREE_LIBCRYPTO, "libssl"));
	assert_null(heal_proof_version(proven, "/usr/sbin/sshd", "openssh-server"));
	assert_int_equal(packages.n_owners_calls, 1);
	/* Nothing has changed, so nobody is asked. */
	assert_int_equal(take(&scene, &error), 0);
	assert_int_equal(packages.n_owners_calls, 1);
}

static void changes_its_size(const struct tree *tree)
{
	tree_file(tree, TREE_LIBCRYPTO + 1, "libcrypto, changed");
}

static void moves_another_there(const struct tree *tree)
{
	tree_file(tree, "usr/other", "libcrypto");
	assert_int_equal(renameat(tree->fd, "usr/other", tree->fd, TREE_LIBCRYPTO + 1), 0);
}

static void changes_its_mode(const struct tree *tree)
{
	heal_sleep_ms(10);
	assert_int_equal(fchmodat(tree->fd, TREE_LIBCRYPTO + 1, 0600, 0), 0);
}

static void takes_it_away(const struct tree *tree)
{
	tree_remove(tree, TREE_LIBCRYPTO + 1);
}

HEAL_TEST(proof_holds_no_more_when_a_file_was_changed)
{
	static void (*const changes[])(const struct tree *tree) = {
		changes_its_size, moves_another_there, changes_its_mode, takes_it_away};

	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		_cleanup_scene_ struct scene scene;
		struct fake_packages packages;
		struct heal_error error = {0};

		fresh_init(&scene, &packages);
		assert_int_equal(take(&scene, &error), 0);
		changes[i](scene.fake.tree);
		assert_row(!holds(&scene), "change %zu", i);
		tree_remove_all();
	}
}

HEAL_TEST(proof_is_of_one_process)
{
	_cleanup_scene_ struct scene scene;
	struct fake_packages packages;
	struct heal_error error = {0};

	fresh_init(&scene, &packages);
	assert_int_equal(take(&scene, &error), 0);
	scene.listener.process.start_time++;
	assert_false(holds(&scene));
}

HEAL_TEST(proof_of_a_stale_listener_is_that_of_before)
{
	static const char before[] = HEADING "listener\t34\t228034\t28\t1\thealthy\nmapped\t1\t2\t3\t4\t" TREE_LIBCRYPTO
					     "\tlibssl3\t3.0.17\t-\nconfig\t0\t0\t0\t0\t/a\t-\t-\tmark\n";
	_cleanup_scene_ struct scene scene;
	_cleanup_free_ char *text = NULL;
	struct fake_packages packages = {.owners = owners};
	struct heal_error error = {0};
	struct heal_listener pair[2];
	const struct heal_listeners listeners = {.items = pair, .count = 2};

	scene_init(&scene, 500);
	fake_packages_use(scene.ctx, &packages);
	tree_file(scene.fake.tree, PROVEN, before);
	/* Alone it is no reason to write, beside one that is well it is kept. */
	assert_int_equal(take(&scene, &error), 0);
	text = tree_read(scene.fake.tree, PROVEN);
	assert_string_equal(text, before);
	pair[0] = pair[1] = scene.listener;
	pair[1].process.pid = 35;
	pair[1].evidence.n_stale = 0;
	assert_int_equal(take_all(scene.ctx, &listeners, &error), 0);
	free(heal_take(text));
	text = tree_read(scene.fake.tree, PROVEN);
	assert_row(strncmp(text, before, strlen(before)) == 0, "%s", text);
	assert_non_null(strstr(text, "listener\t35\t228034\t28\t0\thealthy\n"));
}

HEAL_TEST(proof_that_cannot_be_written_is_an_error_that_names_it)
{
	_cleanup_scene_ struct scene scene;
	struct fake_packages packages;
	struct heal_error error = {0};

	fresh_init(&scene, &packages);
	tree_file(scene.fake.tree, PROVEN "/in/the/way", "");
	assert_int_equal(take(&scene, &error), -EISDIR);
	assert_string_equal(error.message,
			    "remembering what sshd runs in /run/sshd-heal/proven: Is a directory");
	assert_false(tree_has(scene.fake.tree, "run/sshd-heal/.proven.new"));
}

HEAL_TEST(look_finds_what_differs_from_the_proof_and_from_what_was_left)
{
	_cleanup_scene_ struct scene scene;
	struct fake_packages packages;
	struct heal_error error = {0};
	const struct heal_listeners listeners = {.items = &scene.listener, .count = 1};

	fresh_init(&scene, &packages);
	assert_int_equal(heal_look(scene.ctx), HEAL_LOOK_UNPROVEN);
	heal_pending_find(scene.ctx, &scene.listener);
	assert_int_equal(take(&scene, &error), 0);
	assert_int_equal(heal_look(scene.ctx), HEAL_LOOK_QUIET);
	tree_set_maps(scene.fake.tree, PID, TREE_MAPS_STALE);
	/* In a tree a name with " (deleted)" behind it is not there: so it is stale. */
	assert_int_equal(heal_look(scene.ctx), HEAL_LOOK_NEWS);
	assert_int_equal(heal_listener_stale(scene.ctx, &scene.listener.process,
					     &scene.listener.evidence), 0);
	scene.listener.result.outcome = HEAL_OUTCOME_WARNED;
	assert_int_equal(heal_left_write(scene.ctx, &listeners, &listeners), 0);
	assert_int_equal(heal_look(scene.ctx), HEAL_LOOK_LEFT);
	scene.listener.result.is_passing = true;
	assert_int_equal(heal_left_write(scene.ctx, &listeners, &listeners), 0);
	assert_int_equal(heal_look(scene.ctx), HEAL_LOOK_PUT_OFF);
	/* So may a configuration that it was left for. */
	tree_file(scene.fake.tree, "etc/ssh/sshd_config", "as before");
	assert_int_equal(heal_look(scene.ctx), HEAL_LOOK_NEWS);
	assert_int_equal(heal_left_write(scene.ctx, &listeners, &listeners), 0);
	assert_int_equal(heal_look(scene.ctx), HEAL_LOOK_PUT_OFF);
	/* Another file in its place may be one that is better. */
	moves_another_there(scene.fake.tree);
	assert_int_equal(heal_look(scene.ctx), HEAL_LOOK_NEWS);
}
