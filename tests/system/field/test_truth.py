# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said of sshd is what a client meets: hosts as administrators run them, row by row.

Each row is put onto a running host, fresh and then stale; a real client is asked before
and after, check and dry run must foretell what heal does, and an open session lives.
The table is printed.
"""

import contextlib
import dataclasses
import json
import random
import subprocess

import pytest

import roots
from conftest import keep_table
from host import Host

NET = "net: "
LIBRARY = "f=$(readlink -f /usr/lib/*/libcrypto.so.3)"
RENEW = f"{LIBRARY} && cp -a $f $f.new && mv $f.new $f"
CONFIG = "/etc/ssh/sshd_config"
RESTART = "systemctl daemon-reload; systemctl reset-failed ssh; systemctl restart ssh"
HEADING = ("situation", "client", "check", "plan", "stale: outcome", "plan", "client after", "session")


@dataclasses.dataclass
class Row:
    """A situation, and what must come out."""

    name: str
    #: Shell that brings it about, and that ends it; a line with NET in front: in the host's
    #: network, with the tools of this machine.
    do: str
    undo: str
    #: Whether a real client at loopback gets in while it lasts.
    is_in: bool
    #: The verdict on a listener that is fresh, and what heal does with one that is stale.
    verdict: str
    outcome: str
    #: What the report of the fresh one says.
    words: tuple = ()
    #: Only for these suites.
    suites: tuple = ("bookworm", "trixie")
    #: Whether systemctl and cp work while it lasts, so that it can become stale as well.
    is_whole: bool = True
    #: Whether a heal lets clients in again, stale or not.
    is_cured: bool = False
    #: Not with others, which restart sshd.
    is_alone: bool = False


def configured(lines, restart=True):
    """Lines in front of sshd's configuration, which sshd has read, or not yet."""
    quoted = lines.replace("\n", "\\n")
    return (f"cp -a {CONFIG} /root/sshd_config; sed -i '1i {quoted}' {CONFIG}" +
            (f"; {RESTART}" if restart else ""))


UNCONFIGURED = f"mv /root/sshd_config {CONFIG}; {RESTART}"


def appended(lines):
    quoted = lines.replace("\n", "\\n")
    return f"cp -a {CONFIG} /root/sshd_config; printf '{quoted}\\n' >>{CONFIG}; {RESTART}"


def unit(lines):
    quoted = lines.replace("\n", "\\n")
    return ("mkdir -p /run/systemd/system/ssh.service.d; printf "
            f"'[Service]\\n{quoted}\\n' >/run/systemd/system/ssh.service.d/field.conf; {RESTART}")


UNUNIT = f"rm /run/systemd/system/ssh.service.d/field.conf; {RESTART}"

LOG_GONE = ("mkdir /var/log/x; " + unit("ExecStart=\nExecStart=/usr/sbin/sshd -D -E /var/log/x/log") +
            "; rm -r /var/log/x")

WRAPPED = ("printf '#!/bin/sh\\nexec /usr/sbin/sshd -D -p 22\\n' >/usr/local/sbin/start-ssh; chmod 755"
           " /usr/local/sbin/start-ssh; " + unit("ExecStart=\nExecStart=/usr/local/sbin/start-ssh"))
#: Answers every question for an address with 127.0.0.1.
NAMES = """use IO::Socket::INET;
my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 53, Proto => "udp") or die;
while (1) {
  $s->recv(my $b, 512);
  my $rest = substr($b, 12);
  my $q = substr($rest, 0, index($rest, chr(0)) + 5);
  my $n = unpack("n", substr($q, -4, 2)) == 1 ? 1 : 0;
  $s->send(substr($b, 0, 2) . pack("n5", 0x8180, 1, $n, 0, 0) . $q .
           ($n ? pack("n3Nn", 0xc00c, 1, 1, 60, 4) . chr(127) . chr(0) x 2 . chr(1) : ""));
}
"""
NAMED = (f"printf '%s' '{NAMES}' | tr '\\n' ' ' >/root/names.pl; echo nameserver 127.0.0.1 >/etc/resolv.conf;"
         " systemd-run -q --unit=names perl /root/names.pl;"
         " until getent hosts ssh.example.org; do sleep 0.1; done; ").replace("\n", " ")
