# SPDX-License-Identifier: GPL-2.0-or-later
"""Whoever upgrades, sshd is healed at the end of it: one table, which is printed."""

import json
import os
import re
import subprocess
import time

import pytest

import deb_roots
import roots
from conftest import booted_rpm_host, keep_table
from host import ENV, Host
from test_actor import TROUBLES, UNIT, failed, troubled
from test_deb import (INSTALL, age, by_aptitude, by_python_apt, by_unattended_upgrades,  # noqa: F401
                      deb_staged, from_repository)
from test_rpm import ACTIONS, PLUGIN, front_end, package

#: How long after the end of a transaction sshd may stay as it was, beside another busy test.
LIMIT_S = 1.0


def limit_s():
    """Beside more than one test each has its share of two processors."""
    return max(LIMIT_S, os.getloadavg()[0] / 2)


HEADING = ("front end", "healed", "after ms", "told", "journal", "status", "refused")


class Table:
    """What became of each front end."""

    def __init__(self):
        self.rows = []

    def add(self, *row):
        self.rows.append([str(cell) for cell in row])

    def __str__(self):
        rows = [HEADING, *self.rows]
        widths = [max(len(row[i]) for row in rows) for i in range(len(HEADING))]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths))
                         for row in rows)


@pytest.fixture(scope="module")
def table():
    """Printed when all tests are through."""
    made = Table()
    yield made
    keep_table("front ends", str(made))


def heals(host):
    """When each heal was told to the journal, in seconds of CLOCK_MONOTONIC."""
    lines = host.run("journalctl", "-q", "-t", "sshd-heal", "-o", "json", "--no-pager").stdout
    records = [json.loads(line) for line in lines.splitlines()]
    return [int(record["__MONOTONIC_TIMESTAMP"]) / 1e6 for record in records
            if "healed: re" in record["MESSAGE"]]


def measured(host, table, name, upgrade, told, transactions=1):
    """Runs an upgrade; sshd must be fresh at its end, or a moment later."""
    before = len(heals(host))
    clients = host.clients()
    done = upgrade(host)
    end = time.monotonic()
    host.wait_for(lambda: len(heals(host)) > before, 15, f"{name}: sshd to be healed")
    host.wait_for(host.trigger_is_done, 15, "sshd-heal.service")
    seen = clients.stop()
    refused = seen.get("refused", 0)
    records = heals(host)[before:]
    lines = (done.stdout or "").count("healed: re") + (done.stderr or "").count("healed: re")
    delay_s = records[-1] - end
    table.add(name, "yes", round(delay_s * 1000), lines, len(records), done.returncode, refused)
    assert host.deleted(host.listener()) == []
    assert delay_s <= limit_s(), f"{name}: healed {delay_s:.1f} s after its end"
    assert lines == told, done.stdout + done.stderr
    assert len(records) == transactions
    assert host.run("systemctl", "--failed", "--quiet", "--no-legend").stdout == ""
    return done


# --- dpkg and its front ends ------------------------------------------------------


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def deb_host(request, deb_staged):  # noqa: F811
    """A host of each suite with the package, which is upgraded again and again."""
    with Host(deb_roots.host(request.param), deb_staged(request.param)) as booted:
        booted.suite = request.param
        booted.sh(INSTALL)
        booted.old = {name: booted.version(name) for name in roots.UPGRADES[request.param]}
        yield booted


def libssl(host):
    return "libssl3" if host.suite == "bookworm" else "libssl3t64"


def new_deb(host):
    return host.sh(f"ls /srv/repo/{libssl(host)}_*.deb").stdout.split()[-1]


def shell(script):
    """A front end that is called so, of a shell; {0} is the package, {1} its archive."""
    def upgrade(host):
        return host.sh(script.format(libssl(host), new_deb(host)), check=False)
    return upgrade


def by_cron(host):
    """As cron starts it: its environment, no terminal, no session."""
    host.write("/etc/cron.d/upgrade", "PATH=/usr/sbin:/usr/bin:/sbin:/bin\n@reboot root"
               f" {APT} {libssl(host)} >/run/cron.out 2>&1; touch /run/cron.done\n")
    # It runs what is for the boot if it has not marked that it did.
    return host.sh("rm -f /run/crond.reboot /run/cron.done; systemctl restart cron;"
                   " while ! test -e /run/cron.done; do sleep 0.01; done; cat /run/cron.out",
                   timeout=20)


