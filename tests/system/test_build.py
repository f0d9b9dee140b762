# SPDX-License-Identifier: GPL-2.0-or-later
"""What building and checking says and leaves behind, where little is installed and for whom."""

import datetime
import email.utils
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time

import pytest

import bare_roots
import roots
from bare_roots import run

#: The owner of a tree, whom no machine knows by name.
USER = 12345


@pytest.fixture
def bare(containers):
    """A Debian 12 machine that has make and nothing else."""
    with bare_roots.Bare(bare_roots.bare()) as machine:
        yield machine


# --- where something is missing ------------------------------------------------


def said_in_one_line(done):
    """What make stopped with, where it said nothing else."""
    assert done.returncode == 2 and done.stdout == "", done.stdout + done.stderr
    line = re.fullmatch(r"[\w./]+:\d+: \*\*\* (.*)\.  Stop\.\n", done.stderr)
    assert line, done.stderr
    return line.group(1)


@pytest.mark.parametrize("there, missing, packages", [
    ([], "cc g++ pkg-config", "g++ gcc pkg-config"),
    (["cc", "g++"], "pkg-config", "pkg-config"),
    (["pkg-config"], "cc", "gcc"),
])
def test_a_build_names_the_tools_that_are_missing_in_one_line(bare, there, missing, packages):
    for tool in there:
        bare.write(f"usr/local/bin/{tool}", "#!/bin/sh\nexit 1\n")
    before = bare.changed()
    assert said_in_one_line(bare.make()) == \
        f"not found: {missing}. Install {packages}, or let `make deps` do it"
    assert bare.changed() == before


def test_a_demo_that_is_not_roots_says_so_in_one_line_before_anything_else(bare):
    assert said_in_one_line(bare.make("demo", user=USER)) == "make demo needs root: sudo make demo"
    assert bare.changed() == []


@pytest.mark.parametrize("goal, package", [
    ("lint", "shellcheck"), ("fuzz", "libclang-rt-dev"), ("deb", "debhelper"),
    ("rpm", "mmdebstrap"), ("bench", "systemd-container"), ("check-asan", "libcmocka-dev"),
    ("check-valgrind", "valgrind")])
def test_what_is_no_check_and_no_demo_installs_nothing_and_names_it(bare, goal, package):
    said = said_in_one_line(bare.make(goal))
    start = f"make {goal} needs packages that are not installed: "
    assert said.startswith(start) and package in said.removeprefix(start).split()
    assert "make" not in said.removeprefix(start).split(), "that one is there"
    assert bare.changed() == []


# --- what is left behind -------------------------------------------------------


@pytest.fixture
def somebodys():
    """The tree in a directory of another user's, not root's, who has built nothing yet."""
    with tempfile.TemporaryDirectory(prefix="sshd-heal-") as top:
        os.chmod(top, 0o755)
        tree = pathlib.Path(top, "tree")
        bare_roots.copy_of_the_tree(tree, USER)
        yield tree


def roots_files(tree):
    """What belongs to root in a tree."""
    return sorted(str(path.relative_to(tree)) for path in tree.rglob("*")
                  if path.lstat().st_uid == 0)


def in_a_container(tree):
    """Adds a file of root's to a container's root: it has to stay what it is."""
    file = tree / "build/roots/some/etc/shadow"
    file.parent.mkdir(parents=True)
    file.write_text("root:*:19000::::::\n", encoding="utf-8")
    os.chown(tree / "build", USER, USER)
    return ["build/roots", *(f"build/roots/{name}"
                             for name in ("some", "some/etc", "some/etc/shadow"))]


def test_what_root_has_made_is_the_owners_to_make_anew_and_to_clean(containers, somebodys):
    """And the units pass for both, for root with a careful umask, for the owner under nohup."""
    ours = in_a_container(somebodys)
    # Root builds, and loads all that a check of the system does.
    done = run("sh", "-c", "umask 077; make -j2 check-unit && make check-system", cwd=somebodys,
               env={**bare_roots.ENV, "PYTEST_ADDOPTS": "--collect-only"})
    assert done.returncode == 0 and "test_what_root_has_made" in done.stdout, done.stdout
    assert roots_files(somebodys) == ours
    (somebodys / "core/look/maps.c").touch()
    command = "nohup make -j2 check-unit; status=$?; cat nohup.out; exit $status"
    done = run("script", "-qec", command, "/dev/null", user=USER, cwd=somebodys)
    assert done.returncode == 0 and "core/look/maps.c" in done.stdout, done.stdout
    assert re.search(r"PASSED +\] \d+ test", done.stdout), done.stdout
    done = run("make", "-C", somebodys, "clean", user=USER)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (somebodys / "build").iterdir()] == ["roots"]
    assert roots_files(somebodys) == ours


