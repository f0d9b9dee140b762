# SPDX-License-Identifier: GPL-2.0-or-later
"""make demo: a real host, a real apt upgrade, and what its clients see of it."""

import pathlib
import subprocess
import sys
import threading
import time

import roots
from host import ENV, Host

START = time.monotonic()


def say(text=""):
    print(f"{time.monotonic() - START:6.1f} s  {text}" if text else "", flush=True)


class Watcher(threading.Thread):
    """Tells when sshd's mappings become deleted, and when they are gone again."""

    def __init__(self, host):
        super().__init__(daemon=True)
        listener = host.listener()
        # The host's PID, as this machine sees it: its maps can be read without a fork.
        children = pathlib.Path("/proc").glob("[0-9]*/status")
        self.pid = next(
            path.parent for path in children
            if f"NSpid:\t{path.parent.name}\t{listener}\n" in self._read(path))
        self.is_over = False

    @staticmethod
    def _read(path):
        try:
            return path.read_text()
        except OSError:
            return ""

    def deleted(self):
        rows = [row.split() for row in self._read(self.pid / "maps").splitlines()]
        return {row[5] for row in rows if len(row) == 7 and "x" in row[1]}

    def run(self):
        known = set()
        while not self.is_over:
            now = self.deleted()
            for path in sorted(now - known):
                say(f"sshd    DEL {path}")
            if known and not now:
                say("sshd    no deleted file left")
            known = now
            time.sleep(0.002)


def upgrade(host):
    """Upgrades with apt-get, and shows its lines as they come."""
    with subprocess.Popen(
            host.argv("apt-get", "install", "-y", "--no-download", *roots.UPGRADE), text=True,
            env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT) as apt:
        is_ours = False
        for line in apt.stdout:
            # The hook's report is one unindented line and indented ones.
            is_ours = line.startswith("sshd-heal: ") or (is_ours and line.startswith("  "))
            if is_ours or line.startswith(("Unpacking", "Setting up")):
                say(f"{'hook   ' if is_ours else 'apt    '} {line.rstrip()}")
    return apt.returncode


def demo():
    say("making a Debian 12 host with the libraries of some months ago ...")
    root = roots.old_debian()
    with Host(root, roots.stage("bookworm")) as host:
        say("booted: " + ", ".join(f"{name} {host.version(name)}" for name in roots.UPGRADE))
        session = host.session()
        say("client  an ssh session is open and stays so; new clients keep coming, one after the other")
        clients = host.clients()
        watcher = Watcher(host)
        watcher.start()
        say(f"admin   apt-get install {' '.join(roots.UPGRADE)}")
        status = upgrade(host)
        say(f"apt     exit status {status}")
        # A moment more of clients, so that what comes after is seen as well.
        time.sleep(0.5)
        watcher.is_over = True
        watcher.join()
        seen = clients.stop()
        login = host.ssh("echo in", check=False).stdout == "in\n"
        survived = session.lasts()
        refused = sum(count for fate, count in seen.items() if fate not in ("ok", "down_ms"))
        say(f"client  the session of before {'lives' if survived else 'DIED'}; "
            f"a new login {'works' if login else 'FAILS'}")
        say(f"client  {seen['ok']} clients got in, {refused} were turned away"
            + (f", for {seen['down_ms']} ms" if refused else ""))
        deleted = host.deleted(host.listener())
        say(f"sshd    {len(deleted)} deleted files mapped")
        for line in host.journal().splitlines():
            say(f"journal {line}")
        return status == 0 and survived and login and not deleted and bool(host.journal())


if __name__ == "__main__":
    if demo():
        say("demo: healed")
    else:
        say("demo: FAILED")
        sys.exit(1)
