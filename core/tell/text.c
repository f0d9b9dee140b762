/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report: for people, for syslog, and as an exit status. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "tell/text.h"

#include "base/text.h"
#include "report.h"
#include "tell/causes.h"

#define TEXT_NAME_MAX 1024

/* Prints a string that came from outside; nothing unsafe gets through. */
static void text_safe(FILE *out, const char *text)
{
	char safe[TEXT_NAME_MAX];

	heal_safe(safe, sizeof(safe), text);
	(void)fputs(safe, out);
}

static void text_versions(FILE *out, const char *package, const char *before, const char *now,
			    const char *source)
{
	text_safe(out, package);
	(void)fputc(' ', out);
	if (before) {
		text_safe(out, before);
		(void)fputs(" -> ", out);
	}
	text_safe(out, now ? now : "(version unknown)");
	(void)fputs(" (source ", out);
	text_safe(out, source ? source : "unknown");
	(void)fputc(')', out);
}

/* Where nobody knows what was there before, when it came at least. */
static void text_time(FILE *out, int64_t seconds)
{
	time_t when = (time_t)seconds;
	char text[32];
	struct tm tm;

	if (localtime_r(&when, &tm) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm))
		(void)fprintf(out, ", installed %s", text);
}

/* How it stands with the process, in front of its addresses. */
static const char *text_state(const struct heal_listener *listener)
{
	if (listener->unit.absence == HEAL_ABSENCE_WAITING)
		return "systemd listens on ";
	return listener->process.pid ? ", listens on " : "down, listened on ";
}

static void text_subject(FILE *out, const struct heal_listener *listener)
{
	const struct heal_process *process = &listener->process;

	if (listener->unit.id && heal_listener_has_unit(listener))
		text_safe(out, listener->unit.id);
	else
		text_safe(out, listener->process.exe);
	(void)fputs(" (", out);
	if (process->pid)
		(void)fprintf(out, "pid %d", (int)process->pid);
	else if (process->n_addresses == 0)
		(void)fputs("down", out);
	for (size_t i = 0; i < process->n_addresses; i++)
		(void)fprintf(out, "%s%s", i ? " " : text_state(listener), process->addresses[i]);
	if (listener->process.sessions > 0)
		(void)fprintf(out, ", %d session%s", listener->process.sessions,
			      listener->process.sessions == 1 ? "" : "s");
	(void)fputc(')', out);
}

static void text_foreign(FILE *out, const struct heal_listener *listener)
{
	char words[TEXT_NAME_MAX];

	heal_foreign_words(listener, words, sizeof(words));
	(void)fprintf(out, "left alone, %s", words);
}

/* What was done, or what would be, or what to type. */
static void text_outcome(FILE *out, const struct heal_listener *listener)
{
	static const char *const done[] = {
		[HEAL_PLAN_RELOAD] = "reloaded",
		[HEAL_PLAN_RESTART] = "restarted",
		[HEAL_PLAN_HUP] = "sent SIGHUP",
		[HEAL_PLAN_START] = "started",
	};
	static const char *const would[] = {
		[HEAL_PLAN_RELOAD] = "would be reloaded",
		[HEAL_PLAN_RESTART] = "would be restarted",
		[HEAL_PLAN_HUP] = "would get SIGHUP",
		[HEAL_PLAN_START] = "would be started",
	};

	if (listener->process.foreign != HEAL_OURS)
		text_foreign(out, listener);
	if (listener->result.in_vain != HEAL_PLAN_NONE)
		(void)fprintf(out, "%s, which did not help; ", done[listener->result.in_vain]);
	switch (listener->result.outcome) {
	case HEAL_OUTCOME_NOT_NEEDED:
		break;
	case HEAL_OUTCOME_DRY_RUN:
		(void)fprintf(out, "%s: %s", would[listener->result.plan], listener->result.reason);
		break;
	case HEAL_OUTCOME_HEALED:
		(void)fprintf(out, "healed: %s, no deleted file left, a new client %s",
			      done[listener->result.plan],
			      heal_fate_is_in(listener->result.proved) ? heal_fate_text(listener->result.proved)
							     : "could not be tried");
		if (listener->result.refused_ms >= 0)
			(void)fprintf(out, "; clients were refused for %.1f ms", listener->result.refused_ms);
		if (*listener->result.detail)
			(void)fprintf(out, "; but %s", listener->result.detail);
		break;
	case HEAL_OUTCOME_WARNED:
		(void)fprintf(out, "left alone: %s", listener->result.reason);
		if (*listener->result.detail)
			(void)fprintf(out, "; to %s: %s",
				      listener->evidence.pending.is_config || listener->evidence.pending.is_key
					      ? "apply that, and heal it"
					      : "heal it by hand",
				      listener->result.detail);
		break;
	case HEAL_OUTCOME_FAILED:
		(void)fprintf(out, "%s: %s",
			      listener->result.verdict == HEAL_VERDICT_UNKNOWN ? "it is NOT known whether it is healed"
									: "NOT healed",
			      listener->result.detail);
		break;
	}
}

