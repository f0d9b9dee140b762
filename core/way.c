/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The whole way, from top to bottom. What is not needed is not done. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "heal.h"

#include "act/act.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "causes/causes.h"
#include "host/config-load.h"
#include "host/config.h"
#include "host/context.h"
#include "host/proc.h"
#include "host/state.h"
#include "host/transaction.h"
#include "judge/facts.h"
#include "judge/verdict.h"
#include "look/absent.h"
#include "look/addresses.h"
#include "look/holder.h"
#include "look/left.h"
#include "look/listener.h"
#include "look/maps.h"
#include "look/owner.h"
#include "look/proof.h"
#include "look/session.h"
#include "look/unit.h"
#include "look/whose.h"
#include "report.h"
#include "try/live.h"
#include "try/pending.h"
#include "try/trial.h"

#define WAY_RESERVE_MS 20000

/*
 * Looks at one listener's mappings. It may end, or not want to be read. Those of anybody
 * else's than root's cannot be read without waiting for whose they are.
 */
static void way_look_one(struct heal_context *ctx, struct heal_report *report,
			 struct heal_listener *listener)
{
	int r;

	if (!heal_process_is_roots(&listener->process))
		return;
	r = heal_listener_stale(ctx, &listener->process, &listener->evidence);
	if (r < 0 && heal_process_is_there(listener->process.dirfd)) {
		report->listeners.unreadable++;
		listener->result.verdict = HEAL_VERDICT_UNKNOWN;
		(void)heal_notes_add(&report->notes, "reading the mappings of sshd process %d: %s",
				     (int)listener->process.pid, strerror(-r));
	}
}

/* Of a listener that has ended since, nothing can be said. */
static void way_drop_ended(struct heal_listeners *listeners)
{
	size_t kept = 0;

	for (size_t i = 0; i < listeners->count; i++) {
		if (listeners->items[i].process.dirfd >= 0 && !heal_process_is_there(listeners->items[i].process.dirfd))
			heal_listener_done(&listeners->items[i]);
		else
			listeners->items[kept++] = listeners->items[i];
	}
	listeners->count = kept;
}

static int way_look(struct heal_context *ctx, struct heal_report *report, struct heal_error *error)
{
	int r;

	heal_listeners_done(&report->listeners);
	heal_notes_done(&report->notes);
	r = heal_listeners_find(ctx, &report->listeners, &report->notes, error);
	for (size_t i = 0; r == 0 && i < report->listeners.count; i++)
		way_look_one(ctx, report, &report->listeners.items[i]);
	if (r == 0)
		way_drop_ended(&report->listeners);
	return r;
}

static bool way_is_stale(const struct heal_report *report)
{
	for (size_t i = 0; i < report->listeners.count; i++)
		if (report->listeners.items[i].evidence.n_stale)
			return true;
	return false;
}

/* What a run needs once it has the lock: to try, to act, to prove it, perhaps to start sshd again. */
static int64_t way_lock_deadline(const struct heal_context *ctx)
{
	int64_t reserve = (int64_t)ctx->config.deadline_ms * 2 / 3;

	return ctx->deadline_ms - (reserve < WAY_RESERVE_MS ? reserve : WAY_RESERVE_MS);
}

/* Takes the lock for a run that may act, or keeps it from acting. */
static int way_lock(struct heal_context *ctx, struct heal_error *error)
{
	int lock = heal_state_lock(ctx, way_lock_deadline(ctx), error);

	/* A stale sshd is worth telling of even where nothing can be locked, and so done. */
	ctx->lock = HEAL_LOCK_HELD;
	if (lock < 0)
		ctx->lock = lock == -EBUSY ? HEAL_LOCK_BUSY : HEAL_LOCK_NONE;
	return lock;
}

/* A hook has nobody to ask what a broken configuration meant: it only warns. */
static void way_configure(struct heal_context *ctx, struct heal_error *error)
{
	if (heal_config_load(ctx, NULL, error) < 0)
		ctx->config.mode = HEAL_MODE_WARN;
}

