"""`wsdiag exporter` with 1,000 targets at one Ping a second, while it is scraped.

    python -m tests.bench.bench_exporter [--quick]

All targets are one echo server in a process of its own. What is counted after all are connected:
the processor's share, memory, how long scrapes take (several at once among them), how late the
event loop ran; and, where tcpdump may capture, how far the time between two Pings of a connection
is from a second. Delays are this machine's as well, so the worst one while scrapes are rendered
stands beside the worst one in as much time without a scrape, of the same run; where that alone is
too long, nothing is said about scrapes. A day of Pings in minutes: tests/bench/exporter_day.py.
"""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench.bench_rtt import PING, PONG, can_capture, capture, read_capture
from tests.bench.programs import WEBSOCKETS, WSDIAG, cpu_s, raise_files, rss_kib, serving
from tests.bench.table import Row, show

TARGETS, IDLE_TARGETS = 1000, 10_000
CONNECTING_S = 8.0
EVERY_S = 5.0
SHARE, MEMORY_MIB, SCRAPE_S, DELAY_S = 0.70, 150.0, 1.5, 0.05
IDLE_MEMORY_MIB = 1500.0
AFTER_S = 0.1
"""What a scrape held up may leave after its end."""
Span = tuple[float, float]
"""From when to when, in seconds since 1970."""


def write_config(path: Path, url: str, targets: int, more: str = "") -> None:
    """A file of so many targets."""
    tables = [f'[[endpoint]]\nname = "t{n}"\nurl = "{url}?n={n}"\n' for n in range(targets)]
    path.write_text(more + "".join(tables))


def scrape(url: str, accept: str = "text/plain") -> tuple[float, bytes]:
    """(seconds, text) of one scrape, compressed as Prometheus asks for it."""
    headers = {"Accept": accept, "Accept-Encoding": "gzip"}
    began = time.monotonic()
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=120) as got:
        body = got.read()
    return time.monotonic() - began, gzip.decompress(body)


@contextmanager
def running(config: Path) -> Iterator[tuple[int, str]]:
    """A running exporter: its process id and its /metrics."""
    argv = [*WSDIAG, "exporter", "-f", str(config), "--listen", "127.0.0.1:0", "-q"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"http\S+/metrics", line)
            assert found is not None, line
            yield process.pid, found[0]
        finally:
            process.terminate()
            process.wait(60)


def figure(text: bytes, name: str) -> float:
    """The sum of a metric's samples."""
    values = re.findall(rf"^{name}(?:{{.*}})? (\S+)$".encode(), text, re.MULTILINE)
    return sum(map(float, values))


def rows(*, quick: bool = False) -> list[Row]:
    """One table of figures."""
    return [*busy(quick=quick), *idle(quick=quick), *dead(quick=quick)]


def busy(*, quick: bool) -> list[Row]:
    """A thousand targets at a Ping a second, three scrapers at once every five seconds."""
    targets = min(TARGETS, (raise_files() - 800) // 2)
    seconds, wire = 12.0 if quick else 60.0, can_capture()
    with serving(WEBSOCKETS) as server, tempfile.TemporaryDirectory() as folder:
        config, packets = Path(folder, "wsdiag.toml"), Path(folder, "packets")
        write_config(config, server.url, targets)
        with running(config) as (pid, url), ExitStack() as stack:
            time.sleep(CONNECTING_S)
            _, before = scrape(url)
            if wire:
                stack.enter_context(capture(server.port, packets))
            began_s, began_cpu_s = time.monotonic(), cpu_s(pid)
            took: list[float] = []
            scraped, quiet = list[Span](), list[Span]()
            with ThreadPoolExecutor(3) as together:
                while time.monotonic() - began_s < seconds:
                    start_s = time.time()
                    wave = [together.submit(scrape, url) for _ in range(3)]
                    took += [each.result()[0] for each in wave]
                    end_s = time.time() + AFTER_S
                    scraped.append((start_s, end_s))
                    quiet.append((end_s, end_s + (end_s - start_s)))
                    time.sleep(max(EVERY_S, end_s - start_s))
            share = (cpu_s(pid) - began_cpu_s) / (time.monotonic() - began_s)
            memory = rss_kib(pid) / 1024
            _, text = scrape(url)
        delays = delays_s(packets) if wire else []
        late, usual = worst_s(delays, scraped), worst_s(delays, quiet)
        error_us = abs(mean_s(before, text) - mean_wire_s(packets)) * 1e6 if wire else None
    up, lag = figure(text, "wsdiag_up"), figure(text, "wsdiag_exporter_lag_seconds")
    samples = text.count(b"\n") - text.count(b"\n#")
    return [
        row(targets, "up", f"{up:.0f}", f"{targets}", up == targets),
        row(targets, "share of a core", f"{share:.1%}", "under 70 %", share < SHARE),
        row(targets, "memory", f"{memory:.0f} MiB", "under 150 MB", memory < MEMORY_MIB),
        row(
            targets,
            f"slowest scrape of {len(took)}, {samples:,} lines",
            f"{max(took):.2f} s",
            "under 1.5 s",
            max(took) < SCRAPE_S,
        ),
        row(targets, "event loop's lag, in the last minute", f"{lag * 1e3:.0f} ms", "", None),
        delay_row(targets, late, usual),
        row(
            targets,
            "mean round trip, error against the wire's",
            "skipped: root and tcpdump" if error_us is None else f"{error_us:.1f} us",
            "under 10 us, as ping",
            None if error_us is None else error_us < 10,
        ),
    ]


def idle(*, quick: bool) -> list[Row]:
    """Ten thousand targets at a Ping a minute."""
    targets = min(1000 if quick else IDLE_TARGETS, raise_files() - 1200)
    with serving(WEBSOCKETS) as server, tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "wsdiag.toml")
        write_config(config, server.url, targets, '[defaults]\ninterval = "60s"\n')
        with running(config) as (pid, url):
            up, ends = 0.0, time.monotonic() + 300
            while up < targets and time.monotonic() < ends:
                time.sleep(targets / 250)
                took, text = scrape(url)
                up = figure(text, "wsdiag_up")
            began_s, began_cpu_s = time.monotonic(), cpu_s(pid)
            time.sleep(10)
            share = (cpu_s(pid) - began_cpu_s) / (time.monotonic() - began_s)
            memory = rss_kib(pid) / 1024
    return [
        row(targets, "idle, up", f"{up:.0f}", f"{targets}", up == targets),
        row(targets, "idle, memory", f"{memory:.0f} MiB", "in 1.5 GB", memory < IDLE_MEMORY_MIB),
        row(targets, "idle, share of a core", f"{share:.1%}", "", None),
        row(targets, "idle, a scrape", f"{took:.2f} s", "", None),
    ]


