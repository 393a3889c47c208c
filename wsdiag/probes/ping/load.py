"""Latency under load: data on the connection while Pings measure, bounded in time and bytes.

Upload (`--load`) is what we send. Download is what `wsdiag serve` sends when it is asked to by a
message that names a rate; another endpoint is asked by `--hello`, and then sends from the beginning
on, so that nothing idle can be measured. With both, the download comes when the upload has left.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
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

DOWNLOAD_MARK = "wsdiag-download: "
"""What asks `serve` for data; a rate in bytes a second follows, `max`, or 0 for no more."""
# The upload's rest leaves before the download begins, if it does within this.
DRAIN_S = 3.0

LoadPhase = Literal["idle", "loaded", "download", "after"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """What is sent after `idle_s`, for `time_s`, up to `most_bytes`; `rate` in bytes/s or `max`.

    Then the `download`, in bytes/s or `max`; `asked`: the endpoint has been asked by a hello.
    """

    rate: float | Literal["max"] | None
    download: float | Literal["max"] | None = None
    asked: bool = False
    idle_s: float = 5.0
    time_s: float = 10.0
    most_bytes: int = 64 * 2**20

    def announcement(self) -> str:
        """What will be sent and asked for, before it is."""
        if self.rate is None:
            return (
                f"--download: after {format_duration(self.idle_s)} of idle measuring, messages "
                f"are asked for {_pace(self.download)} for {format_duration(self.time_s)}."
            )
        pace = _pace(self.rate)
        also = f" Then messages are asked for {_pace(self.download)}." if self.download else ""
        return (
            f"--load: after {format_duration(self.idle_s)} of idle measuring, binary messages "
            f"{pace} for {format_duration(self.time_s)}, at most {format_size(self.most_bytes)}."
            + also
        )


def _pace(rate: float | Literal["max"] | None) -> str:
    if rate == "max" or rate is None:
        return "as fast as it is taken"
    return f"at {format_size(int(rate))}/s"


class LoadMeter:
    """What the load did to latency, over all connections: round trips without it and under it."""

    def __init__(self, plan: LoadPlan) -> None:
        self.plan = plan
        self.idle = RunningStatistics()
        self.loaded = RunningStatistics()
        self.download = RunningStatistics()
        self.received_bytes = 0
        self.download_s = 0.0
        """How long downloads took, the longest: the run may end before the plan does."""
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
        elif phase == "download":
            self.download.add(rtt_ms)

    def result(self) -> Load:
        """The record of it, with what it means for a Pong timeout."""
        downloads = self.plan.download is not None
        return Load(
            self.idle.percentile(50),
            self.loaded.percentile(50),
            self.sent_bytes,
            self.queued_bytes_max,
            self._explain(),
            self.download.percentile(50),
            self.received_bytes if downloads else None,
            self.idle.percentile(95),
            self.loaded.percentile(95),
            self.download.percentile(95),
        )

    def _explain(self) -> list[str]:
        sentences = []
        if self.plan.download is not None:
            sentences.append(self._explain_download())
        if self.plan.rate is not None:
            sentences += self._explain_upload()
        return sentences

    def _explain_download(self) -> str:
        if self.received_bytes < CHUNK:
            return (
                "Hardly any data came for --download: wsdiag serve sends some when it is asked, "
                "and another endpoint has to be asked by --hello."
            )
        seconds = format_duration(self.download_s)
        return f"{format_size(self.received_bytes)} came in {seconds} of --download."

    def _explain_upload(self) -> list[str]:
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
        self._began_s = self._asked_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.started = self.finished = False
        self.downloading = False
        self._received_before = 0
        self.sent_bytes = 0
        # A slow rate goes out as small messages, twenty a second, not a large one now and then.
        pace = meter.plan.rate
        rate = CHUNK * 20.0 if pace == "max" or pace is None else pace
        self._body = _BODY[: max(len(LOAD_MARK), min(CHUNK, int(rate / 20)))]

    @property
    def phase(self) -> LoadPhase:
        """What a Ping that leaves now measures."""
        if not self.started:
            return "idle"
        if self.downloading:
            return "download"
        # What was queued when the load ended is still ahead of the Pings after it.
        return "after" if self.finished and not self._session.stream.unsent else "loaded"

    def start(self) -> None:
        """Begin to send."""
        self.started, self._began_s = True, self._loop.time()
        if self._meter.plan.rate is None:
            self._ask()
        else:
            self._send()

    def _send(self) -> None:
        plan, elapsed_s = self._meter.plan, self._loop.time() - self._began_s
        left, size = plan.most_bytes - self._meter.sent_bytes, len(self._body)
        if elapsed_s >= plan.time_s or left < size:
            self._uploaded()
            return
        queued = self._session.stream.unsent
        if plan.rate == "max":
            allowance = min(left, KEPT_QUEUED - queued)
        else:
            assert plan.rate is not None  # else nothing is sent
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

    def _uploaded(self) -> None:
        """All is sent: the download is next, once what is queued has left."""
        if self._meter.plan.download is None:
            self.stop()
        elif self._session.stream.unsent and self._loop.time() < self._began_s + (
            self._meter.plan.time_s + DRAIN_S
        ):
            self._timer = self._loop.call_later(PUMP_S, self._uploaded)
        else:
            self._ask()

    def _ask(self) -> None:
        """Begin the download."""
        plan, inbound = self._meter.plan, self._session.inbound
        self.downloading, self._asked_s = True, self._loop.time()
        self._received_before = 0 if inbound is None else inbound.total
        rate = plan.download if plan.download == "max" else int(plan.download or 0)
        if not plan.asked:
            self._say(f"{DOWNLOAD_MARK}{rate}")
        self._timer = self._loop.call_later(plan.time_s, self.stop)

    def _say(self, text: str) -> None:
        with suppress(LocalProtocolError):  # the connection is closing
            self._session.send_text(text, stamp=False)

    def stop(self) -> None:
        """Send and ask for no more."""
        if self.downloading:
            self.downloading = False
            if self._session.inbound is not None:
                received = self._session.inbound.total - self._received_before
                self._meter.received_bytes += received
                took_s = self._loop.time() - self._asked_s
                self._meter.download_s = max(self._meter.download_s, took_s)
            if not self._meter.plan.asked and self._session.ended is None:
                self._say(f"{DOWNLOAD_MARK}0")
        self.finished = True
        if self._timer is not None:
            self._timer.cancel()
