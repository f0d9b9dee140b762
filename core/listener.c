/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sshd listeners of this host, and whose they are. */
#include <ctype.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "internal.h"

int stat_parse(const char *buf, size_t len, struct heal_stat *ret)
{
	/* comm may hold blanks and parentheses: the fields start behind its last one. */
	const char *p = memrchr(buf, ')', len);
	char fields[512]; /* of numbers, and 22 of them matter */
	unsigned long long start_time = 0;
	long ppid = 0;
	char state = 0;

	if (!p)
		return -EINVAL;
	(void)snprintf(fields, sizeof(fields), "%.*s", (int)(buf + len - p - 1), p + 1);
	if (sscanf(fields,
		   " %c %ld %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		   "%*s %llu",
		   &state, &ppid, &start_time) != 3)
		return -EINVAL;
	*ret = (struct heal_stat){
		.ppid = (pid_t)ppid,
		.state = state,
		.start_time = start_time,
	};
	return 0;
}

/*
 * Whether the arguments make sshd something else than a listener: -i serves one
 * connection, -R was re-executed for one, -t -T -G -V only test or tell, sshd(8).
 */
static bool title_is_child(const char *cmdline, size_t len)
{
	const char *end = cmdline + len;
	const char *arg = memchr(cmdline, '\0', len);

	while (arg && ++arg < end) {
		const char *next = memchr(arg, '\0', (size_t)(end - arg));

		if (arg[0] != '-')
			return false;
		for (const char *c = arg + 1; next && c < next; c++) {
			if (strchr("iRtTGV", *c))
				return true;
			if (!strchr("bCcEfghkopu", *c))
				continue;
			/* An option with a value, in this argument or the next. */
			if (c + 1 == next && next + 1 < end)
				next = memchr(next + 1, '\0', (size_t)(end - next - 1));
			break;
		}
		arg = next;
	}
	return false;
}

static bool title_has(const char *title, size_t len, const char *mark)
{
	return memmem(title, len, mark, strlen(mark)) != NULL;
}

enum heal_title title_classify(const char *cmdline, size_t len)
{
	/* sshd up to 9.7 names itself so in every role; from 9.8 on only the listener does. */
	static const char *const prefixes[] = {"sshd: ", "sshd-session: ", "sshd-auth: "};
	size_t skip = 0;

	if (len == 0)
		return HEAL_TITLE_OTHER;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes) && !skip; i++)
		if (len > strlen(prefixes[i]) &&
		    memcmp(cmdline, prefixes[i], strlen(prefixes[i])) == 0)
			skip = strlen(prefixes[i]);
	/* Before 8.2 a listener has no title, only its argv. */
	if (!skip)
		return title_is_child(cmdline, len) ? HEAL_TITLE_OTHER : HEAL_TITLE_LISTENER;
	cmdline += skip;
	len -= skip;
	/*
	 * sshd insists on an absolute argv[0], and no user name begins with a slash: so
	 * it is known even where the title found too little room for its end.
	 */
	if (cmdline[0] == '/' || title_has(cmdline, len, " [listener]"))
		return HEAL_TITLE_LISTENER;
	if (cmdline[0] == '[' || title_has(cmdline, len, " [net]") ||
	    title_has(cmdline, len, " [accepted]") ||
	    (len >= 8 && memcmp(cmdline, "unknown ", 8) == 0))
		return HEAL_TITLE_OTHER;
	return HEAL_TITLE_SESSION;
}

static bool listener_basename_is(const char *path, size_t len, const char *name)
{
	const char *slash = memrchr(path, '/', len);
	size_t n = strlen(name);

	return slash && (size_t)(path + len - slash - 1) == n && memcmp(slash + 1, name, n) == 0;
}

/* The name of an exe without " (deleted)"; is_deleted tells whether that was there. */
static size_t listener_exe_len(const char *exe, bool *is_deleted)
{
	size_t len = strlen(exe);
	size_t stripped = maps_deleted_name(exe, len);

	*is_deleted = stripped != 0;
	return stripped ? stripped : len;
}

/* Real, effective, saved and filesystem user are all root, proc_pid_status(5). */
static bool listener_is_root(int dirfd)
{
	_cleanup_free_ char *buf = NULL;
	unsigned long uid[4];
	size_t len;
	const char *line;

	if (heal_read_at(dirfd, "status", 64u << 10, &buf, &len) < 0)
		return false;
	line = strstr(buf, "\nUid:");
	if (!line || sscanf(line + 5, "%lu %lu %lu %lu", &uid[0], &uid[1], &uid[2], &uid[3]) != 4)
		return false;
	return uid[0] == 0 && uid[1] == 0 && uid[2] == 0 && uid[3] == 0;
}

static bool listener_same_link(int dirfd, int init_fd, const char *name)
{
	_cleanup_free_ char *theirs = NULL;
	_cleanup_free_ char *ours = NULL;

	return heal_readlink_at(dirfd, name, &theirs) == 0 &&
	       heal_readlink_at(init_fd, name, &ours) == 0 && strcmp(theirs, ours) == 0;
}

