"""`wsdiag ping`: round trips over time, for any number of URLs at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

from wsdiag.probes.common.stalls import Stalls
from wsdiag.probes.ping.options import PingOptions
from wsdiag.probes.ping.pinger import Pinger
from wsdiag.probes.ping.schedule import stagger
from wsdiag.records import Error, PingEvent, PingSummary
from wsdiag.records.waits import awaited_of_all
from wsdiag.transport.dial.options import DialOptions

if TYPE_CHECKING:
    from wsdiag.transport.trace import Tracer

DIALS_AT_ONCE = 64


class PingRun:
    """One run over all URLs: iterate `events()`, end it with `stop()`.

    The URLs are independent of each other; one unreachable endpoint does not end the others.
    """

    def __init__(
        self,
        urls: Sequence[str],
        options: PingOptions,
        dial_options: DialOptions,
        tracer: Tracer | None = None,
    ) -> None:
        self.urls = list(urls)
        if len(self.urls) > 1:  # one endpoint's failure must not hold up the times of the others
            from wsdiag.judgement.diagnosis import hints  # noqa: F401
        self._options, self._dial_options, self._tracer = options, dial_options, tracer
        self._pingers: list[Pinger] = []
        self._stalls: Stalls | None = None
        self._stops = 0

    async def events(self) -> AsyncGenerator[PingEvent, None]:
        """Everything that happens, in order; ends with a PingSummary per URL. To be used once."""
        loop = asyncio.get_running_loop()
        stalls = Stalls()
        self._stalls = stalls
        dial_slots = asyncio.Semaphore(DIALS_AT_ONCE)
        dial_options = self._dial_options.beginnings()
        queue: asyncio.Queue[PingEvent | None] = asyncio.Queue()
        several = len(self.urls) > 1
        self._pingers = [
            Pinger(
                url,
                self._options,
                dial_options,
                tracer=self._tracer,
                queue=queue,
                stalls=stalls,
                dial_slots=dial_slots,
                target=number if several else None,
            )
            for number, url in enumerate(self.urls, 1)
        ]
        running, interval_s = len(self._pingers), self._options.effective_interval_s
        tasks = [
            asyncio.create_task(self._run(pinger, stagger(i, running, interval_s), queue))
            for i, pinger in enumerate(self._pingers)
        ]
        deadline_s = self._options.deadline_s
        deadline = None if deadline_s is None else loop.call_later(deadline_s, self.stop)
        try:
            while running:
                event = await queue.get()
                if event is None:
                    running -= 1
                else:
                    yield event
        finally:
            if deadline is not None:
                deadline.cancel()
            stalls.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self) -> None:
        """End cleanly; a second call ends at once. Safe to call before and after the run."""
        self._stops += 1
        for pinger in self._pingers:
            pinger.stop() if self._stops == 1 else pinger.abort()

    def expire(self) -> str | None:
        """The time is over: `stop()`, and what was awaited, in words; None: nothing."""
        awaited = awaited_of_all([pinger.awaited for pinger in self._pingers])
        self.stop()
        return awaited

    def continued(self) -> None:
        """This process was stopped, by Ctrl-Z say, and goes on: that was no delay of ours."""
        if self._stalls is not None:
            ago_s = self._stalls.continued()
            for pinger in self._pingers:
                pinger.suspended(ago_s)

    def summary_so_far(self, url: str) -> PingSummary | None:
        """The statistics of one URL now, marked partial; None before the run has begun."""
        for each, pinger in zip(self.urls, self._pingers, strict=False):
            if each == url:
                return pinger.summary(partial=True)
        return None

    def summaries_so_far(self) -> list[PingSummary]:
        """The statistics of every URL now, marked partial; none before the run has begun."""
        return [pinger.summary(partial=True) for pinger in self._pingers]

    async def _run(
        self, pinger: Pinger, delay_s: float, queue: asyncio.Queue[PingEvent | None]
    ) -> None:
        """Run one pinger; a None in the queue marks its end."""
        if self._stops:
            pinger.stop()
        try:
            await pinger.run(delay_s)
        except Exception as error:
            seen = f"{type(error).__name__}: {error}"
            hint = "this is a bug in wsdiag; please report it"
            queue.put_nowait(Error(pinger.url, "ping", "protocol", seen, hint, pinger.target))
            queue.put_nowait(pinger.summary())
        finally:
            queue.put_nowait(None)
