"""TCP reassembly: packets to each direction's bytes in order, and what TCP shows by itself.

A capture is not what an end saw. Segments come twice (retransmitted), early (out of order), in
part again (overlapping), or not at all: lost on the way to whoever captured, although the other
end has them, which its acknowledgement tells. So each direction has a position in its sequence
numbers and a small store of segments beyond it. A segment at the position is delivered, and what
then fits from the store; a hole is given up as a gap when the other end acknowledges bytes behind
it, when the store is full, or at the end of the flow. The listener is told of bytes, gaps and ends,
each with the time of the packet that made it known, so nothing behind this file knows of packets.

A capture of several interfaces has a packet once for each that it crossed. That is no
retransmission: who sends again sends another packet (IP's identification, TCP's timestamps).

Millions of packets come through here, nearly all of them in order: what is done for each of them
is written out in one place, and what is rare is called.
"""

from __future__ import annotations

from typing import Protocol

from wsdiag.capture.direction import WRAP, DirectionState, after
from wsdiag.packets.ip import address_text
from wsdiag.packets.segment import is_unique
from wsdiag.packets.tcp import ACK, FIN, RST, SYN

MOST_STORED = 1 << 20
"""Bytes out of order that are kept for one direction before a hole is given up."""
_MOST_SEGMENTS = 4096
MOST_MARKS = 24
_TWICE_NS = 50_000_000
"""Within this time the same packet again is the same packet, where nothing in it tells."""
_UNUSUAL = SYN | RST


def address_of(end: tuple[bytes, int]) -> str:
    """An end of a flow as people write it: `10.0.0.1:80`, `[::1]:80`."""
    address, port = address_text(end[0]), end[1]
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


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