/* What clients meet, now and with the files on disk, where that is bad news. */
static void text_tried(FILE *out, const struct heal_listener *listener)
{
	const struct heal_hello *live = &listener->evidence.live;

	if (live->fate > HEAL_FATE_OK)
		(void)fprintf(out, "  %sa new client %s%s%s\n",
			      listener->result.verdict == HEAL_VERDICT_REFUSING ? "CRITICAL: " : "",
			      heal_fate_text(live->fate), *live->detail ? ": " : "", live->detail);
	else if (live->fate == HEAL_FATE_UNKNOWN && *live->detail)
		(void)fprintf(out, "  a client could not be tried: %s\n", live->detail);
	if (*listener->evidence.trial.detail)
		(void)fprintf(out, "  %s\n", listener->evidence.trial.detail);
	if (listener->evidence.is_doomed)
		(void)fprintf(out, "  %s\n", listener->evidence.start);
	if (*listener->evidence.pending.detail)
		(void)fprintf(out, "  %s\n", listener->evidence.pending.detail);
}

static void text_stale(FILE *out, const struct heal_listener *listener)
{
	text_subject(out, listener);
	(void)fputs(" runs files that were replaced or deleted\n", out);
	for (size_t i = 0; i < listener->evidence.n_stale; i++) {
		const struct heal_stale_file *file = &listener->evidence.stale[i];

		(void)fputs("  ", out);
		text_safe(out, file->path);
		(void)fputs(": ", out);
		if (file->package)
			text_versions(out, file->package, file->version_before, file->version_now,
					file->source);
		else
			(void)fputs("owner unknown", out);
		if (!file->version_before && file->install_time)
			text_time(out, file->install_time);
		(void)fputc('\n', out);
	}
	text_tried(out, listener);
	(void)fputs("  ", out);
	text_outcome(out, listener);
	(void)fputc('\n', out);
}

/* Whether it is about a unit that nothing runs for, or nothing ran for. */
static bool text_is_absent(const struct heal_listener *listener)
{
	return !listener->evidence.n_stale && listener->unit.absence != HEAL_ABSENCE_WAITING &&
	       (listener->unit.absence != HEAL_ABSENCE_NONE || listener->result.plan == HEAL_PLAN_START);
}

static void text_absent(FILE *out, const struct heal_listener *listener)
{
	static const char *const states[] = {
		[HEAL_ABSENCE_NONE] = "runs again",
		[HEAL_ABSENCE_STOPPED] = "is enabled and stopped, and nothing listens",
		[HEAL_ABSENCE_FAILED] = "CRITICAL: it is enabled and has failed, and nothing listens",
		[HEAL_ABSENCE_ENDED] = "CRITICAL: an action of sshd-heal has ended it, and nothing listens",
		[HEAL_ABSENCE_RESCUED] = ("does not run, and " HEAL_RESCUE_UNIT " serves in its place"),
	};

	text_subject(out, listener);
	(void)fprintf(out, ": %s\n", states[listener->unit.absence]);
	text_tried(out, listener);
	(void)fputs("  ", out);
	text_outcome(out, listener);
	(void)fputc('\n', out);
}

