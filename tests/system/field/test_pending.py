# SPDX-License-Identifier: GPL-2.0-or-later
"""What a heal would apply beside new libraries is not ours to apply: configuration that sshd
has not read, host keys that clients do not know. Row by row on one host of each suite, a
real client before and after; where it is left alone, the command that is named is typed,
and shows what it was left alone for.
"""

import dataclasses
import subprocess

import pytest

import roots
from host import ENV, Host

CONFIG = "/etc/ssh/sshd_config"
DROP_IN = f"{CONFIG}.d/60-site.conf"
PROVEN = "/run/sshd-heal/proven"
RENEW = "f=$(readlink -f /usr/lib/*/libcrypto.so.3) && cp -a $f $f.new && mv $f.new $f"
NOT_READ = "its configuration on disk is not known to be the one that it read"
SINCE = "since sshd read its configuration"
#: Nobody gets in any more with it; sshd -T prints the same with and without.
DENY = "Match Address 127.0.0.1\\n\\tDenyUsers root\\n"


@dataclasses.dataclass
class Row:
    """What is done to a host, and what a heal of its sshd must come to."""

    name: str
    do: str
    #: What the report says; none: it is healed.
    words: tuple = ()
    #: Whether a client gets in once what is on disk was applied.
    is_in_after: bool = True
    #: What is done before sshd is started and proven.
    before: str = "true"
    suites: tuple = ("bookworm", "trixie")


ROWS = [
    Row("nothing", "true"),
    # The configuration.
    Row("AllowUsers in an Included file", f"echo 'AllowUsers nobody' >{DROP_IN}",
        (f"{DROP_IN} was added {SINCE}", NOT_READ), is_in_after=False),
    Row("AllowGroups in the main file", f"echo 'AllowGroups nogroup' >>{CONFIG}",
        (f"{CONFIG} was changed {SINCE}", NOT_READ), is_in_after=False),
    Row("Match blocks in the main file", f"printf '{DENY}' >>{CONFIG}",
        (f"{CONFIG} was changed {SINCE}", NOT_READ), is_in_after=False),
    Row("a drop-in of an old date, moved in",
        f"printf '{DENY}' >/root/x; touch -d 2001-01-01 /root/x; mv /root/x {DROP_IN}",
        (f"{DROP_IN} was added {SINCE}", NOT_READ), is_in_after=False),
    Row("a file that a file names that is Included", "echo 'AllowUsers nobody' >/etc/ssh/deep.inc",
        (f"/etc/ssh/deep.inc was added {SINCE}", NOT_READ), is_in_after=False,
        before=f"printf 'Match all\\n include=\"deep.inc\"\\n' >{DROP_IN}"),
    Row("a file taken away", f"rm {DROP_IN}",
        (f"{DROP_IN} was taken away {SINCE}", NOT_READ), before=f"echo 'MaxAuthTries 5' >{DROP_IN}"),
    Row("one of -f, as long as before", "sed -i 's/^MaxAuthTries 5/MaxAuthTries 4/' /etc/ssh/own",
        (f"/etc/ssh/own was changed {SINCE}", NOT_READ),
        before=f"(cat {CONFIG}; echo 'MaxAuthTries 5') >/etc/ssh/own;"
               " echo 'SSHD_OPTS=-f /etc/ssh/own' >/etc/default/ssh"),
    # What is none, whatever its dates.
    Row("the same bytes", f"touch {CONFIG} {DROP_IN} /etc/ssh/ssh_host_*; cp -a {CONFIG} {CONFIG}.new;"
        f" mv {CONFIG}.new {CONFIG}", before=f"echo 'MaxAuthTries 5' >{DROP_IN}"),
    Row("what a package has in /usr", "echo 'MaxAuthTries 4' >/usr/share/policy.config",
        before=f"echo 'MaxAuthTries 5' >/usr/share/policy.config; ln -sf /usr/share/policy.config"
               f" /etc/ssh/policy.config; echo 'Include /etc/ssh/policy.config' >{DROP_IN}"),
    Row("files that no Include matches", f"echo x >{DROP_IN}.dpkg-new; echo x >{CONFIG}.d/.60.conf"),
    Row("a reload by hand", f"echo 'MaxAuthTries 5' >{DROP_IN}; systemctl reload ssh; sleep 0.3"),
    Row("a restart by hand", f"echo 'MaxAuthTries 5' >{DROP_IN}; systemctl restart ssh; sleep 0.3"),
    # Without a proof: as it is between a boot and the first look.
    Row("keys and configuration right before the start, nothing proven", f"rm {PROVEN}",
        before=f"systemctl stop ssh; rm /etc/ssh/ssh_host_*; echo 'MaxAuthTries 5' >{DROP_IN};"
               " ssh-keygen -q -A"),
    Row("configuration right after the start, nothing proven",
        f"sleep 0.2; rm {PROVEN}; echo 'AllowUsers nobody' >{DROP_IN}",
        (f"{DROP_IN} was changed after sshd had read its configuration, or right before", NOT_READ),
        is_in_after=False),
    # Host keys.
    Row("a key of another type", "ssh-keygen -q -A", before="rm /etc/ssh/ssh_host_rsa_key*"),
    Row("the same key, written anew", "cp /etc/ssh/ssh_host_rsa_key /root/k; rm /etc/ssh/ssh_host_rsa_key;"
        " ssh-keygen -q -p -N '' -f /root/k; mv /root/k /etc/ssh/ssh_host_rsa_key"),
    Row("a key that our client does not ask for, replaced",
        "rm /etc/ssh/ssh_host_rsa_key*; ssh-keygen -q -A",
        ("the host key /etc/ssh/ssh_host_rsa_key was replaced since sshd read it",
         "the host key on disk is not the one that clients know"), suites=("trixie",)),
    Row("a key taken away", "rm /etc/ssh/ssh_host_rsa_key*",
        ("the host key /etc/ssh/ssh_host_rsa_key was taken away since sshd read it",
         "the host key on disk is not the one that clients know"), suites=("trixie",)),
    # 9.7 and older read it for every client: it is met by now, and after as before.
    Row("the same behind an older sshd", "rm /etc/ssh/ssh_host_rsa_key*; ssh-keygen -q -A",
        suites=("bookworm",)),
]


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def site(request, staged):
    """A host of each suite, and which it is."""
    with Host(roots.old_debian(request.param), staged(request.param)) as booted:
        booted.suite = request.param
        booted.run("systemctl", "stop", "sshd-heal.path", "sshd-heal.timer")
        booted.sh("cp -a /etc/ssh /etc/pam.d /root; cp /etc/default/ssh /root/default")
        booted.sh("[ ! -e /usr/lib/openssh/sshd-session ] ||"
                  f" sed -i '1i PerSourcePenalties no' {CONFIG} /root/ssh/sshd_config")
        yield booted


