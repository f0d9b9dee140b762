# SPDX-License-Identifier: GPL-2.0-or-later
"""Real Debian roots for the tests, made once and kept under build/.

A root is an old host: the oldest versions that the archive still has, with the
newest ones waiting in apt's own cache, so that `apt-get install --no-download`
is a real upgrade without a network.
"""

import hashlib
import inspect
import os
import pathlib
import shutil
import subprocess
import sys

BUILD = pathlib.Path(os.environ.get("B", "build")).resolve()

#: What is old at first, by source package, and the binary packages to upgrade.
OLD_SOURCES = {"openssl": "libssl3", "glibc": "libc6", "openssh": "openssh-server"}
UPGRADE = ["libssl3", "libc6", "libc-bin"]
INCLUDE = [
    "systemd-sysv", "dbus", "libpam-systemd", "openssh-server", "iproute2", "procps",
    "libssh-4", "libeconf0", "libjson-c5",
]
#: An unrelated package, for the hook's quiet path, and its size on disk is small.
UNRELATED = "less"


def note(text):
    print(f"  {text}", file=sys.stderr, flush=True)


def run(*argv, **kwargs):
    """Runs a program to its end; a failure shows what it printed."""
    done = subprocess.run(
        [str(arg) for arg in argv], text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False, **kwargs)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))}: status {done.returncode}\n{done.stdout}")
    return done.stdout


def host_sources(suite):
    """This machine's Debian sources, for another suite: (origin, release, component)."""
    def ask():
        return run("apt-get", "indextargets", "--format",
                   "$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(CODENAME)|$(COMPONENT)",
                   "Created-By: Packages")

    if not ask().strip():
        run("apt-get", "-qq", "update")
    own = next(line.split("=")[1].strip() for line in open("/etc/os-release", encoding="utf-8")
               if line.startswith("VERSION_CODENAME="))
    lines = set()
    for row in ask().splitlines():
        origin, uri, release, _, component = row.split("|")
        if origin == "Debian" and component == "main":
            lines.add(f"deb {uri} {release.replace(own, suite)} main")
    if not lines:
        raise RuntimeError("this machine has no Debian sources to take packages from")
    return "\n".join(sorted(lines)) + "\n"


def host_apt_options():
    """How this machine reaches its mirror: proxies and what goes with them."""
    wanted = ("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries")
    return [line for line in run("apt-config", "dump").splitlines() if line.startswith(wanted)
            and not line.endswith(' "";')]


class Archive:
    """A suite's package lists, in a private directory."""

    def __init__(self, suite):
        self.suite = suite
        self.sources = host_sources(suite)
        self.dir = BUILD / "apt" / suite
        self.options = []
        for key, value in {
            "Dir::Etc::SourceList": self.dir / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State::Lists": self.dir / "lists",
            "Dir::State::Status": "/dev/null",
            "Dir::Cache": self.dir / "cache",
        }.items():
            self.options += ["-o", f"{key}={value}"]

    def update(self):
        for name in ("lists/partial", "cache/archives/partial"):
            (self.dir / name).mkdir(parents=True, exist_ok=True)
        (self.dir / "sources.list").write_text(self.sources, encoding="utf-8")
        run("apt-get", "-qq", *self.options, "update")

    def versions(self, package):
        """All versions of a package, newest first."""
        rows = run("apt-cache", *self.options, "madison", package).splitlines()
        return list(dict.fromkeys(row.split("|")[1].strip() for row in rows if "Packages" in row))


def bootstrap(root, archive, pins):
    """Makes a root with the pinned versions."""
    preferences = "".join(
        f"Package: src:{source}\nPin: version {version}\nPin-Priority: 1001\n\n"
        for source, version in pins.items())
    pin_file = archive.dir / "pins"
    pin_file.write_text(preferences, encoding="utf-8")
    options = [f"--aptopt={line}" for line in host_apt_options()]
    run("mmdebstrap", "--variant=minbase", f"--include={','.join(INCLUDE)}", *options,
        f"--setup-hook=cp {pin_file} \"$1/etc/apt/preferences.d/old\"",
        "--customize-hook=rm \"$1/etc/apt/preferences.d/old\"",
        archive.suite, root, archive.dir / "sources.list")


def prepare(root):
    """Puts a key and the packages to come into the root."""
    key = root / "root/.ssh"
    key.mkdir(mode=0o700, exist_ok=True)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key / "id_ed25519")
    shutil.copy(key / "id_ed25519.pub", key / "authorized_keys")
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    for command in (["update"], ["-y", "-d", "install", *UPGRADE, UNRELATED]):
        run("chroot", root, "apt-get", "-qq", *command)
    (root / "etc/resolv.conf").unlink()


def recipe_id():
    return hashlib.sha256(inspect.getsource(sys.modules[__name__]).encode()).hexdigest()[:12]


def old_debian(suite="bookworm"):
    """The root of an old host of a suite, made if it is not there."""
    root = BUILD / "roots" / f"{suite}-old-{recipe_id()}"
    if root.exists():
        return root
    note(f"making a {suite} host with old libraries (once, about 40 s) ...")
    archive = Archive(suite)
    archive.update()
    pins = {}
    for source, binary in OLD_SOURCES.items():
        versions = archive.versions(binary)
        pins[source] = versions[-1]
        if source != "openssh" and len(versions) < 2:
            raise RuntimeError(f"the archive has only one version of {binary}: {versions}")
    # OpenSSH refuses an OpenSSL older than the one it was built with: it must be old, too.
    partial = root.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    bootstrap(partial, archive, pins)
    prepare(partial)
    partial.rename(root)
    return root
