# SPDX-License-Identifier: GPL-2.0-or-later
"""What an ordinary user with a shell can do against us: nothing is run, nothing waits."""

import contextlib
import json
import shlex
import time

import pytest

import attacker
import roots
from attacker import HOME, KEY, LIBRARY, LISTENER, MARK, PROGRAM
from host import BUILD

#: Everything of mallory's that root could stumble over.
PLACES = (HOME, LIBRARY, KEY, PROGRAM, MARK, "/tmp/etc", "/tmp/conf", "/tmp/var")
CONFIG = "/etc/sshd-heal.conf"
DROP_IN = "/run/systemd/system/ssh.service.d/attack.conf"
#: A hook must be done by then.
LIMIT_S = 5


@pytest.fixture(scope="module")
def booted(staged):
    stage = attacker.stage(BUILD / "stage/attack-bookworm", staged("bookworm"))
    with attacker.Target(roots.old_debian("bookworm"), stage) as target:
        yield target


@pytest.fixture
def target(booted):
    """One host for many attacks, each on an sshd that was started anew."""
    yield booted
    booted.sh(f"rm -rf {DROP_IN} {CONFIG} {MARK} /tmp/etc /tmp/conf /tmp/var {HOME}/etc {HOME}/var"
              " /conf /srv/* /usr/sbin/policy-rc.d && systemctl daemon-reload"
              " && systemctl reset-failed ssh.service && systemctl restart ssh.service")


@pytest.fixture
def own_target(staged):
    """A host for an attack that another one would not survive."""
    stage = attacker.stage(BUILD / "stage/attack-bookworm", staged("bookworm"))
    with attacker.Target(roots.old_debian("bookworm"), stage) as own:
        yield own


def start_sshd(target, options="", more=""):
    """Has the unit start sshd with these options."""
    target.run("mkdir", "-p", DROP_IN.rsplit("/", 1)[0])
    target.write(DROP_IN, f"[Service]\nExecStart=\nExecStart=/usr/sbin/sshd -D {options}\n"
                 "ExecReload=\nExecReload=/bin/kill -HUP $MAINPID\n" + more)
    target.run("systemctl", "daemon-reload")
    target.run("systemctl", "restart", "ssh.service")
    target.wait_for(target.gets_banner, 10, "sshd")


def set_trap(target, directory="/tmp"):
    """mallory's files under the relative names that root's sshd has."""
    key = f"{directory}/etc/ssh/ssh_host_ed25519_key"
    target.evil_config(f"{directory}/etc/ssh/sshd_config")
    target.write_as_mallory(key, attacker.security_key(), mode=0o600)
    target.write_as_mallory(f"{key}-cert.pub", "no certificate\n")
    target.write_as_mallory(f"{directory}/var/log/sshd.log", "")


def assert_nothing_was_taken(target, trace, *places):
    assert target.mark() == ""
    assert trace.named(*(places or PLACES)) == []


# --- F1: nothing of a user's is opened or run ------------------------------------


def test_the_trap_would_work(target):
    """Without this the tests below would show nothing: root's sshd in /tmp runs the library."""
    set_trap(target)
    server = "env -C /tmp /usr/sbin/sshd -i -f etc/ssh/sshd_config"
    target.run("ssh", "-F", "none", "-o", f"ProxyCommand={server}", "-o", "BatchMode=yes", "-o",
               "HostKeyAlgorithms=sk-ssh-ed25519@openssh.com", "root@localhost", check=False)
    assert target.mark() == "loaded by uid 0\n"
    _, trace = target.watched("sshd", "-T", "-f", "etc/ssh/sshd_config", cwd="/tmp")
    assert trace.named("/tmp/etc") and trace.used("/tmp/etc")


CERTIFICATE = ("cd /etc/ssh && ssh-keygen -q -t ed25519 -N '' -f ca <<<y &&"
               " ssh-keygen -q -s ca -h -I host -n localhost ssh_host_ed25519_key.pub")


