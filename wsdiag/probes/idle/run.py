"""The idle probe: does anything on the path drop idle connections, when, how, and what helps?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlsplit

from wsdiag.judgement.verdict.compare import compare, shared_end_s
from wsdiag.judgement.verdict.dead_client import with_dead_clients
from wsdiag.judgement.verdict.judge import judge
from wsdiag.probes.common.end_origin import may_see_packets
from wsdiag.probes.idle.clock import ProbeClock
from wsdiag.probes.idle.context import EndpointFacts, RoundContext
from wsdiag.probes.idle.endpoint import EndpointProbe
from wsdiag.probes.idle.options import IdleOptions
from wsdiag.probes.idle.outcome import idle_exit_code
from wsdiag.records import IdleEvent, IdleVerdict
from wsdiag.records.waits import awaited_of_all
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.trace import Tracer, numbered

__all__ = ["IdleOptions", "IdleRun", "idle_exit_code"]

_SUSPEND_CHECK_S = 1.0


class IdleRun:
    """A probe of one or several URLs at once. Read `events()` once, to its end."""

    def __init__(
        self,
        urls: Sequence[str],
        options: IdleOptions,
        dial: DialOptions,
        tracer: Tracer | None = None,
    ) -> None:
        self._urls, self._options, self._tracer = urls, options, tracer
        self._dial = dial.beginnings(looked_into=options.expect is not None)
        self._events: asyncio.Queue[IdleEvent | None] = asyncio.Queue()
        self._probes: list[EndpointProbe] = []
        self._stopped = self._expired = False

    def stop(self) -> None:
        """End early and cleanly: what is alive is checked briefly, then the verdicts come.

        A second call ends at once, with the verdicts so far.
        """
        self._stopped = True
        for probe in self._probes:
            probe.stop()

    def expire(self) -> str | None:
        """The time is over: `stop()`, and what was awaited, in words; None: nothing."""
        self._expired = True
        awaited = awaited_of_all([probe.awaited for probe in self._probes])
        self.stop()
        return awaited

    async def events(self) -> AsyncGenerator[IdleEvent, None]:
        """Progress and trials as they happen; last one IdleVerdict per URL, in their order."""
        work = asyncio.create_task(self._work())
        try:
            while (event := await self._events.get()) is not None:
                yield event
            await work
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work

    async def _work(self) -> None:
        clock = ProbeClock()
        watching = asyncio.create_task(_watch_for_suspends(clock))
        try:
            self._probes = [
                EndpointProbe(self._context(number, url, clock))
                for number, url in enumerate(self._urls, 1)
            ]
            if self._stopped:
                self.stop()
            async with asyncio.TaskGroup() as group:
                for probe in self._probes:
                    group.create_task(probe.run())
            clock.note_suspend()
            for verdict in self._verdicts():
                self._events.put_nowait(verdict)
        finally:
            watching.cancel()
            clock.stop()
            self._events.put_nowait(None)

    def _context(self, number: int, url: str, clock: ProbeClock) -> RoundContext:
        def emit(event: IdleEvent) -> None:
            self._events.put_nowait(replace(event, target=self._target(number)))

        facts = EndpointFacts(self._options)
        locator = None
        if self._options.locate is not False and may_see_packets():
            from wsdiag.probes.idle.locate import Locator

            locator = Locator()
        tracer = numbered(self._tracer, self._target(number))
        return RoundContext(url, facts, self._dial, tracer, clock, emit, locator=locator)

    def _target(self, number: int) -> int | None:
        """The URL's number, as masked URLs may be equal; None for a single one."""
        return number if len(self._urls) > 1 else None

    def _verdicts(self) -> list[IdleVerdict]:
        shared = None
        if len({urlsplit(probe.url).hostname for probe in self._probes}) == len(self._probes):
            shared = shared_end_s([probe.trials for probe in self._probes])
        cases = [replace(each.case(shared), expired=self._expired) for each in self._probes]
        judged = zip(self._probes, cases, strict=True)
        verdicts = compare([judge(probe.trials, case) for probe, case in judged])
        verdicts = [
            with_dead_clients(verdict, probe.dead, probe.trials)
            for verdict, probe in zip(verdicts, self._probes, strict=True)
        ]
        return [
            replace(verdict, target=self._target(number))
            for number, verdict in enumerate(verdicts, 1)
        ]


async def _watch_for_suspends(clock: ProbeClock) -> None:
    """Notice a suspend soon after it."""
    while True:
        await asyncio.sleep(_SUSPEND_CHECK_S)
        clock.note_suspend()