def slow_deb(host, waits):
    """Makes /tmp/slow.deb, the newest libssl, whose postinst waits in the middle of it all."""
    host.sh(f"rm -rf /tmp/slow && dpkg-deb -R {new_deb(host)} /tmp/slow && printf"
            f" '#!/bin/sh\ntouch /run/in-postinst\n{waits}\n' >/tmp/slow/DEBIAN/postinst &&"
            " chmod 755 /tmp/slow/DEBIAN/postinst && dpkg-deb -Znone -b /tmp/slow /tmp/slow.deb &&"
            " rm -f /run/in-postinst /run/go")


def over_ssh(*options, is_cut=False):
    """apt in a session of the sshd that is healed, whose client may be killed in the middle."""
    def upgrade(host):
        slow_deb(host, "while ! test -e /run/go; do sleep 0.01; done")
        argv = host.ssh_argv("DEBIAN_FRONTEND=noninteractive apt-get install -y /tmp/slow.deb")
        argv[argv.index("ssh") + 1:argv.index("ssh") + 1] = options
        with subprocess.Popen(argv, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=ENV) as client:
            host.sh("while ! test -e /run/in-postinst; do sleep 0.01; done", timeout=20)
            assert host.deleted(host.listener())
            if is_cut:
                client.kill()
                host.sh("while pgrep -f '^sshd: root@'; do sleep 0.01; done", timeout=20)
            host.run("touch", "/run/go")
            out, err = client.communicate(timeout=20)
        host.sh("while pgrep -x 'apt-get|dpkg'; do sleep 0.01; done", timeout=20)
        return subprocess.CompletedProcess(argv, client.returncode, out, err)
    return upgrade


APT = "apt-get install -y --no-download"
#: RunScripts() of apt's dpkgpm.cc: what a hook before ours ends with ends them all.
OTHERS_HOOK = ("echo 'DPkg::Post-Invoke:: \"false\";' >/etc/apt/apt.conf.d/10other; " + APT +
               " {0}; s=$?; rm /etc/apt/apt.conf.d/10other; exit $s")
#: pkgDPkgPM::Go() there: it makes a directory in /tmp for each dpkg that unpacks more than a
#: few archives, and where that fails after the first of them it returns with no hook run. Here
#: /tmp is read-only as soon as libc6 is unpacked, which is configured before the next one.
INTERNAL_ERROR = ("echo 'post-invoke=\"mount -o remount,ro /tmp\"' >/etc/dpkg/dpkg.cfg.d/ro; " + APT +
                  " --reinstall -o dpkg::install::recursive::minimum=0 libc6 {0}; s=$?;"
                  " rm /etc/dpkg/dpkg.cfg.d/ro; mount -o remount,rw /tmp; exit $s")
HARDENED = ("-p PrivateNetwork=yes -p ProtectHome=yes -p PrivateTmp=yes -p NoNewPrivileges=no"
            " -p RestrictAddressFamilies=AF_UNIX")
DEB_FRONT_ENDS = {
    "apt-get": (shell(APT + " {0}"), 1),
    "apt-get -qq": (shell(APT + " -qq {0}"), 1),
    "apt-get to a file": (shell(APT + " {0} >/tmp/out 2>&1; s=$?; cat /tmp/out; exit $s"), 1),
    "apt-get to nowhere": (shell(APT + " {0} >/dev/null 2>&1"), 0),
    "apt-get without a pty": (shell(APT + " -o Dpkg::Use-Pty=0 {0}"), 1),
    "apt-get, closed descriptors": (shell(APT + " {0} <&- >&- 2>&-"), 0),
    "apt": (shell("apt install -y --no-download {0} 2>/dev/null"), 1),
    "aptitude": (lambda host: by_aptitude(host, [libssl(host)]), 1),
    "python-apt": (lambda host: by_python_apt(host, [libssl(host)]), 1),
    "dpkg -i": (shell("dpkg -i {1}"), 0),
    "dpkg --unpack": (shell("dpkg --unpack {1}"), 0),
    "apt in a scope": (shell("systemd-run --scope -q " + APT + " {0}"), 1),
    "apt in a service": (shell("systemd-run --wait -q --pipe " + APT + " {0}"), 1),
    "apt in a hardened service": (shell(f"systemd-run --wait -q --pipe {HARDENED} {APT} {{0}}"), 1),
    "apt that fails": (shell("apt-get install -y {0} /tmp/broken.deb"), 1),
    "apt, another's hook fails": (shell(OTHERS_HOOK), 0),
    "apt, internal error": (shell(INTERNAL_ERROR), 0),
    "apt by cron": (by_cron, 1),
    "apt over this ssh": (over_ssh(), 1),
    "apt over ssh, killed": (over_ssh(is_cut=True), 0),
    "apt over ssh, terminal gone": (over_ssh("-tt", is_cut=True), 0),
    "gdebi": (shell("gdebi -n {1}"), 0),
}

