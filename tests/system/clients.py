# SPDX-License-Identifier: GPL-2.0-or-later
"""clients.py PORT PAUSE_MS: clients that connect, one after the other, and wait for the banner.

Beside them somebody knocks every half millisecond: a SYN, answered by SYN-ACK or
RST, and no more. sshd does not see it, so it does not slow down what it measures.

Prints a line once the first client got in, runs until standard input says
something (60 s at most), then prints as JSON how many clients met which fate,
and the longest time for which knocking was answered by RST.
"""

import collections
import itertools
import json
import select
import socket
import struct
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


class Knocker(threading.Thread):
    """Knocks at a port, and keeps the longest time for which it was shut."""

    SYN, RST, ACK = 0x02, 0x04, 0x10

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.is_over = False
        self.down_ms = 0.0
        self.raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
        self.raw.settimeout(0.1)

    def syn(self, source):
        """A TCP header (RFC 9293 3.1) with a checksum over the pseudo header."""
        def header(checksum):
            return struct.pack("!HHLLBBHHH", source, self.port, source, 0, 5 << 4, self.SYN,
                               1024, checksum, 0)

        pseudo = socket.inet_aton("127.0.0.1") * 2 + struct.pack("!BBH", 0, socket.IPPROTO_TCP, 20)
        total = sum(struct.unpack("!16H", pseudo + header(0)))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        return header(~total & 0xFFFF)

    def is_open(self, source):
        self.raw.sendto(self.syn(source), ("127.0.0.1", 0))
        while True:
            packet = self.raw.recv(128)
            start = (packet[0] & 15) * 4
            sender, to, flags = (*struct.unpack_from("!HH", packet, start), packet[start + 13])
            # Our own SYN comes by as well.
            if (sender, to) == (self.port, source) and flags & self.ACK:
                return not flags & self.RST

    def run(self):
        down_since = None
        for source in itertools.cycle(range(20000, 30000)):
            if self.is_over:
                break
            now = time.monotonic()
            try:
                is_open = self.is_open(source)
            except TimeoutError:
                continue
            if not is_open and down_since is None:
                down_since = now
            if is_open and down_since is not None:
                self.down_ms = max(self.down_ms, (now - down_since) * 1000)
                down_since = None
            time.sleep(0.0005)


def main():
    port, pause = int(sys.argv[1]), float(sys.argv[2]) / 1000
    counts = collections.Counter()
    end = time.monotonic() + LIMIT_S
    is_ready = False
    knocker = Knocker(port)
    knocker.start()
    while time.monotonic() < end:
        counts[connect(port)] += 1
        if counts["ok"] and not is_ready:
            print("ready", flush=True)
            is_ready = True
        if select.select([sys.stdin], [], [], pause)[0]:
            break
    knocker.is_over = True
    knocker.join()
    print(json.dumps({**counts, "down_ms": round(knocker.down_ms, 1)}))


if __name__ == "__main__":
    main()
