"""Faults that make a connection slow: latency, busy moments, narrow lines, slow readers."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from wsdiag.server.fault import Direction, Fault, Group
from wsdiag.server.gates import DelayGate, HoldGate, PaceGate
from wsdiag.server.link import HOLD_FAULT, Link
from wsdiag.server.params import INTERVAL, MILLISECONDS, RATE, choice, param

if TYPE_CHECKING:
    from wsdiag.server.flow import Out


@dataclass(slots=True, kw_only=True)
class Latency(Fault):
    """Delays all that goes to the client."""

    name: ClassVar[str] = "latency"
    raw: ClassVar[bool] = True
    group: ClassVar[Group] = "delays"
    summary: ClassVar[str] = "delays every answer"

    delay: float = param(50.0, MILLISECONDS, "the delay", name="ms")
    jitter: float = param(0.0, MILLISECONDS, "its spread: standard deviation, or half the range")
    distribution: str = param(
        "normal", choice("normal", "uniform", "exponential"), "of the spread; exponential: adds"
    )

    def draw(self) -> float:
        """One delay in seconds, never negative."""
        if self.distribution == "uniform":
            spread = random.uniform(-self.jitter, self.jitter)
        elif self.distribution == "exponential":
            spread = random.expovariate(1 / self.jitter) if self.jitter else 0.0
        else:
            spread = random.gauss(0.0, self.jitter)
        return max(self.delay + spread, 0.0) / 1e3

    def gate(self, link: Link, behind: Out) -> Out:
        """Hold each write back."""
        return DelayGate(behind, link, self.draw)


@dataclass(slots=True, kw_only=True)
class Stall(Fault):
    """Neither reads nor writes for a moment, again and again; TCP still acknowledges."""

    name: ClassVar[str] = "stall"
    raw: ClassVar[bool] = True
    group: ClassVar[Group] = "delays"
    summary: ClassVar[str] = "does nothing for a moment every so often, like a busy event loop"

    every: float = param(10.0, INTERVAL, "from one moment to the next")
    duration: float = param(0.3, INTERVAL, "how long each lasts", name="for")
    hold: HoldGate | None = field(default=None, init=False, repr=False)

    def gate(self, link: Link, behind: Out) -> Out:
        """Hold writes back while stalled."""
        self.hold = HoldGate(behind)
        return self.hold

    def started(self, link: Link) -> None:
        """Wait for the first moment."""
        self.arm(link, self.every, partial(self._stall, link))

    def _stall(self, link: Link) -> None:
        assert self.hold is not None
        self.hold.shut(True)
        link.hold(HOLD_FAULT)
        self.arm(link, self.duration, partial(self._resume, link))

    def _resume(self, link: Link) -> None:
        assert self.hold is not None
        self.arm(link, self.every, partial(self._stall, link))
        link.release(HOLD_FAULT)
        self.hold.shut(False)
        link.eased()


@dataclass(slots=True, kw_only=True)
class Bandwidth(Fault):
    """Sends no faster than a rate."""

    name: ClassVar[str] = "bandwidth"
    raw: ClassVar[bool] = True
    group: ClassVar[Group] = "delays"
    summary: ClassVar[str] = "sends at most so many bytes a second"

    rate: int = param(65536, RATE, "bytes a second to the client")

    def gate(self, link: Link, behind: Out) -> Out:
        """Let out what the rate allows."""
        return PaceGate(behind, link, self.rate)


@dataclass(slots=True, kw_only=True)
class Trickle(Fault):
    """Sends one byte at a time."""

    name: ClassVar[str] = "trickle"
    raw: ClassVar[bool] = True
    group: ClassVar[Group] = "delays"
    summary: ClassVar[str] = "sends a byte at a time, each in a segment of its own"

    gap: float = param(1.0, MILLISECONDS, "from byte to byte", name="ms")

    def gate(self, link: Link, behind: Out) -> Out:
        """Let out single bytes."""
        return PaceGate(behind, link, 1e3 / max(self.gap, 0.01), piece=1)


@dataclass(slots=True, kw_only=True)
class SlowReader(Fault):
    """Reads no faster than a rate, so that TCP's window closes."""

    name: ClassVar[str] = "slow-reader"
    raw: ClassVar[bool] = True
    group: ClassVar[Group] = "delays"
    summary: ClassVar[str] = "reads at most so many bytes a second: the client's queue fills"

    rate: int = param(1024, RATE, "bytes a second from the client")

    def touched(self, link: Link, by: Direction, count: int) -> None:
        """Wait as long as what was read should have taken."""
        if by == "client":
            link.hold(HOLD_FAULT)
            self.arm(link, count / self.rate, partial(link.release, HOLD_FAULT))
