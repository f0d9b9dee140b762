# SPDX-License-Identifier: GPL-2.0-or-later
"""sshd-heal.service: what asks it, what starts it, and what becomes of it when that goes wrong."""

import contextlib
import os
import random
import re
import signal
import time

import pytest

import deb_roots
import faults
import roots
from host import ONLY_A_RESTART, Host
from test_deb import (INSTALL, assert_healed_once, by_apt_get, deb_staged, fresh,  # noqa: F401
                      installed, starts_and_reloads)

UNIT = "sshd-heal.service"
NET = ("systemctl", "enable", "--now", "sshd-heal.path", "sshd-heal.timer")


def failed(host):
    return host.run("systemctl", "--failed", "--quiet", "--no-legend").stdout


def idle(host):
    host.wait_for(host.trigger_is_done, 30, UNIT)


def starts(host):
    """How often the service was started."""
    lines = host.run("journalctl", "-q", "-u", UNIT, "-o", "cat", "--no-pager").stdout
    return lines.count("Starting sshd-heal.service")


# --- not in the way ---------------------------------------------------------------

DROP_IN = "/run/systemd/system/sshd-heal.service.d"


def instead(command):
    """What has the service run something else, and what takes that back."""
    return (f"mkdir -p {DROP_IN}; printf '%s\\n' [Service] ExecStart= 'ExecStart={command}'"
            f" >{DROP_IN}/x.conf; systemctl daemon-reload",
            f"rm -r {DROP_IN}; systemctl daemon-reload; systemctl stop {UNIT}; systemctl reset-failed")


UNIT_FILE = f"/usr/lib/systemd/system/{UNIT}"
#: Between the shell's quotes, and then systemd's.
CLAIM = (r'/usr/bin/python3 -c "import fcntl,time; f=open(\"/run/sshd-heal/actor\",\"r+\");'
         ' fcntl.lockf(f,fcntl.LOCK_EX); time.sleep(300)"')
#: What is wrong with the service, what takes it back, what a hook says then that has something
#: to ask for, and how long it waits before it does.
TROUBLES = {
    "masked": (f"systemctl mask --runtime {UNIT}", f"systemctl unmask --runtime {UNIT}",
               "could not be started: ", 1),
    "gone": (f"mv {UNIT_FILE} /root; systemctl daemon-reload",
             f"mv /root/{UNIT} {UNIT_FILE}; systemctl daemon-reload", "could not be started: ", 1),
    "fails": (*instead("/bin/false"), "does not answer", 1),
    "hangs": (*instead("/bin/sleep 300"), "does not answer", 5),
    "never ends": (*instead(CLAIM), "does not answer", None),
    "silent systemd": (signal.SIGSTOP, signal.SIGCONT, "could not be started: ", 6),
    # As our own upgrade leaves it under a hook that is running.
    "another build": ("cd $(dirname $(find /usr/lib*/ -name service-systemd.so | head -n 1)); cp service-systemd.so /root;"
                      " v=$(sshd-heal --version | cut -d' ' -f2);"
                      " sed -i \"s/$v-/$(echo $v | tr 0-9 a-j)-/\" service-systemd.so",
                      "mv /root/service-systemd.so $(dirname $(find /usr/lib*/ -name service-systemd.so | head -n 1))",
                      r"could not be started: loading module service-systemd: /\S+ is of another build"
                      " than this", 1),
    # The last one: apt itself waits for a logind that has lost its bus and a silent systemd.
    "no systemd": ("systemctl stop dbus.socket dbus.service; mv /run/systemd/private /run/away",
                   "mv /run/away /run/systemd/private; systemctl start dbus.service",
                   "could not be started: ", 2),
}
#: Keeps a note of each hook and how long it took, in milliseconds.
TIMED = """#!/bin/sh
start=$(date +%s%N)
/usr/libexec/sshd-heal "$@"
status=$?
test "$1" != hook || echo "$2 $((($(date +%s%N) - start) / 1000000))" >>/run/waited
exit $status
"""


