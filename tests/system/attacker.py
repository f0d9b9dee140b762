# SPDX-License-Identifier: GPL-2.0-or-later
"""mallory: an ordinary user with a shell on a host, and a witness of what is opened."""

import base64
import contextlib
import os
import re
import shutil
import struct
import subprocess
import time

from host import ENV, HERE, Host, HostError

UID = 1000
HOME = "/home/mallory"
#: Names under which the swarm looks like sshd's programs; the last one does not.
NAMES = ("sshd", "sshd-session", "sshd-x", "sshd (deleted)", "idle")
LISTENER = "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"
LIBRARY = "/tmp/evil.so"
KEY = "/tmp/evil_key"
#: What the library leaves behind when somebody loads it.
MARK = "/tmp/owned"
#: A configuration that has sshd load the library, and a program for sshd 9.8 on.
CONFIG = f"SecurityKeyProvider {LIBRARY}\nHostKey {KEY}\n"
PROGRAM = "/tmp/evil"

FLAGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]
#: Whatever takes a name of a file; dpkg's and apt's own work is not slowed down by more.
CALLS = ("open,openat,openat2,execve,execveat,stat,lstat,newfstatat,statx,access,faccessat,"
         "faccessat2,readlink,readlinkat,inotify_add_watch")


def stage(target, staged):
    """sshd-heal as staged, and mallory's programs; they need no library of the host."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(staged, target, symlinks=True)
    where = target / "usr/lib/attack"
    where.mkdir()
    sources = HERE / "attack"
    subprocess.run(["gcc", *FLAGS, "-static", "-pthread", "-o", where / NAMES[0],
                    sources / "swarm.c", sources / "fuse.c"], check=True)
    for name in NAMES[1:]:
        shutil.copy(where / NAMES[0], where / name)
    subprocess.run(["gcc", *FLAGS, "-static", "-o", where / "ports", sources / "ports.c"],
                   check=True)
    subprocess.run(["gcc", *FLAGS, "-shared", "-fPIC", "-o", where / "evil.so",
                    sources / "evil.c"], check=True)
    return target


def security_key():
    """A host key that lives on a token: to sign with it, sshd loads a library. PROTOCOL.key."""
    def text(data):
        return struct.pack(">I", len(data)) + data

    kind, point, application = b"sk-ssh-ed25519@openssh.com", os.urandom(32), b"ssh:"
    public = text(kind) + text(point) + text(application)
    private = struct.pack(">II", 1, 1) + public + b"\x01" + text(b"handle") + text(b"") + text(b"")
    private += bytes(range(1, 1 + -len(private) % 8))
    blob = (b"openssh-key-v1\0" + text(b"none") + text(b"none") + text(b"") +
            struct.pack(">I", 1) + text(public) + text(private))
    return ("-----BEGIN OPENSSH PRIVATE KEY-----\n" + base64.encodebytes(blob).decode() +
            "-----END OPENSSH PRIVATE KEY-----\n")


class Target(Host):
    """A host on which mallory has an account."""

    def boot(self, timeout=30):
        super().boot(timeout)
        # Anybody may open /dev/fuse on a real host; these containers just lack it.
        self.sh(f"useradd -m -u {UID} -s /bin/sh mallory && mknod -m 666 /dev/fuse c 10 229"
                f" && install -d -o mallory {HOME}/bin"
                f" && install -o mallory /usr/lib/attack/* {HOME}/bin"
                f" && install -o mallory /usr/lib/attack/evil.so {LIBRARY}")
        self.write_as_mallory(KEY, security_key(), mode=0o600)
        self.write_as_mallory(PROGRAM, f"#!/bin/sh\necho \"run by uid $(id -u)\" >>{MARK}\n",
                              mode=0o755)

    def as_mallory(self, *command, **kwargs):
        return self.run("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", *command,
                        **kwargs)

    def write_as_mallory(self, path, text, mode=0o644):
        self.as_mallory("mkdir", "-p", os.path.dirname(path))
        self.as_mallory("tee", path, input=text)
        self.as_mallory("chmod", oct(mode)[2:], path)

    def evil_config(self, path):
        """A configuration of mallory's, for whoever takes it for root's."""
        evil = CONFIG
        if "Debian-7" in self.run("ssh", "-V").stderr:
            evil += f"SshdSessionPath {PROGRAM}\n"
        self.write_as_mallory(path, evil)

    def mark(self):
        """What the library or the program had to tell, which is then forgotten."""
        return self.sh(f"cat {MARK} 2>/dev/null; rm -f {MARK}", check=False).stdout

    @contextlib.contextmanager
    def swarm(self, name, *options, run=None):
        """Runs mallory's swarm, or ports; gives the PID of its first process."""
        run = run or self.as_mallory
        pid = int(run(f"{HOME}/bin/{name}", *options, timeout=20).stdout)
        try:
            yield pid
        finally:
            self.run("kill", "-KILL", "--", f"-{pid}", check=False)
            self.wait_for(lambda: not self.has(pid), 10, "the swarm to end")

    def has(self, pid):
        return self.run("test", "-d", f"/proc/{pid}", check=False).returncode == 0

    def make_stale(self):
        """Replaces a library that sshd has mapped, as an upgrade does but at once."""
        self.sh("f=$(readlink -f /usr/lib/*/libcrypto.so.3) && cp -a $f $f.new && mv $f.new $f")
        return self.listener()

    def within(self, seconds, *command):
        """Runs a command that may never end; gives it when it did in time, else None."""
        start = time.monotonic()
        done = self.run("timeout", "-s", "KILL", seconds, *command, check=False,
                        timeout=seconds + 20)
        done.seconds = time.monotonic() - start
        return done if done.returncode not in (-9, 137) else None

    def gets_banner(self, port=22):
        """Whether a client would at least find sshd there."""
        script = (f"exec 3<>/dev/tcp/127.0.0.1/{port} && IFS= read -r -t 3 line <&3 &&"
                  " echo \"$line\"")
        done = subprocess.run(self.argv("bash", "-c", script, only_net=True), text=True,
                              capture_output=True, env=ENV, timeout=20, check=False)
        return done.stdout.startswith("SSH-2.0-")

    def watched(self, *command, cwd="/", check=True):
        """Runs a command on the host; gives it and the names that it and its children used."""
        log = self.run_dir / "trace"
        done = subprocess.run(
            ["strace", "-f", "-y", "--seccomp-bpf", "-o", log, "-e", f"trace={CALLS}",
             *self.argv("env", "-C", cwd, *command)],
            text=True, capture_output=True, stdin=subprocess.DEVNULL, env=ENV, cwd="/",
            timeout=120, check=False)
        if check and done.returncode not in (0, 1):
            raise HostError(f"{command}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done, Trace(log.read_text(errors="replace"))


class Trace:
    """The names of files in strace's words."""

    CALL = re.compile(r"^\d+ +(?:<\.\.\. )?(?P<call>\w+)(?:\(| resumed>)(?P<rest>.*)$")
    #: A directory and a name in it, or a name alone.
    NAMES = re.compile(r'(?:(?:AT_FDCWD|\d+)<(?P<dir>[^>]*)>, )?"(?P<path>[^"]*)"')

    def __init__(self, text):
        #: (call, absolute name, the whole line)
        self.uses = []
        for line in text.splitlines():
            found = self.CALL.match(line)
            if not found:
                continue
            name = self.NAMES.match(found["rest"])
            if name:
                path = os.path.join(name["dir"] or "/?", name["path"])
                self.uses.append((found["call"], os.path.normpath(path), line))
            # A link was followed: what was opened is another file.
            opened = re.search(r"= \d+<(/[^>]*)>$", line)
            if opened and found["call"].startswith("open"):
                self.uses.append((found["call"], opened[1], line))
        if not self.uses:
            raise HostError("strace saw nothing")

    @staticmethod
    def _is_below(path, places):
        return any(path == place or path.startswith(place + "/") for place in places)

    def named(self, *places):
        """The lines with a name in one of the places, whatever was done with it."""
        return [line for _, path, line in self.uses if self._is_below(path, places)]

    def used(self, *places):
        """Only where a file was opened or run; not a directory, and not to look at it."""
        return [line for call, path, line in self.uses if self._is_below(path, places)
                and call.startswith(("open", "exec"))
                and "O_DIRECTORY" not in line and "O_PATH" not in line]
