# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian package where it must not do anything: chroots, images, hosts that sshd does not serve."""

import shutil

import pytest

import deb_roots
from test_deb import (INSTALL, assert_healed_once, deb_staged, fresh, installed,  # noqa: F401
                      is_quiet, starts_and_reloads, upgrade_before_us)


#: A root of its own over the host's: without /proc and /run, and with the host's stale sshd
#: outside. A mount of the same root would not be told from it.
CHROOT = """mkdir -p /run/t/up /run/t/work /run/t/root
mount -t overlay overlay -o lowerdir=/,upperdir=/run/t/up,workdir=/run/t/work /run/t/root
cp -a /var/cache/apt/archives /run/t/root/var/cache/apt/
"""
IN_CHROOT = {
    "without /proc": "chroot /run/t/root sh -ec",
    "with the host's /proc, /dev and /run":
        "for name in proc dev run; do mount --bind /$name /run/t/root/$name; done;"
        " chroot /run/t/root sh -ec",
    "in a container without systemd":
        "unshare -m -p -f --mount-proc=/run/t/root/proc chroot /run/t/root sh -ec",
}


@pytest.mark.parametrize("where", IN_CHROOT)
def test_elsewhere_than_on_a_host_it_is_silent(fresh, where):  # noqa: F811
    upgrade_before_us(fresh)
    pid = fresh.listener()
    fresh.sh(CHROOT)
    fresh.sh("mkdir /run/sshd-heal && touch /run/sshd-heal/the-hosts")
    script = (f"{INSTALL}; apt-get install -y --reinstall --no-download libssl3;"
              " dpkg -i /srv/repo/libssl3_*.deb; apt-get purge -y sshd-heal")
    done = fresh.sh(f"{IN_CHROOT[where]} '{script}'")
    assert "Processing triggers for sshd-heal" in done.stdout
    assert "sshd-heal: " not in done.stdout and is_quiet(done), done.stdout + done.stderr
    assert fresh.listener() == pid and fresh.deleted(pid)
    assert fresh.journal() == ""
    assert fresh.sh("cd /run; echo sshd-heal/* motd.d*").stdout == "sshd-heal/the-hosts motd.d*\n"


def test_an_installation_into_another_root_from_outside_is_not_about_this_host(fresh):  # noqa: F811
    upgrade_before_us(fresh)
    pid = fresh.listener()
    fresh.sh(CHROOT)
    done = fresh.sh("dpkg --root=/run/t/root --force-script-chrootless -i"
                    " /srv/heal/sshd-heal_*.deb")
    assert "sshd-heal: " not in done.stdout and is_quiet(done)
    assert fresh.listener() == pid and fresh.deleted(pid)
    fresh.run("dpkg", "--root=/run/t/root", "--force-script-chrootless", "-P", "sshd-heal")


#: The host's own files, upgraded in another place.
IMAGE = """#!/bin/sh
set -e
cd "$1"
for name in bin lib lib64 sbin; do test -L $name || ln -s usr/$name; done
mkdir -p dev proc sys run tmp
cp -a etc /run/t/own
for name in etc usr var; do
    mkdir -p $name /run/t/$name/up /run/t/$name/work
    mount -t overlay overlay -o lowerdir=/$name,upperdir=/run/t/$name/up,workdir=/run/t/$name/work $name
done
rm -rf etc/apt/sources.list.d/* var/lib/apt/lists/*
cp -a /run/t/own/. etc
"""


