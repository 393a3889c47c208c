"""Who is on the way, asked by copies of a connection's own segments with small hop limits.

Theory of operation
-------------------

A router that receives a packet whose hop limit is used up says so by ICMP (RFC 1812, 5.3.1), and
quotes it. traceroute sends such packets as a flow of its own; a NAT, a firewall or a router with
several paths of equal cost may treat that one otherwise than the connection that is in question. So
here the packet is a copy of one of the connection's: same addresses and ports, and the sequence
numbers of data that the peer has acknowledged already. It dies on the way; and where it does not,
TCP at the far end sees data that it has, drops them, and acknowledges once more (RFC 9293,
3.10.7.4). No byte is added, none is delayed, and nothing of the socket is touched.

*Which copy an answer is about.* Each copy carries another part of the segment, so sequence number
and size tell them apart, in an ICMP quote as well as in the duplicate SACK (RFC 2883) of the far
end. An answer may come late, or out of order: it is still its own copy's. A far end without
duplicate SACKs is believed a bare acknowledgement of all that we sent, as long as nothing of ours
is on the way that could have caused it.

*A dead flow* is asked by copies of the segment that was lost: what lies before it the peer may have
acknowledged long ago, and a firewall that knows the flow takes it for too old.

*Times* are the kernel's: the copy's when it leaves, by AF_PACKET, and the answer's when it arrives.
Both are CLOCK_REALTIME; where they make no sense beside our own clock, ours counts.

*NAT.* Whoever translates addresses translates the quote back, mostly. Where the quoted source, or
TCP's checksum, is not what was sent, somebody before that hop translates. The reverse proves
nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from random import randrange
from time import monotonic_ns
from typing import Any, Literal

from wsdiag.packets.copies import Copy, Segment, copy_of
from wsdiag.packets.filters import Endpoint
from wsdiag.packets.tcp import ACK, RST
from wsdiag.transport.path.capture import FlowCapture, PeerPacket
from wsdiag.transport.path.raw import IcmpArrival, RawSockets
from wsdiag.transport.stream.stamps import Clock

AnswerKind = Literal["router", "unreachable", "tcp-end", "reset"]

_REMEMBERED = 256
_COPIED_BYTES = 64
_ID_LIMIT = 0x10000
_UNDER_WAY_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class HopAnswer:
    """Who answered a copy: a router whose hop it died at, or TCP at the far end.

    `nat`: True where the quote is not what was sent, else None; `hop_limit`: what was left of the
    answer's own.
    """

    kind: AnswerKind
    address: str
    rtt_ms: float
    clock: Clock
    nat: bool | None
    hop_limit: int | None


@dataclass(slots=True, eq=False)
class HopQuestion:
    """One copy that was sent, and its answer so far."""

    hop_limit: int
    copy: Copy
    sent_mono_ns: int
    sent_real_ns: int | None = None
    answer: HopAnswer | None = None
    error: str | None = None
    """Why it could not be sent."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)


