/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arrays that grow. */
#ifndef SSHD_HEAL_BASE_ARRAY_H
#define SSHD_HEAL_BASE_ARRAY_H

#include <errno.h>
#include <stddef.h>

/*
 * Makes room for one more element in an array that is grown by doubling; array is
 * the address of its pointer. Gives 0 or -ENOMEM, with the array as it was.
 */
void *heal_grown(void *items, size_t count, size_t size);
#define heal_grow(array, count, size)                                                  \
	({                                                                             \
		__typeof__(*(array)) _grown = heal_grown(*(array), (count), (size));   \
                                                                                       \
		if (_grown)                                                            \
			*(array) = _grown;                                             \
		_grown ? 0 : -ENOMEM;                                                  \
	})

#endif
