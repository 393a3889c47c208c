"""One direction of a flow: where its bytes are, what waits out of order, and what was counted.

Sequence numbers wrap at 2^32: they are compared by their signed difference to the position.
"""

from __future__ import annotations

import builtins
from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush

_MOST_RECENT = 16
_TWICE_NS = 50_000_000
"""Within this time the same packet again is the same packet, where nothing in it tells."""
_HALF = 1 << 31
WRAP = 1 << 32


def after(seq: int, position: int) -> int:
    """How far `seq` lies behind `position`; negative: before it."""
    return (seq - position + _HALF) % WRAP - _HALF


@dataclass(slots=True)
class DirectionState:
    """One direction of a flow: where its bytes are, and what was counted."""

    position: int | None = None
    """The sequence number of the next byte; None: no segment was seen."""
    stored: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    """By sequence number: (time, bytes) of segments beyond the position."""
    order: list[tuple[int, int]] = field(default_factory=list)
    """A heap of (distance from `origin`, sequence number) of what is stored, so that finding the
    first segment takes no look at the others."""
    origin: int = 0
    """The position when the first segment was stored."""
    stored_bytes: int = 0
    fin_at: int | None = None
    finished: bool = False
    fin_acknowledged: bool = False
    """The other end acknowledged one byte more than was captured: a FIN."""
    acknowledged: int | None = None
    """The highest acknowledgement that this end sent."""
    segments: int = 0
    bytes: int = 0
    retransmits: int = 0
    doubles: int = 0
    """Packets that were captured more than once."""
    recent: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=_MOST_RECENT))
    """(identity's hash, time) of the last packets with payload."""
    lost_bytes: int = 0
    keepalive_probes: int = 0
    probes_open: int = 0
    """Probes since the other end's last packet, which is number `probed_at` of it."""
    probed_at: int = -1
    probing_since_ns: int | None = None
    zero_windows: int = 0
    window_closed: bool = False
    hop_limits: dict[int, int] = field(default_factory=dict)
    first_ns: int | None = None
    last_ns: int | None = None
    """When it last sent bytes that were new."""
    heard_ns: int | None = None
    """When its last packet came."""
    resent_since_ns: int | None = None
    """When the bytes that are being sent again without an answer were first sent again."""
    syn: bool = False
    syn_ns: int | None = None
    first_seq: int | None = None
    """The sequence number of its first byte."""
    marks: list[tuple[int, int]] = field(default_factory=list)
    """(how far its bytes reached, time) of the first segments."""

    def store(self, seq: int, ahead: int, segment: tuple[int, builtins.bytes]) -> None:
        """Keep a segment, (time, bytes), that lies `ahead` of the position."""
        known = self.stored.get(seq)
        if known is None:
            assert self.position is not None
            if not self.stored:
                self.order.clear()
                self.origin = self.position
            heappush(self.order, ((self.position - self.origin) % WRAP + ahead, seq))
        self.stored_bytes += len(segment[1]) - (0 if known is None else len(known[1]))
        self.stored[seq] = segment

    def first_stored(self) -> int:
        """The sequence number of the first stored segment; there must be one."""
        while self.order[0][1] not in self.stored:
            heappop(self.order)
        return self.order[0][1]

    @property
    def reached(self) -> int | None:
        """How far its bytes reached, counted from the first one, in sequence numbers."""
        if self.position is None or self.first_seq is None:
            return None
        return (self.position - self.first_seq - self.finished) % WRAP

    def probed(self, heard: int, time_ns: int) -> None:
        """A keepalive probe (RFC 9293, 3.8.4): a segment from before the window. `heard`: packets
        of the other end so far."""
        self.keepalive_probes += 1
        if self.probed_at != heard:
            self.probed_at, self.probes_open = heard, 0
            self.probing_since_ns = time_ns
        self.probes_open += 1

    def sent_again(self, time_ns: int, identity: int | None, *, unique: bool) -> None:
        """Bytes from before the position: a retransmission, or one packet captured twice.
        `identity`: the packet's, as in `recent`, if any; `unique`: no other packet has it."""
        for known, at_ns in self.recent if identity is not None else ():
            if known == identity and (unique or time_ns - at_ns < _TWICE_NS):
                self.doubles += 1
                return
        self.retransmits += 1
        if self.resent_since_ns is None:
            self.resent_since_ns = time_ns