/* Whether an action of ours has ended a unit, and nobody is known to have started it again. */
static bool way_has_ended(struct heal_context *ctx)
{
	_cleanup_(heal_listeners_done) struct heal_listeners ended = {0};

	return heal_left_ended(ctx, &ended) < 0 || ended.count > 0;
}

/*
 * Whether a hook has to look at a listener in full, and try it: not while its last proof
 * holds, nor where systemd was asked, and it is foreign.
 */
static bool way_is_due(struct heal_context *ctx, const struct heal_last_proof *proof,
		       const struct heal_listener *listener)
{
	const struct heal_process *process = &listener->process;

	if (process->foreign != HEAL_OURS &&
	    (!heal_process_is_roots(process) || heal_proof_is_foreign(proof, process)))
		return false;
	return listener->evidence.n_stale || !heal_proof_holds(ctx, proof, process);
}

/* What there is to do for a hook. */
enum way_work {
	WAY_WORK_NONE,
	WAY_WORK_UNPROVEN, /* one is due, or those that were proven are gone */
	WAY_WORK_STALE,    /* one that is due is stale */
};

static enum way_work way_work_of(struct heal_context *ctx, const struct heal_listeners *listeners)
{
	_cleanup_(heal_proof_done) struct heal_last_proof proof = {0};
	bool is_any = false;
	bool was_any = false;
	bool is_due = false;

	/* None, or one that cannot be read, is none of any listener. */
	(void)heal_proof_load(ctx, &proof);
	for (size_t i = 0; i < listeners->count; i++) {
		if (way_is_due(ctx, &proof, &listeners->items[i])) {
			if (listeners->items[i].evidence.n_stale)
				return WAY_WORK_STALE;
			is_due = true;
		}
		/* What is not due, and not foreign, is one that was proven. */
		is_any |= heal_process_is_roots(&listeners->items[i].process) &&
			  !heal_proof_is_foreign(&proof, &listeners->items[i].process);
	}
	for (size_t i = 0; i < proof.count; i++)
		was_any |= proof.items[i].verdict != HEAL_VERDICT_FOREIGN;
	return is_due || (was_any && !is_any) || way_has_ended(ctx) ? WAY_WORK_UNPROVEN : WAY_WORK_NONE;
}

/*
 * Looks; should there be anything to do, then by the configuration, which says whose a
 * listener is. Gives what there is.
 */
static int way_look_twice(struct heal_context *ctx, struct heal_report *report, enum way_work *ret,
			  struct heal_error *config_error, struct heal_error *error)
{
	int r = way_look(ctx, report, error);

	*ret = r == 0 ? way_work_of(ctx, &report->listeners) : WAY_WORK_NONE;
	/* What is stale and foreign may have been named since. */
	if (r < 0 || ctx->is_configured || (*ret == WAY_WORK_NONE && !way_is_stale(report)))
		return r;
	way_configure(ctx, config_error);
	r = way_look(ctx, report, error);
	if (r == 0)
		*ret = way_work_of(ctx, &report->listeners);
	return r;
}

enum heal_look heal_look(struct heal_context *ctx)
{
	_cleanup_(heal_report_done) struct heal_report report = {0};
	struct heal_error error = {0};
	enum heal_look look = HEAL_LOOK_NEWS;
	enum way_work work = WAY_WORK_NONE;

	ctx->is_hook = true;
	/* debootstrap, image builders and the like may have no /proc: no sshd there, either. */
	if (ctx->proc_fd < 0)
		return HEAL_LOOK_QUIET;
	/* What cannot be looked at here, will be told by who looks with more time. */
	if (way_look_twice(ctx, &report, &work, &error, &error) < 0)
		return HEAL_LOOK_NEWS;
	if (report.listeners.unreadable || way_has_ended(ctx))
		return HEAL_LOOK_NEWS;
	if (work != WAY_WORK_STALE)
		return work == WAY_WORK_NONE ? HEAL_LOOK_QUIET : HEAL_LOOK_UNPROVEN;
	(void)heal_left_compare(ctx, &report.listeners, &look);
	return look;
}

