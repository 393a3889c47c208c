"""What an idle probe of two minutes costs: processor seconds and the peak of its memory.

    python -m tests.bench.bench_idle_cost [--quick]

From the start of the process to its end, against `wsdiag serve`, which drops nobody; once with
records for a program and once with the live view, at the same time.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass

from tests.bench.programs import WSDIAG, on_terminal, serving, wsdiag_server
from tests.bench.table import Row, show

CPU_TARGET_S, MEMORY_TARGET_MIB = 1.5, 60.0
QUICK = ("--from", "2s", "--to", "8s", "--step", "500ms", "--keepalive", "1s")


@dataclass(frozen=True)
class Cost:
    """Processor seconds, user and system, and the peak of resident memory."""

    cpu_s: float
    peak_mib: float


def costs(options: tuple[str, ...]) -> dict[str, Cost]:
    """One probe for each kind of output, side by side."""
    with ExitStack() as stack:
        url = stack.enter_context(serving(wsdiag_server())).url
        running = {}
        for name, size, more in (("-o json", None, ("-o", "json")), ("live view", (80, 24), ())):
            argv = [*WSDIAG, "idle-probe", *more, *options, url]
            running[name] = stack.enter_context(on_terminal(argv, size)).pid
        found = {}
        for name, pid in running.items():
            _, _, usage = os.wait4(pid, 0)
            found[name] = Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
    return found


def rows(*, quick: bool = False) -> list[Row]:
    """Two figures for each output; there is no peer that does this."""
    length = "8 s" if quick else "120 s"
    found = []
    for name, cost in costs(QUICK if quick else ()).items():
        what = f"idle-probe of {length}, {name}"
        found += [
            Row(
                f"{what}: CPU",
                f"{cost.cpu_s:.2f} s",
                "-",
                None,
                "under 1.5 s",
                cost.cpu_s < CPU_TARGET_S,
            ),
            Row(
                f"{what}: peak memory",
                f"{cost.peak_mib:.0f} MiB",
                "-",
                None,
                "under 60 MB",
                cost.peak_mib < MEMORY_TARGET_MIB,
            ),
        ]
    return found


if __name__ == "__main__":
    show(rows(quick="--quick" in sys.argv))
