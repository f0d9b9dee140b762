# SPDX-License-Identifier: GPL-2.0-or-later
"""How sshd takes up the new files, and who must not notice."""

import json

import pytest

import roots
from host import ONLY_A_RESTART

SECOND_UNIT = """[Service]
ExecStart=/usr/sbin/sshd -D -f /etc/ssh/sshd_config.second -o "PidFile none" $MORE
Environment="MORE=-o 'Banner none' -p 2222"
ExecReload=/bin/kill -HUP $MAINPID
KillMode=process
"""


def report_of(done):
    return {listener["unit"]: listener for listener in json.loads(done.stdout)["listeners"]}


def socket_activate(host, socket_text=""):
    """Hands port 22 over to systemd."""
    host.sh("echo 'PerSourcePenalties no' >>/etc/ssh/sshd_config")
    host.run("systemctl", "disable", "--now", "ssh.service")
    if socket_text:
        host.drop_in("ssh.socket", socket_text)
    host.run("systemctl", "enable", "--now", "ssh.socket")


def test_a_socket_activated_sshd_is_restarted_and_nobody_is_refused(trixie):
    socket_activate(trixie)
    assert trixie.ssh("echo in").stdout == "in\n"
    session = trixie.session()
    before = trixie.listener()
    clients = trixie.clients(pause_ms=20)
    trixie.upgrade_unnoticed(*roots.UPGRADES["trixie"])
    assert trixie.deleted(before)
    done = trixie.heal("heal", "--format=json")
    seen = clients.stop()
    assert done.returncode == 0, done.stdout + done.stderr
    listener = report_of(done)["ssh.service"]
    assert (listener["plan"], listener["outcome"]) == ("restart", "healed")
    assert listener["refused_ms"] == 0
    assert trixie.listener() not in (0, before)
    assert trixie.deleted(trixie.listener()) == []
    assert set(seen) == {"ok", "down_ms"} and seen["down_ms"] == 0, seen
    assert seen["ok"] > 20
    assert session.lasts()


def test_an_sshd_per_connection_needs_no_healing(trixie):
    trixie.sh("cp /usr/lib/systemd/system/sshd@.service /etc/systemd/system/ssh@.service")
    socket_activate(trixie, "[Socket]\nAccept=yes\n")
    session = trixie.session()
    clients = trixie.clients(pause_ms=20)
    done = trixie.upgrade(*roots.UPGRADES["trixie"])
    seen = clients.stop()
    assert "sshd-heal" not in done.stdout + done.stderr
    assert trixie.heal("heal").returncode == 0
    assert set(seen) == {"ok", "down_ms"} and seen["down_ms"] == 0, seen
    assert session.lasts()


def without_scopes(host):
    """Sessions stay in sshd's own control group, where a restart would end them."""
    host.run("sed", "-i", "/pam_systemd/d", "/etc/pam.d/common-session")
    host.drop_in("ssh.service", "[Service]\nKillMode=control-group\n")
    host.run("systemctl", "restart", "ssh.service")


def test_a_session_in_sshds_own_cgroup_survives_the_reload(host):
    without_scopes(host)
    session = host.session()
    done = host.upgrade(*roots.UPGRADE)
    assert "healed: reloaded" in done.stdout
    assert host.deleted(host.listener()) == []
    assert session.lasts()


def test_a_restart_that_would_end_a_session_is_not_done(host):
    without_scopes(host)
    host.drop_in("ssh.service", f"[Service]\nKillMode=control-group\n{ONLY_A_RESTART}")
    session = host.session()
    pid = host.listener()
    done = host.upgrade(*roots.UPGRADE)
    assert "left alone: a restart would end open sessions" in done.stderr
    assert host.listener() == pid
    assert session.lasts()
    # Without a session there is nothing to lose.
    host.wait_for(lambda: "session" not in host.heal("check").stdout, 10, "the session to end")
    assert "healed: restarted" in host.heals().stdout
    assert host.listener() != pid


def two_instances(host):
    host.sh("sed 's/^#*Port .*//' /etc/ssh/sshd_config >/etc/ssh/sshd_config.second")
    host.write("/etc/systemd/system/second.service", SECOND_UNIT)
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "start", "second.service")
    host.wait_for(lambda: host.ssh("true", check=False, port=2222).returncode == 0, 10,
                  "the second instance")


