/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Would a client get in with the files on disk? The sshd there, and a client. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "internal.h"

/* It takes 20 ms; a machine that needs longer than this is not fit to be healed now. */
#define TRIAL_MS 3000
#define TRIAL_STDERR_MAX 4096
#define TRIAL_ENVIRONMENT_MAX (256u << 10)

/* sshd wants a real connection: a socketpair has no peer address for it to name. */
static int trial_pair(int ret[2])
{
	struct sockaddr_in name = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in client_name = {0};
	struct sockaddr_in peer = {0};
	socklen_t len = sizeof(name);
	_cleanup_close_ int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	_cleanup_close_ int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	_cleanup_close_ int server = -1;
	const struct timeval limit = {.tv_sec = TRIAL_MS / 1000};

	/* connect() and accept() obey these, socket(7): a packet filter may drop loopback, too. */
	if (listener < 0 || client < 0 ||
	    setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
	    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
	    bind(listener, (struct sockaddr *)&name, len) < 0 ||
	    listen(listener, 1) < 0 || getsockname(listener, (struct sockaddr *)&name, &len) < 0 ||
	    connect(client, (struct sockaddr *)&name, len) < 0 ||
	    getsockname(client, (struct sockaddr *)&client_name, &len) < 0)
		return -errno;
	server = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
	if (server < 0)
		return -errno;
	/* Somebody else on this machine may have been quicker than ourselves. */
	if (peer.sin_port != client_name.sin_port)
		return -EBUSY;
	ret[0] = heal_take_fd(&client);
	ret[1] = heal_take_fd(&server);
	return 0;
}

/* What sshd wrote to stderr, as one printable line. */
static void trial_read_stderr(int fd, char *ret, size_t size)
{
	char buf[TRIAL_STDERR_MAX + 1];
	ssize_t n = read(fd, buf, TRIAL_STDERR_MAX);

	buf[n > 0 ? n : 0] = '\0';
	heal_effective_words(buf, ret, size);
}

static int trial_start(const struct heal_start *start, int server, int err, pid_t *ret)
{
	static const char *const flags[] = {"-i", "-e", NULL};
	_cleanup_(heal_words_done) struct heal_words argv = {0};
	struct heal_command command = {
		.path = start->path, .cwd = start->cwd, .fds = {server, server, err}};
	int r = exec_build(start->path, flags, &start->options, &argv);

	command.argv = argv.items;
	return r < 0 ? r : heal_process_start(&command, ret);
}

/* One sshd, one client. words gets what sshd said. Errors: -ETIME where there is no time. */
static int trial_once(struct heal_context *ctx, const struct heal_start *start,
		      struct heal_hello *hello, char *words, size_t size)
{
	int64_t deadline = heal_now_ms() + heal_left_ms(ctx->deadline_ms, TRIAL_MS);
	_cleanup_close_ int client = -1;
	_cleanup_close_ int server = -1;
	_cleanup_close_ int err_read = -1;
	_cleanup_close_ int err_write = -1;
	int pair[2] = {-1, -1};
	pid_t pid;
	int r = heal_has_time(ctx->deadline_ms) ? trial_pair(pair) : -ETIME;

	if (r < 0)
		return r;
	client = pair[0];
	server = pair[1];
	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	err_read = pair[0];
	err_write = pair[1];
	r = trial_start(start, server, err_write, &pid);
	if (r < 0)
		return r;
	/* Only sshd may hold its end, or its death would not be seen. */
	(void)close(heal_take_fd(&server));
	(void)close(heal_take_fd(&err_write));
	heal_client_meet(ctx, client, deadline, hello);
	(void)close(heal_take_fd(&client));
	trial_read_stderr(err_read, words, size);
	/* However its end went: what it did with its client is known. */
	(void)heal_process_end(pid);
	return 0;
}