TAKEN = ("printf '[Socket]\\nListenStream=2222\\n' >/run/systemd/system/taker.socket; printf"
         " '[Service]\\nExecStart=/bin/true\\n' >/run/systemd/system/taker.service;"
         " systemctl daemon-reload; systemctl start taker.socket; ")
FILTER = ("nft 'add table {0} field; add chain {0} field in {{ type filter hook input priority 0; }};"
          " add rule {0} field in tcp dport 22 {1}'")
UNFILTER = "nft delete table {0} field"

#: What 0.1.0 refused for ever, though it is harmless.
HARMLESS = [
    Row("as it is shipped", "true", "true", True, "healthy", "healed",
        ("a new client gets up to the login, and would after a restart",)),
    Row("IPv6 switched off", "sysctl -qw net.ipv6.conf.all.disable_ipv6=1",
        "sysctl -qw net.ipv6.conf.all.disable_ipv6=0", True, "healthy", "healed"),
    Row("an address that never was", configured("ListenAddress 0.0.0.0\nListenAddress 192.0.2.77"),
        UNCONFIGURED, True, "healthy", "healed"),
    Row("IPv4 alone", configured("AddressFamily inet"), UNCONFIGURED, True, "healthy", "healed"),
    Row("-4 in the unit", unit("ExecStart=\nExecStart=/usr/sbin/sshd -D -4"), UNUNIT, True,
        "healthy", "healed"),
    Row("-E in the unit", unit("ExecStart=\nExecStart=/usr/sbin/sshd -D -E /var/log/sshd.log"),
        UNUNIT, True, "healthy", "healed"),
    Row("Match LocalPort", appended("Match LocalPort 22\\nX11Forwarding no"), UNCONFIGURED, True,
        "healthy", "healed"),
    Row("Match LocalAddress, Group, Address",
        appended("Match LocalAddress 192.0.2.1 Group nogroup\\nX11Forwarding no\\n"
                 "Match Address 10.0.0.0/8\\nAllowTcpForwarding no"),
        UNCONFIGURED, True, "healthy", "healed"),
    Row("hosts.deny ALL, hosts.allow for the office",
        "echo 'sshd: ALL' >/etc/hosts.deny; echo 'sshd: 192.0.2.' >/etc/hosts.allow",
        "rm /etc/hosts.deny /etc/hosts.allow", False, "healthy", "healed",
        ("TCP wrappers turn away clients of this host, and let in one from 192.0.2.",)),
    Row("hosts.deny ALL but a net",
        "echo 'sshd: ALL EXCEPT 10.9.0.0/255.255.0.0' >/etc/hosts.deny", "rm /etc/hosts.deny", False,
        "healthy", "healed", ("let in one from 10.9.0.1",)),
    Row("hosts.deny for this host", "echo 'ALL: 127.' >/etc/hosts.deny", "rm /etc/hosts.deny", False,
        "healthy", "healed", ("turn away clients of this host, and let in one from",)),
    Row("hosts.deny ALL, hosts.allow for a name",
        "echo 'sshd: ALL' >/etc/hosts.deny; echo 'sshd: .example.org' >/etc/hosts.allow",
        "rm /etc/hosts.deny /etc/hosts.allow", False, "healthy", "healed",
        ("it was not tried whom they let in by name",)),
    Row("hosts.deny runs something", "echo 'sshd: ALL: spawn echo %a >>/root/spawned' >/etc/hosts.deny;"
        " rm -f /root/spawned", "rm /etc/hosts.deny; ! grep -v ^127 /root/spawned", False, "unknown",
        "healed", ("that run commands are not tried",)),
    Row("hosts.deny for somebody else", "echo 'sshd: 203.0.113.' >/etc/hosts.deny",
        "rm /etc/hosts.deny", True, "healthy", "healed"),
    Row("a port of two that another has", TAKEN + configured("Port 22\nPort 2222"),
        f"systemctl stop taker.socket; {UNCONFIGURED}", True, "healthy", "healed"),
    Row("IPv4's loopback filtered", NET + FILTER.format("ip", "reject with tcp reset"),
        NET + UNFILTER.format("ip"), False, "healthy", "healed"),
    Row("loopback filtered, reject", NET + FILTER.format("inet", "reject with tcp reset"),
        NET + UNFILTER.format("inet"), False, "unknown", "healed", ("a packet filter?",)),
    Row("loopback filtered, drop", NET + FILTER.format("inet", "drop"),
        NET + UNFILTER.format("inet"), False, "unknown", "healed", ("a packet filter?",)),
    Row("a script that becomes sshd", WRAPPED, f"{UNUNIT}; rm /usr/local/sbin/start-ssh", True, "healthy",
        "healed", ("whether its unit would start again is not known", "start-ssh, but /usr/sbin/sshd is what runs")),
    Row("environment files by a pattern", "mkdir /etc/sshenv; echo SSHD_OPTS=-4 >/etc/sshenv/a; " +
        unit("EnvironmentFile=\nEnvironmentFile=-/etc/sshenv/*"), f"{UNUNIT}; rm -r /etc/sshenv", True,
        "healthy", "healed", ("has EnvironmentFile=/etc/sshenv/*, which is not understood",)),
    Row("an address by its name", NAMED + configured("ListenAddress ssh.example.org"),
        f"{UNCONFIGURED}; systemctl stop names; rm /etc/resolv.conf", True, "healthy", "healed",
        ("and would after a restart",), is_alone=True),
    Row("a command before sshd that will fail", "mkdir -p /run/systemd/system/ssh.service.d; printf '[Service]"
        "\\nExecStartPre=/bin/false\\n' >/run/systemd/system/ssh.service.d/field.conf; systemctl daemon-reload",
        UNUNIT, True, "healthy", "healed",
        ("whether its unit would start again is not known: ssh.service has an ExecStartPre= other than sshd -t",),
        is_alone=True),
    Row("mounts of its own", unit("PrivateTmp=yes\nProtectSystem=strict\nProtectHome=read-only\n"
                                  "ProtectKernelTunables=yes\nReadWritePaths=/run /var/log"),
        UNUNIT, True, "healthy", "healed"),
]

