/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The message of the day, pam_motd(8): for as long as an sshd is left stale. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tell/motd.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "host/context.h"
#include "report.h"
#include "tell/text.h"

static const char motd_dir[] = "run/motd.d";

static const char motd_file[] = "sshd-heal";

static int motd_write(int dir, const struct heal_report *report)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = heal_report_string(report, HEAL_HOOK, &text, &len);

	/* Everyone who logs in is to read it. */
	return r < 0 ? r : heal_write_at(dir, motd_file, 0644, text, len);
}

int heal_motd_update(struct heal_context *ctx, const struct heal_report *report)
{
	int status = heal_report_status(report);
	bool is_wanted = ctx->config.motd && status != 0;
	_cleanup_close_ int dir = -1;

	/* In a chroot /run may be that of the host around it. */
	if (ctx->is_chroot)
		return 0;
	/* Who could see nothing has no reason to take back what another has seen. */
	if (status == 3 && !is_wanted)
		return 0;
	if (is_wanted && mkdirat(ctx->root_fd, motd_dir, 0755) < 0 && errno != EEXIST)
		return -errno;
	dir = openat(ctx->root_fd, motd_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (is_wanted)
		return dir < 0 ? -errno : motd_write(dir, report);
	/* Where there is none, or none that could be written, there is nothing to take back. */
	if (dir >= 0)
		(void)unlinkat(dir, motd_file, 0);
	return 0;
}
