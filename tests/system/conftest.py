# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures: hosts that boot, or a skip that is named (in CI: a failure)."""

import concurrent.futures
import contextlib
import fcntl
import functools
import os
import pathlib
import shutil

import pytest

import deb_roots
import roots
import rpm_roots
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


def once(name, make):
    """The directory that make() gives, made once in a run by whichever process comes first."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    stamp = roots.BUILD / "once" / name
    stamp.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{stamp}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = stamp.read_text(encoding="utf-8").splitlines() if stamp.exists() else []
        if made[:1] != [run]:
            made = [run, str(make())]
            stamp.write_text("\n".join(made), encoding="utf-8")
    return pathlib.Path(made[1])


def keep_table(name, text):
    """A table that is printed when all tests are through, whichever process has made it."""
    table = roots.BUILD / "tables" / name
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text(text + "\n", encoding="utf-8")


def pytest_sessionstart(session):
    if not os.environ.get("PYTEST_XDIST_WORKER"):
        shutil.rmtree(roots.BUILD / "tables", ignore_errors=True)


def pytest_terminal_summary(terminalreporter):
    for table in sorted((roots.BUILD / "tables").glob("*")):
        terminalreporter.write(f"\n{table.name}\n{table.read_text(encoding='utf-8')}")


def _make_roots():
    """All roots, a suite beside the other: making them one by one takes twice as long.

    Those of one suite share package lists, and some are made out of others.
    """
    chains = [
        [lambda: rpm_roots.rpm_build_root("bookworm"), roots.between_releases,
         lambda: deb_roots.host("bookworm")],
        [lambda: deb_roots.host("trixie"), lambda: rpm_roots.rpm_build_root("trixie"),
         lambda: deb_roots.build_root("trixie")],
        [lambda: rpm_roots.rpm_build_root("forky"), rpm_roots.python2_root],
    ]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for done in [pool.submit(lambda chain=chain: [make() for make in chain])
                     for chain in chains]:
            done.result()


@pytest.fixture(scope="session")
def containers(request):
    """That containers boot at all, found out once."""
    reason = _reason_not_to()
    if reason:
        _cannot(reason)
    try:
        with Host(once("bookworm-old", lambda: roots.old_debian("bookworm"))):
            pass
    except HostError as error:
        _cannot(str(error))
    # Some tests alone make what they need.
    if not request.config.option.keyword:
        once("roots", lambda: _make_roots() or roots.BUILD)


@pytest.fixture(scope="session")
def staged(containers):
    """sshd-heal for a suite, built once."""
    return functools.cache(lambda suite: once(suite, lambda: roots.stage(suite)))


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


@pytest.fixture(scope="session")
def rpm_staged(containers):
    """sshd-heal's rpms for a suite, built once."""
    return functools.cache(lambda suite: once(f"{suite}-rpm", lambda: rpm_roots.stage(suite)))


@contextlib.contextmanager
def booted_rpm_host(suite, staged):
    with Host(rpm_roots.rpm_host(suite), staged) as booted:
        booted.front_end = rpm_roots.FRONT_END[suite]
        booted.run("createrepo_c", "-q", "/srv/heal")
        booted.run(booted.front_end, "-y", "install", "sshd-heal")
        # Its own trigger has asked for the first proof. The net under all front ends is
        # for the tests that are about it.
        booted.run("systemctl", "stop", "sshd-heal.path", "sshd-heal.timer")
        booted.act()
        yield booted


@pytest.fixture(params=sorted(rpm_roots.FRONT_END))
def rpm_host(request, rpm_staged):
    """A booted rpm host of each suite, with sshd-heal installed from its rpm."""
    with booted_rpm_host(request.param, rpm_staged(request.param)) as booted:
        yield booted


@pytest.fixture
def rpm_bookworm(rpm_staged):
    """Only that of Debian 12."""
    with booted_rpm_host("bookworm", rpm_staged("bookworm")) as booted:
        yield booted