def test_two_instances_are_both_healed(host):
    two_instances(host)
    host.upgrade_unnoticed(*roots.UPGRADE)
    done = host.heal("heal", "--format=json")
    assert done.returncode == 0, done.stdout + done.stderr
    listeners = report_of(done)
    assert listeners["second.service"]["addresses"] == ["0.0.0.0:2222", "[::]:2222"]
    for unit in ("ssh.service", "second.service"):
        assert listeners[unit]["outcome"] == "healed"
        assert listeners[unit]["trial"] == {"result": "ok", "kind": "rehearsal", "detail": None,
                                              "host_key": "same"}
        assert host.deleted(host.listener(unit)) == []
    assert host.ssh("echo in", port=2222).stdout == "in\n"


def test_of_two_instances_the_broken_one_is_left_alone(host):
    two_instances(host)
    host.upgrade_unnoticed(*roots.UPGRADE)
    pid = host.listener("second.service")
    host.sh("echo 'NoSuchOption yes' >>/etc/ssh/sshd_config.second")
    done = host.heal("heal", "--format=json")
    assert done.returncode in (1, 2)
    listeners = report_of(done)
    assert listeners["ssh.service"]["outcome"] == "healed"
    assert listeners["second.service"]["trial"]["result"] == "failed"
    assert "sshd_config.second" in listeners["second.service"]["trial"]["detail"]
    assert listeners["second.service"]["outcome"] == "warned"
    assert host.listener("second.service") == pid and host.deleted(pid)
    assert host.deleted(host.listener()) == []


def test_an_option_of_the_unit_that_would_not_work_is_found(host):
    """A reload keeps the old arguments, but the next restart would take the new ones."""
    host.upgrade_unnoticed(*roots.UPGRADE)
    pid = host.listener()
    host.sh("echo \"SSHD_OPTS='-o NoSuchOption=yes'\" >/etc/default/ssh")
    host.leaves_alone(pid, 1, "NoSuchOption")


@pytest.mark.parametrize("how", ["reloaded", "restarted"])
def test_ten_upgrades_in_a_row_are_each_healed(host, how):
    if how == "restarted":
        host.drop_in("ssh.service", f"[Service]\n{ONLY_A_RESTART}")
    old = host.version("libssl3")
    new = host.run("apt-cache", "policy", "libssl3").stdout.split("Candidate: ")[1].split()[0]
    assert old != new
    for step in range(10):
        version = old if step % 2 else new
        done = host.upgrade(f"libssl3={version}", "--allow-downgrades")
        assert host.version("libssl3") == version
        assert f"healed: {how}" in done.stdout, done.stdout
        assert host.deleted(host.listener()) == []
    assert host.run("systemctl", "is-active", "ssh.service").stdout == "active\n"
    assert host.run("systemctl", "show", "-P", "Result", "ssh.service").stdout == "success\n"
    assert host.ssh("echo in").stdout == "in\n"


def test_an_sshd_in_a_container_is_left_alone(host):
    host.run("systemd-run", "--unit=contained", "unshare", "--mount", "--pid", "--fork",
             "--mount-proc", "/usr/sbin/sshd", "-D", "-p", "2200")
    host.wait_for(lambda: host.ssh("true", check=False, port=2200).returncode == 0, 10,
                  "the contained sshd")
    pid = int(host.run("pgrep", "-f", r"2200 \[listener\]").stdout)
    host.upgrade(*roots.UPGRADE)
    assert host.deleted(host.listener()) == []
    assert host.deleted(pid), "it was touched"
    done = host.heal("heal")
    assert done.returncode == 0
    # Whatever it has open is not looked at.
    assert f"(pid {pid}): left alone, in a container" in done.stdout


def test_a_forged_sshd_is_left_alone_and_nothing_of_it_is_executed(host):
    """An ordinary user's process that calls itself a listener, from a place of its own."""
    title = "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"
    host.sh("mkdir -m 777 /tmp/forged && cp /usr/bin/perl /tmp/forged/sshd")
    host.write("/tmp/forged/run.pl", f"$0 = '{title}'; sleep 1 while 1;")
    host.run("systemd-run", "--unit=forged", "--uid=nobody", "/tmp/forged/sshd",
             "/tmp/forged/run.pl")
    host.wait_for(lambda: host.run("pgrep", "-u", "nobody", "-f", "listener",
                                   check=False).returncode == 0, 10, "the forged sshd")
    pid = int(host.run("pgrep", "-u", "nobody", "-f", "listener").stdout)
    # Whoever executes it from now on leaves a trace.
    host.sh("rm /tmp/forged/sshd && printf '#!/bin/sh\\ntouch /tmp/forged/executed\\n' "
            ">/tmp/forged/sshd && chmod 755 /tmp/forged/sshd")
    host.upgrade(*roots.UPGRADE)
    assert host.deleted(pid), "it should be stale"
    done = host.heal("heal")
    assert done.returncode == 0
    assert "not run by root" in done.stdout
    assert host.run("systemctl", "is-active", "forged").stdout == "active\n"
    assert int(host.run("pgrep", "-u", "nobody", "-f", "listener").stdout) == pid
    assert host.run("test", "-e", "/tmp/forged/executed", check=False).returncode == 1


