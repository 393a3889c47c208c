"""How far `tcp` and `upgrade` are from what a capture shows (tcpdump on loopback; root).

One endpoint after the other with `connect`, the same with -v, and 20 at once with `check`.

    python tests/bench/bench_phases.py [--count 100]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.bench_rtt import can_capture
from tests.bench.programs import WSDIAG
from tests.bench.table import Row, show
from wsdiag.protocol.codes import Opcode, Role
from wsdiag.protocol.frames import encode_frame
from wsdiag.protocol.parser import FrameParser
from wsdiag.protocol.server_handshake import ServerHandshake

ENDPOINTS = 20
MEDIAN_MS, P99_MS = 0.1, 0.5
_SYN, _ACK = 0x02, 0x10
Flow = tuple[int, int]
Captured = dict[str, float]


@contextmanager
def endpoints(count: int) -> Iterator[list[int]]:
    """Ports that answer Pings and Closes, in a thread of this process."""
    loop, ports, ready = asyncio.new_event_loop(), [], threading.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handshake, request = ServerHandshake(), None
        try:
            while request is None:
                request = handshake.receive(await reader.read(65536))
            writer.write(handshake.accept(request)[0])
            parser = FrameParser(Role.SERVER)
            while data := await reader.read(65536):
                for frame in parser.feed(data):
                    if frame.opcode is Opcode.PING:
                        writer.write(encode_frame(Opcode.PONG, frame.payload))
                    elif frame.opcode is Opcode.CLOSE:
                        writer.write(encode_frame(Opcode.CLOSE, frame.payload))
                        return
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def start() -> None:
        for _ in range(count):
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            ports.append(server.sockets[0].getsockname()[1])
        ready.set()

    def run() -> None:
        loop.create_task(start())
        loop.run_forever()

    threading.Thread(target=run, daemon=True).start()
    ready.wait()
    try:
        yield ports
    finally:
        loop.call_soon_threadsafe(loop.stop)


@contextmanager
def capturing(file: Path, ports: Sequence[int]) -> Iterator[None]:
    """tcpdump of these ports into `file`, whole when the block ends."""
    wanted = " or ".join(f"tcp port {port}" for port in ports)
    options = [
        "-i",
        "lo",
        "-U",
        "--immediate-mode",
        "-s",
        "128",
        "-B",
        "8192",
        "--time-stamp-precision=nano",
    ]
    command = ["tcpdump", *options, "-w", str(file), wanted]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while "listening on" not in (line := process.stderr.readline()):
        if not line:
            raise SystemExit("tcpdump cannot capture on lo")
    try:
        yield
        time.sleep(0.5)
    finally:
        process.terminate()
        process.communicate()


def captured(file: Path, ports: Sequence[int]) -> dict[int, list[Captured]]:
    """For each port its connections in order: the two phases in ms."""
    flows: dict[Flow, dict[str, float]] = {}
    data = file.read_bytes()
    offset = 24
    while offset + 16 <= len(data):
        seconds, nanos, kept, _ = struct.unpack_from("<IIII", data, offset)
        at_ms = seconds * 1e3 + nanos / 1e6
        packet = data[offset + 16 : offset + 16 + kept]
        offset += 16 + kept
        head = 14 + (packet[14] & 15) * 4
        source, target = struct.unpack_from(">HH", packet, head)
        flags = packet[head + 13]
        headers = head - 14 + (packet[head + 12] >> 4) * 4
        length = struct.unpack_from(">H", packet, 16)[0] - headers
        to_server = target in ports
        seen = flows.setdefault((target, source) if to_server else (source, target), {})
        if flags & _SYN:
            seen.setdefault("synack" if flags & _ACK else "syn", at_ms)
        elif length > 0:
            seen.setdefault("request" if to_server else "answer", at_ms)
    by_port: dict[int, list[Captured]] = {}
    for (port, _), seen in flows.items():
        if "answer" in seen:
            phases = {
                "tcp": seen["synack"] - seen["syn"],
                "upgrade": seen["answer"] - seen["request"],
            }
            by_port.setdefault(port, []).append(phases)
    return by_port


def told(trace: Path) -> dict[int, list[Captured]]:
    """The same, as `--trace` has it."""
    by_port: dict[int, list[Captured]] = {}
    for line in trace.read_text().splitlines():
        record = json.loads(line)
        if record["type"] != "trace.phase" or record["phase"] not in ("tcp", "upgrade"):
            continue
        port = int(record["url"].rstrip("/").rpartition(":")[2])
        found = by_port.setdefault(port, [])
        if record["phase"] == "tcp":
            found.append({})
        found[-1][record["phase"]] = record["took_ms"]
    return by_port


def errors(runs: Sequence[tuple[list[str], Path]], ports: Sequence[int]) -> dict[str, list[float]]:
    """What `runs` (command, its trace) are off by, in ms, by phase."""
    found: dict[str, list[float]] = {"tcp": [], "upgrade": []}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "capture.pcap"
        with capturing(file, ports):
            for command, _ in runs:
                subprocess.run(command, capture_output=True, check=False)
        seen = captured(file, ports)
    ours: dict[int, list[Captured]] = {}
    for _, trace in runs:
        for port, phases in told(trace).items():
            ours.setdefault(port, []).extend(phases)
    for port, phases in ours.items():
        for mine, wire in zip(phases, seen.get(port, []), strict=False):
            for name, off in found.items():
                if name in mine:
                    off.append(abs(mine[name] - wire[name]))
    return found


def rows(*, quick: bool = False, count: int = 100) -> list[Row]:
    """The errors of each way of measuring; the aim is 0.1 ms in the median and 0.5 ms at p99."""
    if not can_capture():
        return [
            Row("error of tcp and upgrade", "skipped", "needs root and tcpdump", None, "", None)
        ]
    count = 20 if quick else count
    made = []
    with tempfile.TemporaryDirectory() as folder, endpoints(ENDPOINTS) as ports:
        urls = [f"ws://127.0.0.1:{port}/" for port in ports]

        def run(number: int, *args: str) -> tuple[list[str], Path]:
            trace = Path(folder) / f"{args[0]}-{len(args)}-{number}.ndjson"
            return [*WSDIAG, *args, "--trace", str(trace)], trace

        ways = {
            "connect": [run(n, "connect", urls[n % ENDPOINTS]) for n in range(count)],
            "connect -v": [run(n, "connect", "-v", urls[n % ENDPOINTS]) for n in range(count)],
            f"check, {ENDPOINTS} endpoints": [
                run(n, "check", "--only", "upgrade", *urls)
                for n in range(max(1, count // ENDPOINTS))
            ],
        }
        for what, runs in ways.items():
            for phase, off in errors(runs, ports).items():
                off.sort()
                median, p99 = statistics.median(off), off[int(0.99 * (len(off) - 1))]
                said = f"{median:.3f} ms, p99 {p99:.3f} ms of {len(off)}"
                met = median <= MEDIAN_MS and p99 <= P99_MS
                aim = f"{MEDIAN_MS} ms, p99 {P99_MS} ms"
                made.append(Row(f"error of {phase}: {what}", said, "tcpdump", None, aim, met))
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    show(rows(count=parser.parse_args().count))
