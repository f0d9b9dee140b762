# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian machines that have make, and else only what every Debian has."""

import re
import shutil
import subprocess
import tempfile

import roots

ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def bare(suite="bookworm"):
    """The root of such a machine."""
    def make(root):
        archive = roots.Archive(suite)
        archive.update()
        roots.bootstrap(root, archive, {}, ["make"])

    return roots.cached(f"{suite}-bare", make)


def copy_of_the_tree(target, owner=0):
    """The sources as somebody would have them who has built nothing yet."""
    target.mkdir()
    makefile = (roots.TOP / "Makefile").read_text(encoding="utf-8")
    for name in re.search(r"^DIST = (.*)$", makefile, re.M).group(1).split():
        if (roots.TOP / name).is_dir():
            shutil.copytree(roots.TOP / name, target / name, symlinks=True,
                            ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(roots.TOP / name, target)
    roots.run("chown", "-hR", f"{owner}:{owner}", target)


def run(*argv, user=0, **kwargs):
    """Runs a program that knows nothing of the make that runs the tests; gives its end."""
    if user:
        argv = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *argv]
    return subprocess.run([str(arg) for arg in argv], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300,
                          check=False, **{"env": ENV, "cwd": "/", **kwargs})


#: Mounts nobody else sees: neither the layers nor /proc outlive a command.
ENTER = """mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
mount -t proc proc "$2/root/proc"
root=$2/root user=$3; shift 3
exec chroot --userspec="$user:$user" "$root" "$@"
"""


class Bare:
    """A bare machine that can be written to, with the sources in /tree."""

    def __init__(self, lower):
        self.lower = lower
        top = roots.BUILD / "run"
        top.mkdir(parents=True, exist_ok=True)
        self._dir = tempfile.TemporaryDirectory(prefix="bare-", dir=top)
        self.dir = top / self._dir.name
        for name in ("upper", "work", "root"):
            (self.dir / name).mkdir()
        self.tree = self.dir / "upper/tree"
        copy_of_the_tree(self.tree)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._dir.cleanup()

    def make(self, *goals, user=0):
        return run("unshare", "-m", "sh", "-ec", ENTER, "sh", self.lower, self.dir, user,
                   "make", "-C", "/tree", "--no-print-directory", *goals)

    def write(self, path, text, mode=0o755):
        file = self.dir / "upper" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)

    def changed(self):
        """All that was made on it, but for the sources."""
        upper = self.dir / "upper"
        return sorted(str(path.relative_to(upper)) for path in upper.rglob("*")
                      if self.tree not in path.parents and path != self.tree)
