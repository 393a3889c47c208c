"""What a run tells by the clock, connected or not: intervals, and for a live view how it goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from math import inf

from wsdiag.probes.stream.analysis import StreamAnalysis
from wsdiag.probes.stream.events import moment
from wsdiag.records.stream import StreamProgress, StreamRecord, StreamSummary

PROGRESS_S = 0.25
_SUMMARY_EVERY = 4


class Beat:
    """Tells records at times that do not drift."""

    def __init__(
        self,
        analysis: StreamAnalysis,
        tell: Callable[[StreamRecord], None],
        summary: Callable[[], StreamSummary],
        *,
        progress: bool,
    ) -> None:
        """`progress`: moments for a live view, too, with a `summary` now and then."""
        self._analysis, self._tell, self._summary = analysis, tell, summary
        self._progress = progress
        self._timer: asyncio.TimerHandle | None = None
        self._interval_due_s = self._progress_due_s = 0.0
        self._told = 0

    def start(self, from_s: float) -> None:
        """Begin, unless it runs; `from_s`: when the first interval began, a loop time."""
        if self._timer is None:
            self._interval_due_s = from_s + self._analysis.options.interval_s
            self._progress_due_s = from_s
            self._on_time()

    def stop(self) -> None:
        """Tell nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def _on_time(self) -> None:
        loop = asyncio.get_running_loop()
        now_s, interval_s = loop.time(), self._analysis.options.interval_s
        if now_s >= self._interval_due_s:
            self._tell_events()
            self._tell(self._analysis.interval(now_s, time.time()))
            self._tell_events()
            missed = int((now_s - self._interval_due_s) / interval_s)
            self._interval_due_s += (missed + 1) * interval_s
        if self._progress and now_s >= self._progress_due_s:
            self._progress_due_s = now_s + PROGRESS_S
            self._tell_progress(now_s)
        due_s = min(self._interval_due_s, self._progress_due_s if self._progress else inf)
        self._timer = loop.call_at(due_s, self._on_time)

    def _tell_events(self) -> None:
        for event in self._analysis.take_events():
            self._tell(event)

    def _tell_progress(self, now_s: float) -> None:
        analysis = self._analysis
        self._told += 1
        self._tell(
            StreamProgress(
                analysis.url,
                moment(time.time()),
                analysis.arrivals.messages,
                analysis.arrivals.bytes,
                analysis.connected,
                analysis.silent_s(now_s),
                analysis.pings.last_ms,
                analysis.pings.waits_s(now_s),
                self._summary() if self._told % _SUMMARY_EVERY == 1 else None,
                analysis.target,
            )
        )
