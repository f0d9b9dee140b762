# SPDX-License-Identifier: GPL-2.0-or-later
"""The bus and systemd fail in the middle of a heal: what is said afterwards is true, and soon."""

import contextlib
import time

import pytest

import roots
from host import ONLY_A_RESTART

#: What goes wrong, as a shell command on the host.
FAULTS = {
    "killed": "kill -KILL $(pidof dbus-daemon)",
    "stopped": "kill -STOP $(pidof dbus-daemon)",
    "reexec": "systemctl daemon-reexec",
    "reload": "systemctl daemon-reload",
}
FAULT = "/usr/local/sbin/fault"
#: How long it may take from the fault to the last word, in seconds.
LIMIT = 5
#: Where it happens, and the lines of the unit that make it so.
PLACES = {
    "before, reload": [],
    # policy-rc.d is asked after the look: the connection is open already.
    "between, reload": [],
    "during, reload": ["ExecReload=", f"ExecReload={FAULT}", "ExecReload=/bin/kill -HUP $MAINPID"],
    "behind, reload": [f"ExecReload={FAULT}"],
    # From here on sshd itself is one that no SIGHUP helps.
    "before, restart": [ONLY_A_RESTART],
    "between, restart": [ONLY_A_RESTART],
    "during, restart": [ONLY_A_RESTART, f"ExecStop={FAULT}"],
    "behind, restart": [ONLY_A_RESTART, f"ExecStartPost=-{FAULT}"],
}


@pytest.fixture(params=["host", "trixie"])
def any_host(request):
    """A host of each suite."""
    return prepared(request.getfixturevalue(request.param))


def prepared(host):
    """Many probes and many deaths of the bus are to count for nothing."""
    host.sh("sshd -T -o PerSourcePenalties=no >/dev/null 2>&1 && "
            "echo 'PerSourcePenalties no' >>/etc/ssh/sshd_config || :")
    for unit, line in (("dbus.service", "[Unit]\nStartLimitIntervalSec=0\n"),
                       ("dbus.socket", "[Socket]\nTriggerLimitIntervalSec=0\n")):
        host.run("mkdir", "-p", f"/etc/systemd/system/{unit}.d")
        host.write(f"/etc/systemd/system/{unit}.d/test.conf", line)
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "reload", "ssh.service")
    return host


def drop_in(host, *lines):
    """Lines of ssh.service's [Service]."""
    host.drop_in("ssh.service", "\n".join(["[Service]", *lines, ""]))


def set_fault(host, commands):
    """And wakes the bus, which the last one may have killed."""
    host.run("systemctl", "start", "dbus.service")
    host.write(FAULT, f"#!/bin/sh\n{commands}\n", 0o755)


@contextlib.contextmanager
def again_and_again(host, command):
    """Runs a command in a loop; at the end it has ended."""
    host.sh(f"touch /run/go; while [ -e /run/go ]; do {command}; sleep 0.03; done "
            ">/dev/null 2>&1 </dev/null & echo $! >/run/loop")
    try:
        yield
    finally:
        host.sh("rm /run/go; while kill -0 $(cat /run/loop) 2>/dev/null; do sleep 0.05; done")
        host.wait_for(lambda: host.run("systemctl", "show", check=False).returncode == 0, 10,
                      "systemd to answer")


def make_stale(host):
    """As dpkg does it, but with the same bytes."""
    host.sh("f=$(readlink -f /usr/lib/*/libcrypto.so.3) && cp -a $f $f.new && mv $f.new $f")
    assert host.deleted(listener_pid(host))


def listener_pid(host):
    """The process that listens, found without systemd; None when nobody does."""
    found = host.run("pgrep", "-f", r"^sshd: .*\[listener\]", check=False).stdout.split()
    return int(found[0]) if found else None


def gets_in(host):
    """Whether a new client comes as far as the host key; a login would ask the bus."""
    return "ssh-" in host.run("ssh-keyscan", "-T", "3", "127.0.0.1", check=False).stdout


def heal(host, limit=LIMIT):
    """Heals; gives its words, which are true and come in time."""
    start = time.monotonic()
    done = host.heal("heal")
    took = time.monotonic() - start
    words = next(line.strip() for line in done.stdout.splitlines()
                 if line.startswith(("  healed:", "  NOT healed:", "  left alone:")))
    print(f"{took:.2f} s, status {done.returncode}: {words}")
    pid = listener_pid(host)
    is_fresh = pid is not None and host.deleted(pid) == []
    is_healed = is_fresh and gets_in(host)
    assert words.startswith("healed:") == is_healed, (words, pid)
    assert not is_healed or "a new client gets up to the login" in words, words
    assert (done.returncode == 0) == is_healed, (words, done.returncode)
    assert pid is None or "DOWN" not in words, words
    assert took < limit, words
    return words


def let_go(host):
    """Of a daemon that was stopped."""
    host.sh("kill -CONT $(pidof dbus-daemon) 2>/dev/null || :")


