/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last report, and what was told last, /run/sshd-heal/told. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tell/last.h"

#include "base/cleanup.h"
#include "host/context.h"
#include "host/request.h"
#include "host/state.h"
#include "report.h"
#include "tell/text.h"

static const char told_file[] = "told";

#define TOLD_MAX (256u << 10)
#define TOLD_S INT64_C(86400)

int heal_last_write(struct heal_context *ctx, const struct heal_report *report)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = heal_report_string(report, HEAL_HEAL, &text, &len);

	return r < 0 ? r : heal_state_write(ctx, "report.txt", 0644, text, len);
}

/* When exactly these words were told, seconds since 1970; 0: not within a day. */
static time_t told_when(struct heal_context *ctx, const char *text, time_t now)
{
	_cleanup_free_ char *told = NULL;
	const char *words;
	int64_t when;
	size_t len = 0;

	if (heal_state_read(ctx, told_file, TOLD_MAX, &told, &len) < 0 ||
	    sscanf(told, "%" SCNd64, &when) != 1)
		return 0;
	words = strchr(told, '\n');
	if (!words || strcmp(words + 1, text) != 0 || when > now || now - when >= TOLD_S)
		return 0;
	return (time_t)when;
}

static void told_remember(struct heal_context *ctx, const char *text, time_t now)
{
	_cleanup_free_ char *told = NULL;
	int n = asprintf(&told, "%" PRId64 "\n%s", (int64_t)now, text);

	if (n < 0)
		told = NULL;
	else
		(void)heal_state_write(ctx, told_file, 0600, told, (size_t)n);
}

/* Whether it was taken by whoever reads there: what a buffer took need not be. */
static bool told_put(FILE *out, const char *text)
{
	bool is_put = fputs(text, out) >= 0;

	return fflush(out) == 0 && is_put;
}

/* What stands for words that were told at a time. The caller frees; NULL: there is no such line. */
static char *told_line(time_t when)
{
	struct tm tm;
	char clock[32];
	char *line;

	if (!localtime_r(&when, &tm) || strftime(clock, sizeof(clock), "%H:%M", &tm) == 0 ||
	    asprintf(&line, "sshd-heal: as told at %s, sshd is not healed; sshd-heal says why\n",
		     clock) < 0)
		return NULL;
	return line;
}

void heal_told_write(struct heal_context *ctx, const struct heal_answer *answer, FILE *out)
{
	/* What could not be found out may be something else every time. */
	bool is_warning = answer->status != 0 && answer->status != 3 && *answer->text;
	time_t now = time(NULL);
	time_t when = is_warning ? told_when(ctx, answer->text, now) : 0;
	_cleanup_free_ char *line = when ? told_line(when) : NULL;

	if (told_put(out, line ? line : answer->text) && is_warning && !when)
		told_remember(ctx, answer->text, now);
}
