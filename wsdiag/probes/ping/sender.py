"""Pings on one connection: when they leave, what answers them, what is lost. One timer, no task.

How a round trip is computed, once. Sending a Ping returns a `SendRecord`, into which the kernel's
timestamps are written later: when the Ping's last byte left, and when TCP's acknowledgement of it
arrived. The answer comes as one `Received`, with the time of our read and the kernel's of the
packet. `round_trip_ns` makes one figure of the two and says which clock it rests on; all the rest
(was it in time, is it an outlier, whose fault) starts from that figure:

    _send          snapshot of TCP, payload, SendRecord  -> InFlight, by the payload's key
    _received      the event's keys                      -> the InFlight it answers, its fate
    _answered      InFlight + Arrival                    -> rtt, clock; late? then lost as well
                   TcpObserver.round_trip                -> RoundTrip, the facts beside the figure
                   Attributor.add                        -> its cause, where it is an outlier
                   PingTotals.answered                   -> the summary's figures
                   PingReply                             -> the queue

What becomes of a Ping without an answer is said in outstanding.py. If this process slept through
its timeout and its answer, that sleep does not count towards the timeout (`Stalls.time`): so the
figure decides what is late, not the order of the two in the event loop.

What ends a Ping besides: a Close (TCP's end follows, or CLOSE_GRACE_S does), the end of the stream,
and with --reconnect three losses in a row without a byte from the peer, the only sign of a
connection that was dropped silently.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol

from wsdiag.judgement.totals import PingTotals
from wsdiag.probes.common.stalls import REPORTED_S
from wsdiag.probes.ping.http2_ping import Http2Pings
from wsdiag.probes.ping.options import DEFAULT_SIZE, PingOptions
from wsdiag.probes.ping.outstanding import Fate, InFlight, Outstanding
from wsdiag.probes.ping.payloads import Payloads, is_load
from wsdiag.probes.ping.schedule import Slots
from wsdiag.probes.ping.tcp_observer import TcpObserver
from wsdiag.protocol.errors import LocalProtocolError
from wsdiag.protocol.events import BinaryMessage, Close, Event, Pong, TextMessage, Violation
from wsdiag.records import (
    Drop,
    Error,
    PingEvent,
    PingLost,
    PingReply,
    PingResumed,
    PingSent,
    PingWaiting,
    utc_now,
)
from wsdiag.transport.session import Received, Session
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import Arrival, SendRecord, round_trip_ns

if TYPE_CHECKING:
    from wsdiag.probes.ping.load import LoadMeter, LoadPhase
    from wsdiag.probes.ping.slow_reader import SlowReaderMeter

FLOOD_PAUSE_S = 0.01
ADAPTIVE_PAUSE_S = 0.001
# Flooding a peer that stopped answering must not pile up Pings without end.
MOST_IN_FLIGHT = 1024
# A reader that stops reading (a paused terminal) must not make us keep every event for ever.
MOST_UNREAD = 10_000
SILENT_AFTER_LOST = 3
CLOSE_GRACE_S = 2.0
LOAD_CHECK_S = 0.05
TOLD_SENT_S = 0.1
LAST_MESSAGE_CHARS, LAST_MESSAGE_S = 200, 10.0

Why = Literal["done", "stopped", "ended", "silent"]


class EventSink(Protocol):
    """Where events go: an asyncio.Queue, or what takes each at once."""

    def put_nowait(self, event: PingEvent, /) -> None:
        """Take an event."""

    def qsize(self) -> int:
        """How many nobody has read yet."""


class PingSender:
    """Sends on `session` as `options` say, counts in `totals`; `over` says why it ended.

    Pings leave by loop time. What their answers take is told by `clock`, which leaves out when this
    process did not run.
    """

    def __init__(
        self,
        url: str,
        session: Session,
        options: PingOptions,
        totals: PingTotals,
        observer: TcpObserver,
        queue: EventSink,
        load: LoadMeter | None = None,
        target: int | None = None,
        *,
        clock: Callable[[], float],
        slow: SlowReaderMeter | None = None,
        on_answer: Callable[[], None] = lambda: None,
        on_silence: Callable[[float], None] = lambda _: None,
        on_message: Callable[[Received], None] = lambda _: None,
    ) -> None:
        self._url, self._session, self._options, self._totals = url, session, options, totals
        self._target, self._on_message = target, on_message
        self._on_answer, self._on_silence = on_answer, on_silence
        self._observer, self._queue, self._clock = observer, queue, clock
        self._load, self._slow = load, slow
        self._pump = None if load is None else load.pump(session)
        self._loop = asyncio.get_running_loop()
        self.over: asyncio.Future[Why] = self._loop.create_future()
        self.end: StreamEnd | None = None
        """How the stream ended, once it has."""
        self._payloads = Payloads(options.mode, options.size or DEFAULT_SIZE)
        self._outstanding = Outstanding(
            options.timeout_s,
            options.overdue_interval_s,
            skips=options.mode == "ping",
            p99_ms=lambda: totals.statistics.percentile(99),
            unheld_p99_ms=lambda: totals.unheld.percentile(99),
        )
        self._http2: Http2Pings | None = None
        if session.http2 is not None and options.http2_ping:
            self._http2 = Http2Pings(session.http2, totals.edge_answered)
        self.answers = 0
        """On this connection, late ones included."""
        self.active_ns = session.opened.mono_ns
        """When we last sent a Ping or heard from the peer, its end not counted; monotonic ns."""
        self._told_sent_s = 0.0
        self._last_text: tuple[str, float] | None = None
        """The last text message that was no answer, and its loop time."""
        self._began_s = self._not_before_s = self._loop.time()
        self._slots = Slots(self._began_s, options.effective_interval_s)
        self._sent_before = totals.sent
        self._answered_load = self._lost_in_a_row = 0
        self.last_lost: SendRecord | None = None
        """The Ping whose timeout ran out last."""
        self._timer: asyncio.TimerHandle | None = None
        self._inbound_noted = 0

    def start(self) -> None:
        """Begin: the first Ping leaves now."""
        self._session.push(self._received, self._ended)
        self._tick()

    def note_inbound(self) -> None:
        """Add what has arrived since the last call to the totals."""
        if self._session.inbound is not None:
            total = self._session.inbound.total
            self._totals.inbound_bytes += total - self._inbound_noted
            self._inbound_noted = total

    def stop(self) -> None:
        """End now; Pings in flight are unanswered, neither answered nor lost."""
        self._finish("stopped")

    # -- the clock -----------------------------------------------------------------------------

    def _tick(self) -> None:
        """Do what is due, then sleep until the next thing is."""
        if self.over.done():
            return  # an answer has called for this before the run was stopped: all is counted
        now, waited_to = self._loop.time(), self._clock()
        if self._timer is not None:
            self._timer.cancel()
            if now - self._timer.when() > REPORTED_S:  # we did not run: first read what has arrived
                self._timer = self._loop.call_at(now, self._tick)
                return
        self._expire(waited_to)
        if not self.over.done() and self._outstanding.falls_silent(waited_to):
            self._tell_silence(waited_to)
        self._start_load(now)
        if self._wants_more() and now >= self._next_send_s():
            self._send(now)
        if self.over.done():
            return
        if self._is_done():
            self._finish("done")
        else:
            self._timer = self._loop.call_at(self._wake_at(), self._tick)

    def _wake_at(self) -> float:
        behind_s = self._loop.time() - self._clock()
        times = [due_s + behind_s for due_s in self._outstanding.due_times_s()]
        if self._wants_more():
            times.append(self._next_send_s())
        if self._pump is not None and not self._pump.finished:
            times.append(self._loop.time() + LOAD_CHECK_S)
        return min(times)

    def _next_send_s(self) -> float:
        return self._not_before_s if self._options.paced_by_replies else self._slots.due

    def _wants_more(self) -> bool:
        count = self._options.count
        if count is None:
            return self._pump is None or not self._pump.finished
        return (
            self._totals.received if self._options.counts_replies else self._totals.sent
        ) < count

    def _is_done(self) -> bool:
        return not self._wants_more() and (self._options.counts_replies or not self._outstanding)

    # -- out -----------------------------------------------------------------------------------

    def _send(self, now: float) -> None:
        options, pump = self._options, self._pump
        if options.paced_by_replies:
            self._not_before_s = now + (FLOOD_PAUSE_S if options.flood else options.timeout_s)
        else:
            self._slots.take(now)
        if self._queue.qsize() > MOST_UNREAD or len(self._outstanding) >= MOST_IN_FLIGHT:
            return
        seq = self._totals.sent + 1
        key, payload = self._payloads.make(seq)
        tcp = self._observer.snapshot()
        phase: LoadPhase = "idle" if pump is None else pump.phase
        load_before = 0 if pump is None else pump.sent_bytes
        http2 = None if self._http2 is None else self._http2.send(now)
        try:
            if options.mode == "ping":
                sent = self._session.ping(payload)
            elif options.mode == "text":
                sent = self._session.send_text(payload.decode())
            else:
                sent = self._session.send_binary(payload)
        except LocalProtocolError:
            return  # the connection is closing: its end is on its way
        self.active_ns = sent.mono_ns
        backlog = load_before - self._answered_load
        ping = InFlight(seq, sent, self._clock(), tcp, phase, load_before, backlog, http2)
        self._outstanding.add(key, ping)
        self._totals.sent = seq
        if self._outstanding.silent or now - self._told_sent_s >= TOLD_SENT_S:
            self._told_sent_s = now
            silent, unanswered = self._outstanding.silent, self._outstanding.unanswered
            # while answers come, what is overdue are those that were overtaken
            overdue = (
                self._outstanding.overdue_now(ping.sent_s)[0]
                if silent
                else self._outstanding.overtaken
            )
            self._queue.put_nowait(PingSent(self._url, seq, unanswered, overdue, self._target))
        self._totals.saw_floor(tcp.min_rtt_ms)
        if self._load is not None:
            self._load.queued_bytes_max = max(self._load.queued_bytes_max, tcp.queued_bytes or 0)
        if self._slow is not None:
            unread = None if (own := self._session.stream.tcp) is None else own.unread_bytes
            self._slow.queued_max = max(self._slow.queued_max, unread or 0)

    # -- in ------------------------------------------------------------------------------------

    def _received(self, received: Received) -> None:
        if self.over.done():
            return
        self._lost_in_a_row = 0
        event = received.event
        if isinstance(event, Close | Violation):
            # The peer should end TCP now; where it does not, we do not wait for ever.
            self._loop.call_later(CLOSE_GRACE_S, self._finish, "ended")
            return
        self.active_ns = received.at.mono_ns
        for key in self._payloads.keys(event):
            if (found := self._outstanding.take(key)) is not None:
                self._answered(*found, received.at)
                return
        if self._could_answer(event):
            self._totals.unmatched += 1
        if self._slow is not None and isinstance(event, TextMessage):
            self._slow.messages.add(event.text)
        if isinstance(event, TextMessage | BinaryMessage):
            self._on_message(received)
        if isinstance(event, TextMessage):
            self._last_text = (event.text[:LAST_MESSAGE_CHARS], self._loop.time())

    def _could_answer(self, event: Event) -> bool:
        if self._options.mode == "ping":
            return isinstance(event, Pong)
        return isinstance(event, TextMessage | BinaryMessage) and not is_load(event)

    def _answered(self, ping: InFlight, fate: Fate, at: Arrival) -> None:
        rtt_ns, clock = round_trip_ns(ping.sent, at)
        lost = fate == "lost"
        self._totals.skipped -= fate == "skipped"
        late = lost or rtt_ns > self._options.timeout_s * 1e9
        if late and not lost:  # it came after its timeout, but we slept through both
            self._lose(ping, self._options.timeout_s)
        http2_ms = None if ping.http2 is None else ping.http2.rtt_ms
        trip = self._observer.round_trip(rtt_ns, ping.sent, at, ping.tcp, ping.backlog)
        trip = trip._replace(http2_ms=http2_ms)
        usual = ping.phase not in ("loaded", "download")
        arrived_ns = at.kernel_ns or at.mono_ns
        cause = self._totals.attributor.add(trip, arrived_ns, usual=usual)
        self._totals.answered(trip.rtt_ms, clock, late=late)
        if not late and not self._outstanding.held_up(ping):
            self._totals.unheld.add(trip.rtt_ms)
        if usual and not late:
            self._totals.saw_inbound(trip)
        self.answers += 1
        self._on_answer()
        self._totals.skipped += self._outstanding.overtake(ping)
        self._answered_load = max(self._answered_load, ping.load_before)
        if self._load is not None:
            self._load.enter(ping.phase, trip.rtt_ms)
        if self._slow is not None:
            self._slow.queued_max = max(self._slow.queued_max, trip.inbound.size)
        self._queue.put_nowait(
            PingReply(
                self._url,
                ping.seq,
                utc_now(),
                trip.rtt_ms,
                late,
                trip.tcp_rtt_ms,
                trip.retransmits,
                ping.tcp.unsent_bytes,
                cause,
                clock,
                http2_ms,
                trip.inbound.size,
                self._target,
            )
        )
        if (began_s := self._outstanding.end_silence(self._clock())) is not None:
            left, silent_ms = len(self._outstanding), (self._clock() - began_s) * 1e3
            self._queue.put_nowait(
                PingResumed(self._url, ping.seq, utc_now(), left, silent_ms, self._target)
            )
        if lost:
            return
        if self._options.paced_by_replies:
            pause_s = 0.0 if self._options.flood else max(ADAPTIVE_PAUSE_S, rtt_ns / 1e9)
            self._not_before_s = ping.sent.mono_ns / 1e9 + pause_s
        if self._options.paced_by_replies or self._is_done():
            self._loop.call_soon(self._tick)

    # -- loss ----------------------------------------------------------------------------------

    def _tell_silence(self, now: float) -> None:
        oldest, unanswered = self._outstanding.oldest, self._outstanding.unanswered
        assert oldest is not None  # it is what is overdue
        waited_ms = (now - oldest.sent_s) * 1e3
        self._queue.put_nowait(
            PingWaiting(self._url, oldest.seq, utc_now(), unanswered, waited_ms, self._target)
        )
        self._on_silence(oldest.sent_s)

    @property
    def silent_since_s(self) -> float | None:
        """When the first Ping after the last answered one left; None: all were answered."""
        oldest = self._outstanding.oldest
        return None if oldest is None else oldest.sent_s

    @property
    def is_silent(self) -> bool:
        """Whether an answer is overdue."""
        return self._outstanding.silent

    def last_message(self) -> str | None:
        """The beginning of a text message that came shortly before now, and was no answer."""
        if self._last_text is None or self._loop.time() - self._last_text[1] > LAST_MESSAGE_S:
            return None
        return self._last_text[0]

    def count_unanswered(self) -> None:
        """Note in the totals what is unanswered at this moment, and what of it is overdue."""
        overdue, oldest_s = self._outstanding.overdue_now(self._clock())
        self._totals.unanswered, self._totals.overdue = len(self._outstanding), overdue
        self._totals.oldest_unanswered_ms = None if oldest_s is None else oldest_s * 1e3

    def _expire(self, now: float) -> None:
        for ping in self._outstanding.expired(now):
            self._lose(ping, now - ping.sent_s)
            self._lost_in_a_row += 1
            self.last_lost = ping.sent
            self._tell_no_echo()
            if self._options.reconnect and self._lost_in_a_row >= SILENT_AFTER_LOST:
                self._finish("silent")
                return

    def cut_off(self, drop: Drop) -> None:
        """Count what was in flight when the connection ended as lost by that."""
        # from a Close on nothing more is answered, however long TCP stays open after it
        ended_s = min(self._loop.time(), self._session.opened.mono_ns / 1e9 + drop.at_s)
        rest = self._outstanding.clear()
        for ping in rest:
            self._lose(ping, max(0.0, ended_s - ping.sent.mono_ns / 1e9), drop)
        self._totals.cut_off += len(rest)
        self._totals.unanswered = self._totals.overdue = 0
        self._totals.oldest_unanswered_ms = None

    def _lose(self, ping: InFlight, waited_s: float, drop: Drop | None = None) -> None:
        self._totals.lost += 1
        self._totals.overtaken += ping.seq < self._outstanding.answered_seq
        if self._load is not None and ping.phase == "loaded":
            self._load.lost_loaded += 1
        mode = None if self._options.mode == "ping" else self._options.mode
        # what waits for the window of a stream has no place on the wire yet
        unsent = drop is None and not ping.sent.end and self._session.stream.unsent > 0
        self._totals.unsent += unsent
        self._queue.put_nowait(
            PingLost(
                self._url,
                ping.seq,
                utc_now(),
                waited_s * 1e3,
                drop,
                mode,
                self._target,
                unsent or None,
            )
        )

    def _tell_no_echo(self) -> None:
        """Once: in a message mode, a loss before anything was answered."""
        totals = self._totals
        if (
            self._options.mode == "ping"
            or totals.received
            or totals.late
            or totals.no_echo
            or totals.unsent
        ):
            return
        totals.no_echo = True
        others = f"; it sent {totals.unmatched} other messages" if totals.unmatched else ""
        seen = f"no echo: the message sent did not come back in time{others}"
        hint = "the endpoint probably does not echo: use --mode ping, which every endpoint answers"
        error = Error(self._url, "echo", "protocol", seen, hint, self._target)
        self._queue.put_nowait(error)

    # -- load, endings -------------------------------------------------------------------------

    def _start_load(self, now: float) -> None:
        """Begin the load after `idle_s`, or after a third of `count`."""
        if self._load is None or self._pump is None or self._pump.started or self.over.done():
            return
        if self._load.plan.asked:
            self._pump.start()
            return
        count, sent = self._options.count, self._totals.sent - self._sent_before
        enough = count is not None and sent >= max(1, count // 3)
        if enough or now - self._began_s >= self._load.plan.idle_s:
            self._pump.start()

    def _ended(self, end: StreamEnd) -> None:
        self.end = end
        self._finish("ended")

    def _finish(self, why: Why) -> None:
        if self.over.done():
            return
        if self._timer is not None:
            self._timer.cancel()
        if self._pump is not None:
            self._pump.stop()
        self.count_unanswered()
        self._totals.unfinished = self._session.connection.unfinished_frame
        self.note_inbound()
        self.over.set_result(why)
