/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What sshd-heal.service asks: is a transaction going on, and has another one ended. */
#include <fcntl.h>
#include <sys/wait.h>

#include "test.h"
#include "tree.h"

/* A process that holds a lock as rpm does, until its pipe is closed. Gives the pipe. */
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

HEAL_TEST(transaction_is_on_while_rpm_holds_its_lock_for_writing)
{
	static const char *const paths[] = {"var/lib/rpm/.rpm.lock",
					    "usr/lib/sysimage/rpm/.rpm.lock"};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		const struct tree *tree = tree_new();
		_cleanup_context_ struct heal_context *ctx = tree_context(tree);
		pid_t pid;
		int over;

		assert_false(heal_transaction_is_on(ctx));
		tree_file(tree, paths[i], "");
		assert_false(heal_transaction_is_on(ctx));
		over = hold(tree, paths[i], F_RDLCK, &pid);
		assert_false(heal_transaction_is_on(ctx));
		(void)close(over);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		over = hold(tree, paths[i], F_WRLCK, &pid);
		assert_true(heal_transaction_is_on(ctx));
		(void)close(over);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_false(heal_transaction_is_on(ctx));
	}
}

HEAL_TEST(wanted_is_taken_once)
{
	const struct tree *tree = tree_new();
	_cleanup_context_ struct heal_context *ctx = tree_context(tree);

	assert_false(heal_wanted_take(ctx));
	tree_file(tree, "run/sshd-heal/wanted", "");
	assert_true(heal_wanted_take(ctx));
	assert_false(heal_wanted_take(ctx));
	assert_false(tree_has(tree, "run/sshd-heal/wanted"));
}
