/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report as JSON, by json-c. Its schema is docs/report.schema.json. */
#include <json-c/json.h>

#include "../internal.h"

#define JSON_TEXT_MAX 1024

/* null where nothing is known, and never an unsafe byte. */
static struct json_object *json_text(const char *text)
{
	char safe[JSON_TEXT_MAX];

	if (!text)
		return NULL;
	heal_safe(safe, sizeof(safe), text);
	return json_object_new_string(safe);
}

static void json_add_text(struct json_object *object, const char *key, const char *text)
{
	(void)json_object_object_add(object, key, json_text(text));
}

static struct json_object *json_stale_files(const struct heal_listener *listener)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < listener->n_stale; i++) {
		const struct heal_stale_file *file = &listener->stale[i];
		struct json_object *object = json_object_new_object();

		json_add_text(object, "path", file->path);
		json_add_text(object, "package", file->package);
		json_add_text(object, "source", file->source);
		json_add_text(object, "version_before", file->version_before);
		json_add_text(object, "version_now", file->version_now);
		(void)json_object_array_add(list, object);
	}
	return list;
}

static struct json_object *json_trial(const struct heal_trial *trial)
{
	static const char *const results[] = {
		[HEAL_TRIAL_SKIPPED] = "skipped",
		[HEAL_TRIAL_OK] = "ok",
		[HEAL_TRIAL_FAILED] = "failed",
	};
	static const char *const host_keys[] = {
		[HEAL_HOST_KEY_UNKNOWN] = "unknown",
		[HEAL_HOST_KEY_SAME] = "same",
		[HEAL_HOST_KEY_CHANGED] = "changed",
	};
	struct json_object *object = json_object_new_object();

	json_add_text(object, "result", results[trial->result]);
	json_add_text(object, "detail", *trial->detail ? trial->detail : NULL);
	json_add_text(object, "host_key", host_keys[trial->host_key]);
	return object;
}

static struct json_object *json_addresses(const struct heal_listener *listener)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < listener->n_addresses; i++)
		(void)json_object_array_add(list, json_text(listener->addresses[i]));
	return list;
}

/* To a tenth: the watch looks four times a millisecond. */
static struct json_object *json_milliseconds(double ms)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%.1f", ms);
	return json_object_new_double_s(ms, text);
}

static struct json_object *json_listener(const struct heal_listener *listener)
{
	static const char *const plans[] = {
		[HEAL_PLAN_NONE] = "none",       [HEAL_PLAN_RELOAD] = "reload",
		[HEAL_PLAN_RESTART] = "restart", [HEAL_PLAN_WARN] = "warn",
		/* SIGHUP is how sshd reloads, be it sent by systemd or by us. */
		[HEAL_PLAN_HUP] = "reload",
	};
	static const char *const outcomes[] = {
		[HEAL_OUTCOME_NOT_NEEDED] = "not-needed", [HEAL_OUTCOME_DRY_RUN] = "dry-run",
		[HEAL_OUTCOME_HEALED] = "healed",         [HEAL_OUTCOME_WARNED] = "warned",
		[HEAL_OUTCOME_FAILED] = "failed",
	};
	struct json_object *object = json_object_new_object();

	(void)json_object_object_add(object, "pid", json_object_new_int(listener->pid));
	json_add_text(object, "unit", listener->unit.id);
	json_add_text(object, "exe", listener->exe);
	(void)json_object_object_add(object, "addresses", json_addresses(listener));
	(void)json_object_object_add(object, "sessions",
				     listener->sessions < 0 ? NULL
							    : json_object_new_int(listener->sessions));
	json_add_text(object, "verdict", heal_verdict_text(listener->verdict));
	(void)json_object_object_add(object, "stale_files", json_stale_files(listener));
	(void)json_object_object_add(object, "trial", json_trial(&listener->trial));
	json_add_text(object, "plan", plans[listener->plan]);
	json_add_text(object, "reason",
		      listener->outcome == HEAL_OUTCOME_FAILED ? listener->detail : listener->reason);
	json_add_text(object, "outcome", outcomes[listener->outcome]);
	(void)json_object_object_add(object, "refused_ms",
				     listener->refused_ms < 0
					     ? NULL
					     : json_milliseconds(listener->refused_ms));
	return object;
}

static int json_write(FILE *out, const struct heal_report *report)
{
	struct json_object *object = json_object_new_object();
	struct json_object *list = json_object_new_array();
	const char *text;
	int r;

	if (!object || !list) {
		json_object_put(object);
		json_object_put(list);
		return -ENOMEM;
	}
	(void)json_object_object_add(object, "version", json_object_new_int(1));
	json_add_text(object, "verdict", heal_verdict_text(report->verdict));
	for (size_t i = 0; i < report->listeners.count; i++)
		(void)json_object_array_add(list, json_listener(&report->listeners.items[i]));
	(void)json_object_object_add(object, "listeners", list);
	text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
							      JSON_C_TO_STRING_NOSLASHESCAPE);
	r = text ? fprintf(out, "%s\n", text) : -1;
	json_object_put(object);
	return r < 0 || fflush(out) != 0 ? -EIO : 0;
}

_export_ extern const struct report_ops heal_report_ops;
const struct report_ops heal_report_ops = {.write = json_write};
