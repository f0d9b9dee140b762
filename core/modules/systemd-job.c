/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * systemd's jobs: asked for once, awaited, and where the answer is lost with the
 * connection, what the unit tells of it.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "systemd-bus.h"

struct job {
	const struct job_kind *kind;
	DBusMessage *request; /* sent as a copy, for a message can be sent but once */
	char what[192];     /* "reloading ssh.service" */
	char *unit_path;    /* the unit's object */
	char *path;         /* the job's object; NULL: systemd has not told it */
	uint64_t changed;   /* when the unit's state had changed last before it was asked for */
	int64_t deadline_ms;
};

static const struct job_kind {
	const char *method;
	const char *doing;
	const char *result; /* the service's property that tells how it went */
	const char *mode;   /* "fail" never pushes somebody else's queued job aside */
} job_kinds[] = {
	[HEAL_JOB_RELOAD] = {"ReloadUnit", "reloading", "ReloadResult", "fail"},
	[HEAL_JOB_TRY_RESTART] = {"TryRestartUnit", "restarting", "Result", "fail"},
	[HEAL_JOB_START] = {"StartUnit", "starting", "Result", "fail"},
	/* With "fail" nothing is stopped that only conflicts (252, 257). */
	[HEAL_JOB_TAKE_OVER] = {"StartUnit", "starting", "Result", "replace"},
};

static void job_done(struct job *job)
{
	free(job->unit_path);
	free(job->path);
	if (job->request)
		dbus_message_unref(job->request);
}

static int job_is_unknown(const struct job *job, const struct heal_error *why,
			  struct heal_error *error)
{
	return heal_error_set(error, ENOTCONN, "%s: systemd's answer was lost%s%s", job->what,
			      why && *why->message ? ": " : "",
			      why && *why->message ? why->message : "");
}

/* When the unit's state last changed, on CLOCK_MONOTONIC; systemd keeps it when it re-executes itself. */
static int job_last_change(struct systemd *systemd, const struct job *job, uint64_t *ret,
			   struct heal_error *error)
{
	return systemd_get_basic(systemd, job->unit_path, SYSTEMD_UNIT,
				 "StateChangeTimestampMonotonic", "t", ret, error);
}

/* The present job of a unit, by its object; "/" when it has none. */
static int job_of(struct systemd *systemd, const char *unit_path, char **ret, struct heal_error *error)
{
	_cleanup_message_ DBusMessage *reply = NULL;
	DBusMessageIter value;
	DBusMessageIter field;
	const char *path;
	char *copy;
	int r = systemd_get(systemd, unit_path, SYSTEMD_UNIT, "Job", "(uo)", &reply, &value, error);

	if (r < 0)
		return r;
	dbus_message_iter_recurse(&value, &field);
	(void)dbus_message_iter_next(&field);
	dbus_message_iter_get_basic(&field, &path);
	copy = strdup(path);
	if (!copy)
		return heal_error_set(error, ENOMEM, "asking systemd for a job: out of memory");
	*ret = copy;
	return 0;
}

int systemd_has_job(struct systemd *systemd, const char *unit_path, bool *ret, struct heal_error *error)
{
	_cleanup_free_ char *job = NULL;
	int r = job_of(systemd, unit_path, &job, error);

	if (r == 0)
		*ret = strcmp(job, "/") != 0;
	return r;
}

/* How a job ended whose result nobody heard: as its unit tells. */
static int job_settle(struct systemd *systemd, const struct job *job, struct heal_error *error)
{
	_cleanup_free_ char *state = NULL;
	_cleanup_free_ char *result = NULL;
	struct heal_error why = {0};
	uint64_t changed = 0;
	int r = systemd_get_string(systemd, job->unit_path, SYSTEMD_UNIT, "ActiveState", &state,
				   &why);

	if (r == 0)
		r = systemd_get_string(systemd, job->unit_path, SYSTEMD_SERVICE, job->kind->result,
				       &result, &why);
	if (r == 0)
		r = job_last_change(systemd, job, &changed, &why);
	if (r < 0 || !state || !result)
		return job_is_unknown(job, &why, error);
	if (changed == job->changed)
		return job_is_unknown(job, NULL, error);
	if (strcmp(state, "failed") == 0 || strcmp(state, "inactive") == 0)
		return heal_error_set(error, ECANCELED, "%s: the unit is %s", job->what, state);
	if (strcmp(result, "success") != 0)
		return heal_error_set(error, ECANCELED, "%s: it ended with %s", job->what, result);
	return strcmp(state, "active") == 0 ? 0 : job_is_unknown(job, NULL, error);
}

/* The result of a job among the signals that came; NULL when it is not there yet. */
static const char *job_find_result(const struct systemd *systemd, const char *job)
{
	for (size_t i = 0; i < systemd->n_signals; i++) {
		dbus_uint32_t id;
		const char *path;
		const char *unit;
		const char *result;

		if (dbus_message_get_args(systemd->signals[i], NULL, DBUS_TYPE_UINT32, &id,
					  DBUS_TYPE_OBJECT_PATH, &path, DBUS_TYPE_STRING, &unit,
					  DBUS_TYPE_STRING, &result, DBUS_TYPE_INVALID) &&
		    strcmp(path, job) == 0)
			return result;
	}
	return NULL;
}

static int job_has_result(const struct job *job, const char *result, struct heal_error *error)
{
	if (strcmp(result, "done") == 0)
		return 0;
	return heal_error_set(error, ECANCELED, "%s: systemd's job ended with %s", job->what,
			      result);
}