/* The environment that the unit gives to its service. */
static int trial_environment(struct heal_context *ctx, struct heal_exec *exec)
{
	for (size_t i = 0; i < exec->files.count; i++) {
		_cleanup_free_ char *buf = NULL;
		const char *path = exec->files.items[i];
		bool may_miss = *path == '-';
		bool is_roots = false;
		size_t len;
		int r;

		path += may_miss;
		/* systemd.exec(5) allows wildcards; whoever uses them is told that we do not. */
		if (*path != '/' || strpbrk(path, "*?["))
			return -EINVAL;
		/* What stands there becomes root's arguments, at a moment of our choice. */
		r = heal_trust_path(ctx->root_fd, path, &is_roots);
		if (r == 0 && !is_roots)
			return -EPERM;
		r = heal_read_at(ctx->root_fd, path + 1, TRIAL_ENVIRONMENT_MAX, &buf, &len);
		if (r == -ENOENT && may_miss)
			continue;
		if (r == 0)
			r = exec_parse_environment(buf, len, &exec->environment);
		if (r < 0)
			return r;
	}
	return 0;
}

static void trial_exec_done(struct heal_exec *exec)
{
	free(exec->path);
	heal_words_done(&exec->command);
	heal_words_done(&exec->environment);
	heal_words_done(&exec->files);
	free(exec->directory);
}

/* Whether two paths lead to the same file, as /sbin/sshd and /usr/sbin/sshd do. */
static bool trial_same_file(struct heal_context *ctx, const char *a, const char *b)
{
	struct stat a_st;
	struct stat b_st;

	if (strcmp(a, b) == 0)
		return true;
	return *a == '/' && *b == '/' && fstatat(ctx->root_fd, a + 1, &a_st, 0) == 0 &&
	       fstatat(ctx->root_fd, b + 1, &b_st, 0) == 0 && a_st.st_dev == b_st.st_dev &&
	       a_st.st_ino == b_st.st_ino;
}

/*
 * Where the unit starts its service: NULL for /. A directory that somebody else may
 * write to, or put another into the place of, is none to run anything in.
 */
static int trial_directory(struct heal_context *ctx, const char *whose, const char *directory,
			   char **ret, struct heal_error *error)
{
	bool may_miss = *directory == '!';
	bool is_roots = false;
	char *copy;
	int r;

	directory += may_miss;
	if (!*directory || strcmp(directory, "/") == 0)
		return 0;
	/* "~" is the home of the user that the service runs as. */
	r = *directory == '/' ? heal_trust_path(ctx->root_fd, directory, &is_roots) : -EINVAL;
	if (r == -ENOENT && may_miss && is_roots)
		return 0;
	if (r < 0)
		return heal_error_set(error, -r, "%s starts sshd in %s: %s", whose, directory,
				      strerror(-r));
	if (!is_roots)
		return heal_error_set(error, EPERM,
				      "%s starts sshd in %s, where not only root can put files", whose,
				      directory);
	copy = strdup(directory);
	if (!copy)
		return heal_error_set(error, ENOMEM, "trying sshd: out of memory");
	*ret = copy;
	return 0;
}

/* The arguments that a restart would start sshd with, and where. */
static int trial_unit_argv(struct heal_context *ctx, const struct heal_listener *listener,
			   struct heal_words *argv, char **cwd, struct heal_error *error)
{
	_cleanup_(trial_exec_done) struct heal_exec exec = {0};
	const char *unit = listener->unit.id;
	struct exec_relative relative;
	const char *name;
	char whose[256];
	int r = ctx->service_ops->exec_start(ctx->service, unit, &exec, error);

