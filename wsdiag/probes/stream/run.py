"""`wsdiag stream`: one URL's messages, over as many connections as it takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wsdiag.probes.common.drops import drop_of, silent_drop
from wsdiag.probes.common.participant import Participant, open_session
from wsdiag.probes.common.phases import phases_of
from wsdiag.probes.common.stalls import Stalls
from wsdiag.probes.ping.schedule import retry_wait
from wsdiag.probes.stream.analysis import StreamAnalysis
from wsdiag.probes.stream.beat import Beat
from wsdiag.probes.stream.events import moment
from wsdiag.probes.stream.options import StreamOptions
from wsdiag.probes.stream.outages import Outages
from wsdiag.probes.stream.watcher import StreamWatcher, Why
from wsdiag.records import Drop, Error
from wsdiag.records.drops import short_drop
from wsdiag.records.stream import (
    StreamClosed,
    StreamDialling,
    StreamRecord,
    StreamStart,
    StreamSummary,
)
from wsdiag.records.waits import awaited_of_all
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialError
from wsdiag.transport.session import Session
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import now

if TYPE_CHECKING:
    from wsdiag.transport.trace import Tracer

CLOSE_TIMEOUT_S = 2.0


class StreamRun:
    """One run: iterate `events()`, end it with `stop()`."""

    def __init__(
        self,
        url: str,
        options: StreamOptions,
        dial_options: DialOptions,
        tracer: Tracer | None = None,
        *,
        progress: bool = False,
        target: int | None = None,
    ) -> None:
        """`progress`: moments for a live view, too. `target`: the URL's number among several."""
        self.url, self.target = url, target
        self._options, self._tracer = options, tracer
        self._dial_options = dial_options.beginnings(looked_into=True)
        self.analysis = StreamAnalysis(url, options, target)
        self._queue: asyncio.Queue[StreamRecord | None] = asyncio.Queue()
        self._stops = 0
        self._stopping = asyncio.Event()
        self._dialing: asyncio.Task[Participant] | None = None
        self._phase: str | None = None
        """Of the dial under way, or `close`."""
        self._watcher: StreamWatcher | None = None
        self._session: Session | None = None
        self._stalls: Stalls | None = None
        self._connections = self._drops = self._wire_bytes = 0
        self._decoded_from = self._decoded_to = 0
        self._last_drop: Drop | None = None
        self._outages = Outages(self.analysis)
        self._beat = Beat(
            self.analysis, self._queue.put_nowait, self.summary_so_far, progress=progress
        )

    async def events(self) -> AsyncGenerator[StreamRecord, None]:
        """Everything that happens, in order; ends with a StreamSummary. To be used once."""
        loop = asyncio.get_running_loop()
        self._stalls = Stalls()
        task = asyncio.create_task(self._run())
        deadline_s = self._options.deadline_s
        deadline = None if deadline_s is None else loop.call_later(deadline_s, self.stop)
        try:
            while (event := await self._queue.get()) is not None:
                yield event
        finally:
            if deadline is not None:
                deadline.cancel()
            self._stalls.stop()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def stop(self) -> None:
        """End cleanly; a second call ends at once. Safe to call before and after the run."""
        self._stops += 1
        self._stopping.set()
        if self._dialing is not None:
            self._dialing.cancel()
        if self._watcher is not None:
            self._watcher.stop()
        if self._stops > 1 and self._session is not None:
            self._session.abort()

    def expire(self) -> str | None:
        """The time is over: `stop()`, and what was awaited, in words; None: nothing."""
        awaited = self._phase
        if awaited is None and self._outages.current is not None:
            awaited = "again"
        elif awaited is None and (self._options.count or not self.analysis.arrivals.messages):
            awaited = "messages"
        self.stop()
        return awaited_of_all([awaited])

    def continued(self) -> None:
        """This process was stopped, by Ctrl-Z say, and goes on: that was no delay of ours."""
        if self._stalls is not None:
            self._stalls.continued()

    def summary_so_far(self) -> StreamSummary:
        """The figures now, marked partial."""
        return self._summary(partial=True)

    # -- the run -------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            await self._measure()
            self._outages.tell()
            self._queue_events()
            self._beat.stop()
            summary = self._summary()
            self._queue.put_nowait(summary)
            if self._session is not None and self._session.ended is None:
                self._phase = "close"
                await self._session.close(timeout=CLOSE_TIMEOUT_S)
        except Exception as error:
            seen = f"{type(error).__name__}: {error}"
            hint = "this is a bug in wsdiag; please report it"
            self._queue.put_nowait(Error(self.url, "stream", "protocol", seen, hint, self.target))
            self._queue.put_nowait(self._summary())
        finally:
            self._beat.stop()
            if self._session is not None:
                self._session.stream.close()
            self._queue.put_nowait(None)

    async def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        failures, why = 0, ""
        while not self._stopping.is_set():
            if (outage := self._outages.current) is not None:
                outage.attempts += 1
                progress = StreamDialling(self.url, outage.attempts, why, self.target)
                self._queue.put_nowait(progress)
            began_s = loop.time()
            participant = await self._dial()
            if isinstance(participant, Participant):
                before = self.analysis.arrivals.messages
                reason = await self._watch(participant)
                if reason in ("done", "stopped") or not self._options.reconnect:
                    return
                # Only a message shows that a connection is one: a proxy opens any number of them.
                failures = 0 if self.analysis.arrivals.messages > before else failures + 1
                why = "" if self._last_drop is None else short_drop(self._last_drop)
            elif not self._options.reconnect or self._stopping.is_set():
                return
            else:
                failures, why = failures + 1, participant or ""
                self._outages.begin(began_s, attempts=1)
            from random import random  # of no use to a run that stays connected

            wait_s = retry_wait(failures, self._options.retry_max_wait_s, random)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait_s)

    def _note_phase(self, phase: str) -> None:
        self._phase = phase

    async def _dial(self) -> Participant | str | None:
        """A connection; the kind of error (which is queued) where there is none, None: stopped."""
        opening = open_session(
            self.url, self._dial_options, tracer=self._tracer, on_phase=self._note_phase
        )
        dialing = self._dialing = asyncio.create_task(opening)
        try:
            await asyncio.wait({dialing})
        finally:
            self._dialing = self._phase = None
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

            seen = diagnose(self.url, error)
            self._queue.put_nowait(replace(seen, target=self.target))
            return str(seen.kind)

    def _announce(self, participant: Participant) -> None:
        session = participant.session
        report = session.report
        assert report is not None  # a dialled session has one
        self._queue.put_nowait(
            StreamStart(
                self.url,
                moment(time.time()),
                report.address,
                phases_of(report),
                "kernel" if session.stream.kernel_stamps else "user",
                report.extensions,
                self._connections or None,
                report.proxy,
                participant.hello,
                participant.info,
                self.target,
                report.asked_again,
            )
        )
        self._connections += 1

    async def _watch(self, participant: Participant) -> Why:
        """Watch one connection to its end."""
        loop = asyncio.get_running_loop()
        session = self._session = participant.session
        self._announce(participant)
        assert self._stalls is not None
        opened_s = session.opened.mono_ns / 1e9
        self._beat.start(opened_s)
        watcher = self._watcher = StreamWatcher(
            participant, self.analysis, self._queue, self._stalls, on_tick=self._look_for_messages
        )
        self._outages.connected(opened_s)
        try:
            watcher.start()
            if self._stopping.is_set():
                watcher.stop()
            why = await watcher.over
        finally:
            watcher.stop()
        self._note_transfer(session)
        if watcher.first_message_s is not None:
            self._outages.tell(watcher.first_message_s)
            self._queue_events()
        if why in ("ended", "silent"):
            self._record_drop(participant, why, watcher)
        elif why in ("done", "stopped"):
            self.analysis.settle(loop.time(), time.time())
            self._queue_events()
        self._watcher = None
        return why

    def _look_for_messages(self, now_s: float) -> None:
        """Tell of the outage once messages come again, and each key's numbers where they count."""
        if self._watcher is not None:
            self._outages.look(now_s, self._watcher.first_message_s)
            self._queue_events()

    def _queue_events(self) -> None:
        for event in self.analysis.take_events():
            self._queue.put_nowait(event)

    def _record_drop(self, participant: Participant, why: Why, watcher: StreamWatcher) -> None:
        session, at = participant.session, now()
        if why == "silent":
            drop = silent_drop(session, at.mono_ns, watcher.last_overdue(at.mono_ns))
            ended_ns = session.stream.last_received
        else:
            end = watcher.end or StreamEnd("timeout", "TCP stayed open", at)
            drop, ended_ns = drop_of(session, end), (session.close_arrived or end.at).mono_ns
        meaning = participant.meaning_of(session.connection.close_received)
        drop = replace(drop, detail=meaning or drop.detail)
        self._drops += 1
        self._last_drop = drop
        ended_s = ended_ns / 1e9
        self.analysis.closed(asyncio.get_running_loop().time(), time.time())
        self._queue_events()
        if self._options.reconnect:
            self._outages.begin(ended_s, drop)
        wall_s = time.time() - (at.mono_ns - ended_ns) / 1e9
        self._queue.put_nowait(StreamClosed(self.url, moment(wall_s), drop, self.target))
        session.abort() if why == "silent" else session.stream.close()

    def _note_transfer(self, session: Session) -> None:
        self._wire_bytes += session.stream.bytes_in
        deflate = session.connection.deflate
        if deflate is not None:
            self._decoded_from += deflate.decoded_from
            self._decoded_to += deflate.decoded_to

    def _summary(self, *, partial: bool = False) -> StreamSummary:
        watching = None if self._watcher is None else self._watcher.session
        wire, compressed, plain = self._wire_bytes, self._decoded_from, self._decoded_to
        if watching is not None and (deflate := watching.connection.deflate) is not None:
            compressed += deflate.decoded_from
            plain += deflate.decoded_to
        wire += 0 if watching is None else watching.stream.bytes_in
        facts: dict[str, Any] = {
            "wire_bytes": wire,
            "compression_ratio": plain / compressed if compressed else None,
            "drops": self._drops,
            "drop": self._last_drop if self._drops and self._session_is_over() else None,
            "partial": partial,
        }
        if self._stalls is not None and self._stalls.stops:
            facts |= {"stops": self._stalls.stops, "stopped_s": self._stalls.stopped_s}
        if self._options.reconnect:
            facts |= {"outages": self._outages.count, "down_s": self._outages.down_s}
        return self.analysis.summary(asyncio.get_running_loop().time(), **facts)

    def _session_is_over(self) -> bool:
        return self._session is None or self._session.ended is not None
