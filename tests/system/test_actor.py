# SPDX-License-Identifier: GPL-2.0-or-later
"""sshd-heal.service: what asks it, what starts it, and what becomes of it when that goes wrong."""

import contextlib
import os
import random
import signal
import subprocess
import time

import pytest

import roots
from host import Host
from test_deb import INSTALL, by_apt_get, deb_staged, fresh, installed  # noqa: F401

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


def timed_upgrade(host):
    start = time.monotonic()
    done = host.upgrade("libssl3")
    return done, time.monotonic() - start


# --- not in the way ---------------------------------------------------------------


@pytest.mark.parametrize("trouble, words", [
    ("systemctl mask sshd-heal.service", "could not be started: "),
    ("mv /usr/lib/systemd/system/sshd-heal.service /root; systemctl daemon-reload",
     "could not be started: "),
    ("mkdir -p /etc/systemd/system/sshd-heal.service.d; printf '[Service]\\nExecStart=\\nExecStart="
     "/bin/sleep 300\\n' >/etc/systemd/system/sshd-heal.service.d/x.conf; systemctl daemon-reload",
     "does not answer"),
    ("mkdir -p /etc/systemd/system/sshd-heal.service.d; printf '[Service]\\nExecStart=\\nExecStart="
     "/bin/false\\n' >/etc/systemd/system/sshd-heal.service.d/x.conf; systemctl daemon-reload",
     "does not answer"),
    ("systemctl stop dbus.socket dbus.service; mv /run/systemd/private /run/systemd/elsewhere",
     "could not be started: "),
])
def test_without_its_service_a_hook_says_so_and_ends(host, trouble, words):
    host.sh(trouble)
    pid = host.listener() if "private" not in trouble else None
    done, seconds = timed_upgrade(host)
    assert done.returncode == 0
    assert f"sshd-heal: sshd may still run deleted files, and {UNIT} {words}" in done.stderr
    assert done.stderr.count("sshd-heal: ") == 1 and "type: sshd-heal heal" in done.stderr
    assert seconds < 12
    # By hand it goes its way itself.
    host.sh("test ! -e /run/systemd/elsewhere || mv /run/systemd/elsewhere /run/systemd/private")
    host.heals()
    assert pid in (None, host.listener())


#: The hook of a front end, or of dpkg in the middle of it, while its caller holds its locks.
CALLED = """
import fcntl, subprocess, sys, time
held = [open(path, "r+") for path in sys.argv[2:]]
for lock in held:
    fcntl.lockf(lock, fcntl.LOCK_EX)
start = time.monotonic()
done = subprocess.run(["sshd-heal", "hook", sys.argv[1]], capture_output=True, text=True)
print(f"{time.monotonic() - start:.3f}", done.stdout + done.stderr)
"""
FRONT = "/var/lib/dpkg/lock-frontend"
CLAIMED = ("import fcntl, sys; claim = open('/run/sshd-heal/actor', 'r+');"
           " fcntl.lockf(claim, fcntl.LOCK_EX); print('claimed', flush=True); sys.stdin.read()")


