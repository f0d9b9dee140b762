# SPDX-License-Identifier: GPL-2.0-or-later
"""What an ordinary user can do against us with ports, sockets and connections."""

import json

import pytest

import attacker
import roots
from host import BUILD

HOSTS = ("bookworm", "trixie")


@pytest.fixture(scope="module", params=HOSTS)
def booted(request, staged):
    stage = attacker.stage(BUILD / f"stage/attack-{request.param}", staged(request.param))
    with attacker.Target(roots.old_debian(request.param), stage) as target:
        yield target


@pytest.fixture
def target(booted):
    """One host for many attacks, each on an sshd that was started anew."""
    booted.sh("cp -n /etc/ssh/sshd_config /root/")
    yield booted
    booted.sh("cp /root/sshd_config /etc/ssh/ && systemctl reset-failed && systemctl restart ssh.service"
              " && sshd-heal heal")


def check(target):
    """What a check has to say: the report's verdict and that of its only listener of ours."""
    report = json.loads(target.heal("check", "--format=json").stdout)
    ours, = [entry for entry in report["listeners"] if entry["verdict"] != "foreign"]
    return report["verdict"], ours


# --- all ports that anybody can have -----------------------------------------------


def test_who_holds_every_port_keeps_nothing_from_being_tried(target):
    with target.swarm("ports", "all"):
        # Otherwise the test would show nothing.
        assert not target.gets_banner()
        verdict, ours = check(target)
        assert (verdict, ours["live"]["fate"], ours["trial"]["result"]) == ("healthy", "in", "ok"), ours
        pid = target.make_stale()
        done = target.run("sshd-heal", "hook", "apt")
        assert "healed: reloaded" in done.stdout, done.stdout
        assert "a new client gets up to the login" in done.stdout, done.stdout
    assert target.deleted(pid) == []
    assert target.ssh("echo in").stdout == "in\n"
