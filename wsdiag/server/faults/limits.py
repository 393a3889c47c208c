"""Faults of endpoints that ration their clients."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from wsdiag.protocol.events import BinaryMessage, Event, Ping, Pong, TextMessage
from wsdiag.server.fault import Fault, Group
from wsdiag.server.params import CODE, TEXT, choice, param, whole

if TYPE_CHECKING:
    from wsdiag.server.peer import Peer

_COUNTED: dict[str, tuple[type[Event], ...]] = {
    "messages": (TextMessage, BinaryMessage),
    "pings": (Ping, Pong),
    "any": (TextMessage, BinaryMessage, Ping, Pong),
}


@dataclass(slots=True, kw_only=True)
class RateLimit(Fault):
    """Closes on clients that send too much in a second, as many public APIs do."""

    name: ClassVar[str] = "rate-limit"
    group: ClassVar[Group] = "drops"
    summary: ClassVar[str] = "closes once the client sends more than so many messages a second"

    most: int = param(10, whole(1, 10**6), "a second, and at once after silence", name="messages")
    counts: str = param("messages", choice(*_COUNTED), "what is counted; pings: Pongs too")
    code: int = param(1008, CODE, "close code")
    reason: str = param("rate limit exceeded", TEXT, "close reason")
    left: float | None = field(default=None, init=False, repr=False)
    counted_at: float = field(default=0.0, init=False, repr=False)

    def received(self, peer: Peer, event: Event) -> bool:
        """Take from a bucket that fills at the rate and holds a second's worth."""
        if not isinstance(event, _COUNTED[self.counts]):
            return False
        now = peer.loop.time()
        filled = self.most if self.left is None else self.left + (now - self.counted_at) * self.most
        self.left, self.counted_at = min(filled, self.most) - 1, now
        if self.left >= 0:
            return False
        peer.close(self.code, self.reason)
        return True
