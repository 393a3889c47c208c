"""A connection's own packets as the kernel sends and gets them, by AF_PACKET (packet(7)).

The socket is opened when TCP is connected and before a byte is sent, so that the first segment with
data is seen. The kernel filters: no other connection's packets are copied to this process.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from array import array
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, NamedTuple

from wsdiag.packets.copies import Segment, segment_of
from wsdiag.packets.filters import Endpoint, connection_filter
from wsdiag.packets.tcp import ACK, FIN, RST, SYN, TcpHeader, options
from wsdiag.transport.path.raw import SO_TIMESTAMPNS, stamp_ns

_SO_ATTACH_FILTER = 26
_ETH_P_ALL = 0x0003
_OUTGOING = 4  # linux/if_packet.h: PACKET_OUTGOING
_CMSG_SPACE = 128
_KEPT = 64
_BUFFER = 1 << 20
_SACK = 5
_LARGEST = 65536


class PeerPacket(NamedTuple):
    """A packet of the peer's: its header, its hop limit, its SACK blocks, when it came."""

    tcp: TcpHeader
    hop_limit: int
    size: int
    """Bytes of data."""
    sack: tuple[tuple[int, int], ...]
    expected: bool
    """Whether it begins where the peer's data end: a keepalive probe begins before."""
    real_ns: int | None


def later(one: int, other: int) -> bool:
    """Whether sequence number `one` lies after `other` (RFC 9293, 3.4)."""
    return 0 < (one - other) & 0xFFFFFFFF < 1 << 31


class PacketSocket:
    """A filtered AF_PACKET socket; calls back with (packet from IP on, outgoing, interface, ns)."""

    def __init__(
        self, program: bytes, on_packet: Callable[[bytes, bool, str, int | None], None]
    ) -> None:
        """`program`: classic BPF. PermissionError without CAP_NET_RAW."""
        self._loop, self._on_packet = asyncio.get_running_loop(), on_packet
        self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        try:
            self._sock.setblocking(False)
            self.refilter(program)
            self._sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            with suppress(OSError):
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            self._drop_early()
        except OSError:
            self._sock.close()
            raise
        self._loop.add_reader(self._sock, self.read)

    def _drop_early(self) -> None:
        """Drop what came before the filter was there: it is anybody's."""
        with suppress(OSError):
            while True:
                self._sock.recv(1)

    def refilter(self, program: bytes) -> None:
        """Put another filter in the place of this one."""
        code = array("B", program)  # the kernel wants its address; ctypes takes long to import
        attached = struct.pack("HP", len(program) // 8, code.buffer_info()[0])
        self._sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, attached)

    def read(self) -> None:
        """Take what has come."""
        while self._sock.fileno() >= 0:
            try:
                data, ancillary, _, where = self._sock.recvmsg(_LARGEST, _CMSG_SPACE)
            except OSError:
                return
            self._on_packet(data, where[2] == _OUTGOING, where[0], stamp_ns(ancillary))

    def close(self) -> None:
        """Close it. Harmless when repeated."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._sock.close()


class HopLimits:
    """Hop limits of the peer's packets, and that of the first which ended the connection."""

    def __init__(self) -> None:
        self.usual: Counter[int] = Counter()
        self.end: Literal["fin", "rst"] | None = None
        self.end_hop_limit: int | None = None

    def note(self, flags: int, hop_limit: int) -> None:
        """A packet came from the peer, or says that it did."""
        if flags & RST:
            if self.end != "rst":
                self.end, self.end_hop_limit = "rst", hop_limit
        elif flags & FIN:
            if self.end is None:
                self.end, self.end_hop_limit = "fin", hop_limit
        else:
            self.usual[hop_limit] += 1


class FlowCapture:
    """What a connection's packets tell: our segments, and how far the peer acknowledged them."""

    def __init__(self, local: Endpoint, peer: Endpoint) -> None:
        """PermissionError without CAP_NET_RAW."""
        self.acknowledged: Segment | None = None
        """Our latest segment with data that the peer has acknowledged whole."""
        self.first_acknowledged = asyncio.Event()
        self.interface = ""
        """The name of that by which our packets leave."""
        self.limits = HopLimits()
        self.acked: int | None = None
        self.on_copy: Callable[[Segment, int, int | None], bool] = lambda *_: False
        """Told of each packet of ours with its hop limit: whether it was made by us."""
        self.on_peer: Callable[[PeerPacket], None] = lambda _: None
        self._own: deque[Segment] = deque(maxlen=_KEPT)
        self._peer_end: int | None = None
        self._sock = PacketSocket(connection_filter(local, peer), self._packet)
        self.read, self.close = self._sock.read, self._sock.close

    @property
    def lost(self) -> Segment | None:
        """Our first segment with data that the peer has not acknowledged; None: there is none."""
        return self._own[0] if self._own else None

    def _packet(self, data: bytes, outgoing: bool, interface: str, real_ns: int | None) -> None:
        found = segment_of(data)
        if found is None:
            return
        segment, tcp, hop_limit = found
        if outgoing:
            if not self.on_copy(segment, hop_limit, real_ns):
                self._sent(segment, tcp, interface)
        else:
            self._received(segment, tcp, hop_limit, real_ns)

    def _sent(self, segment: Segment, tcp: TcpHeader, interface: str) -> None:
        self.interface = interface
        if not segment.payload or tcp.flags & (SYN | RST):
            return
        if self._own and not later(segment.end, self._own[-1].end):
            return  # sent again
        if self.acked is None or later(segment.end, self.acked):
            self._own.append(segment)

    def _received(
        self, segment: Segment, tcp: TcpHeader, hop_limit: int, real_ns: int | None
    ) -> None:
        expected = self._peer_end is None or tcp.seq == self._peer_end
        blocks: tuple[tuple[int, int], ...] = ()
        if len(segment.tcp) > 20:
            packed = options(segment.tcp, 20, len(segment.tcp)).get(_SACK, b"")
            words = struct.unpack_from(f"!{len(packed) // 8 * 2}I", packed)
            blocks = tuple(zip(words[::2], words[1::2], strict=True))
        self.limits.note(tcp.flags, hop_limit)
        if not tcp.flags & RST and (self._peer_end is None or later(segment.end, self._peer_end)):
            self._peer_end = segment.end
        if tcp.flags & ACK and not tcp.flags & RST:
            self._acknowledge(tcp.ack)
        size = len(segment.payload)
        self.on_peer(PeerPacket(tcp, hop_limit, size, blocks, expected, real_ns))

    def _acknowledge(self, ack: int) -> None:
        if self.acked is None or later(ack, self.acked):
            self.acked = ack
        while self._own and not later(self._own[0].end, self.acked):
            self.acknowledged = self._own.popleft()
            self.first_acknowledged.set()
