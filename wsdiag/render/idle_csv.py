"""`idle-probe -o csv`: a row a trial, then a row a verdict: tables of many endpoints (RFC 4180)."""

from __future__ import annotations

import csv
from typing import Any

from wsdiag.probes.results import Drop, Error, IdleEvent, IdleTrial, IdleVerdict
from wsdiag.render.csv import cell
from wsdiag.render.error import print_error
from wsdiag.render.terminal import Terminal

COLUMNS = (
    "url", "event", "trial", "rung_s", "interval_s", "outcome", "idle_s", "age_s", "how", "code",
    "low_s", "high_s", "ping", "pong", "tcp_keepalive", "ping_interval_s", "answer",
)  # fmt: skip


class IdleCsv:
    """Writes a header line, `trial` rows as they end, and a `verdict` row for each URL."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._rows = csv.DictWriter(terminal.out.file, COLUMNS, restval="", lineterminator="\n")

    def start(self) -> None:
        """Write the header line."""
        self._rows.writeheader()
        self._terminal.out.file.flush()

    def handle(self, event: IdleEvent) -> None:
        """Write one event; progress is left out, errors go to stderr."""
        if isinstance(event, Error):
            print_error(self._terminal, event)
        elif isinstance(event, IdleTrial | IdleVerdict):
            clean = self._terminal.clean(event)
            row = _verdict(clean) if isinstance(clean, IdleVerdict) else _trial(clean)
            self._rows.writerow({"url": cell(clean.url), **row, **_drop(clean.drop)})
            self._terminal.out.file.flush()

    def finish(self) -> None:
        """Nothing follows the rows."""

    def stop(self) -> None:
        """Nothing to restore."""


def _trial(trial: IdleTrial) -> dict[str, Any]:
    return {
        "event": "trial", "trial": trial.trial, "rung_s": trial.rung_s,
        "interval_s": trial.interval_s, "outcome": trial.outcome,
        "idle_s": _seconds(trial.idle_s), "age_s": _seconds(trial.age_s),
    }  # fmt: skip


def _verdict(verdict: IdleVerdict) -> dict[str, Any]:
    found = verdict.idle_timeout_s or verdict.lifetime_s
    keeps = verdict.keepalives
    return {
        "event": "verdict", "outcome": verdict.verdict,
        "low_s": _seconds(found.low if found else None),
        "high_s": _seconds(found.high if found else None),
        "ping": keeps.get("ping"), "pong": keeps.get("pong"),
        "tcp_keepalive": keeps.get("tcp-keepalive"),
        "ping_interval_s": verdict.recommended_ping_interval_s,
        "answer": cell(verdict.explanation[0]) if verdict.explanation else None,
    }  # fmt: skip


def _drop(drop: Drop | None) -> dict[str, Any]:
    return {} if drop is None else {"how": drop.how, "code": drop.code}


def _seconds(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"
