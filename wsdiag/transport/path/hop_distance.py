"""From how far away the packets of a connection come, and the one that ended it.

A RST that a machine on the way has made says that it comes from the peer, but its hop limit has
passed fewer routers. It is seen only by whoever looks at packets, so they are looked at from the
beginning, which is the SYN-ACK: all of the first few, then a sample and every end, chosen by the
kernel.
"""

from __future__ import annotations

from wsdiag.packets.copies import segment_of
from wsdiag.packets.filters import Endpoint, connection_filter, end_filter, peer_filter
from wsdiag.transport.path.capture import HopLimits, PacketSocket

_WHOLE_UNTIL = 8


class EndWatch:
    """Watches one connection for where its end comes from, from before its SYN on."""

    def __init__(self, peer: Endpoint) -> None:
        """PermissionError without CAP_NET_RAW."""
        self.limits = HopLimits()
        self._peer = peer
        self._early: dict[int, HopLimits] = {}
        """By our port, until it is known: what came from the peer so far."""
        self._local_port: int | None = None
        self._ends: bytes | None = None
        self._sock = PacketSocket(peer_filter(peer), self._packet)
        self.read, self.close = self._sock.read, self._sock.close

    def connected(self, local: Endpoint) -> None:
        """Our own address and port are known: other connections are none of ours."""
        self._sock.read()
        self._sock.refilter(connection_filter(local, self._peer))
        self._sock.read()
        self.limits = self._early.get(local[1], self.limits)
        self._early.clear()
        self._ends = end_filter(local, self._peer)
        self._local_port = local[1]

    def _packet(self, data: bytes, outgoing: bool, _interface: str, _ns: int | None) -> None:
        found = None if outgoing else segment_of(data)
        if found is None:
            return
        _, tcp, hop_limit = found
        if self._local_port is None:
            self._early.setdefault(tcp.destination, HopLimits()).note(tcp.flags, hop_limit)
        elif tcp.destination == self._local_port:
            self.limits.note(tcp.flags, hop_limit)
        if self._ends is not None and self.limits.usual.total() >= _WHOLE_UNTIL:
            self._sock.refilter(self._ends)
            self._ends = None