/*
 * Waits for the end of a job. Where no signal tells it, because the connection broke,
 * systemd is another on the bus now, or the bus is silent, the unit is asked.
 */
static int job_await(struct systemd *systemd, const struct job *job, struct heal_error *error)
{
	bool is_over = false;

	for (;;) {
		const char *result = job_find_result(systemd, job->path);
		_cleanup_free_ char *present = NULL;
		struct heal_error why = {0};
		int r;

		if (result)
			return job_has_result(job, result, error);
		if (is_over)
			return job_settle(systemd, job, error);
		r = systemd_listen(systemd, heal_now_ms() + heal_left_ms(job->deadline_ms,
									 systemd->setup->poll_ms));
		if (r == 0)
			continue;
		if (heal_left_ms(job->deadline_ms, 1) == 0)
			return heal_error_set(error, ETIMEDOUT, "%s: systemd's job is not over yet",
					      job->what);
		r = job_of(systemd, job->unit_path, &present, &why);
		if (r < 0)
			return job_is_unknown(job, &why, error);
		is_over = strcmp(present, job->path) != 0;
	}
}

/* Sends the request once. Gives 0 with the job's path. */
static int job_send(struct systemd *systemd, struct job *job, struct heal_error *error)
{
	_cleanup_message_ DBusMessage *reply = NULL;
	const char *path = NULL;
	struct heal_error why = {0};
	int64_t deadline_ms = job->deadline_ms;
	int r;

	/* A PID 1 that is busy answers later; a bus that is silent is to be left. */
	if (!systemd->is_private)
		deadline_ms = heal_now_ms() + heal_left_ms(deadline_ms, systemd->setup->call_ms);
	r = systemd_call(systemd, dbus_message_copy(job->request), deadline_ms, job->what, &reply, &why);
	if (r == 0 && systemd_reply_path(reply, job->what, &path, &why) == 0 && path)
		job->path = strdup(path);
	/* Out of memory it may have been sent. */
	if (r == -ENOMEM || (r == 0 && !job->path))
		return job_is_unknown(job, &why, error);
	if (r < 0)
		*error = why;
	return r;
}

/*
 * What came of a request that was sent and not answered. Gives 1 when nothing did, and
 * 0 with the job's path when it waits or runs, without when it is over.
 */
static int job_trace(struct systemd *systemd, struct job *job, struct heal_error *error)
{
	_cleanup_free_ char *present = NULL;
	struct heal_error why = {0};
	uint64_t changed = 0;
	int r = job_of(systemd, job->unit_path, &present, &why);

	if (r == 0)
		r = job_last_change(systemd, job, &changed, &why);
	if (r < 0)
		return job_is_unknown(job, &why, error);
	if (strcmp(present, "/") != 0)
		job->path = heal_take(present);
	return !job->path && changed == job->changed;
}

/*
 * Asks for the job. It is asked for again only where the connection broke and the unit
 * shows no trace of it: a restart that was asked for twice would be done twice.
 */
static int job_request(struct systemd *systemd, struct job *job, struct heal_error *error)
{
	for (;;) {
		int sent = job_send(systemd, job, error);
		int r;

		if (sent != -EPIPE && sent != -ETIMEDOUT)
			return sent;
		if (heal_left_ms(job->deadline_ms, 1) == 0)
			return sent == -EPIPE ? job_is_unknown(job, NULL, error) : sent;
		r = job_trace(systemd, job, error);
		if (r <= 0)
			return r;
		if (sent == -ETIMEDOUT)
			return job_is_unknown(job, NULL, error);
	}
}

static int job_run(struct systemd *systemd, enum heal_job which, const char *unit,
		   DBusMessage *request, int64_t deadline_ms, struct heal_error *error)
{
	_cleanup_(job_done) struct job job = {
		.kind = &job_kinds[which],
		.request = request,
		.deadline_ms = deadline_ms,
	};
	int r;

	(void)snprintf(job.what, sizeof(job.what), "%s %s", job.kind->doing, unit);
	if (!request)
		return heal_error_set(error, ENOMEM, "%s: out of memory", job.what);
	systemd_forget_signals(systemd);
	/* One that is not loaded can be started all the same. */
	r = systemd_unit_path(systemd, "LoadUnit", unit, &job.unit_path, error);
	if (r == 0)
		r = job_last_change(systemd, &job, &job.changed, error);
	/* Nothing is unknown, nor late: it was never asked for. */
	if (r == -ENOTCONN || r == -ETIMEDOUT)
		return -EIO;
	if (r == 0)
		r = job_request(systemd, &job, error);
	if (r < 0)
		return r;
	return job.path ? job_await(systemd, &job, error) : job_settle(systemd, &job, error);
}

int systemd_run_job(void *handle, enum heal_job which, const char *unit, int64_t deadline_ms,
		    struct heal_error *error)
{
	DBusMessage *request =
		systemd_request(SYSTEMD_PATH, SYSTEMD_MANAGER, job_kinds[which].method);

	request = systemd_append(request, DBUS_TYPE_STRING, &unit, DBUS_TYPE_STRING,
				 &job_kinds[which].mode, DBUS_TYPE_INVALID);
	return job_run(handle, which, unit, request, deadline_ms, error);
}

int systemd_run_request(struct systemd *systemd, const char *unit, DBusMessage *request,
			int64_t deadline_ms, struct heal_error *error)
{
	return job_run(systemd, HEAL_JOB_START, unit, request, deadline_ms, error);
}