#: What clients meet, or would, though nothing is stale.
TROUBLES = [
    # Which is no reason to leave it stale.
    Row("hosts.deny ALL", "printf '# closed\\nsshd: ALL\\n' >/etc/hosts.deny", "rm /etc/hosts.deny",
        False, "refusing", "healed", ("TCP wrappers refuse every client: /etc/hosts.deny, line 2",)),
    Row("hosts.deny ALL, hosts.allow for another service",
        "echo 'ALL: ALL' >/etc/hosts.deny; echo 'in.ftpd: .example.org' >/etc/hosts.allow",
        "rm /etc/hosts.deny /etc/hosts.allow", False, "refusing", "healed",
        ("TCP wrappers refuse every client: /etc/hosts.deny, line 1",)),
    Row("a configuration that is broken", configured("UseNonsense yes", restart=False),
        UNCONFIGURED, True, "at-risk", "warned",
        ("would not after a restart", "UseNonsense", f"{CONFIG}: line 1")),
    Row("an address that went away",
        NET + "ip address add 10.9.9.1/32 dev lo\n" +
        configured("ListenAddress 127.0.0.1\nListenAddress 10.9.9.1") + "\n" + NET +
        "ip address del 10.9.9.1/32 dev lo", UNCONFIGURED, True, "at-risk", "warned",
        ("this host has no address for 10.9.9.1:22 now",)),
    Row("a condition that does not hold any more", "touch /etc/ssh/sshd_not_to_be_run",
        "rm /etc/ssh/sshd_not_to_be_run", True, "at-risk", "healed",
        ("its unit would not start again", "the conditions of ssh.service may not hold"), is_alone=True),
    # Nor does systemd run ExecReload= then.
    Row("an environment file that is gone", "touch /etc/sshenv; " +
        unit("EnvironmentFile=\nEnvironmentFile=/etc/sshenv") + "; rm /etc/sshenv", UNUNIT, True,
        "at-risk", "healed", ("ssh.service has EnvironmentFile=/etc/sshenv: No such file",
                              "its unit would not start again"), is_alone=True),
    Row("a unit that is masked", "systemctl -q mask ssh.service", "systemctl -q unmask ssh.service", True,
        "at-risk", "warned", ("ssh.service is masked",), is_alone=True),
    Row("a silent connection, and a unit that ends all of its processes",
        unit("KillMode=control-group\nExecReload=") + "; bash -c 'exec 3<>/dev/tcp/127.0.0.1/22; sleep 600'"
        " >/dev/null 2>&1 & echo $! >/root/silent", f"kill $(cat /root/silent); {UNUNIT}", True,
        "healthy", "healed"),
    Row("/run/sshd gone", "rmdir /run/sshd", "mkdir -p /run/sshd", False, "refusing", "healed",
        ("/run/sshd is missing, which a start makes anew",), is_cured=True),
    Row("no host keys", "mkdir /root/keys; mv /etc/ssh/ssh_host_* /root/keys/",
        f"mv /root/keys/* /etc/ssh/; rmdir /root/keys; {RESTART}", False, "refusing", "warned",
        ("no hostkeys available",), ("bookworm",)),
    Row("no host keys", "mkdir /root/keys; mv /etc/ssh/ssh_host_* /root/keys/",
        f"mv /root/keys/* /etc/ssh/; rmdir /root/keys; {RESTART}", True, "at-risk", "warned",
        ("no hostkeys available",), ("trixie",)),
    Row("sshd-session gone", "mv /usr/lib/openssh/sshd-session /root/",
        "mv /root/sshd-session /usr/lib/openssh/", False, "refusing", "warned",
        ("/usr/lib/openssh/sshd-session is missing, it belongs to package openssh-server",),
        ("trixie",)),
    Row("sshd-auth gone", "mv /usr/lib/openssh/sshd-auth /root/",
        "mv /root/sshd-auth /usr/lib/openssh/", False, "refusing", "warned",
        ("sshd-auth is missing, it belongs to package openssh-server",), ("trixie",)),
    Row("libcrypto gone", f"{LIBRARY}; mv $f /root/libcrypto; echo $f >/root/name",
        "mv /root/libcrypto $(cat /root/name)", False, "refusing", "warned",
        ("libcrypto.so.3 is missing, it belongs to package libssl3",), is_whole=False),
    Row("a library of the children gone", "f=$(readlink -f /usr/lib/*/libpam.so.0); mv $f /root/libpam;"
        " echo $f >/root/name", "mv /root/libpam $(cat /root/name)", False, "refusing", "warned",
        ("libpam",), is_whole=False),
    Row("another host key", "mkdir /root/keys; mv /etc/ssh/ssh_host_* /root/keys/; ssh-keygen -qA",
        f"mv -f /root/keys/* /etc/ssh/; rmdir /root/keys; {RESTART}", True, "at-risk", "warned",
        ("clients know the host key",), ("trixie",)),
    # It is opened for each client.
    Row("-E in a directory that is gone", LOG_GONE, UNUNIT, False, "refusing", "warned",
        ("opening its log /var/log/x/log",)),
]