def begin(host, before="true"):
    """A host as it was at first but for this, its sshd started and proven."""
    host.sh("rm -rf /etc/ssh /etc/pam.d; cp -a /root/ssh /root/pam.d /etc/; cp /root/default /etc/default/ssh")
    host.sh(f"{before}; systemctl reset-failed ssh; systemctl restart ssh")
    (host.run_dir / "known_hosts").unlink(missing_ok=True)
    assert host.ssh("echo in", check=False).stdout == "in\n", "no client gets in to begin with"
    host.act()


def keys(host):
    """The host keys that clients meet, of each type."""
    found = subprocess.run(host.argv("ssh-keyscan", "-T", "2", "127.0.0.1", only_net=True),
                           text=True, capture_output=True, env=ENV, check=False)
    assert found.stdout, found.stderr
    return sorted(found.stdout.splitlines())


def walk(host, row):
    begin(host, row.before)
    session = host.session()
    printed = host.run("sshd", "-T").stdout
    host.sh(row.do)
    if DENY in row.do:
        assert host.run("sshd", "-T").stdout == printed, "sshd -T would have told"
    met = keys(host) if "ssh_host" in row.do + row.before else None
    host.sh(RENEW)
    pid = host.listener()
    assert host.ssh("echo in").stdout == "in\n", "what is on disk applies without us"
    dry = host.heal("heal", "--dry-run").stdout
    if row.words:
        done = host.leaves_alone(pid, 1, *row.words, "apply that, and heal it: systemctl reload ssh.service")
        assert all(word in dry for word in row.words), dry
        assert met is None or keys(host) == met
    else:
        assert "would be reloaded" in dry, dry
        host.heals()
    assert host.ssh("echo in").stdout == "in\n"
    if row.words:
        host.sh(done.stdout.rpartition("heal it: ")[2])
        host.wait_for(lambda: host.deleted(pid) == [], 5, "the reload")
        # In the middle of it nothing is mapped, and nobody served.
        host.sh("sleep 0.3")
        assert (host.ssh("echo in", check=False).stdout == "in\n") == row.is_in_after
        # Once it was applied there is nothing left to refuse.
        host.sh(RENEW)
        assert "would be reloaded" in host.heal("heal", "--dry-run").stdout
    else:
        assert met is None or set(met) <= set(keys(host))
    assert session.lasts()


