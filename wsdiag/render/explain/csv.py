"""`explain -o csv`: one row per connection, then one per verdict."""

from __future__ import annotations

from typing import Any, TextIO

from wsdiag.records import ExplainConnection, ExplainVerdict
from wsdiag.records.explain import ExplainSource
from wsdiag.render.base.csv_rows import CsvRows, cell, decimals
from wsdiag.render.base.terminal import Terminal

COLUMNS = (
    "url",
    "event",
    "source",
    "number",
    "client",
    "server",
    "time",
    "outcome",
    "ended_by",
    "age_s",
    "idle_s",
    "how",
    "code",
    "messages_sent",
    "messages_received",
    "bytes_sent",
    "bytes_received",
    "pings_sent",
    "pings_received",
    "unanswered_sent",
    "unanswered_received",
    "low_s",
    "high_s",
    "ping_interval_s",
    "answer",
)


class ExplainCsv(CsvRows):
    """`connection` rows, and a `verdict` row for each endpoint."""

    def __init__(self, terminal: Terminal, file: TextIO | None = None) -> None:
        super().__init__(terminal, COLUMNS, _row, file)
        self._begun = False

    def start(self) -> None:
        """The header comes with the first row: of wsdiag's own records, others are written."""

    def handle(self, event: Any) -> None:
        """Write one event; what a source lacks goes to stderr."""
        if isinstance(event, ExplainSource):
            from wsdiag.render.explain.view import log_source

            log_source(self._terminal, event)
            return
        if not self._begun and isinstance(event, ExplainConnection):
            super().start()
            self._begun = True
        super().handle(event)


def _row(event: Any) -> dict[str, Any] | None:
    if isinstance(event, ExplainConnection):
        return _connection(event)
    return _verdict(event) if isinstance(event, ExplainVerdict) else None


def _connection(one: ExplainConnection) -> dict[str, Any]:
    return {
        "url": cell(one.url),
        "event": "connection",
        "source": cell(one.source),
        "number": one.number,
        "client": one.client,
        "server": one.server,
        "time": one.time,
        "outcome": one.outcome,
        "ended_by": one.ended_by,
        "age_s": decimals(one.age_s),
        "idle_s": decimals(one.idle_s),
        "how": one.drop.how if one.drop else None,
        "code": one.drop.code if one.drop else None,
        "messages_sent": one.messages.sent,
        "messages_received": one.messages.received,
        "bytes_sent": one.bytes.sent,
        "bytes_received": one.bytes.received,
        "pings_sent": one.pings.sent,
        "pings_received": one.pings.received,
        "unanswered_sent": one.unanswered_pings.sent,
        "unanswered_received": one.unanswered_pings.received,
        "answer": cell(one.evidence[0]) if one.evidence else None,
    }


def _verdict(verdict: ExplainVerdict) -> dict[str, Any]:
    found = verdict.idle_timeout_s or verdict.lifetime_s or verdict.application_timeout_s
    return {
        "url": cell(verdict.url),
        "event": "verdict",
        "source": cell(verdict.source),
        "outcome": verdict.verdict,
        "how": verdict.drop.how if verdict.drop else None,
        "code": verdict.drop.code if verdict.drop else None,
        "low_s": decimals(found.low if found else None),
        "high_s": decimals(found.high if found else None),
        "ping_interval_s": verdict.recommended_ping_interval_s,
        "answer": cell(verdict.explanation[0]) if verdict.explanation else None,
    }
