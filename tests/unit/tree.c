/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "test.h"
#include "tree.h"

#define TREES_MAX 8

static struct tree trees[TREES_MAX];
static size_t n_trees;

#define TCP_TAIL " 100 0 0 10 0\n"

const char tree_tcp[] =
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "
	"timeout inode                                                     \n"
	"   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0"
	"        0 4001 1 000000001b13a061" TCP_TAIL
	"   1: 0100007F:177A 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000"
	"        0 4003 1 000000001b13a061" TCP_TAIL
	"   2: 0100007F:0016 0100007F:BD22 01 00000000:00000000 02:000AFC08 00000000     0"
	"        0 4004 2 000000001f88bc3d 20 4 16 18 -1\n";

const char tree_tcp6[] =
	"  sl  local_address                         remote_address                        st "
	"tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	"   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A "
	"00000000:00000000 00:00000000 00000000     0        0 4002 1 00000000f4b93b99" TCP_TAIL;

static int tree_remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void tree_remove_path(const char *path)
{
	(void)nftw(path, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A thousand small files a second: in memory, where programs may be run from it, too. */
static const char *tree_directory(void)
{
	const char *dir = getenv("TMPDIR");
	struct statvfs memory;

	if (dir && *dir)
		return dir;
	if (statvfs("/dev/shm", &memory) == 0 && !(memory.f_flag & (ST_NOEXEC | ST_RDONLY)) &&
	    access("/dev/shm", W_OK) == 0)
		return "/dev/shm";
	return "/tmp";
}

struct tree *tree_new(void)
{
	struct tree *tree = &trees[n_trees];

	assert_true(n_trees < TREES_MAX);
	(void)snprintf(tree->path, sizeof(tree->path), "%s/sshd-heal-tree.XXXXXX",
		       tree_directory());
	assert_non_null(mkdtemp(tree->path));
	tree->fd = open(tree->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(tree->fd >= 0);
	n_trees++;
	assert_int_equal(fchmod(tree->fd, 0755), 0);
	assert_int_equal(mkdirat(tree->fd, "run", 0755), 0);
	tree_add(tree, &(struct tree_process){.pid = 1,
					      .comm = "systemd",
					      .exe = "/usr/lib/systemd/systemd",
					      .title = "/sbin/init|",
					      .sockets = ""});
	return tree;
}

void tree_remove_all(void)
{
	while (n_trees) {
		(void)close(trees[--n_trees].fd);
		tree_remove_path(trees[n_trees].path);
	}
}

/* Makes the directories above a path. */
static void tree_parents(const struct tree *tree, const char *path)
{
	char dir[512];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
		if (mkdirat(tree->fd, dir, 0755) < 0 && errno != EEXIST)
			fail_msg("mkdir %s: %s", dir, strerror(errno));
	}
}

void tree_bytes(const struct tree *tree, const char *path, const void *buf, size_t len)
{
	const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
	_cleanup_close_ int fd = openat(tree->fd, path, flags, 0644);

	if (fd < 0 && errno == ENOENT) {
		tree_parents(tree, path);
		fd = openat(tree->fd, path, flags, 0644);
	}
	if (fd < 0 || write(fd, buf, len) != (ssize_t)len)
		fail_msg("writing %s: %s", path, strerror(errno));
}

void tree_file(const struct tree *tree, const char *path, const char *text)
{
	tree_bytes(tree, path, text, strlen(text));
}

void tree_link(const struct tree *tree, const char *path, const char *target)
{
	if (symlinkat(target, tree->fd, path) == 0)
		return;
	if (errno == ENOENT)
		tree_parents(tree, path);
	else
		(void)unlinkat(tree->fd, path, 0);
	if (symlinkat(target, tree->fd, path) < 0)
		fail_msg("linking %s: %s", path, strerror(errno));
}

void tree_remove(const struct tree *tree, const char *path)
{
	char full[1024];

	(void)snprintf(full, sizeof(full), "%s/%s", tree->path, path);
	tree_remove_path(full);
}

bool tree_has(const struct tree *tree, const char *path)
{
	struct stat st;

	return fstatat(tree->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

char *tree_read(const struct tree *tree, const char *path)
{
	char *text = NULL;
	size_t len;

	return heal_read_at(tree->fd, path, 1u << 20, &text, &len) == 0 ? text : NULL;
}

static const char *tree_or(const char *text, const char *otherwise)
{
	return text ? text : otherwise;
}

/* /proc/PID/stat and status, proc(5): 52 fields, the start time being the 22nd. */
static void tree_add_status(const struct tree *tree, const struct tree_process *process,
			    const char *dir)
{
	char path[64];
	char text[512];
	const char *comm = tree_or(process->comm, "sshd");
	char state = process->state ? process->state : 'S';
	int ppid = process->ppid ? (int)process->ppid : process->pid != 1;

	(void)snprintf(path, sizeof(path), "%s/stat", dir);
	(void)snprintf(text, sizeof(text),
		       "%d (%s) %c %d 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 %d 23 24 25 26 "
		       "27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 "
		       "52\n",
		       (int)process->pid, comm, state, ppid, 228000 + (int)process->pid);
	tree_file(tree, path, text);
	(void)snprintf(path, sizeof(path), "%s/status", dir);
	(void)snprintf(text, sizeof(text),
		       "Name:\t%s\nUmask:\t0022\nState:\t%c (sleeping)\nTgid:\t%d\nPid:\t%d\n"
		       "PPid:\t%d\nUid:\t%s\nGid:\t0\t0\t0\t0\n"
		       "ShdPnd:\t%016x\nSigCgt:\t%016x\nSeccomp:\t%d\n",
		       comm, state, (int)process->pid, (int)process->pid, ppid,
		       tree_or(process->uids, "0\t0\t0\t0"), process->is_killed ? 0x100 : 0,
		       process->is_starting ? 0x14000 : 0x14005, process->is_sandboxed ? 2 : 0);
	tree_file(tree, path, text);
	(void)snprintf(path, sizeof(path), "%s/cgroup", dir);
	tree_file(tree, path, tree_or(process->cgroup, "0::/system.slice/ssh.service\n"));
	(void)snprintf(path, sizeof(path), "%s/comm", dir);
	(void)snprintf(text, sizeof(text), "%s\n", comm);
	tree_file(tree, path, text);
}

static void tree_add_links(const struct tree *tree, const struct tree_process *process,
			   const char *dir)
{
	const struct {
		const char *name;
		const char *target;
	} links[] = {
		{"exe", tree_or(process->exe, "/usr/sbin/sshd")},
		{"root", tree_or(process->root, "/")},
		{"cwd", "/"},
		{"ns/mnt", tree_or(process->mnt_ns, "mnt:[4026531841]")},
		{"ns/user", tree_or(process->user_ns, "user:[4026531837]")},
		{"ns/pid", tree_or(process->pid_ns, "pid:[4026531836]")},
		{"ns/net", tree_or(process->net_ns, TREE_NET_NS)},
	};
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, links[i].name);
		if (*links[i].target)
			tree_link(tree, path, links[i].target);
	}
}

static void tree_add_sockets(const struct tree *tree, const struct tree_process *process,
			     const char *dir)
{
	const char *inode = tree_or(process->sockets, "4001 4002");
	char path[64];
	char target[64];
	int fd = 3;

	(void)snprintf(path, sizeof(path), "%s/fd/0", dir);
	tree_link(tree, path, "/dev/null");
	while (*inode) {
		size_t len = strcspn(inode, " ");

		(void)snprintf(path, sizeof(path), "%s/fd/%d", dir, fd++);
		(void)snprintf(target, sizeof(target), "socket:[%.*s]", (int)len, inode);
		tree_link(tree, path, target);
		inode += len + strspn(inode + len, " ");
	}
	/* PID 1 is only there to be compared with. */
	if (process->pid == 1)
		return;
	(void)snprintf(path, sizeof(path), "%s/net/tcp", dir);
	tree_file(tree, path, tree_tcp);
	(void)snprintf(path, sizeof(path), "%s/net/tcp6", dir);
	tree_file(tree, path, tree_tcp6);
}

/* That of a listener which was started by the name that its file has, as far as that is sshd. */
static size_t tree_title(const struct tree_process *process, char *ret, size_t size)
{
	const char *exe = tree_or(process->exe, "/usr/sbin/sshd");
	const char *base = strrchr(exe, '/');
	bool is_sshd = base && strncmp(base, "/sshd", 5) == 0 && (!base[5] || base[5] == ' ');

	if (process->title)
		(void)snprintf(ret, size, "%s", process->title);
	else
		(void)snprintf(ret, size, "sshd: %.*s -D [listener] 0 of 10-100 startups|",
			       is_sshd ? (int)(base + 5 - exe) : (int)strlen("/usr/sbin/sshd"),
			       is_sshd ? exe : "/usr/sbin/sshd");
	return strlen(ret);
}

void tree_add(const struct tree *tree, const struct tree_process *process)
{
	char dir[32];
	char path[64];
	char cmdline[1024];
	size_t len;

	tree_end(tree, process->pid);
	(void)snprintf(dir, sizeof(dir), "proc/%d", (int)process->pid);
	tree_add_status(tree, process, dir);
	tree_add_links(tree, process, dir);
	tree_add_sockets(tree, process, dir);
	len = tree_title(process, cmdline, sizeof(cmdline));
	for (char *bar = cmdline; (bar = strchr(bar, '|'));)
		*bar++ = '\0';
	(void)snprintf(path, sizeof(path), "%s/cmdline", dir);
	tree_bytes(tree, path, cmdline, len);
	tree_set_maps(tree, process->pid, tree_or(process->maps, TREE_MAPS_FRESH));
}

void tree_end(const struct tree *tree, pid_t pid)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "proc/%d", (int)pid);
	if (tree_has(tree, path))
		tree_remove(tree, path);
}

void tree_set_maps(const struct tree *tree, pid_t pid, const char *maps)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "proc/%d/maps", (int)pid);
	tree_file(tree, path, maps);
}

struct heal_context *tree_context(const struct tree *tree)
{
	struct heal_context *ctx = NULL;
	struct heal_error error = {0};

	if (heal_context_new(&ctx, tree->path, "/nonexistent", &error) < 0)
		fail_msg("%s", error.message);
	/* No time need be kept in reserve. */
	ctx->config.deadline_ms = 0;
	ctx->deadline_ms = heal_now_ms() + 2000;
	ctx->settle_ms = 20;
	ctx->quiet_ms = 100;
	return ctx;
}

void tree_load(struct heal_context *ctx, pid_t pid, struct heal_listener *ret)
{
	ret->result.refused_ms = -1;
	assert_int_equal(heal_listener_load(ctx, pid, false, &ret->process), 0);
	assert_int_equal(heal_listener_addresses(ctx, &ret->process), 0);
	assert_int_equal(heal_listener_stale(ctx, &ret->process, &ret->evidence), 0);
}