BROKEN = ("mkdir -p /tmp/broken/DEBIAN && printf 'Package: broken\\nVersion: 1\\nArchitecture: all"
          "\\nMaintainer: n <n@example.org>\\nDescription: x\\n' >/tmp/broken/DEBIAN/control &&"
          " printf '#!/bin/sh\\nexit 1\\n' >/tmp/broken/DEBIAN/postinst &&"
          " chmod 755 /tmp/broken/DEBIAN/postinst && dpkg-deb -Znone -b /tmp/broken /tmp/broken.deb")


def renew(host):
    """Gives it its old libraries back, and lets that be healed."""
    host.sh("dpkg --configure -a >/dev/null; dpkg -P broken >/dev/null 2>&1 || true")
    age(host)
    host.wait_for(host.trigger_is_done, 20, "sshd-heal.service")
    told = host.sh("systemctl status sshd-heal.service; cat /run/sshd-heal/report.txt", check=False)
    assert host.deleted(host.listener()) == [], told.stdout


@pytest.mark.parametrize("name", DEB_FRONT_ENDS)
def test_a_front_end_of_dpkg_ends_with_a_healed_sshd(deb_host, table, name):
    upgrade, told = DEB_FRONT_ENDS[name]
    renew(deb_host)
    deb_host.sh(BROKEN)
    measured(deb_host, table, f"{deb_host.suite}: {name}", upgrade, told)


@pytest.mark.parametrize("deb_host", ["trixie"], indirect=True)
def test_nala_ends_with_a_healed_sshd(deb_host, table):
    renew(deb_host)
    measured(deb_host, table, "trixie: nala", shell("nala install -y {0}"), 1)


def test_a_configuration_that_was_left_for_later_is_healed_too(deb_host, table):
    renew(deb_host)
    deb_host.sh(f"systemctl stop sshd-heal.path; dpkg --no-triggers --unpack {new_deb(deb_host)}")
    deb_host.run("systemctl", "start", "sshd-heal.path")
    assert deb_host.deleted(deb_host.listener())
    measured(deb_host, table, f"{deb_host.suite}: dpkg --configure -a",
             shell("dpkg --configure -a"), 0)


@pytest.mark.parametrize("victim", ["apt-get", "dpkg", "a maintainer script"])
def test_what_is_killed_in_the_middle_leaves_a_healed_sshd(deb_host, table, victim):
    """No hook is run then: the lock that is closed tells."""
    host = deb_host
    renew(host)
    slow_deb(host, "sleep 600")
    pattern = {"apt-get": "apt-get install", "dpkg": "/usr/bin/dpkg --",
               "a maintainer script": "sleep 600"}[victim]

    def kill(host):
        host.sh("apt-get install -y /tmp/slow.deb >/tmp/slow.log 2>&1 & while ! test -e /run/in-postinst;"
                " do sleep 0.05; done", timeout=20)
        assert host.deleted(host.listener())
        return host.sh(f"pkill -KILL -f '^{pattern}'; pkill -KILL -f '^/usr/bin/dpkg --' || true;"
                       " pkill -KILL -f '^apt-get install' || true")

    measured(host, table, f"{host.suite}: {victim}, killed", kill, 0)
    host.sh(f"pkill -KILL -f '^sleep 600' || true; dpkg -i {new_deb(host)}")


@pytest.mark.parametrize("deb_host", ["bookworm"], indirect=True)
def test_packagekit_ends_with_a_healed_sshd(deb_host, table):
    """It shows nobody what a hook has to say."""
    renew(deb_host)
    deb_host.run("apt-get", "install", "-y", "--no-download", "--no-install-recommends",
                 "packagekit", "packagekit-tools", "shared-mime-info")
    from_repository(deb_host)
    for command in ("update {0}", "install-local {1}"):
        renew(deb_host)
        measured(deb_host, table, f"bookworm: pkcon {command.split()[0]}",
                 shell(f"pkcon -y -p {command}"), 0)
    deb_host.run("apt-get", "purge", "-y", "packagekit", "packagekit-tools")