@contextlib.contextmanager
def in_trouble(host, trouble):
    """sshd-heal.service or systemd, as it is no use to anybody."""
    if trouble == "masked":
        host.run("systemctl", "mask", UNIT)
    elif trouble == "hangs":
        host.drop_in(UNIT, "[Service]\nExecStart=\nExecStart=/bin/sleep 300\n")
    if trouble == "stopped":
        argv = host.argv("python3", "-c", CLAIMED)
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as actor:
            actor.stdout.readline()
            yield
            actor.communicate(timeout=10)
    elif trouble == "systemd is stopped":
        os.kill(host.leader, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(host.leader, signal.SIGCONT)
    else:
        yield


@pytest.mark.parametrize("trouble, is_proven", [
    *((trouble, True) for trouble in ("masked", "hangs", "stopped", "systemd is stopped")),
    *((trouble, False) for trouble in ("none", "masked", "hangs", "systemd is stopped")),
])
def test_on_a_healed_host_no_hook_waits_for_long(installed, trouble, is_proven):  # noqa: F811
    """Nor for the locks of who has called it; and it has nothing to say."""
    installed.run("systemctl", "stop", "sshd-heal.path")
    for name, locks in (("apt", [FRONT]), ("dpkg", [FRONT, "/var/lib/dpkg/lock"])):
        installed.run("rm", "-f", "/run/sshd-heal/requests")
        if not is_proven:
            installed.run("rm", "-f", "/run/sshd-heal/proven")
        with in_trouble(installed, trouble):
            told = installed.run("python3", "-c", CALLED, name, *locks).stdout
        seconds, words = told.split(" ", 1)
        print(name, seconds)
        assert float(seconds) < 1 and words.strip() == "", f"{name}: {seconds} s: {words}"
        if trouble == "hangs":
            installed.run("systemctl", "stop", UNIT)


def test_a_request_that_nobody_served_is_served_later(host):
    host.run("systemctl", "mask", UNIT)
    host.upgrade("libssl3")
    assert host.run("cat", "/run/sshd-heal/requests").stdout == "end\n"
    host.run("systemctl", "unmask", UNIT)
    host.run("systemctl", "start", UNIT)
    assert host.deleted(host.listener()) == []
    assert host.run("cat", "/run/sshd-heal/requests").stdout == ""


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


#: Runs of dpkg and, each twelfth, of apt; gives what each kind took in all, in microseconds.
UNRELATED = """
run() {
    start=$(date +%%s%%N)
    "$@" >>/tmp/told 2>&1
    echo "ended: $?" >>/tmp/told
    took=$((($(date +%%s%%N) - start) / 1000))
}
by_dpkg=0 by_apt=0
for i in $(seq %d); do
    if test $((i %% 12)) = 0; then
        run apt-get install -y --allow-downgrades /tmp/tiny$((i %% 2)).deb
        by_apt=$((by_apt + took))
    else
        run dpkg -i /tmp/tiny$((i %% 2)).deb
        by_dpkg=$((by_dpkg + took))
    fi
done
echo $by_dpkg $by_apt
"""
TINY = """
mkdir -p /tmp/tiny/DEBIAN
for i in 0 1; do
    printf "%s\\n" "Package: tiny" "Version: 1.$i" "Architecture: all" \
        "Maintainer: n <n@example.org>" "Description: x" >/tmp/tiny/DEBIAN/control
    mkdir -p /tmp/tiny/usr/share/tiny; echo $i >/tmp/tiny/usr/share/tiny/file
    dpkg-deb -Znone -b /tmp/tiny /tmp/tiny$i.deb
done
"""


def test_two_hundred_unrelated_transactions_are_none_of_our_business(installed, capsys):  # noqa: F811
    """What they cost more with us is printed, a block with us and a smaller one without in turn."""
    hook = "/etc/apt/apt.conf.d/90sshd-heal"
    installed.sh(TINY)
    before = installed.journal()
    took = {50: [0, 0], 24: [0, 0]}

    def run(runs):
        by_kind = installed.sh(UNRELATED % runs).stdout.split()
        took[runs] = [total + int(us) / 1000 for total, us in zip(took[runs], by_kind)]

    for _ in range(4):
        run(50)
        idle(installed)
        assert installed.run("systemctl", "is-active", "sshd-heal.path").stdout == "active\n"
        installed.sh(f"systemctl stop sshd-heal.path; mv {hook} /root/hook")
        run(24)
        installed.sh(f"mv /root/hook {hook}; systemctl start sshd-heal.path")
    with capsys.disabled():
        for kind, (name, with_us, without) in enumerate([("dpkg -i", 184, 88), ("apt-get", 16, 8)]):
            print(f"\n{name}: {took[50][kind] / with_us:.1f} ms, without us"
                  f" {took[24][kind] / without:.1f} ms", end="")
        print()
    assert "sshd-heal" not in installed.run("cat", "/tmp/told").stdout
    assert installed.run("grep", "-c", "^ended: 0$", "/tmp/told").stdout == "296\n"
    assert failed(installed) == "" and installed.journal() == before


# --- where there is no sshd ---------------------------------------------------------

#: As systemd.offline-updates(7) has it, but that it does not reboot.
OFFLINE = """[Unit]
DefaultDependencies=no
Requires=sysinit.target
After=sysinit.target system-update-pre.target
Before=shutdown.target system-update.target
[Service]
Type=oneshot
ExecStart=sh -c 'rm /system-update; dpkg -i $$(ls /var/cache/apt/archives/libssl3_*.deb | tail -n 1)'
ExecStart=apt-get install -y --no-download libc6 libc-bin
StandardOutput=append:/root/told
StandardError=append:/root/told
"""


def starts_no_sshd(host, told):
    """Nobody but systemd does, later; and it starts with the new files. It is told at most."""
    ours = [line for line in told.splitlines() if line.startswith("sshd-heal: ")]
    assert all("is enabled and stopped, and nothing listens" in line for line in ours), told
    assert failed(host) == ""
    assert host.run("pgrep", "-x", "sshd", check=False).stdout == ""
    host.run("systemctl", "isolate", "multi-user.target")
    assert host.ssh("echo in").stdout == "in\n"
    assert host.deleted(host.listener()) == []
    assert host.heal("check").returncode == 0


def test_an_offline_update_is_told_of_at_most(staged):
    offline = Host(roots.old_debian("bookworm"), staged("bookworm"))
    (offline.upper / "system-update").symlink_to("/var/lib")
    units = offline.upper / "etc/systemd/system"
    (units / "system-update.target.wants").mkdir(parents=True)
    (units / "offline.service").write_text(OFFLINE, encoding="utf-8")
    (units / "system-update.target.wants/offline.service").symlink_to("../offline.service")
    with offline as host:
        assert host.run("systemctl", "is-active", "system-update.target").stdout == "active\n"
        told = host.run("cat", "/root/told").stdout
        assert "Setting up libssl3" in told and "Setting up libc6" in told
        starts_no_sshd(host, told)


def test_an_upgrade_in_rescue_mode_is_told_of_at_most(installed):  # noqa: F811
    # sulogin would end here, without a terminal, and with it the rescue.
    installed.drop_in("rescue.service", "[Service]\nExecStart=\nExecStart=/bin/sleep 300\n"
                      "StandardInput=null\nSuccessExitStatus=SIGHUP\n")
    installed.run("systemctl", "isolate", "rescue.target")
    installed.wait_for(lambda: installed.run("pgrep", "-x", "sshd", check=False).stdout == "", 10,
                       "sshd to be stopped")
    done = installed.sh("dpkg -i /srv/repo/libssl3_*.deb 2>&1;"
                        " apt-get install -y --no-download libc6 libc-bin 2>&1; sleep 1")
    assert "Setting up libssl3" in done.stdout and "Setting up libc6" in done.stdout
    assert installed.run("systemctl", "is-active", "rescue.target").stdout == "active\n"
    starts_no_sshd(installed, done.stdout)


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


# --- what is put off, and what was told --------------------------------------------


def without_scopes(host, reload):
    """A restart would end the session that is open."""
    host.run("sed", "-i", "/pam_systemd/d", "/etc/pam.d/common-session")
    host.drop_in("ssh.service", f"[Service]\nKillMode=control-group\nExecReload=\n{reload}")
    host.run("systemctl", "restart", "ssh.service")


def test_what_was_put_off_is_tried_again_without_a_restart(host):
    without_scopes(host, "")
    session = host.session()
    pid = host.listener()
    first = host.upgrade(*roots.UPGRADE)
    assert "left alone: a restart would end open sessions" in first.stderr
    told = host.journal().count("left alone")
    session.close()
    # As the timer does: no session is in the way any more, but a restart is not worth it.
    host.run("systemctl", "start", UNIT)
    assert host.listener() == pid and host.deleted(pid)
    assert "only a restart takes up the new files" in host.run("cat", "/run/sshd-heal/report.txt").stdout
    host.drop_in("ssh.service", "[Service]\nKillMode=control-group\nExecReload=\n"
                 "ExecReload=/bin/kill -HUP $MAINPID\n")
    host.run("systemctl", "start", UNIT)
    assert host.listener() == pid and host.deleted(pid) == []
    assert host.journal().count("healed: reloaded") == 1 and told >= 1


def test_what_is_left_for_good_is_not_tried_again_by_itself(host):
    host.write("/etc/sshd-heal.conf", "Mode=warn\n")
    host.upgrade("libssl3")
    before = host.journal()
    host.run("systemctl", "start", UNIT)
    assert host.journal() == before
    # But a further upgrade is news.
    host.run("rm", "/etc/sshd-heal.conf")
    host.run("systemctl", "start", UNIT)
    assert host.deleted(host.listener())
    host.sh("f=$(readlink -f /usr/lib/*/libcrypto.so.3) && cp -a $f $f.new && mv $f.new $f")
    host.run("systemctl", "start", UNIT)
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