class FlowTracer:
    """Asks the hops of one connection; `on_answer` hears each answer, be it a late one."""

    def __init__(self, sockets: RawSockets, local: Endpoint, peer: tuple[Any, ...]) -> None:
        """Begin to watch a connection that has sent nothing yet. PermissionError, OSError."""
        self.on_answer: Callable[[HopQuestion], None] = lambda _: None
        self._sockets, self._local, self._peer = sockets, local, peer
        address = str(peer[0]).partition("%")[0]
        self._remote: Endpoint = (address, int(peer[1]))
        self._family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._source = socket.inet_pton(self._family, local[0])
        self._destination = socket.inet_pton(self._family, address)
        self._questions: deque[HopQuestion] = deque(maxlen=_REMEMBERED)
        self._identification = randrange(1, _ID_LIMIT)
        self._parts: Iterator[tuple[int, int]] = iter(())
        self._parts_of: Segment | None = None
        self._duplicate_sacks = False
        self.capture = FlowCapture(local, self._remote)
        self.capture.on_copy, self.capture.on_peer = self._copy_left, self._from_peer
        sockets.listen(self._icmp)

    @property
    def address(self) -> str:
        """Where TCP ends."""
        return self._remote[0]

    @property
    def ready(self) -> bool:
        """Whether there is a segment that can be copied."""
        return self.capture.acknowledged is not None

    async def wait_ready(self, timeout_s: float) -> bool:
        """Wait for the first segment of ours that the peer acknowledges."""
        self.capture.read()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self.capture.first_acknowledged.wait()
        return self.ready

    async def ask(
        self, hop_limits: Iterable[int], timeout_s: float, *, lost: bool = False
    ) -> list[HopQuestion]:
        """Send a copy for each hop limit, and wait until all are answered or the time is up.

        `lost`: copies of the segment that was lost, not of the latest that was acknowledged.
        """
        self.capture.read()
        segment = self.capture.lost if lost else self.capture.acknowledged
        if segment is None:
            return []
        asked = [self._send(segment, hop_limit) for hop_limit in hop_limits]
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                for question in asked:
                    if question.error is None:
                        await question.answered.wait()
        return asked

    def close(self) -> None:
        """Stop watching. Harmless when repeated."""
        self._sockets.forget(self._icmp)
        self.capture.close()

    # -- out -----------------------------------------------------------------------------------

    def _send(self, segment: Segment, hop_limit: int) -> HopQuestion:
        self._identification = self._identification % (_ID_LIMIT - 1) + 1
        start, stop = self._next_part(segment)
        copy = copy_of(segment, start, stop, hop_limit, self._identification)
        question = HopQuestion(hop_limit, copy, monotonic_ns())
        self._questions.append(question)
        name = self.capture.interface
        try:
            interface = socket.if_nametoindex(name) if name else 0
            self._sockets.send(copy.packet, self._source, self._peer, interface)
        except OSError as error:
            question.error = error.strerror or str(error)
        return question

    def _next_part(self, segment: Segment) -> tuple[int, int]:
        """Another part of the segment than the last times, as far as there are others."""
        part = next(self._parts, None) if segment is self._parts_of else None
        if part is None:
            self._parts, self._parts_of = _parts(len(segment.payload)), segment
            part = next(self._parts)
        return part

    def _copy_left(self, segment: Segment, hop_limit: int, real_ns: int | None) -> bool:
        size = len(segment.tcp) + len(segment.payload)
        for question in reversed(self._questions):
            copy = question.copy
            if (copy.seq, copy.size, question.hop_limit) == (segment.seq, size, hop_limit):
                question.sent_real_ns = question.sent_real_ns or real_ns
                return True
        return False

    # -- in ------------------------------------------------------------------------------------

    def _icmp(self, arrival: IcmpArrival) -> None:
        error = arrival.error
        if (error.destination, error.destination_port) != (self._destination, self._remote[1]):
            return
        question = self._about(error.seq, error.size)
        ours = (error.source, error.source_port) == (self._source, self._local[1])
        if question is None:
            return
        sum_ = question.copy.checksum
        changed = not ours or (error.checksum is not None and error.checksum != sum_)
        kind: AnswerKind = "router" if error.kind == "time-exceeded" else "unreachable"
        nat = True if changed else None
        self._answer(question, kind, arrival.address, arrival.real_ns, nat, arrival.hop_limit)

    def _about(self, seq: int, size: int) -> HopQuestion | None:
        """The latest question with this sequence number, that of this size if there are several."""
        found = [each for each in self._questions if each.copy.seq == seq]
        exact = [each for each in found if each.copy.size == size]
        found = exact or found
        return found[-1] if found else None

    def _from_peer(self, packet: PeerPacket) -> None:
        question: HopQuestion | None = None
        kind: AnswerKind = "tcp-end"
        if packet.tcp.flags & RST:
            kind, question = "reset", self._farthest()
        elif packet.sack and (question := self._acknowledged_again(packet.sack[0])) is not None:
            self._duplicate_sacks = True
        elif (
            packet.tcp.flags & ACK
            and not (packet.size or packet.sack or self._duplicate_sacks)
            and packet.expected
            and packet.tcp.ack == self.capture.acked
            and self.capture.lost is None
        ):
            question = self._farthest()
        if question is not None:
            self._answer(question, kind, self.address, packet.real_ns, None, packet.hop_limit)

    def _acknowledged_again(self, block: tuple[int, int]) -> HopQuestion | None:
        for question in reversed(self._questions):
            if (question.copy.seq, question.copy.end) == block:
                return question
        return None

    def _farthest(self) -> HopQuestion | None:
        """Of the questions under way the one that comes farthest."""
        since_ns = monotonic_ns() - _UNDER_WAY_NS
        open_ = [
            q
            for q in self._questions
            if q.answer is None and q.error is None and q.sent_mono_ns >= since_ns
        ]
        return max(open_, key=lambda question: question.hop_limit, default=None)

    def _answer(
        self,
        question: HopQuestion,
        kind: AnswerKind,
        address: str,
        real_ns: int | None,
        nat: bool | None,
        hop_limit: int | None,
    ) -> None:
        if question.answer is not None:
            return
        user_ns = monotonic_ns() - question.sent_mono_ns
        if question.sent_real_ns is None:
            self.capture.read()  # the copy's own departure may still be in the queue
        took_ns, clock = user_ns, "user"
        if real_ns is not None and question.sent_real_ns is not None:
            kernel_ns = real_ns - question.sent_real_ns
            if 0 < kernel_ns <= user_ns:
                took_ns, clock = kernel_ns, "kernel"
        question.answer = HopAnswer(kind, address, took_ns / 1e6, clock, nat, hop_limit)  # type: ignore[arg-type]
        question.answered.set()
        self.on_answer(question)


def _parts(length: int) -> Iterator[tuple[int, int]]:
    """Parts of `length` bytes, at most 64 long: (start, stop), first those that reach its end."""
    for stop in range(length, 0, -1):
        for start in range(stop - 1, max(-1, stop - 1 - _COPIED_BYTES), -1):
            yield start, stop
