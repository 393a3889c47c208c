"""`wsdiag ping`: round trips over time, for any number of URLs at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from wsdiag.probes.common.stalls import Stalls
from wsdiag.probes.ping.pace import Pace
from wsdiag.probes.ping.payloads import LONGEST_PING, SHORTEST, Mode
from wsdiag.probes.ping.pinger import Pinger, RunContext, undiagnosed
from wsdiag.probes.ping.schedule import spread
from wsdiag.probes.ping.totals import Limits
from wsdiag.records import PingEvent, PingSummary
from wsdiag.transport.dial.options import DialOptions

if TYPE_CHECKING:
    from wsdiag.probes.ping.load import LoadPlan
    from wsdiag.transport.trace import Tracer

SHORTEST_INTERVAL_S = 0.001
LOADED_INTERVAL_S = 0.2
DEFAULT_SIZE = 16
LONGEST_MESSAGE = 16 * 2**20
# A reader that stops to read (a paused terminal) must not make us keep every event for ever.
MOST_UNREAD = 10_000
DIALS_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class PingOptions:
    """What `ping` sends and what must hold; CLI.md names the options. ValueError when impossible.

    `_s` are seconds, `_ms` milliseconds, `size` and `load_bytes` bytes, `load` bytes a second.
    """

    count: int | None = None
    interval_s: float | None = None
    """None: 1 s, and 200 ms under load."""
    timeout_s: float = 20.0
    deadline_s: float | None = None
    size: int | None = None
    """None: 16 bytes."""
    mode: Mode = "ping"
    flood: bool = False
    adaptive: bool = False
    reconnect: bool = False
    load: float | Literal["max"] | None = None
    load_idle_s: float = 5.0
    load_time_s: float = 10.0
    load_bytes: int = 64 * 2**20
    max_p50_ms: float | None = None
    max_p95_ms: float | None = None
    max_p99_ms: float | None = None
    max_loss_pct: float | None = None

    def __post_init__(self) -> None:
        most = LONGEST_PING if self.mode == "ping" else LONGEST_MESSAGE
        if self.size is not None and not SHORTEST <= self.size <= most:
            raise ValueError(f"size: {SHORTEST} to {most} bytes in mode {self.mode}")
        if self.interval_s is not None and self.interval_s < SHORTEST_INTERVAL_S:
            raise ValueError("interval: 1 ms is the shortest")
        if self.timeout_s <= 0 or (self.deadline_s is not None and self.deadline_s <= 0):
            raise ValueError("timeout and deadline must be positive")
        if self.flood and self.adaptive:
            raise ValueError("flood and adaptive exclude each other")

    def pace(self) -> Pace:
        """How Pings follow each other."""
        usual = LOADED_INTERVAL_S if self.load is not None else 1.0
        return Pace(
            interval=usual if self.interval_s is None else self.interval_s,
            timeout=self.timeout_s,
            mode=self.mode,
            size=self.size or DEFAULT_SIZE,
            count=self.count,
            wait_for_replies=self.deadline_s is not None,
            flood=self.flood,
            adaptive=self.adaptive,
            give_up_silent=self.reconnect,
        )

    def limits(self) -> Limits:
        """The thresholds asked for."""
        return Limits(
            max_p50_ms=self.max_p50_ms,
            max_p95_ms=self.max_p95_ms,
            max_p99_ms=self.max_p99_ms,
            max_loss_pct=self.max_loss_pct,
        )

    def load_plan(self) -> LoadPlan | None:
        """What `--load` sends, and when; its `announcement()` is to be shown before."""
        if self.load is None:
            return None
        from wsdiag.probes.ping.load import LoadPlan

        return LoadPlan(
            rate=self.load,
            idle_s=self.load_idle_s,
            time_s=self.load_time_s,
            most_bytes=self.load_bytes,
        )


class PingRun:
    """One run over all URLs: iterate `events()`, end it with `stop()`, look with `summary_so_far`.

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
            from wsdiag.judgement.diagnosis import diagnose  # noqa: F401
        self._options, self._dial_options, self._tracer = options, dial_options, tracer
        self._pingers: list[Pinger] = []
        self._unread: deque[PingEvent] = deque()
        self._wake = asyncio.Event()
        self._stops = 0
        self._running = 0

    async def events(self) -> AsyncGenerator[PingEvent, None]:
        """Everything that happens, in order; ends with a PingSummary per URL. To be used once."""
        stalls = Stalls()
        self._pingers = self._make_pingers(stalls)
        tasks = [asyncio.create_task(self._run(i)) for i in range(len(self._pingers))]
        self._running = len(tasks)
        deadline = self._arm_deadline()
        try:
            while self._running or self._unread:
                while self._unread:
                    yield self._unread.popleft()
                if self._running:
                    self._wake.clear()
                    await self._wake.wait()
        finally:
            if deadline is not None:
                deadline.cancel()
            stalls.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self) -> None:
        """End in good order; a second call ends at once. Safe to call before and after the run."""
        self._stops += 1
        for pinger in self._pingers:
            pinger.stop() if self._stops == 1 else pinger.abort()

    def summary_so_far(self, url: str) -> PingSummary | None:
        """The statistics of one URL now, marked partial; None before the run has begun."""
        for each, pinger in zip(self.urls, self._pingers, strict=False):
            if each == url:
                return pinger.summary(partial=True)
        return None

    def _make_pingers(self, stalls: Stalls) -> list[Pinger]:
        around = RunContext(
            dial_options=self._dial_options,
            tracer=self._tracer,
            emit=self._emit,
            congested=lambda: len(self._unread) > MOST_UNREAD,
            stalls=stalls,
            dialling=asyncio.Semaphore(DIALS_AT_ONCE),
        )
        pace, limits, options = self._options.pace(), self._options.limits(), self._options
        return [
            Pinger(url, pace, limits, around, reconnect=options.reconnect, load=options.load_plan())
            for url in self.urls
        ]

    def _arm_deadline(self) -> asyncio.TimerHandle | None:
        if self._options.deadline_s is None:
            return None
        return asyncio.get_running_loop().call_later(self._options.deadline_s, self.stop)

    async def _run(self, index: int) -> None:
        pinger = self._pingers[index]
        if self._stops:
            pinger.stop()
        try:
            await pinger.run(spread(index, len(self._pingers), self._options.pace().interval))
        except Exception as error:
            self._emit(undiagnosed(self.urls[index], error))
            self._emit(pinger.summary())
        finally:
            self._running -= 1
            self._wake.set()

    def _emit(self, event: PingEvent) -> None:
        self._unread.append(event)
        self._wake.set()
