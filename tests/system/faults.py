# SPDX-License-Identifier: GPL-2.0-or-later
"""Lets one system call of a program on a host fail, by strace from outside of it."""

import contextlib
import pathlib
import re
import subprocess
import tempfile
import time

from host import ENV, HostError

CALLS = ("openat", "read")


def _child(process):
    """The only child of nsenter, which is the program to be."""
    path = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 10
    while not (children := path.read_text().split()):
        if time.monotonic() > deadline:
            raise HostError("nsenter started nothing")
        time.sleep(0.002)
    return children[0]


def traced(host, command, *options, timeout=60):
    """Runs a command under strace; gives the finished process, its status and words."""
    # Traced before it is executed, and by itself: not what it runs in its turn. The shell
    # waits by another process, so that it has no such call of its own.
    argv = host.argv("sh", "-c", 'head -c 1 >/dev/null && exec "$@"', "sh", *command)
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, env=ENV, cwd="/") as process, \
            contextlib.ExitStack() as stack:
        stack.callback(process.kill)
        strace = stack.enter_context(subprocess.Popen(
            ["strace", *options, "-p", _child(process)], stderr=subprocess.PIPE, text=True))
        stack.callback(strace.terminate)
        # "strace: Process 123 attached"
        strace.stderr.readline()
        out, err = process.communicate("g", timeout=timeout)
        strace.wait(10)
        return subprocess.CompletedProcess(command, process.returncode, out, err)


def calls(host, command):
    """The calls of a run that count, as (name, number, line), from 1 after its execve."""
    with tempfile.NamedTemporaryFile("r") as log:
        traced(host, command, "-y", "-o", log.name, "-e", f"trace={','.join(CALLS)},execve")
        seen = dict.fromkeys(CALLS, 0)
        found = []
        is_begun = False
        for line in log:
            name = re.match(r"\w*", line).group()
            is_begun |= name == "execve"
            if name in seen:
                seen[name] += 1
                if is_begun:
                    found.append((name, seen[name], line.rstrip()))
    return found


def faulted(host, command, name, number, error="EIO"):
    """A run whose call of that name and number fails."""
    return traced(host, command, "-o", "/dev/null", "-e", f"trace={name}", "-e",
                  f"inject={name}:error={error}:when={number}")
