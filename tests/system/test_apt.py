# SPDX-License-Identifier: GPL-2.0-or-later
"""From an apt upgrade to a healed sshd, on a real Debian 12 host."""

import re

import bench
import roots
from host import ONLY_A_RESTART

STATE = ["actor", "answer", "lock", "proven", "report.txt", "requests"]
LIBRARIES = ("libc.so.6", "libcrypto.so.3", "ld-linux-x86-64.so.2")


def test_without_us_sshd_is_left_on_deleted_libraries(host):
    assert host.deleted(host.listener()) == []
    host.upgrade_unnoticed(*roots.UPGRADE)
    deleted = host.deleted(host.listener())
    for library in LIBRARIES:
        assert any(path.endswith("/" + library) for path in deleted), deleted


def test_an_apt_upgrade_ends_with_a_healed_sshd(host):
    before = {name: host.version(name) for name in roots.UPGRADE}
    listener = host.listener()
    session = host.session()
    done = host.upgrade(*roots.UPGRADE)
    now = {name: host.version(name) for name in roots.UPGRADE}

    assert host.deleted(host.listener()) == []
    assert host.listener() == listener, "a reload keeps the process"
    assert session.answers("still here")
    assert host.ssh("echo in").stdout == "in\n"
    assert all(before[name] != now[name] for name in before)
    journal = host.journal()
    for name, source in (("libssl3", "openssl"), ("libc6", "glibc")):
        line = f"{name} {before[name]} -> {now[name]} (source {source})"
        assert line in done.stdout, done.stdout + done.stderr
        assert line in journal
    for library in LIBRARIES:
        assert f"/{library}: " in done.stdout
    assert re.search(r"healed: reloaded, no deleted file left, a new client gets up to the login; "
                     r"clients were refused for \d+\.\d ms", done.stdout)
    assert done.stderr.count("sshd-heal") == 0
    assert host.run("ls", "/run/sshd-heal").stdout.split() == STATE
    assert host.run("cat", "/run/sshd-heal/report.txt").stdout in done.stdout
    session.close()


def test_an_unrelated_install_prints_nothing_and_touches_nothing(host):
    listener = host.listener()
    done = host.upgrade(roots.UNRELATED)
    assert "sshd-heal" not in done.stdout + done.stderr
    assert host.journal() == ""
    assert host.listener() == listener
    assert host.sh("cat /run/sshd-heal/requests; ls /run/sshd-heal/answer || true").stdout == ""


def test_when_all_is_well_no_module_is_needed(host):
    host.run("mv", "/usr/lib/sshd-heal/modules", "/root/modules")
    host.write("/etc/sshd-heal.conf", "this is no configuration\n")
    done = host.upgrade(roots.UNRELATED)
    assert "sshd-heal" not in done.stdout + done.stderr
    assert host.journal() == ""


def test_versions_from_before_are_remembered_until_sshd_is_healed(host):
    before = host.version("libssl3")
    host.drop_in("ssh.service", f"[Unit]\nRefuseManualStop=yes\n[Service]\n{ONLY_A_RESTART}")
    first = host.upgrade("libssl3")
    assert "left alone: its unit refuses to be restarted by hand" in first.stderr
    host.upgrade("libc6", "libc-bin")
    assert host.deleted(host.listener())
    host.drop_in("ssh.service", "")
    done = host.heals()
    assert f"libssl3 {before} -> {host.version('libssl3')} (source openssl)" in done.stdout


def test_check_tells_by_its_exit_status(host):
    healthy = host.heal("check")
    assert (healthy.returncode, healthy.stderr) == (0, "")
    assert "ssh.service" in healthy.stdout and "healthy" in healthy.stdout
    host.upgrade_unnoticed(*roots.UPGRADE)
    pid = host.listener()
    stale = host.heal()
    assert stale.returncode == 1
    assert "libssl3" in stale.stdout and "would be reloaded" in stale.stdout
    dry = host.heal("heal", "--dry-run")
    assert dry.returncode == 1
    assert host.deleted(pid), "check and a dry run change nothing"
    host.heals()
    assert host.heal("check").returncode == 0


def test_check_without_root_says_so(host):
    done = host.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                    "sshd-heal", "check", check=False)
    assert done.returncode == 3
    assert "root" in done.stderr


def test_check_without_sshd_is_fine_where_none_is_enabled(host):
    host.run("systemctl", "disable", "--now", "ssh.service")
    done = host.heal("check")
    assert done.returncode == 0
    assert "no sshd is running" in done.stdout


