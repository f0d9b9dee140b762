# SPDX-License-Identifier: GPL-2.0-or-later
"""rpm hosts: dnf 4, dnf 5 and plain rpm upgrade what sshd has mapped."""

import subprocess
import time

import roots
import rpm_roots

REPO = "/srv/repo"
PLUGIN = "/usr/lib/python3/dist-packages/dnf-plugins/sshd_heal.py"
ACTIONS = "/etc/dnf/libdnf5-plugins/actions.d/sshd-heal.actions"
ASK = ("sshd-heal", "hook", "rpm")


def front_end(host, *words):
    """A transaction of dnf or dnf5, which must end well; gives what it printed."""
    done = host.run(host.front_end, "-y", *words)
    return done.stdout + done.stderr


def rpm(host, *words, check=True):
    done = host.run("rpm", *words, check=check)
    # Debian's rpm has a word of advice.
    lines = [line for line in (done.stdout + done.stderr).splitlines()
             if not line.startswith("rpm: ")]
    return "\n".join(lines)


def package(host, evr):
    return host.sh(f"ls {REPO}/openssl-libs-{evr}.*.rpm").stdout.strip()


def unnoticed(host, evr):
    """Another openssl-libs, without our hooks: sshd is left as it would be without us."""
    rpm(host, "-U", "--oldpackage", "--notriggers", package(host, evr))


def crypto(host):
    """The libcrypto that the listener has mapped, and whether it is deleted."""
    rows = host.run("cat", f"/proc/{host.listener()}/maps").stdout.splitlines()
    return {row.split(None, 5)[5] for row in rows if "/libcrypto." in row}


def assert_healed(host, text, session, before, now, file):
    assert f"{file}: openssl-libs 1:{before} -> 1:{now} (source openssl)" in text, text
    assert "healed: reloaded" in text
    assert_fresh(host, session)


def assert_fresh(host, session):
    assert host.deleted(host.listener()) == []
    assert session.answers("still here")
    assert host.ssh("echo in").stdout == "in\n"


def test_upgrades_of_the_front_end_are_healed(rpm_host):
    assert crypto(rpm_host) == {"/usr/lib64/libcrypto.so.3.0.7"}
    session = rpm_host.session()
    pid = rpm_host.listener()
    old, new = "/usr/lib64/libcrypto.so.3.0.7", "/usr/lib64/libcrypto.so.3.2.2"
    for words, before, now, file in (
            (("upgrade", "openssl-libs-1:3.0.7-2"), "3.0.7-1", "3.0.7-2", old),
            (("upgrade", "openssl-libs"), "3.0.7-2", "3.2.2-1", old),
            (("downgrade", "openssl-libs-1:3.0.7-1"), "3.2.2-1", "3.0.7-1", new),
            (("history", "undo", "last"), "3.0.7-1", "3.2.2-1", old)):
        text = front_end(rpm_host, *words)
        assert_healed(rpm_host, text, session, before, now, file)
    assert rpm_host.listener() == pid
    assert crypto(rpm_host) == {new}
    journal = rpm_host.journal()
    assert journal.count("healed: reloaded") == 4
    # The trigger that fired each time found nothing to do after the plugin.
    rpm_host.wait_for(rpm_host.trigger_is_done, 20, "sshd-heal.service")
    assert rpm_host.journal() == journal
    assert rpm_host.run("systemctl", "show", "-P", "Result", "sshd-heal.service").stdout == "success\n"
    session.close()


def test_a_slow_front_end_still_tells_its_user(rpm_host):
    """Between rpm's trigger and our plugin it has something else to do."""
    rpm_host.sh(f"test ! -e {PLUGIN} || sed -i 's/^    def heal(self):/&\\n        __import__"
                f"(\"time\").sleep(2)/' {PLUGIN}")
    rpm_host.sh(rf"test ! -e {ACTIONS} || sed -i 's/test\\ /sleep\\ 2;\\ &/' {ACTIONS}")
    start = time.monotonic()
    text = front_end(rpm_host, "upgrade", "openssl-libs")
    assert time.monotonic() - start > 2
    assert "healed: reloaded" in text


def test_an_upgrade_of_anything_else_is_none_of_our_business(rpm_host):
    pid = rpm_host.listener()
    for words in (("upgrade", "unrelated"), ("downgrade", "unrelated"), ("upgrade", "no-such"),
                  ("remove", "unrelated"), ("install", "unrelated")):
        done = rpm_host.run(rpm_host.front_end, "-y", *words, check=False)
        assert "sshd-heal" not in done.stdout + done.stderr
    assert rpm_host.listener() == pid
    assert crypto(rpm_host) == {"/usr/lib64/libcrypto.so.3.0.7"}
    assert rpm_host.journal() == ""


