/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TCP wrappers, hosts_access(5). */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/words.h"
#include "causes/cause.h"
#include "host/context.h"
#include "look/wrappers.h"
#include "report.h"
#include "try/experiment.h"
#include "try/rehearse.h"

#define HOSTS_DENY_MAX (64u << 10)
#define HOSTS_DENY_RULES_MAX 4

/* Whether what serves a client of this sshd has libwrap at all; where nothing was seen of it, it may. */
static bool hosts_deny_has_library(const struct heal_trial *trial)
{
	for (size_t i = 0; i < trial->mapped.count; i++)
		if (strstr(trial->mapped.items[i], "/libwrap.so"))
			return true;
	return trial->mapped.count == 0;
}

struct hosts_deny_rules {
	struct heal_cause *cause;
	const char *path;
	unsigned count;
};

static int hosts_deny_name(void *user, const struct wrappers_rule *rule)
{
	struct hosts_deny_rules *rules = user;

	if (!wrappers_is_sshds(rule))
		return 0;
	cause_add(rules->cause, "; /%s, line %u: %.*s:%.*s", rules->path, rule->line,
		  (int)(rule->daemons_len < 64 ? rule->daemons_len : 64), rule->daemons,
		  (int)(rule->clients_len < 96 ? rule->clients_len : 96), rule->clients);
	return ++rules->count < HOSTS_DENY_RULES_MAX ? 0 : 1;
}

/* Names the rules that are about sshd. */
static void hosts_deny_add_rules(struct heal_context *ctx, struct heal_cause *cause)
{
	static const char *const paths[] = {"etc/hosts.allow", "etc/hosts.deny"};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		_cleanup_free_ char *text = NULL;
		struct hosts_deny_rules rules = {.cause = cause, .path = paths[i]};
		size_t len;

		if (heal_read_at(heal_view(ctx), paths[i], HOSTS_DENY_MAX, &text, &len) == 0)
			(void)wrappers_parse(text, len, hosts_deny_name, &rules);
	}
}

/* A client of that address gets in: 1, 0, -errno. */
static int hosts_deny_try(const struct causes *self, bool hides_wrappers)
{
	const char *from = self->from;
	_cleanup_(heal_rehearsal_done) struct heal_rehearsal rehearsal = {0};
	_cleanup_(heal_words_done) struct heal_words sources = {0};
	const struct heal_experiment experiment = {.hides_wrappers = hides_wrappers, .sources = &sources};
	int r = heal_words_add(&sources, from, strlen(from));

	if (r == 0)
		r = heal_experiment(self->ctx, self->listener, &experiment, &rehearsal);
	return r < 0 ? r : strcmp(rehearsal.let_in, from) == 0;
}

static void hosts_deny_of_address(const struct causes *self, struct heal_cause *ret)
{
	const char *from = self->from;
	int with = hosts_deny_try(self, false);
	int without = with == 0 ? hosts_deny_try(self, true) : 0;

	if (with < 0 || without < 0) {
		cause_is(ret, HEAL_CAUSE_UNKNOWN, "trying a client from %s: %s", from,
			 strerror(with < 0 ? -with : -without));
	} else if (with == 1) {
		cause_is(ret, HEAL_CAUSE_OK, "a client from %s gets in with /etc/hosts.allow and /etc/hosts.deny",
			 from);
	} else if (without == 0) {
		cause_is(ret, HEAL_CAUSE_OK,
			 "a client from %s gets in neither with nor without /etc/hosts.allow and /etc/hosts.deny",
			 from);
	} else {
		cause_is(ret, HEAL_CAUSE_SHOWN,
			 "a client from %s is refused, and gets in without /etc/hosts.allow and /etc/hosts.deny",
			 from);
		hosts_deny_add_rules(self->ctx, ret);
		cause_advise(ret, strchr(from, ':') ? "echo 'sshd: [%s]' >>/etc/hosts.allow"
						    : "echo 'sshd: %s' >>/etc/hosts.allow", from);
	}
}

static void hosts_deny_of_anybody(const struct causes *self, struct heal_cause *ret)
{
	const struct heal_trial *trial = &self->listener->evidence.trial;

	if (trial->wrapped == HEAL_WRAPPED_ALL) {
		cause_is(ret, HEAL_CAUSE_SHOWN,
			 "clients get in without /etc/hosts.allow and /etc/hosts.deny, and none does with them");
		hosts_deny_add_rules(self->ctx, ret);
		cause_advise(ret, "sshd-heal diagnose --from=ADDRESS, with the address of a client");
	} else if (trial->wrapped == HEAL_WRAPPED_OURS) {
		cause_is(ret, HEAL_CAUSE_OK, "they turn away clients of this host, and %s%s",
			 *trial->let_in ? "let in one from " : "it was not tried whom they let in by name",
			 trial->let_in);
	} else if (trial->result == HEAL_TRIAL_OK) {
		cause_is(ret, HEAL_CAUSE_OK, "they let in a client of this host");
	} else {
		cause_is(ret, self->is_refused ? HEAL_CAUSE_LIKELY : HEAL_CAUSE_UNKNOWN, "what they do could not be tried");
		hosts_deny_add_rules(self->ctx, ret);
	}
}

void cause_of_hosts_deny(const struct causes *self, struct heal_cause *ret)
{
	_cleanup_(heal_wrappers_done) struct heal_wrappers wrappers = {0};

	heal_wrappers_load(self->ctx, &wrappers);
	if (wrappers.error < 0) {
		cause_is(ret, HEAL_CAUSE_UNKNOWN, "reading /etc/hosts.allow and /etc/hosts.deny: %s",
			 strerror(-wrappers.error));
	} else if (!wrappers.has_rules) {
		cause_is(ret, HEAL_CAUSE_OK, "there is no rule in /etc/hosts.allow and /etc/hosts.deny");
	} else if (!hosts_deny_has_library(&self->listener->evidence.trial)) {
		cause_is(ret, HEAL_CAUSE_OK,
			 "this sshd has no TCP wrappers: /etc/hosts.allow and /etc/hosts.deny have no effect");
	} else if (wrappers.has_commands) {
		cause_is(ret, self->is_refused ? HEAL_CAUSE_LIKELY : HEAL_CAUSE_UNKNOWN,
			 "their rules run commands, and were only read");
		hosts_deny_add_rules(self->ctx, ret);
	} else if (self->from) {
		hosts_deny_of_address(self, ret);
	} else {
		hosts_deny_of_anybody(self, ret);
	}
}
