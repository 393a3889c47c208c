"""What the trials of one endpoint share: where events go, and what is known of the endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wsdiag.probes.idle.clock import ProbeClock
from wsdiag.probes.idle.options import IdleOptions
from wsdiag.records import IdleEvent
from wsdiag.transport.dial.carriers import SharedHttp2
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.trace import Tracer

if TYPE_CHECKING:  # imported where flows are looked for at all
    from wsdiag.probes.idle.locate import Locator

# One connection may have ended by chance when it was pinged.
_ENOUGH_ENDED = 2


@dataclass(slots=True)
class EndpointFacts:
    """What is known of the endpoint so far, from whichever connection."""

    options: IdleOptions
    answers_pings: bool | None = None
    """None: not known yet."""
    echoes: bool = False
    """Whether `options.send` is answered as `options.expect` says."""
    rtt_s: float | None = None
    slow_pong_s: float = 0.0
    """The longest that a Pong took on a connection that was kept in use."""
    ended_by_pings: int = 0
    """Connections that ended as soon as we had sent a Ping, and before it was answered."""
    first_message: str | None = None
    """The beginning of the first text that the endpoint sent on any connection."""
    other_pongs: int = 0
    """Pongs that answered our first Ping with a payload that was not its own."""

    @property
    def pong_timeout_s(self) -> float:
        """How long to wait for a Pong: as asked, or longer where the endpoint is slow."""
        return max(self.options.pong_timeout_s, 2 * self.slow_pong_s)

    @property
    def ends_when_pinged(self) -> bool:
        """Whether Pings seem to end connections here, so that a check by Ping proves nothing."""
        return self.answers_pings is not True and self.ended_by_pings >= _ENOUGH_ENDED

    @property
    def check_text(self) -> str | None:
        """The message that a liveness check sends; None: a Ping, be it for TCP to acknowledge."""
        pingable = self.answers_pings is not False and not self.ends_when_pinged
        return self.options.send if not pingable and self.echoes else None

    def pong_received(self, took_s: float, *, in_use: bool = False) -> None:
        """A Ping was answered, on whichever connection; `in_use`: one that had not been idle."""
        self.answers_pings = True
        if in_use and took_s > self.options.pong_timeout_s:
            self.slow_pong_s = max(self.slow_pong_s, took_s)
        self.rtt_s = took_s if self.rtt_s is None else min(self.rtt_s, took_s)


@dataclass(slots=True)
class RoundContext:
    """One URL's round."""

    url: str
    facts: EndpointFacts
    dial: DialOptions
    tracer: Tracer | None
    clock: ProbeClock
    emit: Callable[[IdleEvent], None]
    round: int = 1
    shared: SharedHttp2 | None = None
    """The HTTP/2 connection of the idle trials; None: each has its own."""
    locator: Locator | None = None
    """None: flows that die are not looked for."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a trial's phase, or a fact, may matter to the round."""