def test_what_waits_to_be_read_is_told_and_not_applied(site):
    for row in ROWS:
        if site.suite in row.suites:
            try:
                walk(site, row)
            except Exception as error:
                raise AssertionError(f"{site.suite}: {row.name}") from error


def actor_runs(host):
    """How often the actor has run; systemd itself forgets it at once."""
    host.wait_for(host.trigger_is_done, 10, "the actor")
    return host.sh("journalctl --sync; journalctl -q -u sshd-heal.service -o cat").stdout.count("Starting ")


def hook(host):
    """A hook of dpkg; gives whether it has asked the actor."""
    before = actor_runs(host)
    host.run("sshd-heal", "hook", "dpkg")
    return actor_runs(host) != before


@pytest.mark.parametrize("change", [
    f"echo 'MaxAuthTries 5' >{DROP_IN}",
    "rm /etc/ssh/ssh_host_rsa_key*; ssh-keygen -q -A",
    "echo 'account optional pam_nowhere.so' >>/etc/pam.d/sshd",
])
def test_a_change_is_looked_at_once(site, change):
    begin(site)
    assert not hook(site)
    site.sh(change)
    assert hook(site), "it was not noticed"
    assert not hook(site), "it is looked at over and over"
    # The bytes are those of before: that is seen, too, and once.
    begin(site)
    site.sh(f"touch {CONFIG}")
    assert hook(site) and not hook(site)


#: What is put in front of the stack, and the mark of what is missing then.
PAM_RULES = {
    "account required pam_nowhere.so": "all",
    "account optional pam_nowhere.so": "-",
    "-account required pam_nowhere.so": "all",
    "account [success=ok module_unknown=ignore default=bad] pam_nowhere.so": "-",
    "account sufficient pam_nowhere.so": "-",
    "session requisite pam_nowhere.so": "all",
    "session include nowhere": "all",
    "session [success=1 default=ignore] pam_permit.so\\nsession required pam_nowhere.so": "-",
    "session substack done\\nsession required pam_nowhere.so": "all",
    "session include done\\nsession required pam_nowhere.so": "-",
    "auth required pam_nowhere.so": "passwords",
    "password required pam_nowhere.so": "-",
    "@include nowhere": "all",
}
PAM_MODULES = {"pam_permit": "all", "pam_unix": "all", "pam_deny": "-", "pam_limits": "all",
               "pam_keyinit": "-", "pam_nologin": "all"}


def pam_mark(host, name):
    """Who is refused for want of a file of PAM's, by the last proof: the worst."""
    rows = [line.split("\t") for line in host.run("cat", PROVEN).stdout.splitlines()]
    marks = [row[8] for row in rows if row[0] == "pam" and row[2] == "0" and
             row[5].rpartition("/")[2] == name]
    assert marks, f"{name} does not count, or is not missing"
    return max(marks, key=("-", "passwords", "all").index)


def test_what_pam_lacks_counts_for_whom_it_refuses(site):
    cases = [(f"sed -i '1i {rule}' /etc/pam.d/sshd",
              "pam_nowhere.so" if "pam_nowhere" in rule else "nowhere", mark)
             for rule, mark in PAM_RULES.items()]
    cases += [(f"mv /usr/lib/*/security/{name}.so /root/", f"{name}.so", mark)
              for name, mark in PAM_MODULES.items()]
    cases += [("rm /etc/pam.d/common-password", "common-password", "all"),
              ("rm /etc/pam.d/sshd", "sshd", "-"),
              ("rm /etc/pam.d/sshd /etc/pam.d/other", "other", "all"),
              ("mv /etc/pam.d/sshd /usr/lib/pam.d/", "sshd", "-")]
    begin(site)
    site.sh("echo 'session sufficient pam_permit.so' >/root/pam.d/done; cp /root/pam.d/done /etc/pam.d/")
    for script, name, mark in cases:
        site.sh(script)
        site.act()
        is_in = site.ssh("true", check=False).returncode == 0
        assert pam_mark(site, name) == mark, script
        assert is_in == (mark != "all"), f"{script}: a client with a key would contradict {mark}"
        done = site.heal("check")
        assert ("it refuses clients" in done.stdout) == (mark == "all"), f"{script}: {done.stdout}"
        assert done.returncode == (2 if mark == "all" else 0), done.stdout
        site.sh("rm -rf /etc/pam.d /usr/lib/pam.d/sshd; cp -a /root/pam.d /etc/;"
                " for m in /root/pam_*.so; do [ ! -e $m ] ||"
                " mv $m $(dirname /usr/lib/*/security/pam_env.so)/; done")
    assert site.ssh("echo in").stdout == "in\n"
