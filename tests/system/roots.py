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

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("B", "build")).resolve()

#: What is old at first, by source package with one of its binary packages. OpenSSH
#: refuses an OpenSSL older than the one that it was built with: it is old, too.
OLD_SOURCES = {
    "bookworm": {"openssl": "libssl3", "glibc": "libc6", "openssh": "openssh-server"},
    "trixie": {"openssl": "libssl3t64", "openssh": "openssh-server"},
}
#: What a test upgrades.
UPGRADE = ["libssl3", "libc6", "libc-bin"]
UPGRADES = {"bookworm": UPGRADE, "trixie": ["libssl3t64"]}
#: What building for another suite than this machine's takes.
BUILD_TOOLS = ["gcc", "g++", "make", "pkg-config", "libapt-pkg-dev", "libdbus-1-dev",
               "libssh-dev", "libeconf-dev", "libjson-c-dev"]
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
    own = own_suite()
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


def own_suite():
    """This machine's suite."""
    return next(line.split("=")[1].strip() for line in open("/etc/os-release", encoding="utf-8")
                if line.startswith("VERSION_CODENAME="))


def bootstrap(root, archive, pins, include):
    """Makes a root with the pinned versions."""
    preferences = "".join(
        f"Package: src:{source}\nPin: version {version}\nPin-Priority: 1001\n\n"
        for source, version in pins.items())
    pin_file = archive.dir / "pins"
    pin_file.write_text(preferences, encoding="utf-8")
    options = [f"--aptopt={line}" for line in host_apt_options()]
    run("mmdebstrap", "--variant=minbase", f"--include={','.join(include)}", *options,
        f"--setup-hook=cp {pin_file} \"$1/etc/apt/preferences.d/old\"",
        "--customize-hook=rm \"$1/etc/apt/preferences.d/old\"",
        archive.suite, root, archive.dir / "sources.list")


def installed(root, package):
    """The version of a package in a root."""
    return run("dpkg-query", f"--root={root}", "-W", "-f", "${Version}", package)


def chroot_apt(root, *commands):
    """Runs apt-get commands in a root, with this machine's network."""
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    for command in commands:
        run("chroot", root, "apt-get", "-qq", *command)
    (root / "etc/resolv.conf").unlink()


def authorize(root):
    """Puts a key into the root that opens a login there."""
    key = root / "root/.ssh"
    key.mkdir(mode=0o700, exist_ok=True)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key / "id_ed25519")
    shutil.copy(key / "id_ed25519.pub", key / "authorized_keys")


def prepare(root, suite):
    """Puts a key and the packages to come into the root."""
    authorize(root)
    # The old ones, too: a test goes back and forth between them.
    chroot_apt(root, ["update"], ["-y", "-d", "install", *UPGRADES[suite], UNRELATED],
               ["-y", "-d", "install", "--reinstall",
                *(f"{name}={installed(root, name)}" for name in UPGRADES[suite])])


def cached(name, make, *files):
    """A root that is made if it is not there; make gets the path to make it at.

    It is made anew when this file, make's, or one of the files was changed.
    """
    sources = {pathlib.Path(path).resolve() for path in (__file__, inspect.getfile(make), *files)}
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(sources)))
    root = BUILD / "roots" / f"{name}-{digest.hexdigest()[:12]}"
    if root.exists():
        return root
    note(f"making the root {name} (once) ...")
    partial = root.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    make(partial)
    partial.rename(root)
    return root


def old_debian(suite="bookworm"):
    """The root of an old host of a suite."""
    def make(root):
        archive = Archive(suite)
        archive.update()
        pins = {source: archive.versions(binary)[-1]
                for source, binary in OLD_SOURCES[suite].items()}
        for binary in UPGRADES[suite]:
            if len(archive.versions(binary)) < 2:
                raise RuntimeError(f"the archive of {suite} has but one version of {binary}")
        bootstrap(root, archive, pins, INCLUDE)
        prepare(root, suite)

    return cached(f"{suite}-old", make)


def between_releases():
    """An old Debian 12 host that has all of Debian 13 waiting in apt's cache."""
    old = old_debian("bookworm")

    def make(root):
        run("cp", "-a", "--reflink=auto", old, root)
        (root / "etc/apt/sources.list").write_text(host_sources("trixie"), encoding="utf-8")
        chroot_apt(root, ["update"], ["-y", "-d", "full-upgrade"])

    return cached("bookworm-to-trixie", make)


def stage(suite):
    """sshd-heal with its apt hooks, built for a suite, as `make install` lays it out."""
    target = BUILD / "stage" / suite
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    if suite == own_suite():
        run("make", "-s", "-C", TOP, "install", "install-hooks-apt", f"B={BUILD}",
            f"DESTDIR={target}", "PREFIX=/usr")
        return target

    def make(root):
        archive = Archive(suite)
        archive.update()
        bootstrap(root, archive, {}, BUILD_TOOLS)

    root = cached(f"{suite}-build", make)
    make_in(root, suite, "install", "install-hooks-apt", f"DESTDIR=/out/stage/{suite}",
            "PREFIX=/usr")
    shutil.rmtree(target)
    shutil.copytree(suite_build(suite) / "stage" / suite, target, symlinks=True)
    return target


def make_in(root, suite, *args):
    """Runs make on the tree in a root, with the suite's own build directory."""
    # Private mounts: neither the tree nor its build directory appears in the root.
    run("unshare", "-m", "sh", "-ec",
        'root=$1; mount --make-rprivate /; mkdir -p "$root/src" "$root/out"; mount --bind "$2"'
        ' "$root/src"; mount --bind "$3" "$root/out"; mount -t proc proc "$root/proc"; shift 3;'
        ' exec chroot "$root" make -s -C /src B=/out "$@"',
        "sh", root, TOP, suite_build(suite), *args)


def suite_build(suite):
    """The build directory of a suite that is not this machine's."""
    path = BUILD / "suites" / suite
    path.mkdir(parents=True, exist_ok=True)
    return path