@pytest.mark.parametrize("options", [
    "-f etc/ssh/sshd_config",
    "-fetc/ssh/sshd_config",
    "-h etc/ssh/ssh_host_ed25519_key",
    "-o HostKey=etc/ssh/ssh_host_ed25519_key",
    '-o "HostKey etc/ssh/ssh_host_ed25519_key"',
    "-h etc/ssh/ssh_host_ed25519_key -c etc/ssh/ssh_host_ed25519_key-cert.pub",
    "-E var/log/sshd.log",
    "HostKey etc/ssh/ssh_host_ed25519_key",  # in the configuration
])
def test_a_relative_name_is_not_looked_for_where_the_hook_runs(target, options):
    if "-cert" in options:
        target.run("bash", "-c", CERTIFICATE)
    if options.startswith("HostKey"):
        target.sh("cp /etc/ssh/sshd_config /etc/ssh/relative"
                  f" && echo '{options}' >>/etc/ssh/relative")
        options = "-f /etc/ssh/relative"
    start_sshd(target, options)
    set_trap(target)
    pid = target.make_stale()
    done, trace = target.watched("sshd-heal", "hook", "service-now", cwd="/tmp")
    assert_nothing_was_taken(target, trace)
    assert "healed: reloaded" in done.stdout, done.stdout
    assert target.deleted(pid) == []


@pytest.mark.parametrize("command, cwd, words", [
    (("heal", "--dry-run"), "/tmp", "would be reloaded"),
    (("heal", "--dry-run"), HOME, "would be reloaded"),
    (("check",), HOME, "would be reloaded"),
    (("heal",), HOME, "healed: reloaded"),
])
def test_nor_by_hand_in_a_foreign_directory(target, command, cwd, words):
    start_sshd(target, "-f etc/ssh/sshd_config")
    set_trap(target, cwd)
    target.make_stale()
    done, trace = target.watched("sshd-heal", *command, cwd=cwd)
    assert_nothing_was_taken(target, trace)
    assert words in done.stdout, done.stdout


def test_nor_in_a_real_apt_run(target):
    start_sshd(target, "-f etc/ssh/sshd_config")
    set_trap(target)
    pid = target.listener()
    done, trace = target.watched("apt-get", "install", "-y", "--no-download", "libssl3")
    assert_nothing_was_taken(target, trace)
    assert trace.named("/usr/sbin/sshd-heal"), "the hook did not run"
    assert "healed: reloaded" in done.stdout, done.stdout
    assert target.deleted(pid) == []


def test_policy_rc_d_runs_in_the_root_directory(target):
    target.write("/usr/sbin/policy-rc.d", "#!/bin/sh\npwd -P >>/run/policy-cwd\n", mode=0o755)
    target.make_stale()
    target.run("env", "-C", "/tmp", "sshd-heal", "hook", "service-now")
    assert target.run("cat", "/run/policy-cwd").stdout == "/\n"


def test_our_own_relative_names_are_still_those_of_the_caller(target):
    target.write(CONFIG, "Mode=perhaps\n")
    done = target.run("env", "-C", "/etc", "sshd-heal", "--config=sshd-heal.conf", check=False)
    assert done.returncode == 3
    assert "sshd-heal.conf:1: bad value for Mode" in done.stderr


@contextlib.contextmanager
def started_by_hand(target, cwd, options):
    """An sshd without a unit, on port 22."""
    target.run("systemctl", "stop", "ssh.service")
    target.sh(f"mkdir -p /run/sshd && rm -f /run/sshd.pid && cd {cwd} &&"
              f" setsid /usr/sbin/sshd {options} </dev/null >/dev/null 2>&1")
    target.wait_for(target.gets_banner, 10, "sshd")
    pid = int(target.run("cat", "/run/sshd.pid").stdout)
    try:
        yield pid
    finally:
        target.sh(f"kill {pid}; while test -d /proc/{pid}; do sleep 0.02; done", check=False)


def test_nor_are_those_of_a_title(target):
    target.write(CONFIG, "UnmanagedListener=hup\n")
    with started_by_hand(target, "/", "-f etc/ssh/sshd_config") as pid:
        set_trap(target)
        target.make_stale()
        done, trace = target.watched("sshd-heal", "hook", "service-now", cwd="/tmp")
        assert_nothing_was_taken(target, trace)
        assert "healed: sent SIGHUP" in done.stdout, done.stdout
        assert target.deleted(pid) == []
        assert target.ssh("echo in").stdout == "in\n"