	if (r < 0)
		return r;
	/* What is tried must be what a restart would start. */
	if (!trial_same_file(ctx, exec.path, listener->exe))
		return heal_error_set(error, ENOTSUP, "%s starts %s, but %s is what runs", unit,
				      exec.path, listener->exe);
	r = trial_environment(ctx, &exec);
	name = r == 0 ? exec_find_loader_variable(&exec.environment) : NULL;
	if (name)
		return heal_error_set(error, ENOTSUP, "%s sets %s, which a trial would not have", unit,
				      name);
	if (r == 0)
		r = exec_expand(&exec.command, &exec.environment, argv);
	if (r < 0)
		return heal_error_set(error, -r, "understanding how %s starts sshd: %s", unit,
				      strerror(-r));
	/* Named with the option that makes it matter most; its configuration may name files, too. */
	if (exec_find_relative(argv, 0, &relative) == 1)
		(void)snprintf(whose, sizeof(whose), "%s has -%c %s and", unit, relative.option,
			       relative.value);
	else
		(void)snprintf(whose, sizeof(whose), "%s", unit);
	return trial_directory(ctx, whose, exec.directory ? exec.directory : "", cwd, error);
}

/*
 * The arguments that the running listener has, and keeps across a SIGHUP. Its
 * title has them with blanks between, which is ambiguous: where it is the one
 * that the unit's arguments would give, those are taken.
 */
static int trial_running_argv(const struct heal_listener *listener,
			      const struct heal_words *unit_argv, struct heal_words *argv,
			      struct heal_error *error)
{
	_cleanup_free_ char *cmdline = NULL;
	size_t len = 0;
	int r = heal_read_at(listener->dirfd, "cmdline", 256u << 10, &cmdline, &len);

	if (r == 0 && exec_is_title_of(cmdline, unit_argv))
		return heal_words_copy(unit_argv, argv);
	if (r == 0)
		r = exec_split_title(cmdline, argv);
	/* Before 8.2 it is no title but the arguments themselves; a title may also be cut short. */
	if (r == -EINVAL && cmdline && strncmp(cmdline, "sshd: ", 6) != 0)
		r = exec_split_nul(cmdline, len, argv);
	return r < 0 ? heal_error_set(error, -r, "reading the arguments of sshd process %d: %s",
				      (int)listener->pid, strerror(-r))
		     : 0;
}

/*
 * Whether the files that are named without saying from where are root's alone, looked
 * up from a directory. One that is not there is an error where may_miss is not set.
 */
static int trial_check_names(struct heal_context *ctx, const struct heal_words *argv,
			     const char *cwd, bool may_miss, const char *whose,
			     struct heal_error *error)
{
	struct exec_relative name;

	for (size_t i = 0; exec_find_relative(argv, i, &name) == 1; i++) {
		_cleanup_free_ char *path = NULL;
		bool is_roots = false;
		int r;

		if (asprintf(&path, "%s/%s", cwd ? cwd : "", name.file) < 0) {
			path = NULL;
			return heal_error_set(error, ENOMEM, "trying sshd: out of memory");
		}
		r = heal_trust_path(ctx->root_fd, path, &is_roots);
		/* A log or PID file is made anew. */
		if (r == -ENOENT && is_roots &&
		    (may_miss || name.option == 'E' || strncasecmp(name.value, "PidFile", 7) == 0))
			r = 0;
		if (r < 0)
			return heal_error_set(error, -r, "%s has -%c %s, but %s: %s", whose, name.option,
					      name.value, path, strerror(-r));
		if (!is_roots)
			return heal_error_set(error, EPERM,
					      "%s has -%c %s, and not only root can write to %s", whose,
					      name.option, name.value, path);
	}
	return 0;
}

/*
 * The options of a trial, once nothing of anybody else's can be taken for root's;
 * whose arguments they are is for the message.
 */
static int trial_options(struct heal_context *ctx, const struct heal_words *argv,
			 const char *whose, bool may_miss, struct heal_start *start,
			 struct heal_error *error)
{
	int r = exec_trial_options(argv, &start->options);

	if (r < 0)
		return heal_error_set(error, -r, "understanding how %s starts sshd: %s", whose,
				      strerror(-r));
	return trial_check_names(ctx, argv, start->cwd, may_miss, whose, error);
}

