"""Made-up worlds: whatever ends connections there, met by the probe's own trials in virtual time.

A world takes the place of `open_session`; the trials, their states and the round that runs them are
those of the probe. Times are exact: what is left to doubt is the world's own.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal
from unittest import mock

from tests.property.virtual_time import VirtualLoop, run_virtually
from wsdiag.judgement.verdict.judge import judge
from wsdiag.probes.idle import connection as connections
from wsdiag.probes.idle import endpoint as endpoints
from wsdiag.probes.idle.context import EndpointFacts, RoundContext
from wsdiag.probes.idle.options import IdleOptions
from wsdiag.protocol.events import Close, Pong, TextMessage
from wsdiag.records import IdleTrial, IdleVerdict
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialError, DialReport
from wsdiag.transport.session import Received, SessionEnded
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import Arrival

RTT_S = 0.001
URL = "ws://made.up.test/"
Bytes = Literal["sent", "received", "segment", "message"]
RESTARTED_BY: dict[str, tuple[Bytes, ...]] = {
    "any": ("sent", "received", "message"),
    "client": ("sent", "message"),
    "server": ("received",),
    "segments": ("sent", "received", "message", "segment"),
    "messages": ("message",),
}


@dataclass(frozen=True, kw_only=True)
class Dropper:
    """An idle timer; seconds. `period_s`: it is looked at only so often, from `phase_s` on, and by
    the probe's clock. `longer_s`: how much longer each connection's timeout is. `dead_s`: from its
    end on nothing passes, and FIN comes that much later."""

    timeout_s: float
    counts: str = "any"
    how: Literal["fin", "rst", "close", "silent"] = "fin"
    period_s: float | None = None
    phase_s: float = 0.0
    dead_s: float = 0.0
    longer_s: Callable[[random.Random], float] | None = None
    most_longer_s: float = 0.0

    def fires_s(self, due_s: float) -> float:
        """When what is due is done, on the probe's clock."""
        if self.period_s is None:
            return due_s
        return self.phase_s + math.ceil((due_s - self.phase_s) / self.period_s) * self.period_s


@dataclass(frozen=True, kw_only=True)
class World:
    """What ends connections; seconds. None: nothing of that kind does."""

    droppers: tuple[Dropper, ...] = ()
    """The nearest to the client first."""
    lifetime_s: float | None = None
    lives_longer_s: Callable[[random.Random], float] | None = None
    most_lives_longer_s: float = 0.0
    """How much longer each connection lives, and at most."""
    ages_seen_every_s: float | None = None
    """A lifetime is looked at only so often, by the probe's clock."""
    code: int = 1000
    """Of Close frames; other than 1000, all ends are such."""
    events_s: tuple[float, ...] = ()
    """When all that is open ends, on the probe's clock."""
    first_says_s: float | None = None
    says_every_s: float | None = None
    """Messages of the endpoint's own."""
    answer_s: float | None = None
    """It ends a connection so long after a message of its own, unless a message came back."""
    hello_s: float | None = None
    """It ends a connection at this age, unless a message came."""
    ends_when_pinged: bool = False
    one_at_a_time: bool = False
    most: int | None = None
    """Connections at once; beyond, HTTP 429, or with `ends_above_most` an end at once."""
    ends_above_most: bool = False
    evicts: bool = False
    """Beyond `most`, the connection ends that was idle for longest."""
    backends: int = 1
    """Among how many the connections' timeouts are shared out."""
    seed: int = 0


def probe(options: IdleOptions, world: World) -> IdleVerdict:
    """The verdict of a probe in this world."""
    return probed(options, world)[0]


def probed(options: IdleOptions, world: World) -> tuple[IdleVerdict, list[IdleTrial]]:
    """The verdict, and the records that it rests on."""
    loop = VirtualLoop()
    path = _Path(world, loop)
    facts = EndpointFacts(options)
    if world.ends_when_pinged:
        facts.ended_by_pings = 1
    else:
        facts.pong_received(RTT_S, in_use=True)
    context = RoundContext(
        URL,
        facts,
        DialOptions(),
        None,
        path,
        lambda event: None,  # type: ignore[arg-type]
    )

    whole = endpoints.EndpointProbe(context)
    with (
        mock.patch.object(connections, "monotonic_ns", loop.monotonic_ns),
        mock.patch.object(connections, "open_session", path.open_session),
        mock.patch.object(endpoints, "open_session", path.open_session),
    ):
        # Without its control connection, whose findings the world gives.
        run_virtually(loop, whole._rounds())
    return judge(whole.trials, whole.case()), whole.trials


