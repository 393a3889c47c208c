"""One URL's pinging from the first dial to the last close, over as many connections as it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from wsdiag.judgement.attribution import QUEUED_BYTES
from wsdiag.judgement.summary import summarise
from wsdiag.judgement.totals import Outages, PingTotals
from wsdiag.probes.common.drops import drop_of, silent_drop
from wsdiag.probes.common.end_origin import EndOrigin
from wsdiag.probes.common.participant import Participant, open_session
from wsdiag.probes.common.phases import phases_of
from wsdiag.probes.common.stalls import Stalls
from wsdiag.probes.ping.options import PingOptions
from wsdiag.probes.ping.outage import OutageLog
from wsdiag.probes.ping.schedule import retry_wait
from wsdiag.probes.ping.sender import EventSink, PingSender, Why
from wsdiag.probes.ping.tcp_observer import TcpObserver
from wsdiag.records import PingClosed, PingNotice, PingStart, PingSummary, PingSuspended, utc_now
from wsdiag.records.drops import short_drop
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialError
from wsdiag.transport.session import Received, Session
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.inbound import InboundProfile
from wsdiag.transport.stream.stamps import now

if TYPE_CHECKING:
    from wsdiag.probes.ping.load import LoadMeter
    from wsdiag.probes.ping.slow_reader import SlowReaderMeter
    from wsdiag.records import SlowReader
    from wsdiag.transport.http2.notices import Notice
    from wsdiag.transport.trace import Tracer

CLOSE_TIMEOUT_S = 2.0
# Under --load the Close stands behind what was sent before it: no longer than this.
CLOSE_TIMEOUT_UNDER_LOAD_S = 0.7

OnMessage = Callable[[Participant, Received], None]


class Pinger:
    """Pings one URL; `run()` returns after the summary, `stop()` ends it early."""

    def __init__(
        self,
        url: str,
        options: PingOptions,
        dial_options: DialOptions,
        *,
        queue: EventSink,
        stalls: Stalls,
        dial_slots: asyncio.Semaphore,
        tracer: Tracer | None = None,
        target: int | None = None,
        totals: PingTotals | None = None,
        on_message: OnMessage = lambda _participant, _received: None,
        watch_ends: bool = True,
    ) -> None:
        """All URLs of a run share `queue` (for their events), `stalls` and `dial_slots`.

        `target`: the URL's number in a run of several. `totals`: what to count in.
        `on_message` hears of every message that is no answer. `watch_ends`: whether to look at
        packets, where that is allowed, for whose RST or FIN it was that ended a connection.
        """
        self.target = target
        self.url, self._options, self._dial_options = url, options, dial_options
        self._queue, self._stalls, self._dial_slots = queue, stalls, dial_slots
        if tracer is not None:  # what is not traced does not load it
            from wsdiag.transport.trace import numbered

            tracer = numbered(tracer, target)
        self._tracer, self._on_message = tracer, on_message
        self._origin = EndOrigin(url, look=watch_ends)
        self._load: LoadMeter | None = None
        if (plan := options.load_plan()) is not None:
            from wsdiag.probes.ping.load import LoadMeter

            asked = bool(dial_options.hello) and plan.download is not None
            self._load = LoadMeter(replace(plan, asked=asked))
        self._slow: SlowReaderMeter | None = None
        if options.read_rate is not None:
            from wsdiag.probes.ping.slow_reader import SlowReaderMeter

            self._slow = SlowReaderMeter(options.read_rate)
        self._loop = asyncio.get_running_loop()
        self._totals = PingTotals() if totals is None else totals
        self._began_s = self._loop.time()
        """Loop time at which the first Ping could have left."""
        self._outages: OutageLog | None = None
        self._stopping = asyncio.Event()
        self._dialing: asyncio.Timeout | None = None
        self._sender: PingSender | None = None
        self._session: Session | None = None
        self._connections = 0
        self._phase: str | None = None
        """Of the dial under way, or `close`."""
        self._failed_kind = ""
        """Why the last attempt to connect failed, as in `error.kind`."""

    async def run(self, delay_s: float = 0.0) -> None:
        """Dial after `delay_s`, ping, reconnect as asked; the summary comes in any case."""
        try:
            await self._pause(delay_s)
            if self._options.reconnect:
                self._outages = OutageLog(self.url, self.target, self._stalls.time())
            await self._measure()
            timeout_s = self._close_timeout_s()
            summary = self.summary()
            if self._outages is not None:
                outage = self._outages.up(self._stalls.time(), over=False)
                if outage is not None:
                    self._queue.put_nowait(outage)
            self._queue.put_nowait(summary)
            if self._session is not None and self._session.ended is None:
                self._phase = "close"
                await self._session.close(timeout=timeout_s) if timeout_s else self._session.abort()
        finally:
            self._origin.close()
            if self._session is not None:
                self._session.stream.close()

    def stop(self) -> None:
        """End cleanly: the summary so far, then a Close."""
        self._stopping.set()
        if self._dialing is not None:
            self._dialing.reschedule(asyncio.get_running_loop().time())
        if self._sender is not None:
            self._sender.stop()

    def abort(self) -> None:
        """End at once, without waiting for the peer's Close."""
        self.stop()
        if self._session is not None:
            self._session.abort()

    def suspended(self, ago_s: float) -> None:
        """This process was stopped; the middle of that time was `ago_s` ago."""
        at = utc_now() - timedelta(seconds=ago_s)
        self._queue.put_nowait(PingSuspended(self.url, at, self.target))

    @property
    def awaited(self) -> str | None:
        """What is awaited now, by its word of AWAITED; None: nothing that is late."""
        if self._sender is not None:
            if not self._totals.received:
                return "answer"
            if self._sender.is_silent:
                return "overdue"
            return None if self._options.count is None else "replies"
        if self._phase is None and self._outages is not None and self._outages.is_down:
            return "again"
        return self._phase

    def _note_phase(self, phase: str) -> None:
        self._phase = phase

    @property
    def session(self) -> Session | None:
        """The latest connection; None before the first."""
        return self._session

    @property
    def totals(self) -> PingTotals:
        """Everything counted so far."""
        return self._totals

    def outages(self) -> Outages:
        """With --reconnect: times without answers so far, the one that goes on included."""
        if self._outages is None:
            return Outages()
        return self._outages.totals(self._stalls.time())

    def _close_timeout_s(self) -> float:
        """How long the closing handshake may take; 0: there is too much data before our Close."""
        if self._load is None or self._session is None or self._session.ended is not None:
            return CLOSE_TIMEOUT_S
        queued = TcpObserver(self._session.stream, self._stalls).snapshot().unsent_bytes or 0
        if queued < QUEUED_BYTES:
            return CLOSE_TIMEOUT_UNDER_LOAD_S
        self._load.abandoned_bytes = queued
        return 0.0

    def summary(self, *, partial: bool = False) -> PingSummary:
        """Everything so far as a record."""
        load = self._load
        if self._sender is not None:
            self._sender.count_unanswered()
            self._sender.note_inbound()
        if self._outages is not None:
            self._totals.outages = self.outages()
        return summarise(
            self.url,
            self._totals,
            self._options.limits(),
            max(0.0, self._loop.time() - self._began_s),
            stalls=self._stalls.count,
            longest_stall_ms=self._stalls.longest_s * 1e3,
            stops=self._stalls.stops,
            stopped_s=self._stalls.stopped_s,
            load=None if load is None else load.result(),
            unloaded=None if load is None else load.idle,
            partial=partial,
            target=self.target,
            slow_reader=self._slow_reader(),
        )

    def _slow_reader(self) -> SlowReader | None:
        if self._slow is None:
            return None
        self._slow.received = self._totals.inbound_bytes
        duration_s = max(0.0, self._loop.time() - self._began_s)
        return self._slow.result(self._totals.last_drop, duration_s)

    # -- connections ---------------------------------------------------------------------------

    async def _measure(self) -> None:
        failures, why = 0, ""
        while not self._stopping.is_set():
            began_s = self._stalls.time()
            if self._outages is not None and (attempt := self._outages.attempt(why)) is not None:
                self._queue.put_nowait(attempt)
            participant = await self._dial()
            if participant is not None:
                self._session = participant.session
                await participant.settle()
                self._announce(participant)
                outcome, answers = await self._ping(participant)
                if outcome in ("done", "stopped") or not self._reconnects():
                    return
                # Only an answer shows that a connection is one: a proxy opens any number of them.
                failures = 0 if answers else failures + 1
                why = "" if self._totals.last_drop is None else short_drop(self._totals.last_drop)
            elif not self._options.reconnect or self._stopping.is_set():
                return
            else:
                failures, why = failures + 1, self._failed_kind
                assert self._outages is not None  # made with --reconnect
                self._outages.down(began_s, self._stalls.time())
                self._outages.failed(why)
            from random import random  # of no use to a run that stays connected

            wait_s = retry_wait(failures, self._options.retry_max_wait_s, random)
            await self._pause(wait_s)

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
            scope = self._dialing = asyncio.timeout(None)  # `stop()` ends it, and no task is needed
            try:
                async with scope:
                    return await open_session(
                        self.url,
                        self._dial_options,
                        tracer=self._tracer,
                        on_phase=self._note_phase,
                        watcher=self._origin,
                    )
            except TimeoutError:
                return None
            except DialError as error:
                # Imported when it is needed: it reads a TOML file of hints.
                from wsdiag.judgement.diagnosis.hints import diagnose

                seen = diagnose(self.url, error)
                self._failed_kind = seen.kind
                self._queue.put_nowait(replace(seen, target=self.target))
                return None
            finally:
                self._dialing = self._phase = None

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
            self.target,
            report.asked_again,
        )
        self._connections += 1
        self._queue.put_nowait(start)

    async def _ping(self, participant: Participant) -> tuple[Why, int]:
        """Ping on this connection to its end: why it ended, and how many answers came."""
        session = participant.session
        inbound = session.inbound = InboundProfile()
        if (tcp := session.stream.tcp) is not None:
            tcp.set_read_rate(self._options.read_rate)
        observer = TcpObserver(
            session.stream, self._stalls, inbound, proxied=self._totals.proxy is not None
        )
        sender = PingSender(
            self.url,
            session,
            self._options,
            self._totals,
            observer,
            self._queue,
            self._load,
            self.target,
            clock=self._stalls.time,
            slow=self._slow,
            on_answer=self._answered,
            on_silence=self._silent,
            on_message=partial(self._on_message, participant),
        )
        self._sender = sender
        if session.http2 is not None:
            session.http2.notices.on_notice = self._notice
            for notice in session.http2.notices.heard:
                self._notice(notice)
        try:
            sender.start()
            if self._stopping.is_set():
                sender.stop()
            why = await sender.over
            if why in ("ended", "silent"):
                self._record_drop(participant, why, sender)
            return why, sender.answers
        finally:
            sender.stop()
            self._sender = None

    def _notice(self, notice: Notice) -> None:
        """The peer said something of the connection, which goes on."""
        ago = timedelta(microseconds=(now().mono_ns - notice.at.mono_ns) / 1e3)
        event = PingNotice(self.url, utc_now() - ago, notice.text, self.target)
        self._queue.put_nowait(event)

    def _answered(self) -> None:
        """A Ping was answered: an outage is over."""
        self._totals.ended = None
        outage = None if self._outages is None else self._outages.up(self._stalls.time())
        if outage is not None:
            self._queue.put_nowait(outage)

    def _silent(self, since_s: float) -> None:
        """An answer is overdue, its Ping left at `since_s`: an outage, until one comes."""
        if self._outages is not None:
            self._outages.down(since_s, self._stalls.time())

    def _record_drop(self, participant: Participant, why: Why, sender: PingSender) -> None:
        session, moment = participant.session, now()
        if why == "silent":
            drop, ended_ns = silent_drop(session, moment.mono_ns, sender.last_lost), moment.mono_ns
        else:
            end = sender.end or StreamEnd("timeout", "TCP stayed open", moment)
            drop = self._origin.explain(drop_of(session, end))
            ended_ns = (session.close_arrived or end.at).mono_ns
        meaning = participant.meaning_of(session.connection.close_received)
        drop = replace(drop, last_message=sender.last_message(), detail=meaning or drop.detail)
        ago_s = (moment.mono_ns - ended_ns) / 1e9
        silent_s = sender.silent_since_s if why == "silent" else None
        self._totals.drops += 1
        self._totals.last_drop = self._totals.ended = drop
        sender.cut_off(drop)
        if self._outages is not None:
            now_s = self._stalls.time()
            self._outages.down(silent_s or now_s - ago_s, now_s, drop)
        at = utc_now() - timedelta(seconds=ago_s)
        idle_s = max(0.0, (ended_ns - sender.active_ns) / 1e9)
        self._queue.put_nowait(PingClosed(self.url, at, drop, idle_s, self.target))
        session.abort() if why == "silent" else session.stream.close()

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), seconds)
