# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes wrong with ourselves is told as that, and never said of sshd."""

import concurrent.futures
import contextlib
import os
import pathlib
import subprocess
import time

import pytest

import faults
import roots
from host import ENV, ONLY_A_RESTART
from test_act import socket_activate

#: What a stale host is never told.
FALSE = ("healthy", "no sshd is running", "left alone, ", "would not let a client in", "CRITICAL")


def stale(host):
    """A host with a stale sshd, whose hooks only warn."""
    host.upgrade_unnoticed(*roots.UPGRADE)
    assert host.heal("check").returncode == 1
    host.write("/etc/sshd-heal.conf", "Mode=warn\n")


def complaint(done, is_hook=False):
    """What is wrong with what a run on a stale host did; None when nothing is."""
    for word in FALSE:
        if word in done.stdout:
            return f"says {word!r}"
    if done.returncode not in ((0, 127) if is_hook else (1, 3, 127)):
        return f"status {done.returncode}"
    # 127: the dynamic loader could not load our own libraries.
    if not done.stdout and not done.stderr:
        return "says nothing"
    return None


def assert_no_complaint(host, runs, run):
    """Runs them all, as many at a time as there are processors."""
    wrong = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for what, done in zip(runs, pool.map(run, runs)):
            told = complaint(done, is_hook="hook" in done.args)
            if told:
                wrong.append(f"{what}: {told}\n{done.stdout}{done.stderr}")
    assert not wrong, f"{len(wrong)} of {len(runs)}:\n" + "\n".join(wrong)
    assert host.deleted(host.listener()), "a run has acted"


def test_no_call_that_fails_makes_a_stale_host_healthy(host):
    """Every openat and read of a check, and of a hook until it finds sshd stale."""
    stale(host)
    check = ["sshd-heal", "check"]
    hook = ["sshd-heal", "hook", "apt"]
    found = faults.calls(host, check)
    # dpkg has a list for each package, and one is as good as another.
    lists = [call for call in found if ".list" in call[2]]
    runs = [(check, *call[:2]) for call in found if call not in lists]
    runs += [(check, *call[:2]) for call in lists[::40]]
    runs += [(hook, *call[:2]) for call in faults.calls(host, hook)[:40]]
    assert len(runs) > 200
    assert_no_complaint(host, runs, lambda run: faults.faulted(host, *run))


def test_few_descriptors_make_no_stale_host_healthy(host):
    stale(host)
    runs = [(n, verb) for n in range(4, 21)
            for verb in (["check"], ["heal", "--dry-run"], ["hook", "apt"])]
    assert_no_complaint(host, runs, lambda run: host.run(
        "prlimit", f"--nofile={run[0]}:{run[0]}", "sshd-heal", *run[1], check=False))


