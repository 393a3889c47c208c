"""`stream -o csv`: one row per interval and event, and per message with `--show`."""

from __future__ import annotations

from typing import Any, TextIO

from wsdiag.records.stream import StreamEvent, StreamInterval, StreamMessage, StreamRecord
from wsdiag.render.base.csv_rows import CsvRows, cell, decimals
from wsdiag.render.base.ndjson import timestamp
from wsdiag.render.base.terminal import Terminal

COLUMNS = (
    *("time", "url", "event", "messages", "bytes", "rate", "bytes_rate", "longest_gap_s"),
    *("silent_s", "rtt_ms", "lag_ms", "unread_bytes", "key", "cause", "gap", "missing", "down_s"),
    *("text", "target"),
)


class StreamCsv(CsvRows):
    """A row for each interval, event and shown message; no summary: rows are data."""

    def __init__(self, terminal: Terminal, file: TextIO | None = None) -> None:
        super().__init__(terminal, COLUMNS, _row, file)


def _row(event: StreamRecord) -> dict[str, Any] | None:
    if not isinstance(event, StreamInterval | StreamEvent | StreamMessage):
        return None
    row = {"time": timestamp(event.time), "url": cell(event.url), "target": event.target}
    if isinstance(event, StreamMessage):
        shown = next((each for each in (event.value, event.text, event.data) if each), "")
        return {
            **row,
            "event": "message",
            "messages": event.number,
            "bytes": event.bytes,
            "key": event.key,
            "lag_ms": decimals(event.lag_ms),
            "text": cell(shown),
        }
    if isinstance(event, StreamInterval):
        return {
            **row,
            "event": "interval",
            "messages": event.messages,
            "bytes": event.bytes,
            "rate": decimals(event.rate),
            "bytes_rate": decimals(event.bytes_rate),
            "longest_gap_s": decimals(event.longest_gap_s),
            "silent_s": decimals(event.silent_s),
            "rtt_ms": decimals(event.rtt_ms),
            "lag_ms": decimals(event.lag_ms),
            "unread_bytes": event.unread_bytes,
        }
    return {
        **row,
        "event": event.event,
        "messages": event.messages,
        "silent_s": decimals(event.silent_s),
        "rtt_ms": decimals(event.rtt_ms),
        "key": event.key,
        "cause": event.cause or (event.drop.how if event.drop is not None else None),
        "gap": event.gap,
        "missing": event.missing,
        "down_s": decimals(event.down_s),
        "text": cell(event.message),
    }