bool heal_has_news(struct heal_context *ctx, const struct heal_report *report)
{
	_cleanup_(heal_report_done) struct heal_report now = {0};
	_cleanup_free_ char *left = NULL;
	_cleanup_free_ char *seen = NULL;
	struct heal_error error;
	enum way_work work = WAY_WORK_NONE;

	return ctx->proc_fd >= 0 && way_look_twice(ctx, &now, &work, &error, &error) == 0 &&
	       heal_left_describe(ctx, &report->listeners, &left) == 0 &&
	       heal_left_describe(ctx, &now.listeners, &seen) == 0 && *seen &&
	       strcmp(left, seen) != 0;
}

/* Where a listener of ours listens; one that ends meanwhile just shows nothing. */
static void way_find_addresses(struct heal_context *ctx, struct heal_report *report,
			       struct heal_listener *listener)
{
	int r = listener->process.foreign == HEAL_OURS ? heal_listener_addresses(ctx, &listener->process) : 0;

	if (r < 0 && r != -ENOENT && r != -ESRCH)
		(void)heal_notes_add(&report->notes,
				     "finding out where sshd process %d listens: %s",
				     (int)listener->process.pid, strerror(-r));
}

/* Notes what keeps the run from all that it is for. */
static int way_note_limits(const struct heal_context *ctx, struct heal_report *report,
			   const struct heal_error *lock_error, const struct heal_error *config_error)
{
	int r = 0;

	if (lock_error->code)
		r = heal_notes_add(&report->notes, "%s; only warning", lock_error->message);
	if (r == 0 && config_error->code)
		r = heal_notes_add(&report->notes, "%s; going on as if it said Mode=warn",
				   config_error->message);
	if (r == 0 && ctx->config.has_packages)
		r = heal_notes_add(&report->notes, "Packages= in sshd-heal.conf has no effect any more");
	return r;
}

/* Whose those are that no path tells of. What cannot be asked of systemd is unknown, and a line. */
static void way_claim(struct heal_context *ctx, struct heal_report *report)
{
	for (size_t i = 0; i < report->listeners.count; i++) {
		struct heal_listener *listener = &report->listeners.items[i];
		struct heal_error error = {0};

		if (listener->process.foreign != HEAL_FOREIGN_PATH ||
		    heal_whose_claim(ctx, listener, &error) == 0)
			continue;
		report->listeners.unreadable++;
		listener->result.verdict = HEAL_VERDICT_UNKNOWN;
		(void)heal_notes_add(&report->notes, "%s", error.message);
	}
}

/* What a report tells beyond the files: addresses, sessions, packages. */
static int way_describe(struct heal_context *ctx, struct heal_report *report,
			const struct heal_last_proof *proof)
{
	for (size_t i = 0; i < report->listeners.count; i++)
		way_find_addresses(ctx, report, &report->listeners.items[i]);
	if (heal_sessions_count(ctx, &report->listeners) < 0)
		(void)heal_notes_add(&report->notes, "the sessions could not be counted");
	return way_is_stale(report) ? heal_packages_name(ctx, report, proof) : 0;
}

static void way_note_ended(struct heal_report *report, struct heal_listener *listener)
{
	listener->result.verdict = HEAL_VERDICT_UNKNOWN;
	listener->result.reason = "it ended while it was looked at";
	report->listeners.unreadable++;
	(void)heal_notes_add(&report->notes,
			     "sshd process %d ended while it was looked at; what took its place was "
			     "not looked at",
			     (int)listener->process.pid);
}

/* What cannot be asked of systemd is a fact, too, and a line. */
static void way_find_unit(struct heal_context *ctx, struct heal_report *report,
			  struct heal_listener *listener)
{
	struct heal_error error = {0};

	if (heal_unit_find(ctx, listener, &error) < 0)
		(void)heal_notes_add(&report->notes, "%s", error.message);
}

/* What another run is at work on, would only be in its way. */
static void way_try(struct heal_context *ctx, struct heal_listener *listener)
{
	if (!ctx->is_live || ctx->lock == HEAL_LOCK_BUSY)
		return;
	heal_live_look(ctx, &listener->process, HEAL_FATE_UNKNOWN, &listener->evidence.live);
	heal_trial_run(ctx, listener);
	heal_live_excuse(&listener->evidence.trial, &listener->evidence.live);
}

