"""One URL's pinging from the first dial to the last close, over as many connections as it takes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from wsdiag.judgement.summary import summarise
from wsdiag.judgement.totals import PingTotals
from wsdiag.probes.common.drops import drop_of, silent_drop
from wsdiag.probes.common.participant import Participant, open_session
from wsdiag.probes.common.phases import phases_of
from wsdiag.probes.common.stalls import Stalls
from wsdiag.probes.ping.options import PingOptions
from wsdiag.probes.ping.schedule import backoff
from wsdiag.probes.ping.sender import PingSender, Why
from wsdiag.probes.ping.tcp_observer import TcpObserver
from wsdiag.records import PingClosed, PingEvent, PingStart, PingSummary, utc_now
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialError
from wsdiag.transport.session import Session
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import now

if TYPE_CHECKING:
    from wsdiag.probes.ping.load import LoadMeter
    from wsdiag.transport.trace import Tracer

CLOSE_TIMEOUT_S = 2.0
# A connection that lived this long was a good one: the next backoff starts from the beginning.
SETTLED_S = 10.0


class Pinger:
    """Pings one URL; `run()` returns after the summary, `stop()` ends it early."""

    def __init__(
        self,
        url: str,
        options: PingOptions,
        dial_options: DialOptions,
        *,
        queue: asyncio.Queue[PingEvent | None],
        stalls: Stalls,
        dial_slots: asyncio.Semaphore,
        tracer: Tracer | None = None,
    ) -> None:
        """All URLs of a run share `queue` (for their events), `stalls` and `dial_slots`."""
        self.url, self._options, self._dial_options = url, options, dial_options
        self._queue, self._stalls, self._dial_slots = queue, stalls, dial_slots
        self._tracer = tracer
        self._load: LoadMeter | None = None
        if (plan := options.load_plan()) is not None:
            from wsdiag.probes.ping.load import LoadMeter

            self._load = LoadMeter(plan)
        self._loop = asyncio.get_running_loop()
        self._totals = PingTotals()
        self._began_s = self._loop.time()
        """Loop time at which the first Ping could have left."""
        self._stopping = asyncio.Event()
        self._dialing: asyncio.Task[Participant] | None = None
        self._sender: PingSender | None = None
        self._session: Session | None = None
        self._connections = 0

    async def run(self, delay_s: float = 0.0) -> None:
        """Dial after `delay_s`, ping, reconnect as asked; the summary comes in any case."""
        try:
            await self._pause(delay_s)
            await self._measure()
            self._queue.put_nowait(self.summary())
            if self._session is not None and self._session.ended is None:
                await self._session.close(timeout=CLOSE_TIMEOUT_S)
        finally:
            if self._session is not None:
                self._session.stream.close()

    def stop(self) -> None:
        """End cleanly: the summary so far, then a Close."""
        self._stopping.set()
        if self._dialing is not None:
            self._dialing.cancel()
        if self._sender is not None:
            self._sender.stop()

    def abort(self) -> None:
        """End at once, without waiting for the peer's Close."""
        self.stop()
        if self._session is not None:
            self._session.abort()

    def summary(self, *, partial: bool = False) -> PingSummary:
        """Everything so far as a record."""
        load = self._load
        return summarise(
            self.url,
            self._totals,
            self._options.limits(),
            max(0.0, self._loop.time() - self._began_s),
            stalls=self._stalls.count,
            longest_stall_ms=self._stalls.longest_s * 1e3,
            load=None if load is None else load.result(),
            unloaded=None if load is None else load.idle,
            partial=partial,
        )

    # -- connections ---------------------------------------------------------------------------

    async def _measure(self) -> None:
        attempt = 0
        while not self._stopping.is_set():
            participant = await self._dial()
            if participant is not None:
                self._session = participant.session
                self._announce(participant)
                began_s = self._loop.time()
                if await self._ping(participant) in ("done", "stopped") or not self._reconnects():
                    return
                attempt = 0 if self._loop.time() - began_s >= SETTLED_S else attempt
            elif not self._options.reconnect:
                return
            await self._pause(backoff(attempt))
            attempt += 1

    def _reconnects(self) -> bool:
        """Whether a lost connection is to be replaced: asked for, and something is left to send."""
        count = self._options.count
        finished = count is not None and self._totals.sent >= count
        return self._options.reconnect and (self._options.counts_replies or not finished)

    async def _dial(self) -> Participant | None:
        """None when it failed (an Error is queued), and when `stop()` came first."""
        async with self._dial_slots:
            if self._stopping.is_set():
                return None
            opening = open_session(self.url, self._dial_options, tracer=self._tracer)
            dialing = asyncio.create_task(opening)
            self._dialing = dialing
            try:
                await asyncio.wait({dialing})
            finally:
                self._dialing = None
                if not dialing.done():  # cancelled ourselves: the socket must not outlive us
                    dialing.cancel()
                    await asyncio.wait({dialing})
        if dialing.cancelled():
            return None
        try:
            return dialing.result()
        except DialError as error:
            # Imported when it is needed: it reads a TOML file of hints.
            from wsdiag.judgement.diagnosis.hints import diagnose

            self._queue.put_nowait(diagnose(self.url, error))
            return None

    def _announce(self, participant: Participant) -> None:
        session = participant.session
        report, totals = session.report, self._totals
        assert report is not None  # a dialled session has one
        totals.clock = "kernel" if session.stream.kernel_stamps else "user"
        totals.proxy = report.proxy or totals.proxy
        if not self._connections:
            self._began_s = self._loop.time()
        start = PingStart(
            self.url,
            report.address,
            phases_of(report),
            totals.clock,
            # Without --reconnect there is one connection only.
            self._connections or None,
            report.proxy,
            report.proxy_why,
            participant.hello,
            participant.info,
        )
        self._connections += 1
        self._queue.put_nowait(start)

    async def _ping(self, participant: Participant) -> Why:
        session = participant.session
        observer = TcpObserver(session.stream, self._stalls)
        sender = PingSender(
            self.url, session, self._options, self._totals, observer, self._queue, self._load
        )
        self._sender = sender
        try:
            sender.start()
            if self._stopping.is_set():
                sender.stop()
            why = await sender.over
            if why in ("ended", "silent"):
                self._record_drop(participant, why, sender.end)
            return why
        finally:
            sender.stop()
            self._sender = None

    def _record_drop(self, participant: Participant, why: Why, end: StreamEnd | None) -> None:
        session, moment = participant.session, now()
        if why == "silent":
            drop = silent_drop(session, moment.mono_ns)
        else:
            drop = drop_of(session, end or StreamEnd("timeout", "TCP stayed open", moment))
        meaning = participant.meaning_of(session.connection.close_received)
        drop = replace(drop, detail=meaning or drop.detail)
        self._totals.drops += 1
        self._totals.last_drop = drop
        self._queue.put_nowait(PingClosed(self.url, utc_now(), drop))
        session.abort() if why == "silent" else session.stream.close()

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), seconds)