@pytest.mark.parametrize("fault", FAULTS)
def test_it_heals_wherever_the_bus_or_systemd_fails(any_host, fault):
    for place, lines in PLACES.items():
        set_fault(any_host, FAULTS[fault])
        drop_in(any_host, *lines)
        make_stale(any_host)
        when, how = place.split(", ")
        if when == "between":
            any_host.write("/usr/sbin/policy-rc.d", f"#!/bin/sh\n{FAULT}\nexit 0\n", 0o755)
        if when == "before":
            any_host.run(FAULT)
        print(f"{fault} {place}: ", end="")
        words = heal(any_host)
        let_go(any_host)
        any_host.run("rm", "-f", "/usr/sbin/policy-rc.d")
        assert words.startswith(f"healed: {how}ed"), (place, words)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_job_that_fails_then_is_told_as_it_is(host, fault):
    prepared(host)
    set_fault(host, FAULTS[fault])
    for lines, said in (
            # sshd has taken the SIGHUP all the same.
            ([f"ExecReload={FAULT}", "ExecReload=/bin/false"], "healed: reloaded"),
            # Not so here.
            (["ExecReload=", f"ExecReload={FAULT}", "ExecReload=/bin/false"], "NOT healed: "),
            # What the start needs is gone then, and for the one that follows.
            ([ONLY_A_RESTART, f"ExecStop=+{FAULT}", "ReadOnlyPaths=/srv/there", "Restart=no"],
             "NOT healed: CRITICAL: sshd is DOWN")):
        if "Restart=no" in lines:
            set_fault(host, ":")
            host.run("mkdir", "/srv/there")
            drop_in(host, *lines)
            host.run("systemctl", "restart", "ssh.service")
            set_fault(host, f"rmdir /srv/there\n{FAULTS[fault]}")
        else:
            drop_in(host, *lines)
        make_stale(host)
        # The last takes two actions and a proof of each.
        words = heal(host, LIMIT + 5)
        let_go(host)
        assert words.startswith(said), (lines, words)
        assert "ing ssh.service: " in words


@pytest.mark.parametrize("fault", ["reexec", "reload"])
def test_it_heals_while_systemd_is_at_it_again_and_again(any_host, fault):
    """The requests themselves are cut off, too: none is lost."""
    for how in ("reload", "restart"):
        drop_in(any_host, *([ONLY_A_RESTART] if how == "restart" else []))
        with again_and_again(any_host, FAULTS[fault]):
            for _ in range(6):
                make_stale(any_host)
                words = heal(any_host)
                assert words.startswith(f"healed: {how}ed"), words


def test_a_socket_that_is_asked_about_in_the_middle_is_not_taken_for_closed(trixie):
    """SIGHUP ends an sshd whose port systemd holds."""
    prepared(trixie)
    trixie.run("systemctl", "disable", "--now", "ssh.service")
    trixie.run("systemctl", "enable", "--now", "ssh.socket")
    assert gets_in(trixie)
    with again_and_again(trixie, FAULTS["reexec"]):
        for _ in range(6):
            make_stale(trixie)
            words = heal(trixie)
            assert words.startswith("healed: restarted"), words


def test_it_heals_by_the_bus_alone(any_host):
    """Without the private socket, while systemd becomes another on the bus."""
    # systemctl does not take the bus any more in 257.
    set_fault(any_host,
              "busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 "
              "org.freedesktop.systemd1.Manager Reexecute\n"
              "while [ ! -S /run/systemd/private ]; do sleep 0.01; done\n"
              "rm /run/systemd/private")
    for how, lines in (("reload", [f"ExecReload={FAULT}"]),
                       ("restart", [ONLY_A_RESTART, f"ExecStop={FAULT}"])):
        drop_in(any_host, *lines)
        make_stale(any_host)
        any_host.run("rm", "/run/systemd/private")
        words = heal(any_host)
        assert words.startswith(f"healed: {how}ed"), words
        any_host.run("busctl", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                     "org.freedesktop.systemd1.Manager", "Reexecute", check=False)
        any_host.wait_for(lambda: any_host.run("systemctl", "show", check=False).returncode == 0,
                          10, "systemd to answer")


def test_a_job_without_end_leaves_time_for_the_proof(host):
    prepared(host)
    host.write("/etc/sshd-heal.conf", "Deadline=9s\n")
    drop_in(host, "ExecReload=/bin/sleep 100")
    make_stale(host)
    # sshd takes the SIGHUP before the line that hangs.
    words = heal(host, 8)
    assert words.startswith("healed: reloaded")
    assert words.endswith("but reloading ssh.service: systemd's job is not over yet")


def test_a_restart_without_end_leaves_time_for_the_truth(host):
    prepared(host)
    host.write("/etc/sshd-heal.conf", "Deadline=9s\n")
    drop_in(host, ONLY_A_RESTART, "ExecStopPost=/bin/sleep 100")
    make_stale(host)
    words = heal(host, 9.5)
    assert words.startswith("NOT healed: CRITICAL: sshd is DOWN, restarting ssh.service: "
                            "systemd's job is not over yet")
    # Nor is the host's end to wait for it.
    drop_in(host)
    host.run("pkill", "-x", "sleep")
