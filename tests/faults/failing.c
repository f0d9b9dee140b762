/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * To be preloaded: lets one allocation of a program fail, the one whose number is in
 * FAILING_ALLOCATION. At its end the program says how many there were, on the
 * descriptor in FAILING_COUNT.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* glibc's own, under the names that an interposer may use. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static atomic_long failing_seen;
static long failing_number;
static int failing_fd = -1;

__attribute__((constructor)) static void failing_start(void)
{
	const char *number = getenv("FAILING_ALLOCATION");
	const char *fd = getenv("FAILING_COUNT");

	failing_number = number ? atol(number) : 0;
	failing_fd = fd ? atoi(fd) : -1;
	atomic_store(&failing_seen, 0);
}

__attribute__((destructor)) static void failing_end(void)
{
	if (failing_fd >= 0)
		(void)dprintf(failing_fd, "%ld\n", atomic_load(&failing_seen));
}

static bool failing_now(void)
{
	if (failing_number == 0 || atomic_fetch_add(&failing_seen, 1) + 1 != failing_number)
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return failing_now() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return failing_now() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	return failing_now() ? NULL : __libc_realloc(memory, size);
}

void *reallocarray(void *memory, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(memory, total);
}

void *memalign(size_t alignment, size_t size)
{
	return failing_now() ? NULL : __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
	void *got = memalign(alignment, size);

	if (!got)
		return ENOMEM;
	*memory = got;
	return 0;
}
