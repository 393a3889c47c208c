"""`path -o csv`: a row for each hop after each round; the last round's rows count."""

from __future__ import annotations

from typing import Any, TextIO

from wsdiag.records import PathEvent, PathHop
from wsdiag.render.base.csv_rows import CsvRows, cell, decimals
from wsdiag.render.base.terminal import Terminal

COLUMNS = (
    "url",
    "round",
    "hop",
    "kind",
    "address",
    "name",
    "sent",
    "received",
    "loss_pct",
    "last_ms",
    "avg_ms",
    "best_ms",
    "worst_ms",
    "jitter_ms",
    "nat",
    "other_flow",
    "return_hops",
)


class PathCsv(CsvRows):
    """`path.hop` records as rows."""

    def __init__(self, terminal: Terminal, file: TextIO | None = None) -> None:
        super().__init__(terminal, COLUMNS, _row, file)


def _row(event: PathEvent) -> dict[str, Any] | None:
    if not isinstance(event, PathHop):
        return None
    row: dict[str, Any] = {name: getattr(event, name) for name in COLUMNS}
    for name in ("loss_pct", "last_ms", "avg_ms", "best_ms", "worst_ms", "jitter_ms"):
        row[name] = decimals(row[name])
    row["url"] = cell(event.url)
    row["address"] = " ".join(event.addresses) or event.address
    row["nat"] = "yes" if event.nat else None
    row["other_flow"] = "yes" if event.other_flow else None
    return row
