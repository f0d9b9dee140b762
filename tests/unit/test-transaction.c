/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What sshd-heal.service asks: is a transaction going on. */
#include <fcntl.h>
#include <sys/wait.h>

#include "test.h"
#include "tree.h"

/* A process that holds a lock as dpkg and rpm do, until its pipe is closed. Gives the pipe. */
static int hold(const struct tree *tree, const char *path, short type, pid_t *pid)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
	int ready[2];
	int over[2];
	char byte = 0;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(over), 0);
	*pid = fork();
	if (*pid == 0) {
		int fd = openat(tree->fd, path, O_RDWR);

		(void)close(over[1]);
		if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		_exit(read(over[0], &byte, 1) == 0 ? 0 : 1);
	}
	(void)close(over[0]);
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	return over[1];
}

HEAL_TEST(transaction_is_on_while_a_lock_is_held_for_writing)
{
	static const struct {
		const char *path;
		bool is_front_ends;
	} rows[] = {
		{"var/lib/dpkg/lock", false},
		{"var/lib/rpm/.rpm.lock", false},
		{"usr/lib/sysimage/rpm/.rpm.lock", false},
		{"var/lib/dpkg/lock-frontend", true},
		{"run/dnf/rpmtransaction.lock", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct tree *tree = tree_new();
		_cleanup_context_ struct heal_context *ctx = tree_context(tree);
		pid_t pid;
		int over;

		assert_false(heal_transaction_is_on(ctx, true));
		tree_file(tree, rows[i].path, "");
		assert_false(heal_transaction_is_on(ctx, true));
		over = hold(tree, rows[i].path, F_RDLCK, &pid);
		assert_false(heal_transaction_is_on(ctx, true));
		(void)close(over);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		over = hold(tree, rows[i].path, F_WRLCK, &pid);
		assert_row(heal_transaction_is_on(ctx, true), "%s", rows[i].path);
		assert_row(heal_transaction_is_on(ctx, false) == !rows[i].is_front_ends, "%s",
			   rows[i].path);
		(void)close(over);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_false(heal_transaction_is_on(ctx, true));
		tree_remove_all();
	}
}

HEAL_TEST(transaction_whose_lock_cannot_be_looked_at_may_be_on)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);

	tree_link(tree, "var/lib/dpkg/lock", "lock");
	assert_true(heal_transaction_is_on(ctx, false));
}

HEAL_TEST(transaction_of_zypper_may_go_on_while_the_process_in_its_lock_lives)
{
	static const struct {
		const char *text;
		bool goes_on;
	} rows[] = {{"41\n", true}, {"41", true}, {"42\n", false}, {"0\n", false},
		    {"", false},   {"x", false},  {"-41\n", false}};
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = NULL;

	tree_file(tree, "proc/41/stat", "");
	ctx = tree_context(tree);
	assert_false(heal_transaction_may_go_on(ctx));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		tree_file(tree, "run/zypp.pid", rows[i].text);
		assert_row(heal_transaction_may_go_on(ctx) == rows[i].goes_on, "%s", rows[i].text);
		/* It is no lock: who asks at the end does not wait. */
		assert_false(heal_transaction_is_on(ctx, true));
	}
}
