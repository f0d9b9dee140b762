# SPDX-License-Identifier: GPL-2.0-or-later
"""The yum plugin under Python 2.7 and 3, with a stand-in for yum and all else real."""

import pathlib
import subprocess

import pytest

import rpm_roots
from test_rpm import unnoticed

HERE = pathlib.Path(__file__).resolve().parent
PLUGIN = "/usr/lib/yum-plugins/sshd-heal.py"
UPDATE = ["u:openssl-libs:x86_64:1:3.2.2:1", "ud:openssl-libs:x86_64:1:3.0.7:1",
          "i:unrelated:noarch:0:2:1"]
PYTHON = {2: ["env", "PYTHONHOME=/srv/python2/usr", "/srv/python2/usr/bin/python2.7"],
          3: ["python3", "-W", "ignore"]}


@pytest.fixture
def host(rpm_bookworm):
    """An rpm host with the yum plugin in the place of dnf's, and with Python 2.7."""
    host = rpm_bookworm
    host.run("dnf", "-y", "remove", "dnf-plugin-sshd-heal")
    host.run("systemctl", "stop", "sshd-heal.service")
    host.run("mkdir", "-p", "/usr/lib/yum-plugins", "/srv/python2")
    plugin = (HERE.parent.parent / "hooks/yum/sshd-heal.py.in").read_text(encoding="utf-8")
    host.write(PLUGIN, plugin.replace("@SBINDIR@", "/usr/sbin"))
    host.write("/srv/yum.py", (HERE / "yum_stand_in.py").read_text(encoding="utf-8"))
    with subprocess.Popen(["tar", "-C", rpm_roots.python2_root(), "-c", "usr/bin/python2.7",
                           "usr/lib/python2.7"], stdout=subprocess.PIPE) as tar:
        subprocess.run(host.argv("tar", "-C", "/srv/python2", "-x"), stdin=tar.stdout, check=True)
    assert tar.returncode == 0
    return host


def yum(host, python, *members, options=()):
    done = host.run(*PYTHON[python], "/srv/yum.py", *options, PLUGIN, *members)
    assert done.stdout.endswith("Complete!\n") and done.stderr == "", done.stdout + done.stderr
    return done.stdout.removesuffix("Complete!\n")


@pytest.mark.parametrize("python", PYTHON)
def test_the_yum_plugin_heals_updates_and_downgrades(host, python):
    session = host.session()
    assert yum(host, python, *UPDATE) == ""
    unnoticed(host, "3.2.2-1")
    text = yum(host, python, *UPDATE)
    assert "openssl-libs 1:3.0.7-1 -> 1:3.2.2-1 (source openssl)" in text
    assert "healed: reloaded" in text
    assert host.deleted(host.listener()) == []
    # A downgrade, as yum tells it: one erased, one installed.
    unnoticed(host, "3.0.7-2")
    text = yum(host, python, "e:openssl-libs:x86_64:1:3.2.2:1", "i:openssl-libs:x86_64:1:3.0.7:2")
    assert "openssl-libs 1:3.2.2-1 -> 1:3.0.7-2 (source openssl)" in text
    assert "healed: reloaded" in text
    assert session.lasts()


@pytest.mark.parametrize("python", PYTHON)
def test_the_yum_plugin_leaves_alone_what_is_not_of_this_host(host, python):
    unnoticed(host, "3.2.2-1")
    pid = host.listener()
    assert yum(host, python, *UPDATE, options=("--installroot", "/srv/other")) == ""
    assert yum(host, python, *UPDATE, options=("--tsflags", "test")) == ""
    assert yum(host, python) == ""
    assert yum(host, python, *UPDATE, options=("--broken",)) == ""
    assert host.listener() == pid and host.deleted(pid) != []
    assert host.journal() == ""


@pytest.mark.parametrize("python", PYTHON)
def test_the_yum_plugin_outlives_a_broken_sshd_heal(host, python):
    host.run("sed", "-i", "s/TIMEOUT_S = 75/TIMEOUT_S = 1/", PLUGIN)
    for program in ("#!/bin/sh\nexec sleep 300\n", "#!/bin/sh\nkill -9 $$\n", "", None):
        if program is None:
            host.run("rm", "/usr/sbin/sshd-heal")
        else:
            host.write("/usr/sbin/sshd-heal", program, mode=0o755)
        assert yum(host, python, *UPDATE) == "", program
