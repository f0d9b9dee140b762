/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report as JSON, by json-c. Its schema is docs/report.schema.json. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "host/module.h"
#include "report.h"

#define JSON_TEXT_MAX 1024

/*
 * A tree that is being made. json-c ends the program over an object that could not be
 * allocated: so nothing is added to one, and one failure makes the whole a failure.
 */
struct json {
	bool has_failed;
};

/* Takes what was made; remembers when it could not be. */
static struct json_object *json_made(struct json *json, struct json_object *value)
{
	json->has_failed |= value == NULL;
	return value;
}

/* Adds a member, NULL being null; takes the value over. */
static void json_add(struct json *json, struct json_object *object, const char *key,
		     struct json_object *value)
{
	if (object && json_object_object_add(object, key, value) == 0)
		return;
	json->has_failed = true;
	json_object_put(value);
}

/* Likewise to a list. */
static void json_append(struct json *json, struct json_object *list, struct json_object *value)
{
	if (list && value && json_object_array_add(list, value) == 0)
		return;
	json->has_failed = true;
	json_object_put(value);
}

/* null where nothing is known, and never an unsafe byte. */
static struct json_object *json_text(struct json *json, const char *text)
{
	char safe[JSON_TEXT_MAX];

	if (!text)
		return NULL;
	heal_safe(safe, sizeof(safe), text);
	return json_made(json, json_object_new_string(safe));
}

static void json_add_text(struct json *json, struct json_object *object, const char *key,
			  const char *text)
{
	json_add(json, object, key, json_text(json, text));
}

static struct json_object *json_stale_files(struct json *json, const struct heal_listener *listener)
{
	struct json_object *list = json_made(json, json_object_new_array());

	for (size_t i = 0; i < listener->evidence.n_stale; i++) {
		const struct heal_stale_file *file = &listener->evidence.stale[i];
		struct json_object *object = json_made(json, json_object_new_object());

		json_add_text(json, object, "path", file->path);
		json_add_text(json, object, "package", file->package);
		json_add_text(json, object, "source", file->source);
		json_add_text(json, object, "version_before", file->version_before);
		json_add_text(json, object, "version_now", file->version_now);
		json_append(json, list, object);
	}
	return list;
}

static struct json_object *json_live(struct json *json, const struct heal_hello *live)
{
	static const char *const fates[] = {
		[HEAL_FATE_UNKNOWN] = "untried", [HEAL_FATE_ANSWERED] = "in",
		[HEAL_FATE_OK] = "in",           [HEAL_FATE_REFUSED] = "refused",
		[HEAL_FATE_RESET] = "reset",     [HEAL_FATE_EOF] = "closed",
		[HEAL_FATE_PENALTY] = "turned-away", [HEAL_FATE_TIMEOUT] = "timeout",
		[HEAL_FATE_FAILED] = "failed",   [HEAL_FATE_FULL] = "turned-away",
	};
	struct json_object *object = json_made(json, json_object_new_object());

	json_add_text(json, object, "fate", fates[live->fate]);
	json_add_text(json, object, "detail", *live->detail ? live->detail : NULL);
	return object;
}

static struct json_object *json_trial(struct json *json, const struct heal_trial *trial, bool is_key_pending)
{
	static const char *const results[] = {
		[HEAL_TRIAL_NONE] = "skipped",
		[HEAL_TRIAL_SKIPPED] = "skipped",
		[HEAL_TRIAL_OK] = "ok",
		[HEAL_TRIAL_FAILED] = "failed",
	};
	static const char *const host_keys[] = {
		[HEAL_HOST_KEY_UNKNOWN] = "unknown",
		[HEAL_HOST_KEY_SAME] = "same",
		[HEAL_HOST_KEY_CHANGED] = "changed",
	};
	struct json_object *object = json_made(json, json_object_new_object());