/* Compared with PID 1, not with ourselves: rpm may run us in a private namespace. */
static bool listener_is_with_init(struct heal_context *ctx, int dirfd)
{
	static const char *const links[] = {"root", "ns/mnt", "ns/pid"};
	_cleanup_close_ int init_fd =
		openat(ctx->proc_fd, "1", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (init_fd < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (!listener_same_link(dirfd, init_fd, links[i]))
			return false;
	return true;
}

static enum heal_foreign listener_whose(struct heal_context *ctx,
					const struct heal_listener *listener)
{
	if (!listener_is_root(listener->dirfd))
		return HEAL_FOREIGN_USER;
	if (ctx->is_chroot || !listener_is_with_init(ctx, listener->dirfd))
		return HEAL_FOREIGN_NAMESPACE;
	for (char **path = ctx->config.sshd_paths; listener->exe && *path; path++)
		if (strcmp(*path, listener->exe) == 0)
			return HEAL_OURS;
	return HEAL_FOREIGN_PATH;
}

static int listener_read_stat(int dirfd, struct heal_stat *ret)
{
	_cleanup_free_ char *buf = NULL;
	size_t len;
	int r = heal_read_at(dirfd, "stat", 4096, &buf, &len);

	return r < 0 ? r : stat_parse(buf, len, ret);
}

static enum heal_title listener_title(int dirfd)
{
	_cleanup_free_ char *buf = NULL;
	size_t len;

	if (heal_read_at(dirfd, "cmdline", CMDLINE_MAX, &buf, &len) < 0)
		return HEAL_TITLE_OTHER;
	return title_classify(buf, len);
}

/* Sets exe and exe_deleted. Returns 1 when the exe is no sshd. */
static int listener_load_exe(struct heal_context *ctx, struct heal_listener *listener)
{
	_cleanup_free_ char *exe = NULL;
	struct stat st = {0};
	size_t len;
	int r = heal_readlink_at(listener->dirfd, "exe", &exe);

	if (r < 0)
		return r;
	len = listener_exe_len(exe, &listener->exe_deleted);
	if (listener->exe_deleted && ctx->is_live &&
	    fstatat(listener->dirfd, "exe", &st, 0) < 0)
		return -errno;
	if (listener->exe_deleted && maps_is_real_name(ctx, exe, strlen(exe), st.st_ino)) {
		listener->exe_deleted = false;
		len = strlen(exe);
	}
	if (!listener_basename_is(exe, len, "sshd"))
		return 1;
	listener->exe = heal_strndup(exe, len);
	return listener->exe ? 0 : -ENOMEM;
}

int heal_listener_load(struct heal_context *ctx, pid_t pid, struct heal_listener *ret)
{
	_cleanup_(heal_listener_done) struct heal_listener listener = {
		.pid = pid, .dirfd = -1, .sessions = -1, .refused_ms = -1};
	struct heal_stat stat;
	struct stat st;
	char name[16];
	int r;

	(void)snprintf(name, sizeof(name), "%d", (int)pid);
	listener.dirfd = openat(ctx->proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (listener.dirfd < 0 || fstat(listener.dirfd, &st) < 0)
		return -errno;
	/* A hook has no use for an ordinary user's process, and does not read its memory. */
	if (ctx->is_live && ctx->is_hook && st.st_uid != 0)
		return 1;
	r = listener_load_exe(ctx, &listener);
	if (r != 0)
		return r;
	if (listener_title(listener.dirfd) != HEAL_TITLE_LISTENER)
		return 1;
	r = listener_read_stat(listener.dirfd, &stat);
	if (r < 0)
		return r;
	if (stat.state == 'Z' || stat.state == 'X')
		return 1;
	listener.ppid = stat.ppid;
	listener.start_time = stat.start_time;
	listener.foreign = listener_whose(ctx, &listener);
	/* Anyone can start a thousand of them: they must not use up our descriptors. */
	if (listener.foreign != HEAL_OURS && listener.foreign != HEAL_FOREIGN_PATH)
		(void)close(heal_take_fd(&listener.dirfd));
	*ret = listener;
	listener = (struct heal_listener){.dirfd = -1};
	return 0;
}

/*
 * A process that may not be looked at: only worth a line when it is root's and calls
 * itself sshd.
 */
static bool listener_note_unreadable(struct heal_context *ctx, const char *pid, int code,
				     struct heal_notes *notes)
{
	_cleanup_free_ char *comm = NULL;
	char path[32];
	struct stat st;
	size_t len;

	if (fstatat(ctx->proc_fd, pid, &st, 0) < 0 || (ctx->is_live && st.st_uid != 0))
		return false;
	(void)snprintf(path, sizeof(path), "%.12s/comm", pid);
	if (heal_read_at(ctx->proc_fd, path, 64, &comm, &len) < 0 || strcmp(comm, "sshd\n") != 0)
		return false;
	(void)heal_notes_add(notes, "cannot tell whether sshd process %s is stale: reading /proc/%s: %s",
			     pid, pid, strerror(code));
	return true;
}

/* The quick look that nearly every process is passed over by: one readlinkat. */
static int listener_is_candidate(struct heal_context *ctx, const char *pid)
{
	char path[32];
	char exe[64];
	ssize_t n;
	size_t len;
	bool is_deleted;

	(void)snprintf(path, sizeof(path), "%.12s/exe", pid);
	n = readlinkat(ctx->proc_fd, path, exe, sizeof(exe));
	if (n < 0)
		return -errno;
	if (n == (ssize_t)sizeof(exe))
		return 1;
	exe[n] = '\0';
	len = listener_exe_len(exe, &is_deleted);
	return listener_basename_is(exe, len, "sshd");
}

static int listener_scan_one(struct heal_context *ctx, const char *pid,
			     struct heal_listeners *listeners, struct heal_notes *notes)
{
	struct heal_listener listener;
	int r = listener_is_candidate(ctx, pid);

	if (r > 0)
		r = heal_listener_load(ctx, (pid_t)atoi(pid), &listener);
	else if (r == 0)
		return 0;
	if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		return r;
	/* Kernel threads have no exe; what is not there any more has ended. */
	if (r < 0 && r != -ENOENT && r != -ESRCH)
		listeners->unreadable += listener_note_unreadable(ctx, pid, -r, notes);
	if (r != 0)
		return 0;
	if (heal_grow(&listeners->items, listeners->count, sizeof(*listeners->items)) < 0) {
		heal_listener_done(&listener);
		return -ENOMEM;
	}
	listeners->items[listeners->count++] = listener;
	return 0;
}

/* Opens /proc's directory anew, so that every scan starts at its beginning. */
DIR *heal_open_proc(struct heal_context *ctx)
{
	_cleanup_close_ int fd = -1;
	DIR *dir;

	if (ctx->proc_fd < 0) {
		errno = ENOENT;
		return NULL;
	}
	fd = openat(ctx->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	dir = fdopendir(fd);
	if (dir)
		fd = -1;
	return dir;
}

/* Between fork and exec a connection's child still has the listener's title and mappings. */
static void listener_drop_children(struct heal_listeners *listeners)
{
	size_t kept = 0;

	for (size_t i = 0; i < listeners->count; i++) {
		struct heal_listener *listener = &listeners->items[i];
		bool is_child = false;

		for (size_t j = 0; j < listeners->count; j++)
			is_child |= listeners->items[j].pid == listener->ppid;
		listener->ppid = is_child ? -1 : listener->ppid;
	}
	for (size_t i = 0; i < listeners->count; i++) {
		if (listeners->items[i].ppid == -1)
			heal_listener_done(&listeners->items[i]);
		else
			listeners->items[kept++] = listeners->items[i];
	}
	listeners->count = kept;
}

int heal_listeners_find(struct heal_context *ctx, struct heal_listeners *ret,
			struct heal_notes *notes, struct heal_error *error)
{
	_cleanup_(heal_listeners_done) struct heal_listeners listeners = {0};
	_cleanup_closedir_ DIR *dir = heal_open_proc(ctx);
	struct dirent *entry;

	if (!dir)
		return heal_error_set(error, errno, "looking for sshd processes: opening /proc: %s",
				      strerror(errno));
	while ((errno = 0, entry = readdir(dir))) {
		int r;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		r = listener_scan_one(ctx, entry->d_name, &listeners, notes);
		if (r < 0)
			return heal_error_set(error, -r, "looking for sshd processes: %s",
					      strerror(-r));
	}
	if (errno)
		return heal_error_set(error, errno, "looking for sshd processes: reading /proc: %s",
				      strerror(errno));
	listener_drop_children(&listeners);
	*ret = listeners;
	listeners = (struct heal_listeners){0};
	return 0;
}

bool heal_listener_has_unit(const struct heal_listener *listener)
{
	return listener->unit.is_service && listener->unit.main_pid == listener->pid;
}

void heal_listener_replace(struct heal_listener *listener, struct heal_listener *fresh)
{
	struct heal_listener old = *listener;

	listener->pid = fresh->pid;
	listener->dirfd = fresh->dirfd;
	listener->start_time = fresh->start_time;
	listener->exe = fresh->exe;
	listener->exe_deleted = fresh->exe_deleted;
	listener->addresses = fresh->addresses;
	listener->n_addresses = fresh->n_addresses;
	fresh->dirfd = old.dirfd;
	fresh->exe = old.exe;
	fresh->addresses = old.addresses;
	fresh->n_addresses = old.n_addresses;
	heal_listener_done(fresh);
}

void heal_listener_done(struct heal_listener *listener)
{
	for (size_t i = 0; i < listener->n_addresses; i++)
		free(listener->addresses[i]);
	free(listener->addresses);
	maps_clear_stale(listener);
	free(listener->exe);
	free(listener->unit.id);
	heal_closep(&listener->dirfd);
	*listener = (struct heal_listener){.dirfd = -1};
}

void heal_listeners_done(struct heal_listeners *listeners)
{
	for (size_t i = 0; i < listeners->count; i++)
		heal_listener_done(&listeners->items[i]);
	free(listeners->items);
	*listeners = (struct heal_listeners){0};
}
