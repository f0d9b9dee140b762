/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the modules give. */
#include <stdlib.h>

#include "host/module.h"

void heal_package_done(struct heal_package *package)
{
	free(package->name);
	free(package->source);
	free(package->version);
	free(package->arch);
	*package = (struct heal_package){0};
}

void heal_packages_free(struct heal_package *packages, size_t count)
{
	for (size_t i = 0; packages && i < count; i++)
		heal_package_done(&packages[i]);
	free(packages);
}
