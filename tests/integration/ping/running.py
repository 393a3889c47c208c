"""Run pings inside a test and collect what they tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from wsdiag.probes.ping.options import PingOptions
from wsdiag.probes.ping.run import PingRun
from wsdiag.records import PingEvent, PingReply, PingSummary
from wsdiag.transport.dial.options import DialOptions

T = TypeVar("T")
PATIENCE_S = 60.0


@dataclass
class PingRecords:
    """The events of a run, and the run itself for asking more."""

    events: list[PingEvent] = field(default_factory=list)

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def replies(self) -> list[PingReply]:
        return self.of(PingReply)

    @property
    def summary(self) -> PingSummary:
        (summary,) = self.of(PingSummary)
        return summary


async def run_pings(
    urls: str | Sequence[str],
    *,
    dial: DialOptions | None = None,
    react: Callable[[PingRun, PingEvent], None] | None = None,
    **options: Any,
) -> PingRecords:
    """Ping to the end; `react` sees each event with the run, to stop it for example."""
    pinged = PingRecords()
    urls = [urls] if isinstance(urls, str) else list(urls)
    run = PingRun(urls, PingOptions(**options), dial or DialOptions())
    async with asyncio.timeout(PATIENCE_S):
        async for event in run.events():
            pinged.events.append(event)
            if react is not None:
                react(run, event)
    return pinged
