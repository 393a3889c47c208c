"""`idle-probe -o csv`: one row per trial, then one per verdict."""

from __future__ import annotations

from typing import Any, TextIO

from wsdiag.records import Drop, IdleEvent, IdleTrial, IdleVerdict
from wsdiag.render.base.csv_rows import CsvRows, cell, decimals
from wsdiag.render.base.terminal import Terminal

COLUMNS = (
    "url",
    "event",
    "trial",
    "idle_for_s",
    "interval_s",
    "outcome",
    "idle_s",
    "age_s",
    "how",
    "code",
    "low_s",
    "high_s",
    "ping",
    "pong",
    "tcp_keepalive",
    "ping_interval_s",
    "answer",
)


class IdleCsv(CsvRows):
    """`trial` rows as they end, and a `verdict` row for each URL; progress is left out."""

    def __init__(self, terminal: Terminal, file: TextIO | None = None) -> None:
        super().__init__(terminal, COLUMNS, _row, file)


def _row(event: IdleEvent) -> dict[str, Any] | None:
    if not isinstance(event, IdleTrial | IdleVerdict):
        return None
    row = _verdict(event) if isinstance(event, IdleVerdict) else _trial(event)
    return {"url": cell(event.url), **row, **_drop(event.drop)}


def _trial(trial: IdleTrial) -> dict[str, Any]:
    return {
        "event": "trial",
        "trial": trial.trial,
        "idle_for_s": _rounded(trial.idle_for_s),
        "interval_s": _rounded(trial.interval_s),
        "outcome": trial.outcome,
        "idle_s": decimals(trial.idle_s),
        "age_s": decimals(trial.age_s),
    }


def _verdict(verdict: IdleVerdict) -> dict[str, Any]:
    found = verdict.idle_timeout_s or verdict.lifetime_s or verdict.application_timeout_s
    keeps = verdict.keepalives
    return {
        "event": "verdict",
        "outcome": verdict.verdict,
        "low_s": decimals(found.low if found else None),
        "high_s": decimals(found.high if found else None),
        "ping": keeps.get("ping"),
        "pong": keeps.get("pong"),
        "tcp_keepalive": keeps.get("tcp-keepalive"),
        "ping_interval_s": _rounded(verdict.recommended_ping_interval_s),
        "answer": cell(verdict.explanation[0]) if verdict.explanation else None,
    }


def _rounded(value: float | None) -> float | None:
    """What was asked for, or is recommended: as short as it was given, where it was."""
    return None if value is None else round(value, 3)


def _drop(drop: Drop | None) -> dict[str, Any]:
    return {} if drop is None else {"how": drop.how, "code": drop.code}
