"""`wsdiag exporter` with 1,000 targets at one Ping a second, while it is scraped.

    python -m tests.bench.bench_exporter [--quick]

All targets are one echo server in a process of its own. What is counted after all are connected:
the processor's share, memory, how long scrapes take (several at once among them), how late the
event loop ran; and, where tcpdump may capture, how far the time between two Pings of a connection
is from a second while scrapes are rendered.
"""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tests.bench.bench_rtt import PING, can_capture, capture, read_capture
from tests.bench.programs import WEBSOCKETS, WSDIAG, cpu_s, raise_files, rss_kib, serving
from tests.bench.table import Row, show

TARGETS = 1000
CONNECTING_S = 8.0
EVERY_S = 5.0
SHARE, MEMORY_MIB, SCRAPE_S, DELAY_S = 0.70, 150.0, 1.5, 0.05


def write_config(path: Path, url: str, targets: int, more: str = "") -> None:
    """A file of so many targets."""
    tables = [f'[[endpoint]]\nname = "t{n}"\nurl = "{url}?n={n}"\n' for n in range(targets)]
    path.write_text(more + "".join(tables))


def scrape(url: str, accept: str = "text/plain") -> tuple[float, bytes]:
    """(seconds, text) of one scrape, compressed as Prometheus asks for it."""
    headers = {"Accept": accept, "Accept-Encoding": "gzip"}
    began = time.monotonic()
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as got:
        body = got.read()
    return time.monotonic() - began, gzip.decompress(body)


def start(config: Path) -> tuple[subprocess.Popen[str], str]:
    """A running exporter and its /metrics."""
    argv = [*WSDIAG, "exporter", "-f", str(config), "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http\S+/metrics", line)
    assert found is not None, line
    return process, found[0]


def figure(text: bytes, name: str) -> float:
    """The sum of a metric's samples."""
    values = re.findall(rf"^{name}(?:{{.*}})? (\S+)$".encode(), text, re.MULTILINE)
    return sum(map(float, values))


def rows(*, quick: bool = False) -> list[Row]:
    """One table of figures."""
    targets = min(TARGETS, (raise_files() - 800) // 2)
    seconds, wire = 12.0 if quick else 60.0, can_capture()
    with (
        serving(WEBSOCKETS) as server,
        tempfile.TemporaryDirectory() as folder,
        ExitStack() as stack,
    ):
        config, packets = Path(folder, "wsdiag.toml"), Path(folder, "packets")
        write_config(config, server.url, targets)
        process, url = start(config)
        stack.callback(process.kill)
        time.sleep(CONNECTING_S)
        if wire:
            ended = stack.enter_context(ExitStack())
            ended.enter_context(capture(server.port, packets))
        began_s, began_cpu_s = time.monotonic(), cpu_s(process.pid)
        took, together = [], ThreadPoolExecutor(4)
        while time.monotonic() - began_s < seconds:
            wave = [together.submit(scrape, url) for _ in range(3)]
            took += [each.result()[0] for each in wave]
            time.sleep(EVERY_S)
        share = (cpu_s(process.pid) - began_cpu_s) / (time.monotonic() - began_s)
        memory = rss_kib(process.pid) / 1024
        _, text = scrape(url)
        if wire:
            ended.close()
        delays = delays_s(packets) if wire else []
        process.terminate()
        process.wait(30)
    up, lag = figure(text, "wsdiag_up"), figure(text, "wsdiag_exporter_lag_seconds")
    what = f"exporter, {targets:,} targets at 1 Ping/s"
    samples = text.count(b"\n") - text.count(b"\n#")
    worst = f"{max(delays) * 1e3:.0f} ms" if delays else "needs root and tcpdump"
    return [
        Row(f"{what}: up", f"{up:.0f}", "-", None, f"{targets}", up == targets),
        Row(f"{what}: share of a core", f"{share:.1%}", "-", None, "under 70 %", share < SHARE),
        Row(
            f"{what}: resident memory",
            f"{memory:.0f} MiB",
            "-",
            None,
            "under 150 MB",
            memory < MEMORY_MIB,
        ),
        Row(
            f"{what}: slowest scrape",
            f"{max(took):.2f} s, {samples:,} lines",
            "-",
            None,
            "under 1.5 s",
            max(took) < SCRAPE_S,
        ),
        Row(
            f"{what}: event loop's lag",
            f"{lag * 1e3:.0f} ms",
            "-",
            None,
            "under 50 ms",
            lag < DELAY_S,
        ),
        Row(
            f"{what}: a Ping's delay",
            worst,
            "-",
            None,
            "under 50 ms",
            max(delays) < DELAY_S if delays else None,
        ),
    ]


def delays_s(packets: Path) -> list[float]:
    """By how much each Ping left later than a second after the one before it."""
    last: dict[int, int] = {}
    late: dict[int, list[float]] = defaultdict(list)
    for packet in read_capture(packets):
        if packet.data[:1] == bytes([0x80 | PING]):
            if packet.source in last:
                late[packet.source].append((packet.ns - last[packet.source]) / 1e9 - 1)
            last[packet.source] = packet.ns
    return [delay for each in late.values() for delay in each]


if __name__ == "__main__":
    show(rows(quick="--quick" in sys.argv))
