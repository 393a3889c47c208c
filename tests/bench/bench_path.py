"""What `path` measures and costs: its round trips beside a capture's, a Ping beside its probes.

    python -m tests.bench.bench_path [--quick]

Needs root, tcpdump and tshark. Round trips: through five routers, each answer of a router against
the same two packets in a capture. Cost: Pings on one connection, by turns
with copies of its segments before them and without.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from tests.bench.programs import WSDIAG
from tests.bench.table import Row, show
from tests.peers.certs import Authority
from tests.peers.chain import Chain
from tests.peers.peers import Peers

TARGET_US = 60.0


def captured(file: Path, client: str) -> dict[int, list[float]]:
    """Round trips in ms by hop: from a copy of ours to the ICMP error that answers it."""
    fields = ("frame.time_epoch", "ip.src", "ip.ttl", "icmp.type")
    argv = ["tshark", "-r", str(file), "-T", "fields"]
    for field in fields:
        argv += ["-e", field]
    found: dict[int, list[float]] = {}
    sent: tuple[int, Decimal] | None = None
    for line in subprocess.run(argv, capture_output=True, text=True).stdout.splitlines():
        at, source, ttl, icmp = line.split("\t")
        if icmp and sent is not None:
            found.setdefault(sent[0], []).append(float((Decimal(at) - sent[1]) * 1000))
            sent = None
        elif source == client and int(ttl) < 20:
            sent = int(ttl), Decimal(at)
    return found


def errors_us(count: int) -> list[float]:
    """For each round trip of a router's answer, how far it is from the capture's, in µs."""
    directory = Path(tempfile.mkdtemp())
    peers, chain = Peers(directory, Authority(directory)), Chain(5)
    try:
        chain.answer_all()
        server = peers.websockets(host=chain.server_address, netns=chain.server_ns)
        inside = ["ip", "netns", "exec", chain.client_ns]
        file = directory / "path.pcap"
        capture = subprocess.Popen(
            [
                *inside,
                "tcpdump",
                "-i",
                "l1",
                "--immediate-mode",
                "-U",
                "-w",
                str(file),
                "--time-stamp-precision=nano",
            ],
            stderr=subprocess.DEVNULL,
        )
        time.sleep(1)
        argv = [*inside, *WSDIAG, "path", "-c", str(count), "-i", "50ms", "-o", "json", server.url]
        out = subprocess.run(argv, capture_output=True, text=True, timeout=120).stdout
        time.sleep(1)
        capture.terminate()
        capture.wait()
        theirs = captured(file, "10.9.1.1")
    finally:
        peers.close()
        chain.remove()
    records = [json.loads(line) for line in out.splitlines()]
    wrong = []
    for hop in range(1, 6):
        ours = [r["last_ms"] for r in records if r["type"] == "path.hop" and r["hop"] == hop]
        for mine, his in zip(ours, theirs.get(hop, [])[-len(ours) :], strict=False):
            wrong.append(abs(mine - his) * 1e3)
    return wrong


async def pings_ms(url: str, count: int) -> tuple[list[float], list[float]]:
    """Round trips of Pings on one connection: by turns without and with copies before them."""
    from wsdiag.probes.common.await_pong import await_pong
    from wsdiag.probes.common.participant import open_session
    from wsdiag.transport.dial.options import DialOptions
    from wsdiag.transport.path.flow_tracer import FlowTracer
    from wsdiag.transport.path.raw import RawSockets

    sockets = RawSockets("10.0.0.1")

    class Watcher:
        tracer: FlowTracer

        def connecting(self, peer: tuple[object, ...]) -> None:
            pass

        def connected(self, local: tuple[str, int], peer: tuple[object, ...]) -> None:
            self.tracer = FlowTracer(sockets, local, peer)

    watcher = Watcher()
    session = (await open_session(url, DialOptions(), watcher=watcher)).session
    await watcher.tracer.wait_ready(2)
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(2 * count):
        await asyncio.sleep(0.01)
        if number % 2:
            for hop in range(1, 7):
                await watcher.tracer.ask([hop], 0.05)
        else:
            await asyncio.sleep(0.005)
        took = await await_pong(session, 5)
        if took is not None:
            found[number % 2].append(took)
    watcher.tracer.close()
    sockets.close()
    await session.close()
    return found


def costs(count: int) -> tuple[float, float]:
    """Median round trip of a Ping in ms, without copies of segments before it and with them."""
    directory = Path(tempfile.mkdtemp())
    peers, chain = Peers(directory, Authority(directory)), Chain(5)
    try:
        chain.answer_all()
        server = peers.websockets(host=chain.server_address, netns=chain.server_ns)
        with chain.in_client():
            without, beside = asyncio.run(pings_ms(server.url, count))
    finally:
        peers.close()
        chain.remove()
    return statistics.median(without), statistics.median(beside)


def rows(*, quick: bool = False) -> list[Row]:
    """Errors of round trips, and what a Ping is delayed."""
    wrong = errors_us(20 if quick else 100)
    worst, middle = max(wrong), statistics.median(wrong)
    without, beside = costs(50 if quick else 500)
    return [
        Row(
            f"{len(wrong)} round trips of routers against a capture: worst (median) difference",
            f"{worst:.1f} ({middle:.1f}) µs",
            "tcpdump",
            None,
            "60 µs",
            worst <= TARGET_US,
        ),
        Row(
            "a Ping through five routers with copies for each before it, and without",
            f"{beside:.3f} ms",
            f"{without:.3f} ms",
            beside / without,
            "no delay",
            beside - without < 0.1,
        ),
    ]


if __name__ == "__main__":
    show(rows(quick="--quick" in sys.argv))
