"""`ping -o csv`: one row per Ping."""

from __future__ import annotations

from typing import Any, TextIO

from wsdiag.records import (
    PingClosed,
    PingEvent,
    PingLost,
    PingOutage,
    PingReply,
    PingResumed,
    PingWaiting,
)
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
    "http2_rtt_ms",
    "target",
)


class PingCsv(CsvRows):
    """A row for each answer, loss, silence and end; no summary: rows are data."""

    def __init__(self, terminal: Terminal, file: TextIO | None = None) -> None:
        super().__init__(terminal, COLUMNS, _row, file)


def _row(event: PingEvent) -> dict[str, Any] | None:
    if isinstance(event, PingOutage):
        how = None if event.drop is None else event.drop.how
        return {
            "time": timestamp(event.began),
            "url": cell(event.url),
            "event": "outage",
            "cause": how,
            "target": event.target,
        }
    if not isinstance(event, PingReply | PingLost | PingWaiting | PingResumed | PingClosed):
        return None
    row = {"time": timestamp(event.time), "url": cell(event.url), "target": event.target}
    if isinstance(event, PingLost):
        return {**row, "event": "lost", "seq": event.seq}
    if isinstance(event, PingWaiting | PingResumed):
        return {**row, "event": event.type.removeprefix("ping."), "seq": event.seq}
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
        "http2_rtt_ms": decimals(event.http2_rtt_ms),
    }
