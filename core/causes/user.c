/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What looks like a lockout and is none: one user who may not log in. */
#include <errno.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/spawn.h"
#include "base/text.h"
#include "base/words.h"
#include "causes/cause.h"
#include "host/context.h"
#include "report.h"
#include "try/command.h"
#include "try/effective.h"

#define USER_MS 2000

struct user {
	const struct causes *self;
	struct heal_words groups;
	char shell[256];
	unsigned long uid;
	struct heal_words lists[4]; /* in the order of user_lists */
	bool denies_root;
};

/* In the order in which sshd looks at them, sshd_config(5). */
static const struct {
	const char *keyword; /* as sshd -T has it */
	bool of_groups;
	bool allows;
} user_lists[] = {
	{"denyusers", false, false},
	{"allowusers", false, true},
	{"denygroups", true, false},
	{"allowgroups", true, true},
};

static void user_done(struct user *user)
{
	heal_words_done(&user->groups);
	for (size_t i = 0; i < ARRAY_SIZE(user->lists); i++)
		heal_words_done(&user->lists[i]);
}

/* Asks a program of the host's, which may ask a directory service: not in this process. */
static int user_ask(const char *path, const char *first, const char *second, struct heal_output *ret)
{
	char *const argv[] = {(char *)path, (char *)first, (char *)second, NULL};
	const struct heal_command command = {.path = path, .argv = argv, .fds = {-1, -1, -1}};

	return heal_spawn_capture(&command, heal_now_ms() + USER_MS, ret);
}

/* Whom the host knows by that name. 1: nobody. */
static int user_load(struct user *user, const char *name)
{
	_cleanup_(heal_output_done) struct heal_output passwd = {0};
	_cleanup_(heal_output_done) struct heal_output groups = {0};
	int r = user_ask("/usr/bin/getent", "passwd", name, &passwd);

	if (r < 0)
		return r;
	if (passwd.status != 0)
		return 1;
	/* passwd(5) */
	if (sscanf(passwd.text, "%*[^:]:%*[^:]:%lu:%*[^:]:%*[^:]:%*[^:]:%255[^:\n]", &user->uid, user->shell) < 1 &&
	    sscanf(passwd.text, "%*[^:]:%*[^:]:%lu", &user->uid) < 1)
		return -EBADMSG;
	r = user_ask("/usr/bin/id", "-Gn", name, &groups);
	if (r < 0 || groups.status != 0)
		return r < 0 ? r : -EIO;
	return words_split(groups.text, &user->groups);
}

/* What sshd says of its lists for that user and address. */
static int user_load_lists(struct user *user)
{
	const struct causes *self = user->self;
	_cleanup_(heal_starts_done) struct heal_starts starts = HEAL_STARTS_NONE;
	_cleanup_(heal_output_done) struct heal_output output = {0};
	const char *from = self->from ? self->from : "127.0.0.1";
	char connection[256];
	struct heal_error error;
	const char *cursor;
	const char *line;
	size_t len;
	int r = heal_starts_find(self->ctx, self->listener, &starts, &error);

	(void)snprintf(connection, sizeof(connection), "user=%s,host=%s,addr=%s,laddr=127.0.0.1,lport=22,rdomain=",
		       self->user, from, from);
	if (r == 0)
		r = heal_effective_ask(self->ctx, &starts.restart, connection, &output);
	cursor = output.text;
	while (r == 0 && (line = heal_next_line(&cursor, output.text + output.len, &len))) {
		user->denies_root |= len == strlen("permitrootlogin no") && memcmp(line, "permitrootlogin no", len) == 0;
		for (size_t i = 0; r == 0 && i < ARRAY_SIZE(user_lists); i++) {
			size_t key = strlen(user_lists[i].keyword);

			if (len > key && line[key] == ' ' && memcmp(line, user_lists[i].keyword, key) == 0)
				r = heal_words_add(&user->lists[i], line + key + 1, len - key - 1);
		}
	}
	return r;
}

/* Whether a pattern of a list means the user: NAME, or NAME@HOST, whose second half sshd decides. */
static bool user_is_meant(const struct user *user, size_t list, const char *pattern)
{
	_cleanup_free_ char *name = heal_strndup(pattern, strcspn(pattern, "@"));
	bool is_any = false;

	if (!name)
		return false;
	if (!user_lists[list].of_groups)
		return fnmatch(name, user->self->user, 0) == 0;
	for (size_t i = 0; i < user->groups.count; i++)
		is_any |= fnmatch(name, user->groups.items[i], 0) == 0;
	return is_any;
}

/* The keyword that keeps the user out; NULL: none does. */
static const char *user_barred_by(const struct user *user)
{
	for (size_t i = 0; i < ARRAY_SIZE(user_lists); i++) {
		bool is_meant = false;

		for (size_t n = 0; n < user->lists[i].count; n++)
			is_meant |= user_is_meant(user, i, user->lists[i].items[n]);
		if (user->lists[i].count && is_meant != user_lists[i].allows)
			return user_lists[i].keyword;
	}
	return NULL;
}

static bool user_is_nologin(const struct causes *self)
{
	return faccessat(heal_view(self->ctx), "etc/nologin", F_OK, 0) == 0 ||
	       faccessat(heal_view(self->ctx), "run/nologin", F_OK, 0) == 0;
}

static void user_judge(const struct user *user, struct heal_cause *ret)
{
	const struct causes *self = user->self;
	const char *name = self->user;
	const char *keyword = user_barred_by(user);

	if (keyword) {
		cause_is(ret, HEAL_CAUSE_LIKELY, "%s does not let in %s: permission is denied, the connection is not closed",
			 keyword, name);
		cause_advise(ret, "sshd -T -C user=%s,host=x,addr=%s | grep -i %s", name,
			     self->from ? self->from : "127.0.0.1", keyword);
	} else if (user->uid == 0 && user->denies_root) {
		cause_is(ret, HEAL_CAUSE_LIKELY, "PermitRootLogin no: root is not let in");
	} else if (user->uid != 0 && user_is_nologin(self)) {
		cause_is(ret, HEAL_CAUSE_LIKELY, "/etc/nologin or /run/nologin is there: nobody but root is let in");
	} else if (*user->shell == '/' && faccessat(heal_view(self->ctx), user->shell + 1, X_OK, 0) < 0) {
		cause_is(ret, HEAL_CAUSE_LIKELY, "the shell of %s, %s, cannot be executed", name, user->shell);
	} else {
		cause_is(ret, HEAL_CAUSE_OK, "nothing in sshd's configuration keeps %s out", name);
	}
}

void cause_of_user(const struct causes *self, struct heal_cause *ret)
{
	_cleanup_(user_done) struct user user = {.self = self};
	int r;

	if (!self->user) {
		cause_is(ret, HEAL_CAUSE_OK, "nobody in particular was asked about, which --user=NAME does");
		return;
	}
	r = user_load(&user, self->user);
	if (r == 0)
		r = user_load_lists(&user);
	if (r == 1)
		cause_is(ret, HEAL_CAUSE_LIKELY, "this host knows no user %s", self->user);
	else if (r < 0)
		cause_is(ret, HEAL_CAUSE_UNKNOWN, "asking about %s: %s", self->user, strerror(-r));
	else
		user_judge(&user, ret);
}
