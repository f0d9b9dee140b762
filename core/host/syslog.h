/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The system's log. */
#ifndef SSHD_HEAL_HOST_SYSLOG_H
#define SSHD_HEAL_HOST_SYSLOG_H

#include <stdbool.h>

/* Whether who writes to this machine's syslog would have to wait; takes half a second at most. */
bool heal_log_is_stuck(void);

#endif
