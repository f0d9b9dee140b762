/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arrays that are grown by doubling. */
#include <stdlib.h>

#include "base/array.h"

void *heal_grown(void *items, size_t count, size_t size)
{
	if (count && (count & (count - 1)))
		return items;
	return reallocarray(items, count ? count * 2 : 1, size);
}
