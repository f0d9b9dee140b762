/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time, and what is left of it. */
#ifndef SSHD_HEAL_BASE_CLOCK_H
#define SSHD_HEAL_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* With less than this left nothing is begun: it would only be cut off. */
#define HEAL_BEGIN_MS 1000

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t heal_now_ms(void);
double heal_now_ms_exact(void);
/* Nanoseconds of it. */
int64_t heal_now_ns(void);
/* What is left until a deadline, never negative, never above cap. */
int heal_left_ms(int64_t deadline_ms, int cap);
/* Whether anything may still be begun before a deadline. */
bool heal_has_time(int64_t deadline_ms);
void heal_sleep_ms(int ms);

#endif
