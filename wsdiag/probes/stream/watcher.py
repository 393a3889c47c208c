"""One connection of a stream: its messages and Pings go to the analysis, its end to the run.

Two things set the pace. Messages are handled as they arrive, in a callback that does as little as
can be done. A tick ten times a second does the rest: silences, Pings that are due, a look at our
own receive queue. What a reader of the records cannot keep up with (`--show` to a slow
pipe) is left in the kernel's buffer, so that TCP slows the endpoint down and nothing is lost here.
"""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Callable
from typing import Literal

from wsdiag.probes.common.participant import Participant
from wsdiag.probes.common.stalls import Stalls
from wsdiag.probes.stream.analysis import StreamAnalysis
from wsdiag.probes.stream.content import Content, is_json, json_text, read_json
from wsdiag.probes.stream.events import moment
from wsdiag.protocol.errors import LocalProtocolError
from wsdiag.protocol.events import BinaryMessage, Close, Pong, TextMessage, Violation
from wsdiag.records.stream import StreamMessage, StreamRecord
from wsdiag.transport.session import Received
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import SendRecord, round_trip_ns

TICK_S = 0.1
CLOSE_GRACE_S = 2.0
MOST_UNREAD = 10_000

Why = Literal["done", "stopped", "ended", "silent"]


class StreamWatcher:
    """Watches one connection until `over`; `end` says how the stream ended, where it did."""

    def __init__(
        self,
        participant: Participant,
        analysis: StreamAnalysis,
        queue: asyncio.Queue[StreamRecord | None],
        stalls: Stalls,
        *,
        on_tick: Callable[[float], None] = lambda _: None,
    ) -> None:
        """`on_tick`: is called ten times a second with the loop's time."""
        self.session = participant.session
        self._participant, self._analysis, self._queue = participant, analysis, queue
        self._options, self._stalls, self._on_tick = analysis.options, stalls, on_tick
        self._loop = asyncio.get_running_loop()
        self.over: asyncio.Future[Why] = self._loop.create_future()
        self.end: StreamEnd | None = None
        self.first_message_s: float | None = None
        """When the first message of this connection came."""
        self._opened_s = self.session.opened.mono_ns / 1e9
        self._sent: dict[bytes, SendRecord] = {}
        self._wall_offset_s = time.time() - self._loop.time()
        self._ping_due_s = self._opened_s
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False

    def start(self) -> None:
        """Begin; what came since the opening is taken in first."""
        report = self.session.report
        self._analysis.pings.proxied = report is not None and report.proxy is not None
        self._analysis.arrivals.stalled_s = self._stalls.just_before
        self._analysis.opened(self._opened_s)
        self.session.push(self._received, self._ended)
        self._tick()

    def stop(self) -> None:
        """End now."""
        self._finish("stopped")

    # -- messages ------------------------------------------------------------------------------

    def _received(self, received: Received) -> None:
        event, at = received.event, received.at
        if self.over.done():
            return
        if isinstance(event, TextMessage):
            self._message(event.text, event.dropped, (at.kernel_ns or at.mono_ns) / 1e9)
        elif isinstance(event, BinaryMessage):
            self._message(event.data, event.dropped, (at.kernel_ns or at.mono_ns) / 1e9)
        elif isinstance(event, Pong):
            sent = self._sent.pop(event.payload, None)
            if sent is not None:
                self._analysis.pings.came(event.payload, round_trip_ns(sent, at)[0] / 1e9)
        elif isinstance(event, Close | Violation):
            # The peer should end TCP now; where it does not, we do not wait for ever.
            self._loop.call_later(CLOSE_GRACE_S, self._finish, "ended")

    def _message(self, message: str | bytes, dropped: int, at_s: float) -> None:
        analysis = self._analysis
        if not self._participant.carries_data(message, dropped):
            analysis.no_data(message, dialect=self._participant.dialect is not None)
            return
        wall_s = at_s + self._wall_offset_s
        content = analysis.message(message, at_s, wall_s, dropped)
        if self.first_message_s is None:
            self.first_message_s = at_s
        if self._options.show is not None:
            self._show(message, dropped, content, wall_s)
        if analysis.has_events:
            self._tell_events()
        if analysis.arrivals.messages == self._options.count:
            self._finish("done")

    def _show(self, message: str | bytes, dropped: int, content: Content, wall_s: float) -> None:
        analysis, options = self._analysis, self._options
        text = message if isinstance(message, str) else None
        size = len(message.encode("utf-8", "replace") if isinstance(message, str) else message)
        value = None
        if options.field is not None:
            text = None
            value = None if dropped else json_text(content.field)
        elif options.show == "json" and not dropped:
            document = content.document if options.reads_json else read_json(message)
            value = json_text(document) if is_json(document) else None
            text = text if value is None else None
        binary = isinstance(message, bytes) and value is None and options.field is None
        self._queue.put_nowait(
            StreamMessage(
                analysis.url,
                analysis.arrivals.messages,
                moment(wall_s),
                "text" if isinstance(message, str) else "binary",
                size + dropped,
                text,
                base64.b64encode(message).decode() if binary else None,  # type: ignore[arg-type]
                value,
                None if options.by is None else content.key,
                analysis.last_seq,
                analysis.last_lag_ms,
                dropped or None,
                analysis.target,
            )
        )
        if self._queue.qsize() > MOST_UNREAD and not self._paused:
            self._paused = True
            self.session.stream.pause_reading()

    def _tell_events(self) -> None:
        for event in self._analysis.take_events():
            self._queue.put_nowait(event)

    # -- the clock -----------------------------------------------------------------------------

    def _tick(self) -> None:
        if self.over.done():
            return
        now_s = self._loop.time()
        self._wall_offset_s = time.time() - now_s
        analysis, stream = self._analysis, self.session.stream
        if self._paused and self._queue.qsize() < MOST_UNREAD / 2:
            self._paused = False
            stream.resume_reading()
        tcp = stream.tcp
        if tcp is not None:
            analysis.receive_queue.looked(tcp.unread_bytes, tcp.receive_room_bytes)
        for payload, sent in self._sent.items():
            if sent.ack_kernel_ns is not None:
                analysis.pings.was_acknowledged(payload, sent.ack_kernel_ns / 1e9)
        analysis.pings.acknowledged(stream.acknowledged(), now_s)
        last_s = analysis.arrivals.last_s
        stalled_s = 0.0 if last_s is None else self._stalls.within(last_s, now_s)
        if analysis.tick(now_s, self._wall_s(now_s), stalled_s) or now_s >= self._ping_due_s:
            self._ping(now_s)
        self._tell_events()
        self._on_tick(now_s)
        waits_s = analysis.pings.waits_s(now_s)
        quiet_s = now_s - stream.last_received / 1e9
        limit_s = self._options.timeout_s
        if self._options.reconnect and min(waits_s or 0.0, quiet_s) > limit_s:
            self._finish("silent")
            return
        self._timer = self._loop.call_later(TICK_S, self._tick)

    def _wall_s(self, now_s: float) -> float:
        return now_s + self._wall_offset_s

    def _ping(self, now_s: float) -> None:
        self._ping_due_s = now_s + self._options.ping_interval_s
        payload = (self._analysis.pings.sent & 0xFFFFFFFF).to_bytes(4) + os.urandom(4)
        try:
            sent = self.session.ping(payload)
        except LocalProtocolError:
            return  # the connection is closing: its end is on its way
        self._sent[payload] = sent
        if len(self._sent) > 256:
            del self._sent[next(iter(self._sent))]
        self._analysis.pings.left(payload, sent.mono_ns / 1e9)

    def last_overdue(self, at_ns: int) -> SendRecord | None:
        """The newest Ping that had no Pong for the time allowed, at this moment (monotonic ns)."""
        allowed_ns = self._options.timeout_s * 1e9
        overdue = [sent for sent in self._sent.values() if at_ns - sent.mono_ns > allowed_ns]
        return overdue[-1] if overdue else None

    # -- ends ----------------------------------------------------------------------------------

    def _ended(self, end: StreamEnd) -> None:
        self.end = end
        self._finish("ended")

    def _finish(self, why: Why) -> None:
        if self.over.done():
            return
        if self._timer is not None:
            self._timer.cancel()
        self.over.set_result(why)
