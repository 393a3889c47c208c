"""The least that can ping on time: sleeps until a slot, sends a ready frame, reads what came.

    python -m tests.bench.bare_pinger PORT INTERVAL_MS COUNT

How late its Pings leave is the machine's lateness, not a tool's.
"""

from __future__ import annotations

import sys
import time

from tests.bench.echo_client import KEY, opened

PING = b"\x89\x90" + KEY + bytes(16)
CLOSE = b"\x88\x80" + KEY


def main() -> None:
    """Ping COUNT times, one every INTERVAL_MS."""
    port, interval_ms, count = map(int, sys.argv[1:4])
    sock = opened(port, 0)
    began = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, began + number * interval_ms / 1000 - time.monotonic()))
        sock.sendall(PING)
        sock.recv(4096)
    sock.sendall(CLOSE)
    sock.recv(4096)


if __name__ == "__main__":
    main()
