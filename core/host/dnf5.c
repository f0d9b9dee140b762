/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The conversation with dnf 5's actions plugin, libdnf5-actions(8). */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "host/dnf5.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "host/context.h"
#include "host/module.h"
#include "report.h"

#define DNF5_ANSWER_MS 5000

static const char what[] = "asking dnf 5 for the packages of its transaction";

int heal_event_ask_dnf5(struct heal_context *ctx, int in, int out, struct heal_event *ret,
			struct heal_error *error)
{
	static const char request[] =
		"{\"op\":\"get\",\"domain\":\"trans_packages\",\"args\":"
		"{\"output\":[\"name\",\"arch\",\"evr\",\"direction\"]}}\n";
	_cleanup_(heal_event_done) struct heal_event event = {0};
	_cleanup_free_ char *reply = NULL;
	const struct event_ops *ops;
	const void *found = NULL;
	int64_t deadline = heal_now_ms() + heal_left_ms(ctx->deadline_ms, DNF5_ANSWER_MS);
	size_t len = 0;
	int r = heal_context_load(ctx, "event-dnf5", HEAL_EVENT_OPS_SYMBOL, &found, error);

	if (r < 0)
		return r;
	ops = found;
	/* Less than any pipe holds: it is written whole or not at all. */
	if (write(out, request, sizeof(request) - 1) != (ssize_t)sizeof(request) - 1)
		return heal_error_set(error, EPIPE, "%s: %s", what, strerror(EPIPE));
	r = heal_read_stream(in, deadline, true, &reply, &len);
	if (r == 0)
		r = ops->parse(reply ? reply : "", len, &event);
	if (r < 0)
		return heal_error_set(error, -r, "%s: %s", what, strerror(-r));
	*ret = event;
	event = (struct heal_event){0};
	return 0;
}
