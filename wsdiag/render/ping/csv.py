"""`ping -o csv`: one row a Ping, for spreadsheets and plots (RFC 4180, with plain line ends)."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from typing import Any

from wsdiag.records import Error, PingClosed, PingEvent, PingLost, PingReply
from wsdiag.render.base.error import print_error
from wsdiag.render.base.output import EventOutput
from wsdiag.render.base.records import timestamp
from wsdiag.render.base.terminal import Terminal

COLUMNS = (
    "time",
    "url",
    "event",
    "seq",
    "rtt_ms",
    "late",
    "tcp_rtt_ms",
    "retransmits",
    "unsent_bytes",
    "cause",
    "clock",
)


class CsvRows(EventOutput):
    """Writes a header line, and a row for each event that `row_of` makes one of (None: no row)."""

    def __init__(
        self,
        terminal: Terminal,
        columns: Sequence[str],
        row_of: Callable[[Any], dict[str, Any] | None],
    ) -> None:
        self._terminal, self._row_of = terminal, row_of
        self._rows = csv.DictWriter(terminal.out.file, columns, restval="", lineterminator="\n")

    def start(self) -> None:
        """Write the header line."""
        self._rows.writeheader()
        self._terminal.out.file.flush()

    def handle(self, event: Any) -> None:
        """Write one event; errors go to stderr."""
        if isinstance(event, Error):
            print_error(self._terminal, event)
        elif (row := self._row_of(self._terminal.clean(event))) is not None:
            self._rows.writerow(row)
            self._terminal.out.file.flush()


class PingCsv(CsvRows):
    """`reply`, `lost` and `closed` rows; no summary: rows are data."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(terminal, COLUMNS, _row)


def _row(event: PingEvent) -> dict[str, Any] | None:
    if not isinstance(event, PingReply | PingLost | PingClosed):
        return None
    row = {"time": timestamp(event.time), "url": cell(event.url)}
    if isinstance(event, PingLost):
        return {**row, "event": "lost", "seq": event.seq}
    if isinstance(event, PingClosed):
        return {**row, "event": "closed", "cause": event.drop.how}
    return {
        **row,
        "event": "reply",
        "seq": event.seq,
        "rtt_ms": f"{event.rtt_ms:.3f}",
        "late": str(event.late).lower(),
        "tcp_rtt_ms": _figure(event.tcp_rtt_ms),
        "retransmits": event.retransmits,
        "unsent_bytes": event.unsent_bytes,
        "cause": event.cause,
        "clock": event.clock,
    }


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"


def cell(text: str) -> str:
    """Text as a cell that no spreadsheet takes for a formula."""
    return "'" + text if text[:1] in "=+-@" else text