	json_add_text(json, object, "result", results[trial->result]);
	json_add_text(json, object, "kind",
		      trial->result == HEAL_TRIAL_NONE || trial->result == HEAL_TRIAL_SKIPPED ? NULL
		      : trial->kind == HEAL_TRIAL_PAIR                                        ? "pair"
											      : "rehearsal");
	json_add_text(json, object, "detail", *trial->detail ? trial->detail : NULL);
	json_add_text(json, object, "host_key",
		      host_keys[is_key_pending ? HEAL_HOST_KEY_CHANGED : trial->host_key]);
	return object;
}

static struct json_object *json_addresses(struct json *json, const struct heal_listener *listener)
{
	struct json_object *list = json_made(json, json_object_new_array());

	for (size_t i = 0; i < listener->process.n_addresses; i++)
		json_append(json, list, json_text(json, listener->process.addresses[i]));
	return list;
}

/* As the text has it, though the watch looks but once a millisecond. NULL when it is not known. */
static struct json_object *json_milliseconds(struct json *json, double ms)
{
	char text[32];

	if (ms < 0)
		return NULL;
	(void)snprintf(text, sizeof(text), "%.1f", ms);
	/* The number as it is written, so that it can be compared with what is read. */
	return json_made(json, json_object_new_double_s(strtod(text, NULL), text));
}

/* NULL when it is not known. */
static struct json_object *json_count(struct json *json, int n)
{
	return n < 0 ? NULL : json_made(json, json_object_new_int(n));
}

/* Of the plan, or what came of it. */
static const char *json_reason(const struct heal_listener *listener, char *buf, size_t size)
{
	if (listener->result.outcome == HEAL_OUTCOME_FAILED)
		return listener->result.detail;
	if (listener->process.foreign == HEAL_OURS)
		return listener->result.reason;
	heal_foreign_words(listener, buf, size);
	return buf;
}

static struct json_object *json_causes(struct json *json, const struct heal_listener *listener)
{
	static const char *const results[] = {
		[HEAL_CAUSE_OK] = "ok",
		[HEAL_CAUSE_UNKNOWN] = "unknown",
		[HEAL_CAUSE_LIKELY] = "problem",
		[HEAL_CAUSE_SHOWN] = "problem",
	};
	struct json_object *list = json_made(json, json_object_new_array());

	for (size_t i = 0; i < listener->n_causes; i++) {
		const struct heal_cause *cause = &listener->causes[i];
		struct json_object *object = json_made(json, json_object_new_object());

		json_add_text(json, object, "name", cause->name);
		json_add_text(json, object, "result", results[cause->result]);
		json_add_text(json, object, "shown",
			      cause->result < HEAL_CAUSE_LIKELY ? NULL
			      : cause->result == HEAL_CAUSE_SHOWN ? "shown" : "likely");
		json_add_text(json, object, "detail", cause->detail);
		json_add_text(json, object, "advice", *cause->advice ? cause->advice : NULL);
		json_append(json, list, object);
	}
	return list;
}

static struct json_object *json_listener(struct json *json, const struct heal_listener *listener)
{
	static const char *const plans[] = {
		[HEAL_PLAN_NONE] = "none",       [HEAL_PLAN_RELOAD] = "reload",
		[HEAL_PLAN_RESTART] = "restart", [HEAL_PLAN_WARN] = "warn",
		/* SIGHUP is how sshd reloads, be it sent by systemd or by us. */
		[HEAL_PLAN_HUP] = "reload",
		[HEAL_PLAN_START] = "start",
	};
	static const char *const outcomes[] = {
		[HEAL_OUTCOME_NOT_NEEDED] = "not-needed", [HEAL_OUTCOME_DRY_RUN] = "dry-run",
		[HEAL_OUTCOME_HEALED] = "healed",         [HEAL_OUTCOME_WARNED] = "warned",
		[HEAL_OUTCOME_FAILED] = "failed",
	};
	struct json_object *object = json_made(json, json_object_new_object());
	char foreign[JSON_TEXT_MAX];

