"""What a fault is: a small dataclass; its fields are its parameters, its methods are hooks."""

from __future__ import annotations

from asyncio import TimerHandle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from wsdiag.protocol.events import Event
    from wsdiag.protocol.http import Request
    from wsdiag.server.flow import Out
    from wsdiag.server.link import Link
    from wsdiag.server.peer import Peer
    from wsdiag.server.terms import Terms

Direction = Literal["client", "server"]
Silence = Literal["tcp", "tls"]
Group = Literal["behaves", "drops", "delays", "keepalive", "sends", "handshake", "breaks rules"]


@dataclass(slots=True, kw_only=True)
class Fault:
    """One behaviour of one connection. Hooks do nothing unless a fault overrides them."""

    name: ClassVar[str]
    """Its path without the leading slash."""
    summary: ClassVar[str]
    """One line of help: what the client sees."""
    group: ClassVar[Group]
    option: ClassVar[str | None] = ""
    """Its command-line option where it is not the name; None: what serve does anyway."""
    raw: ClassVar[bool] = False
    """Whether it also works between two TCP connections, without knowing frames."""
    auto_pong: ClassVar[bool] = True
    auto_close: ClassVar[bool] = True

    timer: TimerHandle | None = field(default=None, init=False, repr=False)

    def check(self) -> None:
        """Refuse parameters that make no sense together, with ValueError."""

    def silent_from(self) -> Silence | None:
        """On every path: where all falls silent before a request can say which path it wants."""
        return None

    @property
    def deafens(self) -> bool:
        """Whether an unanswered request leaves TCP silent too."""
        return False

    def answer(self, request: Request) -> bytes | None:
        """An HTTP answer instead of the upgrade; b"" for none at all, None to go on."""
        return None

    def agree(self, terms: Terms, request: Request) -> None:
        """Change what the 101 answer will say."""

    def rewrite(self, reply: bytes) -> bytes:
        """Change the 101 answer's bytes."""
        return reply

    def gate(self, link: Link, behind: Out) -> Out:
        """A gate for outgoing bytes in front of `behind`."""
        return behind

    def started(self, link: Link) -> None:
        """Bytes may flow now."""

    def opened(self, peer: Peer) -> None:
        """The WebSocket connection is open."""

    def touched(self, link: Link, by: Direction, count: int) -> None:
        """`count` bytes crossed, sent by the client or by us."""

    def received(self, peer: Peer, event: Event) -> bool:
        """A message or control frame came; True: nobody else answers it."""
        return False

    def ended(self) -> None:
        """The connection is over, or the fault is taken off it."""
        if self.timer is not None:
            self.timer.cancel()

    def arm(self, link: Link, delay: float, action: Callable[[], None]) -> None:
        """Set this fault's one timer, `delay` seconds ahead."""
        if self.timer is not None:
            self.timer.cancel()
        self.timer = link.loop.call_later(max(delay, 0.0), action)

    def act(self, link: Link, delay: float, action: Callable[[], None]) -> None:
        """As `arm`, but with no delay at once: right behind the bytes of the upgrade."""
        if delay:
            self.arm(link, delay, action)
        else:
            action()


def overrides(fault: Fault, hook: str) -> bool:
    """Whether a fault has its own version of a hook: others cost nothing per byte."""
    return getattr(type(fault), hook) is not getattr(Fault, hook)
