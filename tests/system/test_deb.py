# SPDX-License-Identifier: GPL-2.0-or-later
"""sshd-heal's Debian package: what it is made of, and its life on real hosts."""

import concurrent.futures
import filecmp
import os
import re
import shutil

import pytest

import deb_roots
import roots
from conftest import once
from host import Host

SUITES = ["bookworm", "trixie"]
INSTALL = "apt-get install -y /srv/heal/sshd-heal_*.deb"
OURS = "/etc/apt/apt.conf.d/90sshd-heal"
MODULES = ["client-libssh.so", "config-econf.so", "package-apt.so", "report-json.so",
           "service-systemd.so"]


@pytest.fixture(scope="session")
def deb_staged(containers):
    """sshd-heal's package for a suite, built once, a suite beside the other."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return dict(zip(SUITES, pool.map(
            lambda suite: once(f"{suite}-deb", lambda: deb_roots.stage(suite)), SUITES))).__getitem__


@pytest.fixture
def fresh(deb_staged):
    """A booted old Debian 12 host, with sshd-heal's package at hand."""
    with Host(deb_roots.host("bookworm"), deb_staged("bookworm")) as booted:
        yield booted


@pytest.fixture
def installed(fresh):
    """Likewise, with the package installed, and the first proof taken."""
    fresh.sh(INSTALL)
    fresh.wait_for(fresh.trigger_is_done, 20, "sshd-heal.service")
    return fresh


@pytest.fixture(scope="module", params=SUITES)
def lasting(request, deb_staged):
    """A host of each suite with the package, which is upgraded again and again."""
    with Host(deb_roots.host(request.param), deb_staged(request.param)) as booted:
        booted.suite = request.param
        booted.sh(INSTALL)
        booted.wait_for(booted.trigger_is_done, 20, "sshd-heal.service")
        booted.old = {name: booted.version(name) for name in roots.UPGRADES[request.param]}
        yield booted


def age(host):
    """Gives a lasting host its old libraries back."""
    done = host.run("dpkg", "-i", *(path for name, version in host.old.items()
                             for path in archives(host, name, version)))
    # apt tells a status file from another by its size and second: these may be the same.
    host.sh("rm -f /var/cache/apt/*pkgcache.bin")
    # Which is healed in a moment, and told of in full.
    host.wait_for(host.trigger_is_done, 20, "sshd-heal.service")
    host.sh("rm -f /run/sshd-heal/told /run/sshd-heal/untold")
    return done


def archives(host, name, version="*"):
    """The packages in apt's cache of a name and version."""
    version = version.replace(":", "%3a")
    return host.sh(f"ls /var/cache/apt/archives/{name}_{version}_*.deb").stdout.split()


def is_quiet(done):
    """Whether nothing of ours is among the errors; that units are enabled is Debian's word."""
    ours = [line for line in done.stderr.splitlines() if "sshd-heal" in line and
            not re.match(r"Created symlink |Removed |.*is a disabled or a static unit|Failed to", line)]
    return ours == [] and "sshd_heal" not in done.stdout + done.stderr


def starts_and_reloads(host):
    """How often sshd was started and reloaded, as its unit's journal tells."""
    lines = host.run("journalctl", "-q", "-u", "ssh.service", "-o", "cat", "--no-pager").stdout
    return lines.count("Started ssh.service"), lines.count("Reloaded ssh.service")


def assert_healed_once(host, before, output=None):
    """And told once: on the terminal, where there is a front end that waits for it."""
    host.wait_for(host.trigger_is_done, 20, "sshd-heal.service")
    assert host.deleted(host.listener()) == []
    if output is not None:
        assert output.count("healed: reloaded") == 1, output
    assert "healed: reloaded" in host.journal()
    starts, reloads = before
    assert starts_and_reloads(host) == (starts, reloads + 1)
    assert host.ssh("echo in").stdout == "in\n"


# --- what it is made of ------------------------------------------------------


def control(deb, field):
    return roots.run("dpkg-deb", "-f", deb, field).strip()


def package_of(suite):
    return next((roots.BUILD / "stage" / f"{suite}-deb" / deb_roots.HEAL).glob("*.deb"))