def test_plain_rpm_is_healed_through_the_trigger(rpm_host):
    session = rpm_host.session()
    for options, before, now, file in ((("-U",), "3.0.7-1", "3.2.2-1", "3.0.7"),
                                       (("-U", "--oldpackage"), "3.2.2-1", "3.0.7-2", "3.2.2")):
        text = rpm(rpm_host, *options, package(rpm_host, now))
        assert "sshd-heal" not in text
        assert crypto(rpm_host) == {f"/usr/lib64/libcrypto.so.{file} (deleted)"}
        rpm_host.wait_for(rpm_host.trigger_is_done, 20, "sshd-heal.service")
        assert_fresh(rpm_host, session)
        assert (f"openssl-libs 1:{before} -> 1:{now} (source openssl); healed: reloaded"
                in rpm_host.journal())
    session.close()


def test_another_root_is_not_ours(rpm_host):
    """Upgrades inside a second system, sshd-heal and its triggers included."""
    unnoticed(rpm_host, "3.0.7-2")
    pid, stale = rpm_host.listener(), {"/usr/lib64/libcrypto.so.3.0.7 (deleted)"}
    rpm_host.sh("mkdir /srv/o && mount -t tmpfs tmpfs /srv/o && mkdir /srv/o/u /srv/o/w /srv/o/m &&"
                " mount -t overlay -o lowerdir=/,upperdir=/srv/o/u,workdir=/srv/o/w overlay /srv/o/m")
    options = ["--installroot=/srv/o/m", "--releasever=1"]
    if rpm_host.front_end == "dnf5":
        options.append("--use-host-config")
    text = front_end(rpm_host, *options, "upgrade", "openssl-libs")
    assert "3.2.2" in text
    text += rpm(rpm_host, "--root", "/srv/o/m", "-U", "--oldpackage", package(rpm_host, "3.0.7-1"))
    assert rpm_host.run("rpm", "--root", "/srv/o/m", "-q", "openssl-libs").stdout.startswith(
        "openssl-libs-3.0.7-1")
    assert "sshd-heal:" not in text and "sshd-heal.service" not in text, text
    assert "scriptlet failed" not in text, text
    assert rpm_host.trigger_is_done()
    assert rpm_host.listener() == pid
    assert crypto(rpm_host) == stale
    assert rpm_host.journal() == ""


def short_of_patience(host):
    """Lets the hooks give up after 2 seconds, which is what they would do after 75."""
    host.sh(f"for file in {PLUGIN} {ACTIONS}; do test ! -e $file ||"
            r" sed -i 's/-k\(\\\?\) 5\\\? [17][05]/-k\1 1\1 2/; s/TIMEOUT_S = 75/TIMEOUT_S = 2/' $file;"
            " done")


#: It hangs, is killed, stops, fails, babbles, and is no program.
BROKEN = ["#!/bin/sh\nexec sleep 300\n", "#!/bin/sh\nkill -9 $$\n", "#!/bin/sh\nkill -STOP $$\n",
          "#!/bin/sh\nexit 1\n", "#!/bin/sh\nyes 2>&1 | head -c 9000000\n", ""]


def test_a_broken_sshd_heal_is_nobodys_problem(rpm_host):
    short_of_patience(rpm_host)
    for program in [*BROKEN, None]:
        if program is None:
            rpm_host.run("rm", "/usr/sbin/sshd-heal")
        else:
            rpm_host.write("/usr/sbin/sshd-heal", program, mode=0o755)
        start = time.monotonic()
        front_end(rpm_host, "upgrade", "openssl-libs")
        rpm(rpm_host, "-U", "--oldpackage", package(rpm_host, "3.0.7-2"))
        assert time.monotonic() - start < 20, program
        assert "3.0.7-2" in rpm_host.run("rpm", "-q", "openssl-libs").stdout
        rpm_host.run("systemctl", "kill", "-s", "KILL", "sshd-heal.service", check=False)


def test_a_full_disk_is_nobodys_problem(rpm_host):
    """Neither the plugin's files nor what sshd-heal notes find room."""
    session = rpm_host.session()
    rpm_host.sh("for dir in /run/sshd-heal /srv/full; do mkdir -p $dir;"
                " mount -t tmpfs -o size=4k tmpfs $dir; echo full >$dir/fill;"
                " if echo more >$dir/more; then exit 1; fi; rm $dir/more; done 2>/dev/null")
    done = rpm_host.run("env", "TMPDIR=/srv/full", rpm_host.front_end, "-y", "upgrade",
                        "openssl-libs")
    assert "Traceback" not in done.stdout + done.stderr
    rpm_host.wait_for(rpm_host.trigger_is_done, 20, "sshd-heal.service")
    assert_fresh(rpm_host, session)
    session.close()