@pytest.mark.parametrize("minimal", ["true", "false"])
def test_unattended_upgrades_end_with_a_healed_sshd(deb_host, table, minimal):
    renew(deb_host)
    # libssl3 is one step, and libc6 with libc-bin another.
    steps = 2 if (deb_host.suite, minimal) == ("bookworm", "true") else 1
    measured(deb_host, table, f"{deb_host.suite}: unattended-upgrades, MinimalSteps {minimal}",
             lambda host: by_unattended_upgrades(host, None, minimal), steps, steps)


# --- rpm and its front ends ---------------------------------------------------------


OLD, NEW = "3.0.7-1", "3.2.2-1"


@pytest.fixture(scope="module", params=["bookworm", "forky"])
def rpm_lasting(request, rpm_staged):
    with booted_rpm_host(request.param, rpm_staged(request.param)) as booted:
        booted.suite = request.param
        booted.run("systemctl", "start", "sshd-heal.path")
        yield booted


def rpm_shell(script):
    """{0} is the archive of the newest version, {1} of the oldest, {2} the front end."""
    def upgrade(host):
        return host.sh(script.format(package(host, NEW), package(host, OLD), host.front_end),
                       check=False)
    return upgrade


WITHOUT = f"""mv {PLUGIN} {ACTIONS} /root 2>/dev/null; {{2}} -y upgrade openssl-libs; s=$?
mv /root/sshd_heal.py {PLUGIN} 2>/dev/null
mv /root/sshd-heal.actions {ACTIONS} 2>/dev/null; exit $s"""
#: What runs rpm for one package after the other, and is at something else in between.
PIECEWISE = """echo $$ >/run/zypp.pid; rpm -U {0}; sleep 0.5
grep -q 'libcrypto.*deleted' /proc/$(systemctl show -P MainPID ssh.service)/maps"""


#: Each with how often it tells its user, and the version before, where that is not the oldest.
RPM_FRONT_ENDS = {
    "rpm -U": ("rpm -U {0}", 0),
    "rpm -U --oldpackage": ("rpm -U --oldpackage {1}", 0, NEW),
    "rpm -F": ("rpm -F {0}", 0),
    "rpm --nodeps": ("rpm -U --nodeps {0}", 0),
    "rpm --noplugins": ("rpm -U --noplugins {0}", 0),
    "rpm --noscripts": ("rpm -U --noscripts {0}", 0),
    "rpm --notriggers": ("rpm -U --notriggers {0}", 0),
    "rpm --reinstall": ("rpm -U --replacepkgs --replacefiles {1}", 0),
    "rpm -e": ("rpm -e --nodeps openssl-libs", 0),
    "rpm, piecewise": (PIECEWISE, 0),
    "upgrade": ("{2} -y upgrade openssl-libs", 1),
    "distro-sync": ("{2} -y distro-sync openssl-libs", 1),
    "reinstall": ("{2} -y reinstall openssl-libs", 1),
    "downgrade": ("{2} -y downgrade openssl-libs", 1, NEW),
    "upgrade --noplugins": ("{2} -y --noplugins upgrade openssl-libs", 0),
    "upgrade, no plugin of ours": (WITHOUT, 0),
    # What is healed dnf 4 does not show then.
    "-q upgrade": ("{2} -q -y upgrade openssl-libs", {"dnf": 0, "dnf5": 1}),
}


def renew_rpm(host, evr=OLD):
    host.sh(f"rpm -q openssl-libs-1:{evr} >/dev/null || rpm -U --oldpackage"
            f" {package(host, evr)}", check=False)
    # Where it was removed, sshd runs another.
    host.sh(f"grep -q /usr/lib64/libcrypto /proc/{host.listener()}/maps || systemctl restart ssh")
    host.act()
    host.wait_for(lambda: host.deleted(host.listener()) == [], 10, "sshd to be fresh")
    host.wait_for(host.trigger_is_done, 10, UNIT)
    # Nobody is to be told of that.
    host.run("rm", "-f", "/run/sshd-heal/told", "/run/sshd-heal/untold")


def rpm_measured(host, table, name, script, told):
    done = measured(host, table, f"{host.suite}: {name}", rpm_shell(script), told)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", RPM_FRONT_ENDS)
def test_a_front_end_of_rpm_ends_with_a_healed_sshd(rpm_lasting, table, name):
    script, told, before = (*RPM_FRONT_ENDS[name], OLD)[:3]
    renew_rpm(rpm_lasting, before)
    if isinstance(told, dict):
        told = told[rpm_lasting.front_end]
    rpm_measured(rpm_lasting, table, name, script, told)