@pytest.mark.parametrize("suite", SUITES)
def test_the_package_is_for_debian_hosts_only(suite, deb_staged):
    deb_staged(suite)
    deb = package_of(suite)
    spec = (roots.TOP / "packaging/rpm/sshd-heal.spec").read_text(encoding="utf-8")
    version = re.search(r"^Version:\t(.*)$", spec, re.M).group(1)
    multiarch = roots.run("dpkg-architecture", "-qDEB_HOST_MULTIARCH").strip()
    files = roots.run("dpkg-deb", "-c", deb).split()
    assert control(deb, "Version").rpartition("-")[0] == version
    assert "librpm" not in control(deb, "Depends")
    assert sorted(os.path.basename(name) for name in files if name.endswith(".so")) == MODULES
    assert f"./usr/lib/{multiarch}/sshd-heal/modules/package-apt.so" in files
    assert sorted(roots.run("dpkg-deb", "-I", deb, "conffiles").split()) == [
        OURS, "/etc/needrestart/conf.d/sshd-heal.conf"]


def test_two_builds_are_identical_and_leave_the_tree_alone(deb_staged, tmp_path):
    if roots.own_suite() not in SUITES:
        deb_roots.build(roots.own_suite())
    tree = tmp_path / "elsewhere"
    names = re.search(r"^DIST = (.*)$", (roots.TOP / "Makefile").read_text(), re.M).group(1)
    tree.mkdir()
    for name in names.split():
        roots.run("cp", "-R", roots.TOP / name, tree)
    before = roots.run("find", tree, "-printf", "%p %T@ %s\n")
    env = {**os.environ, "DEB_BUILD_OPTIONS": "nocheck", "TZ": "Pacific/Kiritimati",
           "LC_ALL": "C.UTF-8", "USER": "somebody"}
    roots.run("make", "-s", "-C", tree, "deb", f"B={tmp_path}/out", env=env, umask=0o077)
    assert roots.run("find", tree, "-printf", "%p %T@ %s\n") == before
    for pattern in ("*.deb", "*.tar.*"):
        made = sorted((tmp_path / "out/deb").glob(pattern))
        assert made
        for path in made:
            other = roots.BUILD / "deb" / path.name
            assert filecmp.cmp(path, other, shallow=False), path.name
    shutil.rmtree(tmp_path)


def test_lintian_is_content(deb_staged):
    deb_staged("trixie")
    root = deb_roots.build_root("trixie")
    shutil.rmtree(root / "tmp/judged", ignore_errors=True)
    top = roots.BUILD if roots.own_suite() == "trixie" else roots.suite_build("trixie-deb")
    shutil.copytree(top / "deb", root / "tmp/judged")
    done = roots.run("chroot", root, "sh", "-c", "lintian --allow-root --fail-on error,warning"
                     " --display-info /tmp/judged/*.changes")
    assert not re.search(r"^[EWI]: ", done, re.M), done
    for path in (roots.TOP / "packaging/deb").rglob("*lintian-overrides"):
        lines = path.read_text().splitlines()
        for above, line in zip(["", *lines], lines):
            assert line.startswith("#") or above.startswith("#"), f"no reason: {line}"


# --- every front end -----------------------------------------------------------

PYTHON_APT = """
import apt, sys
cache = apt.Cache()
for name in sys.argv[1:]:
    cache[name].mark_install()
cache.commit()
"""


def by_apt_get(host, names):
    return host.upgrade(*names)


def by_apt(host, names):
    return host.run("apt", "install", "-y", "--no-download", *names)


def by_aptitude(host, names):
    return host.run("aptitude", "-y", "install", *names)


def by_python_apt(host, names):
    return host.run("python3", "-c", PYTHON_APT, *names)


def by_dpkg(host, names):
    return host.sh(f"dpkg -i {' '.join(f'/srv/repo/{name}_*.deb' for name in names)}")


def from_repository(host):
    """From now on the host's archive is the one that it has in itself."""
    host.sh("rm -f /etc/apt/sources.list.d/*")
    host.write("/etc/apt/sources.list", deb_roots.SOURCES)
    host.run("apt-get", "update")


def by_unattended_upgrades(host, names, minimal="true"):
    """Gives what it wrote to its log as standard output."""
    log = "/var/log/unattended-upgrades/unattended-upgrades-dpkg.log"
    host.sh(f"rm -f {log}")
    from_repository(host)
    host.write("/etc/apt/apt.conf.d/99local", deb_roots.UNATTENDED.replace(
        'MinimalSteps "true"', f'MinimalSteps "{minimal}"'))
    done = host.run("unattended-upgrade", "-v")
    assert "All upgrades installed" in done.stdout + done.stderr
    assert done.stderr == ""
    done.stdout = host.run("cat", log).stdout
    return done


@pytest.mark.parametrize("front_end", [by_apt_get, by_apt, by_aptitude, by_python_apt, by_dpkg])
def test_an_upgrade_is_healed_once(lasting, front_end):
    age(lasting)
    before = starts_and_reloads(lasting)
    done = front_end(lasting, roots.UPGRADES[lasting.suite])
    for name, old in lasting.old.items():
        assert lasting.version(name) != old
    assert_healed_once(lasting, before, None if front_end is by_dpkg else done.stdout)
    assert is_quiet(done)