def test_a_database_that_cannot_be_read_does_not_keep_sshd_from_being_healed(rpm_host):
    for spoil in ("dd if=/dev/urandom of=/var/lib/rpm/rpmdb.sqlite bs=4k count=8 conv=notrunc"
                  " status=none", "rm -r /var/lib/rpm/*"):
        unnoticed_file(rpm_host)
        rpm_host.sh(f"cp -a /var/lib/rpm /root/rpmdb && {spoil}")
        done = rpm_host.heal("heal")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "libcrypto.so.3.0.7: owner unknown" in done.stdout
        assert "rpm database" in done.stdout
        assert "healed: reloaded" in done.stdout
        rpm_host.sh("rm -r /var/lib/rpm && mv /root/rpmdb /var/lib/rpm")


def unnoticed_file(host):
    """Another file in the place of libcrypto, as an upgrade puts it there."""
    host.sh("cd /usr/lib64 && cp libcrypto.so.3.0.7 new && mv new libcrypto.so.3.0.7")


LOCK = """
import sqlite3, sys
db = sqlite3.connect("/var/lib/rpm/rpmdb.sqlite", isolation_level=None)
db.execute("PRAGMA locking_mode = EXCLUSIVE")
db.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_locked_database_does_not_keep_sshd_from_being_healed(rpm_bookworm):
    unnoticed_file(rpm_bookworm)
    with subprocess.Popen(rpm_bookworm.argv("python3", "-c", LOCK), text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as locker:
        assert locker.stdout.readline() == "locked\n"
        done = rpm_bookworm.heal("heal")
        locker.stdin.close()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "healed: reloaded" in done.stdout
    assert "owner unknown" in done.stdout and "locked" in done.stdout, done.stdout


def test_an_upgrade_that_nothing_was_proven_before_tells_when_the_owner_was_installed(rpm_bookworm):
    unnoticed(rpm_bookworm, "3.2.2-1")
    rpm_bookworm.run("rm", "/run/sshd-heal/proven")
    done = rpm_bookworm.heal("check")
    assert done.returncode == 1
    # It is gone from the database by that name: its soname link tells.
    assert ("/usr/lib64/libcrypto.so.3.0.7: openssl-libs 1:3.2.2-1 (source openssl), installed 20"
            in done.stdout), done.stdout


HOLD = """
import fcntl, sys
lock = open("/var/lib/rpm/.rpm.lock", "r+")
fcntl.lockf(lock, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


def test_the_trigger_does_not_act_in_the_middle_of_a_transaction(rpm_bookworm):
    """rpm's trigger comes before its %posttrans, which may take long."""
    host = rpm_bookworm
    with subprocess.Popen(host.argv("python3", "-c", HOLD), text=True, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as transaction:
        assert transaction.stdout.readline() == "locked\n"
        unnoticed_file(host)
        host.run(*ASK)
        time.sleep(7)
        assert host.deleted(host.listener()) != [] and not host.trigger_is_done()
        transaction.stdin.close()
    host.wait_for(host.trigger_is_done, 20, "sshd-heal.service")
    assert host.deleted(host.listener()) == []


def test_a_transaction_that_ends_while_the_service_is_at_work_is_not_lost(rpm_bookworm):
    """Once sshd is fresh the service goes on to prove it; then the next files come."""
    host = rpm_bookworm
    unnoticed_file(host)
    host.sh(f"sshd-heal hook rpm; while grep -q 'libcrypto.*deleted' /proc/{host.listener()}/maps;"
            " do sleep 0.005; done; sleep 0.04; cd /usr/lib64; cp libcrypto.so.3.0.7 new;"
            " mv new libcrypto.so.3.0.7; sshd-heal hook rpm")
    host.wait_for(host.trigger_is_done, 20, "sshd-heal.service")
    assert host.deleted(host.listener()) == []


def test_the_service_sees_what_sshd_would_see(rpm_bookworm):
    """A broken piece of the configuration in /var/tmp: only a reload would read it."""
    host = rpm_bookworm
    host.sh("mkdir -p /run/systemd/system/ssh.service.d; printf '[Service]\\nExecReload=\\n"
            "ExecReload=/bin/kill -HUP $MAINPID\\n' >/run/systemd/system/ssh.service.d/x.conf;"
            " systemctl daemon-reload; echo 'Include /var/tmp/*.inc' >/etc/ssh/sshd_config.d/x.conf;"
            " systemctl restart ssh; echo NoSuchOption yes >/var/tmp/x.inc")
    pid = host.listener()
    rpm(host, "-U", package(host, "3.2.2-1"))
    host.wait_for(host.trigger_is_done, 20, "sshd-heal.service")
    assert host.listener() == pid and host.deleted(pid) != []
    assert "left alone: the files on disk would not let a client in" in host.journal()
    assert host.ssh("echo in").stdout == "in\n"


def test_what_comes_up_is_in_the_journal(rpm_bookworm):
    host = rpm_bookworm
    host.write("/etc/sshd-heal.conf", "NoSuchKey=yes\n")
    unnoticed_file(host)
    host.run(*ASK)
    host.wait_for(host.trigger_is_done, 20, "sshd-heal.service")
    assert "/etc/sshd-heal.conf:1: unknown key" in host.journal()


def test_a_removal_is_healed_and_tmp_is_not_needed(rpm_host):
    """rpm keeps the scripts of its shell in /var/tmp, and fails where it cannot."""
    # Of a removal no trigger of ours tells.
    rpm_host.run("systemctl", "start", "sshd-heal.path")
    rpm_host.run("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", "/var/tmp")
    assert rpm(rpm_host, "-U", package(rpm_host, "3.2.2-1")) == ""
    rpm_host.wait_for(rpm_host.trigger_is_done, 20, "sshd-heal.service")
    assert rpm_host.deleted(rpm_host.listener()) == []
    assert rpm(rpm_host, "-e", "--nodeps", "openssl-libs") == ""
    rpm_host.wait_for(rpm_host.trigger_is_done, 20, "sshd-heal.service")
    assert rpm_host.deleted(rpm_host.listener()) == []
    assert rpm_host.journal().count("healed: reloaded") == 2


def test_a_complaint_about_its_configuration_is_no_failure_of_rpm(rpm_bookworm):
    rpm_bookworm.sh("echo '%foo(' >>/etc/rpm/macros")
    unnoticed_file(rpm_bookworm)
    assert "openssl-libs 1:3.0.7-1 (source openssl)" in rpm_bookworm.heal("check").stdout


def test_removing_the_package_removes_every_hook(rpm_host):
    unnoticed(rpm_host, "3.0.7-2")
    assert rpm_host.heal("heal").returncode == 0
    rpm_host.run("ls", "/run/sshd-heal/lock")
    front_end(rpm_host, "remove", "sshd-heal")
    rpm_host.wait_for(rpm_host.trigger_is_done, 20, "sshd-heal.service")
    assert rpm_host.sh("find / -xdev -iname '*sshd*heal*' -not -path '/srv/*' -not -path"
                       " '/var/*' ; ls -d /run/sshd-heal /run/motd.d/sshd-heal || true"
                       ).stdout == ""
    pid = rpm_host.listener()
    text = front_end(rpm_host, "upgrade", "openssl-libs")
    text += rpm(rpm_host, "-U", "--oldpackage", package(rpm_host, "3.0.7-1"))
    assert "heal" not in text.replace("[heal]", ""), text
    assert rpm_host.listener() == pid


def rpmspec(root, spec, *words):
    return subprocess.run(["chroot", root, "sh", "-c", 'cat >/tmp/x.spec; rpmspec "$@" /tmp/x.spec',
                           "sh", *words], input=spec, text=True, capture_output=True,
                          check=True).stdout


def test_where_yum_is_the_front_end_its_plugin_is_packaged():
    """And nothing that the rpm of such a host does not know."""
    root = rpm_roots.rpm_build_root("bookworm")
    spec = (roots.TOP / "packaging/rpm/sshd-heal.spec").read_text(encoding="utf-8")
    for define, expected in ((("--define", "rhel 7"), {"sshd-heal", "yum-plugin-sshd-heal"}),
                             ((), {"sshd-heal", "dnf-plugin-sshd-heal", "dnf5-plugin-sshd-heal"})):
        query = rpmspec(root, spec, "-q", "--qf", "%{NAME}\n", *define)
        assert set(query.split()) - {"sshd-heal-debuginfo"} == expected
    parsed = rpmspec(root, spec, "-P", "--define", "rhel 7")
    assert "triggerin" not in parsed and "Recommends" not in parsed


def test_rpmlint_has_nothing_to_say(rpm_staged):
    for suite in rpm_roots.FRONT_END:
        rpm_staged(suite)
        root = rpm_roots.rpm_build_root(suite)
        done = subprocess.run(
            ["unshare", "-m", "sh", "-ec",
             'mount --make-rprivate /; mount --bind "$2" "$1/out"; mount --bind "$3" "$1/src";'
             'exec chroot "$1" sh -c "rpmlint -c /src/packaging/rpm/rpmlint.toml /out/rpm/*.rpm"',
             "sh", root, roots.suite_build(f"{suite}-rpm"), roots.TOP],
            text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert " 0 errors, 0 warnings" in done.stdout, done.stdout