/* Whether a unit that nothing runs for could be started: what is to be started, or advised. */
static void way_try_absent(struct heal_context *ctx, struct heal_listener *listener)
{
	struct heal_error error;

	/* What a socket unit would start, only its own start tells. */
	if (ctx->lock == HEAL_LOCK_BUSY || heal_context_client(ctx, &error) < 0 ||
	    strstr(listener->unit.id, ".socket"))
		return;
	heal_trial_again(ctx, listener);
	/* A client that has it fail counts against the socket unit's own limit. */
	if (listener->unit.absence != HEAL_ABSENCE_WAITING ||
	    listener->evidence.trial.result != HEAL_TRIAL_OK)
		return;
	heal_live_at(ctx, &listener->process, heal_live_address(&listener->process, 0),
		     HEAL_FATE_UNKNOWN, &listener->evidence.live);
	heal_live_excuse(&listener->evidence.trial, &listener->evidence.live);
}

/* What it has read, and what waits to be: of a recorded tree nobody knows when it was so. */
static void way_count(struct heal_context *ctx, struct heal_listener *listener)
{
	if (ctx->is_live && listener->process.foreign == HEAL_OURS)
		heal_pending_find(ctx, listener);
}

/* Why clients are turned away; a check asks that only where they are. */
static void way_explain(struct heal_context *ctx, enum heal_verb verb, struct heal_listener *listener)
{
	const struct heal_evidence *evidence = &listener->evidence;
	bool is_refused = heal_fate_is_refusal(evidence->live.fate) || evidence->trial.result == HEAL_TRIAL_FAILED ||
			  evidence->trial.wrapped == HEAL_WRAPPED_ALL;

	if (ctx->is_live && ctx->lock != HEAL_LOCK_BUSY &&
	    (verb == HEAL_DIAGNOSE || (is_refused && (verb == HEAL_CHECK || verb == HEAL_DRY_RUN))))
		heal_causes_find(ctx, listener, &ctx->question);
}

/* What clients meet with one that is ours, and would after a new start, in its unit's mounts. */
static void way_see(struct heal_context *ctx, enum heal_verb verb, struct heal_report *report,
		    struct heal_listener *listener)
{
	_cleanup_(heal_view_end) struct heal_view view = {0};
	int r = heal_view_begin(ctx, &listener->process, &view);

	way_find_unit(ctx, report, listener);
	if (r == 0) {
		way_try(ctx, listener);
		way_count(ctx, listener);
		heal_lost_find(ctx, listener);
		way_explain(ctx, verb, listener);
		return;
	}
	listener->evidence.trial.result = HEAL_TRIAL_SKIPPED;
	(void)snprintf(listener->evidence.trial.detail, sizeof(listener->evidence.trial.detail),
		       "looking at the mounts of sshd process %d: %s", (int)listener->process.pid,
		       strerror(-r));
}

static void way_judge(struct heal_context *ctx, struct heal_report *report,
		      struct heal_listener *listener)
{
	struct heal_result *result = &listener->result;

	if (result->verdict != HEAL_VERDICT_UNKNOWN)
		result->verdict = heal_verdict_of(heal_facts_of(&ctx->config, ctx->lock, listener));
	if (result->verdict != HEAL_VERDICT_FOREIGN && result->verdict > report->verdict)
		report->verdict = result->verdict;
}

static void way_of_one(struct heal_context *ctx, enum heal_verb verb, struct heal_report *report,
		       struct heal_listener *listener)
{
	/* Whoever restarted it meanwhile may have done our work, or not. */
	if (listener->process.dirfd >= 0 && !heal_process_is_there(listener->process.dirfd)) {
		way_note_ended(report, listener);
		return;
	}
	if (listener->unit.absence != HEAL_ABSENCE_NONE) {
		way_try_absent(ctx, listener);
		way_explain(ctx, verb, listener);
	} else if (listener->process.foreign == HEAL_OURS) {
		way_see(ctx, verb, report, listener);
		heal_foresee(ctx, listener);
	}
	way_judge(ctx, report, listener);
	if (verb == HEAL_CHECK || verb == HEAL_DRY_RUN || verb == HEAL_DIAGNOSE || !ctx->is_live)
		heal_plan_show(ctx, listener, verb == HEAL_DRY_RUN && ctx->is_live, &report->notes);
	else
		heal_act(ctx, listener, &report->notes);
}