class Flow:
    """One TCP connection. `ends`: its two addresses, the one that sent the first packet first."""

    __slots__ = ("began_ns", "ends", "last_ns", "listener", "over", "reset_acks", "states")

    def __init__(self, ends: tuple[tuple[bytes, int], tuple[bytes, int]], time_ns: int) -> None:
        self.ends = ends
        self.began_ns = self.last_ns = time_ns
        self.states = (DirectionState(), DirectionState())
        self.listener: FlowListener | None = None
        self.reset_acks = False
        """Whether the RST acknowledged something: then it came from a socket that was there."""
        self.over = False
        """A RST, or a FIN from each end: a new SYN on the same ports begins another flow."""

    def segment(
        self,
        number: int,
        time_ns: int,
        seq: int,
        ack: int,
        flags: int,
        window: int,
        hop_limit: int,
        data: bytes,
        size: int,
        identity: bytes = b"",
    ) -> None:
        """One segment from end `number`. `size`: of its payload on the wire, `data` may be less."""
        state = self.states[number]
        self.last_ns = time_ns
        if flags & _UNUSUAL or not window or state.position is None:
            if flags & RST:
                self.reset_acks = bool(flags & ACK)
                self._reset(number, time_ns, hop_limit)
                return
            self._unusual(state, time_ns, seq, flags, size, window)
        else:
            state.window_closed = False
        state.segments += 1
        state.heard_ns = time_ns
        try:
            state.hop_limits[hop_limit] += 1
        except KeyError:
            state.hop_limits[hop_limit] = 1
        if flags & ACK and ack != state.acknowledged:
            self._acknowledge(number, time_ns, ack)
        if size:
            if seq == state.position:
                self._deliver(number, time_ns, data, size)
                if state.stored:
                    self._deliver_stored(number, time_ns)
            else:
                self._payload(number, time_ns, seq, data, size, identity)
            state.recent.append((hash(identity), time_ns))
        elif seq != state.position and flags == ACK:
            self._bare(number, time_ns, seq)
        if flags & FIN:
            state.fin_at = (seq + size) % WRAP
        if state.fin_at is not None and not state.finished:
            self._maybe_finish(state, number, time_ns, hop_limit)

    def _unusual(
        self, state: DirectionState, time_ns: int, seq: int, flags: int, size: int, window: int
    ) -> None:
        """What a SYN, a first segment or a closed window changes, before the rest is looked at."""
        if flags & SYN:
            if state.syn_ns is None:
                state.syn_ns = time_ns
            state.syn = True
            state.position = state.first_seq = (seq + 1) % WRAP
        elif state.position is None:
            state.position = seq if size != 1 else seq + 1  # a probe repeats a byte of before
        if not window and not flags & SYN:
            state.zero_windows += not state.window_closed
            state.window_closed = True
            one, other = self.states  # who answers so is there, and takes nothing
            (other if state is one else one).resent_since_ns = None

    def close(self, time_ns: int) -> None:
        """No more packets will come: what waits behind holes is delivered with gaps."""
        for number in (0, 1):
            while self.states[number].stored:
                self._give_up_hole(number, time_ns)

    # -- one segment -------------------------------------------------------------------------

    def _payload(
        self, number: int, time_ns: int, seq: int, data: bytes, size: int, identity: bytes
    ) -> None:
        """Bytes that are not the next ones."""
        state, peer = self.states[number], self.states[1 - number]
        assert state.position is not None
        ahead = after(seq, state.position)
        if ahead < 0:
            if size == 1 and ahead == -1 and peer.acknowledged == state.position:
                self._probe(state, peer, time_ns)
                return
            self._sent_again(state, time_ns, identity)
            if ahead + size > 0:  # only the new part of an overlap
                self._deliver(number, time_ns, data[-ahead:], size + ahead)
                if state.stored:
                    self._deliver_stored(number, time_ns)
            return
        known = state.stored.get(seq)
        if known is None or len(known[1]) < len(data):
            state.stored_bytes += len(data) - (0 if known is None else len(known[1]))
            state.stored[seq] = (time_ns, data)
        else:
            self._sent_again(state, time_ns, identity)
        if state.stored_bytes > MOST_STORED or len(state.stored) > _MOST_SEGMENTS:
            self._give_up_hole(number, time_ns)

    def _bare(self, number: int, time_ns: int, seq: int) -> None:
        """An acknowledgement that does not stand at the next byte: a probe, where right before."""
        state, peer = self.states[number], self.states[1 - number]
        behind = state.position is not None and after(seq, state.position) == -1
        if behind and not state.finished and peer.acknowledged == state.position:
            self._probe(state, peer, time_ns)

    def _probe(self, state: DirectionState, peer: DirectionState, time_ns: int) -> None:
        """A keepalive probe (RFC 9293, 3.8.4): a segment from before the window."""
        state.keepalive_probes += 1
        if state.probed_at != peer.segments:
            state.probed_at, state.probes_open = peer.segments, 0
            state.probing_since_ns = time_ns
        state.probes_open += 1

    def _sent_again(self, state: DirectionState, time_ns: int, identity: bytes) -> None:
        sought = hash(identity)
        for known, at_ns in state.recent if identity else ():
            if known == sought and (time_ns - at_ns < _TWICE_NS or is_unique(identity)):
                state.doubles += 1
                return
        state.retransmits += 1
        if state.resent_since_ns is None:
            state.resent_since_ns = time_ns

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
            position = state.position
            seq = min(state.stored, key=lambda each: after(each, position))
            ahead = after(seq, position)
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
        position = state.position
        seq = min(state.stored, key=lambda each: after(each, position))
        self._gap(number, time_ns, after(seq, position))
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

    def _acknowledge(self, number: int, time_ns: int, ack: int) -> None:
        """This end acknowledges what the other one sent: bytes, and holes in the capture."""
        state, peer = self.states[number], self.states[1 - number]
        previous = state.acknowledged
        if previous is not None and after(ack, previous) <= 0:
            return
        state.acknowledged = ack
        peer.resent_since_ns = None
        if ack == peer.position:
            return
        if peer.position is None:
            peer.position = ack
            return
        behind = after(ack, peer.position)
        while behind > 0 and peer.stored:
            position = peer.position
            seq = min(peer.stored, key=lambda each: after(each, position))
            if after(ack, seq) <= 0:
                break
            self._give_up_hole(1 - number, time_ns)
            behind = after(ack, peer.position)
        if behind == 1 and (peer.fin_at is None or peer.finished):
            peer.fin_acknowledged = not peer.finished
            return  # a FIN counts as one, and its packet may be the one that is missing
        if behind > 0 and previous is not None:
            self._gap(1 - number, time_ns, behind)

    def _maybe_finish(
        self, state: DirectionState, number: int, time_ns: int, hop_limit: int
    ) -> None:
        assert state.position is not None
        assert state.fin_at is not None
        if after(state.fin_at, state.position) > 0:
            return
        self._finish_missed(1 - number, time_ns)
        state.finished = True
        state.position = (state.fin_at + 1) % WRAP
        if self.listener is not None:
            self.listener.fin(number, time_ns, hop_limit)
        self.over = self.over or all(each.finished for each in self.states)

    def _finish_missed(self, number: int, time_ns: int) -> None:
        """A FIN that the other end had acknowledged came before what that end sends now."""
        state = self.states[number]
        if state.fin_acknowledged and not state.finished:
            state.finished = True
            if self.listener is not None:
                self.listener.fin(number, time_ns, None)

    def _reset(self, number: int, time_ns: int, hop_limit: int) -> None:
        for each in (0, 1):
            while self.states[each].stored:
                self._give_up_hole(each, time_ns)
        self._finish_missed(1 - number, time_ns)
        if self.listener is not None:
            self.listener.rst(number, time_ns, hop_limit)
        self.over = True
