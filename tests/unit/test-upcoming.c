/* SPDX-License-Identifier: GPL-2.0-or-later */
/* heal_event_of_files: what a transaction is about to take from under sshd. */
#include <fcntl.h>

#include "fake.h"
#include "test.h"

#define LIBSSL                                                                            \
	{                                                                                 \
		.name = (char *)"openssl-libs", .source = (char *)"openssl",              \
		.version = (char *)"1:3.0.7-1", .arch = (char *)"x86_64"                  \
	}

static const struct fake_owner owners[] = {
	{TREE_LIBCRYPTO, LIBSSL},
	{"/lib/x86_64-linux-gnu/libcrypto.so.3", LIBSSL},
	{.path = NULL},
};

struct scene {
	const struct tree *tree;
	struct heal_context *ctx;
	struct fake_packages packages;
	struct heal_event event;
	struct heal_notes notes;
	struct heal_error error;
};

static void scene_init(struct scene *scene, const struct tree_process *process)
{
	*scene = (struct scene){.tree = tree_new(), .packages = {.owners = owners}};
	tree_add(scene->tree, process);
	scene->ctx = tree_context(scene->tree);
	fake_packages_use(scene->ctx, &scene->packages);
}

static void scene_done(struct scene *scene)
{
	heal_event_done(&scene->event);
	heal_notes_done(&scene->notes);
	(void)heal_context_free(scene->ctx);
}

#define _cleanup_scene_ _cleanup_(scene_done)

static int scene_run(struct scene *scene, const char *files)
{
	_cleanup_close_ int fd = -1;

	tree_file(scene->tree, "files", files);
	fd = openat(scene->tree->fd, "files", O_RDONLY | O_CLOEXEC);
	return heal_event_of_files(scene->ctx, fd, &scene->event, &scene->notes, &scene->error);
}

HEAL_TEST(upcoming_change_of_a_mapped_file_names_its_package_as_it_is_now)
{
	static const char *const lists[] = {
		"/usr/bin/openssl\n" TREE_LIBCRYPTO "\n/usr/share/doc/x\n",
		/* By the other name of the same directory; and without its newline. */
		"/usr/bin/openssl\n/lib/x86_64-linux-gnu/libcrypto.so.3",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		_cleanup_scene_ struct scene scene;

		scene_init(&scene, &(struct tree_process){.pid = 34});
		assert_int_equal(scene_run(&scene, lists[i]), 0);
		assert_int_equal(scene.event.count, 1);
		assert_string_equal(scene.event.changes[0].package, "openssl-libs");
		assert_string_equal(scene.event.changes[0].arch, "x86_64");
		assert_string_equal(scene.event.changes[0].version_before, "1:3.0.7-1");
		assert_null(scene.event.changes[0].version_now);
	}
}

HEAL_TEST(upcoming_change_of_anything_else_asks_no_database)
{
	static const char *const lists[] = {
		"",
		"/usr/lib/x86_64-linux-gnu/libz.so.1\n/usr/share/libcrypto.so.3/README\n",
		"/usr/lib/x86_64-linux-gnu/xlibcrypto.so.3\nlibcrypto.so.3\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		_cleanup_scene_ struct scene scene;

		scene_init(&scene, &(struct tree_process){.pid = 34});
		assert_int_equal(scene_run(&scene, lists[i]), 0);
		assert_row(scene.event.count == 0 && scene.packages.n_owners_calls == 0, "%s",
			   lists[i]);
	}
}

HEAL_TEST(upcoming_change_under_a_foreign_sshd_is_nobodys_business)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, &(struct tree_process){.pid = 34, .uids = "1000 1000 1000 1000"});
	assert_int_equal(scene_run(&scene, TREE_LIBCRYPTO "\n"), 0);
	assert_int_equal(scene.event.count, 0);
	assert_int_equal(scene.packages.n_owners_calls, 0);
}

HEAL_TEST(upcoming_change_with_a_database_that_fails_is_an_error)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, &(struct tree_process){.pid = 34});
	scene.packages.failing = "owners";
	assert_true(scene_run(&scene, TREE_LIBCRYPTO "\n") < 0);
	assert_true(*scene.error.message);
}
