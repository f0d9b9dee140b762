# SPDX-License-Identifier: GPL-2.0-or-later
"""What the administrator may say, and when nothing may be done at all."""

import json
import re

import pytest

import roots

CONFIG = "/etc/sshd-heal.conf"


def test_mode_warn_only_warns(host):
    host.write(CONFIG, "Mode=warn\n")
    pid = host.listener()
    done = host.upgrade(*roots.UPGRADE)
    assert "left alone: configured to warn only; to heal it by hand: systemctl reload ssh.service" \
        in done.stderr
    assert host.deleted(pid)
    assert "left alone: configured to warn only" in host.journal()
    host.run("mkdir", "/etc/sshd-heal.conf.d")
    host.write("/etc/sshd-heal.conf.d/10-heal.conf", "Mode=heal\n")
    host.heals()


@pytest.mark.parametrize("text, words", [
    ("# a comment\nMode=perhaps\n", "/etc/sshd-heal.conf:2: bad value for Mode: \"perhaps\""),
    ("Mode=heal\n\nNoSuchKey=1\n", "/etc/sshd-heal.conf:3: unknown key NoSuchKey"),
    ("Deadline=soon\n", "/etc/sshd-heal.conf:1: bad value for Deadline"),
    ("SshdPath=sbin/sshd\n", "/etc/sshd-heal.conf:1: bad value for SshdPath"),
    ("Mode\n", "/etc/sshd-heal.conf:1: "),
])
def test_a_bad_configuration_is_named_by_file_and_line(host, text, words):
    host.write(CONFIG, text)
    done = host.heal("check")
    assert done.returncode == 3
    assert words in done.stderr
    pid = host.listener()
    done = host.upgrade(*roots.UPGRADE)
    assert words in done.stderr and "as if it said Mode=warn" in done.stderr
    assert "left alone: configured to warn only" in done.stderr
    assert host.deleted(pid)


def test_a_configuration_file_that_is_asked_for_must_exist(host):
    done = host.heal("--config=/etc/nowhere.conf")
    assert done.returncode == 3
    assert "/etc/nowhere.conf" in done.stderr


def test_another_path_of_sshd_is_healed_when_it_is_named(host):
    # What only root can change would be its unit's own, and need not be named.
    host.sh("install -d -o nobody /opt/sbin && cp /usr/sbin/sshd /opt/sbin/sshd")
    host.drop_in("ssh.service", "[Service]\nExecStart=\nExecStart=/opt/sbin/sshd -D\n")
    host.run("systemctl", "restart", "ssh.service")
    host.upgrade("libssl3")
    pid = host.listener()
    assert host.deleted(pid)
    assert "left alone, not only root can change /opt/sbin/sshd" in host.heal("check").stdout
    host.write(CONFIG, "SshdPath=/opt/sbin/sshd\n")
    done = host.upgrade("libc6", "libc-bin")
    assert "healed: reloaded" in done.stdout
    assert host.deleted(host.listener()) == []


def unmanaged(host):
    host.run("systemctl", "stop", "ssh.service")
    # Whoever comes from outside of the container has more capabilities than anybody in it.
    status = host.run("cat", "/proc/1/status").stdout
    mask = int(re.search(r"^CapBnd:\s*(\w+)", status, re.M).group(1), 16)
    caps = "".join(f",+cap_{bit}" for bit in range(64) if mask >> bit & 1)
    host.sh(f"mkdir -p /run/sshd && setsid setpriv --bounding-set=-all{caps} /usr/sbin/sshd"
            " </dev/null >/dev/null 2>&1")
    host.wait_for(lambda: host.ssh("true", check=False).returncode == 0, 10, "sshd")
    return int(host.run("cat", "/run/sshd.pid").stdout)