def test_bad_usage_is_told(host):
    for args, word in ((["frobnicate"], "frobnicate"), (["--frobnicate"], "--frobnicate"),
                       (["check", "more"], "more"), (["check", "--dry-run"], "--dry-run"),
                       (["--root=/nonexistent", "check"], "/nonexistent")):
        done = host.heal(*args)
        assert done.returncode == 3, args
        assert word in done.stderr


def test_a_hook_of_an_older_version_is_harmless(host):
    """An apt that is at work has read it, and fails where its list is not read to the end."""
    host.write("/etc/apt/apt.conf.d/91older", 'DPkg::Pre-Install-Pkgs { "/usr/sbin/sshd-heal'
               ' hook apt-pre-install"; };\nDPkg::Tools::Options::/usr/sbin/sshd-heal::Version "3";\n')
    for stream in ("", "VERSION 2\n\n", "x" * 3000000):
        done = host.run("sshd-heal", "hook", "apt-pre-install", input=stream)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert host.upgrade("libssl3").returncode == 0
    assert host.deleted(host.listener()) == []


def test_apt_is_undisturbed_when_sshd_heal_is_gone_or_dies(host):
    host.run("mv", "/usr/sbin/sshd-heal", "/root/sshd-heal")
    done = host.upgrade("libssl3")
    assert "sshd_heal" not in done.stdout + done.stderr and "sshd-heal" not in done.stderr
    host.write("/usr/sbin/sshd-heal", "#!/bin/sh\nkill -9 $$\n", mode=0o755)
    assert host.upgrade("libc6", "libc-bin").returncode == 0
    host.write("/usr/sbin/sshd-heal", "#!/bin/sh\nexit 3\n", mode=0o755)
    assert host.upgrade(roots.UNRELATED).returncode == 0


def test_a_dead_bus_is_no_obstacle(host):
    host.upgrade_unnoticed("libssl3")
    host.run("systemctl", "stop", "dbus.socket", "dbus.service")
    done = host.heal("heal")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert host.deleted(host.listener()) == []


def test_a_bus_that_hangs_is_no_obstacle(host):
    host.upgrade_unnoticed("libssl3")
    host.run("systemctl", "kill", "-s", "STOP", "dbus.service")
    done = host.heal("heal", timeout=20)
    assert done.returncode == 0, done.stdout + done.stderr
    assert host.deleted(host.listener()) == []


def test_without_any_way_to_systemd_it_warns_and_touches_nothing(host):
    host.upgrade_unnoticed("libssl3")
    host.run("systemctl", "stop", "dbus.socket", "dbus.service")
    pid = host.listener()
    host.run("mv", "/run/systemd/private", "/run/systemd/private.away")
    done = host.heal("heal")
    host.run("mv", "/run/systemd/private.away", "/run/systemd/private")
    assert done.returncode == 1
    assert "connecting to systemd" in done.stdout
    assert "left alone: systemd cannot be asked" in done.stdout
    assert host.deleted(pid)


def test_a_missing_module_is_told_and_the_rest_goes_on(host):
    host.upgrade_unnoticed(*roots.UPGRADE)
    modules = "/usr/lib/sshd-heal/modules"
    host.run("mv", f"{modules}/package-apt.so", f"{modules}/away")
    done = host.heals()
    assert "loading module package-apt" in done.stdout
    assert "libcrypto.so.3: owner unknown" in done.stdout


def test_without_the_systemd_module_it_warns(host):
    host.upgrade_unnoticed("libssl3")
    host.run("rm", "/usr/lib/sshd-heal/modules/service-systemd.so")
    done = host.heal("heal")
    assert done.returncode == 1
    assert "loading module service-systemd" in done.stdout
    assert host.deleted(host.listener())


def test_a_session_left_over_from_before_is_no_reason_to_act(host):
    session = host.session()
    host.upgrade("libssl3")
    journal = host.journal()
    done = host.upgrade(roots.UNRELATED)
    assert "sshd-heal" not in done.stdout
    assert host.journal() == journal
    assert "1 session" in host.heal("check").stdout
    assert session.lasts()


def test_the_hooks_of_an_unrelated_install_cost_at_most_3_ms(host):
    # The best of up to ten: other work on the test machine only ever adds.
    costs = []
    while len(costs) < 10 and min(costs, default=9) > 3:
        found = bench.measure(host, runs=100)
        costs.append(found["apt-pre-install"] + found["apt"])
    assert min(costs) <= 3, costs