@pytest.mark.parametrize("mode", ["hup", "warn"])
def test_an_sshd_that_would_die_of_sighup_gets_none_and_none_is_advised(target, mode):
    """SIGHUP has it look for its file in /, where there is none."""
    target.write(CONFIG, f"UnmanagedListener={mode}\n")
    with started_by_hand(target, "/etc/ssh", "-f sshd_config") as pid:
        target.make_stale()
        for command in ("check", "heal"):
            done = target.run("env", "-C", "/etc/ssh", "sshd-heal", command, check=False)
            assert done.returncode in (1, 2), done.stdout
            assert "kill -HUP" not in done.stdout, done.stdout
            assert "would get SIGHUP" not in done.stdout, done.stdout
            assert target.has(pid), f"{command} killed it: {done.stdout}"
        assert "-f" in done.stdout, done.stdout
        assert target.deleted(pid)
        assert target.ssh("echo in").stdout == "in\n"


WORKING_DIRECTORY = "WorkingDirectory={}\n"


def copy_config(target, directory):
    target.sh(f"mkdir -p {directory}/conf && cp /etc/ssh/sshd_config {directory}/conf/")


def test_a_units_own_directory_is_where_its_sshd_is_tried(target):
    copy_config(target, "/srv/sshd")
    # SIGHUP has it look there.
    copy_config(target, "")
    start_sshd(target, "-f conf/sshd_config", WORKING_DIRECTORY.format("/srv/sshd"))
    target.evil_config("/tmp/conf/sshd_config")
    pid = target.make_stale()
    done, trace = target.watched("sshd-heal", "hook", "service-now", cwd="/tmp")
    assert_nothing_was_taken(target, trace)
    assert "healed: re" in done.stdout, done.stdout
    assert target.deleted(target.listener()) == []
    assert target.has(pid) or "restarted" in done.stdout
    # What a restart would meet there is found, though a SIGHUP would not meet it.
    pid = target.make_stale()
    target.sh("echo 'NoSuchOption yes' >>/srv/sshd/conf/sshd_config")
    done, trace = target.watched("sshd-heal", "hook", "service-now", cwd="/tmp")
    assert_nothing_was_taken(target, trace)
    assert "left alone" in done.stdout and "NoSuchOption" in done.stdout, done.stdout
    assert target.deleted(pid)


def test_a_unit_whose_reload_would_kill_its_sshd_is_not_reloaded(target):
    """It starts in its directory, but re-executes itself in /."""
    copy_config(target, "/srv/sshd")
    start_sshd(target, "-f conf/sshd_config", WORKING_DIRECTORY.format("/srv/sshd"))
    pid = target.make_stale()
    done = target.run("env", "-C", "/srv/sshd", "sshd-heal", "heal", check=False)
    assert "DOWN" not in done.stdout and "was down" not in done.stdout, done.stdout
    assert "systemctl reload" not in done.stdout, done.stdout
    if "healed: restarted" in done.stdout:
        assert target.deleted(target.listener()) == []
    else:
        assert "-f" in done.stdout and "left alone" in done.stdout, done.stdout
        assert target.listener() == pid
    assert target.ssh("echo in").stdout == "in\n"


#: Where others than root may write: the unit's directory, and what makes it so.
WRITABLE = {
    "its own directory": ("/srv/own", "chown mallory /srv/own/conf /srv/own"),
    "a directory between": ("/srv/between", "chown mallory /srv/between/conf"),
    "a directory above": (f"{HOME}/above", f"mv {HOME}/above {HOME}/root"
                          f" && install -d -o mallory {HOME}/above {HOME}/above/conf"),
    "the file": ("/srv/file", "chown mallory /srv/file/conf/sshd_config"),
    "a group": ("/srv/group", "chgrp -R mallory /srv/group && chmod -R g+w /srv/group"),
    "behind a link": ("/srv/link", f"mv /srv/link/conf {HOME}/linked && chown mallory {HOME}/linked"
                      f" && ln -s {HOME}/linked /srv/link/conf"),
    # Root's files, as it stands; but the link can be turned elsewhere between look and use.
    "a link on the way": ("/srv/way", "mv /srv/way/conf /srv/real && ln -s /srv/real"
                          f" {HOME}/way && chown -h mallory {HOME}/way"
                          f" && ln -s {HOME}/way /srv/way/conf"),
    "anybody": ("/srv/anybody", "chmod 1777 /srv/anybody/conf && rm /srv/anybody/conf/*"),
}


