"""Bytes in order: a direction's segments to what its listener is told, bytes and gaps.

A segment at the position is delivered, and what then fits from the store of those beyond it. A hole
is given up as a gap when the other end acknowledges bytes behind it, when the store is full, or at
the end of the flow.
"""

from __future__ import annotations

from typing import Protocol

from wsdiag.capture.direction import WRAP, DirectionState, after
from wsdiag.packets.segment import is_unique

MOST_STORED = 1 << 20
"""Bytes out of order that are kept for one direction before a hole is given up."""
_MOST_SEGMENTS = 4096
MOST_MARKS = 24


class FlowListener(Protocol):
    """What is told of a flow. `number` 0 is the end that sent the flow's first packet."""

    def data(self, number: int, time_ns: int, data: bytes) -> None:
        """Bytes, in order, from an end."""

    def gap(self, number: int, time_ns: int, size: int) -> None:
        """Bytes that an end sent and the capture lacks; 0: nobody knows how many."""

    def fin(self, number: int, time_ns: int, hop_limit: int | None) -> None:
        """An end has sent everything. `hop_limit` None: its FIN was not captured, or not yet, but
        the other end had acknowledged it."""

    def rst(self, number: int, time_ns: int, hop_limit: int) -> None:
        """A reset, with an end's address as its source."""

    def survived(self, time_ns: int) -> None:
        """Bytes were sent and acknowledged behind the reset: whoever got it ignored it."""

    def held(self) -> int:
        """About how many bytes of memory it holds."""


class Reassembly:
    """Both directions of a flow. `listener` is told; None: nobody listens."""

    __slots__ = ("listener", "states")

    def __init__(self) -> None:
        self.states = (DirectionState(), DirectionState())
        self.listener: FlowListener | None = None

    def _payload(
        self, number: int, time_ns: int, seq: int, data: bytes, size: int, identity: bytes
    ) -> None:
        """Bytes that are not the next ones."""
        state, peer = self.states[number], self.states[1 - number]
        assert state.position is not None
        ahead = after(seq, state.position)
        if ahead < 0:
            if size == 1 and ahead == -1 and peer.acknowledged == state.position:
                state.probed(peer.segments, time_ns)
                return
            self._sent_again(state, time_ns, identity)
            if ahead + size > 0:  # only the new part of an overlap
                self._deliver(number, time_ns, data[-ahead:], size + ahead)
                if state.stored:
                    self._deliver_stored(number, time_ns)
            return
        known = state.stored.get(seq)
        if known is None or len(known[1]) < len(data):
            state.store(seq, ahead, (time_ns, data))
        else:
            self._sent_again(state, time_ns, identity)
        if state.stored_bytes > MOST_STORED or len(state.stored) > _MOST_SEGMENTS:
            self._give_up_hole(number, time_ns)

    def _deliver(self, number: int, time_ns: int, data: bytes, size: int) -> None:
        state = self.states[number]
        assert state.position is not None
        state.position = (state.position + size) % WRAP
        state.bytes += size
        if state.first_ns is None:
            state.first_ns = time_ns
        state.last_ns = time_ns
        if len(state.marks) < MOST_MARKS and state.first_seq is not None:
            state.marks.append(((state.position - state.first_seq) % WRAP, time_ns))
        listener = self.listener
        if listener is None:
            return
        if data:
            listener.data(number, time_ns, data)
        if len(data) < size:  # the capture keeps only the first bytes of each packet
            state.lost_bytes += size - len(data)
            listener.gap(number, time_ns, size - len(data))

    def _deliver_stored(self, number: int, time_ns: int) -> None:
        state = self.states[number]
        while state.stored:
            assert state.position is not None
            seq = state.first_stored()
            ahead = after(seq, state.position)
            if ahead > 0:
                return
            _, data = state.stored.pop(seq)
            state.stored_bytes -= len(data)
            if ahead + len(data) > 0:
                self._deliver(number, time_ns, data[-ahead:] if ahead else data, len(data) + ahead)

    def _give_up_hole(self, number: int, time_ns: int) -> None:
        """The bytes before the first stored segment were not captured, and will not be."""
        state = self.states[number]
        assert state.position is not None
        self._gap(number, time_ns, after(state.first_stored(), state.position))
        self._deliver_stored(number, time_ns)

    def _gap(self, number: int, time_ns: int, size: int) -> None:
        state = self.states[number]
        assert state.position is not None
        if size <= 0:
            return
        state.position = (state.position + size) % WRAP
        state.lost_bytes += size
        if self.listener is not None:
            self.listener.gap(number, time_ns, size)

    def _sent_again(self, state: DirectionState, time_ns: int, identity: bytes) -> None:
        number = hash(identity) if identity else None
        state.sent_again(time_ns, number, unique=is_unique(identity))
