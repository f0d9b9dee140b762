# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures: hosts that boot, or a skip that is named (in CI: a failure)."""

import functools
import os
import shutil

import pytest

import roots
from host import Host, HostError

NEEDED = ("mmdebstrap", "systemd-nspawn", "nsenter", "unshare", "ssh")


def _reason_not_to():
    if os.geteuid() != 0:
        return "containers need root"
    missing = [tool for tool in NEEDED if not shutil.which(tool)]
    return f"missing: {' '.join(missing)}" if missing else None


def _cannot(reason):
    if os.environ.get("CI") == "true":
        pytest.fail(f"a container must boot in CI: {reason}", pytrace=False)
    pytest.skip(f"no container can boot here: {reason}")


@pytest.fixture(scope="session")
def containers():
    """That containers boot at all, found out once."""
    reason = _reason_not_to()
    if reason:
        _cannot(reason)
    try:
        with Host(roots.old_debian("bookworm")):
            pass
    except HostError as error:
        _cannot(str(error))


@pytest.fixture(scope="session")
def staged(containers):
    """sshd-heal for a suite, built once."""
    return functools.cache(roots.stage)


@pytest.fixture
def host(staged):
    """A booted old Debian 12 host with sshd-heal and its apt hooks on it."""
    with Host(roots.old_debian("bookworm"), staged("bookworm")) as booted:
        yield booted


@pytest.fixture
def trixie(staged):
    """Likewise Debian 13, whose sshd is split into three programs."""
    with Host(roots.old_debian("trixie"), staged("trixie")) as booted:
        yield booted


@pytest.fixture
def upgradable(staged):
    """An old Debian 12 host on its way to Debian 13."""
    with Host(roots.between_releases(), staged("bookworm")) as booted:
        yield booted
