# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose a listener is: what is this host's own is healed, wherever its file is and whatever
mounts its unit has; everything else is shown, and neither run nor touched.

One host per suite walks the rows, each with the view of a real client before and after.
"""

import contextlib
import json
import shlex
import subprocess

import pytest

import roots
from host import Host

LIBRARY = "f=$(readlink -f /usr/lib/*/libcrypto.so.3)"
RENEW = f"{LIBRARY} && cp -a $f $f.new && mv $f.new $f"
MOUNTS = ["PrivateTmp=yes", "ProtectSystem=strict\nReadWritePaths=/run /var",
          "ProtectHome=read-only\nReadOnlyPaths=/srv\nInaccessiblePaths=-/mnt\nPrivateMounts=yes\n"
          "BindReadOnlyPaths=/etc/hostname:/srv/name\nTemporaryFileSystem=/media\n"
          "ProtectKernelTunables=yes", "PrivateDevices=yes", "ProtectSystem=strict",
          # Other files of the same name.
          "BindReadOnlyPaths=/opt/ssh/sshd:/usr/sbin/sshd"]
PORT = 2222


class Whose:
    """A host, and what is said of one listener of it, and done with it."""

    def __init__(self, host):
        self.host = host

    def is_in(self, port=22):
        return self.host.ssh("echo in", check=False, port=port).stdout == "in\n"

    def banner(self, port):
        """Whether anything answers there as an sshd does."""
        done = subprocess.run(
            self.host.argv("ssh-keyscan", "-T", "5", "-p", port, "127.0.0.1", only_net=True),
            capture_output=True, text=True, check=False)
        return "SSH-2.0" in done.stdout + done.stderr

    def report(self, pid, *words):
        done = self.host.heal(*words, "--format=json")
        report = json.loads(done.stdout)
        found = [entry for entry in report["listeners"] if entry["pid"] == pid]
        assert len(found) == 1, done.stdout + done.stderr
        return found[0]

    def runs(self, pid):
        return self.host.run("readlink", f"/proc/{pid}/exe").stdout.strip()

    def hook(self):
        done = self.host.heal("hook", "apt")
        return done.stdout + done.stderr

    def actions(self):
        """Which run of the actor's was the last."""
        return self.host.run("systemctl", "show", "-P", "InvocationID", "sshd-heal.service").stdout

    def heals(self, pid, port=22, hook=False):
        """A stale one, whose client gets in: it is foretold, done, and the client still gets in."""
        assert self.is_in(port)
        check = self.report(pid, "check")
        assert check["verdict"] == "stale", check
        assert check["trial"]["result"] == "ok", check
        dry = self.report(pid, "heal", "--dry-run")
        assert (dry["plan"], dry["reason"]) == (check["plan"], check["reason"])
        if hook:
            assert "healed: " in self.hook()
        else:
            assert self.report(pid, "heal")["outcome"] == "healed"
        assert self.host.deleted(pid) == []
        assert self.is_in(port)
        after = self.report(pid, "check")
        assert after["verdict"] == "healthy", after

    def leaves(self, pid, port, words, is_seen):
        """A foreign one that has become stale: shown, and left alone."""
        exe = self.runs(pid)
        stale = self.host.deleted(pid)
        assert stale and self.banner(port)
        for verb in (["check"], ["heal"]):
            found = self.report(pid, *verb)
            assert (found["verdict"], found["plan"], found["outcome"]) == ("foreign", "none", "not-needed")
            assert words in found["reason"], found
            assert (found["trial"]["result"], found["live"]["fate"]) == ("skipped", "untried")
            assert bool(found["stale_files"]) == is_seen
        text = self.host.heal("check").stdout
        assert f"left alone, {words}" in text, text
        assert (f"(pid {pid}) runs files that were replaced" in text) == is_seen, text
        # The first asks whose it is, the next has nothing to ask.
        self.hook()
        last = self.actions()
        assert self.hook() == ""
        assert self.actions() == last
        assert self.host.deleted(pid) == stale and self.runs(pid) == exe
        assert self.banner(port)

    def springs_no_trap(self, pid, directory):
        """Renamed by its owner, with another program in its place, and then gone."""
        self.host.write(f"{directory}/trap", "#!/bin/sh\ntouch /run/trapped\n", mode=0o755)
        for step in (f"cd {directory}; mv sshd sshd.old; mv trap sshd", f"rm {directory}/sshd.old"):
            self.host.sh(f"{step}; rm /run/sshd-heal/proven")
            assert self.report(pid, "heal")["verdict"] == "foreign"
            assert self.hook() == ""
        assert self.host.run("test", "-e", "/run/trapped", check=False).returncode == 1

    @contextlib.contextmanager
    def unit(self, path, more=""):
        """An sshd under a unit of its own."""
        self.host.write("/run/systemd/system/own.service",
                        f"[Service]\nExecStart={path} -D -p {PORT} -o PidFile=none\n"
                        f"KillMode=process\n{more}")
        self.host.run("systemctl", "daemon-reload")
        self.host.run("systemctl", "start", "own.service")
        self.host.wait_for(lambda: self.banner(PORT), 10, "own.service")
        try:
            yield self.host.listener("own.service")
        finally:
            self.host.sh("systemctl stop own.service; rm /run/systemd/system/own.service;"
                         "systemctl daemon-reload")

    @contextlib.contextmanager
    def by_hand(self, port, *argv):
        """An sshd that an administrator starts in a session, and no unit stands behind."""
        before = self.pids()
        with subprocess.Popen(self.host.ssh_argv(f"{shlex.join(argv)}; true"), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as session:
            pid = None
            try:
                self.host.wait_for(lambda: self.banner(port) or session.poll() is not None, 10,
                                   f"sshd at port {port}")
                assert session.poll() is None, session.stdout.read()
                pid, = [pid for pid in self.pids() - before if self.listens(pid)]
                yield pid
            finally:
                if pid:
                    self.host.run("kill", pid)
                session.terminate()

    def pids(self):
        return {int(pid) for pid in self.host.sh("cd /proc; echo [0-9]*").stdout.split()}

    def listens(self, pid):
        title = self.host.sh(f"tr '\\0' ' ' </proc/{pid}/cmdline", check=False).stdout
        return title.startswith("sshd: ") and "[listener]" in title


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def whose(request, staged):
    with Host(roots.old_debian(request.param), staged(request.param)) as booted:
        # What is under all front ends would be quicker than the verbs.
        booted.run("systemctl", "stop", "sshd-heal.path", "sshd-heal.timer")
        booted.sh("useradd -m mallory; mkdir -p /opt/ssh /srv; touch /srv/name;"
                  "cp -a /usr/sbin/sshd /opt/ssh/sshd; cp -a /usr/sbin/sshd /root/sshd")
        if request.param == "trixie":
            booted.sh("echo 'PerSourcePenalties no' >>/etc/ssh/sshd_config")
        booted.run("systemctl", "restart", "ssh.service")
        yield Whose(booted)


@pytest.fixture(autouse=True)
def as_before(whose):
    yield
    whose.host.sh("rm -rf /run/systemd/system/ssh.service.d /etc/sshd-heal.conf;"
                  "rm -f /usr/sbin/sshd; cp -a /root/sshd /usr/sbin/sshd;"
                  "systemctl daemon-reload; systemctl reset-failed; systemctl restart ssh.service")
    assert whose.is_in()


# --- ours ---------------------------------------------------------------------------


def test_a_unit_with_mounts_of_its_own_is_ours(whose):
    for text in MOUNTS:
        whose.host.drop_in("ssh.service", f"[Service]\n{text}\n")
        # So many starts are too many for its start limit.
        whose.host.sh("systemctl reset-failed ssh.service; systemctl restart ssh.service")
        pid = whose.host.listener()
        mounts = whose.host.run("readlink", f"/proc/{pid}/ns/mnt", "/proc/1/ns/mnt").stdout.split()
        assert mounts[0] != mounts[1], text
        assert whose.is_in(), text
        whose.host.sh(RENEW)
        whose.heals(pid, hook=text is MOUNTS[0])


def test_what_waits_to_be_read_is_what_the_units_mounts_show(whose):
    """Other files over /etc/ssh: those of that name outside are not its configuration."""
    host = whose.host
    host.sh("cp -a /etc/ssh /srv/ssh")
    host.drop_in("ssh.service", "[Service]\nBindReadOnlyPaths=/srv/ssh:/etc/ssh\n")
    host.run("systemctl", "restart", "ssh.service")
    pid = host.listener()
    try:
        assert whose.report(pid, "heal")["verdict"] == "healthy"
        host.sh(f"{RENEW}; echo 'AllowUsers nobody' >>/etc/ssh/sshd_config")
        whose.heals(pid)
        # A hook that has nothing to do asks nobody.
        last = whose.actions()
        assert whose.hook() == "" and whose.actions() == last
        host.sh(f"{RENEW}; echo 'AllowUsers nobody' >>/srv/ssh/sshd_config")
        for verb in (["check"], ["heal"]):
            found = whose.report(pid, *verb)
            assert (found["verdict"], found["plan"]) == ("stale", "warn"), found
            assert "its configuration on disk" in found["reason"], found
        assert whose.is_in() and host.deleted(pid)
    finally:
        host.sh("sed -i '/^AllowUsers nobody$/d' /etc/ssh/sshd_config; rm -r /srv/ssh")


def test_another_root_directory_is_a_container(whose):
    """It has this host's PID namespace, and the names of its files."""
    script = ("mount -t tmpfs t /mnt; cd /; for d in bin sbin lib lib64; do cp -a $d /mnt/; done;"
              "for d in usr etc dev proc run var root opt; do mkdir /mnt/$d; mount --rbind /$d /mnt/$d;"
              "done; mkdir /mnt/old; cd /mnt; pivot_root . old; umount -l old;"
              "exec /usr/sbin/sshd -D -p 2205")
    with whose.by_hand(2205, "unshare", "-m", "sh", "-ec", script) as pid:
        assert whose.host.run("readlink", f"/proc/{pid}/root", f"/proc/{pid}/exe").stdout == (
            "/\n/usr/sbin/sshd\n")
        whose.host.sh(RENEW)
        whose.leaves(pid, 2205, "in a container or chroot", False)


def test_a_link_that_leads_to_sshd_is_ours_and_stale_once_it_leads_elsewhere(whose):
    whose.host.sh("mkdir -p /opt/next && cp -a /root/sshd /opt/next/sshd; rm /usr/sbin/sshd;"
                  "ln -s /etc/alternatives/sshd /usr/sbin/sshd; ln -sf /opt/ssh/sshd"
                  " /etc/alternatives/sshd; systemctl restart ssh.service")
    pid = whose.host.listener()
    assert whose.runs(pid) == "/opt/ssh/sshd"
    assert whose.report(pid, "check")["verdict"] == "healthy"
    whose.host.sh(RENEW)
    whose.heals(pid)
    # Its file is replaced, as a package does it.
    whose.host.sh("cp -a /root/sshd /opt/ssh/new && mv /opt/ssh/new /opt/ssh/sshd")
    whose.heals(pid, hook=True)
    assert whose.runs(pid) == "/opt/ssh/sshd"
    whose.host.sh("ln -sf /opt/next/sshd /etc/alternatives/sshd")
    assert [file["path"] for file in whose.report(pid, "check")["stale_files"]] == ["/usr/sbin/sshd"]
    whose.heals(pid)
    assert whose.runs(pid) == "/opt/next/sshd"


@pytest.mark.parametrize("path", ["/opt/ssh/sshd", "/usr/local/sbin/sshd"], ids=["opt", "stow"])
def test_a_file_that_is_its_units_own_is_ours(whose, path):
    whose.host.sh("mkdir -p /usr/local/stow/ssh; cp -a /root/sshd /usr/local/stow/ssh/sshd;"
                  "ln -sf ../stow/ssh/sshd /usr/local/sbin/sshd")
    with whose.unit(path) as pid:
        assert whose.report(pid, "check")["verdict"] == "healthy"
        whose.host.sh(RENEW)
        whose.heals(pid, PORT, hook=True)
        assert whose.host.listener("own.service") == pid
        whose.host.sh(f"f=$(readlink -f {path}) && cp -a /root/sshd $f.new && mv $f.new $f")
        whose.heals(pid, PORT)


@pytest.mark.parametrize("away", [
    "dpkg-divert --quiet --local --rename --divert /usr/sbin/sshd.distrib --add /usr/sbin/sshd",
    "mv /usr/sbin/sshd /usr/sbin/openssh.bak",
], ids=["dpkg-divert", "mv"])
def test_a_running_file_that_is_renamed_is_the_listeners_and_stale(whose, away):
    pid = whose.host.listener()
    assert whose.is_in()
    whose.host.sh(away)
    try:
        assert whose.is_in()
        for verb in (["check"], ["heal"]):
            found = whose.report(pid, *verb)
            assert (found["verdict"], found["plan"]) == ("stale", "warn"), found
            assert [file["path"] for file in found["stale_files"]] == ["/usr/sbin/sshd"]
            assert "/usr/sbin/sshd is missing" in found["trial"]["detail"]
        assert whose.is_in() and whose.host.listener() == pid
        whose.host.sh("cp -a /root/sshd /usr/sbin/sshd")
        whose.heals(pid, hook=True)
        assert whose.runs(pid) == "/usr/sbin/sshd"
    finally:
        whose.host.sh("rm -f /usr/sbin/sshd /usr/sbin/sshd.distrib /usr/sbin/openssh.bak;"
                      "dpkg-divert --quiet --local --no-rename --remove /usr/sbin/sshd")


# --- foreign ------------------------------------------------------------------------


def test_a_users_own_sshd_is_foreign(whose):
    whose.host.sh("test -e /home/mallory/key || runuser -u mallory -- ssh-keygen -q -t ed25519 -N ''"
                  " -f /home/mallory/key")
    with whose.by_hand(2201, "runuser", "-u", "mallory", "--", "/usr/sbin/sshd", "-D", "-p", "2201",
                       "-h", "/home/mallory/key", "-o", "PidFile=none") as pid:
        whose.host.sh(RENEW)
        whose.leaves(pid, 2201, "not run by root", False)


def test_a_units_file_that_another_user_can_replace_is_foreign(whose):
    whose.host.sh("install -d -o mallory /srv/shared; cp -a /root/sshd /srv/shared/sshd")
    with whose.unit("/srv/shared/sshd") as pid:
        whose.host.sh(RENEW)
        whose.leaves(pid, PORT, "not only root can change /srv/shared/sshd", True)
        whose.springs_no_trap(pid, "/srv/shared")


def test_a_link_to_where_another_user_can_write_is_foreign(whose):
    whose.host.sh("install -d -o mallory /srv/shared; cp -a /root/sshd /srv/shared/sshd;"
                  "ln -sf /srv/shared/sshd /usr/sbin/sshd; systemctl restart ssh.service")
    pid = whose.host.listener()
    whose.host.sh(RENEW)
    whose.leaves(pid, 22, "not only root can change /srv/shared/sshd", True)
    whose.springs_no_trap(pid, "/srv/shared")


def test_the_root_of_a_user_namespace_is_foreign(whose):
    with whose.by_hand(2203, "unshare", "-U", "-r", "/usr/sbin/sshd", "-D", "-p", "2203",
                       "-o", "PidFile=none") as pid:
        whose.host.sh(RENEW)
        whose.leaves(pid, 2203, "not run by root", False)


def test_a_pid_namespace_of_its_own_is_a_container(whose):
    with whose.by_hand(2204, "unshare", "-p", "-f", "--kill-child", "/usr/sbin/sshd", "-D", "-p", "2204",
                       "-o", "PidFile=none") as pid:
        whose.host.sh(RENEW)
        whose.leaves(pid, 2204, "in a container or chroot", False)


def test_one_that_was_started_by_hand_from_opt_is_foreign_until_it_is_named(whose):
    words = "not a known sshd path, and not the file of its unit; SshdPath=/opt/ssh/sshd"
    with whose.by_hand(2206, "setsid", "/opt/ssh/sshd", "-D", "-p", "2206", "-o", "PidFile=none") as pid:
        assert whose.report(pid, "check")["verdict"] == "foreign"
        whose.host.sh(RENEW)
        whose.leaves(pid, 2206, words, True)
        whose.host.write("/etc/sshd-heal.conf", "SshdPath=/usr/sbin/sshd /opt/ssh/sshd\n"
                                                "UnmanagedListener=hup\n")
        whose.heals(pid, 2206, hook=True)


def test_what_cannot_be_looked_at_is_neither_foreign_nor_absent_nor_healthy(whose):
    whose.host.sh(RENEW)
    for limit in range(3, 12):
        done = whose.host.sh(f"ulimit -n {limit}; exec sshd-heal check", check=False)
        said = done.stdout + done.stderr
        assert done.returncode in (1, 3, 127), said
        for word in ("healthy", "no sshd is running", "container", "not a known"):
            assert word not in said, said
    with whose.unit("/opt/ssh/sshd") as pid:
        whose.host.sh("mv /run/systemd/private /run/systemd/away; mv /run/dbus /run/dbus-away")
        done = whose.host.heal("check", "--format=json")
        whose.host.sh("mv /run/systemd/away /run/systemd/private; mv /run/dbus-away /run/dbus")
        report = json.loads(done.stdout)
        found, = [entry for entry in report["listeners"] if entry["pid"] == pid]
        assert (found["verdict"], done.returncode) == ("unknown", 3), done.stdout
        assert found["reason"] == "whose it is could not be found out"
    assert whose.is_in()
