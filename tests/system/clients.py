# SPDX-License-Identifier: GPL-2.0-or-later
"""clients.py PORT THREADS PAUSE_MS: clients that connect and wait for the banner.

Several at a time, so that one that waits for its banner does not hide what the
next would have met. Prints a line once the first got in, runs until standard
input says something (60 s at most), then prints as JSON how many met which
fate, and for how long no client that began then got in.
"""

import collections
import json
import select
import socket
import sys
import threading
import time

LIMIT_S = 60


def connect(port):
    """One client's fate: ok, refused, reset, eof (closed before the banner) or timeout."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as client:
            banner = client.recv(255)
    except ConnectionRefusedError:
        return "refused"
    except ConnectionResetError:
        return "reset"
    except TimeoutError:
        return "timeout"
    if not banner:
        return "eof"
    return "ok" if banner.startswith(b"SSH-2.0-") else "other"


def client(port, pause, met, is_over):
    """One client after the other; met gets when each began, and its fate."""
    while not is_over.is_set():
        began = time.monotonic()
        met.append((began, connect(port)))
        time.sleep(pause)


def longest_down_ms(met):
    """The longest time from a client that failed to the next that got in."""
    down_since, longest = None, 0.0
    for began, fate in sorted(met):
        if fate != "ok" and down_since is None:
            down_since = began
        if fate == "ok" and down_since is not None:
            longest = max(longest, began - down_since)
            down_since = None
    return round(longest * 1000, 1)


def main():
    port, threads, pause = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000
    met, is_over = [], threading.Event()
    running = [threading.Thread(target=client, args=(port, pause, met, is_over))
               for _ in range(threads)]
    for thread in running:
        thread.start()
        # Not all at once.
        time.sleep(pause / threads)
    while not any(fate == "ok" for _, fate in met):
        time.sleep(0.01)
    print("ready", flush=True)
    select.select([sys.stdin], [], [], LIMIT_S)
    is_over.set()
    for thread in running:
        thread.join()
    counts = collections.Counter(fate for _, fate in met)
    print(json.dumps({**counts, "down_ms": longest_down_ms(met)}))


if __name__ == "__main__":
    main()
