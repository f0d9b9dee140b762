/* SPDX-License-Identifier: GPL-2.0-or-later */
/* heal_listener_stale: which mappings of a process make it stale. */
#include <fcntl.h>
#include <sys/stat.h>

#include "scene.h"

#define LIB "/usr/lib/x86_64-linux-gnu/"

/* The stale paths of a process with these maps, one a line. */
static void assert_stale(struct heal_context *ctx, const char *expected)
{
	_cleanup_listener_ struct heal_listener listener = {.process.dirfd = -1};
	char found[1024] = "";
	size_t used = 0;

	assert_int_equal(heal_listener_load(ctx, PID, false, &listener.process), 0);
	assert_int_equal(heal_listener_stale(ctx, &listener.process, &listener.evidence), 0);
	for (size_t i = 0; i < listener.evidence.n_stale; i++) {
		const struct heal_stale_file *file = &listener.evidence.stale[i];

		used += (size_t)snprintf(found + used, sizeof(found) - used, "%s\n", file->path);
		assert_null(file->package);
		assert_null(file->version_before);
	}
	assert_string_equal(found, expected);
}

/* Likewise in a tree of its own; NULL: the maps of a fresh process. */
static void assert_stale_of(const char *maps, const char *expected)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);

	tree_add(tree, &(struct tree_process){.pid = PID, .maps = maps});
	assert_stale(ctx, expected);
}

HEAL_TEST(stale_are_the_libraries_that_an_upgrade_has_replaced)
{
	assert_stale_of("1-2 r-xp 0 08:01 1 /usr/sbin/sshd\n"
			"1-2 r--p 0 08:01 2 " LIB "libc.so.6 (deleted)\n"
			"1-2 r-xp 0 08:01 2 " LIB "libc.so.6 (deleted)\n"
			"1-2 r-xp 0 08:01 3 " LIB "libz.so.1\n"
			"1-2 r-xp 0 08:01 4 " LIB "libcrypto.so.3.dpkg-tmp (deleted)\n"
			"1-2 r-xp 0 08:01 5 " LIB "ld-linux-x86-64.so.2 (deleted)\n",
			LIB "libc.so.6\n" LIB "libcrypto.so.3\n" LIB "ld-linux-x86-64.so.2\n");
}

HEAL_TEST(stale_is_nothing_when_all_files_are_on_disk)
{
	assert_stale_of(NULL, "");
}

HEAL_TEST(stale_is_no_deleted_mapping_that_is_not_executable)
{
	assert_stale_of("1-2 r--p 0 08:01 2 /usr/lib/locale/C.utf8/LC_CTYPE (deleted)\n"
			"1-2 rw-s 0 08:01 2 /var/cache/nscd/passwd (deleted)\n"
			"1-2 rw-p 0 08:01 3 /usr/lib/x.so (deleted)\n",
			"");
}

HEAL_TEST(stale_names_each_path_once)
{
	/* Two executable segments, an older and a newer copy, and rpm's name of it. */
	assert_stale_of("1-2 r-xp 0 08:01 2 /lib/x.so (deleted)\n"
			"2-3 r-xp 0 08:01 2 /lib/x.so (deleted)\n"
			"3-4 r-xp 0 08:01 9 /lib/x.so (deleted)\n"
			"3-4 r-xp 0 08:01 9 /lib/x.so;0123abcd (deleted)\n"
			"4-5 r-xp 0 08:01 3 /lib/x.so.1 (deleted)\n"
			"4-5 r-xp 0 08:01 3 /lib/x.s (deleted)\n",
			"/lib/x.so\n/lib/x.so.1\n/lib/x.s\n");
}

HEAL_TEST(stale_is_a_deleted_exe_even_when_no_mapping_says_so)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);

	tree_add(tree, &(struct tree_process){.pid = PID, .exe = "/usr/sbin/sshd (deleted)"});
	assert_stale(ctx, "/usr/sbin/sshd\n");
	tree_set_maps(tree, PID, "1-2 r-xp 0 08:01 1 /usr/sbin/sshd (deleted)\n");
	assert_stale(ctx, "/usr/sbin/sshd\n");
}

HEAL_TEST(stale_is_no_memory_with_a_made_up_deleted_name)
{
	assert_stale_of("1-2 r-xp 0 00:01 2 /memfd:jit (deleted)\n"
			"1-2 rwxp 0 00:01 3 /dev/zero (deleted)\n"
			"1-2 rwxs 0 00:01 4 /SYSV00000000 (deleted)\n"
			"1-2 r-xs 0 00:01 5 /[aio] (deleted)\n",
			"");
}

HEAL_TEST(stale_is_no_file_that_is_really_named_deleted)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);

	tree_add(tree, &(struct tree_process){.pid = PID,
					      .maps = "1-2 r-xp 0 08:01 2 /opt/x (deleted)\n"});
	assert_stale(ctx, "/opt/x\n");
	tree_file(tree, "opt/x (deleted)", "");
	assert_stale(ctx, "");
	/* That the plain name is there is what an upgrade leaves. */
	tree_remove(tree, "opt/x (deleted)");
	tree_file(tree, "opt/x", "");
	assert_stale(ctx, "/opt/x\n");
}

HEAL_TEST(stale_on_a_live_host_compares_the_inode_of_a_file_named_deleted)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);
	char maps[128];
	struct stat st;

	tree_file(tree, "opt/x (deleted)", "");
	assert_int_equal(fstatat(tree->fd, "opt/x (deleted)", &st, 0), 0);
	ctx->is_live = true;
	(void)snprintf(maps, sizeof(maps), "1-2 r-xp 0 08:01 %lu /opt/x (deleted)\n",
		       (unsigned long)st.st_ino);
	tree_add(tree, &(struct tree_process){.pid = PID, .maps = maps});
	assert_stale(ctx, "");
	(void)snprintf(maps, sizeof(maps), "1-2 r-xp 0 08:01 %lu /opt/x (deleted)\n",
		       (unsigned long)st.st_ino + 1);
	tree_set_maps(tree, PID, maps);
	assert_stale(ctx, "/opt/x\n");
}

HEAL_TEST(stale_passes_over_lines_that_are_no_mappings)
{
	assert_stale_of("\n\ngarbage (deleted)\n"
			"1-2 r-xp 0 08:01 2 /lib/a (deleted)\n"
			"/lib/c (deleted)\n"
			"1-2 r-xp 0 08:01 3 /lib/b (deleted)",
			"/lib/a\n/lib/b\n");
}

static int look(struct scene *scene)
{
	return heal_listener_stale(scene->ctx, &scene->listener.process, &scene->listener.evidence);
}

HEAL_TEST(stale_of_a_process_that_has_ended_is_esrch)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, 2000);
	assert_int_equal(scene.listener.evidence.n_stale, 1);
	tree_set_maps(scene.fake.tree, PID, "");
	assert_int_equal(look(&scene), -ESRCH);
	assert_int_equal(scene.listener.evidence.n_stale, 0);
	tree_end(scene.fake.tree, PID);
	assert_int_equal(look(&scene), -ESRCH);
}

HEAL_TEST(stale_looks_anew_each_time)
{
	_cleanup_scene_ struct scene scene;

	scene_init(&scene, 2000);
	assert_int_equal(scene.listener.evidence.n_stale, 1);
	assert_int_equal(look(&scene), 0);
	assert_int_equal(scene.listener.evidence.n_stale, 1);
	tree_set_maps(scene.fake.tree, PID, TREE_MAPS_FRESH);
	assert_int_equal(look(&scene), 0);
	assert_int_equal(scene.listener.evidence.n_stale, 0);
}
