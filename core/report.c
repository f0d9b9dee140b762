/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of the way's structs and enums, and their end. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "report.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

const char *heal_verdict_text(enum heal_verdict verdict)
{
	static const char *const texts[] = {
		[HEAL_VERDICT_HEALTHY] = "healthy",   [HEAL_VERDICT_FOREIGN] = "foreign",
		[HEAL_VERDICT_AT_RISK] = "at-risk",   [HEAL_VERDICT_STALE] = "stale",
		[HEAL_VERDICT_UNKNOWN] = "unknown",   [HEAL_VERDICT_DOWN] = "down",
		[HEAL_VERDICT_REFUSING] = "refusing",
	};

	return texts[verdict];
}

bool heal_fate_is_in(enum heal_fate fate)
{
	return fate == HEAL_FATE_OK || fate == HEAL_FATE_ANSWERED;
}

bool heal_fate_is_refusal(enum heal_fate fate)
{
	return fate == HEAL_FATE_REFUSED || fate == HEAL_FATE_RESET || fate == HEAL_FATE_EOF ||
	       fate == HEAL_FATE_FAILED || fate == HEAL_FATE_FULL;
}

const char *heal_fate_text(enum heal_fate fate)
{
	static const char *const texts[] = {
		[HEAL_FATE_UNKNOWN] = "was not tried",
		[HEAL_FATE_ANSWERED] = "gets a key exchange offer, of which ours knows no algorithm",
		[HEAL_FATE_OK] = "gets up to the login",
		[HEAL_FATE_REFUSED] = "gets connection refused",
		[HEAL_FATE_RESET] = "gets connection reset by peer",
		[HEAL_FATE_EOF] = "gets connection closed by remote host, before the banner",
		[HEAL_FATE_PENALTY] = "is turned away for its address",
		[HEAL_FATE_FULL] = "is turned away: MaxStartups is used up",
		[HEAL_FATE_TIMEOUT] = "could not be tried in time",
		[HEAL_FATE_FAILED] = "does not get through the key exchange",
	};

	return texts[fate];
}

bool heal_listener_has_unit(const struct heal_listener *listener)
{
	return listener->unit.is_service && listener->unit.main_pid == listener->process.pid;
}

bool heal_listener_is_socket_activated(const struct heal_listener *listener)
{
	return listener->process.sockets == HEAL_SOCKETS_UNKNOWN
		       ? listener->unit.is_socket_activated
		       : listener->process.sockets == HEAL_SOCKETS_INHERITED;
}

bool heal_process_is_roots(const struct heal_process *process)
{
	return process->foreign != HEAL_FOREIGN_USER && process->foreign != HEAL_FOREIGN_NAMESPACE;
}

void heal_foreign_words(const struct heal_listener *listener, char *ret, size_t size)
{
	static const char *const words[] = {
		[HEAL_OURS] = "",
		[HEAL_FOREIGN_USER] = "not run by root",
		[HEAL_FOREIGN_NAMESPACE] = "in a container or chroot",
		[HEAL_FOREIGN_PATH] = "not a known sshd path, and not the file of its unit",
		[HEAL_FOREIGN_WRITABLE] = "not only root can change ",
	};
	enum heal_foreign foreign = listener->process.foreign;

	ret[0] = '\0';
	if (listener->result.verdict == HEAL_VERDICT_UNKNOWN) {
		heal_append(ret, size, "whose it is could not be found out");
		return;
	}
	heal_append(ret, size, "%s", words[foreign]);
	if (foreign == HEAL_FOREIGN_PATH)
		heal_append(ret, size, "; SshdPath=%s in sshd-heal.conf would make it one",
			    listener->process.exe);
	if (foreign == HEAL_FOREIGN_WRITABLE)
		heal_append(ret, size, "%s, or put another file in its place", listener->process.exe);
}

void heal_process_done(struct heal_process *process)
{
	for (size_t i = 0; i < process->n_addresses; i++)
		free(process->addresses[i]);
	free(process->addresses);
	free(process->exe);
	heal_closep(&process->dirfd);
	*process = (struct heal_process){.dirfd = -1};
}