class Field:
    """A host that rows are put onto, one after the other, or several at once."""

    def __init__(self, host, suite):
        self.host = host
        self.suite = suite
        self.rows = []

    def is_in(self):
        # libwrap keeps whom it refuses waiting.
        return self.host.ssh("echo in", check=False, timeout=1).stdout == "in\n"

    def sh(self, script, check=True):
        for line in script.split("\n"):
            if line.startswith(NET):
                subprocess.run(self.host.argv("sh", "-ec", line.removeprefix(NET), only_net=True),
                               check=check)
            else:
                self.host.sh(line, check=check)

    def renew(self):
        """Leaves sshd stale, unnoticed."""
        self.host.sh(RENEW)

    def report(self, *words):
        """The report of a run as JSON, and as a person reads it; their status."""
        done = self.host.heal(*words, "--format=json")
        return json.loads(done.stdout), done

    def listener(self, *words):
        report, done = self.report(*words)
        return report["listeners"][0], done

    def heal(self, expected):
        """Heals; check and dry run have foretold it. Gives the listener of the report."""
        check, _ = self.listener("check")
        dry, _ = self.listener("heal", "--dry-run")
        for field in ("verdict", "plan", "reason"):
            assert check[field] == dry[field], f"check {check}, dry run {dry}"
        healed, done = self.listener("heal")
        assert healed["plan"] == check["plan"], f"check {check}, heal {healed}"
        assert healed["outcome"] == expected, done.stdout
        return healed

    def still(self):
        """Heals what stays from the row before, and that it is well."""
        self.host.heal("heal")
        listener, done = self.listener("check")
        assert listener["verdict"] == "healthy", done.stdout
        assert self.is_in()


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def field(request, staged):
    with Host(roots.old_debian(request.param), staged(request.param)) as booted:
        made = Field(booted, request.param)
        yield made
        rows = [HEADING, *made.rows]
        widths = [max(len(row[i]) for row in rows) for i in range(len(HEADING))]
        keep_table(f"field, {request.param}", "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows))


@contextlib.contextmanager
def situation(field, *rows):
    if len(rows) == 1:
        field.still()
    # What needs a restart comes before what would not survive it.
    rows = sorted(rows, key=lambda row: (row in TROUBLES, RESTART not in row.do, "rm -r " in row.do))
    try:
        for row in rows:
            field.sh(row.do)
        yield
    finally:
        for row in reversed(rows):
            field.sh(row.undo, check=len(rows) == 1)
        if len(rows) > 1:
            field.sh(RESTART)


def word(is_in):
    return "in" if is_in else "out"


@pytest.mark.parametrize("row", [*HARMLESS, *TROUBLES], ids=lambda row: row.name)
def test_a_row(field, row):
    if field.suite not in row.suites:
        pytest.skip(f"not on {field.suite}")
    session = field.host.session()
    with situation(field, row):
        before = field.is_in()
        assert before == row.is_in
        fresh, done = field.listener("check")
        text = field.host.heal("check")
        assert fresh["verdict"] == row.verdict, text.stdout
        for part in row.words:
            assert part in text.stdout, text.stdout
        field.heal("healed" if row.is_cured else "not-needed" if row.verdict == "healthy" else "warned")
        assert field.is_in() == (before or row.is_cured)
        stale = None
        if row.is_whole:
            field.sh(row.do if row.is_cured else "true")
            field.renew()
            stale = field.heal(row.outcome)
            assert (field.host.deleted(field.host.listener()) == []) == (row.outcome == "healed")
            assert field.host.run("systemctl", "--failed", "--quiet", "--no-legend").stdout == ""
        after = field.is_in()
        assert after == (before or row.is_cured), "the client was worse off"
        field.rows.append((row.name, word(before), fresh["verdict"], fresh["plan"],
                           stale["outcome"] if stale else "", stale["plan"] if stale else "",
                           word(after), "lives"))
    assert session.lasts()


def kind(row):
    """What a row changes: two of a kind would undo each other."""
    marks = {"/root/sshd_config": "configuration", "field.conf": "unit", "/root/keys": "keys",
             NET: "network", "hosts.deny": "wrappers", "/root/name": "library"}
    return next((name for mark, name in marks.items() if mark in row.do), row.name)


def test_rows_in_combination_leave_no_client_worse_off(field):
    """30 of two or three at once: what is said holds of them, too."""
    seed = 20261127
    generator = random.Random(f"{seed} {field.suite}")
    rows = [row for row in [*HARMLESS, *TROUBLES] if field.suite in row.suites and row.is_whole
            and not row.is_alone and "drop" not in row.name]
    print("seed", seed)
    for number in range(30):
        chosen = rows[:1] * 2
        while len({kind(row) for row in chosen}) < len(chosen):
            chosen = generator.sample(rows, generator.choice((2, 3)))
        names = " + ".join(row.name for row in chosen)
        print(number, names)
        with situation(field, *chosen):
            before = field.is_in()
            is_hidden = any(kind(row) in ("network", "wrappers") for row in chosen)
            field.renew()
            check, _ = field.listener("check")
            healed, done = field.listener("heal")
            assert (healed["plan"], healed["reason"]) == (check["plan"], check["reason"]), names
            assert field.is_in() >= before, f"{names}: {done.stdout}"
            after, done = field.listener("check")
            if after["verdict"] in ("healthy", "at-risk") and not is_hidden:
                assert field.is_in(), f"{names}: {done.stdout}"
            if after["verdict"] == "healthy":
                assert field.host.deleted(field.host.listener()) == [], names
            if not field.is_in() and not is_hidden:
                assert after["verdict"] == "refusing", f"{names}: {done.stdout}"


@pytest.mark.parametrize("penalties", ["", "PerSourcePenalties noauth:60 min:30"])
def test_our_clients_are_held_against_nobody_else(field, penalties):
    """Those at 127.0.0.1 may be everybody behind a proxy."""
    if field.suite != "trixie":
        pytest.skip("9.2 has no penalties")
    row = Row("penalties", configured(penalties) if penalties else "true",
              UNCONFIGURED if penalties else "true", True, "healthy", "healed")
    with situation(field, row):
        for _ in range(20):
            field.host.sh("rm -f /run/sshd-heal/proven; sshd-heal hook apt")
        for _ in range(20):
            assert field.listener("check")[0]["verdict"] == "healthy"
        assert field.is_in()
        for address in ("127.0.0.1", "::1"):
            banner = subprocess.run(
                field.host.argv("ssh-keyscan", "-t", "ed25519", address, only_net=True),
                capture_output=True, text=True, check=False)
            assert "ssh-ed25519" in banner.stdout, banner.stderr


#: ssh.socket that starts an sshd for all clients, or one for each.
SOCKETS = {
    "no": "true",
    "yes": ("mkdir -p /run/systemd/system/ssh.socket.d; printf '[Socket]\\nAccept=yes\\n'"
            " >/run/systemd/system/ssh.socket.d/field.conf; printf '[Service]\\nExecStart=-/usr/sbin/sshd"
            " -i\\nStandardInput=socket\\nRuntimeDirectory=sshd\\nRuntimeDirectoryPreserve=yes\\n'"
            " >/run/systemd/system/ssh@.service; systemctl daemon-reload"),
}


@pytest.mark.parametrize("accepts", SOCKETS)
def test_a_socket_with_nobody_behind_it_is_tried_as_its_next_sshd(field, accepts):
    field.still()
    try:
        field.sh(f"systemctl stop ssh.service; {SOCKETS[accepts]}; systemctl start ssh.socket")
        waiting, done = field.listener("check")
        assert (waiting["verdict"], waiting["pid"]) == ("healthy", None), done.stdout
        assert waiting["addresses"] == ["[::]:22"] and waiting["trial"]["result"] == "ok"
        assert field.is_in()
        # What a client would have it start: nobody is sent, who might be the last that it lets try.
        field.sh(f"systemctl stop ssh.service; {configured('UseNonsense yes', restart=False)}")
        broken, done = field.listener("check")
        assert (broken["verdict"], broken["plan"]) == ("refusing", "warn"), done.stdout
        assert broken["live"]["fate"] == "untried" and "UseNonsense" in broken["trial"]["detail"]
        assert field.host.run("systemctl", "is-active", "ssh.socket").stdout == "active\n"
        assert not field.is_in()
        assert field.report("heal")[1].returncode == 2
    finally:
        field.sh("systemctl stop ssh.socket ssh.service; rm -rf /run/systemd/system/ssh.socket.d"
                 f" /run/systemd/system/ssh@.service; {UNCONFIGURED}")
    field.still()


#: A socket unit that starts an sshd for each client, and a service, by names of their own.
OWN = """printf '[Socket]\\nListenStream=22\\nAccept=yes\\n' >/etc/systemd/system/front-ssh.socket
printf '[Service]\\nExecStart=-/usr/sbin/sshd -i\\nStandardInput=socket\\nRuntimeDirectory=sshd\\n' \
  >/etc/systemd/system/front-ssh@.service
printf '[Service]\\nExecStart=/usr/sbin/sshd -D\\n[Install]\\nWantedBy=multi-user.target\\n' \
  >/etc/systemd/system/own-sshd.service
systemctl daemon-reload
systemctl disable --now ssh.service"""


def test_units_with_names_of_their_own_are_known(field):
    field.still()
    host = field.host
    try:
        host.sh(f"{OWN}; systemctl start front-ssh.socket; mkdir -p /run/sshd")
        waiting, done = field.listener("check")
        assert (waiting["unit"], waiting["verdict"]) == ("front-ssh@sshd-heal.service", "healthy"), done.stdout
        assert field.is_in()
        field.sh(configured("UseNonsense yes", restart=False))
        broken, done = field.listener("check")
        assert (broken["verdict"], done.returncode) == ("refusing", 2), done.stdout
        assert not field.is_in()
        host.sh("systemctl stop front-ssh.socket; systemctl enable --now own-sshd.service", check=False)
        host.wait_for(lambda: "failed" in host.run("systemctl", "is-failed", "own-sshd", check=False).stdout,
                      5, "its end")
        down, done = field.listener("check")
        assert (down["unit"], down["verdict"], done.returncode) == ("own-sshd.service", "down", 2), done.stdout
    finally:
        host.sh("systemctl disable --now own-sshd.service; systemctl stop front-ssh.socket; rm"
                " /etc/systemd/system/own-sshd.service /etc/systemd/system/front-ssh*; mv /root/sshd_config"
                f" {CONFIG}; systemctl daemon-reload; systemctl reset-failed; systemctl enable ssh; {RESTART}",
                check=False)
    field.still()


def test_what_serves_a_client_counts_though_the_listener_has_not_mapped_it(field):
    """A hook looks at what has changed since the last proof; its word is in the last report, too."""
    host = field.host
    field.still()
    gone = "/usr/lib/openssh/sshd-session" if field.suite == "trixie" else "/usr/lib/*/libwrap.so.0"
    host.sh(f"f=$(readlink -f {gone}); echo $f >/root/name; mv $f /root/gone")
    try:
        for told in (True, False):
            done = host.run("sshd-heal", "hook", "apt")
            assert ("CRITICAL: a new client" in done.stderr) or not told, done
        assert "refuses clients" in host.run("cat", "/run/sshd-heal/report.txt").stdout
    finally:
        host.sh("mv /root/gone $(cat /root/name)")
    field.still()