/* What is wrong with one that runs the files on disk. */
static const char *text_trouble_of(const struct heal_listener *listener)
{
	static const char *const troubles[] = {
		[HEAL_VERDICT_UNKNOWN] = "it is not known whether clients get in, now and after a restart",
		[HEAL_VERDICT_AT_RISK] = "AT RISK: clients get in, but would not after a restart",
		[HEAL_VERDICT_REFUSING] = "it refuses clients",
	};

	if (listener->result.verdict == HEAL_VERDICT_UNKNOWN && heal_fate_is_in(listener->evidence.live.fate))
		return "clients get in; it is not known whether they would after a restart";
	return listener->result.outcome == HEAL_OUTCOME_HEALED ? "it refused clients"
							       : troubles[listener->result.verdict];
}

/* What it runs; nothing yet, where systemd listens for it. */
static const char *text_runs(const struct heal_listener *listener)
{
	return listener->unit.absence == HEAL_ABSENCE_WAITING ? "is started for a client"
							      : "runs the files on disk";
}

static void text_trouble(FILE *out, const struct heal_listener *listener)
{
	(void)fprintf(out, ": %s; %s\n", text_runs(listener), text_trouble_of(listener));
	text_tried(out, listener);
	if (listener->result.outcome == HEAL_OUTCOME_NOT_NEEDED)
		return;
	(void)fputs("  ", out);
	text_outcome(out, listener);
	(void)fputc('\n', out);
}

/* What is known of clients of one that is well. */
static void text_seen(FILE *out, const struct heal_listener *listener)
{
	const struct heal_trial *trial = &listener->evidence.trial;

	if (trial->result == HEAL_TRIAL_OK && trial->wrapped == HEAL_WRAPPED_OURS)
		(void)fprintf(out, "; TCP wrappers turn away clients of this host, and %s%s",
			      *trial->let_in ? "let in one from " : "it was not tried whom they let in by name",
			      trial->let_in);
	else if (trial->result == HEAL_TRIAL_OK && heal_fate_is_in(listener->evidence.live.fate))
		(void)fprintf(out, "; a new client gets up to the login%s",
			      *listener->evidence.start ? "" : ", and would after a restart");
}

/* For who is not root. */
static void text_guessed(FILE *out, const struct heal_listener *listener)
{
	const struct heal_hello *live = &listener->evidence.live;

	(void)fputs("sshd", out);
	for (size_t i = 0; i < listener->process.n_addresses; i++)
		(void)fprintf(out, " %s", listener->process.addresses[i]);
	if (live->fate == HEAL_FATE_UNKNOWN)
		(void)fprintf(out, ": a new client could not be tried%s%s", *live->detail ? ": " : "", live->detail);
	else
		(void)fprintf(out, ": a new client %s%s%s", heal_fate_text(live->fate), *live->detail ? ": " : "", live->detail);
	(void)fputs("; to look into it takes root\n", out);
}

static void text_listener(FILE *out, const struct heal_listener *listener)
{
	enum heal_verdict verdict = listener->result.verdict;

	if (listener->is_guessed) {
		text_guessed(out, listener);
		return;
	}
	if (text_is_absent(listener)) {
		text_absent(out, listener);
		return;
	}
	if (listener->evidence.n_stale) {
		text_stale(out, listener);
		return;
	}
	text_subject(out, listener);
	if (verdict == HEAL_VERDICT_UNKNOWN && listener->evidence.trial.result == HEAL_TRIAL_NONE) {
		(void)fputs(": could not be examined\n", out);
	} else if (listener->process.foreign != HEAL_OURS) {
		(void)fputs(": ", out);
		text_foreign(out, listener);
		(void)fputc('\n', out);
	} else if (verdict == HEAL_VERDICT_HEALTHY) {
		(void)fprintf(out, ": healthy, %s", text_runs(listener));
		text_seen(out, listener);
		(void)fputc('\n', out);
	} else {
		text_trouble(out, listener);
	}
	if (verdict == HEAL_VERDICT_HEALTHY && *listener->evidence.start)
		(void)fprintf(out, "  whether its unit would start again is not known: %s\n",
			      listener->evidence.start);
	if (verdict == HEAL_VERDICT_HEALTHY && *listener->evidence.pending.detail)
		(void)fprintf(out, "  %s\n", listener->evidence.pending.detail);
}

bool heal_listener_is_news(const struct heal_listener *listener)
{
	enum heal_verdict verdict = listener->result.verdict;

	return listener->process.foreign == HEAL_OURS &&
	       (listener->evidence.n_stale || verdict == HEAL_VERDICT_REFUSING || text_is_absent(listener) ||
		verdict == HEAL_VERDICT_AT_RISK || listener->result.outcome == HEAL_OUTCOME_HEALED);
}

