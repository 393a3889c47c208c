"""From how far away the packets of a connection come, and the one that ended it.

A RST that a machine on the way has made says that it comes from the peer, but its hop limit has
passed fewer routers. It is seen only by whoever looks at packets, so they are looked at from the
beginning: all of the first few, then a sample and every end, chosen by the kernel.
"""

from __future__ import annotations

from wsdiag.packets.copies import segment_of
from wsdiag.packets.filters import Endpoint, connection_filter, end_filter
from wsdiag.transport.path.capture import HopLimits, PacketSocket

_WHOLE_UNTIL = 8


class EndWatch:
    """Watches one connection for where its end comes from."""

    def __init__(self, local: Endpoint, peer: Endpoint) -> None:
        """PermissionError without CAP_NET_RAW."""
        self.limits = HopLimits()
        self._ends: bytes | None = end_filter(local, peer)
        self._sock = PacketSocket(connection_filter(local, peer), self._packet)
        self.read, self.close = self._sock.read, self._sock.close

    def _packet(self, data: bytes, outgoing: bool, _interface: str, _ns: int | None) -> None:
        found = None if outgoing else segment_of(data)
        if found is None:
            return
        _, tcp, hop_limit = found
        self.limits.note(tcp.flags, hop_limit)
        if self._ends is not None and self.limits.usual.total() >= _WHOLE_UNTIL:
            self._sock.refilter(self._ends)
            self._ends = None
