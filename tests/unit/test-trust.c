/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a name may lead to what somebody else than root has put there. */
#include <fcntl.h>
#include <sys/stat.h>

#include "test.h"
#include "tree.h"

#define ANNA 1000

/* A tree of root's with a directory of anna's, and names that lead through it. */
static const struct tree *trust_tree(void)
{
	const struct tree *tree = tree_new();

	tree_file(tree, "etc/ssh/keys/a", "");
	tree_file(tree, "home/anna/keys/a", "");
	tree_file(tree, "tmp/x", "");
	tree_file(tree, "etc/shared", "");
	tree_file(tree, "etc/annas", "");
	assert_int_equal(fchmodat(tree->fd, "tmp", 01777, 0), 0);
	assert_int_equal(fchmodat(tree->fd, "etc/shared", 0664, 0), 0);
	assert_int_equal(fchownat(tree->fd, "home/anna", ANNA, ANNA, 0), 0);
	assert_int_equal(fchownat(tree->fd, "etc/annas", ANNA, ANNA, 0), 0);
	tree_link(tree, "etc/link", "ssh/keys");
	tree_link(tree, "etc/up", "../etc/ssh");
	tree_link(tree, "etc/absolute", "/etc/ssh");
	tree_link(tree, "etc/to-anna", "/home/anna/keys");
	tree_link(tree, "etc/ssh/keys/chain", "../../link/a");
	tree_link(tree, "etc/annas-link", "ssh");
	assert_int_equal(fchownat(tree->fd, "etc/annas-link", ANNA, ANNA, AT_SYMLINK_NOFOLLOW), 0);
	tree_link(tree, "etc/loop", "loop");
	return tree;
}

HEAL_TEST(trust_is_given_to_what_is_roots_all_the_way)
{
	static const struct {
		const char *path;
		int code;
		bool is_roots;
	} rows[] = {
		{"/etc/ssh/keys/a", 0, true},
		{"etc/ssh/keys/a", 0, true},
		{"//etc///ssh/./keys//a", 0, true},
		{"/etc/ssh/../ssh/keys/a", 0, true},
		{"/", 0, true},
		{"/etc/link/a", 0, true},
		{"/etc/up/keys/a", 0, true},
		{"/etc/absolute/keys/a", 0, true},
		{"/etc/ssh/keys/chain", 0, true},
		/* Of what is not there yet the directory decides. */
		{"/etc/ssh/none", -ENOENT, true},
		{"/none/at/all", -ENOENT, true},
		{"/tmp/x", 0, false},
		{"/tmp/none", 0, false},
		{"/home/anna", 0, false},
		{"/home/anna/keys/a", 0, false},
		{"/home/anna/none", 0, false},
		{"/etc/../home/anna/keys/a", 0, false},
		{"/etc/to-anna/a", 0, false},
		{"/etc/annas", 0, false},
		{"/etc/annas-link/keys/a", 0, false},
		{"/etc/shared", 0, false},
	};
	const struct tree *tree;

	if (geteuid() != 0)
		skip();
	tree = trust_tree();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool is_roots = !rows[i].is_roots;
		int r = heal_trust_path(tree->fd, rows[i].path, &is_roots);

		assert_row(r == rows[i].code, "%s: %d", rows[i].path, r);
		assert_row(is_roots == rows[i].is_roots, "%s", rows[i].path);
	}
}

HEAL_TEST(trust_of_what_cannot_be_followed_is_an_error)
{
	const struct tree *tree;
	char longer[5000];
	bool is_roots = true;

	if (geteuid() != 0)
		skip();
	tree = trust_tree();
	assert_int_equal(heal_trust_path(tree->fd, "/etc/loop", &is_roots), -ELOOP);
	assert_int_equal(heal_trust_path(tree->fd, "/etc/ssh/keys/a/b", &is_roots), -ENOTDIR);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(heal_trust_path(tree->fd, longer, &is_roots), -ENAMETOOLONG);
	longer[300] = '\0';
	assert_int_equal(heal_trust_path(tree->fd, longer, &is_roots), -ENAMETOOLONG);
	assert_true(is_roots);
}

HEAL_TEST(trust_is_not_given_below_a_root_that_others_can_write_to)
{
	const struct tree *tree;
	bool is_roots = true;

	if (geteuid() != 0)
		skip();
	tree = trust_tree();
	assert_int_equal(fchmod(tree->fd, 0777), 0);
	assert_int_equal(heal_trust_path(tree->fd, "/etc/ssh/keys/a", &is_roots), 0);
	assert_false(is_roots);
}

HEAL_TEST(trust_opens_what_is_roots_within_the_root)
{
	static const struct {
		const char *path;
		int code;
	} rows[] = {
		{"/etc/ssh/keys/a", 0},
		{"/etc/absolute/keys/a", 0},
		{"/../../etc/up/../../../etc/ssh/keys/chain", 0},
		{"/etc/ssh/none", -ENOENT},
		{"/etc/ssh/keys/a/b", -ENOTDIR},
		{"/home/anna/keys/a", -EPERM},
		{"/etc/to-anna/a", -EPERM},
		{"/tmp/x", -EPERM},
		{"/etc/loop", -ELOOP},
	};
	const struct tree *tree;

	if (geteuid() != 0)
		skip();
	tree = trust_tree();
	tree_file(tree, "etc/ssh/keys/a", "of the tree");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_close_ int fd = heal_trust_open(tree->fd, rows[i].path, O_RDONLY);
		char text[32] = "";

		assert_row((fd < 0 ? fd : 0) == rows[i].code, "%s: %d", rows[i].path, fd);
		assert_row(fd < 0 || (read(fd, text, sizeof(text)) > 0 && strcmp(text, "of the tree") == 0),
			   "%s", rows[i].path);
	}
}
