"""A pinger for each target, all on one event loop: started apart, kept over a new config, ended.

Why so many may dial at once. A target that does not answer holds a slot for its whole connect
timeout. With few slots, a thousand dead targets would keep one that only restarted waiting for
minutes; a dial that waits costs next to nothing. Against a rush at the start there is the stagger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from wsdiag.exporter.config import ExporterConfig, ExporterTarget
from wsdiag.exporter.heap import Heap
from wsdiag.exporter.occasional import Occasional
from wsdiag.exporter.watched import Change, WatchedTarget
from wsdiag.judgement.diagnosis.hints import hints
from wsdiag.judgement.totals import PingTotals
from wsdiag.probes.common.participant import Participant
from wsdiag.probes.common.stalls import Stalls
from wsdiag.probes.ping.options import PingOptions
from wsdiag.probes.ping.pinger import Pinger
from wsdiag.records import Error
from wsdiag.statistics import RunningStatistics
from wsdiag.transport.session import Received

DIALS_AT_ONCE = 1024
STARTS_PER_S = 400
RETRY_MAX_WAIT_S = 60.0
RESTART_S = 30.0
STOP_S = 5.0
FEED_TICK_S = 1.0
# Exact percentiles over a run without end would take memory without end.
LATEST_ROUND_TRIPS = 200


class Fleet:
    """All targets that are watched now; `watched` has them in the order of the config."""

    def __init__(self, on_change: Callable[[WatchedTarget, Change], None]) -> None:
        hints()  # now, or the first failure would hold up the Pings of all others
        self._on_change = on_change
        self.watched: Sequence[WatchedTarget] = ()
        self.stalls = Stalls()
        self._dial_slots = asyncio.Semaphore(DIALS_AT_ONCE)
        self._occasional = Occasional()
        self._heap = Heap()
        self._tasks: dict[WatchedTarget, list[asyncio.Task[None]]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._ticking = asyncio.get_running_loop().call_later(FEED_TICK_S, self._tick)

    def apply(self, config: ExporterConfig) -> tuple[int, int]:
        """Watch what `config` says from now on; (how many targets are new, how many are gone)."""
        before = {(each.target, each.labels["name"]): each for each in self.watched}
        names = _unique_names(config.targets)
        watched, new = [], 0
        for target, name in zip(config.targets, names, strict=True):
            known = before.pop((target, name), None)
            if known is None:
                known = WatchedTarget(target, name, config.buckets_s)
                known.on_change = self._on_change
                self._start(known, new / STARTS_PER_S)
                new += 1
            known.set_buckets(config.buckets_s)
            watched.append(known)
        for gone in before.values():
            self._end(gone)
        self._heap.changed(new, len(before), len(watched))
        self.watched = watched
        return new, len(before)

    async def stop(self) -> None:
        """Close every connection with a Close frame; what takes too long is reset."""
        self._ticking.cancel()
        self._heap.stop()
        pingers = [each.pinger for each in self.watched if each.pinger is not None]
        for each in self.watched:
            self._end(each)
        self.watched = ()
        if self._ending:
            await asyncio.wait(self._ending, timeout=STOP_S)
        for pinger in pingers:
            pinger.abort()
        for task in self._ending:
            task.cancel()
        await asyncio.gather(*self._ending, return_exceptions=True)
        self.stalls.stop()

    def _tick(self) -> None:
        """Let the feeds look for silences."""
        loop = asyncio.get_running_loop()
        for watched in self.watched:
            if watched.feed is not None:
                watched.feed.tick(loop.time())
        self._ticking = loop.call_later(FEED_TICK_S, self._tick)

    def _start(self, watched: WatchedTarget, delay_s: float) -> None:
        pinging = asyncio.create_task(self._keep(watched, delay_s))
        self._tasks[watched] = [pinging, *self._occasional.tasks_for(watched)]

    async def _keep(self, watched: WatchedTarget, delay_s: float) -> None:
        """Ping one target until it is stopped; a bug of ours is told, and costs half a minute."""
        while True:
            try:
                watched.pinger = self._pinger(watched)
                await watched.pinger.run(delay_s)
            except Exception as error:
                watched.pinger = None  # so that its end does not wait for this one's
                seen = f"{type(error).__name__}: {error}"
                hint = "this is a bug in wsdiag; please report it"
                watched.put_nowait(Error(watched.target.url, "ping", "protocol", seen, hint))
                await asyncio.sleep(RESTART_S)
            else:
                return

    def _pinger(self, watched: WatchedTarget) -> Pinger:
        target = watched.target
        options = PingOptions(
            interval_s=target.interval_s,
            timeout_s=target.timeout_s,
            reconnect=True,
            retry_max_wait_s=RETRY_MAX_WAIT_S,
        )
        return Pinger(
            target.url,
            options,
            target.dial.beginnings(looked_into=watched.feed is not None),
            queue=watched,
            stalls=self.stalls,
            dial_slots=self._dial_slots,
            totals=PingTotals(statistics=RunningStatistics(LATEST_ROUND_TRIPS)),
            on_message=_ignore if watched.feed is None else watched.feed.received,
            watch_ends=False,  # every packet of the machine would pass a filter for each target
        )

    def _end(self, watched: WatchedTarget) -> None:
        """Stop watching; its connection closes in its own time."""
        pinging, *others = self._tasks.pop(watched)
        for task in others:
            task.cancel()
        if watched.pinger is None:
            pinging.cancel()
        else:
            watched.pinger.stop()
        for task in (pinging, *others):
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)


def _ignore(participant: Participant, received: Received) -> None:
    """Messages of a target that is no feed."""


def _unique_names(targets: Sequence[ExporterTarget]) -> list[str]:
    """The label `name` of each: URLs that differ in credentials only look the same."""
    seen: set[tuple[str, str]] = set()
    names = []
    for target in targets:
        name, number = target.name, 1
        while (target.shown_url, name) in seen:
            number += 1
            name = f"{target.name}#{number}"
        seen.add((target.shown_url, name))
        names.append(name)
    return names
