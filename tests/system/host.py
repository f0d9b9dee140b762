# SPDX-License-Identifier: GPL-2.0-or-later
"""A throwaway host: a container that boots systemd, and what a client sees of it."""

import contextlib
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("B", "build")).resolve()
ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
       "DEBIAN_FRONTEND": "noninteractive"}
#: Lines of [Service] whose sshd only a restart helps: SIGHUP has it look for its file in /.
ONLY_A_RESTART = ("ExecReload=\nWorkingDirectory=/etc/ssh\nExecStart=\n"
                  "ExecStart=/usr/sbin/sshd -D -f sshd_config\n")
_numbers = itertools.count(1)


class HostError(Exception):
    """The host could not be booted, or a command on it failed."""


class Host:
    """A host on a writable layer over a root directory; `with` boots and ends it.

    root: the directory below; it stays as it is.
    staged: what to lay over it first, such as roots.stage()'s.
    """

    def __init__(self, root, staged=None):
        self.lower = pathlib.Path(root)
        self.name = f"sshd-heal-{os.getpid()}-{next(_numbers)}"
        self.run_dir = BUILD / "run" / self.name
        self.upper = self.run_dir / "upper"
        self.nspawn = None
        self.leader = None
        for name in ("work", "root"):
            (self.run_dir / name).mkdir(parents=True)
        if staged:
            shutil.copytree(staged, self.upper, symlinks=True)
        else:
            self.upper.mkdir()

    def __enter__(self):
        try:
            self.boot()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exc):
        self.stop()

    def boot(self, timeout=30):
        console = open(self.run_dir / "console", "wb")
        with console:
            self.nspawn = subprocess.Popen(
                ["unshare", "-m", HERE / "boot.sh", self.lower, self.run_dir, self.name],
                stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT)
        self.wait_for(self._find_leader, timeout, "the container to start")
        self.wait_for(self._is_up, timeout, "the host to boot")
        # The first proof, as the timer takes it soon after a boot.
        if (self.upper / "usr/lib/systemd/system/sshd-heal.service").exists():
            self.act()

    def reboot(self):
        """Ends it, and boots it again with what is on its disk."""
        self.halt()
        self.leader = None
        self.boot()

    def _console(self):
        return (self.run_dir / "console").read_text(errors="replace")[-2000:]

    def _find_leader(self):
        if self.nspawn.poll() is not None:
            raise HostError(f"the container did not start: {self._console()}")
        path = pathlib.Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children")
        children = path.read_text().split()
        # nspawn has another child for a moment; the host's PID 1 is 1 in its namespace.
        for child in children:
            try:
                status = pathlib.Path(f"/proc/{child}/status").read_text()
                exe = os.readlink(f"/proc/{child}/exe")
            except OSError:
                continue
            if re.search(r"^NSpid:.*\t1$", status, re.M) and exe.endswith("/systemd"):
                self.leader = int(child)
        return self.leader is not None

    def _is_up(self):
        state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        return state in ("running", "degraded")

    def wait_for(self, condition, timeout, what):
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise HostError(f"waited {timeout} s for {what}: {self._console()}")
            time.sleep(0.05)

    def stop(self):
        self.halt()
        shutil.rmtree(self.run_dir, ignore_errors=True)

    def halt(self):
        if self.nspawn:
            if self.leader and self.nspawn.poll() is None:
                # systemd(1): SIGRTMIN+4 powers the system off.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.leader, signal.SIGRTMIN + 4)
            try:
                self.nspawn.wait(15)
            except subprocess.TimeoutExpired:
                self.nspawn.kill()
                self.nspawn.wait()
            self.nspawn = None

    # --- on the host ---------------------------------------------------------

    def argv(self, *command, only_net=False):
        where = ["-n"] if only_net else ["-a", "--root"]
        return ["nsenter", "-t", str(self.leader), *where, *map(str, command)]

    def run(self, *command, check=True, timeout=120, **kwargs):
        """Runs a command as root on the host; gives the finished process."""
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        if "input" in kwargs:
            del kwargs["stdin"]
        done = subprocess.run(self.argv(*command), text=True, env=ENV, cwd="/",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=timeout, check=False, **kwargs)
        if check and done.returncode != 0:
            raise HostError(f"{' '.join(map(str, command))}: status {done.returncode}\n"
                            f"{done.stdout}{done.stderr}")
        return done

    def sh(self, script, **kwargs):
        return self.run("sh", "-c", script, **kwargs)

    def act(self):
        """Has the actor run, as the timer does, and waits for its end."""
        self.run("systemctl", "start", "sshd-heal.service")

    def heal(self, *args, **kwargs):
        return self.run("sshd-heal", *args, check=False, **kwargs)

    def heals(self):
        """Heals, which must leave nothing stale; gives the finished process."""
        done = self.heal("heal")
        assert done.returncode == 0, done.stdout + done.stderr
        assert self.deleted(self.listener()) == [], done.stdout
        return done

    def leaves_alone(self, pid, status, *words, **kwargs):
        """Heals, which must not touch the stale listener, and must say why; gives the process."""
        done = self.heal("heal", **kwargs)
        assert done.returncode == status, done.stdout + done.stderr
        for word in (*words, "left alone: "):
            assert word in done.stdout, done.stdout
        assert self.listener() == pid
        assert self.deleted(pid), "it was restarted or reloaded all the same"
        return done

    def upgrade(self, *packages, **kwargs):
        """A real upgrade, of packages that wait in apt's cache."""
        return self.run("apt-get", "install", "-y", "--no-download", *packages, **kwargs)

    def upgrade_unnoticed(self, *packages):
        """An upgrade without our hooks: it leaves sshd as it would be without us."""
        self.run("mv", "/etc/apt/apt.conf.d/90sshd-heal", "/root/90sshd-heal")
        self.upgrade(*packages)
        self.run("mv", "/root/90sshd-heal", "/etc/apt/apt.conf.d/90sshd-heal")

    def write(self, path, text, mode=0o644):
        self.run("tee", path, input=text)
        self.run("chmod", oct(mode)[2:], path)

    def drop_in(self, unit, text):
        """Changes a unit, in place of what was changed of it before."""
        self.run("mkdir", "-p", f"/run/systemd/system/{unit}.d")
        self.write(f"/run/systemd/system/{unit}.d/test.conf", text)
        self.run("systemctl", "daemon-reload")

    def listener(self, unit="ssh.service"):
        return int(self.run("systemctl", "show", "-P", "MainPID", unit).stdout)

    def deleted(self, pid):
        """The deleted files that a process has mapped as code."""
        rows = self.run("cat", f"/proc/{pid}/maps").stdout.splitlines()
        return sorted({row.split(None, 5)[5].removesuffix(" (deleted)") for row in rows
                       if row.endswith(" (deleted)") and "x" in row.split()[1]})

    def journal(self):
        return self.run("journalctl", "-q", "-t", "sshd-heal", "-o", "cat", "--no-pager").stdout

    def version(self, package):
        return self.run("dpkg-query", "-W", "-f", "${Version}", package).stdout

    def trigger_is_done(self):
        """Whether sshd-heal.service, which rpm's trigger asks, has nothing to do any more."""
        return self.sh("systemctl is-active sshd-heal.service; cat /run/sshd-heal/requests || true",
                       check=False).stdout.strip() in ("inactive", "failed")

    # --- as a client ---------------------------------------------------------

    def ssh_argv(self, *command, port=22, user="root", timeout=5):
        key = self.lower / "root/.ssh/id_ed25519"
        return self.argv(
            "ssh", "-F", "none", "-i", key, "-p", port, "-o", "BatchMode=yes",
            "-o", "StrictHostKeyChecking=accept-new",
            "-o", f"UserKnownHostsFile={self.run_dir}/known_hosts",
            "-o", f"ConnectTimeout={timeout}", "-o", "LogLevel=ERROR", f"{user}@127.0.0.1", *command,
            only_net=True)

    def ssh(self, command, check=True, **kwargs):
        """A new login with a key, over the host's loopback."""
        done = subprocess.run(self.ssh_argv(command, **kwargs), text=True, capture_output=True,
                              stdin=subprocess.DEVNULL, env=ENV, timeout=30, check=False)
        if check and done.returncode != 0:
            raise HostError(f"ssh {command}: status {done.returncode}\n{done.stderr}")
        return done

    def session(self, port=22):
        return Session(self.ssh_argv("cat", port=port))

    def clients(self, pause_ms=2):
        return Clients(self.argv(sys.executable, HERE / "clients.py", "22", pause_ms,
                                 only_net=True))


class Session:
    """An open ssh session that answers."""

    def __init__(self, argv):
        self.process = subprocess.Popen(argv, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENV)
        if not self.answers("hello"):
            raise HostError(f"the ssh session did not open: {self.process.stderr.read()}")

    def answers(self, word):
        """Whether a line sent through the session comes back."""
        try:
            self.process.stdin.write(word + "\n")
            self.process.stdin.flush()
        except OSError:
            return False
        return self.process.stdout.readline() == word + "\n"

    def lasts(self):
        """Whether it has outlived what was done; closes it."""
        answers = self.answers("still here")
        self.close()
        return answers

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()
        self.process.stderr.close()


class Clients:
    """A loop of clients that each connect and read the banner."""

    def __init__(self, argv):
        self.process = subprocess.Popen(argv, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, env=ENV)
        self.process.stdout.readline()

    def stop(self):
        """Ends the loop; gives {"ok": n, "refused": n, …, "down_ms": longest gap}."""
        out, _ = self.process.communicate("\n", timeout=30)
        return json.loads(out)
