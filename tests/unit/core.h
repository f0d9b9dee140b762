/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every room of the library: a test may look into all of them. */
#ifndef SSHD_HEAL_CORE_H
#define SSHD_HEAL_CORE_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "act/act.h"
#include "act/gap.h"
#include "act/policy-rc.h"
#include "act/prove.h"
#include "act/quiet.h"
#include "act/rescue.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/spawn.h"
#include "base/text.h"
#include "base/words.h"
#include "heal.h"
#include "host/config-load.h"
#include "host/config.h"
#include "host/context.h"
#include "host/inet-diag.h"
#include "host/module.h"
#include "host/package.h"
#include "host/proc.h"
#include "host/request.h"
#include "host/state.h"
#include "host/syslog.h"
#include "host/transaction.h"
#include "host/trust.h"
#include "judge/facts.h"
#include "judge/plan.h"
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
#include "look/title.h"
#include "look/unit.h"
#include "report.h"
#include "tell/format.h"
#include "tell/json.h"
#include "tell/last.h"
#include "tell/motd.h"
#include "tell/text.h"
#include "try/arguments.h"
#include "try/blame.h"
#include "try/client.h"
#include "try/command.h"
#include "try/effective.h"
#include "try/pair.h"
#include "try/trial.h"

#endif