@contextlib.contextmanager
def troubled(host, trouble):
    def do(what):
        if isinstance(what, str):
            host.sh(what)
        else:
            os.kill(host.leader, what)

    do(TROUBLES[trouble][0])
    try:
        yield
    finally:
        do(TROUBLES[trouble][1])


def time_hooks(host):
    host.sh("mkdir -p /usr/libexec; mv /usr/sbin/sshd-heal /usr/libexec/")
    host.write("/usr/sbin/sshd-heal", TIMED, mode=0o755)


def waited(host):
    """The hooks that package managers have called since, each with its time in seconds."""
    rows = host.sh("cat /run/waited; rm -f /run/waited").stdout.split()
    return [(name, int(ms) / 1000) for name, ms in zip(rows[::2], rows[1::2]) if name != "service"]


@pytest.mark.parametrize("trouble", [name for name, row in TROUBLES.items() if row[3]])
def test_without_its_service_a_hook_says_so_and_ends(host, trouble):
    _, _, words, wait_s = TROUBLES[trouble]
    time_hooks(host)
    pid = host.listener()
    with troubled(host, trouble):
        done = host.upgrade("libssl3")
        [(name, seconds)] = waited(host)
        assert done.returncode == 0 and name == "apt"
        assert re.search(f"sshd-heal: sshd may still run deleted files, and {UNIT} {words}.*;"
                         " type: sshd-heal heal", done.stderr), done.stderr
        assert done.stderr.count("sshd-heal: ") == 1, done.stderr
        assert seconds < wait_s + 1
    # By hand it goes its way itself.
    host.heals()
    assert pid == host.listener()


@pytest.fixture(scope="module")
def healed(deb_staged):  # noqa: F811
    """A host with the package, nothing to do, and an unrelated package at hand."""
    with Host(deb_roots.host("bookworm"), deb_staged("bookworm")) as booted:
        booted.sh(INSTALL)
        idle(booted)
        time_hooks(booted)
        booted.sh(TINY)
        yield booted


#: A package that nobody has mapped anything of.
TINY = ("mkdir -p /tmp/tiny/DEBIAN && printf '%s\\n' 'Package: tiny' 'Version: 1' 'Architecture: all'"
        " 'Maintainer: n <n@example.org>' 'Description: x' >/tmp/tiny/DEBIAN/control &&"
        " dpkg-deb -Znone -b /tmp/tiny /srv/repo/tiny.deb")
