"""How far reported round trips are from the truth: a packet capture on loopback, in the same run.

    python -m tests.bench.bench_rtt [--count 500] [--interval 0.01] [--only NAME] [--tls]

Needs tcpdump and the right to capture. Every tool pings the same `websockets` server, which runs
in a process of its own; the capture's time between a Ping's packet and its Pong's is the truth.
A Ping's number is in its payload, on the wire as in what a tool reports: a round trip that is
missing on either side shifts none of the others, and is counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.table import Row

PING, PONG = 0x9, 0xA
WARM_UP = 5
SERVER = """
import asyncio
from websockets.asyncio.server import serve
async def echo(ws):
    async for message in ws:
        await ws.send(message)
async def main():
    async with serve(echo, "127.0.0.1", 0, ping_interval=None, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()
asyncio.run(main())
"""
BUSY = "import os\nwhile os.getppid() == {parent}: sum(range(10000))"


# -- the tools: each prints the number of a Ping, from 1, and its round trip in ms, one a line ---

Numbered = dict[int, float]


async def ping_with_session(url: str, count: int, interval: float) -> Numbered:
    """wsdiag's own session, without its command line."""
    from wsdiag.transport.dial.dialer import dial
    from wsdiag.transport.dial.options import DialOptions
    from wsdiag.transport.stream.stamps import round_trip_ns

    session = await dial(url, DialOptions())
    found = {}
    for number in range(1, count + 1):
        mark = session.ping(str(number).encode())
        received = await session.receive(5)
        assert received is not None
        found[number] = round_trip_ns(mark, received.at)[0] / 1e6
        await asyncio.sleep(interval)
    await session.close()
    return found


async def ping_with_chart(url: str, count: int, interval: float) -> Numbered:
    """`wsdiag ping` with its live chart on a terminal of 200x50, which a thread plays."""
    import fcntl
    import pty
    import termios
    import threading

    from wsdiag.probes.ping.options import PingOptions
    from wsdiag.probes.ping.run import PingRun
    from wsdiag.records import PingReply
    from wsdiag.render.base.terminal import Terminal
    from wsdiag.render.ping.output import ping_output
    from wsdiag.transport.dial.options import DialOptions

    screen, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    threading.Thread(target=_swallow, args=(screen,), daemon=True).start()
    terminal = Terminal(stdout=os.fdopen(slave, "w"), environ={"TERM": "xterm-256color"})
    assert terminal.live
    view = ping_output(terminal, [url])
    found = {}
    view.start()
    try:
        options = PingOptions(count=count, interval_s=interval)
        async for event in PingRun([url], options, DialOptions()).events():
            view.handle(event)
            if isinstance(event, PingReply):
                found[event.seq] = event.rtt_ms
    finally:
        view.stop()
    return found


def _swallow(screen: int) -> None:
    while os.read(screen, 65536):
        pass


async def ping_with_websockets(url: str, count: int, interval: float) -> Numbered:
    """The websockets library, which reports a latency for each Ping."""
    import websockets

    found = {}
    async with websockets.connect(url, ping_interval=None, compression=None) as ws:
        for number in range(1, count + 1):
            found[number] = await (await ws.ping(str(number))) * 1e3
            await asyncio.sleep(interval)
    return found


async def ping_with_aiohttp(url: str, count: int, interval: float) -> Numbered:
    """aiohttp has no latency of its own: as its users do it, around ping and receive."""
    import aiohttp

    found = {}
    async with aiohttp.ClientSession() as client, client.ws_connect(url, autoping=False) as ws:
        for number in range(1, count + 1):
            began = time.perf_counter()
            await ws.ping(str(number).encode())
            await ws.receive()
            found[number] = (time.perf_counter() - began) * 1e3
            await asyncio.sleep(interval)
    return found


Client = Callable[[str, int, float], Coroutine[None, None, Numbered]]
CLIENTS: dict[str, Client] = {
    "wsdiag session": ping_with_session,
    "wsdiag + chart": ping_with_chart,
    "websockets": ping_with_websockets,
    "aiohttp": ping_with_aiohttp,
}
NODE = """
const WebSocket = require('ws'), [url, count, interval] = process.argv.slice(1);
const ws = new WebSocket(url, {perMessageDeflate: false}); let number = 0, began;
const ping = () => { began = process.hrtime.bigint(); ws.ping(String(++number)); };
ws.on('open', ping);
ws.on('pong', () => { console.log(number, Number(process.hrtime.bigint() - began) / 1e6);
  if (number < +count) setTimeout(ping, interval * 1e3); else ws.close(); });
"""


def commands(url: str, count: int, interval: float) -> Iterator[tuple[str, list[str]]]:
    """Every tool at hand with its command line."""
    for name in CLIENTS:
        yield (
            name,
            [
                sys.executable,
                "-m",
                "tests.bench.bench_rtt",
                "--client",
                name,
                url,
                str(count),
                str(interval),
            ],
        )
    ping = ["-m", "wsdiag", "ping", "-c", str(count), "-i", str(interval), "-o", "json", url]
    yield "wsdiag ping", [sys.executable, *ping]
    node = shutil.which("node")
    if node and subprocess.run([node, "-e", "require('ws')"], capture_output=True).returncode == 0:
        yield "Node ws", [node, "-e", NODE, url, str(count), str(interval)]


def reported_ms(output: str) -> Numbered:
    """Round trips in a tool's output: numbers of Pings and ms, or ping.reply records."""
    found = {}
    for line in output.splitlines():
        if line.startswith("{"):
            record = json.loads(line)
            if record["type"] == "ping.reply":
                found[record["seq"]] = record["rtt_ms"]
        elif line:
            number, ms = line.split()
            found[int(number)] = float(ms)
    return found


# -- the truth ---------------------------------------------------------------------------------


@dataclass
class Packet:
    """A TCP segment with data."""

    ns: int
    source: int
    target: int
    data: bytes


def read_capture(path: Path) -> list[Packet]:
    """Segments of a pcap file with nanoseconds, linktype Ethernet (pcap-savefile(5))."""
    raw, found, at = path.read_bytes(), [], 24
    assert raw[:4] == b"\x4d\x3c\xb2\xa1", "not a pcap with nanoseconds"
    while at + 16 <= len(raw):
        seconds, nanos, size, _ = struct.unpack_from("<IIII", raw, at)
        frame, at = raw[at + 16 : at + 16 + size], at + 16 + size
        ip = frame[14:]
        tcp = ip[(ip[0] & 15) * 4 : struct.unpack_from("!H", ip, 2)[0]]
        data = tcp[(tcp[12] >> 4) * 4 :]
        if data:
            source, target = struct.unpack_from("!HH", tcp)
            found.append(Packet(seconds * 10**9 + nanos, source, target, data))
    return found


def true_ms(packets: list[Packet], port: int) -> Numbered:
    """Round trips of the last connection to `port`, by the number in the Ping's payload."""
    client = packets[-1].source if packets[-1].target == port else packets[-1].target
    found: Numbered = {}
    sent: dict[bytes, int] = {}
    for packet in packets:
        if packet.source == client:
            for payload in payloads(packet.data, PING):
                sent[payload] = packet.ns
        elif packet.target == client:
            for payload in payloads(packet.data, PONG):
                if payload in sent:
                    digits = payload.isdigit()  # wsdiag's begin with four bytes
                    number = int(payload) if digits else int.from_bytes(payload[:4])
                    found[number] = (packet.ns - sent.pop(payload)) / 1e6
    return found


def payloads(segment: bytes, opcode: int) -> Iterator[bytes]:
    """The payloads of the control frames of this kind in a segment that begins with a frame."""
    at = 0
    while at + 2 <= len(segment):
        masked, size = segment[at + 1] & 0x80, segment[at + 1] & 0x7F
        if size > 125:  # a request, an answer, a message: no Ping shares a segment with these
            return
        start = at + (6 if masked else 2)
        key = segment[at + 2 : start] if masked else bytes(4)
        payload = bytes(b ^ key[n & 3] for n, b in enumerate(segment[start : start + size]))
        if segment[at] == 0x80 | opcode:
            yield payload
        at = start + size


@contextmanager
def capture(port: int, path: Path) -> Iterator[None]:
    """tcpdump on loopback while the block runs."""
    command = [
        "tcpdump",
        "-i",
        "lo",
        "--time-stamp-precision=nano",
        "--immediate-mode",
        "-U",
        "-s",
        "256",
        "-w",
        str(path),
        f"tcp port {port}",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while "listening on" not in (line := process.stderr.readline()):
        if not line:
            raise SystemExit("tcpdump cannot capture on lo")
    try:
        yield
        time.sleep(0.3)
    finally:
        process.terminate()
        process.communicate()


# -- the runs ----------------------------------------------------------------------------------


@dataclass
class Measured:
    """One tool in one surrounding; errors in us."""

    tool: str
    surrounding: str
    samples: int
    median_error: float
    p99_error: float
    true_median: float
    missing: str


def measure(tool: str, command: list[str], surrounding: str, port: int) -> Measured | None:
    """Run one tool under the capture, and compare."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "capture.pcap")
        with capture(port, path):
            run = subprocess.run(command, capture_output=True, text=True, timeout=300)
        reported = reported_ms(run.stdout)
        packets = read_capture(path)
    if not reported or not packets:
        print(f"{tool}: no round trips\n{run.stderr[-500:]}", file=sys.stderr)
        return None
    return compare(tool, surrounding, reported, true_ms(packets, port))


def compare(tool: str, surrounding: str, reported: Numbered, truth: Numbered) -> Measured:
    """Errors of a run, without the warm-up."""
    both = sorted(reported.keys() & truth.keys())[WARM_UP:]
    pairs = [(reported[number], truth[number]) for number in both]
    missing = [
        f"{len(numbers)} not {what}"
        for numbers, what in (
            (truth.keys() - reported.keys(), "reported"),
            (reported.keys() - truth.keys(), "captured"),
        )
        if numbers
    ]
    errors = sorted(abs(said - true) * 1e3 for said, true in pairs)
    return Measured(
        tool,
        surrounding,
        len(errors),
        statistics.median(errors),
        errors[min(len(errors) - 1, int(len(errors) * 0.99))],
        statistics.median(true for _, true in pairs) * 1e3,
        ", ".join(missing),
    )


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """This many processes that never rest."""
    script = BUSY.format(parent=os.getpid())
    running = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


@contextmanager
def server() -> Iterator[int]:
    """The peer; its port."""
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def run_all(count: int, interval: float, only: str | None) -> list[Measured]:
    """Every tool in every surrounding."""
    found = []
    with server() as port:
        tools = commands(f"ws://127.0.0.1:{port}/", count, interval)
        chosen = [(name, command) for name, command in tools if only in (None, name)]
        for surrounding, processes in (("idle", 0), ("busy CPU", os.cpu_count() or 1)):
            with busy(processes):
                for name, command in chosen:
                    row = measure(name, command, surrounding, port)
                    if row is not None:
                        found.append(row)
    return found


def can_capture() -> bool:
    """Whether tcpdump is there, and we may use it."""
    return shutil.which("tcpdump") is not None and os.geteuid() == 0


def rows(*, quick: bool = False) -> list[Row]:
    """The errors of `wsdiag ping` and of a run with its chart, beside the `websockets` client's."""
    if not can_capture():
        return [Row("error of round trips", "skipped", "needs root and tcpdump", None, "", None)]
    found = {(one.tool, one.surrounding): one for one in run_all(100 if quick else 400, 0.01, None)}
    compared = []
    for surrounding in ("idle", "busy CPU"):
        peer = found["websockets", surrounding]
        for tool in ("wsdiag ping", "wsdiag + chart"):
            ours = found[tool, surrounding]
            compared.append(
                Row(
                    f"error of round trips, {tool}, {surrounding}",
                    _errors(ours),
                    f"websockets: {_errors(peer)}",
                    ours.median_error / peer.median_error,
                    "below 1",
                    ours.median_error < peer.median_error,
                )
            )
    return compared


def _errors(one: Measured) -> str:
    missing = f"; {one.missing}" if one.missing else ""
    return f"{one.median_error:.1f} us (p99 {one.p99_error:.0f}){missing}"


def print_row(row: Measured) -> None:
    """One line of the table."""
    print(
        f"| {row.tool:<15} | {row.surrounding:<9} | {row.samples:>7} | {row.true_median:>9.0f} "
        f"| {row.median_error:>12.1f} | {row.p99_error:>9.1f} | {row.missing or 'nothing'} |",
        flush=True,
    )


def main() -> None:
    """Read the command line: a tool to be, or the whole comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--interval", type=float, default=0.01)
    parser.add_argument("--only")
    parser.add_argument("--client", nargs=4)
    options = parser.parse_args()
    if options.client:
        name, url, count, interval = options.client
        found = asyncio.run(CLIENTS[name](url, int(count), float(interval)))
        print(*(f"{number} {ms}" for number, ms in found.items()), sep="\n")
        return
    print(
        "| tool            | beside it | samples | true p50  | p50 error us | p99 error | missing |"
    )
    print(
        "|-----------------|-----------|--------:|----------:|-------------:|----------:|---------|"
    )
    for row in run_all(options.count, options.interval, options.only):
        print_row(row)


if __name__ == "__main__":
    main()
