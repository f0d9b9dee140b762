# SPDX-License-Identifier: GPL-2.0-or-later
"""clients.py PORT PAUSE_MS: clients one after the other, each up to the banner.

Prints a line once the first got in, runs until standard input says something
(60 s at most), then prints what they met as JSON.
"""

import collections
import json
import select
import socket
import sys
import time


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


def main():
    port, pause = int(sys.argv[1]), float(sys.argv[2]) / 1000
    counts = collections.Counter()
    end = time.monotonic() + 60
    is_ready, failed_at, worst = False, None, 0.0
    while time.monotonic() < end:
        started = time.monotonic()
        fate = connect(port)
        counts[fate] += 1
        if fate == "ok":
            if not is_ready:
                print("ready", flush=True)
                is_ready = True
            # Down from the first client that failed to the first that got in again.
            if failed_at is not None:
                worst = max(worst, started - failed_at)
            failed_at = None
        elif failed_at is None:
            failed_at = started
        if select.select([sys.stdin], [], [], pause)[0]:
            break
    print(json.dumps({**counts, "down_ms": round(worst * 1000, 1)}))


if __name__ == "__main__":
    main()