def test_what_root_could_not_make_is_the_owners_too(containers, somebodys):
    with open(somebodys / "core/cli/main.c", "a", encoding="utf-8") as source:
        source.write("#error\n")
    assert run("make", "-C", somebodys, "build/obj/base/text.o", "build/obj/cli/main.o").returncode == 2
    assert (somebodys / "build/obj/base/text.o").exists() and roots_files(somebodys) == []

    # A compiler that waits to be interrupted; what runs in the background ignores that.
    waits = ("CC=python3 -c 'import signal, time; signal.signal(2, signal.SIG_DFL);"
             ' open("build/waits", "w").close(); time.sleep(60)\'')
    with subprocess.Popen(["env", "--default-signal=INT", "make", "-C", somebodys,
                           "build/obj/look/maps.o", waits], env=bare_roots.ENV,
                          start_new_session=True, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as make:
        deadline = time.monotonic() + 30
        while not (somebodys / "build/waits").exists():
            assert time.monotonic() < deadline and make.poll() is None
            time.sleep(0.01)
        os.killpg(make.pid, signal.SIGINT)
        assert make.wait(30) != 0
    assert roots_files(somebodys) == []


# --- the Debian source ---------------------------------------------------------


def test_the_debian_source_has_the_changelogs_date_where_there_is_no_dpkg_dev(bare):
    done = bare.make("deb-source")
    assert (done.returncode, done.stderr) == (0, "")
    changelog = (roots.TOP / "packaging/deb/changelog").read_text(encoding="utf-8")
    date = email.utils.parsedate_to_datetime(
        re.search(r"^ -- .*>  (.*)$", changelog, re.M).group(1))
    now = datetime.datetime.now(datetime.timezone.utc)
    (orig,) = (bare.tree / "build/debbuild").glob("*.orig.tar.gz")
    with tarfile.open(orig) as archive:
        packed = {entry.mtime for entry in archive}
    unpacked = {path.lstat().st_mtime for path in
                next((bare.tree / "build/debbuild").glob("sshd-heal-*/")).rglob("*")
                if not path.is_dir()}
    if date < now:
        assert packed == unpacked == {date.timestamp()}
    else:
        # The clock is behind, and nothing may be dated after it.
        assert all(0 <= now.timestamp() - when < 300 for when in packed | unpacked)


# --- what is released ----------------------------------------------------------


@pytest.fixture
def checkout(somebodys):
    """The same as a git checkout, with a file that git does not know."""
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
    for words in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "all"]):
        done = run("git", *words, user=USER, cwd=somebodys,
                   env={**bare_roots.ENV, "HOME": "/nowhere"})
        assert done.returncode == 0, done.stderr
    junk = somebodys / "core/junk.c"
    junk.write_text("#error\n", encoding="utf-8")
    os.chown(junk, USER, USER)
    return somebodys


def packed(tree):
    """What `make dist` packs: each file's text, or the target of a link, by its name."""
    done = run("make", "-C", tree, "dist")
    assert done.returncode == 0, done.stderr
    (path,) = (tree / "build").glob("sshd-heal-*.tar.gz")
    with tarfile.open(path) as archive:
        return {entry.name.partition("/")[2]:
                archive.extractfile(entry).read() if entry.isfile() else entry.linkname
                for entry in archive if not entry.isdir()}


def test_a_release_has_what_git_has_and_nothing_else(checkout):
    files = packed(checkout)
    known = run("git", "-c", "safe.directory=*", "ls-files", "-z",
                cwd=checkout).stdout.split("\0")[:-1]
    assert sorted(files) == sorted(known) and "core/way.c" in known
    assert roots_files(checkout) == [], "and what root has made is the owner's"


def test_a_release_of_a_changed_tree_has_the_change(checkout):
    (checkout / "NEWS").write_text("changed\n", encoding="utf-8")
    assert packed(checkout)["NEWS"] == b"changed\n"


def test_a_release_packs_itself(checkout):
    first = packed(checkout)
    shutil.rmtree(checkout / ".git")
    (checkout / "core/junk.c").unlink()
    assert packed(checkout) == first


@pytest.mark.parametrize("goal, has_git, is_strict", [
    ("all", True, True), ("all", False, False), ("check-unit", False, True), ("lint", False, True)])
def test_a_warning_is_an_error_for_who_works_on_it_and_for_no_packager(checkout, goal, has_git,
                                                                      is_strict):
    if not has_git:
        shutil.rmtree(checkout / ".git")
    shown = run("make", "-C", checkout, "-n", "V=1", goal).stdout
    assert ("-Werror" in shown) == is_strict, shown
    assert "-Werror" not in run("make", "-C", checkout, "-n", "V=1", goal, "WERROR=").stdout
