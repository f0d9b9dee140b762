/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dnf 5's answers, read with json-c. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <json-c/json.h>
#include <limits.h>

#include "base/cleanup.h"
#include "host/module.h"
#include "report.h"

/* A member that is a string; NULL when it is not there or anything else. */
static const char *dnf5_text(struct json_object *object, const char *key)
{
	struct json_object *member = NULL;

	if (!json_object_object_get_ex(object, key, &member) ||
	    !json_object_is_type(member, json_type_string))
		return NULL;
	return json_object_get_string(member);
}

/* The packages that go (OUT) or come (IN). */
static int dnf5_add(struct json_object *packages, const char *direction, struct heal_event *event)
{
	bool comes = strcmp(direction, "IN") == 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_object_array_length(packages); i++) {
		struct json_object *package = json_object_array_get_idx(packages, i);
		const char *name = dnf5_text(package, "name");
		const char *arch = dnf5_text(package, "arch");
		const char *evr = dnf5_text(package, "evr");
		const char *towards = dnf5_text(package, "direction");

		if (!name || !arch || !evr || !towards)
			return -EPROTO;
		if (strcmp(towards, direction) == 0)
			r = heal_event_add(event, name, arch, comes ? NULL : evr,
					   comes ? evr : NULL);
	}
	return r;
}

static int dnf5_parse(const char *reply, size_t len, struct heal_event *event)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *root = NULL;
	struct json_object *answer = NULL;
	struct json_object *packages = NULL;
	int r = -EPROTO;

	if (!tokener)
		return -ENOMEM;
	if (len <= INT_MAX)
		root = json_tokener_parse_ex(tokener, reply, (int)len);
	/* What goes comes first, so that one change is made of the two. */
	if (json_object_object_get_ex(root, "return", &answer) &&
	    json_object_object_get_ex(answer, "trans_packages", &packages) &&
	    json_object_is_type(packages, json_type_array)) {
		r = dnf5_add(packages, "OUT", event);
		if (r == 0)
			r = dnf5_add(packages, "IN", event);
	}
	json_object_put(root);
	json_tokener_free(tokener);
	return r;
}

_export_ extern const struct event_ops heal_event_ops;
const struct event_ops heal_event_ops = {
	.parse = dnf5_parse,
};