/* Adds the file at fault to the detail: whether it is there, and whose it is. */
static void trial_blame(struct heal_context *ctx, struct heal_listener *listener, const char *words)
{
	_cleanup_free_ char *directory = maps_library_dir(listener);
	_cleanup_free_ char *path = blame_find_path(words, directory);
	_cleanup_(heal_package_done) struct heal_package owner = {0};
	char *detail = listener->trial.detail;
	size_t size = sizeof(listener->trial.detail);
	const char *file = path ? path : listener->exe;
	bool is_missing = faccessat(ctx->root_fd, file + 1, F_OK, 0) < 0;
	char name[256];

	heal_safe(name, sizeof(name), file);
	if (heal_package_owner(ctx, file, &owner) == 0)
		heal_append(detail, size, "; %s%s belongs to package %s %s", name,
			    is_missing ? " is missing, it" : "", owner.name, owner.version);
	else
		heal_append(detail, size, "; %s %s", name,
			    is_missing ? "is missing" : "belongs to no package");
}

static void trial_judge(struct heal_context *ctx, struct heal_listener *listener, int code,
			const struct heal_hello *hello, const char *words)
{
	struct heal_trial *trial = &listener->trial;
	size_t size = sizeof(trial->detail);

	trial->detail[0] = '\0';
	if (code == 0 && (hello->fate == HEAL_FATE_OK || hello->fate == HEAL_FATE_ANSWERED)) {
		trial->result = HEAL_TRIAL_OK;
		memcpy(trial->key, hello->key, sizeof(trial->key));
		return;
	}
	trial->result = HEAL_TRIAL_FAILED;
	if (code < 0)
		heal_append(trial->detail, size, "running %s: %s", listener->exe, strerror(-code));
	else
		heal_append(trial->detail, size, "a client of %s %s", listener->exe,
			    heal_fate_text(hello->fate));
	if (!*words)
		words = hello->detail;
	if (*words)
		heal_append(trial->detail, size, ": %s", words);
	else if (hello->fate == HEAL_FATE_EOF)
		heal_append(trial->detail, size, ", and it does not say why (does hosts.deny refuse 127.0.0.1?)");
	trial_blame(ctx, listener, words);
}

static void trial_skip(struct heal_listener *listener, const char *why)
{
	listener->trial.result = HEAL_TRIAL_SKIPPED;
	listener->trial.detail[0] = '\0';
	heal_append(listener->trial.detail, sizeof(listener->trial.detail), "%s", why);
}

/* What execve(2) says of the file itself; anything else is about this machine's state. */
static bool trial_is_about_file(int code)
{
	static const int codes[] = {ENOENT, EACCES, ENOEXEC, ENOTDIR, ELOOP, ELIBBAD, EISDIR};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (code == codes[i])
			return true;
	return false;
}

/* Whether a trial said nothing about sshd, for it was ours that went wrong; says so. */
static bool trial_is_void(const struct heal_start *start, int code, const struct heal_hello *hello,
			  struct heal_error *error)
{
	if (code == -ETIME)
		(void)heal_error_set(error, ETIME, "no time is left to try it");
	else if (code < 0 && !trial_is_about_file(-code))
		(void)heal_error_set(error, -code, "trying %s: %s", start->path, strerror(-code));
	else if (code == 0 && hello->fate == HEAL_FATE_TIMEOUT)
		(void)heal_error_set(error, ETIME, "it could not be tried in time");
	else if (code == 0 && hello->fate == HEAL_FATE_UNKNOWN)
		(void)heal_error_set(error, EIO, "trying %s: our client failed%s%s", start->path,
				     *hello->detail ? ": " : "", hello->detail);
	else
		return false;
	return true;
}

static void trial_with(struct heal_context *ctx, struct heal_listener *listener,
		       const struct heal_start *start)
{
	struct heal_hello hello = {0};
	struct heal_error error;
	char words[TRIAL_STDERR_MAX / 16] = "";
	int r = trial_once(ctx, start, &hello, words, sizeof(words));

	if (trial_is_void(start, r, &hello, &error))
		trial_skip(listener, error.message);
	else
		trial_judge(ctx, listener, r, &hello, words);
}