def test_dpkg_alone_tells_the_version_that_it_leaves(lasting):
    """In the last report and the journal: nobody is there to be told."""
    age(lasting)
    by_apt_get(lasting, roots.UPGRADES[lasting.suite])
    name = roots.OLD_SOURCES[lasting.suite]["openssl"]
    new = lasting.version(name)
    age(lasting)
    lasting.wait_for(lasting.trigger_is_done, 20, "sshd-heal.service")
    told = f"{name} {new} -> {lasting.old[name]} (source openssl)"
    assert f": {told}\n" in lasting.run("cat", "/run/sshd-heal/report.txt").stdout
    assert told in lasting.journal()


def test_dpkg_alone_heals_glibc_alone(lasting):
    age(lasting)
    before = starts_and_reloads(lasting)
    # It may be the same version: its files are new ones.
    lasting.run("dpkg", "-i", archives(lasting, "libc6")[-1])
    assert_healed_once(lasting, before)


@pytest.mark.parametrize("front_end", [by_apt_get, by_aptitude, by_python_apt,
                                       by_unattended_upgrades, by_dpkg])
def test_a_warning_is_given_once(lasting, front_end):
    """apt's hook and dpkg's trigger both ask; unattended-upgrades reads apt's hooks twice."""
    age(lasting)
    lasting.wait_for(lasting.trigger_is_done, 20, "sshd-heal.service")
    lasting.write("/etc/sshd-heal.conf", "Mode=warn\nMotd=yes\n")
    done = front_end(lasting, ["libssl3" if lasting.suite == "bookworm" else "libssl3t64"])
    lasting.wait_for(lasting.trigger_is_done, 20, "sshd-heal.service")
    lasting.run("rm", "/etc/sshd-heal.conf")
    told = (done.stdout + done.stderr).count("left alone:")
    # Its minimal steps are transactions of their own.
    steps = done.stdout.count("Processing triggers for sshd-heal")
    expected = {by_dpkg: 0, by_unattended_upgrades: steps}.get(front_end, 1)
    assert steps and told == expected, done.stdout + done.stderr
    assert "left alone:" in lasting.run("cat", "/run/sshd-heal/report.txt").stdout
    lasting.run("test", "-e", "/run/motd.d/sshd-heal")
    assert lasting.deleted(lasting.listener())
    assert lasting.heal("heal").returncode == 0
    lasting.run("test", "!", "-e", "/run/motd.d/sshd-heal")


def test_unattended_upgrades_heal_after_each_minimal_step(lasting):
    age(lasting)
    before = starts_and_reloads(lasting)
    done = by_unattended_upgrades(lasting, roots.UPGRADES[lasting.suite])
    for name, old in lasting.old.items():
        assert lasting.version(name) != old
    # libssl3 is one step, and libc6 with libc-bin another.
    steps = 2 if lasting.suite == "bookworm" else 1
    assert done.stdout.count("healed: reloaded") == steps, done.stdout
    assert starts_and_reloads(lasting) == (before[0], before[1] + steps)
    assert lasting.deleted(lasting.listener()) == []
    assert is_quiet(done)


# --- its life ------------------------------------------------------------------


def upgrade_before_us(host):
    host.upgrade(*roots.UPGRADE)
    assert host.deleted(host.listener())


@pytest.mark.parametrize("how", [INSTALL, "dpkg -i /srv/heal/sshd-heal_*.deb"])
def test_a_fresh_install_heals_what_is_stale_already(fresh, how):
    upgrade_before_us(fresh)
    before = starts_and_reloads(fresh)
    done = fresh.sh(how)
    assert_healed_once(fresh, before)
    assert is_quiet(done)


def test_a_fresh_install_warns_where_it_is_told_to(fresh):
    upgrade_before_us(fresh)
    fresh.write("/etc/sshd-heal.conf", "Mode=warn\nMotd=yes\n")
    done = fresh.sh(INSTALL)
    fresh.wait_for(fresh.trigger_is_done, 20, "sshd-heal.service")
    assert "left alone:" in fresh.run("cat", "/run/sshd-heal/report.txt").stdout
    assert fresh.deleted(fresh.listener())
    assert is_quiet(done)


def test_a_fresh_install_heals_what_comes_with_it(fresh):
    before = starts_and_reloads(fresh)
    done = fresh.sh(f"{INSTALL} {' '.join(roots.UPGRADE)}")
    assert_healed_once(fresh, before)
    assert is_quiet(done)


