"""`ping -o csv`: one row per Ping."""

from __future__ import annotations

from typing import Any

from wsdiag.records import PingClosed, PingEvent, PingLost, PingReply
from wsdiag.render.base.csv_rows import CsvRows, cell, decimals
from wsdiag.render.base.ndjson import timestamp
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
        "rtt_ms": decimals(event.rtt_ms),
        "late": str(event.late).lower(),
        "tcp_rtt_ms": decimals(event.tcp_rtt_ms),
        "retransmits": event.retransmits,
        "unsent_bytes": event.unsent_bytes,
        "cause": event.cause,
        "clock": event.clock,
    }
