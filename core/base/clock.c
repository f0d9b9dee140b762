/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time, and what is left of it. */
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/clock.h"

int64_t heal_now_ns(void)
{
	struct timespec now;

	/* Cannot fail for this clock and a valid pointer, clock_gettime(2). */
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

double heal_now_ms_exact(void)
{
	return (double)heal_now_ns() / 1e6;
}

int64_t heal_now_ms(void)
{
	return heal_now_ns() / 1000000;
}

int heal_left_ms(int64_t deadline_ms, int cap)
{
	int64_t left = deadline_ms - heal_now_ms();

	if (left < 0)
		return 0;
	return left < cap ? (int)left : cap;
}

bool heal_has_time(int64_t deadline_ms)
{
	return heal_left_ms(deadline_ms, HEAL_BEGIN_MS) == HEAL_BEGIN_MS;
}

void heal_sleep_ms(int ms)
{
	struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000L};

	/* A signal that cuts it short only makes the caller look again sooner. */
	(void)nanosleep(&pause, NULL);
}