def test_a_fresh_install_heals_what_comes_after_it(fresh):
    """What apt has dpkg do where it configures our package first: triggers are for the end."""
    before = starts_and_reloads(fresh)
    fresh.sh("export DPKG_FRONTEND_LOCKED=true; dpkg --no-triggers -i /srv/heal/*.deb;"
                    " dpkg --no-triggers -i /srv/repo/libssl3_*.deb; dpkg --configure -a")
    assert_healed_once(fresh, before)


def newer(host):
    """The path of the same package in a version to come."""
    host.sh("dpkg-deb -R /srv/heal/sshd-heal_*.deb /tmp/newer && cd /tmp &&"
            " sed -i 's/^Version: .*/&+newer/' newer/DEBIAN/control &&"
            " dpkg-deb -Znone -b newer newer.deb && rm -r newer")
    return "/tmp/newer.deb"


def test_an_upgrade_of_itself_together_with_libssl_is_healed_once(installed):
    before = starts_and_reloads(installed)
    done = installed.run("apt-get", "install", "-y", newer(installed), *roots.UPGRADE)
    assert installed.version("sshd-heal").endswith("+newer")
    assert_healed_once(installed, before, done.stdout)
    assert is_quiet(done)


def listing(host):
    """All files and directories, without what apt, dpkg, systemd and logs keep for themselves."""
    done = host.sh(
        "find / /run -xdev \\( -path /proc -o -path /sys -o -path /tmp -o -path /var/log"
        " -o -path /var/cache -o -path /run/systemd -o -path /run/log -o -path /run/user"
        " -o -path /var/lib/systemd -o -path /srv \\) -prune -o -print | sort -u")
    return set(done.stdout.splitlines())


def test_nothing_is_left_of_it_after_a_purge(fresh):
    fresh.upgrade(roots.UNRELATED)
    fresh.run("apt-get", "purge", "-y", roots.UNRELATED)
    before = listing(fresh)
    said = []
    fresh.write("/etc/sshd-heal.conf", "Mode=warn\nMotd=yes\n")
    said.append(fresh.sh(INSTALL))
    assert "left alone: configured to warn only" in fresh.upgrade(*roots.UPGRADE).stderr
    fresh.run("rm", "/etc/sshd-heal.conf")
    assert {"/run/sshd-heal", "/run/motd.d/sshd-heal", OURS} < listing(fresh)

    said.append(fresh.run("apt-get", "remove", "-y", "sshd-heal"))
    # Units stay enabled until the purge.
    assert listing(fresh) - before == {
        OURS, "/etc/needrestart", "/etc/needrestart/conf.d", "/etc/needrestart/conf.d/sshd-heal.conf",
        "/var/lib/dpkg/info/sshd-heal.list", "/var/lib/dpkg/info/sshd-heal.postrm",
        "/etc/systemd/system/multi-user.target.wants/sshd-heal.path",
        "/etc/systemd/system/timers.target.wants/sshd-heal.timer"}
    said.append(fresh.upgrade(roots.UNRELATED))
    assert "sshd-heal" not in said[-1].stdout, "its hooks should be inert"
    assert fresh.deleted(fresh.listener())

    said.append(fresh.sh(INSTALL))
    assert fresh.deleted(fresh.listener()) == []
    said.append(fresh.run("apt-get", "remove", "-y", "sshd-heal"))
    said.append(fresh.run("apt-get", "purge", "-y", "sshd-heal", roots.UNRELATED))
    assert listing(fresh) == before

    said.append(fresh.sh(INSTALL))
    said.append(fresh.sh("dpkg -i /srv/heal/sshd-heal_*.deb"))
    said.append(fresh.run("apt-get", "purge", "-y", "sshd-heal"))
    assert listing(fresh) == before
    assert [done.stderr for done in said if not is_quiet(done)] == []


# --- when something else goes wrong ---------------------------------------------

BROKEN = """Package: broken
Version: 1
Architecture: all
Maintainer: nobody <nobody@example.org>
Description: fails to be configured
"""


def broken(host):
    """The path of a package whose postinst fails."""
    host.run("mkdir", "-p", "/tmp/broken/DEBIAN")
    host.write("/tmp/broken/DEBIAN/control", BROKEN)
    host.write("/tmp/broken/DEBIAN/postinst", "#!/bin/sh\nexit 1\n", mode=0o755)
    host.run("dpkg-deb", "-Znone", "-b", "/tmp/broken", "/tmp/broken.deb")
    return "/tmp/broken.deb"


