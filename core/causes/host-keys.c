/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host keys: whether sshd takes them, and clients know them. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "causes/cause.h"
#include "host/context.h"
#include "host/module.h"
#include "report.h"

#define HOST_KEYS_MAX (64u << 10)

/* Whether a file is a key, as far as the library of our client knows them. */
static bool host_keys_is_one(struct heal_context *ctx, const char *path)
{
	_cleanup_free_ char *text = NULL;
	char name[128];
	size_t len;

	if (heal_read_at(heal_view(ctx), path + 1, HOST_KEYS_MAX, &text, &len) < 0)
		return false;
	return !ctx->client_ops || ctx->client_ops->name_key(text, name, sizeof(name)) == 0;
}

/* What is wrong with a file as a key, as sshd's authfile.c has it; NULL: nothing. */
static const char *host_keys_fault(const struct causes *self, const struct heal_counted *file, struct stat *st)
{
	if (fstatat(heal_view(self->ctx), file->path + 1, st, 0) < 0)
		return errno == ENOENT ? "is missing" : "cannot be looked at";
	if (!S_ISREG(st->st_mode))
		return "is no file";
	/* One of another's is taken as it is. */
	if (st->st_uid == 0 && (st->st_mode & 077))
		return "can be read by others than root, and is not taken";
	return host_keys_is_one(self->ctx, file->path) ? NULL : "is no key";
}

/* Whether sshd has said of its keys that it does not start for them. */
static bool host_keys_are_named(const struct heal_trial *trial)
{
	static const char *const words[] = {"no hostkeys available", "UNPROTECTED PRIVATE KEY", "bad permissions",
					    "Unable to load host key"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strstr(trial->detail, words[i]))
			return trial->result == HEAL_TRIAL_FAILED;
	return false;
}

/* Looks at all of them; gives how many sshd would take. */
static size_t host_keys_count(const struct causes *self, struct heal_cause *ret)
{
	const struct heal_evidence *evidence = &self->listener->evidence;
	size_t usable = 0;

	for (size_t i = 0; i < evidence->n_counted; i++) {
		const struct heal_counted *file = &evidence->counted[i];
		struct stat st;
		const char *fault;

		if (file->kind != HEAL_COUNTED_KEY)
			continue;
		fault = host_keys_fault(self, file, &st);
		usable += !fault;
		if (fault)
			cause_add(ret, "%s%s %s", *ret->detail ? "; " : "", file->path, fault);
		if (fault && S_ISREG(st.st_mode) && (st.st_mode & 077))
			cause_advise(ret, "%schmod 600 %s", *ret->advice ? " && " : "", file->path);
	}
	return usable;
}

/* Names each key that clients know and is another on disk, by both of its names. */
static void host_keys_add_changed(const struct heal_evidence *evidence, struct heal_cause *ret)
{
	for (size_t i = 0; i < evidence->n_counted; i++) {
		const struct heal_counted *file = &evidence->counted[i];

		if (file->kind == HEAL_COUNTED_KEY && file->mark && file->now && strcmp(file->mark, "?") != 0 &&
		    strcmp(file->now, "?") != 0 && strcmp(file->mark, file->now) != 0)
			cause_add(ret, "; clients know %s, on disk is %s", file->mark, file->now);
	}
}

/* What to type at a client, who may know this host by another name. */
static void host_keys_advise(const struct heal_process *process, struct heal_cause *ret)
{
	const char *port = process->n_addresses ? strrchr(process->addresses[0], ':') : NULL;
	struct utsname host;

	if (uname(&host) < 0)
		return;
	if (port && strcmp(port, ":22") != 0)
		cause_advise(ret, "ssh-keygen -R '[%s]%s'", host.nodename, port);
	else
		cause_advise(ret, "ssh-keygen -R %s", host.nodename);
	cause_advise(ret, ", at each client, once the new key was verified");
}

void cause_of_host_keys(const struct causes *self, struct heal_cause *ret)
{
	const struct heal_evidence *evidence = &self->listener->evidence;
	const struct heal_trial *trial = &evidence->trial;
	size_t usable;

	if (!evidence->is_counted) {
		cause_is(ret, HEAL_CAUSE_UNKNOWN, "which they are could not be found out");
		return;
	}
	usable = host_keys_count(self, ret);
	if (usable == 0 && host_keys_are_named(trial)) {
		ret->result = HEAL_CAUSE_SHOWN;
		if (!*ret->advice)
			cause_advise(ret, "ssh-keygen -A");
	} else if (usable == 0) {
		ret->result = self->is_refused ? HEAL_CAUSE_LIKELY : HEAL_CAUSE_UNKNOWN;
		cause_add(ret, "%sno key was found that sshd takes", *ret->detail ? "; " : "");
	} else if (evidence->pending.is_key || trial->host_key == HEAL_HOST_KEY_CHANGED) {
		ret->result = HEAL_CAUSE_LIKELY;
		ret->advice[0] = '\0';
		cause_add(ret, "%sclients that know this host will meet \"REMOTE HOST IDENTIFICATION HAS CHANGED\": %s",
			  *ret->detail ? "; " : "",
			  *evidence->pending.detail ? evidence->pending.detail : trial->detail);
		host_keys_add_changed(evidence, ret);
		host_keys_advise(&self->listener->process, ret);
	} else {
		ret->result = HEAL_CAUSE_OK;
		ret->advice[0] = '\0';
		cause_add(ret, "%s%zu that sshd takes", *ret->detail ? "; " : "", usable);
	}
}