@pytest.mark.parametrize("whose", list(WRITABLE))
def test_where_others_may_write_nothing_is_tried(target, whose):
    directory, give = WRITABLE[whose]
    copy_config(target, directory)
    start_sshd(target, "-f conf/sshd_config", WORKING_DIRECTORY.format(directory))
    target.sh(give)
    target.as_mallory("sh", "-c", 'rm -f "$1"; cat >"$1"', "sh", f"{directory}/conf/sshd_config",
                      input=attacker.CONFIG, check="link on" not in whose)
    pid = target.make_stale()
    done, trace = target.watched("sshd-heal", "hook", "service-now", cwd=directory)
    target.sh(f"rm -rf {HOME}/above {HOME}/root {HOME}/linked {HOME}/way")
    assert target.mark() == ""
    assert trace.used(directory, *PLACES) == []
    assert "left alone" in done.stdout and "-f" in done.stdout, done.stdout
    assert "would not let a client in" not in done.stdout, "that was not tried"
    assert target.listener() == pid and target.deleted(pid)
    assert target.ssh("echo in").stdout == "in\n"


def test_nor_for_a_relative_name_in_the_configuration(target):
    """No option tells of it: sshd takes a HostKey from its working directory, too."""
    # sshd 9.2 looks for it in / for every client.
    target.sh("mkdir /srv/own && cp /etc/ssh/ssh_host_ed25519_key /srv/own/key"
              " && cp /srv/own/key /conf && cp /etc/ssh/sshd_config /etc/ssh/relative"
              " && mv /srv/own/key /srv/own/conf && echo HostKey conf >>/etc/ssh/relative")
    start_sshd(target, "-f /etc/ssh/relative", WORKING_DIRECTORY.format("/srv/own"))
    target.sh("chown mallory /srv/own /srv/own/conf")
    target.as_mallory("tee", "/srv/own/conf", input=attacker.security_key())
    target.make_stale()
    done, trace = target.watched("sshd-heal", "hook", "service-now", cwd="/srv/own")
    assert trace.used("/srv/own", *PLACES) == []
    assert "left alone" in done.stdout, done.stdout
    assert "would not let a client in" not in done.stdout, "that was not tried"
    assert target.ssh("echo in").stdout == "in\n"


def test_a_newer_sshd_runs_no_program_of_a_users(staged):
    stage = attacker.stage(BUILD / "stage/attack-trixie", staged("trixie"))
    with attacker.Target(roots.old_debian("trixie"), stage) as target:
        start_sshd(target, "-f etc/ssh/sshd_config")
        set_trap(target)
        target.sh("cd /tmp && /usr/sbin/sshd -i -f etc/ssh/sshd_config </dev/null", check=False)
        assert target.mark() == "run by uid 0\n"
        pid = target.make_stale()
        done, trace = target.watched("sshd-heal", "hook", "service-now", cwd="/tmp")
        assert_nothing_was_taken(target, trace)
        assert "healed: reloaded" in done.stdout, done.stdout
        assert target.deleted(pid) == []


def test_a_name_that_a_process_gives_itself_is_not_looked_up(target):
    """Behind it may be a file system of mallory's, and whoever asks that waits."""
    with target.swarm("sshd (deleted)", "-t", LISTENER) as pid:
        target.make_stale()
        for command in (("check",), ("heal",)):
            _, trace = target.watched("sshd-heal", *command)
            assert trace.named(HOME) == []
            looked = [line for line in trace.named(f"/proc/{pid}/exe") if "readlink" not in line]
            assert looked == []


# --- F2, F3, F8: nobody can have us wait ------------------------------------------


def as_root(target):
    """Root in a user namespace of its own, as in a container with the same numbers."""
    return target.run