/* Whether a hook has anything to say. */
static bool text_is_news(const struct heal_report *report)
{
	for (size_t i = 0; i < report->listeners.count; i++)
		if (heal_listener_is_news(&report->listeners.items[i]))
			return true;
	return report->listeners.unreadable > 0;
}

/* How many foreign ones there are beside those that are listed. */
static void text_unlisted(FILE *out, const struct heal_listeners *listeners)
{
	size_t listed = 0;

	for (size_t i = 0; i < listeners->count; i++)
		listed += !heal_process_is_roots(&listeners->items[i].process);
	if (listeners->n_foreign > listed)
		(void)fprintf(out, "sshd-heal: and %zu more that are not this host's own\n",
			      listeners->n_foreign - listed);
}

int heal_report_text(FILE *out, const struct heal_report *report, enum heal_verb verb)
{
	bool is_news = text_is_news(report);

	for (size_t i = 0; (is_news || verb != HEAL_HOOK) && i < report->notes.count; i++)
		(void)fprintf(out, "sshd-heal: %s\n", report->notes.lines[i]);
	for (size_t i = 0; i < report->listeners.count; i++) {
		const struct heal_listener *listener = &report->listeners.items[i];

		if (verb == HEAL_HOOK && !heal_listener_is_news(listener))
			continue;
		(void)fputs("sshd-heal: ", out);
		text_listener(out, listener);
		if (verb == HEAL_DIAGNOSE)
			heal_causes_text(out, listener);
		else
			heal_causes_advice(out, listener);
	}
	if (verb != HEAL_HOOK)
		text_unlisted(out, &report->listeners);
	if (verb != HEAL_HOOK && report->listeners.count == 0 && !report->listeners.unreadable)
		(void)fputs("sshd-heal: no sshd is running, nothing to heal\n", out);
	return fflush(out) == 0 && !ferror(out) ? 0 : -EIO;
}

int heal_report_string(const struct heal_report *report, enum heal_verb verb, char **ret,
		       size_t *ret_len)
{
	FILE *out = open_memstream(ret, ret_len);
	int r;

	if (!out)
		return -ENOMEM;
	r = heal_report_text(out, report, verb);
	if (fclose(out) != 0 && r == 0)
		r = -ENOMEM;
	return r;
}

/* Whether the same package stands with an earlier file of the list. */
static bool text_is_repeated(const struct heal_listener *listener, size_t index)
{
	const char *package = listener->evidence.stale[index].package;

	for (size_t i = 0; package && i < index; i++)
		if (listener->evidence.stale[i].package && strcmp(listener->evidence.stale[i].package, package) == 0)
			return true;
	return false;
}

int heal_report_log(FILE *out, const struct heal_listener *listener)
{
	text_subject(out, listener);
	if (text_is_absent(listener))
		(void)fputs(" was down", out);
	else if (listener->evidence.n_stale)
		(void)fputs(" ran deleted files of ", out);
	else
		(void)fprintf(out, ": %s", text_trouble_of(listener));
	for (size_t i = 0; i < listener->evidence.n_stale; i++) {
		const struct heal_stale_file *file = &listener->evidence.stale[i];

		if (text_is_repeated(listener, i))
			continue;
		if (i)
			(void)fputs(", ", out);
		if (file->package)
			text_versions(out, file->package, file->version_before, file->version_now,
					file->source);
		else
			text_safe(out, file->path);
	}
	(void)fputs("; ", out);
	if (*listener->evidence.trial.detail)
		(void)fprintf(out, "%s; ", listener->evidence.trial.detail);
	if (*listener->evidence.pending.detail)
		(void)fprintf(out, "%s; ", listener->evidence.pending.detail);
	text_outcome(out, listener);
	switch (listener->result.outcome) {
	case HEAL_OUTCOME_FAILED:
		return LOG_CRIT;
	case HEAL_OUTCOME_WARNED:
		return listener->result.verdict >= HEAL_VERDICT_DOWN ? LOG_CRIT : LOG_WARNING;
	default:
		return LOG_NOTICE;
	}
}
