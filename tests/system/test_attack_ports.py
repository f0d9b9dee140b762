# SPDX-License-Identifier: GPL-2.0-or-later
"""What an ordinary user can do against us with ports, sockets and connections."""

import json
import time

import pytest

import attacker
import roots
from host import BUILD

#: Two looks of 3 s each would be beyond it.
LIMIT_S = 6
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


# --- a port that anybody may have, in the moment in which sshd has it not ------------


@pytest.fixture
def high(target):
    """sshd at a port above 1023."""
    target.sh("echo 'Port 2222' >>/etc/ssh/sshd_config && systemctl restart ssh.service && sshd-heal heal")
    target.make_stale()
    return target


def test_an_address_that_a_heal_has_cost_sshd_is_not_forgotten(high):
    with high.swarm("ports", "grab", "127.0.0.1", "2222"):
        done = high.heal("hook", "apt")
        # Otherwise the test would show nothing.
        assert "it does not listen on 0.0.0.0:2222 any more" in done.stderr, done.stderr
        pid = high.listener()
        for command in (("check",), ("heal",), ("check",), ("hook", "apt")):
            done = high.heal(*command)
            words = done.stdout + done.stderr
            assert "CRITICAL" in words or "it refuses clients" in words, (command, words)
            if command[0] != "hook":
                assert done.returncode == 2, words
                assert "it does not listen on 0.0.0.0:2222 since an action of sshd-heal" in words
                assert "is held by user 1000, process" in words and "somebody else listens" in words
        assert high.run("systemctl", "start", "sshd-heal.service").returncode == 0
        assert high.listener() == pid
    # The timer's run has it listen there again.
    high.run("systemctl", "start", "sshd-heal.service")
    assert high.gets_banner(2222)
    assert high.ssh("echo in", port=2222).stdout == "in\n"
    verdict, ours = check(high)
    assert (verdict, sorted(ours["addresses"])) == ("healthy", ["0.0.0.0:2222", "[::]:2222"])
    assert high.run("cat", "/run/sshd-heal/left", check=False).stdout == ""


def test_who_has_taken_a_port_has_no_say_in_what_root_is_to_type(high):
    name = "x); type: sh fix.sh; ("
    high.as_mallory("sh", "-c", f"mkdir '{attacker.HOME}/bin/{name}' &&"
                    f" cp {attacker.HOME}/bin/ports '{attacker.HOME}/bin/{name}/ports'")
    with high.swarm(f"{name}/ports", "grab", "127.0.0.1", "2222"):
        done = high.heal("hook", "apt")
        assert "is held by user 1000, process" in done.stderr, done.stderr
        assert "type: sh" not in done.stderr, done.stderr
        assert f"({attacker.HOME}/bin/x???type??sh?fix.sh???/ports)" in done.stderr, done.stderr


# --- sockets without number, connections without end ---------------------------------


def test_sockets_without_number_do_not_hide_for_how_long_clients_were_refused(target):
    with target.swarm("ports", "listen", "100000"):
        target.make_stale()
        done = target.run("sshd-heal", "hook", "apt")
        assert "healed: reloaded" in done.stdout, done.stdout
        assert "refused for 0.0 ms" not in done.stdout, done.stdout


@pytest.fixture
def socket_activated(target):
    target.sh("systemctl disable -q --now ssh.service && systemctl enable -q --now ssh.socket")
    assert target.gets_banner()
    yield target
    target.sh("systemctl disable -q --now ssh.socket; systemctl stop ssh.service;"
              " systemctl enable -q --now ssh.service")


def test_a_full_queue_is_not_waited_for_twice(socket_activated):
    target = socket_activated
    with target.swarm("ports", "knock", "22"):
        time.sleep(2)
        target.make_stale()
        done = target.within(20, "sshd-heal", "hook", "apt")
        assert done and "healed: restarted" in done.stdout, done and done.stdout
    assert done.seconds < LIMIT_S, done.stdout