static void trial_compare_keys(struct heal_listener *listener)
{
	const char *live = listener->live.key;
	const char *tried = listener->trial.key;

	if (!*live || !*tried)
		return;
	listener->trial.host_key =
		strcmp(live, tried) == 0 ? HEAL_HOST_KEY_SAME : HEAL_HOST_KEY_CHANGED;
	if (listener->trial.host_key == HEAL_HOST_KEY_CHANGED)
		heal_append(listener->trial.detail, sizeof(listener->trial.detail),
			    "clients know the host key %s, on disk is %s", live, tried);
}

/* Adds a sentence about something to the detail. */
static void trial_add(struct heal_listener *listener, const char *before, const char *what,
		      const char *after)
{
	struct heal_trial *trial = &listener->trial;

	heal_append(trial->detail, sizeof(trial->detail), "%s%s%s%s", *trial->detail ? "; " : "",
		    before, what, after);
}

/* Where sshd would listen, as against where it does. systemd's sockets are not its affair. */
static void trial_check_addresses(struct heal_context *ctx, struct heal_listener *listener,
				  const struct heal_effective *effective)
{
	const char *address;

	if (listener->unit.is_socket_activated)
		return;
	address = heal_effective_lost(listener, effective);
	if (address) {
		listener->trial.is_moving = true;
		trial_add(listener, "it would not listen on ", address, " any more");
	}
	address = heal_effective_absent(effective);
	if (address) {
		listener->trial.is_moving = true;
		trial_add(listener, "this host has no address for ", address, " now");
	}
	address = heal_effective_taken(ctx, listener, effective);
	if (address) {
		listener->trial.is_port_taken = true;
		trial_add(listener, "another process listens on ", address, ", where sshd would");
	}
}

/* The configuration file: that of -f, or the usual one. */
static const char *trial_config_file(const struct heal_words *options)
{
	for (size_t i = 0; i + 1 < options->count; i++)
		if (strcmp(options->items[i], "-f") == 0)
			return options->items[i + 1];
	return "/etc/ssh/sshd_config";
}

/* What a client does not see: the keys of the other types, and the addresses. */
static void trial_ask_sshd(struct heal_context *ctx, struct heal_listener *listener,
			   const struct heal_start *start)
{
	_cleanup_(heal_effective_done) struct heal_effective effective = {0};
	struct heal_trial *trial = &listener->trial;
	struct heal_error error = {0};
	const char *config = trial_config_file(&start->options);
	const char *path;

	if (heal_effective_load(ctx, start, &effective, &error) < 0) {
		trial_skip(listener, error.message);
		return;
	}
	path = heal_effective_new_key(ctx, listener, &effective);
	if (path && trial->host_key != HEAL_HOST_KEY_CHANGED) {
		trial->host_key = HEAL_HOST_KEY_CHANGED;
		trial_add(listener, "the host key ", path, " was replaced after sshd had started");
	}
	trial_check_addresses(ctx, listener, &effective);
	if (heal_effective_is_new(ctx, listener, &effective, config))
		trial_add(listener, "sshd takes up what was changed in ", config, " since it started");
}

static void trial_start_done(struct heal_start *start)
{
	heal_words_done(&start->options);
	free(start->cwd);
}
#define _cleanup_start_ _cleanup_(trial_start_done)

/* What SIGHUP and a restart would run. */
struct trial_starts {
	struct heal_start hup; /* sshd goes to / before it listens, and re-executes itself there */
	struct heal_start restart;
};

static void trial_starts_done(struct trial_starts *starts)
{
	trial_start_done(&starts->hup);
	trial_start_done(&starts->restart);
}

/*
 * Finds out what SIGHUP would run. That it would not find its files again is no error
 * where there is a unit: then only a restart can help.
 */
