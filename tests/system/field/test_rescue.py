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


@pytest.fixture(params=["twelve", "thirteen"])
def either(request):
    """A host of each suite, with another systemd and another sshd."""
    return request.getfixturevalue(request.param)


def make_stale(host, unit="ssh.service"):
    """Replaces a library by itself, as an upgrade does."""
    host.sh(f"cp -p {LIBCRYPTO} {LIBCRYPTO}.new && mv {LIBCRYPTO}.new {LIBCRYPTO}")
    assert host.deleted(host.listener(unit))


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
        assert "would get SIGHUP: it binds its own sockets" in twelve.heal("check").stdout
        done = twelve.heals()
        assert "healed: sent SIGHUP, no deleted file left, a new client gets up to the login" in done.stdout
        assert twelve.listener() == pid
        assert active(twelve, "ssh.service") == "active"


def test_a_unit_that_does_not_start_any_more_is_stood_in_for_until_it_does(either):
    with row(either, DEADLY + "ExecStartPre=/bin/false\n"):
        done = either.heal("heal")
        assert done.returncode == 2, done.stdout
        assert "NOT healed: CRITICAL: ssh.service does not start any more" in done.stdout
        assert f"{RESCUE} serves in its place" in done.stdout
        assert "CRITICAL" in either.run("journalctl", "-q", "-p", "crit", "-t", "sshd-heal", "-o",
                                        "cat").stdout
        session = either.session()
        report = listener_of(either.heal("check", "--format=json"))
        assert (report["pid"], report["verdict"], report["plan"]) == (None, "at-risk", "warn")
        # A start that is sure to fail would end it. It says so, and once a day in full.
        assert "ssh.service has an ExecStartPre= other than sshd -t" in hook(either)
        assert hook(either).startswith("sshd-heal: as told at ")
        # It is an sshd like any other, and goes stale like any other.
        make_stale(either, RESCUE)
        assert "healed: sent SIGHUP" in either.heal("heal").stdout
        assert either.deleted(either.listener(RESCUE)) == []
        # The next run after the cause is gone gives the place back.
        either.drop_in("ssh.service", "")
        clients = either.clients(pause_ms=5)
        assert "healed: started, no deleted file left" in hook(either)
        print(f"taken over: {clients.stop()}")
        assert (active(either, RESCUE), active(either, "ssh.service")) == ("inactive", "active")
        assert either.heal("check").returncode == 0
        assert session.lasts()


def test_an_administrator_takes_over_from_the_rescue_by_a_start(twelve):
    with row(twelve, DEADLY + "ExecStartPre=/bin/false\n"):
        assert twelve.heal("heal").returncode == 2
        assert active(twelve, RESCUE) == "active"
        twelve.drop_in("ssh.service", "")
        twelve.run("systemctl", "start", "ssh.service")
        assert active(twelve, RESCUE) == "inactive"
        assert hook(twelve) == "" and twelve.heal("check").returncode == 0
        assert twelve.sh("cat /run/sshd-heal/left", check=False).stdout == ""


@pytest.mark.parametrize("break_it, why", [
    ("printf '[Service]\nPrivateTmp=yes\n' >$D/more.conf", "it is shut in by filters or namespaces"),
    ("printf '#!/bin/sh\n[ $2 = reload ] || exit 101\n' >/usr/sbin/policy-rc.d;"
     "chmod 755 /usr/sbin/policy-rc.d", "policy-rc.d forbids it"),
])
def test_no_rescue_where_none_may_be_and_started_again_once_it_can_be(twelve, break_it, why):
    with row(twelve, DEADLY + "ExecStartPre=/bin/false\n"):
        twelve.sh(f"D=/run/systemd/system/ssh.service.d; {break_it}; systemctl daemon-reload")
        done = twelve.heal("heal")
        assert done.returncode == 2, done.stdout
        assert "CRITICAL: sshd is DOWN" in done.stdout and f"no rescue: {why}" in done.stdout
        assert active(twelve, RESCUE) == "inactive"
        assert twelve.ssh("true", check=False).returncode == 255
        assert "CRITICAL" in hook(twelve), "the next hook says nothing"
        twelve.sh("rm -rf /run/systemd/system/ssh.service.d /usr/sbin/policy-rc.d;"
                  "systemctl daemon-reload")
        # The timer's run, or that of any hook.
        twelve.act()
        assert active(twelve, "ssh.service") == "active"
        assert twelve.ssh("echo in").stdout == "in\n"


