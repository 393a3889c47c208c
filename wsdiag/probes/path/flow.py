"""The flow of the connection that is traced, from its first packet on."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from wsdiag.transport.path.flow_tracer import FlowTracer
from wsdiag.transport.path.raw import RawSockets


class WatchedFlow:
    """A dial tells it of its connections; it watches the last of them, where that is allowed."""

    def __init__(self) -> None:
        self.tracer: FlowTracer | None = None
        self.peer: tuple[Any, ...] | None = None
        """Where TCP ends; None for a Unix socket."""
        self.on_this_machine = True
        """Whether nothing is between: a Unix socket, loopback, an address of this machine."""
        self.refused = False
        """Whether raw sockets were refused: there is no CAP_NET_RAW."""
        self._sockets: RawSockets | None = None

    def connecting(self, peer: tuple[Any, ...]) -> None:
        """A SYN is about to be sent: nothing of the flow yet."""

    def connected(self, local: tuple[str, int], peer: tuple[Any, ...]) -> None:
        """TCP is connected, and nothing has been sent: watch its packets from here on."""
        self.close()  # of a connection that redirected
        self.peer, self.on_this_machine = peer, is_on_this_machine(local, peer)
        if self.on_this_machine:
            return
        try:
            self._sockets = RawSockets(local[0])
            self.tracer = FlowTracer(self._sockets, local, peer)
        except OSError:
            self.refused = True
            self.close()

    def close(self) -> None:
        """Stop watching. Harmless when repeated."""
        if self.tracer is not None:
            self.tracer.close()
        if self._sockets is not None:
            self._sockets.close()
        self.tracer = self._sockets = None


def is_on_this_machine(local: tuple[str, int], peer: tuple[Any, ...]) -> bool:
    """Whether a connection's peer is loopback, or an address of this machine."""
    address = str(peer[0]).partition("%")[0]
    found = ip_address(address)  # 0.0.0.0 and :: reach loopback
    return address == local[0] or found.is_loopback or found.is_unspecified