@pytest.mark.parametrize("rpm_lasting", ["bookworm"], indirect=True)
def test_zypper_ends_with_a_healed_sshd(rpm_lasting, table):
    renew_rpm(rpm_lasting)
    rpm_measured(rpm_lasting, table, "zypper",
                 "zypper -n --no-gpg-checks up openssl-libs unrelated", 0)


def test_what_is_left_to_do_is_seen_though_the_front_end_is_quiet(rpm_lasting):
    renew_rpm(rpm_lasting)
    rpm_lasting.write("/etc/sshd-heal.conf", "Mode=warn\n")
    done = rpm_lasting.run(rpm_lasting.front_end, "-q", "-y", "upgrade", "openssl-libs")
    rpm_lasting.run("rm", "/etc/sshd-heal.conf")
    text = done.stdout + done.stderr
    assert text.count("left alone: configured to warn only") == 1, text


def said(done, words):
    """Whether a hook has said that it got no answer, and nothing else."""
    line = f"sshd-heal: sshd may still run deleted files, and {UNIT} {words}.*; type: sshd-heal heal"
    return re.search(line, done.stderr) and done.stderr.count("sshd-heal: ") == 1


#: dnf itself waits for a systemd that does not answer.
@pytest.mark.parametrize("trouble", [name for name, row in TROUBLES.items()
                                     if row[3] and name != "silent systemd"])
def test_without_its_service_no_front_end_of_rpm_is_kept(rpm_lasting, trouble):
    host = rpm_lasting
    renew_rpm(host)
    with troubled(host, trouble):
        start = time.monotonic()
        done = host.run(host.front_end, "-y", "upgrade", "openssl-libs")
        middle = time.monotonic()
        plain = host.run("rpm", "-U", "--oldpackage", package(host, "3.0.7-2"))
        end = time.monotonic()
    host.sh(f"systemctl restart dbus.service systemd-logind.service; systemctl kill -s KILL {UNIT};"
            " systemctl reset-failed; systemctl restart sshd-heal.path", check=False)
    assert said(done, TROUBLES[trouble][2]), done.stderr
    assert "sshd-heal" not in plain.stdout + plain.stderr
    assert middle - start < 12 and end - middle < 5
    assert "openssl-libs-3.0.7-2" in host.run("rpm", "-q", "openssl-libs").stdout


def test_a_healed_host_costs_a_front_end_of_rpm_nothing(rpm_lasting):
    renew_rpm(rpm_lasting)
    before = rpm_lasting.journal()
    for name in ("dnf4", "dnf5", "rpm") * 3:
        start = time.monotonic()
        assert rpm_lasting.run("sshd-heal", "hook", name).stdout == ""
        assert time.monotonic() - start < 1
    assert rpm_lasting.journal() == before


# --- its own installation and removal --------------------------------------------------


def states(host):
    """Whether the net is enabled, and whether it is there."""
    units = "sshd-heal.path sshd-heal.timer"
    return host.sh(f"systemctl is-enabled {units}; systemctl is-active {units}",
                   check=False).stdout.split()


DNF_INSTALL = f"{{2}} -y install sshd-heal openssl-libs-1:{NEW}"
RPM_INSTALL = "rpm -U /srv/heal/sshd-heal-[0-9]*.rpm {0}"


@pytest.mark.parametrize("name, script, presets, expected", [
    ("install, sshd-heal too", DNF_INSTALL, "", ["enabled", "active"]),
    ("rpm -U, sshd-heal too", RPM_INSTALL, "", ["enabled", "active"]),
    ("rpm -U, not to be enabled", RPM_INSTALL, "disable sshd-heal.*", ["disabled", "inactive"]),
])
def test_its_installation_beside_an_upgrade_heals(rpm_lasting, table, name, script, presets, expected):
    """Where no unit is enabled but what a preset names, as with Fedora."""
    host = rpm_lasting
    renew_rpm(host)
    front_end(host, "remove", "sshd-heal")
    host.write("/usr/lib/systemd/system-preset/99-default-disable.preset", "disable *\n")
    host.write("/usr/lib/systemd/system-preset/90-default.preset", presets + "\n")
    rpm_measured(host, table, name, script, 0)
    assert states(host) == [word for word in expected for _ in range(2)]
    host.run("rm", "/usr/lib/systemd/system-preset/90-default.preset")
    host.run("systemctl", "start", "sshd-heal.path")
    front_end(host, "install", "sshd-heal", f"{'dnf5' if host.suite == 'forky' else 'dnf'}-plugin-sshd-heal")


