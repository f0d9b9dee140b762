# SPDX-License-Identifier: GPL-2.0-or-later
"""No host without sshd by our own hand: how it is acted on, and what follows where that ends it.

One host per suite walks the rows: a row begins and ends with a client that gets in, and
with a session of before it that lives.
"""

import contextlib
import json

import pytest

import roots
from host import Host

LIBCRYPTO = "/usr/lib/x86_64-linux-gnu/libcrypto.so.3"
RESCUE = "sshd-heal-rescue.service"
#: sshd dies of a reload like this one, and nothing but us starts it again.
DEADLY = "[Service]\nExecReload=\nExecReload=/bin/kill -KILL $MAINPID\nRestart=no\n"


@pytest.fixture(scope="module")
def twelve(staged):
    with Host(roots.old_debian("bookworm"), staged("bookworm")) as booted:
        booted.run("systemctl", "stop", "sshd-heal.path", "sshd-heal.timer")
        yield booted


@pytest.fixture(scope="module")
def thirteen(staged):
    with Host(roots.old_debian("trixie"), staged("trixie")) as booted:
        booted.run("systemctl", "stop", "sshd-heal.path", "sshd-heal.timer")
        booted.sh("echo 'PerSourcePenalties no' >>/etc/ssh/sshd_config")
        booted.run("systemctl", "restart", "ssh.service")
        yield booted


def make_stale(host):
    """Replaces a library by itself, as an upgrade does."""
    host.sh(f"cp -p {LIBCRYPTO} {LIBCRYPTO}.new && mv {LIBCRYPTO}.new {LIBCRYPTO}")
    assert host.deleted(host.listener())


def restore(host):
    """Everything as it was, with sshd up."""
    host.sh("rm -rf /run/systemd/system/ssh.s*.d /etc/ssh/sshd_not_to_be_run; systemctl unmask ssh;"
            f"systemctl daemon-reload; systemctl stop {RESCUE}; systemctl reset-failed;"
            "systemctl start ssh; sshd-heal heal", check=False)


@contextlib.contextmanager
def row(host, text="", unit="ssh.service"):
    """A stale host whose unit is as given; within it a session of before lasts."""
    session = host.session()
    make_stale(host)
    if text:
        host.drop_in(unit, text)
    pid = host.listener()
    try:
        yield pid
        assert session.answers("still here")
    finally:
        session.close()
        restore(host)
    assert host.ssh("echo in").stdout == "in\n"


def listener_of(done, unit="ssh.service"):
    return next(found for found in json.loads(done.stdout)["listeners"] if found["unit"] == unit)


def active(host, unit):
    return host.run("systemctl", "is-active", unit, check=False).stdout.strip()


def hook(host):
    """What a front end shows at the end of a transaction."""
    done = host.heal("hook", "apt")
    assert done.returncode == 0
    return done.stdout + done.stderr


def test_a_unit_that_cannot_reload_gets_the_sighup_itself(twelve):
    with row(twelve, "[Service]\nExecReload=\nExecStartPre=/bin/false\n") as pid:
        assert twelve.heal("heal", "--dry-run").stdout.count("would get SIGHUP") == 1
        done = twelve.heals()
        assert "healed: sent SIGHUP" in done.stdout
        assert twelve.listener() == pid
        assert active(twelve, "ssh.service") == "active"


def test_a_unit_that_does_not_start_any_more_is_stood_in_for_until_it_does(twelve):
    with row(twelve, DEADLY + "ExecStartPre=/bin/false\n"):
        done = twelve.heal("heal")
        print(done.stdout, done.stderr)
        assert done.returncode == 2
        assert f"{RESCUE} serves in its place" in done.stdout
        assert active(twelve, RESCUE) == "active"
        assert twelve.ssh("echo in").stdout == "in\n"
        done = twelve.heal("check")
        print(done.stdout, done.stderr)
        assert done.returncode == 1
        print(hook(twelve))
        twelve.drop_in("ssh.service", "")
        clients = twelve.clients(pause_ms=5)
        print(hook(twelve))
        print(clients.stop())
        assert active(twelve, RESCUE) == "inactive"
        assert active(twelve, "ssh.service") == "active"
        assert twelve.heal("check").returncode == 0
