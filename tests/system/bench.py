# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench: what sshd-heal costs a transaction when all is well.

Wall time of whole processes on a booted host, medians of many runs: what apt
starts (a shell that starts the hook), the hook alone, and `true` as the floor.
"""

import statistics
import sys

import roots
from host import Host

RUNS = 200
STREAM = "/tmp/stream"
#: Times each command RUNS times from one process, so that only fork and exec are added.
TIMER = r"""
use Time::HiRes qw(time);
my ($runs, $input, @argv) = @ARGV;
for (1 .. $runs) {
    my $start = time;
    my $pid = fork // die;
    if (!$pid) { open STDIN, '<', $input or die; exec { $argv[0] } @argv or die }
    waitpid $pid, 0;
    die "status $?" if $?;
    printf "%.6f\n", time - $start;
}
"""
SHELL = {
    "apt-pre-install": "sshd_heal=/usr/sbin/sshd-heal && test -x $sshd_heal &&"
                       " /usr/bin/timeout --foreground -k 5 75 $sshd_heal hook apt-pre-install || cat >/dev/null",
    "apt": "test -x /usr/sbin/sshd-heal && /usr/bin/timeout --foreground -k 5 75"
           " /usr/sbin/sshd-heal hook apt || true",
}


def real_stream(host):
    """What apt sends for an unrelated package, kept by a hook of our own."""
    host.write("/etc/apt/apt.conf.d/99stream", f"""
        DPkg::Pre-Install-Pkgs {{ "keep_stream=1 && cat >{STREAM}"; }};
        DPkg::Tools::Options::keep_stream=1::Version "3";
    """)
    host.upgrade(roots.UNRELATED)
    host.run("rm", "/etc/apt/apt.conf.d/99stream")


def median_ms(host, *argv, stdin="/dev/null", runs=RUNS):
    host.write("/tmp/timer.pl", TIMER)
    out = host.run("perl", "/tmp/timer.pl", runs, stdin, *argv).stdout
    return statistics.median(float(line) for line in out.split()) * 1000


def measure(host, runs=RUNS):
    """Milliseconds by name: floor, the two hooks alone, and as apt starts them."""
    real_stream(host)
    hook = "/usr/sbin/sshd-heal"
    found = {"true": median_ms(host, "/usr/bin/true", runs=runs)}
    for name in SHELL:
        stdin = STREAM if name == "apt-pre-install" else "/dev/null"
        found[name] = median_ms(host, hook, "hook", name, stdin=stdin, runs=runs)
        found[f"sh -c {name}"] = median_ms(host, "/bin/sh", "-c", SHELL[name], stdin=stdin,
                                           runs=runs)
    return found


def main():
    with Host(roots.old_debian(), roots.stage("bookworm")) as host:
        found = measure(host)
        host.sh("for i in $(seq 200); do sleep 1000 >/dev/null 2>&1 & done")
        found["apt, 200 more processes"] = median_ms(host, "/usr/sbin/sshd-heal", "hook", "apt")
    for name, value in found.items():
        print(f"{name:28} {value:6.2f} ms")
    print(f"{'both hooks':28} {found['apt-pre-install'] + found['apt']:6.2f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
