# SPDX-License-Identifier: GPL-2.0-or-later
"""Old Debian hosts with more front ends, and sshd-heal's own package for them.

Such a host is one of roots.old_debian() that has unattended-upgrades and aptitude as
well; in apt's cache wait needrestart and what a test upgrades, and /srv/repo is a
repository of that, which replaces the archive's where apt reads SOURCES.
"""

import shutil

import roots

EXTRA = ["unattended-upgrades", "python3-apt", "aptitude", "apt-utils", "gdebi-core", "cron"]
#: What a suite has beyond that.
EXTRA_OF = {"bookworm": [], "trixie": ["nala"]}
#: What a test installs for itself: they have hooks of apt of their own.
LATER = ["needrestart", "packagekit", "packagekit-tools", "shared-mime-info"]
BUILD_TOOLS = [*roots.BUILD_TOOLS, "build-essential", "debhelper", "libcmocka-dev", "lintian"]
#: Where a host has its repository, and sshd-heal's packages.
REPO = "srv/repo"
HEAL = "srv/heal"
SOURCES = "deb [trusted=yes] file:/srv/repo ./\n"
#: Lets unattended-upgrades take that.
UNATTENDED = """#clear Unattended-Upgrade::Origins-Pattern;
Unattended-Upgrade::Origins-Pattern { "origin=Local"; };
Unattended-Upgrade::MinimalSteps "true";
"""
INDEX = ("cd /srv/repo && apt-ftparchive packages . >Packages && apt-ftparchive"
         " -o APT::FTPArchive::Release::Origin=Local -o APT::FTPArchive::Release::Suite=stable"
         " release . >Release.new && mv Release.new Release")


def host(suite):
    """The root of an old host with more front ends."""
    old = roots.old_debian(suite)

    def make(root):
        roots.run("cp", "-a", "--reflink=auto", old, root)
        before = {name: roots.installed(root, name) for name in roots.OLD_SOURCES[suite].values()}
        pins = root / "etc/apt/preferences.d/old"
        pins.write_text("".join(
            f"Package: src:{source}\nPin: version {before[name]}\nPin-Priority: 1001\n\n"
            for source, name in roots.OLD_SOURCES[suite].items()), encoding="utf-8")
        options = ["-y", "--no-install-recommends"]
        roots.chroot_apt(root, ["update"], [*options, "install", *EXTRA, *EXTRA_OF[suite]],
                         [*options, "-d", "install", *LATER],
                         [*options, "-d", "--reinstall", "install",
                          f"libc6={roots.installed(root, 'libc6')}"])
        pins.unlink()
        # What nala has brought along stays as it is, too.
        (root / "etc/apt/apt.conf.d/00only").write_text(
            'APT::Get::Upgrade-By-Source-Package "false";\n', encoding="utf-8")
        now = {name: roots.installed(root, name) for name in before}
        if now != before:
            raise RuntimeError(f"the old host is not old any more: {before} became {now}")
        (root / "etc/dpkg/dpkg.cfg.d/fast").write_text("force-unsafe-io\n", encoding="utf-8")
        # Nothing but a test upgrades anything, nor is it run at an hour of the day.
        (root / "etc/systemd/system/multi-user.target.wants/cron.service").unlink()
        for timer in (root / "etc/systemd/system/timers.target.wants").glob("apt-daily*"):
            timer.unlink()
        _make_repository(root, suite)

    return roots.cached(f"{suite}-deb", make)


def _make_repository(root, suite):
    (root / REPO).mkdir(parents=True)
    for name in roots.UPGRADES[suite]:
        old = roots.installed(root, name)
        for package in (root / "var/cache/apt/archives").glob(f"{name}_*.deb"):
            if roots.run("dpkg-deb", "-f", package, "Version").strip() != old:
                shutil.copy(package, root / REPO)
    roots.run("chroot", root, "sh", "-c", INDEX)


def build_root(suite):
    """A root of a suite that sshd-heal's package can be built and judged in."""
    def make(root):
        archive = roots.Archive(suite)
        archive.update()
        roots.bootstrap(root, archive, {}, BUILD_TOOLS)

    return roots.cached(f"{suite}-deb-build", make)


def build(suite):
    """The directory with sshd-heal's package and what goes with it, built in that suite."""
    if suite == roots.own_suite():
        roots.run("make", "-s", "-C", roots.TOP, "deb", f"B={roots.BUILD}")
        return roots.BUILD / "deb"
    name = f"{suite}-deb"
    roots.make_in(build_root(suite), name, "deb")
    return roots.suite_build(name) / "deb"


def stage(suite):
    """What a test lays over a host: sshd-heal's package."""
    target = roots.BUILD / "stage" / f"{suite}-deb"
    shutil.rmtree(target, ignore_errors=True)
    (target / HEAL).mkdir(parents=True)
    for package in build(suite).glob("sshd-heal_*.deb"):
        shutil.copy(package, target / HEAL)
    return target