def test_what_others_have_ended_is_told_and_left_to_them(twelve):
    with row(twelve):
        assert twelve.heals()
        twelve.run("systemctl", "stop", "ssh.service")
        done = twelve.heal("heal")
        assert done.returncode == 1, done.stdout
        assert "is enabled and stopped, and nothing listens" in done.stdout
        assert "to heal it by hand: systemctl start ssh.service" in done.stdout
        assert "is enabled and stopped" in hook(twelve)
        twelve.drop_in("ssh.service", "[Service]\nRestart=no\n")
        twelve.run("systemctl", "start", "ssh.service")
        twelve.run("kill", "-KILL", twelve.listener())
        twelve.wait_for(lambda: active(twelve, "ssh.service") == "failed", 5, "its end")
        assert "CRITICAL: it is enabled and has failed" in hook(twelve)
        report = json.loads(twelve.heal("heal", "--format=json").stdout)
        assert report["verdict"] == "down" and twelve.heal("check").returncode == 2
        assert active(twelve, "ssh.service") == "failed"
        # Tried by systemd again and again it is no more up than that.
        twelve.drop_in("ssh.service", "[Service]\nRestart=always\nRestartSec=0.3\nRestartPreventExitStatus=\n"
                       "ExecStartPre=/bin/false\n[Unit]\nStartLimitIntervalSec=0\n")
        twelve.run("systemctl", "start", "--no-block", "ssh.service")
        twelve.wait_for(lambda: twelve.run("systemctl", "show", "-P", "NRestarts", "ssh.service").stdout
                        not in ("0\n", "1\n"), 5, "a second restart")
        for _ in range(20):
            done = twelve.heal("check")
            assert "CRITICAL: it is enabled and has failed" in done.stdout and done.returncode == 2, done.stdout
        twelve.run("systemctl", "stop", "ssh.service")
        twelve.run("systemctl", "disable", "ssh.service")
        assert twelve.heal("check").returncode == 0 and hook(twelve) == ""
        twelve.run("systemctl", "enable", "ssh.service")


#: Binds a port as soon as it can, for both families, and keeps it.
THIEF = """use Socket qw(:DEFAULT pack_sockaddr_in6 IN6ADDR_ANY IPV6_V6ONLY IPPROTO_IPV6); my @held;
for my $name (pack_sockaddr_in(2222, INADDR_ANY), pack_sockaddr_in6(2222, IN6ADDR_ANY)) {
  my $s;
  do { socket($s, sockaddr_family($name), SOCK_STREAM, 0);
       setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1);
       setsockopt($s, IPPROTO_IPV6, IPV6_V6ONLY, 1) if sockaddr_family($name) == AF_INET6;
  } until bind($s, $name) && listen($s, 5);
  push @held, $s;
}
sleep 1 while 1;
"""


def test_who_has_taken_the_port_in_between_is_named_and_sshd_is_started_after(twelve):
    twelve.sh("echo 'Port 2222' >>/etc/ssh/sshd_config; systemctl restart ssh")
    twelve.write("/tmp/thief.pl", THIEF)
    with_port = {"port": 2222}
    assert twelve.ssh("echo in", **with_port).stdout == "in\n"
    make_stale(twelve)
    twelve.drop_in("ssh.service", "[Service]\nExecReload=\nExecReload=/bin/kill -KILL $MAINPID\n"
                   "ExecReload=/bin/sleep 0.3\nRestart=no\n")
    twelve.run("systemd-run", "--unit=thief", "--uid=nobody", "perl", "/tmp/thief.pl")
    try:
        done = twelve.heal("heal")
        thief = twelve.listener("thief.service")
        assert done.returncode == 2
        assert f"is held by user 65534, process {thief} (/usr/bin/perl)" in done.stdout, done.stdout
        assert "CRITICAL" in hook(twelve)
    finally:
        twelve.run("systemctl", "stop", "thief.service")
    assert "healed: started" in hook(twelve)
    assert twelve.ssh("echo in", **with_port).stdout == "in\n"
    twelve.sh("sed -i '/^Port 2222/d' /etc/ssh/sshd_config; rm -r /run/systemd/system/ssh.service.d;"
              "systemctl daemon-reload; systemctl restart ssh")


#: Lines of ssh.service that systemd has read, and that sshd was started without.
UNFORESEEN = {
    "[Service]\nExecStartPre=/bin/false": "ssh.service has an ExecStartPre= other than sshd -t",
    "[Service]\nExecStartPost=/bin/false": "ssh.service has an ExecStartPost=, which may fail",
    "[Service]\nInaccessiblePaths=/etc/ssh":
        "ssh.service was changed since it was started, and has InaccessiblePaths=",
    "[Service]\nSystemCallFilter=~accept accept4\nSystemCallErrorNumber=EPERM":
        "ssh.service was changed since it was started, and has SystemCallFilter=",
    "[Unit]\nRequires=nowhere.service": "ssh.service needs nowhere.service, which is not active",
}


