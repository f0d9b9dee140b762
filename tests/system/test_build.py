# SPDX-License-Identifier: GPL-2.0-or-later
"""What building and checking says and leaves behind, where little is installed and for whom."""

import datetime
import email.utils
import re
import tarfile

import pytest

import bare_roots
import roots

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