SWARMS = {
    # name of the program, its options, as whom
    "locked session": ("sshd-x", ["-l"], None),
    "locked listener": ("sshd", ["-l"], None),
    "locked, undumpable": ("sshd", ["-l", "-u"], None),
    "locked, 2,500 of them": ("sshd", ["-l", "-u", "-n", "2500"], None),
    "locked, root's numbers": ("sshd", ["-l"], as_root),
    "descriptors": ("sshd", ["-n", "4000", "-d", "19000"], None),
    "descriptors, undumpable": ("sshd", ["-n", "4000", "-d", "19000", "-u"], None),
}


def assert_swarm_works(target, pid, options):
    """Otherwise the test would show nothing."""
    is_free = target.within(0.5, "cat", f"/proc/{pid}/cmdline")
    assert (is_free is None) == ("-l" in options)
    if "-n" in options:
        number = int(options[options.index("-n") + 1])
        assert int(target.sh("ls /proc | grep -c '^[0-9]'").stdout) > number
    if "-d" in options:
        assert int(target.sh(f"ls /proc/{pid}/fd | wc -l").stdout) > 19000


@pytest.mark.parametrize("what", list(SWARMS))
def test_processes_that_cost_whoever_reads_them_cost_us_nothing(target, what):
    name, options, whose = SWARMS[what]
    with target.swarm(name, *options, "-t", LISTENER, run=whose and whose(target)) as pid:
        assert_swarm_works(target, pid, options)
        for command, words in ((("hook", "apt"), "healed: reloaded"), (("check",), "would be"),
                               (("heal",), "healed: reloaded")):
            listener = target.make_stale()
            done = target.within(LIMIT_S + 1, "sshd-heal", *command)
            assert done, f"{' '.join(command)} waits"
            assert done.seconds <= LIMIT_S
            assert words in done.stdout, done.stdout
            # The actor looks once more before it ends.
            target.wait_for(target.trigger_is_done, 10, "sshd-heal.service")
            assert (target.deleted(listener) == []) == (command != ("check",))
        assert target.ssh("echo in").stdout == "in\n"


def test_a_real_apt_run_under_everything_at_once(target):
    """The library was upgraded before: libc6 and its like are left."""
    start_sshd(target, "-f etc/ssh/sshd_config")
    set_trap(target)
    for name, hook in (("89-before", "before"), ("91-after", "after")):
        target.write(f"/etc/apt/apt.conf.d/{name}",
                     f'DPkg::Post-Invoke:: "date +%s.%N >>/run/{hook}";\n')
    pid = target.listener()
    with contextlib.ExitStack() as attacks:
        for name, options in (("sshd-x", ["-l"]), ("sshd", ["-l", "-u", "-n", "2500"]),
                              ("sshd", ["-n", "4000", "-d", "19000"]),
                              ("sshd-session", ["-n", "20"])):
            attacks.enter_context(target.swarm(name, *options, "-t", LISTENER))
        done = target.within(30, "apt-get", "install", "-y", "--no-download", *roots.UPGRADE)
        assert done, "apt waits"
        assert done.returncode == 0
        assert "healed: reloaded" in done.stdout, done.stdout
        assert target.deleted(pid) == []
        assert target.ssh("echo in").stdout == "in\n"
    assert target.mark() == ""
    before, after = (float(target.run("tail", "-1", f"/run/{name}").stdout)
                     for name in ("before", "after"))
    assert after - before <= LIMIT_S


@pytest.mark.parametrize("name, title", [
    ("sshd-session", "sshd-session: root@pts/0"),
    ("sshd", "sshd: mallory@pts/1"),
    ("sshd-x", "sshd: root [priv]"),
])
def test_forged_sessions_are_not_counted(target, name, title):
    session = target.session()
    with target.swarm(name, "-n", "5", "-t", title):
        report = json.loads(target.heal("check", "--format=json").stdout)
    session.close()
    ours, = [entry for entry in report["listeners"] if entry["pid"] == target.listener()]
    assert ours["sessions"] == 1


#: Runs its command with 25 times less patience, and notes what it was asked for.
IMPATIENT = """#!/bin/bash
printf '%s ' "$@" >>/run/timeouts; echo >>/run/timeouts
options=()
while [[ $1 == -* ]]; do
	case $1 in
	-k) options+=(-k 0.2); shift 2 ;;
	*) options+=("$1"); shift ;;
	esac
done
limit=$1; shift
exec /usr/bin/timeout.real "${options[@]}" $(( ${limit%s} / 25 )) "$@"
"""


