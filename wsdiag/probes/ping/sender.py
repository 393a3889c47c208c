"""Pings on one connection: when they leave, what answers them, what is lost. One timer, no task."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from wsdiag.probes.ping.pace import Pace
from wsdiag.probes.ping.payloads import Payloads, is_load
from wsdiag.probes.ping.schedule import Slots
from wsdiag.probes.ping.tcp_observer import TcpObserver, TcpSnapshot
from wsdiag.probes.ping.totals import PingTotals
from wsdiag.protocol.errors import LocalProtocolError
from wsdiag.protocol.events import BinaryMessage, Close, Event, Pong, TextMessage, Violation
from wsdiag.records import Error, PingEvent, PingLost, PingReply, utc_now
from wsdiag.transport.session import Received, Session
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import Arrival, SendRecord, round_trip_ns

if TYPE_CHECKING:
    from wsdiag.probes.ping.load import LoadMeter, LoadPump

FLOOD_PAUSE_S = 0.01
ADAPTIVE_PAUSE_S = 0.001
# Flooding a peer that stopped to answer must not pile up Pings without end.
MOST_IN_FLIGHT = 1024
REMEMBERED_LOST = 1024
SILENT_AFTER_LOST = 3
CLOSE_GRACE_S = 2.0
LOAD_CHECK_S = 0.05

Why = Literal["done", "stopped", "ended", "silent"]
Phase = Literal["idle", "loaded", "after"]


@dataclass(frozen=True, slots=True, eq=False)
class InFlight:
    """One Ping that has left: `at` in loop time, `load_before` in bytes of load sent before it."""

    seq: int
    mark: SendRecord
    at: float
    look: TcpSnapshot
    phase: Phase
    load_before: int
    backlog: int


class PingSender:
    """Sends on `session` by `pace`, writes into `books`, tells `emit`; `over` says why it ended."""

    def __init__(
        self,
        session: Session,
        pace: Pace,
        books: PingTotals,
        witness: TcpObserver,
        emit: Callable[[PingEvent], None],
        congested: Callable[[], bool],
        load: LoadMeter | None = None,
    ) -> None:
        self._session, self._pace, self._books = session, pace, books
        self._witness, self._emit, self._congested = witness, emit, congested
        self._load = load
        self._pump: LoadPump | None = None
        self._loop = asyncio.get_running_loop()
        self.over: asyncio.Future[Why] = self._loop.create_future()
        self.end: StreamEnd | None = None
        """How the stream ended, once it has."""
        self._tokens = Payloads(pace.mode, pace.size)
        self._flying: OrderedDict[bytes, InFlight] = OrderedDict()
        self._lost: OrderedDict[bytes, InFlight] = OrderedDict()
        self._began = self._not_before = self._loop.time()
        self._slots = Slots(self._began, pace.interval)
        self._first = books.sent
        self._answered_seq = self._answered_load = self._lost_in_a_row = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin: the first Ping leaves now."""
        self._session.push(self._received, self._ended)
        self._tick()

    def stop(self) -> None:
        """End now; Pings under way are neither answered nor lost."""
        self._finish("stopped")

    # -- the clock -----------------------------------------------------------------------------

    def _tick(self) -> None:
        """Do what is due, then sleep until the next thing is."""
        if self._timer is not None:
            self._timer.cancel()
        now = self._loop.time()
        self._expire(now)
        self._watch_load(now)
        if self._wants_more() and now >= self._next_send():
            self._send(now)
        if self.over.done():
            return
        if self._is_done():
            self._finish("done")
        else:
            self._timer = self._loop.call_at(self._wake_at(), self._tick)

    def _wake_at(self) -> float:
        times = []
        if self._wants_more():
            times.append(self._next_send())
        if self._flying:
            times.append(next(iter(self._flying.values())).at + self._pace.timeout)
        if self._loading:
            times.append(self._loop.time() + LOAD_CHECK_S)
        return min(times)

    def _next_send(self) -> float:
        return self._not_before if self._pace.by_reply else self._slots.due

    def _wants_more(self) -> bool:
        count = self._pace.count
        if count is None:
            return self._pump is None or not self._pump.finished
        done = self._books.received if self._pace.wait_for_replies else self._books.sent
        return done < count

    def _is_done(self) -> bool:
        if self._wants_more():
            return False
        return self._pace.wait_for_replies or not self._flying

    # -- out -----------------------------------------------------------------------------------

    def _send(self, now: float) -> None:
        if self._pace.by_reply:
            self._not_before = now + (FLOOD_PAUSE_S if self._pace.flood else self._pace.timeout)
        else:
            self._slots.take(now)
        if self._congested() or len(self._flying) >= MOST_IN_FLIGHT:
            return
        try:
            self._launch(now)
        except LocalProtocolError:
            return  # the connection is closing: its end is on its way

    def _launch(self, now: float) -> None:
        seq = self._books.sent + 1
        key, payload = self._tokens.make(seq)
        look = self._witness.look()
        load_before = self._pump.sent_bytes if self._pump else 0
        backlog = load_before - self._answered_load
        mark = self._transmit(payload)
        self._books.sent = seq
        self._books.saw_floor(look.min_rtt_ms)
        self._flying[key] = InFlight(seq, mark, now, look, self._phase(), load_before, backlog)
        if self._load is not None and look.queued_bytes:
            self._load.queued_bytes_max = max(self._load.queued_bytes_max, look.queued_bytes)

    def _transmit(self, payload: bytes) -> SendRecord:
        if self._pace.mode == "ping":
            return self._session.ping(payload)
        if self._pace.mode == "text":
            return self._session.send_text(payload.decode())
        return self._session.send_binary(payload)

    # -- in ------------------------------------------------------------------------------------

    def _received(self, received: Received) -> None:
        if self.over.done():
            return
        self._lost_in_a_row = 0
        event = received.event
        if isinstance(event, Close | Violation):
            # The peer should end TCP now; where it does not, we do not wait for ever.
            self._loop.call_later(CLOSE_GRACE_S, self._finish, "ended")
        elif not self._matched(received) and self._could_answer(event):
            self._books.unmatched += 1

    def _could_answer(self, event: Event) -> bool:
        if self._pace.mode == "ping":
            return isinstance(event, Pong)
        return isinstance(event, TextMessage | BinaryMessage) and not is_load(event)

    def _matched(self, received: Received) -> bool:
        for key in self._tokens.keys(received.event):
            if (flying := self._flying.pop(key, None)) is not None:
                self._answered(flying, received.at)
                return True
            if (lost := self._lost.pop(key, None)) is not None:
                self._reply(lost, received.at, late=True)
                return True
        return False

    def _answered(self, flying: InFlight, at: Arrival) -> None:
        rtt_ns, _ = round_trip_ns(flying.mark, at)
        late = rtt_ns > self._pace.timeout * 1e9
        if late:  # it came after its deadline, but we slept through both
            self._lose(flying, self._pace.timeout)
        self._reply(flying, at, late=late)
        if self._pace.by_reply:
            pause = 0.0 if self._pace.flood else max(ADAPTIVE_PAUSE_S, rtt_ns / 1e9)
            self._not_before = flying.at + pause
        if self._pace.by_reply or self._is_done():
            self._loop.call_soon(self._tick)

    def _reply(self, flying: InFlight, at: Arrival, *, late: bool) -> None:
        facts, clock = self._witness.facts(flying.look, flying.mark, at, flying.backlog)
        self._answered_seq = max(self._answered_seq, flying.seq)
        self._answered_load = max(self._answered_load, flying.load_before)
        arrived_ns = at.kernel_ns or at.mono_ns
        cause = self._books.reply(facts, arrived_ns, late=late, usual=flying.phase != "loaded")
        self._books.clock = clock
        if self._load is not None:
            self._load.enter(flying.phase, facts.rtt_ms)
        self._emit(
            PingReply(
                self._books.url,
                flying.seq,
                utc_now(),
                facts.rtt_ms,
                late,
                facts.tcp_rtt_ms,
                facts.retransmits,
                flying.look.unsent_bytes,
                cause,
                clock,
            )
        )

    # -- loss ----------------------------------------------------------------------------------

    def _expire(self, now: float) -> None:
        while self._flying and not self.over.done():
            key, oldest = next(iter(self._flying.items()))
            if now < oldest.at + self._pace.timeout:
                return
            del self._flying[key]
            self._lost[key] = oldest
            if len(self._lost) > REMEMBERED_LOST:
                self._lost.popitem(last=False)
            self._lose(oldest, now - oldest.at)
            self._judge_silence()

    def _lose(self, flying: InFlight, waited_s: float) -> None:
        self._books.lost += 1
        # RFC 6455, 5.5.3: an endpoint may answer only the latest of several Pings.
        self._books.overtaken += flying.seq < self._answered_seq
        if self._load is not None and flying.phase == "loaded":
            self._load.lost_loaded += 1
        self._emit(PingLost(self._books.url, flying.seq, utc_now(), waited_s * 1e3))

    def _judge_silence(self) -> None:
        self._lost_in_a_row += 1
        books = self._books
        if self._pace.mode != "ping" and not (books.received or books.late or books.no_echo):
            books.no_echo = True
            self._emit(_no_echo(books))
        if self._pace.give_up_silent and self._lost_in_a_row >= SILENT_AFTER_LOST:
            self._finish("silent")

    # -- load ----------------------------------------------------------------------------------

    @property
    def _loading(self) -> bool:
        return self._load is not None and (self._pump is None or not self._pump.finished)

    def _watch_load(self, now: float) -> None:
        if self._load is None or self._pump is not None or self.over.done():
            return
        count = self._pace.count
        enough = count is not None and self._books.sent - self._first >= max(1, count // 3)
        if enough or now - self._began >= self._load.plan.idle_s:
            from wsdiag.probes.ping.load import LoadPump

            self._pump = LoadPump(self._session, self._load)

    def _phase(self) -> Phase:
        if self._pump is None:
            return "idle"
        # What was queued when the load ended still stands in front of the Pings behind it.
        return "after" if self._pump.finished and not self._session.stream.unsent else "loaded"

    # -- endings -------------------------------------------------------------------------------

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
        if why in ("ended", "silent"):
            now = self._loop.time()
            for flying in self._flying.values():
                self._lose(flying, now - flying.at)
            self._books.cut_off += len(self._flying)
        self._flying.clear()
        self.over.set_result(why)


def _no_echo(books: PingTotals) -> Error:
    others = f"; it sent {books.unmatched} other messages" if books.unmatched else ""
    seen = f"no echo: the message sent did not come back in time{others}"
    change = "the endpoint probably does not echo: use --mode ping, which every endpoint answers"
    return Error(books.url, "echo", "protocol", seen, change)
