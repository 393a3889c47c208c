"""The messages of one target that pushes: `stream`'s analysis, fed beside the Pings.

One connection does for both: what `wsdiag stream` would find on a connection of its own is found on
the one that is pinged. The analysis wants to be asked now and then, or it would notice a silence
only when it ends; the fleet asks every second.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from wsdiag.exporter.config import ExporterTarget
from wsdiag.probes.common.participant import Participant
from wsdiag.probes.stream.analysis import StreamAnalysis
from wsdiag.probes.stream.options import StreamOptions
from wsdiag.protocol.events import BinaryMessage, TextMessage
from wsdiag.records import PingReply, PingSent
from wsdiag.transport.session import Received


@dataclass(slots=True)
class FeedFigures:
    """What came; times of day in seconds since 1970."""

    messages: int
    bytes: int
    last: float
    """When the last message came, or when waiting for the first began."""
    silences: int
    mutes: int
    lag_s: float | None
    missing: int | None
    """Sequence numbers that did not come; None: they are not looked at."""
    too_large: int | None
    """Messages too large to be looked into; None: none is."""
    irregular: dict[str, int] = field(default_factory=dict)
    """How often sequence numbers did not follow, by how."""


class Feed:
    """Takes messages, Pings and moments; loop times in s."""

    def __init__(self, target: ExporterTarget) -> None:
        options = StreamOptions(seq=target.seq, time=target.time)
        self._analysis = StreamAnalysis(target.url, options)
        self._last = time.time()

    def opened(self, now_s: float) -> None:
        """A connection is open."""
        self._analysis.opened(now_s)

    def closed(self, now_s: float) -> None:
        """It is over."""
        self._analysis.closed(now_s, time.time())

    def received(self, participant: Participant, received: Received) -> None:
        """Take a message, unless it is the application protocol's own."""
        event = received.event
        assert isinstance(event, TextMessage | BinaryMessage)
        message = event.text if isinstance(event, TextMessage) else event.data
        if participant.carries_data(message, event.dropped):
            at_s = (received.at.kernel_ns or received.at.mono_ns) / 1e9
            self._last = time.time() - max(0.0, time.monotonic() - at_s)
            self._analysis.message(message, at_s, self._last, event.dropped)

    def pinged(self, event: PingSent | PingReply, now_s: float) -> None:
        """Take a Ping, or its answer: a feed is mute where Pings are answered and nothing comes."""
        payload, pings = str(event.seq).encode(), self._analysis.pings
        if isinstance(event, PingSent):
            pings.left(payload, now_s)
            return
        rtt_s = event.rtt_ms / 1e3
        if not pings.came(payload, rtt_s):
            pings.left(payload, now_s - rtt_s)
            pings.came(payload, rtt_s)

    def tick(self, now_s: float) -> None:
        """Look for silences; they are counted, their sentences are not needed."""
        self._analysis.tick(now_s, time.time())
        self._analysis.take_events()

    def figures(self) -> FeedFigures:
        """What came so far."""
        analysis = self._analysis
        lag_ms, numbered = analysis.last_lag_ms, analysis.options.seq is not None
        counts = analysis.sequence_counts() if numbered else None
        return FeedFigures(
            messages=analysis.arrivals.messages,
            bytes=analysis.arrivals.bytes,
            last=self._last,
            silences=analysis.silences.count,
            mutes=analysis.silences.mutes,
            lag_s=None if lag_ms is None else lag_ms / 1e3,
            missing=None if counts is None else counts.missing,
            too_large=analysis.too_large if analysis.options.reads_json else None,
            irregular={}
            if counts is None
            else {
                "missing": counts.gaps,
                "repeated": counts.repeated,
                "reordered": counts.reordered,
                "restarted": counts.restarts,
            },
        )
