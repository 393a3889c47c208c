"""`wsdiag serve`'s echo beside the `websockets` server: messages a second, memory of idle clients.

    python -m tests.bench.bench_serve [--quick]

The client is the same for both, and lean (`echo_client.py`). Both servers run all the time, and
take turns in being asked. One message under way shows the round trip of a single client, of which
the kernel has the most; several under way show the server, which is busy all the time then.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

from tests.bench.programs import (
    WEBSOCKETS,
    Served,
    cpu_s,
    raise_files,
    rss_kib,
    serving,
    wsdiag_server,
)
from tests.bench.table import Row, show

CLIENT = [sys.executable, "-m", "tests.bench.echo_client"]
CASES = tuple(
    (clients, size, window) for clients in (1, 100) for size in (16, 4096) for window in (1, 16)
)
IDLE = 10_000
SPARE_FILES = 200


@dataclass(frozen=True)
class Rate:
    """Messages a second, and processor time of the server for each, in us."""

    messages_s: float
    cpu_us: float


def rate(server: Served, clients: int, size: int, window: int, seconds: float) -> Rate:
    """One turn of one server."""
    began_s = cpu_s(server.pid)
    numbers = (server.port, clients, size, window, seconds)
    told = subprocess.run([*CLIENT, *map(str, numbers)], capture_output=True, text=True, timeout=60)
    if told.returncode:
        raise SystemExit(told.stderr)
    messages_s = float(told.stdout)
    return Rate(messages_s, (cpu_s(server.pid) - began_s) / (messages_s * seconds) * 1e6)


def rate_rows(*, seconds: float, rounds: int) -> list[Row]:
    """Every case, the servers in turn, the median of all rounds."""
    with serving(wsdiag_server()) as ours, serving(WEBSOCKETS) as peer:
        return [_rate_row(ours, peer, case, seconds, rounds) for case in CASES]


def _rate_row(
    ours: Served, peer: Served, case: tuple[int, int, int], seconds: float, rounds: int
) -> Row:
    pairs = [(rate(ours, *case, seconds), rate(peer, *case, seconds)) for _ in range(rounds)]
    ratio = statistics.median(one.messages_s / other.messages_s for one, other in pairs)
    clients, size, window = case
    what = f"echo {size} B, {clients} client{'s' * (clients > 1)}, {window} under way each"
    return Row(
        what,
        _told([one for one, _ in pairs]),
        _told([other for _, other in pairs]),
        ratio,
        "at least 1, aim 1.5",
        ratio >= 1,
    )


def _told(rates: list[Rate]) -> str:
    messages_s = statistics.median(one.messages_s for one in rates)
    cpu_us = statistics.median(one.cpu_us for one in rates)
    return f"{messages_s:,.0f}/s, {cpu_us:.1f} us CPU each"


def memory_kib(argv: list[str], connections: int) -> float:
    """What one idle connection adds to a server's resident memory."""
    with serving(argv) as server:
        before = rss_kib(server.pid)
        command = [*CLIENT, str(server.port), str(connections), "0", "0"]
        client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert client.stdin is not None
        assert client.stdout is not None
        try:
            opened = int(client.stdout.readline())
            time.sleep(1)
            return (rss_kib(server.pid) - before) / opened
        finally:
            client.stdin.close()
            client.wait(60)


def memory_row(wanted: int) -> Row:
    """Idle connections, as many as open files are allowed."""
    connections = min(wanted, raise_files() - SPARE_FILES)
    ours, peer = memory_kib(wsdiag_server(), connections), memory_kib(WEBSOCKETS, connections)
    return Row(
        f"memory of an idle connection, of {connections:,}",
        f"{ours:.1f} KiB",
        f"{peer:.1f} KiB",
        ours / peer,
        "at most 1",
        ours <= peer,
    )


def rows(*, quick: bool = False) -> list[Row]:
    """Rates, where a ratio above 1 is better, and memory, where it is one below."""
    rates = rate_rows(seconds=0.5 if quick else 1.0, rounds=1 if quick else 7)
    return [*rates, memory_row(IDLE // 10 if quick else IDLE)]


if __name__ == "__main__":
    show(rows(quick="--quick" in sys.argv))