def test_an_image_that_is_built_on_a_host_is_not_about_it(fresh):  # noqa: F811
    """By mmdebstrap: its apt is outside, and dpkg, the hooks and the triggers are inside."""
    upgrade_before_us(fresh)
    pid = fresh.listener()
    with open(shutil.which("mmdebstrap"), encoding="utf-8") as script:
        fresh.write("/usr/bin/mmdebstrap", script.read(), mode=0o755)
    fresh.write("/root/image", IMAGE, mode=0o755)
    fresh.sh(f"cp /srv/heal/*.deb /srv/repo; {deb_roots.INDEX}; mkdir /run/t")
    done = fresh.sh("mmdebstrap --mode=root --variant=custom --include=sshd-heal"
                    " --setup-hook='/root/image \"$1\"'"
                    " --customize-hook='chroot \"$1\" apt-get install -y --reinstall --no-download libssl3'"
                    " bookworm /run/t/root 'deb [trusted=yes] copy:///srv/repo ./'")
    assert "Processing triggers for sshd-heal" in done.stdout + done.stderr
    assert "sshd-heal: " not in done.stdout + done.stderr
    fresh.run("test", "-e", "/run/t/root/usr/sbin/sshd-heal")
    fresh.run("test", "!", "-e", "/run/t/root/run/sshd-heal")
    assert fresh.listener() == pid and fresh.deleted(pid)
    assert fresh.journal() == ""


def is_told_nowhere(host):
    """Whether nothing of ours is in the journal of this boot, and nothing has failed."""
    return host.journal() + host.run("systemctl", "--failed", "--quiet", "--no-legend").stdout == ""


#: As systemd.offline-updates(7) has it.
OFFLINE = """[Unit]
DefaultDependencies=no
Requires=sysinit.target dbus.socket
After=sysinit.target dbus.socket system-update-pre.target
Before=system-update.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'rm /system-update; exec >/root/offline 2>&1; dpkg -i /srv/repo/libssl3_*.deb;\\
 apt-get install -y --reinstall --no-download libssl3'
"""


def test_an_offline_update_is_silent(installed):  # noqa: F811
    """Nothing listens then; and what is started afterwards is new."""
    installed.write("/etc/systemd/system/offline.service", OFFLINE)
    installed.sh("cd /etc/systemd/system; mkdir system-update.target.wants;"
                 " ln -s ../offline.service system-update.target.wants; ln -s /srv /system-update")
    installed.reboot()
    said = installed.run("cat", "/root/offline").stdout
    assert said.count("Processing triggers for sshd-heal") == 2 and "sshd-heal: " not in said, said
    assert installed.run("systemctl", "is-active", "multi-user.target", "ssh.service",
                         check=False).stdout == "inactive\ninactive\n"
    assert is_told_nowhere(installed)
    installed.reboot()
    assert installed.ssh("echo in").stdout == "in\n"
    assert installed.deleted(installed.listener()) == [] and is_told_nowhere(installed)


def test_where_sshd_was_stopped_with_everything_else_it_is_told_only(installed):  # noqa: F811
    before = starts_and_reloads(installed)
    installed.run("systemctl", "isolate", "rescue.target")
    assert installed.run("systemctl", "is-active", "ssh.service", check=False).stdout == "inactive\n"
    installed.sh("dpkg -i /srv/repo/libssl3_*.deb")
    installed.wait_for(installed.trigger_is_done, 20, "sshd-heal.service")
    first = installed.sh("apt-get install -y --reinstall --no-download libssl3")
    second = installed.sh("apt-get install -y --reinstall --no-download libssl3")
    assert first.stderr.count("left alone: its unit was stopped;") == 1, first.stderr
    assert "left alone" not in second.stderr
    assert starts_and_reloads(installed) == before
    installed.run("systemctl", "isolate", "multi-user.target")
    installed.wait_for(installed.trigger_is_done, 20, "sshd-heal.service")
    assert installed.ssh("echo in").stdout == "in\n"
    assert "healthy" in installed.heal("check").stdout
    assert installed.run("systemctl", "--failed", "--quiet", "--no-legend").stdout == ""


def test_where_sshd_was_kept_without_everything_else_it_is_healed(installed):  # noqa: F811
    installed.drop_in("ssh.service", "[Unit]\nIgnoreOnIsolate=yes\n")
    pid = installed.listener()
    installed.run("systemctl", "isolate", "rescue.target")
    before = starts_and_reloads(installed)
    installed.sh("dpkg -i /srv/repo/libssl3_*.deb")
    assert_healed_once(installed, before)
    assert installed.listener() == pid