#: sshd-heal 0.1.0, as far as a package manager sees it.
BEFORE_UNITS = """Name: sshd-heal
Version: 0.1.0
Release: 1
Summary: before it had units
License: none
%description
%files
"""


def test_its_upgrade_from_before_it_had_units_enables_them(rpm_lasting):
    host = rpm_lasting
    front_end(host, "remove", "sshd-heal")
    host.write("/root/before.spec", BEFORE_UNITS)
    host.sh("rpmbuild --quiet -bb --define '_rpmdir /root' --define '_topdir /tmp' /root/before.spec;"
            " rpm -i /root/*/sshd-heal-0.1.0-1.*.rpm")
    host.write("/usr/lib/systemd/system-preset/99-default-disable.preset", "disable *\n")
    host.sh("rpm -U /srv/heal/sshd-heal-[0-9]*.rpm")
    host.wait_for(lambda: states(host) == ["enabled", "enabled", "active", "active"], 5, "the net")
    front_end(host, "install", f"{'dnf5' if host.suite == 'forky' else 'dnf'}-plugin-sshd-heal")


LEFT = ("find / -xdev -iname '*sshd*heal*' -not -path '/srv/*' -not -path '/var/*' -not -path"
        " '/tmp/*' -not -path '/root/*'; ls -d /run/sshd-heal /run/motd.d/sshd-heal; pgrep -x sshd-heal")


@pytest.mark.parametrize("how", [
    f"{{2}} -y swap --allowerasing sshd-heal openssl-libs-1:{NEW}",
    "{2} -y upgrade openssl-libs; {2} -y remove sshd-heal",
    "rpm -U {0}; rpm -e $(rpm -qa '*sshd-heal*')",
    "rpm -U {0}; sleep 1; rpm -e $(rpm -qa '*sshd-heal*')",
])
def test_a_removal_beside_an_upgrade_leaves_nothing_of_it_that_fails(rpm_lasting, how):
    host = rpm_lasting
    renew_rpm(host)
    done = rpm_shell(how)(host)
    assert done.returncode == 0, done.stdout + done.stderr
    time.sleep(0.5)
    assert failed(host) == ""
    assert host.sh(LEFT, check=False).stdout == ""
    assert f"openssl-libs-{NEW}" in host.run("rpm", "-q", "openssl-libs").stdout
    # And back again, with no word to systemd in between.
    front_end(host, "install", "sshd-heal")
    host.wait_for(host.trigger_is_done, 20, UNIT)
    assert host.deleted(host.listener()) == [] and failed(host) == ""
    assert states(host) == ["enabled"] * 2 + ["active"] * 2


# --- killed ----------------------------------------------------------------------------

SLOW = """Name: slow
Version: 1
Release: 1
Summary: It takes its time
License: GPL-2.0-or-later
BuildArch: noarch
Requires: openssl-libs

%description
It does.

%post
touch /run/in-post
sleep 600

%files
"""


@pytest.mark.parametrize("name, script", [
    ("rpm, killed", "rpm -U {} /root/noarch/slow-1-1.noarch.rpm"),
    ("upgrade, killed", "{1} -y install {0} /root/noarch/slow-1-1.noarch.rpm"),
])
def test_what_is_killed_in_a_transaction_of_rpm_leaves_a_healed_sshd(rpm_lasting, table, name, script):
    host = rpm_lasting
    renew_rpm(host)
    host.write("/root/slow.spec", SLOW)
    host.sh("rpmbuild --quiet -bb --define '_rpmdir /root' --define '_topdir /tmp' /root/slow.spec;"
            " rm -f /run/in-post")
    command = script.format(package(host, "3.0.7-2"), host.front_end)

    def kill(host):
        host.sh(f"{command} >/tmp/slow.log 2>&1 & echo $! >/run/victim; while ! test -e /run/in-post;"
                " do sleep 0.05; done", timeout=20)
        assert host.deleted(host.listener())
        return host.sh("kill -KILL $(cat /run/victim)")

    measured(host, table, f"{host.suite}: {name}", kill, 0)
    host.sh("pkill -KILL -f '^sleep 600'; rpm -e --noscripts --nodeps slow; rpm -e --justdb --nodeps"
            f" --allmatches openssl-libs; rpm -U --replacefiles {package(host, OLD)}", check=False)