#: Front ends, with the hook that each of them calls.
UNRELATED = {
    "apt-get install -y /srv/repo/tiny.deb": "apt",
    "aptitude -y reinstall less": "apt",
    "dpkg -i /srv/repo/tiny.deb; dpkg-trigger --by-package=libc6 libc-upgrade;"
    " dpkg --triggers-only sshd-heal": "dpkg",
    "apt-get purge -y tiny": "apt",
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_on_a_healed_host_no_front_end_waits_for_its_service(healed, trouble):
    """Nor for a lock: each of them gets those of dpkg after the one before."""
    healed.sh("apt-get install -y less")
    with troubled(healed, trouble):
        for command, hook in UNRELATED.items():
            done = healed.sh(command, timeout=30)
            hooks = waited(healed)
            assert {name for name, _ in hooks} == {hook}, (command, hooks)
            assert max(seconds for _, seconds in hooks) < 1, (command, hooks)
            assert "sshd-heal: " not in done.stdout + done.stderr


def test_what_only_is_not_proven_is_not_waited_for(healed):
    with troubled(healed, "hangs"):
        healed.run("systemctl", "restart", "ssh.service")
        done = healed.sh("apt-get install -y /srv/repo/tiny.deb")
        [(_, seconds)] = waited(healed)
        assert seconds < 2 and "sshd-heal: " not in done.stdout + done.stderr
    healed.act()


def test_a_request_that_nobody_served_is_served_later(host):
    host.run("systemctl", "mask", UNIT)
    host.upgrade("libssl3")
    assert host.run("cat", "/run/sshd-heal/requests").stdout == "end\n"
    host.run("systemctl", "unmask", UNIT)
    host.act()
    assert host.deleted(host.listener()) == []
    assert host.run("cat", "/run/sshd-heal/requests").stdout == ""


def test_a_front_end_that_may_not_write_to_run_is_told_nothing_that_is_not_so(host):
    done = host.sh("systemd-run --wait -q --pipe -p ReadOnlyPaths=/run apt-get install -y --no-download"
                   " libssl3")
    assert "sshd-heal: " not in done.stdout + done.stderr, done.stderr
    host.wait_for(lambda: host.deleted(host.listener()) == [], 5, "sshd to be healed")
    idle(host)
    assert "healed: reloaded" in host.journal() and "left alone" not in host.journal()


def test_a_healed_host_costs_a_front_end_nothing(host):
    host.upgrade("libssl3")
    start = time.monotonic()
    for _ in range(10):
        host.run("sshd-heal", "hook", "apt")
    assert time.monotonic() - start < 2
    assert host.journal().count("healed") == 1


def test_a_lock_that_is_closed_over_and_over_starts_nothing_that_acts(host):
    host.run(*NET)
    idle(host)
    before = host.journal()
    host.sh("for i in $(seq 200); do : 3>>/var/lib/dpkg/lock; done")
    time.sleep(1)
    idle(host)
    assert failed(host) == "" and host.journal() == before
    assert host.run("systemctl", "is-active", "sshd-heal.path").stdout == "active\n"
    # And it still looks.
    host.run("mv", "/etc/apt/apt.conf.d/90sshd-heal", "/root/")
    host.upgrade("libssl3")
    host.wait_for(lambda: host.deleted(host.listener()) == [], 5, "sshd to be healed")


#: What needrestart does by default to a service of old libraries, or any script, with apt waiting
#: for it.
ACTED_ON_WITHIN = """use Fcntl; use Time::HiRes qw(time sleep);
open(my $lock, "+<", "/var/lib/dpkg/lock-frontend") or die;
my $whole = pack("s s l! l! i", F_WRLCK, 0, 0, 0, 0);
fcntl($lock, F_SETLK, $whole) or die;
$ENV{DPKG_FRONTEND_LOCKED} = 1;
system("dpkg", "-i", (glob("/var/cache/apt/archives/libssl3_*.deb"))[-1]) == 0 or die;
sleep(0.01) until system("pgrep -fx '[^ ]*sshd-heal hook service' >/dev/null") == 0;
my $start = time;
for my $verb (@ARGV) {
    system("timeout", "20", "systemctl", $verb, "sshd-heal.service") == 0 or die $verb;
}
print "took ", time - $start;
"""


@pytest.mark.parametrize("verbs", [["restart"], ["restart", "restart"], ["stop", "start"]])
def test_who_acts_on_it_within_a_transaction_is_not_waited_for(host, verbs):
    host.run(*NET)
    idle(host)
    host.write("/root/within.pl", ACTED_ON_WITHIN)
    assert float(host.run("perl", "/root/within.pl", *verbs).stdout.split()[-1]) < 10
    host.wait_for(lambda: host.deleted(host.listener()) == [], 5, "sshd to be healed")
    assert failed(host) == ""


#: 40 transactions, of which two are apt's; prints how long each of these and those took, in ms.
TRANSACTIONS = """for i in $(seq {rounds}); do
    start=$(date +%s%N)
    for j in $(seq 19); do dpkg -i /srv/repo/tiny.deb; dpkg -P tiny; done
    middle=$(date +%s%N)
    apt-get install -y /srv/repo/tiny.deb; apt-get purge -y tiny
    echo cost $(((middle - start) / 38000)) $((($(date +%s%N) - middle) / 2000))
done"""


def cost(host, rounds):
    """What it has said, and what a transaction of dpkg and one of apt take: the best, in ms."""
    done = host.sh(TRANSACTIONS.format(rounds=rounds), timeout=200)
    costs = re.findall(r"^cost (\d+) (\d+)$", done.stdout, re.M)
    return done.stdout + done.stderr, *(min(int(us) / 1000 for us in column) for column in zip(*costs))


def test_200_unrelated_transactions_are_not_worth_a_word(installed, capsys):  # noqa: F811
    installed.sh(TINY)
    report = installed.run("stat", "-c", "%Y %i", "/run/sshd-heal/report.txt").stdout
    begun, journal = starts(installed), installed.journal()
    said, dpkg_ms, apt_ms = cost(installed, 5)
    idle(installed)
    looks = starts(installed) - begun
    assert "sshd-heal: " not in said and installed.journal() == journal
    assert failed(installed) == ""
    assert installed.run("systemctl", "is-active", "sshd-heal.path").stdout == "active\n"
    # A look that ends quietly is allowed, a run is not.
    assert installed.run("stat", "-c", "%Y %i", "/run/sshd-heal/report.txt").stdout == report
    assert 1 <= looks <= 400
    installed.sh("systemctl stop sshd-heal.path; rm /etc/apt/apt.conf.d/90sshd-heal")
    _, without_dpkg_ms, without_apt_ms = cost(installed, 2)
    with capsys.disabled():
        print(f"\n200 unrelated transactions, {looks} quiet starts of {UNIT}: dpkg {dpkg_ms:.0f} ms each"
              f" (without us {without_dpkg_ms:.0f}), apt {apt_ms:.0f} ms (without us {without_apt_ms:.0f})")
    assert dpkg_ms < 2 * without_dpkg_ms + 50


# --- a transaction after the other ---------------------------------------------------

#: Asked right before an action: there another transaction begins, whose hooks tell nobody.
BEGINS = """#!/bin/sh
test -e /run/begun && exit 0
setsid python3 -c "import fcntl, time; f = open('/var/lib/dpkg/lock', 'r+'); fcntl.lockf(f, fcntl.LOCK_EX);
open('/run/begun', 'w').close(); time.sleep(2); open('/run/over', 'w').close()" >/dev/null 2>&1 &
until test -e /run/begun; do sleep 0.01; done
"""


def test_a_transaction_that_begins_before_the_action_is_waited_for(installed):  # noqa: F811
    before = starts_and_reloads(installed)
    installed.write("/usr/sbin/policy-rc.d", BEGINS, mode=0o755)
    said = installed.upgrade("libssl3").stderr
    assert "left alone: a package manager is at work" in said
    assert installed.deleted(installed.listener()) != [] and starts_and_reloads(installed) == before
    installed.wait_for(lambda: installed.sh("test -e /run/over", check=False).returncode == 0, 20, "the end")
    assert_healed_once(installed, before)


def test_where_nothing_is_mounted_it_has_nothing_mounted(installed):  # noqa: F811
    """Any transaction asks there: those that were proven are gone."""
    installed.sh(TINY)
    installed.run("systemctl", "isolate", "emergency.target")
    installed.sh("dpkg -i /srv/repo/tiny.deb; apt-get install -y --reinstall --no-download libssl3")
    idle(installed)
    assert "its unit was stopped" in installed.run("cat", "/run/sshd-heal/report.txt").stdout
    assert installed.run("systemctl", "is-active", "sysinit.target", "local-fs.target",
                         check=False).stdout == "inactive\n" * 2
    installed.run("systemctl", "isolate", "multi-user.target")
    assert installed.ssh("echo in").stdout == "in\n" and failed(installed) == ""


# --- removal ----------------------------------------------------------------------


@pytest.mark.parametrize("how", [
    "apt-get install -y --no-download libssl3 sshd-heal-",
    "apt-get install -y --no-download libssl3; apt-get remove -y sshd-heal",
    "dpkg -i /srv/repo/libssl3_*.deb; dpkg -r sshd-heal",
    "dpkg -i /srv/repo/libssl3_*.deb; apt-get purge -y sshd-heal; sleep 1",
])
def test_a_removal_beside_an_upgrade_leaves_nothing_that_fails(installed, how):  # noqa: F811
    installed.sh(how)
    time.sleep(0.5)
    assert failed(installed) == ""
    assert installed.run("systemctl", "is-active", UNIT, check=False).stdout == "inactive\n"
    assert installed.sh("pgrep -x sshd-heal || true").stdout == ""
    # And back again, with no word to systemd in between.
    installed.sh(INSTALL)
    idle(installed)
    assert installed.deleted(installed.listener()) == [] and failed(installed) == ""


def test_a_removal_that_told_nobody_leaves_nothing_that_fails(host):
    """As rpm -e --noscripts does it, or who removes the program by hand."""
    host.run(*NET)
    idle(host)
    host.sh("mv /usr/sbin/sshd-heal /root/; : 3>>/var/lib/dpkg/lock")
    time.sleep(0.5)
    assert failed(host) == ""
    host.sh("mv /root/sshd-heal /usr/sbin/; mv /etc/apt/apt.conf.d/90sshd-heal /root/")
    host.upgrade("libssl3")
    host.wait_for(lambda: host.deleted(host.listener()) == [], 5, "sshd to be healed")


# --- what is put off, and what was told --------------------------------------------


def test_what_was_put_off_is_not_restarted_by_itself(host):
    # A restart would end the session that is open, and nothing else helps.
    host.run("sed", "-i", "/pam_systemd/d", "/etc/pam.d/common-session")
    host.drop_in("ssh.service", f"[Service]\nKillMode=control-group\n{ONLY_A_RESTART}")
    host.run("systemctl", "restart", "ssh.service")
    session = host.session()
    pid = host.listener()
    first = host.upgrade(*roots.UPGRADE)
    assert "left alone: a restart would end open sessions" in first.stderr
    told = host.journal().count("left alone")
    session.close()
    # As the timer does: no session is in the way any more, but a restart is not worth it.
    host.act()
    assert host.listener() == pid and host.deleted(pid)
    assert "only a restart takes up the new files" in host.run("cat", "/run/sshd-heal/report.txt").stdout
    assert host.journal().count("left alone") >= told >= 1
    # By hand it is.
    assert "healed: restarted" in host.heals().stdout


def test_what_could_not_be_tried_for_want_of_something_is_tried_again_by_itself(host):
    # Of processes, here; anybody may bring that about while an upgrade goes on.
    host.sh("f=$(readlink -f /usr/lib/*/libcrypto.so.3) && cp -a $f $f.new && mv $f.new $f")
    done = faults.traced(host, ["sshd-heal", "heal"], "-o", "/dev/null", "-e", "trace=clone",
                         "-e", "inject=clone:error=EAGAIN")
    assert "left alone: it could not be tried" in done.stdout, done.stdout
    # As the timer does.
    host.run("systemctl", "start", UNIT)
    assert host.deleted(host.listener()) == []
    assert "healed: reloaded" in host.journal()


def test_what_is_left_for_good_is_not_tried_again_by_itself(host):
    host.write("/etc/sshd-heal.conf", "Mode=warn\n")
    host.upgrade("libssl3")
    before = host.journal()
    host.act()
    assert host.journal() == before
    # But a further upgrade is news.
    host.run("rm", "/etc/sshd-heal.conf")
    host.act()
    assert host.deleted(host.listener())
    host.sh("f=$(readlink -f /usr/lib/*/libcrypto.so.3) && cp -a $f $f.new && mv $f.new $f")
    host.act()
    assert host.deleted(host.listener()) == []


def test_the_same_warning_is_one_line_within_a_day(host):
    host.write("/etc/sshd-heal.conf", "Mode=warn\n")
    first = host.upgrade("libssl3")
    assert "left alone: configured to warn only" in first.stderr
    second = host.upgrade(roots.UNRELATED)
    ours = [line for line in second.stderr.splitlines() if line.startswith("sshd-heal: ")]
    assert len(ours) == 1 and "as told at " in ours[0] and "left alone" not in second.stderr


# --- killed -------------------------------------------------------------------------


#: A round for each delay, in thousandths of a whole run: something stale comes up, somebody is
#: killed, somebody looks.
KILLED = r"""
listener=/proc/$(systemctl show -P MainPID ssh.service)
client() {
    ssh -F none -i /root/.ssh/id_ed25519 -o BatchMode=yes -o StrictHostKeyChecking=accept-new \
        -o KexAlgorithms=curve25519-sha256 -o ConnectTimeout=5 -o LogLevel=ERROR \
        root@127.0.0.1 echo in
}
at_work() {
    pgrep -l 'sshd-h|dpkg|apt' && return
    lsns -n -t net -o COMMAND | grep sshd && return
    grep 'r-x.*(deleted)$' $listener/maps && return
    grep . /run/sshd-heal/requests
}
fail() { echo "killed after $delay s: $*"; systemctl --no-pager status sshd-heal; ps -ef; exit 1; }
wait_for_the_end() {
    tries=0
    while what=$(at_work); do
        tries=$((tries + 1))
        test $tries -lt 200 || fail "still there: $what"
        sleep 0.05
    done
}
before() { %(before)s; }
command() { %(command)s; }
sed -i /pam_systemd/d /etc/pam.d/common-session
hits=0 delay=0
before
start=$(date +%%s%%N)
command
whole_us=$((($(date +%%s%%N) - start) / 1000))
wait_for_the_end
for part in %(parts)s; do
    before
    command >/tmp/out 2>&1 &
    us=$((whole_us * part / 1000))
    delay=$(printf %%d.%%06d $((us / 1000000)) $((us %% 1000000)))
    sleep $delay
    if pkill -KILL %(victim)s; then hits=$((hits + 1)); fi
    wait
    %(look)s
    wait_for_the_end
    test "$(client)" = in || fail "no client gets in"
done
echo "hits $hits"
"""
HOOK = {"before": "f=$(readlink -f /usr/lib/*/libcrypto.so.3) && cp -a $f $f.new && mv $f.new $f",
        "command": "sshd-heal hook apt", "look": "sshd-heal hook apt"}
#: What a killed dpkg leaves undone is done by another, which is none of ours; and the next look
#: is that of sshd-heal.path.
FRONT_END = {"before": "test -z \"$(dpkg --audit)\" || dpkg -i /srv/repo/libssl3_*.deb >/dev/null",
             "look": ":"}
VICTIMS = {
    "hook": (34, {**HOOK, "victim": "-f '^[^ ]*sshd-heal hook apt'"}),
    "actor": (40, {**HOOK, "victim": "-f '^[^ ]*sshd-heal hook service'"}),
    "dpkg": (16, {**FRONT_END, "victim": "-x dpkg", "command": "dpkg -i /srv/repo/libssl3_*.deb"}),
    "apt-get": (10, {**FRONT_END, "victim": "-x apt-get", "command":
                     "apt-get install -y --reinstall /srv/repo/libssl3_*.deb"}),
}


@pytest.mark.parametrize("victim", VICTIMS)
def test_whoever_is_killed_the_next_look_finishes_the_job(installed, victim):  # noqa: F811
    """At moments all over a run: a dead one leaves nothing that keeps the next from it."""
    rounds, words = VICTIMS[victim]
    seed = random.randrange(1 << 32)
    generator = random.Random(seed)
    parts = " ".join(str(generator.randrange(1000)) for _ in range(rounds))
    done = installed.sh(KILLED % {**words, "parts": parts}, check=False, timeout=300)
    told = f"seed {seed}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    print(told)
    assert done.returncode == 0, told
    assert int(done.stdout.split("hits ")[1]) > rounds / 2, told
    assert failed(installed) == ""
