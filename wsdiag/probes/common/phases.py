"""A dial's phases as a record."""

from __future__ import annotations

from wsdiag.records import Phases
from wsdiag.transport.report import DialReport


def phases_of(report: DialReport, **later: float | None) -> Phases:
    """A dial's phases in ms, with `ping_ms` or `close_ms` added, which `total_ms` includes."""
    dialled = {f"{name}_ms": took for name, took in report.phases_ms.items()}
    total_ms = report.total_ms + sum(took or 0.0 for took in later.values())
    return Phases(**dialled, **later, total_ms=total_ms)
