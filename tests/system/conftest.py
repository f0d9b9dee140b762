# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures: hosts that boot, or a skip that is named (in CI: a failure)."""

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
def bookworm():
    """The root of an old Debian 12 host."""
    reason = _reason_not_to()
    if reason:
        _cannot(reason)
    root = roots.old_debian("bookworm")
    try:
        with Host(root, install=False):
            pass
    except HostError as error:
        _cannot(str(error))
    return root


@pytest.fixture
def host(bookworm):
    """A booted old Debian 12 host with sshd-heal and its apt hooks on it."""
    with Host(bookworm) as booted:
        yield booted
