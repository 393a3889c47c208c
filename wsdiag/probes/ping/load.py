"""Latency under load: data on the connection while Pings measure, bounded in time and bytes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from wsdiag.judgement.attribution import QUEUED_BYTES
from wsdiag.probes.ping.payloads import LOAD_MARK
from wsdiag.protocol.errors import LocalProtocolError
from wsdiag.records import Load
from wsdiag.statistics import RunningStatistics
from wsdiag.transport.session import Session
from wsdiag.units import format_duration, format_size

CHUNK = 16 * 1024
PUMP_S = 0.005
# With `max`, this much waits in our own queue: enough to keep any path busy between two pumps.
KEPT_QUEUED = 256 * 1024
# With a rate, a peer that does not keep up may make us hold this much, and no more.
MOST_QUEUED = 4 * 2**20
DEADLINE_S = 20.0

_BODY = LOAD_MARK + b"." * (CHUNK - len(LOAD_MARK))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """What is sent after `idle_s`, for `time_s`, up to `most_bytes`; `rate` in bytes/s or `max`."""

    rate: float | Literal["max"]
    idle_s: float = 5.0
    time_s: float = 10.0
    most_bytes: int = 64 * 2**20

    def announcement(self) -> str:
        """One sentence that says what will be sent, before it is."""
        pace = (
            "as fast as it is taken"
            if self.rate == "max"
            else f"at {format_size(int(self.rate))}/s"
        )
        return (
            f"--load: after {format_duration(self.idle_s)} of idle measuring, binary messages "
            f"{pace} for {format_duration(self.time_s)}, at most {format_size(self.most_bytes)}."
        )


class LoadMeter:
    """What the load did to latency: two sets of round trips, and the longest queue."""

    def __init__(self, plan: LoadPlan) -> None:
        self.plan = plan
        self.idle = RunningStatistics()
        self.loaded = RunningStatistics()
        self.sent_bytes = 0
        self.queued_bytes_max = 0
        self.lost_loaded = 0

    def enter(self, phase: str, rtt_ms: float) -> None:
        """Take a round trip of phase `idle`, `loaded` or `after` (which counts as neither)."""
        if phase == "idle":
            self.idle.add(rtt_ms)
        elif phase == "loaded":
            self.loaded.add(rtt_ms)

    def result(self) -> Load:
        """The record of it, with what it means for a Pong deadline."""
        idle, loaded = self.idle.percentile(50), self.loaded.percentile(50)
        return Load(idle, loaded, self.sent_bytes, self.queued_bytes_max, self._explain())

    def _explain(self) -> list[str]:
        if not self.sent_bytes:
            return ["The run ended before any load was sent."]
        sent, queued = format_size(self.sent_bytes), self.queued_bytes_max
        waited = f"up to {format_size(queued)} of it waited on this side for the endpoint to take"
        if queued < QUEUED_BYTES:
            waited = "the endpoint's machine took it as it came"
        return [f"{sent} of load: {waited}.", *self._deadline()]

    def _deadline(self) -> list[str]:
        slowest = self.loaded.maximum
        if self.lost_loaded:
            return [
                f"{self.lost_loaded} Pings under load got no Pong in time: a peer that waits 20 s "
                "for its Pong would have dropped this connection."
            ]
        if slowest is None:
            return []
        share = slowest / 1e3 / DEADLINE_S
        if share < 0.25:
            return []
        return [
            f"The slowest Pong under load took {format_duration(slowest / 1e3)}, {share:.0%} of "
            "the usual 20 s deadline: an endpoint that falls further behind loses its clients. "
            "Slow the sender down to what is read, or raise ping_timeout."
        ]


class LoadPump:
    """Sends a plan's data on one session by a timer; it never holds more than its bound."""

    def __init__(self, session: Session, meter: LoadMeter) -> None:
        self._session = session
        self._meter = meter
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self.sent_bytes = 0
        self.finished = False
        # A slow rate goes out as small messages, twenty a second, not a large one now and then.
        rate = CHUNK * 20.0 if meter.plan.rate == "max" else meter.plan.rate
        self._body = _BODY[: max(len(LOAD_MARK), min(CHUNK, int(rate / 20)))]
        self._pump()

    def _pump(self) -> None:
        plan, elapsed = self._meter.plan, self._loop.time() - self._began
        left = plan.most_bytes - self._meter.sent_bytes
        if elapsed >= plan.time_s or left < len(self._body):
            self.stop()
            return
        try:
            self._send(self._allowance(elapsed))
        except LocalProtocolError:  # the connection is closing
            self.stop()
            return
        self._timer = self._loop.call_later(PUMP_S, self._pump)

    def _allowance(self, elapsed: float) -> int:
        plan, queued = self._meter.plan, self._session.stream.unsent
        left = plan.most_bytes - self._meter.sent_bytes
        if plan.rate == "max":
            return min(left, KEPT_QUEUED - queued)
        return min(left, int(plan.rate * elapsed) - self.sent_bytes, MOST_QUEUED - queued)

    def _send(self, allowance: int) -> None:
        size = len(self._body)
        while allowance >= size:
            self._session.send_binary(self._body, stamp=False)
            self.sent_bytes += size
            self._meter.sent_bytes += size
            allowance -= size

    def stop(self) -> None:
        """Send no more."""
        self.finished = True
        if self._timer is not None:
            self._timer.cancel()
