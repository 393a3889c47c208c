"""What the exporter's log tells of floods: of each kind of event by itself."""

from __future__ import annotations

import asyncio
import json
from io import StringIO

import pytest

from wsdiag.cli import exporter_report
from wsdiag.cli.exporter_report import ExporterReport
from wsdiag.records import ExporterEvent, utc_now
from wsdiag.render.base.terminal import Terminal

TOLD = exporter_report._TOLD


def told(out: StringIO) -> list[tuple[str, str]]:
    records = [json.loads(line) for line in out.getvalue().splitlines()]
    return [(record["event"], record["message"]) for record in records]


def report(out: StringIO) -> ExporterReport:
    return ExporterReport(Terminal(stdout=out, stderr=StringIO()), json=True)


def event(kind: str, message: str = "x") -> ExporterEvent:
    return ExporterEvent(utc_now(), kind, message=message)


def test_a_flood_of_one_kind_hides_nothing_of_another() -> None:
    out = StringIO()

    async def work() -> None:
        made = report(out)
        for _ in range(TOLD + 30):
            made.event(event("refused"))
        made.event(event("drop", "the one"))
        made.finish()

    asyncio.run(work())
    assert told(out) == [
        *[("refused", "x")] * TOLD,
        ("drop", "the one"),
        ("left-out", "30 more lines of `refused` within 10 s"),
    ]


def test_what_was_left_out_is_told_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter_report, "_TOLD_PER_S", 0.2)
    out = StringIO()

    async def work() -> None:
        made = report(out)
        for _ in range(TOLD + 1):
            made.event(event("drop"))
        await asyncio.sleep(0.3)  # a timer that was set before comes before
        made.event(event("drop", "after"))
        made.finish()

    asyncio.run(work())
    assert told(out) == [
        *[("drop", "x")] * TOLD,
        ("left-out", "1 more line of `drop` within 0.2 s"),
        ("drop", "after"),
    ]


def test_what_comes_rarely_is_always_told() -> None:
    out = StringIO()

    async def work() -> None:
        made = report(out)
        for _ in range(TOLD + 5):
            made.event(event("reload"))
        made.finish()

    asyncio.run(work())
    assert told(out) == [("reload", "x")] * (TOLD + 5)
