# SPDX-License-Identifier: GPL-2.0-or-later
"""Every allocation of a run failing in turn, and too few descriptors, on a recorded host.

The host has a stale sshd. Whatever fails, no run may say that all is well, or nothing.
"""

import concurrent.futures
import functools
import json
import os
import pathlib
import re
import resource
import subprocess
import sys

BUILD = pathlib.Path(os.environ.get("B", "build")).resolve()
ROOT = pathlib.Path(__file__).resolve().parent.parent / "roots" / "bookworm-stale"
PROGRAM = BUILD / "sshd-heal"
PRELOAD = BUILD / "tests" / "failing.so"
#: What is run, and the exit status of a run without a fault.
RUNS = {
    "check": (["check"], 1),
    "json": (["check", "--format=json"], 1),
    "hook": (["hook", "apt"], 0),
}
ALLOCATIONS = range(1, 1001)
DESCRIPTORS = range(4, 21)
#: The dynamic loader and the C++ library end a program for which they have no memory, at
#: the moment when a module is loaded, and say so.
LOADER = ("out of memory", "cannot allocate memory for thread-local data",
          "terminate called after throwing an instance of 'std::bad_alloc'",
          "Fatal glibc error: failed to register TLS destructor")
#: What a stale host never hears.
FALSE = ("healthy", "no sshd is running", "left alone, ")


@functools.cache
def _loader():
    """The dynamic loader, which the program itself names."""
    names = subprocess.run(["ldd", PROGRAM], text=True, capture_output=True, check=True).stdout
    return re.search(r"^\s*(/\S+ld-linux\S+|/\S+/ld\S*\.so\S*)", names, re.M).group(1)


def run(args, number=None, descriptors=None):
    env = {"LC_ALL": "C"}
    argv = [PROGRAM]
    # Not by LD_PRELOAD, which the program leaves behind by executing itself anew.
    if number is not None:
        env |= {"FAILING_ALLOCATION": str(number)}
        argv = [_loader(), "--preload", PRELOAD, PROGRAM]

    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

    return subprocess.run([*argv, *args, f"--root={ROOT}"], text=True, env=env, cwd="/",
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
                          preexec_fn=limit if descriptors else None)


def complaint(name, done):
    """What is wrong with what a run did; None when nothing is."""
    status = RUNS[name][1]
    if done.returncode in (-6, 127) and done.stderr.startswith(LOADER):
        return None
    if done.returncode < 0:
        return f"ended by signal {-done.returncode}"
    if done.returncode not in (status, 0 if name == "hook" else 3):
        return f"status {done.returncode}"
    for word in FALSE:
        if word in done.stdout:
            return f"says {word!r}"
    if name == "json" and done.stdout:
        try:
            verdict = json.loads(done.stdout)["verdict"]
        except (ValueError, KeyError) as error:
            return f"no JSON: {error}"
        if verdict not in ("stale", "unknown"):
            return f"says {verdict}"
    if not done.stdout and not done.stderr:
        return "says nothing"
    return None


def main():
    for name, (args, status) in RUNS.items():
        done = run(args)
        if done.returncode != status or "libcrypto" not in done.stdout:
            sys.exit(f"{name}: not as it should be without a fault: {done}")
    cases = [(name, {"number": n}) for name in RUNS for n in ALLOCATIONS]
    cases += [(name, {"descriptors": n}) for name in RUNS for n in DESCRIPTORS]
    bad = 0
    hit = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for (name, fault), done in zip(cases, pool.map(
                lambda case: run(RUNS[case[0]][0], **case[1]), cases)):
            hit += "libcrypto" not in done.stdout or bool(done.stderr)
            wrong = complaint(name, done)
            if wrong:
                bad += 1
                print(f"{name} {fault}: {wrong}\n  {done.stdout!r}\n  {done.stderr!r}")
    print(f"check-faults: {len(cases)} runs, {hit} of them told of their fault, {bad} wrongly")
    if not hit:
        sys.exit("check-faults: no fault had any effect")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