def test_an_sshd_that_dies_of_the_reload_is_started_again(host):
    session = host.session()
    host.upgrade_unnoticed(*roots.UPGRADE)
    host.drop_in("ssh.service",
                 "[Service]\nExecReload=\nExecReload=/bin/kill -KILL $MAINPID\nRestart=no\n")
    done = host.heals()
    assert "sshd was down and had to be started again" in done.stdout
    assert host.ssh("echo in").stdout == "in\n"
    assert session.lasts()


def test_an_sshd_that_stays_down_is_critical(host):
    host.upgrade_unnoticed(*roots.UPGRADE)
    host.drop_in("ssh.service",
                 "[Service]\nExecReload=\nExecReload=/bin/kill -KILL $MAINPID\nRestart=no\n"
                 "ExecStartPre=/bin/false\nPrivateTmp=yes\n")
    done = host.heal("heal")
    assert done.returncode == 2
    assert "NOT healed: CRITICAL: sshd is DOWN" in done.stdout
    assert "type: systemctl reset-failed ssh.service; systemctl start ssh.service" in done.stdout
    assert "CRITICAL" in host.run("journalctl", "-q", "-p", "crit", "-t", "sshd-heal", "-o",
                                  "cat").stdout


def test_clients_that_fill_maxstartups_do_not_hinder(host):
    host.sh("echo 'MaxStartups 1' >>/etc/ssh/sshd_config")
    host.run("systemctl", "restart", "ssh.service")
    session = host.session()
    # It tries until it has the one place.
    host.write("/tmp/linger.pl", "use IO::Socket::INET; while (1) {"
               "my $s = IO::Socket::INET->new('127.0.0.1:22') or die; my $banner = <$s>;"
               "sleep($banner =~ /^SSH/ ? 600 : 1) }")
    host.run("systemd-run", "--unit=lingering", "perl", "/tmp/linger.pl")
    host.wait_for(lambda: host.ssh("true", check=False).returncode == 255, 10,
                  "the lingering client")
    host.upgrade_unnoticed(*roots.UPGRADE)
    done = host.heals()
    assert "a new client is turned away: MaxStartups is used up" in done.stdout
    assert session.lasts()


def measure(host, action):
    """What an action costs: what it gave, and for how long the clients met nothing."""
    clients = host.clients(pause_ms=150)
    done = action()
    host.run("sleep", "0.3")
    return done, clients.stop()["down_ms"]


def test_a_reload_refuses_far_less_than_a_restart_and_says_how_long(host):
    """A restart starts sshd twice (-t, then -D) and systemd in between; a reload once.

    How far apart the two are depends on how long sshd takes to start: a sixth
    where that is 5 ms, 2 fifths where it is 14 ms. Two thirds hold anywhere, for the
    second best of seven: other work on the machine only ever adds.
    A third of the figures may be told wrong by a thread that was kept waiting.
    """
    restarts, reloads, errors = [], [], []
    versions = [host.run("apt-cache", "policy", "libssl3").stdout.split("Candidate: ")[1].split()[0],
                host.version("libssl3")]
    for step in range(7):
        host.upgrade_unnoticed(f"libssl3={versions[step % 2]}", "--allow-downgrades")
        done, seen = measure(host, lambda: host.heal("heal", "--format=json"))
        listener = report_of(done)["ssh.service"]
        assert listener["outcome"] == "healed" and listener["plan"] == "reload"
        errors.append(abs(listener["refused_ms"] - seen))
        reloads.append(seen)
        host.run("systemctl", "reset-failed", "ssh.service")
        _, seen = measure(host, lambda: host.run("systemctl", "restart", "ssh.service"))
        restarts.append(seen)
    print(f"refused: reload {sorted(reloads)} ms, restart {sorted(restarts)} ms")
    assert sorted(errors)[4] <= 5, errors
    assert sorted(reloads)[1] <= sorted(restarts)[1] * 2 / 3, (reloads, restarts)