@pytest.fixture
def socket_activated(thirteen):
    """sshd has the socket of systemd, which it dies without."""
    thirteen.sh("systemctl disable --now ssh.service; systemctl enable --now ssh.socket")
    assert thirteen.ssh("echo in").stdout == "in\n"
    yield thirteen
    # systemd 257 may lose sight of a service that runs while its alias is made anew.
    thirteen.sh("rm -rf /run/systemd/system/ssh.s*.d /etc/ssh/sshd_not_to_be_run;"
                "systemctl disable --now ssh.socket; systemctl stop ssh.service;"
                "systemctl enable --now ssh.service")


def test_a_restart_that_cannot_be_foreseen_is_not_done(socket_activated):
    host = socket_activated
    session = host.session()
    make_stale(host)
    pid = host.listener()
    for break_it, mend, why in (
            ("touch /etc/ssh/sshd_not_to_be_run", "rm /etc/ssh/sshd_not_to_be_run",
             "the conditions of ssh.service may not hold"),
            *((f"mkdir -p /run/systemd/system/ssh.service.d; printf '{lines}\n'"
               " >/run/systemd/system/ssh.service.d/a.conf; systemctl daemon-reload",
               "rm -r /run/systemd/system/ssh.service.d; systemctl daemon-reload", why)
              for lines, why in UNFORESEEN.items()),
            ("sleep 0.1; mkdir -p /run/systemd/system/ssh.service.d;"
             "printf '[Unit]\nAssertPathExists=/no\n' >/run/systemd/system/ssh.service.d/a.conf",
             "rm -r /run/systemd/system/ssh.service.d; systemctl daemon-reload",
             "ssh.service was changed since systemd has read it"),
            ("mv /usr/bin/systemd-analyze /root/", "mv /root/systemd-analyze /usr/bin/",
             "asking /usr/bin/systemd-analyze about ssh.service: No such file"),
    ):
        host.sh(break_it)
        done = host.leaves_alone(pid, 1, "whether its unit would start again cannot be foreseen", why)
        assert "would be restarted" not in host.heal("check").stdout, done.stdout
        assert host.ssh("echo in").stdout == "in\n"
        host.sh(mend)
    assert session.answers("still here")
    done = host.heals()
    assert "healed: restarted" in done.stdout and host.listener() != pid
    assert session.lasts()
    assert host.ssh("echo in").stdout == "in\n"


def test_a_restart_that_lacks_what_the_last_start_had_is_not_done(socket_activated):
    host = socket_activated
    host.sh("mkdir /srv/ro; echo x >/srv/secret")
    host.drop_in("ssh.service", "[Service]\nReadOnlyPaths=/srv/ro -/srv/none\nLoadCredential=x:/srv/secret\n")
    host.run("systemctl", "restart", "ssh.service")
    session = host.session()
    make_stale(host)
    pid = host.listener()
    for gone, back, why in (
            ("rmdir /srv/ro", "mkdir /srv/ro", "ssh.service needs /srv/ro by its ReadOnlyPaths="),
            ("rm /srv/secret", "echo x >/srv/secret", "ssh.service needs /srv/secret by its LoadCredential=")):
        host.sh(gone)
        host.leaves_alone(pid, 1, "whether its unit would start again cannot be foreseen", why)
        assert host.ssh("echo in").stdout == "in\n"
        host.sh(back)
    assert "healed: restarted" in host.heals().stdout
    assert session.lasts()
    assert host.ssh("echo in").stdout == "in\n"


def test_an_sshd_that_outlives_its_socket_is_known_by_its_descriptors(socket_activated):
    """SIGHUP would end it, whatever has become of ssh.socket."""
    host = socket_activated
    session = host.session()
    make_stale(host)
    pid = host.listener()
    host.run("systemctl", "disable", "--now", "ssh.socket")
    assert host.listener() == pid
    assert host.run("systemctl", "show", "-P", "TriggeredBy", "ssh.service").stdout == "\n"
    assert "would be restarted" in host.heal("check").stdout
    done = host.heals()
    assert "healed: restarted" in done.stdout and host.listener() != pid
    assert session.lasts()
    assert host.ssh("echo in").stdout == "in\n"
    # From then on it has its own, and keeps its process.
    make_stale(host)
    pid = host.listener()
    assert "healed: reloaded" in host.heals().stdout
    assert host.listener() == pid