	/* A unit that nothing runs for has none. */
	json_add(json, object, "pid", json_count(json, listener->process.pid ? listener->process.pid : -1));
	json_add_text(json, object, "unit", listener->unit.id);
	json_add_text(json, object, "exe", listener->process.exe);
	json_add(json, object, "addresses", json_addresses(json, listener));
	json_add(json, object, "sessions", json_count(json, listener->process.sessions));
	json_add_text(json, object, "verdict", heal_verdict_text(listener->result.verdict));
	json_add(json, object, "stale_files", json_stale_files(json, listener));
	json_add(json, object, "live", json_live(json, &listener->evidence.live));
	json_add(json, object, "trial",
		 json_trial(json, &listener->evidence.trial, listener->evidence.pending.is_key));
	json_add_text(json, object, "pending",
		      *listener->evidence.pending.detail ? listener->evidence.pending.detail : NULL);
	json_add(json, object, "causes", json_causes(json, listener));
	json_add_text(json, object, "plan", plans[listener->result.plan]);
	json_add_text(json, object, "reason", json_reason(listener, foreign, sizeof(foreign)));
	json_add_text(json, object, "outcome", outcomes[listener->result.outcome]);
	json_add(json, object, "refused_ms", json_milliseconds(json, listener->result.refused_ms));
	return object;
}

static size_t json_length(struct json_object *value);

/* With quotes, and a backslash before each quote and backslash; all else was made safe. */
static size_t json_length_of_text(const char *text)
{
	size_t len = 2;

	for (; *text; text++)
		len += strchr("\"\\", *text) ? 2 : 1;
	return len;
}

static size_t json_length_of_list(struct json_object *list)
{
	size_t n = json_object_array_length(list);
	size_t len = 2 + (n ? n - 1 : 0);

	for (size_t i = 0; i < n; i++)
		len += json_length(json_object_array_get_idx(list, i));
	return len;
}

/* How long the text of a value is, RFC 8259 without any blanks. */
static size_t json_length(struct json_object *value)
{
	size_t len = 1;

	switch (json_object_get_type(value)) {
	case json_type_object: {
		json_object_object_foreach(value, key, member)
			len += json_length_of_text(key) + json_length(member) + 2;
		/* As many commas as members but one; {} has none, and is not written here. */
		return len;
	}
	case json_type_array:
		return json_length_of_list(value);
	case json_type_string:
		return json_length_of_text(json_object_get_string(value));
	case json_type_int:
		return (size_t)snprintf(NULL, 0, "%d", json_object_get_int(value));
	case json_type_double:
		return (size_t)snprintf(NULL, 0, "%.1f", json_object_get_double(value));
	default:
		return strlen("null");
	}
}

/*
 * The text of a tree, which owns it; NULL when out of memory. json-c just leaves out what
 * it had no memory for: the length tells whether all of it is there. It cannot be read again
 * for that, for json-c's parser does not survive the same (0.16).
 */
static const char *json_text_of(struct json_object *object)
{
	const char *text = json_object_to_json_string_ext(
		object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	return text && strlen(text) == json_length(object) ? text : NULL;
}

static int json_write(FILE *out, const struct heal_report *report)
{
	struct json json = {0};
	struct json_object *object = json_made(&json, json_object_new_object());
	struct json_object *list = json_made(&json, json_object_new_array());
	const char *text = NULL;
	int r;

	json_add(&json, object, "version", json_count(&json, 1));
	json_add_text(&json, object, "verdict", heal_verdict_text(report->verdict));
	for (size_t i = 0; i < report->listeners.count; i++)
		json_append(&json, list, json_listener(&json, &report->listeners.items[i]));
	json_add(&json, object, "listeners", list);
	if (!json.has_failed)
		text = json_text_of(object);
	r = text ? fprintf(out, "%s\n", text) : -1;
	json_object_put(object);
	if (!text)
		return -ENOMEM;
	return r < 0 || fflush(out) != 0 ? -EIO : 0;
}

_export_ extern const struct report_ops heal_report_ops;
const struct report_ops heal_report_ops = {.build = heal_build, .write = json_write};
