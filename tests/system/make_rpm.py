# SPDX-License-Identifier: GPL-2.0-or-later
"""`make rpm` on a machine that is no rpm host: builds in a root that is one."""

import shutil

import roots
import rpm_roots


def main():
    target = roots.BUILD / "rpm"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(rpm_roots.heal_rpms("bookworm"), target)


if __name__ == "__main__":
    main()