@contextlib.contextmanager
def throttle(percent):
    """A cgroup whose processes get so much of a processor; gives its directory."""
    name = f"sshd-heal-test-{os.getpid()}"
    v1 = pathlib.Path("/sys/fs/cgroup/cpu")
    if v1.is_dir():
        group = v1 / name
        limits = {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": str(percent * 1000)}
    else:
        group = pathlib.Path("/sys/fs/cgroup") / name
        limits = {"cpu.max": f"{percent * 1000} 100000"}
    group.mkdir()
    try:
        for key, value in limits.items():
            (group / key).write_text(value)
        yield group
    finally:
        deadline = time.monotonic() + 10
        while (group / "cgroup.procs").read_text() and time.monotonic() < deadline:
            time.sleep(0.1)
        group.rmdir()


def test_a_slow_machine_says_no_more_than_that_there_was_no_time(host):
    host.sh("printf 'KexAlgorithms diffie-hellman-group18-sha512\\nHostKeyAlgorithms rsa-sha2-512\\n'"
            " >>/etc/ssh/sshd_config")
    host.run("systemctl", "restart", "ssh.service")
    host.upgrade_unnoticed(*roots.UPGRADE)
    pid = host.listener()
    with throttle(1) as group:
        done = subprocess.run(
            ["sh", "-c", 'echo $$ >"$1" && shift && exec "$@"', "sh", group / "cgroup.procs",
             *host.argv("sshd-heal", "heal")],
            text=True, env=ENV, cwd="/", capture_output=True, timeout=60, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "could not be tried in time" in done.stdout
    for word in (*FALSE, "belongs to", "no answer"):
        assert word not in done.stdout, done.stdout
    assert host.listener() == pid and host.deleted(pid)
    # With the whole of it, all is healed.
    host.heals()


def hold_lock(host):
    """Another run at work."""
    host.run("mkdir", "-p", "/run/sshd-heal")
    holder = subprocess.Popen(host.argv("flock", "/run/sshd-heal/lock", "sh", "-c",
                                        "echo held; exec sleep 60"),
                              stdout=subprocess.PIPE, text=True, env=ENV)
    assert holder.stdout.readline() == "held\n"
    return holder


def test_of_a_lock_that_another_run_holds_only_that_is_said(host):
    host.upgrade_unnoticed(*roots.UPGRADE)
    host.write("/etc/sshd-heal.conf", "Deadline=6s\n")
    holder = hold_lock(host)
    start = time.monotonic()
    done = host.heal("heal")
    # A third of the deadline: the rest is for what comes after it.
    assert time.monotonic() - start < 4
    host.run("pkill", "-x", "sleep")
    holder.communicate()
    assert done.returncode == 1
    assert done.stdout.endswith("left alone: another sshd-heal is at work\n"), done.stdout
    assert "tried" not in done.stdout and done.stderr == ""
    assert host.heal("heal").returncode == 0


@pytest.mark.parametrize("verb, status", [(["heal"], 3), (["hook", "apt"], 0)])
def test_sigterm_ends_a_run_that_has_not_begun_to_act(host, verb, status):
    host.upgrade_unnoticed(*roots.UPGRADE)
    pid = host.listener()
    holder = hold_lock(host)
    with subprocess.Popen(host.argv("sshd-heal", *verb), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, env=ENV) as run:
        host.wait_for(lambda: host.run("pgrep", "-x", "sshd-heal", check=False).returncode == 0,
                      5, "sshd-heal to run")
        time.sleep(0.3)
        start = time.monotonic()
        host.run("pkill", "-TERM", "-x", "sshd-heal")
        out, err = run.communicate(timeout=10)
        assert time.monotonic() - start < 1
    host.run("pkill", "-x", "sleep")
    holder.communicate()
    assert (run.returncode, out) == (status, "")
    assert err == "sshd-heal: told to end, and has changed nothing\n"
    assert host.listener() == pid and host.deleted(pid)


def test_sigterm_does_not_end_an_action_before_its_proof(host):
    host.upgrade_unnoticed(*roots.UPGRADE)
    host.drop_in("ssh.service",
                 "[Service]\nExecReload=\nExecReload=/bin/sh -c 'touch /run/reloading; sleep 1'\n"
                 "ExecReload=/bin/kill -HUP $MAINPID\n")
    with subprocess.Popen(host.argv("sshd-heal", "heal"), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, env=ENV) as run:
        host.wait_for(lambda: host.run("test", "-e", "/run/reloading", check=False).returncode == 0,
                      10, "the reload to begin")
        host.run("pkill", "-TERM", "-x", "sshd-heal")
        out, err = run.communicate(timeout=20)
    assert (run.returncode, err) == (0, "")
    assert "healed: reloaded" in out
    assert host.deleted(host.listener()) == []


def test_the_service_of_rpm_ends_when_it_is_told_to(rpm_bookworm):
    """It waits for a transaction that does not end."""
    host = rpm_bookworm
    holder = subprocess.Popen(
        host.argv("python3", "-c",
                  "import fcntl, time\nlock = open('/var/lib/rpm/.rpm.lock', 'a')\n"
                  "fcntl.lockf(lock, fcntl.LOCK_EX)\nprint('held', flush=True)\ntime.sleep(60)"),
        stdout=subprocess.PIPE, text=True, env=ENV)
    assert holder.stdout.readline() == "held\n"
    host.sh("cd /usr/lib64 && cp libcrypto.so.3.0.7 new && mv new libcrypto.so.3.0.7")
    host.run("systemctl", "start", "--no-block", "sshd-heal.service")
    host.wait_for(lambda: host.run("pgrep", "-x", "sshd-heal", check=False).returncode == 0, 15,
                  "the service to wait")
    start = time.monotonic()
    host.run("systemctl", "stop", "sshd-heal.service")
    assert time.monotonic() - start < 2
    assert host.run("systemctl", "--failed", "--quiet", "--no-legend").stdout == ""
    host.run("pkill", "-f", "time.sleep")
    holder.communicate()


def test_a_reload_that_did_not_help_is_told(host):
    host.upgrade_unnoticed(*roots.UPGRADE)
    host.drop_in("ssh.service",
                 "[Unit]\nRefuseManualStop=yes\n[Service]\nExecReload=\nExecReload=/bin/true\n")
    pid = host.listener()
    host.leaves_alone(pid, 1, "reloaded, which did not help; left alone: its unit refuses to be "
                      "restarted by hand")


def test_an_sshd_with_systemds_descriptor_is_not_reloaded_when_its_socket_was_stopped(trixie):
    """SIGHUP ends it: it cannot bind what it was given."""
    socket_activate(trixie)
    assert trixie.ssh("echo in").stdout == "in\n"
    trixie.upgrade_unnoticed(*roots.UPGRADES["trixie"])
    trixie.run("systemctl", "stop", "ssh.socket")
    pid = trixie.listener()
    assert trixie.deleted(pid)
    done = trixie.heal("hook", "apt")
    assert "healed: restarted" in done.stdout and "started again" not in done.stdout, done.stdout
    assert trixie.listener() not in (0, pid)
    assert trixie.ssh("echo in").stdout == "in\n"


def test_a_new_main_process_is_seen_in_a_namespace_of_its_own(host):
    """A running sshd was called DOWN, and started a second time."""
    host.drop_in("ssh.service", f"[Service]\n{ONLY_A_RESTART}PrivateTmp=yes\n")
    host.run("systemctl", "restart", "ssh.service")
    host.upgrade_unnoticed(*roots.UPGRADE)
    done = host.heals()
    assert "healed: restarted, no deleted file left, a new client gets up to the login" in done.stdout


def test_clients_that_get_no_answer_any_more_are_no_heal(host):
    host.upgrade_unnoticed(*roots.UPGRADE)
    host.drop_in("ssh.service",
                 "[Service]\nExecReload=\nExecReload=/bin/kill -HUP $MAINPID\n"
                 "ExecReload=/bin/sh -c 'sleep 0.5; kill -STOP $MAINPID'\n")
    done = host.heal("heal")
    host.run("kill", "-CONT", str(host.listener()))
    assert done.returncode == 3, done.stdout
    assert "it is NOT known whether it is healed: a new client at 0.0.0.0:22 could not be tried" \
        in done.stdout
    assert host.ssh("echo in").stdout == "in\n"


def test_a_hook_with_options_of_other_verbs_does_nothing(host):
    host.upgrade_unnoticed(*roots.UPGRADE)
    pid = host.listener()
    for option in ("--config=/dev/null", "--format=json"):
        done = host.heal("hook", "apt", option)
        assert (done.returncode, done.stdout) == (0, "")
        assert option.split("=")[0] in done.stderr
        assert host.deleted(pid)


def test_a_stopped_hook_does_not_keep_apt_waiting(host):
    """apt's hooks have a limit from outside, for one that nothing else would end."""
    lines = host.run("apt-config", "dump", "DPkg").stdout
    hooks = [line for line in lines.splitlines() if "::sshd-heal " in line]
    assert len(hooks) == 1
    for line in hooks:
        assert "/usr/bin/timeout --foreground -k 5 75 " in line
    # The limit itself, with a shorter one.
    host.sh("sed -i 's/-k 5 75/-k 1 2/' /etc/apt/apt.conf.d/90sshd-heal")
    host.run("mv", "/usr/sbin/sshd-heal", "/usr/sbin/sshd-heal.real")
    host.write("/usr/sbin/sshd-heal", "#!/bin/sh\nkill -STOP $$\n", mode=0o755)
    start = time.monotonic()
    done = host.upgrade(roots.UNRELATED)
    assert done.returncode == 0
    assert time.monotonic() - start < 20
    assert host.run("which", roots.UNRELATED).returncode == 0


def test_what_no_signal_handler_can_end_is_ended_by_the_kernel(host):
    """A call that does not come back, and lets no handler run; strace buries it only then."""
    done = faults.traced(host, ["sshd-heal", "hook", "apt"], "-o", "/dev/null", "-e",
                         "trace=readlinkat", "-e",
                         "inject=readlinkat:delay_enter=42000000:when=3", timeout=70)
    # Otherwise it would have gone on, and ended well.
    assert done.returncode in (-9, 137), done
    pid = host.listener()
    assert "healed: reloaded" in host.upgrade(*roots.UPGRADE).stdout
    assert host.deleted(pid) == []
