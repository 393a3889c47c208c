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

from wsdiag.capture.direction import WRAP, DirectionState, after
from wsdiag.capture.early import Early, EarlySegments
from wsdiag.capture.reassembly import Reassembly
from wsdiag.packets.ip import address_text
from wsdiag.packets.tcp import ACK, FIN, RST, SYN

_LATE_NS = 50_000_000
"""Packets of one moment may be captured in any order."""
_A_FLOW, _A_SEGMENT = 9000, 256
"""About what a flow, and a segment that is kept, take beside their bytes."""
_UNUSUAL = SYN | RST
_MOST_UNSEEN = 1 << 20
"""Bytes that a RST may acknowledge and the capture lacks: a forged one acknowledges anything."""


def address_of(end: tuple[bytes, int]) -> str:
    """An end of a flow as people write it: `10.0.0.1:80`, `[::1]:80`."""
    address, port = address_text(end[0]), end[1]
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Flow(Reassembly):
    """One TCP connection. `ends`: its two addresses, the one that sent the first packet first."""

    __slots__ = (
        "began_ns",
        "early",
        "ends",
        "last_ns",
        "listener",
        "opener",
        "over",
        "reset_acks",
        "reset_ns",
        "states",
    )

    def __init__(self, ends: tuple[tuple[bytes, int], tuple[bytes, int]], time_ns: int) -> None:
        super().__init__()
        self.ends = ends
        self.began_ns = self.last_ns = time_ns
        self.opener: int | None = None
        """Which end opened it: who sent the SYN; None: the capture has none."""
        self.reset_acks = False
        """Whether the RST acknowledged something: then it came from a socket that was there."""
        self.reset_ns: int | None = None
        """When a RST was seen, as long as nothing shows that it was ignored."""
        self.early = EarlySegments(self.states, self._late)
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
                self._reset(number, time_ns, seq, ack if flags & ACK else None, hop_limit)
                return
            self._unusual(number, time_ns, seq, flags, size, window)
        else:
            state.window_closed = False
        state.segments += 1
        state.heard_ns = time_ns
        try:
            state.hop_limits[hop_limit] += 1
        except KeyError:
            state.hop_limits[hop_limit] = 1
        early = self.early
        if early.held:
            early.release(time_ns)
        if flags & ACK and ack != state.acknowledged:
            if ack != self.states[1 - number].position and early.has_to_wait(number, ack):
                early.hold(Early(number, time_ns, ack, seq, flags, hop_limit, data, size, identity))
                return
            self._acknowledge(number, time_ns, ack)
        if size and seq == state.position and not flags & FIN and state.fin_at is None:
            self._deliver(number, time_ns, data, size)  # as nearly always
            if state.stored:
                self._deliver_stored(number, time_ns)
            state.recent.append((hash(identity), time_ns))
        else:
            self._take(number, time_ns, seq, flags, hop_limit, data, size, identity)
        if early.held:
            early.release(time_ns)

    def _take(
        self,
        number: int,
        time_ns: int,
        seq: int,
        flags: int,
        hop_limit: int,
        data: bytes,
        size: int,
        identity: bytes,
    ) -> None:
        """What a segment carries, behind what it acknowledges."""
        state = self.states[number]
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

    def _late(self, early: Early) -> None:
        number, time_ns, ack, seq, flags, hop_limit, data, size, identity = early
        self._acknowledge(number, time_ns, ack)
        self._take(number, time_ns, seq, flags, hop_limit, data, size, identity)

    def _unusual(
        self, number: int, time_ns: int, seq: int, flags: int, size: int, window: int
    ) -> None:
        """What a SYN, a first segment or a closed window changes, before the rest is looked at."""
        state = self.states[number]
        if flags & SYN:
            self.opener = 1 - number if flags & ACK else number
            if state.syn_ns is None:
                state.syn_ns = time_ns
            state.syn = True
            state.position = state.first_seq = (seq + 1) % WRAP
        elif state.position is None:
            state.position = seq if size != 1 else seq + 1  # a probe repeats a byte of before
        if not window and not flags & SYN:
            state.zero_windows += not state.window_closed
            state.window_closed = True
            # who answers so is there, and takes nothing
            self.states[1 - number].resent_since_ns = None

    def held(self) -> int:
        """About how many bytes of memory it and its listener hold."""
        total = _A_FLOW + self.early.held_bytes()
        for state in self.states:
            total += state.stored_bytes + len(state.stored) * _A_SEGMENT
        return total + (0 if self.listener is None else self.listener.held())

    def close(self, time_ns: int) -> None:
        """No more packets will come: what waits behind holes is delivered with gaps."""
        self.early.release(None)
        for number in (0, 1):
            while self.states[number].stored:
                self._give_up_hole(number, time_ns)

    def _bare(self, number: int, time_ns: int, seq: int) -> None:
        """An acknowledgement that does not stand at the next byte: a probe, where right before."""
        state, peer = self.states[number], self.states[1 - number]
        behind = state.position is not None and after(seq, state.position) == -1
        if behind and not state.finished and peer.acknowledged == state.position:
            state.probed(peer.segments, time_ns)

    def _acknowledge(self, number: int, time_ns: int, ack: int) -> None:
        """This end acknowledges what the other one sent: bytes, and holes in the capture."""
        state, peer = self.states[number], self.states[1 - number]
        previous = state.acknowledged
        if previous is not None and after(ack, previous) <= 0:
            return
        state.acknowledged = ack
        peer.resent_since_ns = None
        if self.reset_ns is not None:
            self._maybe_survived(peer, time_ns, ack)
        if ack == peer.position:
            return
        if peer.position is None:
            peer.position = ack
            return
        behind = after(ack, peer.position)
        while behind > 0 and peer.stored:
            if after(ack, peer.first_stored()) <= 0:
                break
            self._give_up_hole(1 - number, time_ns)
            behind = after(ack, peer.position)
        if behind == 1 and (peer.fin_at is None or peer.finished):
            peer.fin_acknowledged = not peer.finished
            return  # a FIN counts as one, and its packet may be the one that is missing
        if behind > 0 and previous is not None:
            self._gap(1 - number, time_ns, behind)

    def _maybe_survived(self, sender: DirectionState, time_ns: int, ack: int) -> None:
        """Whether an acknowledgement is of bytes that were sent when the RST was long there."""
        assert self.reset_ns is not None
        since_ns = self.reset_ns + _LATE_NS
        if (sender.last_ns or 0) < since_ns or sender.position is None or ack != sender.position:
            return
        self.reset_ns, self.over = None, False
        if self.listener is not None:
            self.listener.survived(time_ns)

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

    def _reset(self, number: int, time_ns: int, seq: int, ack: int | None, hop_limit: int) -> None:
        self.early.release(None)
        for each in (0, 1):
            while self.states[each].stored:
                self._give_up_hole(each, time_ns)
        if ack is not None and self.reset_ns is None:
            position = self.states[1 - number].position
            unseen = 0 if position is None else after(ack, position)
            if 0 < unseen <= _MOST_UNSEEN:  # its sender had got them
                self._acknowledge(number, time_ns, ack)
        self._finish_missed(1 - number, time_ns)
        if self.listener is not None:
            self.listener.rst(number, time_ns, hop_limit)
        self.reset_ns = time_ns
        # one that is not in the window is ignored (RFC 9293, 3.10.7.4), if no packets are missing
        state, expected = self.states[number], self.states[1 - number].acknowledged
        if expected is None or 0 <= after(seq, expected) <= after(state.position or seq, expected):
            self.over = True
