"""Faults that make a connection slow: latency, busy moments, narrow lines, slow readers."""

from __future__ import annotations

import random
from dataclasses import field
from functools import partial

from wsdiag.server.fault import Channel, Fault, Pause, Sender, fault
from wsdiag.server.filters import DelayFilter, HoldFilter, OutputFilter, RateFilter
from wsdiag.server.params import INTERVAL, MILLISECONDS, RATE, choice, param


@fault("latency", "delays", raw=True)
class Latency(Fault):
    """Delays every answer."""

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

    def output_filter(self, channel: Channel, next_filter: OutputFilter) -> OutputFilter:
        """Hold each write back."""
        return DelayFilter(next_filter, channel.on_drained, self.draw)


@fault("stall", "delays", raw=True)
class Stall(Fault):
    """Does nothing for a moment every so often, like a busy event loop."""

    every: float = param(10.0, INTERVAL, "from one moment to the next")
    duration: float = param(0.3, INTERVAL, "how long each lasts", name="for")
    filter: HoldFilter | None = field(default=None, init=False, repr=False)

    def output_filter(self, channel: Channel, next_filter: OutputFilter) -> OutputFilter:
        """Hold writes back while stalled."""
        self.filter = HoldFilter(next_filter)
        return self.filter

    def started(self, channel: Channel) -> None:
        """Wait for the first moment."""
        self.set_timer(channel, self.every, partial(self._stall, channel))

    def _stall(self, channel: Channel) -> None:
        assert self.filter is not None
        self.filter.shut()
        channel.pause_reading(Pause.FAULT)
        self.set_timer(channel, self.duration, partial(self._resume, channel))

    def _resume(self, channel: Channel) -> None:
        assert self.filter is not None
        # The timer first: what leaves now may end the connection, and with it all timers.
        self.set_timer(channel, self.every, partial(self._stall, channel))
        channel.resume_reading(Pause.FAULT)
        self.filter.open()
        channel.on_drained()


@fault("bandwidth", "delays", raw=True)
class Bandwidth(Fault):
    """Sends at most this many bytes per second."""

    rate: int = param(65536, RATE, "bytes per second to the client")

    def output_filter(self, channel: Channel, next_filter: OutputFilter) -> OutputFilter:
        """Forward what the rate allows."""
        return RateFilter(next_filter, channel.on_drained, self.rate)


@fault("trickle", "delays", raw=True)
class Trickle(Fault):
    """Sends a byte at a time, each in a segment of its own."""

    gap: float = param(1.0, MILLISECONDS, "from byte to byte", name="ms")

    def output_filter(self, channel: Channel, next_filter: OutputFilter) -> OutputFilter:
        """Forward single bytes."""
        return RateFilter(next_filter, channel.on_drained, 1e3 / max(self.gap, 0.01), piece=1)


@fault("slow-reader", "delays", raw=True)
class SlowReader(Fault):
    """Reads at most this many bytes per second: the client's queue fills."""

    rate: int = param(1024, RATE, "bytes per second from the client")

    def transferred(self, channel: Channel, sender: Sender, count: int) -> None:
        """Wait as long as what was read should have taken."""
        if sender == "client":
            channel.pause_reading(Pause.FAULT)
            self.set_timer(channel, count / self.rate, partial(channel.resume_reading, Pause.FAULT))
