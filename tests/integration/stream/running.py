"""Run streams inside a test and collect what they tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar

from wsdiag.probes.stream.options import StreamOptions
from wsdiag.probes.stream.run import StreamRun
from wsdiag.records.stream import StreamEvent, StreamRecord, StreamSummary
from wsdiag.transport.dial.options import DialOptions

T = TypeVar("T")
PATIENCE_S = 60.0


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test in an event loop of its own."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


@dataclass
class StreamRecords:
    """The events of a run."""

    events: list[StreamRecord] = field(default_factory=list)

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]

    def named(self, name: str) -> list[StreamEvent]:
        return [event for event in self.of(StreamEvent) if event.event == name]

    @property
    def summary(self) -> StreamSummary:
        (summary,) = self.of(StreamSummary)
        return summary


async def run_stream(
    url: str,
    *,
    dial: DialOptions | None = None,
    react: Callable[[StreamRun, StreamRecord], None] | None = None,
    **options: Any,
) -> StreamRecords:
    """Watch to the end; `react` sees each event with the run, to stop it for example."""
    seen = StreamRecords()
    run = StreamRun(url, StreamOptions(**options), dial or DialOptions())
    async with asyncio.timeout(PATIENCE_S):
        async for event in run.events():
            seen.events.append(event)
            if react is not None:
                react(run, event)
    return seen


def until(*names: str) -> Callable[[StreamRun, StreamRecord], None]:
    """Stop once each of these events has come."""
    wanted = set(names)

    def react(run: StreamRun, event: StreamRecord) -> None:
        if isinstance(event, StreamEvent):
            wanted.discard(event.event)
            if not wanted:
                run.stop()

    return react
