/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cleanup at the end of a scope, for memory and descriptors alike. */
#ifndef SSHD_HEAL_BASE_CLEANUP_H
#define SSHD_HEAL_BASE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Cleanup at the end of a scope, for memory and descriptors alike. */
#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _cleanup_free_ _cleanup_(heal_freep)
#define _cleanup_close_ _cleanup_(heal_closep)
#define _cleanup_fclose_ _cleanup_(heal_fclosep)
#define _cleanup_closedir_ _cleanup_(heal_closedirp)

/* A module hides everything but its table. */
#define _export_ __attribute__((visibility("default")))

#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))

static inline void heal_freep(void *p)
{
	free(*(void **)p);
}

static inline void heal_closep(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void heal_fclosep(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}

static inline void heal_closedirp(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

/* Hands a descriptor to the caller, so that the cleanup leaves it alone. */
static inline int heal_take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* Likewise for memory. */
#define heal_take(p)                   \
	({                             \
		__typeof__(p) _t = (p); \
		(p) = NULL;            \
		_t;                    \
	})

#endif
