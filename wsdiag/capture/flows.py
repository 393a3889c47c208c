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

Sequence numbers wrap at 2^32: they are compared by their signed difference to the position.

Millions of packets come through here, nearly all of them in order: what is done for each of them
is written out in one place, and what is rare is called.
"""

from __future__ import annotations

import builtins
import gc
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Protocol

from wsdiag.packets.segment import is_unique
from wsdiag.packets.tcp import ACK, FIN, RST, SYN

MOST_STORED = 1 << 20
"""Bytes out of order that are kept for one direction before a hole is given up."""
MOST_MARKS = 24
_MOST_RECENT = 16
_TWICE_NS = 50_000_000
"""Within this time the same packet again is the same packet, where nothing in it tells."""
MOST_FLOWS = 10_000
"""Flows that are followed at once; beyond that, those that have been still the longest are given
up, and that is counted: a scan leaves half-open flows without end."""
_A_FLOW, _EACH_STORED = 8192, 256
"""About what a flow, and a segment that is kept, take beside their bytes."""
_UNUSUAL = SYN | RST
_HALF = 1 << 31
_WRAP = 1 << 32


def _after(seq: int, position: int) -> int:
    """How far `seq` lies behind `position`; negative: before it."""
    return (seq - position + _HALF) % _WRAP - _HALF


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

    def held(self) -> int:
        """About how many bytes of memory it holds."""


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
            heappush(self.order, ((self.position - self.origin) % _WRAP + ahead, seq))
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
        return (self.position - self.first_seq - self.finished) % _WRAP


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
            state.fin_at = (seq + size) % _WRAP
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
            state.position = state.first_seq = (seq + 1) % _WRAP
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

    def held(self) -> int:
        """About how many bytes of memory it and its listener hold."""
        stored = sum(state.stored_bytes + len(state.stored) * _EACH_STORED for state in self.states)
        return _A_FLOW + stored + (0 if self.listener is None else self.listener.held())

    # -- one segment -------------------------------------------------------------------------

    def _payload(
        self, number: int, time_ns: int, seq: int, data: bytes, size: int, identity: bytes
    ) -> None:
        """Bytes that are not the next ones."""
        state, peer = self.states[number], self.states[1 - number]
        assert state.position is not None
        ahead = _after(seq, state.position)
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
            state.store(seq, ahead, (time_ns, data))
        else:
            self._sent_again(state, time_ns, identity)
        if state.stored_bytes > MOST_STORED or len(state.stored) > 4096:
            self._give_up_hole(number, time_ns)

    def _bare(self, number: int, time_ns: int, seq: int) -> None:
        """An acknowledgement that does not stand at the next byte: a probe, where right before."""
        state, peer = self.states[number], self.states[1 - number]
        behind = state.position is not None and _after(seq, state.position) == -1
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
        state.position = (state.position + size) % _WRAP
        state.bytes += size
        if state.first_ns is None:
            state.first_ns = time_ns
        state.last_ns = time_ns
        if len(state.marks) < MOST_MARKS and state.first_seq is not None:
            state.marks.append(((state.position - state.first_seq) % _WRAP, time_ns))
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
            ahead = _after(seq, state.position)
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
        self._gap(number, time_ns, _after(state.first_stored(), state.position))
        self._deliver_stored(number, time_ns)

    def _gap(self, number: int, time_ns: int, size: int) -> None:
        state = self.states[number]
        assert state.position is not None
        if size <= 0:
            return
        state.position = (state.position + size) % _WRAP
        state.lost_bytes += size
        if self.listener is not None:
            self.listener.gap(number, time_ns, size)

    def _acknowledge(self, number: int, time_ns: int, ack: int) -> None:
        """This end acknowledges what the other one sent: bytes, and holes in the capture."""
        state, peer = self.states[number], self.states[1 - number]
        previous = state.acknowledged
        if previous is not None and _after(ack, previous) <= 0:
            return
        state.acknowledged = ack
        peer.resent_since_ns = None
        if ack == peer.position:
            return
        if peer.position is None:
            peer.position = ack
            return
        behind = _after(ack, peer.position)
        while behind > 0 and peer.stored:
            if _after(ack, peer.first_stored()) <= 0:
                break
            self._give_up_hole(1 - number, time_ns)
            behind = _after(ack, peer.position)
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
        if _after(state.fin_at, state.position) > 0:
            return
        self._finish_missed(1 - number, time_ns)
        state.finished = True
        state.position = (state.fin_at + 1) % _WRAP
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


class FlowTable:
    """All flows that are open. `on_flow` gets each new one, to give it a listener."""

    def __init__(
        self,
        on_flow: Callable[[Flow], None],
        on_over: Callable[[Flow], None],
        *,
        linger: bool = True,
    ) -> None:
        self._flows: dict[bytes, tuple[Flow, int]] = {}
        """By addresses and ports as they stand in a packet, in both directions."""
        self._on_flow, self._on_over = on_flow, on_over
        self._linger = linger
        """Whether flows that are over stay until `expire`: a RST may answer their last bytes."""
        self.given_up = 0
        """Flows that were ended because there were too many."""

    def __len__(self) -> int:
        return len(self._flows) // 2

    def __iter__(self) -> Iterator[Flow]:
        return (flow for flow, number in self._flows.values() if number == 0)

    def segment(
        self,
        time_ns: int,
        ends: bytes,
        seq: int,
        ack: int,
        flags: int,
        window: int,
        hop_limit: int,
        data: bytes,
        size: int,
        identity: bytes = b"",
    ) -> None:
        """One TCP segment, for the flow that it belongs to. `ends`: as in `packets.Segment`."""
        found = self._flows.get(ends)
        if found is None or (flags & (SYN | ACK) == SYN and _is_new(*found, seq)):
            if found is not None:
                self._remove(found[0])
            if flags & RST:
                return  # the answer to what belongs to nothing that was recorded
            found = self._begin(time_ns, ends), 0
        flow, number = found
        flow.segment(number, time_ns, seq, ack, flags, window, hop_limit, data, size, identity)
        if flow.over and not self._linger:
            self._remove(flow)

    def _begin(self, time_ns: int, ends: bytes) -> Flow:
        if len(self) >= MOST_FLOWS:
            self._give_up()
        size = (len(ends) - 4) // 2
        source, destination = ends[:size], ends[size:-4]
        ports = int.from_bytes(ends[-4:-2], "big"), int.from_bytes(ends[-2:], "big")
        flow = Flow(((source, ports[0]), (destination, ports[1])), time_ns)
        self._on_flow(flow)
        self._flows[ends] = (flow, 0)
        self._flows[destination + source + ends[-2:] + ends[-4:-2]] = (flow, 1)
        return flow

    def expire(self, before_ns: int) -> None:
        """End the flows that are over and have been still since then."""
        for flow in [each for each in self if each.over and each.last_ns < before_ns]:
            self._remove(flow)

    def _give_up(self) -> None:
        """End a tenth of the flows: those that are over or never carried a byte go first."""

        def worth(flow: Flow) -> tuple[bool, bool, int]:
            return not flow.over, any(each.bytes for each in flow.states), flow.last_ns

        for flow in sorted(self, key=worth)[: MOST_FLOWS // 10]:
            self.given_up += not flow.over
            self._remove(flow)

    def lighten(self, most: int) -> None:
        """End the flows that hold the most, where all together hold more than `most` bytes."""
        weighed = [(flow.held(), number, flow) for number, flow in enumerate(self)]
        total = sum(held for held, _, _ in weighed)
        if total <= most:
            return
        weighed.sort()
        while total > most // 2:
            held, _, flow = weighed.pop()
            total -= held
            self.given_up += not flow.over
            self._remove(flow)
        gc.collect()  # a flow and its listener know each other

    def finish(self) -> None:
        """The capture has ended: so does every flow in it."""
        for flow in list(self):
            self._remove(flow)

    def _remove(self, flow: Flow) -> None:
        flow.close(flow.last_ns)
        (one, port), (other, other_port) = flow.ends
        near, far = port.to_bytes(2, "big"), other_port.to_bytes(2, "big")
        del self._flows[one + other + near + far]
        self._flows.pop(other + one + far + near, None)  # the same key where both ends are one
        self._on_over(flow)


def _is_new(flow: Flow, number: int, seq: int) -> bool:
    """Whether a SYN begins another connection on the same ports, or is one sent again."""
    state = flow.states[number]
    return flow.over or not state.syn or state.position != (seq + 1) % _WRAP
