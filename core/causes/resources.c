/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What runs out: tasks, memory, descriptors, room on /run and /var/log. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "causes/cause.h"
#include "host/context.h"
#include "report.h"

#define RESOURCES_FILE_MAX 4096

/* The number in a file of a control group; "max" and what cannot be read are none. */
static bool resources_read(int dirfd, const char *name, uint64_t *ret)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	return heal_read_at(dirfd, name, RESOURCES_FILE_MAX, &text, &len) == 0 && sscanf(text, "%" SCNu64, ret) == 1;
}

/* The control group of a process, of the unified hierarchy of cgroups(7); -1: there is none. */
static int resources_open_cgroup(const struct causes *self)
{
	_cleanup_free_ char *text = NULL;
	char name[512];
	const char *path;
	size_t len;

	if (self->listener->process.dirfd < 0 ||
	    heal_read_at(self->listener->process.dirfd, "cgroup", RESOURCES_FILE_MAX, &text, &len) < 0)
		return -1;
	path = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!path)
		return -1;
	path = strchr(path, '/');
	if (!path || (size_t)snprintf(name, sizeof(name), "sys/fs/cgroup%.*s", (int)strcspn(path, "\n"), path) >= sizeof(name))
		return -1;
	return openat(self->ctx->root_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void resources_problem(struct heal_cause *ret, const char *words, const char *what)
{
	if (ret->result != HEAL_CAUSE_LIKELY)
		cause_is(ret, HEAL_CAUSE_LIKELY, "%s", "");
	if (*ret->detail)
		cause_add(ret, "; ");
	cause_add(ret, "%s%s", words, what);
}

static void resources_check_cgroup(const struct causes *self, struct heal_cause *ret)
{
	static const struct {
		const char *now;
		const char *max;
		const char *words;
		const char *property;
	} rows[] = {
		{"pids.current", "pids.max", "as many tasks as its unit may have", "TasksMax"},
		{"memory.current", "memory.max", "as much memory as its unit may have", "MemoryMax"},
	};
	_cleanup_close_ int dirfd = resources_open_cgroup(self);

	for (size_t i = 0; dirfd >= 0 && i < ARRAY_SIZE(rows); i++) {
		uint64_t now;
		uint64_t max;

		/* A client takes two tasks, and a few megabytes. */
		if (!resources_read(dirfd, rows[i].now, &now) || !resources_read(dirfd, rows[i].max, &max) ||
		    now + (i ? UINT64_C(4) << 20 : 2) < max)
			continue;
		resources_problem(ret, rows[i].words, "");
		if (self->listener->unit.id)
			cause_advise(ret, "systemctl set-property %s %s=infinity", self->listener->unit.id, rows[i].property);
	}
}

/* Processes of the unit that the kernel has ended for want of memory, cgroups(7). */
static void resources_check_kills(const struct causes *self, struct heal_cause *ret)
{
	static const char name[] = "oom_kill ";
	_cleanup_close_ int dirfd = resources_open_cgroup(self);
	_cleanup_free_ char *text = NULL;
	const char *line = NULL;
	uint64_t n = 0;
	char words[64];
	size_t len;

	if (dirfd >= 0 && heal_read_at(dirfd, "memory.events", RESOURCES_FILE_MAX, &text, &len) == 0)
		line = strstr(text, name);
	if (!line || sscanf(line + strlen(name), "%" SCNu64, &n) != 1 || n == 0)
		return;
	(void)snprintf(words, sizeof(words), "%" PRIu64, n);
	resources_problem(ret, "processes of its unit that were killed for want of memory: ", words);
}

/* As many tasks as the whole host may have: "0.1 0.2 0.3 1/234 5678" in proc_loadavg(5). */
static void resources_check_tasks(const struct causes *self, struct heal_cause *ret)
{
	static const char *const limits[] = {"sys/kernel/pid_max", "sys/kernel/threads-max"};
	_cleanup_free_ char *text = NULL;
	uint64_t n = 0;
	size_t len;

	if (heal_read_at(self->ctx->proc_fd, "loadavg", RESOURCES_FILE_MAX, &text, &len) < 0 ||
	    sscanf(text, "%*s %*s %*s %*u/%" SCNu64, &n) != 1)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		uint64_t max = 0;

		if (resources_read(self->ctx->proc_fd, limits[i], &max) && n + 2 >= max)
			resources_problem(ret, "as many tasks as the host may have, /proc/", limits[i]);
	}
}

/* As many descriptors as it may have, getrlimit(2): a client takes three. */
static void resources_check_descriptors(const struct causes *self, struct heal_cause *ret)
{
	static const char name[] = "\nMax open files";
	int dirfd = self->listener->process.dirfd;
	_cleanup_free_ char *text = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	const char *line = NULL;
	unsigned long max = 0;
	unsigned long n = 0;
	size_t len;

	if (dirfd >= 0 && heal_read_at(dirfd, "limits", RESOURCES_FILE_MAX, &text, &len) == 0)
		line = strstr(text, name);
	if (!line || sscanf(line + strlen(name), "%lu", &max) != 1 || heal_opendir_at(dirfd, "fd", &dir) < 0)
		return;
	for (const struct dirent *entry; (entry = readdir(dir));)
		n += entry->d_name[0] != '.';
	if (n + 3 <= max)
		return;
	resources_problem(ret, "as many files open as it may have", "");
	if (self->listener->unit.id)
		cause_advise(ret, "prlimit --nofile=1024: --pid %d", (int)self->listener->process.pid);
}

static void resources_check_room(const struct causes *self, struct heal_cause *ret)
{
	static const char *const paths[] = {"run", "var/log"};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		_cleanup_close_ int fd = openat(self->ctx->root_fd, paths[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		struct statvfs st;

		if (fd < 0 || fstatvfs(fd, &st) < 0)
			continue;
		if (st.f_flag & ST_RDONLY)
			resources_problem(ret, "read-only is /", paths[i]);
		else if (st.f_blocks && (st.f_bavail == 0 || (st.f_files && st.f_favail == 0)))
			resources_problem(ret, "full is /", paths[i]);
	}
}

void cause_of_resources(const struct causes *self, struct heal_cause *ret)
{
	cause_is(ret, HEAL_CAUSE_OK, "there is room for more clients");
	resources_check_cgroup(self, ret);
	resources_check_kills(self, ret);
	resources_check_tasks(self, ret);
	resources_check_descriptors(self, ret);
	resources_check_room(self, ret);
	/* What lets clients in all the same is none. */
	if (ret->result == HEAL_CAUSE_LIKELY && !self->is_refused) {
		ret->result = HEAL_CAUSE_OK;
		cause_add(ret, "; clients get in all the same");
	}
}