def test_a_failed_run_of_apt_is_healed_and_its_error_is_apts(installed):
    before = starts_and_reloads(installed)
    done = installed.run("apt-get", "install", "-y", broken(installed), *roots.UPGRADE,
                         check=False)
    assert done.returncode == 100
    assert_healed_once(installed, before, done.stdout)
    assert done.stderr.rstrip().endswith("E: Sub-process /usr/bin/dpkg returned an error code (1)")
    assert is_quiet(done)


def test_a_failed_run_of_dpkg_is_healed_and_its_error_is_dpkgs(installed):
    before = starts_and_reloads(installed)
    done = installed.sh(f"dpkg -i {broken(installed)} /srv/repo/libssl3_*.deb", check=False)
    assert done.returncode == 1
    assert_healed_once(installed, before)
    assert done.stderr.rstrip().endswith("Errors were encountered while processing:\n broken")
    assert is_quiet(done)


def test_a_run_of_dpkg_does_not_fail_when_sshd_heal_does(installed):
    for way in ("exit 3", "kill -9 $$"):
        installed.write("/usr/sbin/sshd-heal", f"#!/bin/sh\n{way}\n", mode=0o755)
        done = installed.sh("dpkg -i /var/cache/apt/archives/libssl3_*.deb")
        assert "Processing triggers for sshd-heal" in done.stdout
    installed.run("rm", "/usr/sbin/sshd-heal")
    installed.sh("dpkg -i /srv/repo/libssl3_*.deb")
    assert installed.run("dpkg", "--audit").stdout == ""


# --- beside needrestart ------------------------------------------------------------

#: The journal is no witness: needrestart restarts journald as well.
COUNTED = """[Service]
ExecStartPost=/bin/sh -c 'echo started >>/root/seen'
ExecReload=/bin/sh -c 'echo reloaded >>/root/seen'
"""


def beside_needrestart(host):
    """needrestart, which restarts what it finds."""
    host.run("apt-get", "install", "-y", "--no-download", "--no-install-recommends", "needrestart")
    host.write("/etc/needrestart/conf.d/test.conf", "$nrconf{restart} = 'a';\n")


@pytest.mark.parametrize("order", ["first", "second"])
def test_beside_needrestart_sshd_is_taken_care_of_once(installed, order):
    beside_needrestart(installed)
    installed.drop_in("ssh.service", COUNTED)
    if order == "second":
        installed.run("mv", OURS, "/etc/apt/apt.conf.d/99z-sshd-heal")
    listener = installed.listener()
    done = installed.upgrade(*roots.UPGRADE)
    assert "Restarting services..." in done.stdout
    assert installed.deleted(installed.listener()) == []
    assert is_quiet(done)
    assert installed.run("cat", "/root/seen").stdout.split() == ["reloaded"], done.stdout
    assert installed.listener() == listener


@pytest.mark.parametrize("order", ["first", "second"])
def test_needrestart_does_not_undo_what_was_left_alone(installed, order):
    beside_needrestart(installed)
    if order == "second":
        installed.run("mv", OURS, "/etc/apt/apt.conf.d/99z-sshd-heal")
    # A restart that Debian's unit does not test first: it would leave no sshd.
    installed.drop_in("ssh.service", "[Service]\nExecStartPre=\n")
    installed.sh("echo 'UseNonsense yes' >>/etc/ssh/sshd_config")
    pid = installed.listener()
    done = installed.upgrade(*roots.UPGRADE)
    assert "Restarting services..." in done.stdout and "left alone: " in done.stderr
    assert installed.listener() == pid and installed.deleted(pid)
    assert installed.ssh("echo in").stdout == "in\n"
    # Without our program needrestart goes its own way again, whatever is left of us.
    installed.sh("sed -i /UseNonsense/d /etc/ssh/sshd_config; dpkg -r sshd-heal")
    assert installed.run("cat", "/etc/needrestart/conf.d/sshd-heal.conf").stdout
    installed.run("needrestart", "-r", "a")
    assert installed.listener() != pid


# --- as Debian itself tests it ------------------------------------------------------


@pytest.mark.parametrize("suite", SUITES)
def test_its_autopkgtest_passes(suite, deb_staged):
    where = roots.TOP / "packaging/deb/tests"
    names = re.search(r"^Tests: (.*)$", (where / "control").read_text(), re.M).group(1).split()
    with Host(deb_roots.host(suite), deb_staged(suite)) as host:
        host.sh(INSTALL)
        for name in names:
            host.write(f"/root/{name}", (where / name).read_text(), mode=0o755)
            done = host.run(f"/root/{name}", check=False)
            assert done.returncode == 0, done.stdout + done.stderr