def dead(*, quick: bool) -> list[Row]:
    """A thousand targets that refuse, after their waits have grown."""
    targets = 200 if quick else TARGETS
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "wsdiag.toml")
        write_config(config, "ws://127.0.0.1:9/", targets)
        with running(config) as (pid, _):
            time.sleep(20 if quick else 70)
            began_s, began_cpu_s = time.monotonic(), cpu_s(pid)
            time.sleep(20)
            share = (cpu_s(pid) - began_cpu_s) / (time.monotonic() - began_s)
    return [row(targets, "dead, share of a core", f"{share:.1%}", "under 10 %", share < 0.1)]


def row(targets: int, what: str, ours: str, target: str, met: bool | None) -> Row:
    """A row without a peer: nothing else stays connected."""
    return Row(f"exporter, {targets:,} targets: {what}", ours, "-", None, target, met)


def delay_row(targets: int, late_s: float | None, usual_s: float | None) -> Row:
    """What scrapes do to Pings, beside what the machine does to them without a scrape."""
    what = f"exporter, {targets:,} targets: a Ping's delay, worst, while scraped or (peer) not"
    if late_s is None or usual_s is None:
        return Row(what, "skipped: root and tcpdump", "-", None, "50 ms by a scrape", None)
    return Row(
        what,
        f"{late_s * 1e3:.0f} ms",
        f"{usual_s * 1e3:.0f} ms",
        late_s / usual_s if usual_s > 0 else None,
        "50 ms by a scrape",
        late_s - usual_s < DELAY_S if usual_s < DELAY_S else None,
    )


def delays_s(packets: Path) -> list[tuple[float, float]]:
    """When each Ping left (s since 1970), and how much later than a second after the last one."""
    last: dict[int, int] = {}
    late: list[tuple[float, float]] = []
    for packet in read_capture(packets):
        if packet.data[:1] == bytes([0x80 | PING]):
            if packet.source in last:
                late.append((packet.ns / 1e9, (packet.ns - last[packet.source]) / 1e9 - 1))
            last[packet.source] = packet.ns
    return late


def worst_s(delays: list[tuple[float, float]], spans: list[Span]) -> float | None:
    """The longest delay of the Pings that left within one of the spans; None: there were none."""
    inside = (late for at, late in delays if any(start <= at < end for start, end in spans))
    return max(inside, default=None)


def mean_s(before: bytes, after: bytes) -> float:
    """The mean of the round trips between two scrapes."""
    name = "wsdiag_ping_rtt_seconds"
    total, count = (
        figure(after, f"{name}_{part}") - figure(before, f"{name}_{part}")
        for part in ("sum", "count")
    )
    return total / count


def mean_wire_s(packets: Path) -> float:
    """The mean time from a Ping's packet to its Pong's."""
    sent: dict[int, int] = {}
    took: list[int] = []
    for packet in read_capture(packets):
        if packet.data[:1] == bytes([0x80 | PING]):
            sent[packet.source] = packet.ns
        elif packet.data[:1] == bytes([0x80 | PONG]) and packet.target in sent:
            took.append(packet.ns - sent.pop(packet.target))
    return sum(took) / len(took) / 1e9


if __name__ == "__main__":
    show(rows(quick="--quick" in sys.argv))
