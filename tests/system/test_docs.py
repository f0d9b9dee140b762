# SPDX-License-Identifier: GPL-2.0-or-later
"""What the documents say is what the program does; no container is needed."""

import json
import pathlib
import re
import subprocess

import jsonschema
import pytest

import roots

TOP = roots.TOP
PROGRAM = roots.BUILD / "sshd-heal"


def run(*args):
    return subprocess.run([PROGRAM, *args], text=True, capture_output=True, check=False,
                          cwd=TOP, stdin=subprocess.DEVNULL)


def options_of(text):
    return set(re.findall(r"--[a-z-]+", text.replace("\\-", "-")))


def test_help_man_page_and_completion_name_the_same_options():
    told = options_of(run("--help").stdout)
    assert {"--dry-run", "--format", "--root", "--config", "--from", "--user", "--help",
            "--version"} == told
    assert options_of((TOP / "docs/sshd-heal.8").read_text()) == told
    assert options_of((TOP / "docs/sshd-heal.bash").read_text()) == told


@pytest.mark.parametrize("option, argument", [
    ("--dry-run", None), ("--format", "json"), ("--root", "/nowhere"), ("--config", "/nowhere"),
    ("--help", None), ("--version", None)])
def test_every_option_that_is_told_is_taken(option, argument):
    done = run("heal", f"{option}={argument}" if argument else option, "--root=tests/roots/nowhere")
    assert "unknown" not in done.stderr and "incomplete" not in done.stderr


def test_version_is_told_everywhere_and_set_in_one_place():
    version = run("--version").stdout.split()[1]
    spec = (TOP / "packaging/rpm/sshd-heal.spec").read_text()
    assert f"\nVersion:\t{version}\n" in spec
    # Elsewhere it is history. What is to come may stand before it.
    assert version in (TOP / "NEWS").read_text().splitlines()
    assert re.search(rf"> - {re.escape(version)}-1\n", spec.split("%changelog")[1])
    changelog = (TOP / "packaging/deb/changelog").read_text()
    assert changelog.startswith(f"sshd-heal ({version}-1) ")
    for path in ("Makefile", "README.md", "INSTALL", "docs/sshd-heal.8", "docs/sshd-heal.conf.5"):
        assert version not in (TOP / path).read_text(), path


def test_man_page_and_completion_name_every_hook_and_no_other():
    table = (TOP / "core/cli/hook.c").read_text().split("cli_hooks[] = {")[1].split("};")[0]
    hooks = sorted(re.findall(r'\{"([a-z0-9-]+)"', table))
    completion = (TOP / "docs/sshd-heal.bash").read_text()
    assert re.search(r"'(apt [a-z0-9 -]+)'", completion).group(1).split() == hooks
    page = (TOP / "docs/sshd-heal.8").read_text()
    listed = page.split(".I NAME\nis the caller.")[1].split(".SH")[0]
    named = re.findall(r"^\.TP\n\.BR? (.*)$", listed, re.M)
    assert sorted(re.findall(r"[a-z0-9-]+", " ".join(named))) == hooks


def test_the_man_page_names_every_key_and_no_other():
    page = (TOP / "docs/sshd-heal.conf.5").read_text()
    source = (TOP / "core/host/config.c").read_text()
    keys = set(re.findall(r'^\t\{"([A-Za-z]+)", config_', source, re.M))
    assert keys == set(re.findall(r"^\.BR? ?I? ?([A-Za-z]+)=", page, re.M))


@pytest.mark.parametrize("page", ["sshd-heal.8", "sshd-heal.conf.5"])
def test_man_pages_have_no_errors(page):
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", TOP / "docs" / page],
                          text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_apts_list_is_taken_to_its_end_whatever_else_fails():
    """More of it than a pipe holds, and a root that is not there: no broken pipe, status 0."""
    with subprocess.Popen([PROGRAM, "--root=/nonexistent", "hook", "apt-pre-install"],
                          stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as hook:
        hook.stdin.write(b"VERSION 3\n" * 100000)
        hook.stdin.close()
        assert hook.wait(30) == 0


def test_readme_has_the_two_commands_that_ci_runs():
    readme = (TOP / "README.md").read_text()
    assert "sudo make demo\n" in readme and "sudo make check\n" in readme
    assert "\nmake check\n" in (TOP / ".ci/run").read_text()


@pytest.mark.parametrize("tree", sorted(
    path.name for path in (TOP / "tests/roots").iterdir() if path.is_dir()))
def test_the_json_of_every_recorded_tree_fits_the_schema(tree):
    done = run("--format=json", f"--root=tests/roots/{tree}")
    assert done.returncode in (0, 1), done.stderr
    schema = json.loads((TOP / "docs/report.schema.json").read_text())
    jsonschema.validate(json.loads(done.stdout), schema)


def test_every_header_can_be_included_by_cxx(tmp_path):
    for header in ("core/heal.h", "core/modules/apt_shim.h"):
        source = pathlib.Path(tmp_path / "header.cc")
        source.write_text(f'#include "{TOP / header}"\n')
        subprocess.run(["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                        "-D_GNU_SOURCE", f"-I{TOP}/core", source], check=True)


def test_what_is_installed_is_uninstalled(tmp_path):
    def make(*goals):
        subprocess.run(["make", "-s", "-C", TOP, f"B={roots.BUILD}", f"DESTDIR={tmp_path}",
                        "PREFIX=/usr", *goals], check=True, capture_output=True)

    hooks = [f"install-hooks-{name}" for name in ("apt", "dnf", "yum")]
    make("install", "install-units", *hooks)
    installed = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(installed) > 15
    make("uninstall")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert not (tmp_path / "usr/lib/sshd-heal").exists()
    # Where nothing is, nothing is to be taken away.
    make("uninstall")
