/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the modules give, and what build they and the program are of. */
#include <stdlib.h>

#include "host/module.h"

#ifndef HEAL_BUILD

#error "HEAL_BUILD comes from the Makefile"

#endif

const char heal_build[] = HEAL_BUILD;

void heal_exec_done(struct heal_exec *exec)
{
	free(exec->path);
	heal_words_done(&exec->command);
	heal_words_done(&exec->environment);
	heal_words_done(&exec->files);
	heal_words_done(&exec->runtime);
	free(exec->directory);
}

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
