# SPDX-License-Identifier: GPL-2.0-or-later
"""sshd-heal diagnose: names why clients are turned away, and what it advises lets them in."""

import dataclasses
import json
import time

import pytest

import roots
from host import Host

CONFIG = "/etc/ssh/sshd_config"
KEEP = f"cp -a {CONFIG} /root/sshd_config; "
BACK = f"cp -a /root/sshd_config {CONFIG}; systemctl reset-failed ssh; systemctl restart ssh"
CAUSES = {"replaced-files", "hosts-deny", "host-keys", "load", "configuration", "login-helpers",
          "resources", "user"}


@dataclasses.dataclass
class Cause:
    """A host is put into a state; what is found, and whether its advice, typed, lets a client in."""

    name: str
    cause: str
    do: str
    undo: str
    #: What a real client says; "": it gets in.
    says: str = "kex_exchange_identification"
    #: Words of the reason.
    words: str = ""
    #: The advice, where it cannot be typed here: a package is to be fetched.
    advice: str = ""
    arguments: tuple = ()
    suites: tuple = ("bookworm", "trixie")
    result: str = "shown"


#: Connections that say nothing, as many as MaxStartups allows.
FULL = (f"{KEEP}sed -i '1i MaxStartups 2' {CONFIG}; systemctl restart ssh; for i in 1 2; do"
        " bash -c 'exec 3<>/dev/tcp/127.0.0.1/22; sleep 600' >/dev/null 2>&1 & echo $! >>/root/silent;"
        " done; while test \"$(pgrep -fc 'sshd.*(unknown|net|accepted|preauth)')\" -lt 2; do sleep 0.05; done")
#: systemd tries it some more times.
FAIL = "systemctl restart ssh; until systemctl is-failed ssh; do sleep 0.1; done"
RUIN = "f=$(readlink -f /usr/lib/*/libcrypto.so.3)"

ROWS = [
    Cause("hosts.deny for one", "hosts-deny", "echo 'sshd: 127.' >/etc/hosts.deny",
          "rm -f /etc/hosts.deny /etc/hosts.allow", words="/etc/hosts.deny, line 1: sshd: 127.",
          arguments=("--from=127.0.0.1",)),
    Cause("hosts.deny for all", "hosts-deny", "printf '#\\nALL: ALL\\n' >/etc/hosts.deny",
          "rm -f /etc/hosts.deny /etc/hosts.allow", words="/etc/hosts.deny, line 2: ALL: ALL",
          arguments=("--from=127.0.0.1",)),
    Cause("no host keys", "host-keys", "mkdir /root/keys; mv /etc/ssh/ssh_host_* /root/keys/",
          "mv -f /root/keys/* /etc/ssh/; rmdir /root/keys; systemctl restart ssh",
          words="ssh_host_ed25519_key is missing", suites=("bookworm",)),
    Cause("host keys that others can read", "host-keys", "chmod 644 /etc/ssh/ssh_host_*key",
          "chmod 600 /etc/ssh/ssh_host_*key", words="can be read by others", suites=("bookworm",)),
    Cause("MaxStartups", "load", FULL,
          f"kill $(cat /root/silent); rm /root/silent; {BACK}", words="2 of them from 127.0.0.1: MaxStartups is used up by clients that have"
          " not logged in; its log: "),
    Cause("a line that is wrong", "configuration", f"{KEEP}echo 'Nonsense yes' >>{CONFIG}; {FAIL}",
          BACK, says="Connection refused", words="Bad configuration option: Nonsense"),
    Cause("a line that is wrong, included", "configuration",
          f"{KEEP}echo 'Nonsense yes' >{CONFIG}.d/x.conf; {FAIL}",
          f"rm {CONFIG}.d/x.conf; {BACK}", says="Connection refused", words=f"{CONFIG}.d/x.conf"),
    Cause("/run/sshd gone", "configuration", "rmdir /run/sshd", "mkdir -p /run/sshd",
          words="/run/sshd is missing"),
    Cause("sshd-session gone", "login-helpers", "mv /usr/lib/openssh/sshd-session /root/",
          "mv /root/sshd-session /usr/lib/openssh/", words="sshd-session is missing",
          advice="apt-get install --reinstall openssh-server", suites=("trixie",)),
    Cause("a library gone", "login-helpers", "f=$(readlink -f /usr/lib/*/libwrap.so.0); mv $f /root/libwrap;"
          " echo $f >/root/name", "mv /root/libwrap $(cat /root/name)", words="libwrap",
          advice="apt-get install --reinstall libwrap0"),
    Cause("no descriptor is left", "resources", "prlimit --nofile=6: --pid $(systemctl show -P MainPID ssh)",
          "true", says="onnection", words="as many files open", result="likely"),
    Cause("a user who is denied", "user", f"{KEEP}sed -i '1i DenyUsers nob*' {CONFIG}; systemctl restart ssh",
          BACK, says="", words="denyusers", advice="sshd -T", arguments=("--user=nobody",),
          result="likely"),
]


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def sick(request, staged):
    with Host(roots.old_debian(request.param), staged(request.param)) as booted:
        booted.suite = request.param
        yield booted