class _Path:
    """The way to a made-up endpoint, and the probe's clock there."""

    def __init__(self, world: World, loop: VirtualLoop) -> None:
        self.world, self.loop = world, loop
        self.suspends: list[tuple[float, float]] = []
        self.open: list[_Connection] = []
        self.opened = 0
        self._start_ns = loop.monotonic_ns()
        for at_s in world.events_s:
            loop.call_at(loop.time() + at_s, self._restart)

    # -- the probe's clock -----------------------------------------------------------------------

    def now_s(self) -> float:
        return self.since_start_s(self.loop.monotonic_ns())

    def since_start_s(self, mono_ns: int) -> float:
        return (mono_ns - self._start_ns) / 1e9

    def stalled_s(self) -> float:
        return 0.0

    def note_suspend(self) -> None:
        pass

    def lost_links(self) -> list[tuple[float, str]]:
        return []

    # -- connections -----------------------------------------------------------------------------

    def _restart(self) -> None:
        for connection in tuple(self.open):
            connection.end("fin")

    async def open_session(self, url: str, options: DialOptions, **ignored: Any) -> _Connection:
        world = self.world
        full = world.most is not None and len(self.open) >= world.most
        if full and world.evicts:
            min(self.open, key=lambda each: each.crossed_s).end("fin")
            full = False
        if full and not world.ends_above_most:
            report = DialReport(url, status=429, reason="Too Many Requests")
            raise DialError("upgrade", "upgrade", "status", "HTTP 429", report)
        if world.one_at_a_time:
            self._restart()
        connection = _Connection(self, self.opened)
        self.opened += 1
        if full:
            self.loop.call_later(RTT_S, connection.end, "fin")
        return connection


