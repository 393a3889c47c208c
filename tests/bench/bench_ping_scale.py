"""One process that pings 1,000 URLs each second, beside one that pings a single one.

    python -m tests.bench.bench_ping_scale [--quick]

All connections go to one echo server in a process of its own. What is counted: the processor's
share after all are connected, for each URL; memory; and, where tcpdump may capture, how far the
reported round trips are from the wire's.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench.bench_rtt import PING, PONG, Packet, can_capture, capture, read_capture
from tests.bench.programs import WEBSOCKETS, WSDIAG, Served, cpu_s, raise_files, rss_kib, serving
from tests.bench.table import Row, show

MANY = 1000
CONNECTING_S = 4.0
SHARE_TARGET = 0.60


@dataclass(frozen=True)
class Run:
    """One run over `urls` URLs; round trips' errors in us, None where nothing was captured."""

    urls: int
    share: float
    rss_mib: float
    error_p50_us: float | None
    error_p99_us: float | None


def run(server: Served, urls: int, seconds: float, *, wire: bool) -> Run:
    """Ping all of them each second, for `seconds` after the connecting."""
    targets = [f"{server.url}?n={number}" for number in range(urls)]
    count = str(int(CONNECTING_S + seconds + 2))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        packets, records = Path(folder, "packets"), Path(folder, "records")
        if wire:
            stack.enter_context(capture(server.port, packets))
        with records.open("wb") as sink:
            argv = [*WSDIAG, "ping", "-i", "1s", "-c", count, "-o", "json", *targets]
            process = subprocess.Popen(argv, stdout=sink)
            time.sleep(CONNECTING_S)
            began_s, began_cpu_s = time.monotonic(), cpu_s(process.pid)
            time.sleep(seconds)
            share = (cpu_s(process.pid) - began_cpu_s) / (time.monotonic() - began_s)
            memory = rss_kib(process.pid) / 1024
            process.wait(60)
        stack.close()
        errors = errors_us(records, read_capture(packets)) if wire else []
    middle = statistics.median(errors) if errors else None
    return Run(urls, share, memory, middle, errors[int(len(errors) * 0.99)] if errors else None)


def errors_us(records: Path, packets: list[Packet]) -> list[float]:
    """How far each reported round trip is from the wire's, in us, sorted."""
    truth = round_trips_ms(packets)
    found = []
    for line in records.read_text().splitlines():
        record = json.loads(line)
        if record["type"] == "ping.reply":
            number = int(record["url"].rpartition("=")[2])
            found.append(abs(record["rtt_ms"] - truth[number][record["seq"] - 1]) * 1e3)
    return sorted(found)


def round_trips_ms(packets: list[Packet]) -> dict[int, list[float]]:
    """By the number in the URL: from each Ping's packet to its Pong's."""
    number_of: dict[int, int] = {}
    sent_ns: dict[int, int] = {}
    found: dict[int, list[float]] = defaultdict(list)
    for packet in packets:
        if asked := re.match(rb"GET \S+\?n=(\d+) ", packet.data):
            number_of[packet.source] = int(asked[1])
        elif packet.source in number_of and packet.data[0] == 0x80 | PING:
            sent_ns[packet.source] = packet.ns
        elif packet.target in sent_ns and packet.data[0] == 0x80 | PONG:
            took_ns = packet.ns - sent_ns.pop(packet.target)
            found[number_of[packet.target]].append(took_ns / 1e6)
    return found


def rows(*, quick: bool = False) -> list[Row]:
    """Share of a core for each URL, the whole share, memory, and the error of round trips."""
    urls = min(MANY, (raise_files() - 200) // 2)
    seconds, wire = 4.0 if quick else 15.0, can_capture()
    with serving(WEBSOCKETS) as server:
        one, many = run(server, 1, seconds, wire=wire), run(server, urls, seconds, wire=wire)
    return [*_cost(one, many), _error(one, many)]


def _cost(one: Run, many: Run) -> Sequence[Row]:
    each = many.share / many.urls
    what = f"ping of {many.urls:,} URLs each second"
    return [
        Row(
            f"{what}: share of a core",
            f"{many.share:.1%}",
            f"1 URL: {one.share:.2%}",
            None,
            "under 60 %",
            many.share < SHARE_TARGET,
        ),
        Row(
            f"{what}: share for each",
            f"{each:.3%}",
            f"1 URL: {one.share:.2%}",
            each / one.share if one.share else None,
            "at most 1 (linear)",
            each <= one.share,
        ),
        Row(
            f"{what}: resident memory",
            f"{many.rss_mib:.0f} MiB",
            f"1 URL: {one.rss_mib:.0f} MiB",
            many.rss_mib / one.rss_mib,
            "",
            None,
        ),
    ]


def _error(one: Run, many: Run) -> Row:
    what = f"ping of {many.urls:,} URLs: error of round trips, p50"
    if many.error_p50_us is None or one.error_p50_us is None:
        return Row(what, "skipped", "needs root and tcpdump", None, "unchanged", None)
    return Row(
        what,
        f"{many.error_p50_us:.1f} us (p99 {many.error_p99_us:.1f})",
        f"1 URL: {one.error_p50_us:.1f} us (p99 {one.error_p99_us:.1f})",
        many.error_p50_us / one.error_p50_us,
        "unchanged (1.25)",
        many.error_p50_us <= 1.25 * one.error_p50_us,
    )


if __name__ == "__main__":
    show(rows(quick="--quick" in sys.argv))