def test_an_sshd_without_a_unit_is_named_with_the_command_to_type(host):
    pid = unmanaged(host)
    done = host.upgrade(*roots.UPGRADE)
    assert f"left alone: not under a systemd unit; to heal it by hand: kill -HUP {pid}" \
        in done.stderr
    assert host.deleted(pid)
    host.write(CONFIG, "UnmanagedListener=hup\n")
    done = host.heal("heal")
    assert done.returncode == 0, done.stdout
    assert "healed: sent SIGHUP" in done.stdout
    assert host.deleted(pid) == []


@pytest.mark.parametrize("status, is_allowed", [(101, False), (106, False), (102, False),
                                                (104, True), (0, True)])
def test_policy_rc_d_is_asked_and_obeyed(host, status, is_allowed):
    host.write("/usr/sbin/policy-rc.d",
               f"#!/bin/sh\necho \"$@\" >>/run/asked\nexit {status}\n", mode=0o755)
    host.upgrade_unnoticed(*roots.UPGRADE)
    host.sh("rm -f /run/asked")
    done = host.heal("heal")
    assert done.returncode == (0 if is_allowed else 1)
    assert host.run("cat", "/run/asked").stdout == "ssh reload\n"
    assert (host.deleted(host.listener()) == []) == is_allowed
    assert is_allowed or "left alone: policy-rc.d forbids service actions" in done.stdout


def test_a_policy_rc_d_that_hangs_does_not_hang_apt(host):
    host.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nsleep 1000\n", mode=0o755)
    host.write(CONFIG, "Deadline=8s\n")
    pid = host.listener()
    host.write("/usr/sbin/invoke-rc.d", "#!/bin/sh\n", mode=0o755)
    done = host.upgrade("libssl3", timeout=30)
    assert "asking /usr/sbin/policy-rc.d about reload of ssh.service" in done.stderr
    assert host.deleted(pid)


def test_in_a_chroot_it_is_silent_and_leaves_the_host_alone(host):
    host.upgrade_unnoticed(*roots.UPGRADE)
    pid = host.listener()
    # Not even /dev is there.
    host.sh("mkdir -p /srv/root/usr /srv/root/proc /srv/root/run && mount --bind /usr /srv/root/usr"
            " && cp -a /bin /sbin /lib /lib64 /srv/root/ && mount -t proc proc /srv/root/proc"
            " && mount --bind /run /srv/root/run")
    done = host.run("chroot", "/srv/root", "/usr/sbin/sshd-heal", "hook", "apt")
    assert (done.stdout, done.stderr) == ("", "")
    assert host.deleted(pid)
    host.run("umount", "/srv/root/proc")
    done = host.run("chroot", "/srv/root", "/usr/sbin/sshd-heal", "hook", "apt")
    assert (done.stdout, done.stderr) == ("", "")


def test_the_json_report_has_every_field(host):
    before = host.version("libssl3")
    host.write(CONFIG, "Mode=warn\n")
    host.upgrade(*roots.UPGRADE)
    session = host.session()
    report = json.loads(host.heal("heal", "--format=json", "--config=/dev/null").stdout)
    assert (report["version"], report["verdict"]) == (1, "stale")
    listener, = report["listeners"]
    refused_ms = listener.pop("refused_ms")
    assert 0 <= refused_ms < 1000
    files = {entry["path"]: entry for entry in listener.pop("stale_files")}
    assert files["/usr/lib/x86_64-linux-gnu/libcrypto.so.3"] == {
        "path": "/usr/lib/x86_64-linux-gnu/libcrypto.so.3", "package": "libssl3",
        "source": "openssl", "version_before": before, "version_now": host.version("libssl3")}
    assert listener == {
        "pid": host.listener(), "unit": "ssh.service", "exe": "/usr/sbin/sshd",
        "addresses": ["0.0.0.0:22", "[::]:22"], "sessions": 1, "verdict": "stale",
        "live": {"fate": "in", "detail": None},
        "trial": {"result": "ok", "kind": "rehearsal", "detail": None, "host_key": "same"},
        "pending": None, "causes": [], "plan": "reload",
        "reason": "its unit can reload", "outcome": "healed"}
    session.close()