static int way_count_sessions(const struct heal_report *report)
{
	int n = 0;

	for (size_t i = 0; i < report->listeners.count; i++)
		if (report->listeners.items[i].process.foreign == HEAL_OURS &&
		    report->listeners.items[i].process.sessions > 0)
			n += report->listeners.items[i].process.sessions;
	return n;
}

/*
 * Sessions must survive; a restart makes those of any listener orphans, so only
 * all of them together can be compared. One may have ended by itself.
 */
static void way_compare_sessions(struct heal_context *ctx, struct heal_report *report)
{
	int before = way_count_sessions(report);
	int now;

	if (heal_sessions_count(ctx, &report->listeners) < 0)
		return;
	now = way_count_sessions(report);
	if (now < before)
		(void)heal_notes_add(&report->notes, "%d ssh sessions were open before, %d are now",
				     before, now);
}

static bool way_has_acted(const struct heal_report *report)
{
	return heal_listeners_have(&report->listeners, HEAL_OUTCOME_HEALED) ||
	       heal_listeners_have(&report->listeners, HEAL_OUTCOME_FAILED);
}

static void way_leave_failed(const struct heal_report *report, struct heal_listener *now)
{
	now->result.outcome = HEAL_OUTCOME_FAILED;
	for (size_t i = 0; i < report->listeners.count; i++) {
		const struct heal_listener *listener = &report->listeners.items[i];

		if (listener->process.pid == now->process.pid)
			memcpy(now->evidence.lost, listener->evidence.lost, sizeof(now->evidence.lost));
	}
}

/* Notes what is left: after a failure as it is now, which is another than what was acted on. */
static int way_leave(struct heal_context *ctx, const struct heal_report *report)
{
	_cleanup_(heal_report_done) struct heal_report now = {0};
	struct heal_error error;

	if (!heal_listeners_have(&report->listeners, HEAL_OUTCOME_FAILED) ||
	    way_look(ctx, &now, &error) < 0)
		return heal_left_write(ctx, &report->listeners, &report->listeners);
	way_claim(ctx, &now);
	for (size_t i = 0; i < now.listeners.count; i++)
		if (now.listeners.items[i].process.foreign == HEAL_OURS)
			way_leave_failed(report, &now.listeners.items[i]);
	return heal_left_write(ctx, &now.listeners, &report->listeners);
}

/* For the runs to come, where nothing can be kept from them. */
static void way_remember(struct heal_context *ctx, struct heal_report *report,
			 const struct heal_last_proof *before)
{
	struct heal_error error = {0};
	/* In the middle of a transaction the database may be ahead of the files, or behind. */
	int r = heal_transaction_is_on(ctx, false) ? 0
						   : heal_proof_take(ctx, &report->listeners, before, &error);

	if (r < 0)
		(void)heal_notes_add(&report->notes, "%s", error.message);
	r = way_leave(ctx, report);
	if (r < 0)
		(void)heal_notes_add(&report->notes,
				     "remembering what is left in /run/sshd-heal/left: %s",
				     strerror(-r));
}

/* What an action has cost one is looked for again, and may be had again: in full. */
static bool way_has_only_failed(struct heal_context *ctx, const struct heal_listener *listener)
{
	char lost[sizeof(listener->evidence.lost)];

	heal_left_lost(ctx, &listener->process, lost, sizeof(lost));
	return !*lost && heal_left_has_failed(ctx, &listener->process);
}