def test_apts_hook_line_has_an_outer_limit(target):
    """For a sshd-heal that nothing but SIGKILL ends."""
    target.sh("mv /usr/bin/timeout /usr/bin/timeout.real; cp -a /usr/sbin/sshd-heal /root/")
    target.write("/usr/bin/timeout", IMPATIENT, mode=0o755)
    target.write("/usr/sbin/sshd-heal", "#!/bin/sh\ntest \"$2\" != apt || trap '' TERM\n"
                 "test \"$2\" != apt || while :; do sleep 1; done\n"
                 "cat >/dev/null\n", mode=0o755)
    start = time.monotonic()
    done = target.run("timeout.real", "-s", "KILL", "20", "apt-get", "install", "-y",
                      "--no-download", "--reinstall", roots.UNRELATED, check=False)
    seconds = time.monotonic() - start
    limits = target.sh("cat /run/timeouts", check=False).stdout
    target.sh("mv /usr/bin/timeout.real /usr/bin/timeout; mv /root/sshd-heal /usr/sbin/")
    target.sh("kill -KILL $(pidof -x sshd-heal)", check=False)
    assert done.returncode == 0, f"apt waited {seconds} s"
    assert "sshd-heal hook apt" in limits and "-k" in limits
    assert seconds < 15


# --- beyond the field ---------------------------------------------------------------


def test_a_swarm_does_not_bury_what_is_said_of_sshd(target):
    with target.swarm("sshd", "-n", "500", "-t", LISTENER):
        pid = target.make_stale()
        done = target.heal("check")
    assert f"(pid {pid}, " in done.stdout
    assert len(done.stdout.splitlines()) < 50


@pytest.fixture
def hanging_bus(target):
    """As when dbus-daemon reads the cmdline of a client that nobody can read: it does at Hello."""
    target.run("systemctl", "kill", "-s", "STOP", "dbus.service")
    yield
    target.run("systemctl", "kill", "-s", "CONT", "dbus.service")


def test_a_bus_that_hangs_does_not_use_up_the_time(target, hanging_bus):
    pid = target.make_stale()
    done = target.within(10, "sshd-heal", "hook", "apt")
    assert "healed: reloaded" in done.stdout, done.stdout
    assert target.deleted(pid) == []
    assert done.seconds <= LIMIT_S


def test_systemd_is_not_made_to_read_a_users_process(own_target):
    """A session in sshd's own control group: whoever lists that reads each cmdline, as PID 1."""
    target = own_target
    target.sh("sed -i /pam_systemd/d /etc/pam.d/common-session")
    start_sshd(target, more="KillMode=control-group\n")
    target.sh(f"install -d -o mallory -m 700 {HOME}/.ssh && install -o mallory"
              f" /root/.ssh/authorized_keys {HOME}/.ssh/")

    def by_ssh(*command, **_):
        return target.ssh(shlex.join(command), user="mallory")

    with target.swarm("idle", "-l", run=by_ssh) as pid:
        assert "/ssh.service" in target.run("cat", f"/proc/{pid}/cgroup").stdout
        listener = target.make_stale()
        done = target.within(LIMIT_S + 1, "sshd-heal", "hook", "apt")
        alive = target.within(2, "systemctl", "is-system-running")
        assert alive, "PID 1 hangs"
        assert done and "healed: reloaded" in done.stdout
        assert done.seconds <= LIMIT_S
        assert target.deleted(listener) == []


def test_sshd_is_not_sent_to_wait_for_a_journal_that_hangs(own_target):
    """journald reads the cmdline of whoever logs, and then sshd waits for it in syslog(3)."""
    target = own_target
    with target.swarm("idle", "-l", "-j"):
        target.wait_for(lambda: not target.within(0.5, "logger", "a line"), 10, "a full journal")
        assert target.gets_banner()
        target.make_stale()
        done = target.within(10, "sshd-heal", "hook", "apt")
        assert target.gets_banner(), done and done.stdout
        assert done, "the hook waits for the journal"
    target.wait_for(target.gets_banner, 10, "sshd")
    assert target.ssh("echo in").stdout == "in\n"
    assert target.run("systemctl", "is-active", "ssh.service").stdout == "active\n"
