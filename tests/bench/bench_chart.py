"""What the live chart costs: CPU, and how late Pings leave, beside the same run without it.

    python -m tests.bench.bench_chart [--quick]

Lateness is seen from outside: the peer's kernel notes when each Ping arrives, and the earliest
arrivals show the grid of the interval that the others are late against.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.programs import WSDIAG, cpu_s, on_terminal, printing
from tests.bench.table import Row, show

INTERVAL_MS = 10
SETTLED_S = 1.5
"""Start-up is over by then: the processor's share and the lateness count from here."""
EARLY_NS = 200_000
SHARE_TARGET, LATE_TARGET_MS = 0.15, 2.0
SERVER = [sys.executable, "-m", "tests.bench.stamping_server"]
BARE = "bare sender"
VIEWS: tuple[tuple[str, tuple[int, int] | None, tuple[str, ...]], ...] = (
    ("-o json", None, ("-o", "json")),
    ("lines, 80x24", (80, 24), ("--no-chart",)),
    ("chart, 80x24", (80, 24), ()),
    ("chart, 200x50", (200, 50), ()),
)


@dataclass(frozen=True)
class Run:
    """One run: share of a core, lateness in ms at the median and the 99th percentile."""

    share: float
    late_p50_ms: float
    late_p99_ms: float


def lateness_ms(arrivals_ns: Sequence[int]) -> list[float]:
    """How late each Ping is behind a slot; a slot that nobody took counts as one interval."""
    interval_ns = INTERVAL_MS * 1_000_000
    settled = arrivals_ns[int(SETTLED_S * 1000 / INTERVAL_MS) :]
    earliest_ns = min(at - number * interval_ns for number, at in enumerate(settled))
    # what comes just before its slot is early by as much, not late by an interval
    found = [((at - earliest_ns + EARLY_NS) % interval_ns - EARLY_NS) / 1e6 for at in settled]
    slots = round((settled[-1] - settled[0]) / interval_ns) + 1
    return [max(0.0, late) for late in found] + [float(INTERVAL_MS)] * (slots - len(settled))


def pinging(port: int, options: Sequence[str], count: int) -> list[str]:
    """`wsdiag ping` as asked for here."""
    target = f"ws://127.0.0.1:{port}/"
    return [*WSDIAG, "ping", "-i", f"{INTERVAL_MS}ms", "-c", str(count), *options, target]


def bare(port: int, count: int) -> list[str]:
    """The sender that does nothing else."""
    program = [sys.executable, "-m", "tests.bench.bare_pinger"]
    return [*program, str(port), str(INTERVAL_MS), str(count)]


def measure(
    argv: list[str], size: tuple[int, int] | None, arrivals: list[list[int]], seconds: float
) -> Run:
    """One run on a terminal of this size, or into nothing."""
    before = len(arrivals)
    with on_terminal(argv, size) as process:
        time.sleep(SETTLED_S)
        began_s, began_cpu_s = time.monotonic(), cpu_s(process.pid)
        time.sleep(seconds - SETTLED_S - 0.5)
        share = (cpu_s(process.pid) - began_cpu_s) / (time.monotonic() - began_s)
        process.wait(60)
    deadline = time.monotonic() + 10
    while len(arrivals) == before and time.monotonic() < deadline:
        time.sleep(0.05)
    late = sorted(lateness_ms(arrivals[-1]))
    return Run(share, statistics.median(late), late[int(len(late) * 0.99)])


def runs(*, seconds: float, rounds: int) -> dict[str, Run]:
    """The median of each figure over rounds in which every view has its turn."""
    count = int(seconds * 1000 / INTERVAL_MS)
    found: dict[str, list[Run]] = {name: [] for name, _, _ in VIEWS} | {BARE: []}
    with printing(SERVER) as (first, lines):
        port, arrivals = int(json.loads(first)["port"]), list[list[int]]()

        def gather() -> None:
            for line in lines:
                arrivals.append(json.loads(line))

        threading.Thread(target=gather, daemon=True).start()
        for _ in range(rounds):
            found[BARE].append(measure(bare(port, count), None, arrivals, seconds))
            for name, size, options in VIEWS:
                argv = pinging(port, options, count)
                found[name].append(measure(argv, size, arrivals, seconds))
    return {name: _median(several) for name, several in found.items()}


def _median(several: Sequence[Run]) -> Run:
    middle = statistics.median
    return Run(
        middle(run.share for run in several),
        middle(run.late_p50_ms for run in several),
        middle(run.late_p99_ms for run in several),
    )


def rows(*, quick: bool = False) -> list[Row]:
    """Share of a core and lateness: each view beside a sender that does nothing else."""
    measured = runs(seconds=5 if quick else 12, rounds=1 if quick else 3)
    least, found = measured.pop(BARE), []
    for name, run in measured.items():
        found += [
            Row(
                f"ping -i 10ms, {name}: share of a core",
                f"{run.share:.1%}",
                f"{BARE}: {least.share:.1%}",
                None,
                "under 15 %",
                run.share < SHARE_TARGET,
            ),
            Row(
                f"ping -i 10ms, {name}: lateness of sends, p99",
                f"{run.late_p99_ms:.2f} ms (p50 {run.late_p50_ms:.2f})",
                f"{BARE}: {least.late_p99_ms:.2f} ms (p50 {least.late_p50_ms:.2f})",
                run.late_p99_ms / least.late_p99_ms,
                "under 2 ms",
                run.late_p99_ms < LATE_TARGET_MS,
            ),
        ]
    return found


if __name__ == "__main__":
    show(rows(quick="--quick" in sys.argv))
