# SPDX-License-Identifier: GPL-2.0-or-later
"""Real rpm hosts for the tests, made out of Debian packages and kept under build/.

rpm knows three kinds of packages there: `base`, which provides what Debian's files do,
`openssl-libs`, whose libcrypto sshd runs with, and `unrelated`. All releases of them are
in /srv/repo, which dnf takes packages from.
"""

import pathlib
import shutil

import roots

HERE = pathlib.Path(__file__).resolve().parent / "rpm"

#: Each suite's package manager.
FRONT_END = {"bookworm": "dnf", "trixie": "dnf", "forky": "dnf5"}
#: Where there is another, besides.
ZYPPER = {"bookworm": ["zypper"]}
INCLUDE = [*roots.INCLUDE, "rpm", "createrepo-c", "python3"]
#: What building sshd-heal's own rpm takes on top of that.
BUILD_TOOLS = [*roots.BUILD_TOOLS, "elfutils", "file", "librpm-dev", "libcmocka-dev", "rpmlint"]
#: What the roots are made with, and where a root has it meanwhile.
FILES = sorted(HERE.iterdir())
INSIDE = "root/rpm"


def rpm_host(suite):
    """The root of a host that has openssl-libs 3.0.7-1, with newer ones in its repository."""
    def make(root):
        archive = roots.Archive(suite)
        archive.update()
        roots.bootstrap(root, archive, {},
                        [*INCLUDE, FRONT_END[suite], *ZYPPER.get(suite, [])])
        roots.authorize(root)
        _configure(root)
        shutil.copytree(HERE, root / INSIDE)
        roots.run("chroot", root, "sh", f"/{INSIDE}/repo.sh")
        shutil.rmtree(root / INSIDE)

    return roots.cached(f"{suite}-rpm", make, *FILES)


def rpm_build_root(suite):
    """A root of a suite that rpmbuild can make sshd-heal's package in."""
    def make(root):
        roots.run("cp", "-a", "--reflink=auto", rpm_host(suite), root)
        roots.chroot_apt(root, ["update"],
                         ["-y", "--no-install-recommends", "install", *BUILD_TOOLS], ["clean"])
        shutil.copy(HERE / "macros.build", root / "etc/rpm/macros.build")

    return roots.cached(f"{suite}-rpm-build", make, *FILES)


def heal_rpms(suite):
    """The directory with sshd-heal's own packages, built by rpmbuild in that suite."""
    name = f"{suite}-rpm"
    packages = roots.suite_build(name) / "rpm"
    shutil.rmtree(packages, ignore_errors=True)
    roots.make_in(rpm_build_root(suite), name, "rpm")
    return packages


def stage(suite):
    """What a test lays over a host: sshd-heal's packages, and a repository entry for them."""
    target = roots.BUILD / "stage" / f"{suite}-rpm"
    shutil.rmtree(target, ignore_errors=True)
    (target / "srv/heal").mkdir(parents=True)
    for package in heal_rpms(suite).glob("*.rpm"):
        if "-debuginfo-" not in package.name and not package.name.endswith(".src.rpm"):
            shutil.copy(package, target / "srv/heal")
    (target / "etc/yum.repos.d").mkdir(parents=True)
    shutil.copy(HERE / "heal.repo", target / "etc/yum.repos.d")
    return target


def python2_root():
    """A root with Python 2.7, a shell and little else; nothing in it is configured."""
    suite = "bullseye"

    def make(root):
        # A release this old loses its updates' suites first; what it had at last will do.
        source = next(line for line in roots.host_sources(suite).splitlines()
                      if line.split()[2] == suite)
        options = [f"--aptopt={line}" for line in roots.host_apt_options()]
        roots.run("mmdebstrap", "--variant=extract", "--include=python2.7,dash,coreutils",
                  *options, suite, root, source)

    return roots.cached("python2", make)


def _configure(root):
    """Lets rpm and dnf keep to the root's own database and repository."""
    for source, target in (("macros.host", "etc/rpm/macros"),
                           ("host.repo", "etc/yum.repos.d/host.repo"),
                           ("host.repo", "etc/zypp/repos.d/host.repo")):
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / source, root / target)
    # dnf5's `local` plugin would make a repository of its own of all that is installed.
    local = root / "etc/dnf/libdnf5-plugins/local.conf"
    if local.exists():
        local.write_text("[main]\nname = local\nenabled = 0\n", encoding="utf-8")