def client(host):
    """What a real client says in the end, "" once it is in."""
    done = host.ssh("echo in", check=False, timeout=15)
    return "" if done.stdout == "in\n" else done.stderr or "kex_exchange_identification"


def diagnose(host, *arguments):
    done = host.heal("diagnose", *arguments, "--format=json")
    listener = json.loads(done.stdout)["listeners"][0]
    return listener["causes"], done.returncode, host.heal("diagnose", *arguments).stdout


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_cause_is_named_and_its_advice_helps(sick, row):
    if sick.suite not in row.suites:
        pytest.skip(f"not on {sick.suite}")
    sick.sh("systemctl reset-failed ssh")
    sick.sh(row.do, check=False)
    try:
        said = client(sick)
        assert row.says in said and bool(said) == bool(row.says), said
        causes, status, text = diagnose(sick, *row.arguments)
        assert {cause["name"] for cause in causes} == CAUSES
        assert [cause["name"] for cause in causes if cause["result"] == "problem"] == [row.cause], text
        first = causes[0]
        assert first["name"] == row.cause and first["shown"] == row.result, text
        assert row.words in first["detail"]
        assert row.words in text.splitlines()[-1] and f" {row.cause}: " in text.splitlines()[-1]
        assert status in ((2, 3) if row.says else (1,))
        if row.advice:
            assert row.advice in first["advice"]
        else:
            sick.sh(first["advice"])
            # Other keys are what some advice leads to.
            (sick.run_dir / "known_hosts").unlink(missing_ok=True)
            sick.wait_for(lambda: client(sick) == "", 3, "the client to get in")
            assert diagnose(sick, *row.arguments)[1] == 0
    finally:
        sick.sh(row.undo, check=False)
        sick.sh("systemctl reset-failed ssh; systemctl restart ssh")


def test_files_that_were_replaced_are_the_cause_where_clients_are_refused(sick):
    """An sshd of old libraries that its children cannot go on with: the main job."""
    # Its own program is another by now, which an old sshd cannot re-execute.
    sick.sh(f"{RUIN}; cp -a $f $f.new && mv $f.new $f")
    causes, status, text = diagnose(sick)
    assert status == 1 and causes[0]["result"] == "ok", text
    named = [cause for cause in causes if cause["name"] == "replaced-files"][0]
    assert "libcrypto.so.3" in named["detail"] and named["advice"] == "sshd-heal heal"
    assert sick.heal("heal").returncode == 0
    assert diagnose(sick)[1] == 0


def test_a_host_that_is_well_has_no_cause(sick):
    start = time.monotonic()
    done = sick.heal("diagnose")
    assert time.monotonic() - start < 1.5
    assert done.returncode == 0 and "problem" not in done.stdout
    assert done.stdout.endswith("nothing was found on this host that keeps clients out\n")


def test_two_causes_are_both_named(sick):
    sick.sh(f"{KEEP}echo 'Nonsense yes' >>{CONFIG}; echo 'sshd: ALL: spawn true' >/etc/hosts.deny")
    try:
        causes, status, text = diagnose(sick)
        assert [cause["name"] for cause in causes[:2]] == ["configuration", "hosts-deny"], text
        assert status >= 2, text
    finally:
        sick.sh(f"rm /etc/hosts.deny; {BACK}")


