"""What the trials of one round share: options, clocks, and what the control connection found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic_ns

from wsdiag.probes.common.stalls import Stalls
from wsdiag.probes.idle.liveness import Method
from wsdiag.probes.idle.options import IdleOptions
from wsdiag.records import IdleEvent
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.machine import SuspendWatch
from wsdiag.transport.trace import Tracer


@dataclass(frozen=True, slots=True)
class Jump:
    """The machine slept: `lost_s` seconds that no clock of ours saw, noticed at `at_s`."""

    at_s: float
    lost_s: float


class ProbeClock:
    """Seconds since the probe's start, and what may have disturbed them."""

    def __init__(self) -> None:
        self._start_ns = monotonic_ns()
        self._suspend = SuspendWatch()
        self._stalls = Stalls()
        self.jumps: list[Jump] = []

    def mono_ns(self) -> int:
        """The monotonic clock now."""
        return monotonic_ns()

    def now_s(self) -> float:
        """Seconds since the probe's start."""
        return self.since_start_s(monotonic_ns())

    def since_start_s(self, mono_ns: int) -> float:
        """A monotonic moment on the probe's axis."""
        return (mono_ns - self._start_ns) / 1e9

    def blind_before_s(self, mono_ns: int) -> float:
        """For how long up to a moment this process had not looked: stopped, or kept off the CPU."""
        at_s = mono_ns / 1e9  # the event loop's axis
        window_s, blind_s = 0.1, self._stalls.within(at_s - 0.1, at_s)
        while blind_s > 0.8 * window_s:
            window_s *= 2
            blind_s = self._stalls.within(at_s - window_s, at_s)
        return blind_s

    def look(self) -> None:
        """Notice a suspend since the last look."""
        lost_s = self._suspend.lost_s()
        if lost_s:
            self.jumps.append(Jump(self.now_s(), lost_s))

    def stop(self) -> None:
        """End the heartbeat."""
        self._stalls.stop()


@dataclass(slots=True)
class RoundContext:
    """One URL's round."""

    url: str
    options: IdleOptions
    dial: DialOptions
    tracer: Tracer | None
    clock: ProbeClock
    emit: Callable[[IdleEvent], None]
    round: int = 1
    answers_pings: bool | None = None
    """None: not known yet."""
    echoes: bool = False
    """Whether `send` is answered as `expect` says."""
    rtt_s: float | None = None
    slow_pong_s: float = 0.0
    """The longest that a Pong took on a connection that was kept in use."""
    other_pongs: int = 0
    """Pongs that answered our first Ping with a payload that was not its own."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def pong_timeout_s(self) -> float:
        """How long to wait for a Pong: as asked, or longer where the endpoint is slow."""
        return max(self.options.pong_timeout_s, 2 * self.slow_pong_s)

    def method(self) -> Method:
        """How to ask a quiet connection whether it lives."""
        if self.answers_pings is not False:
            return "ping"
        return "data" if self.echoes else "ack"

    def pong_seen(self, took_s: float, *, in_use: bool = False) -> None:
        """A Ping was answered, on whichever connection; `in_use`: one that had not been idle."""
        self.answers_pings = True
        if in_use and took_s > self.options.pong_timeout_s:
            self.slow_pong_s = max(self.slow_pong_s, took_s)
        self.rtt_s = took_s if self.rtt_s is None else min(self.rtt_s, took_s)