/* One that is fresh after an action that failed: whether a client gets in by now. */
static void way_try_failed(struct heal_context *ctx, struct heal_report *report,
			   struct heal_listener *listener)
{
	if (!ctx->is_live)
		return;
	way_find_addresses(ctx, report, listener);
	heal_live_look(ctx, &listener->process, HEAL_FATE_UNKNOWN, &listener->evidence.live);
	way_judge(ctx, report, listener);
	if (listener->result.verdict == HEAL_VERDICT_REFUSING)
		listener->result.outcome = HEAL_OUTCOME_FAILED;
}

/* What was found of one, as long as nothing that counts has changed. */
static void way_trust(struct heal_report *report, struct heal_listener *listener,
		      const struct heal_proven *proven)
{
	if (!proven)
		return;
	listener->result.verdict = proven->verdict;
	if (proven->verdict != HEAL_VERDICT_FOREIGN && proven->verdict > report->verdict)
		report->verdict = proven->verdict;
}

/* Goes on with all that were looked at. */
static void way_of_all(struct heal_context *ctx, enum heal_verb verb, struct heal_report *report,
		       const struct heal_last_proof *proof)
{
	for (size_t i = 0; i < report->listeners.count; i++) {
		struct heal_listener *listener = &report->listeners.items[i];

		/* What did not help is not done again for the asking of a hook. */
		if (verb == HEAL_HOOK && !listener->evidence.n_stale &&
		    listener->unit.absence == HEAL_ABSENCE_NONE &&
		    way_has_only_failed(ctx, listener))
			way_try_failed(ctx, report, listener);
		else if (verb != HEAL_HOOK || listener->unit.absence != HEAL_ABSENCE_NONE ||
			 way_is_due(ctx, proof, listener))
			way_of_one(ctx, verb, report, listener);
		else
			way_trust(report, listener, heal_proof_find(proof, &listener->process));
	}
}

int heal_run(struct heal_context *ctx, enum heal_verb verb, struct heal_report *ret,
	     struct heal_error *error)
{
	_cleanup_(heal_report_done) struct heal_report report = {0};
	_cleanup_(heal_proof_done) struct heal_last_proof proof = {0};
	_cleanup_close_ int lock = -1;
	struct heal_error config_error = {0};
	struct heal_error lock_error = {0};
	enum way_work work = WAY_WORK_NONE;
	bool has_work;
	bool acts = (verb == HEAL_HEAL || verb == HEAL_HOOK) && ctx->is_live && !ctx->is_chroot;
	int r;

	ctx->is_hook = verb == HEAL_HOOK;
	/* debootstrap, image builders and the like may have no /proc: no sshd there, either. */
	if (verb == HEAL_HOOK && ctx->proc_fd < 0)
		return 0;
	r = way_look_twice(ctx, &report, &work, &config_error, error);
	has_work = work != WAY_WORK_NONE || verb != HEAL_HOOK;
	if (r == 0 && acts && has_work) {
		lock = way_lock(ctx, &lock_error);
		/* Whoever had the lock may have healed it all. */
		r = way_look(ctx, &report, error);
	}
	if (r == 0)
		r = way_note_limits(ctx, &report, &lock_error, &config_error);
	/* None, or one that cannot be read, is none of any listener. */
	if (r == 0 && heal_proof_load(ctx, &proof) == -ENOMEM)
		r = -ENOMEM;
	if (r == 0 && has_work)
		way_claim(ctx, &report);
	if (r == 0 && has_work)
		r = way_describe(ctx, &report, &proof);
	if (r == 0 && ctx->is_live && has_work)
		heal_absent_find(ctx, &report.listeners, &report.notes);
	if (r < 0)
		return r == -ENOMEM ? heal_error_set(error, ENOMEM, "out of memory") : r;
	way_of_all(ctx, verb, &report, &proof);
	if (acts && way_has_acted(&report))
		way_compare_sessions(ctx, &report);
	if (report.listeners.unreadable && report.verdict < HEAL_VERDICT_UNKNOWN)
		report.verdict = HEAL_VERDICT_UNKNOWN;
	if (acts)
		way_remember(ctx, &report, &proof);
	*ret = report;
	report = (struct heal_report){0};
	return 0;
}
