/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The harness of the unit tests: HEAL_TEST(what_it_shows) { ... } registers
 * itself, and main() runs them all. Trees that a test has made (tree.h) are
 * removed behind it, whether it failed or not.
 */
#ifndef SSHD_HEAL_TEST_H
#define SSHD_HEAL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "core.h"

void test_register(const char *name, CMUnitTestFunction function);

#define HEAL_TEST(name)                                              \
	static void name(void **state);                              \
	__attribute__((constructor)) static void name##_register(void) \
	{                                                            \
		test_register(#name, name);                          \
	}                                                            \
	static void name(void **state __attribute__((unused)))

/* For tables: fails with the row that is wrong. */
#define assert_row(is_right, ...)               \
	do {                                    \
		if (!(is_right))                \
			fail_msg(__VA_ARGS__);  \
	} while (0)

/* Equal texts, where NULL is equal to NULL only. */
static inline bool test_same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* The words, '|' behind each, and a NULL behind them all. */
void assert_words(const char *what, const struct heal_words *words, const char *expected);
/* What a person reads of a report. */
void assert_text(const struct heal_report *report, enum heal_verb verb, const char *expected);

/* Skips what needs pidfds, or the errors of posix_spawn, where valgrind (3.19) has neither. */
#define TEST_NEEDS_PIDFDS()                                                           \
	do {                                                                          \
		if (syscall(SYS_pidfd_open, -1, 0) < 0 && errno == ENOSYS)            \
			skip();                                                       \
	} while (0)

/*
 * heal_run as a hook, which passes over what belongs to ordinary users: should one
 * of them run these tests, whose trees are theirs, then as by hand.
 */
#define TEST_HOOK (geteuid() == 0 ? HEAL_HOOK : HEAL_HEAL)

#endif