def test_who_asks_by_ssh_is_asked_about(sick):
    sick.sh("echo 'sshd: 192.0.2.' >/etc/hosts.deny")
    try:
        done = sick.ssh("env -i /usr/sbin/sshd-heal diagnose; /bin/true")
        assert "hosts-deny: ok: a client from 127.0.0.1 gets in with" in done.stdout, done.stdout
        assert "a client of this host" in sick.heal("diagnose").stdout
    finally:
        sick.sh("rm /etc/hosts.deny")


#: What others may leave where it reads, and what comes of it.
HOSTILE = [
    ("head -c 10M /dev/zero | tr '\\0' a >/etc/hosts.deny", "rm /etc/hosts.deny", "File too large"),
    ("printf 'sshd: 192.0.2.\\033[2J\\377\\n' >/etc/hosts.deny", "rm /etc/hosts.deny", "hosts-deny: ok"),
    ("rm -f /etc/hosts.allow; mkfifo /etc/hosts.allow", "rm /etc/hosts.allow", "reading /etc/hosts.allow"),
    ("cd /etc/ssh; mv ssh_host_rsa_key x; mkfifo ssh_host_rsa_key", "cd /etc/ssh; mv -f x ssh_host_rsa_key",
     "ssh_host_rsa_key is no file"),
    ("cd /etc/ssh; mv ssh_host_rsa_key x; mkdir ssh_host_rsa_key", "cd /etc/ssh; rmdir ssh_host_rsa_key; mv x ssh_host_rsa_key",
     "ssh_host_rsa_key is no file"),
    ("cd /etc/ssh; mv ssh_host_rsa_key x; printf '\\033]0;x\\007' >ssh_host_rsa_key; chmod 600 ssh_host_rsa_key",
     "cd /etc/ssh; mv -f x ssh_host_rsa_key", "ssh_host_rsa_key is no key"),
]


@pytest.mark.parametrize("do, undo, says", HOSTILE)
def test_what_it_reads_may_be_anything(sick, do, undo, says):
    sick.sh(do)
    try:
        start = time.monotonic()
        done = sick.heal("diagnose")
        # An sshd that opens a pipe for its key is given all the time that there is.
        assert time.monotonic() - start < 35
        assert says in done.stdout, done.stdout
        assert all(" " <= letter <= "~" or letter == "\n" for letter in done.stdout + done.stderr)
    finally:
        sick.sh(undo)
    assert client(sick) == ""


def test_who_is_not_root_is_told_what_they_may_know(sick):
    sick.sh("id eve || useradd eve; rm -f /etc/hosts.deny")
    as_eve = ("runuser", "-u", "eve", "--", "/usr/sbin/sshd-heal", "diagnose")
    done = sick.run(*as_eve, check=False)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "hosts-deny: ok: there is no rule" in done.stdout and "host-keys: unknown" in done.stdout
    assert "takes root" in done.stdout and "gets up to the login" in done.stdout, done.stdout
    sick.sh("echo 'sshd: ALL' >/etc/hosts.deny")
    try:
        done = sick.run(*as_eve, check=False)
        assert done.returncode == 3
        assert "hosts-deny: problem, likely: " in done.stdout and "/etc/hosts.deny, line 1: sshd: ALL" in done.stdout
    finally:
        sick.sh("rm /etc/hosts.deny")
    assert sick.run(*as_eve[:-1], "check", check=False).stderr == (
        "sshd-heal: it needs root to look at sshd's mappings\n")


def test_what_is_asked_must_be_a_word(sick):
    for words, says in [(("--from=nobody",), "--from takes an IP address, not: nobody"),
                        (("--user=-x",), "--user takes the name of a user, not: -x"),
                        (("--user=a b",), "--user takes the name of a user"),
                        (("x",), "diagnose takes no argument: x")]:
        done = sick.heal("diagnose", *words)
        assert done.returncode == 3 and says in done.stderr and not done.stdout
    done = sick.heal("check", "--user=root")
    assert done.returncode == 3 and "--from and --user go with diagnose" in done.stderr