class _Connection:
    """One connection: participant, session and stream of the probe's at once."""

    def __init__(self, path: _Path, number: int) -> None:
        self.path, self.world, self.loop = path, path.world, path.loop
        self.session = self.stream = self.connection = self
        self.opened = Arrival(self.loop.monotonic_ns())
        self.report = DialReport(URL, phases_ms={"upgrade": RTT_S * 1e3})
        self.hello_sent_ns = self.unanswered_ns = self.dialect = None
        self.violation = self.close_received = self.close_arrived = None
        self.ended: StreamEnd | None = None
        self.hello_answers_ns: set[int] = set()
        self.tcp = self.http2 = self.dialect = (
            None  # what the kernel, HTTP/2 and a dialect would say
        )
        self.truncated = False
        self.last_activity = self.opened.mono_ns
        self._began_s = self.crossed_s = self.loop.time()
        self._over = self._dead = self._unacknowledged = False
        self._said_s: float | None = None
        self._probed_every_s: float | None = None
        self._on_event: Callable[[Received], None] = lambda seen: None
        self._on_end: Callable[[StreamEnd], None] = lambda end: None
        self._timers: list[asyncio.TimerHandle] = []
        chance = random.Random(self.world.seed * 99_991 + number)
        self._timeouts_s = [
            each.timeout_s + (each.longer_s(chance) if each.longer_s else 0.0)
            for each in self.world.droppers
        ]
        self._restarted_s = [self._began_s for _ in self.world.droppers]
        path.open.append(self)
        for index in range(len(self.world.droppers)):
            self._look(index)
        if self.world.lifetime_s is not None:
            longer = self.world.lives_longer_s
            self._grows_old(self.world.lifetime_s + (longer(chance) if longer else 0.0))
        if self.world.hello_s is not None:
            self._after(self.world.hello_s, self._no_hello)
        if self.world.first_says_s is not None:
            self._after(self.world.first_says_s, self._say)

    def _after(self, seconds: float, call: Callable[[], None]) -> None:
        self._timers.append(self.loop.call_later(seconds, call))

    def _grows_old(self, left_s: float) -> None:
        period_s = self.world.ages_seen_every_s
        if period_s is not None:
            due_s = self.path.now_s() + left_s
            left_s = math.ceil(due_s / period_s) * period_s - self.path.now_s()
        self._after(left_s, lambda: self.end("fin"))

    # -- what the world does ---------------------------------------------------------------------

    def _look(self, index: int) -> None:
        """End the connection if it has been idle for too long, or look again when it will be."""
        dropper, start_s = self.world.droppers[index], self.path.now_s() - self.loop.time()
        due_s = dropper.fires_s(self._restarted_s[index] + self._timeouts_s[index] + start_s)
        left_s = due_s - self.path.now_s()
        if left_s > 1e-6:
            self._after(left_s, lambda: self._look(index))
        elif dropper.how == "silent":
            self._dead = True
        elif dropper.dead_s:
            self._dead = True
            self._after(dropper.dead_s, lambda: self.end(dropper.how))
        else:
            self.end(dropper.how)

    def _no_hello(self) -> None:
        if self._said_s is None:
            self.end("close")

    def _say(self) -> None:
        if self._over:
            return
        asked_s = self.loop.time()
        self._receive(TextMessage("tell me"), "received")
        if self.world.answer_s is not None:
            self._after(self.world.answer_s, lambda: self._no_answer(asked_s))
        if self.world.says_every_s is not None:
            self._after(self.world.says_every_s, self._say)

    def _no_answer(self, asked_s: float) -> None:
        if self._said_s is None or self._said_s < asked_s:
            self.end("close")

    def end(self, how: str) -> None:
        """The connection's end, as it comes to the client; nothing comes through a dead path."""
        silent = any(each.how == "silent" for each in self.world.droppers)
        if self._over or (self._dead and silent):
            return
        at = Arrival(self.loop.monotonic_ns())
        self._leave()
        if how == "close" or self.world.code != 1000:
            self._on_event(Received(Close(self.world.code, ""), at))
        else:
            self._on_end(StreamEnd(how, "", at))  # type: ignore[arg-type]

    def _leave(self) -> None:
        self._over = True
        for timer in self._timers:
            timer.cancel()
        if self in self.path.open:
            self.path.open.remove(self)

    def _crossed(self, what: Bytes) -> None:
        if what != "segment":
            self.crossed_s = self.loop.time()
        for index, dropper in enumerate(self.world.droppers):
            if what in RESTARTED_BY[dropper.counts]:
                self._restarted_s[index] = self.loop.time()

    def _receive(self, event: Pong | TextMessage, what: Bytes) -> None:
        if self._over or self._dead:
            return
        self._crossed(what)
        self.last_activity = self.loop.monotonic_ns()
        self._on_event(Received(event, Arrival(self.last_activity)))

    def _send(self, what: Bytes) -> bool:
        self.last_activity = self.loop.monotonic_ns()
        if self._dead:
            self._unacknowledged = any(each.how == "silent" for each in self.world.droppers)
        elif not self._over:
            self._crossed(what)
        return not (self._dead or self._over)

    # -- what the probe does ---------------------------------------------------------------------

    def push(
        self, on_event: Callable[[Received], None], on_end: Callable[[StreamEnd], None]
    ) -> None:
        self._on_event, self._on_end = on_event, on_end

    def ping(self, payload: bytes) -> None:
        if not self._send("sent"):
            return
        if self.world.ends_when_pinged:
            self.loop.call_later(RTT_S, self.end, "fin")
        else:
            self.loop.call_later(RTT_S, self._receive, Pong(payload), "received")

    def pong(self, payload: bytes) -> None:
        self._send("sent")

    def send_text(self, text: str, *, stamp: bool) -> None:
        if self._send("message"):
            self._said_s = self.loop.time()

    def set_keepalive(self, gap_s: float) -> None:
        def alive() -> None:
            if gap_s == self._probed_every_s and not (self._over or self._dead):
                self._crossed("segment")
                self._after(gap_s, alive)

        self._probed_every_s = gap_s  # instead of what was set before
        self._after(gap_s, alive)

    def meaning_of(self, close: object) -> None:
        return None

    def acknowledged(self, _sent: object = None) -> bool:
        return not self._unacknowledged

    def tcp_info(self) -> None:
        return None

    async def receive(self, timeout: float) -> Received | None:
        """Nothing but the end."""
        over = asyncio.Event()

        def seen(received: Received) -> None:
            if isinstance(received.event, Close):
                over.set()

        self.push(seen, lambda end: over.set())
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), timeout)
            self.ended = StreamEnd("fin", "", Arrival(self.loop.monotonic_ns()))
            raise SessionEnded(self.ended)
        return None

    async def close(self, code: int, *, timeout: float) -> None:
        self._leave()