static int trial_find_hup(struct heal_context *ctx, struct heal_listener *listener,
			  const struct heal_words *unit_argv, struct heal_start *hup,
			  struct heal_error *error)
{
	_cleanup_(heal_words_done) struct heal_words argv = {0};
	int r = trial_running_argv(listener, unit_argv, &argv, error);

	if (r < 0)
		return r;
	r = trial_options(ctx, &argv, "its title", false, hup, error);
	listener->trial.is_hup_fatal = r == -ENOENT && heal_listener_has_unit(listener);
	return listener->trial.is_hup_fatal ? 0 : r;
}

static int trial_find_starts(struct heal_context *ctx, struct heal_listener *listener,
			     struct trial_starts *starts, struct heal_error *error)
{
	_cleanup_(heal_words_done) struct heal_words unit_argv = {0};
	struct exec_relative name;
	bool has_unit = heal_listener_has_unit(listener);
	int r = 0;

	starts->hup.path = starts->restart.path = listener->exe;
	if (has_unit)
		r = trial_unit_argv(ctx, listener, &unit_argv, &starts->restart.cwd, error);
	if (r == 0 && has_unit)
		r = trial_options(ctx, &unit_argv, listener->unit.id, true, &starts->restart, error);
	if (r == 0)
		r = trial_find_hup(ctx, listener, &unit_argv, &starts->hup, error);
	/* The same name is another file for SIGHUP, which must not be taken up for it. */
	if (r == 0 && starts->restart.cwd && exec_find_relative(&unit_argv, 0, &name) == 1)
		listener->trial.is_hup_fatal = true;
	return r;
}

/* Tries what the running listener has, and where it differs what its unit says now. */
static void trial_starts_with(struct heal_context *ctx, struct heal_listener *listener,
			      const struct trial_starts *starts)
{
	bool has_unit = heal_listener_has_unit(listener);

	if (!listener->trial.is_hup_fatal)
		trial_with(ctx, listener, &starts->hup);
	if (listener->trial.is_hup_fatal ||
	    (listener->trial.result == HEAL_TRIAL_OK && has_unit &&
	     (starts->restart.cwd ||
	      !heal_words_equal(&starts->hup.options, &starts->restart.options))))
		trial_with(ctx, listener, &starts->restart);
	trial_compare_keys(listener);
	if (listener->trial.result == HEAL_TRIAL_OK)
		trial_ask_sshd(ctx, listener, has_unit ? &starts->restart : &starts->hup);
}

void heal_trial_run(struct heal_context *ctx, struct heal_listener *listener)
{
	_cleanup_(trial_starts_done) struct trial_starts starts = {0};
	struct heal_error error = {0};
	int r = heal_context_client(ctx, &error);

	if (r == 0 && listener->n_addresses == 0)
		r = heal_error_set(&error, EADDRNOTAVAIL, "its listening sockets were not found");
	if (r == 0 && !socket_is_reachable(ctx, listener))
		r = heal_error_set(&error, EADDRNOTAVAIL,
				   "it is in a network namespace of its own, where no client can be tried");
	if (r == 0)
		r = trial_find_starts(ctx, listener, &starts, &error);
	if (r < 0)
		trial_skip(listener, error.message);
	else
		trial_starts_with(ctx, listener, &starts);
}

void heal_trial_again(struct heal_context *ctx, struct heal_listener *listener)
{
	_cleanup_(heal_words_done) struct heal_words argv = {0};
	_cleanup_start_ struct heal_start start = {.path = listener->exe};
	struct heal_error error = {0};
	int r = trial_unit_argv(ctx, listener, &argv, &start.cwd, &error);

	if (r == 0)
		r = trial_options(ctx, &argv, listener->unit.id, true, &start, &error);
	if (r < 0)
		trial_skip(listener, error.message);
	else
		trial_with(ctx, listener, &start);
}
