"""Latency under load: data on the connection while Pings measure, bounded in time and bytes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from wsdiag.judgement.advice import DEFAULT_TIMEOUT_S
from wsdiag.judgement.attribution import QUEUED_BYTES
from wsdiag.probes.ping.payloads import LOAD_MARK
from wsdiag.protocol.errors import LocalProtocolError
from wsdiag.records import Load
from wsdiag.statistics import RunningStatistics
from wsdiag.transport.session import Session
from wsdiag.units import format_duration, format_size

CHUNK = 16 * 1024
PUMP_S = 0.005
# With `max`, this much is kept in our own queue: enough for any path between two turns.
KEPT_QUEUED = 256 * 1024
# With a rate, a peer that does not keep up may make us hold this much, and no more.
MOST_QUEUED = 4 * 2**20

_BODY = LOAD_MARK + b"." * (CHUNK - len(LOAD_MARK))

LoadPhase = Literal["idle", "loaded", "after"]


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
    """What the load did to latency, over all connections: round trips without it and under it."""

    def __init__(self, plan: LoadPlan) -> None:
        self.plan = plan
        self.idle = RunningStatistics()
        self.loaded = RunningStatistics()
        self.sent_bytes = 0
        self.queued_bytes_max = 0
        self.lost_loaded = 0
        self.abandoned_bytes = 0
        """Load that still waited to be sent when the run was ended."""

    def pump(self, session: Session) -> LoadPump:
        """The one that sends the plan's data on this connection; it waits for its `start()`."""
        return LoadPump(session, self)

    def enter(self, phase: LoadPhase, rtt_ms: float) -> None:
        """Take a round trip of a phase; `after` counts as neither idle nor loaded."""
        if phase == "idle":
            self.idle.add(rtt_ms)
        elif phase == "loaded":
            self.loaded.add(rtt_ms)

    def result(self) -> Load:
        """The record of it, with what it means for a Pong timeout."""
        idle, loaded = self.idle.percentile(50), self.loaded.percentile(50)
        return Load(idle, loaded, self.sent_bytes, self.queued_bytes_max, self._explain())

    def _explain(self) -> list[str]:
        if not self.sent_bytes:
            return ["The run ended before any load was sent."]
        queued = f"up to {format_size(self.queued_bytes_max)} of it was queued here"
        if self.queued_bytes_max < QUEUED_BYTES:
            queued = "the endpoint's machine took it as it came"
        sentences = [f"{format_size(self.sent_bytes)} of load: {queued}."]
        if self.abandoned_bytes:
            sentences.append(
                f"The run ended with {format_size(self.abandoned_bytes)} of it still to be sent: "
                "the connection was reset rather than closed, so that nobody waits for that."
            )
        slowest_s = (self.loaded.maximum or 0.0) / 1e3
        if self.lost_loaded:
            sentences.append(
                f"{self.lost_loaded} Pings under load got no Pong in time: a peer that waits 20 s "
                "for its Pong would have dropped this connection."
            )
        elif slowest_s >= DEFAULT_TIMEOUT_S / 4:
            sentences.append(
                f"The slowest Pong under load took {format_duration(slowest_s)}, "
                f"{slowest_s / DEFAULT_TIMEOUT_S:.0%} of the usual 20 s timeout: an endpoint that "
                "falls further behind loses its clients. Send no faster than it reads, or raise "
                "ping_timeout."
            )
        return sentences


class LoadPump:
    """Sends a plan's data on one session by a timer; it never holds more than its bound."""

    def __init__(self, session: Session, meter: LoadMeter) -> None:
        self._session, self._meter = session, meter
        self._loop = asyncio.get_running_loop()
        self._began_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.started = self.finished = False
        self.sent_bytes = 0
        # A slow rate goes out as small messages, twenty a second, not a large one now and then.
        rate = CHUNK * 20.0 if meter.plan.rate == "max" else meter.plan.rate
        self._body = _BODY[: max(len(LOAD_MARK), min(CHUNK, int(rate / 20)))]

    @property
    def phase(self) -> LoadPhase:
        """What a Ping that leaves now measures."""
        if not self.started:
            return "idle"
        # What was queued when the load ended is still ahead of the Pings after it.
        return "after" if self.finished and not self._session.stream.unsent else "loaded"

    def start(self) -> None:
        """Begin to send."""
        self.started, self._began_s = True, self._loop.time()
        self._send()

    def _send(self) -> None:
        plan, elapsed_s = self._meter.plan, self._loop.time() - self._began_s
        left, size = plan.most_bytes - self._meter.sent_bytes, len(self._body)
        if elapsed_s >= plan.time_s or left < size:
            self.stop()
            return
        queued = self._session.stream.unsent
        if plan.rate == "max":
            allowance = min(left, KEPT_QUEUED - queued)
        else:
            due = int(plan.rate * elapsed_s) - self.sent_bytes
            allowance = min(left, due, MOST_QUEUED - queued)
        try:
            while allowance >= size:
                self._session.send_binary(self._body, stamp=False)
                self.sent_bytes += size
                self._meter.sent_bytes += size
                allowance -= size
        except LocalProtocolError:  # the connection is closing
            self.stop()
            return
        self._timer = self._loop.call_later(PUMP_S, self._send)

    def stop(self) -> None:
        """Send no more."""
        self.finished = True
        if self._timer is not None:
            self._timer.cancel()