void heal_evidence_clear_stale(struct heal_evidence *evidence)
{
	for (size_t i = 0; i < evidence->n_stale; i++) {
		struct heal_stale_file *file = &evidence->stale[i];

		free(file->path);
		free(file->package);
		free(file->source);
		free(file->version_before);
		free(file->version_now);
	}
	free(evidence->stale);
	evidence->stale = NULL;
	evidence->n_stale = 0;
}

void heal_counted_free(struct heal_counted *counted, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(counted[i].path);
		free(counted[i].package);
		free(counted[i].version);
		free(counted[i].mark);
		free(counted[i].now);
	}
	free(counted);
}

void heal_listener_done(struct heal_listener *listener)
{
	heal_process_done(&listener->process);
	heal_evidence_clear_stale(&listener->evidence);
	heal_words_done(&listener->evidence.trial.mapped);
	heal_counted_free(listener->evidence.counted, listener->evidence.n_counted);
	free(listener->unit.id);
	*listener = (struct heal_listener){.process.dirfd = -1};
}

void heal_listeners_done(struct heal_listeners *listeners)
{
	for (size_t i = 0; i < listeners->count; i++)
		heal_listener_done(&listeners->items[i]);
	free(listeners->items);
	*listeners = (struct heal_listeners){0};
}

void heal_report_done(struct heal_report *report)
{
	heal_listeners_done(&report->listeners);
	heal_notes_done(&report->notes);
	*report = (struct heal_report){0};
}

bool heal_listeners_have(const struct heal_listeners *listeners, enum heal_outcome outcome)
{
	for (size_t i = 0; i < listeners->count; i++)
		if (listeners->items[i].result.outcome == outcome)
			return true;
	return false;
}

/* As monitoring plugins have it; what a failed action has made of it counts, not how it was found. */
static int report_status_of(const struct heal_result *result)
{
	static const int statuses[] = {
		[HEAL_VERDICT_HEALTHY] = 0, [HEAL_VERDICT_FOREIGN] = 0, [HEAL_VERDICT_AT_RISK] = 1,
		[HEAL_VERDICT_STALE] = 1,   [HEAL_VERDICT_UNKNOWN] = 3, [HEAL_VERDICT_DOWN] = 2,
		[HEAL_VERDICT_REFUSING] = 2,
	};

	if (result->outcome == HEAL_OUTCOME_HEALED)
		return 0;
	if (result->outcome == HEAL_OUTCOME_FAILED && result->verdict != HEAL_VERDICT_UNKNOWN)
		return 2;
	return statuses[result->verdict];
}

int heal_report_status(const struct heal_report *report)
{
	static const int status_of_cause[] = {
		[HEAL_CAUSE_OK] = 0, [HEAL_CAUSE_UNKNOWN] = 3, [HEAL_CAUSE_LIKELY] = 1, [HEAL_CAUSE_SHOWN] = 2};
	enum heal_cause_result worst = HEAL_CAUSE_OK;
	bool has[4] = {[3] = report->listeners.unreadable > 0};

	for (size_t i = 0; i < report->listeners.count; i++)
		has[report_status_of(&report->listeners.items[i].result)] = true;
	/* What keeps one client out of a host that is well. */
	for (size_t i = 0; !has[1] && !has[2] && !has[3] && i < report->listeners.count; i++)
		for (size_t n = 0; n < report->listeners.items[i].n_causes; n++)
			worst = report->listeners.items[i].causes[n].result > worst
					? report->listeners.items[i].causes[n].result
					: worst;
	has[status_of_cause[worst]] = true;
	/* Worst first: what could not be found out may be worse than stale. */
	if (has[2])
		return 2;
	if (has[3])
		return 3;
	return has[1] ? 1 : 0;
}

void heal_detail(struct heal_result *result, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	heal_vsafe(result->detail, sizeof(result->detail), fmt, args);
	va_end(args);
}
