"""What a fault is, and what it knows of the connection it works on.

A fault is declared once, by the decorator `fault` on a small dataclass in `faults/`, and
everything else is derived from that declaration:

* Its name is its path (`/idle`) and, unless `option` says otherwise, its option (`--idle`).
* Fields made with `param()` are its parameters. The first may follow the name in the path
  (`/idle/60`) and is the option's value (`--idle-timeout 60`); all of them are query parameters
  (`?drop=rst`). A `ParamType` reads a value from text, and says in an error what it expected.
* The docstring's first line is its line of help. That, the group and the parameters' help are what
  `--list`, `--help`, the page at `/` and docs/serve.md say about it (`reference.py`,
  `fault_options.py`).
* Its methods are hooks: a connection calls those that a fault overrides, in the order in which the
  faults were named. All other fields are the state of one connection: the server copies a fault
  for every connection (`dataclasses.replace`), so that a hook may keep there what it needs.

To add a fault is to write that class, and to name it in `FAULTS`: routes, options and documents
look there.

Hooks run in the order of a connection's life. `answer` sees the request, and may reply instead of
upgrading. `negotiate` changes what the 101 will agree to, `rewrite` the 101 itself.
`output_filter` then puts the fault in the way of outgoing bytes, and `started` says that bytes may
flow. Those two, `transferred` and `ended` need no frames: a fault that has no other hooks also
works on a relay of plain bytes (`raw`). `opened` and `received` are for WebSocket connections. A
fault that is put on an open connection, by the control port, begins with `output_filter`.

A fault never sees the stream. It acts through a `Channel`, which stands for one connection of any
transport: `drop` knows how to end it, `pause_reading` how to let back-pressure build up, and what
`send` takes passes the filters of all faults.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Flag, auto
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar, dataclass_transform

from wsdiag.protocol.connection import Connection
from wsdiag.protocol.events import Event
from wsdiag.protocol.http import Request
from wsdiag.server.filters import OutputFilter
from wsdiag.server.reply import HandshakeResponse, Hang, Reply

if TYPE_CHECKING:
    from wsdiag.transport.http2.stream import Http2Stream

DropMode = Literal["close", "fin", "tls-eof", "rst", "silent", "hang", "rst-on-write"]
Sender = Literal["client", "server"]
SilentPhase = Literal["tcp", "tls"]
FaultGroup = Literal[
    "behaves", "drops", "delays", "keepalive", "sends", "handshake", "HTTP/2", "breaks rules"
]
AnyFault = TypeVar("AnyFault", bound="Fault")


class Pause(Flag):
    """Why nothing is read from the client; it is read again when no reason is left."""

    QUEUE = auto()
    """Too many bytes wait to be sent to it."""
    FAULT = auto()
    """A fault holds the connection up."""
    UPSTREAM = auto()
    """A relay's upstream does not take what the client sends."""


class Channel(Protocol):
    """One connection as faults see it, whatever flows through it: frames or plain bytes."""

    loop: AbstractEventLoop
    started_at: float
    """The loop's time when the connection began."""
    out: OutputFilter
    """The first filter that outgoing bytes pass."""
    http2: Http2Stream | None
    """The stream of HTTP/2 that carries it; None over HTTP/1.1."""

    def send(self, data: bytes) -> None:
        """Send bytes through the filters."""

    def drop(self, by: str, how: DropMode, code: int | None = None, reason: str = "") -> None:
        """End the connection; `by` names the fault that wants it."""

    def pause_reading(self, reason: Pause) -> None:
        """Read nothing from the client."""

    def resume_reading(self, reason: Pause) -> None:
        """Read again, unless there are other reasons not to."""

    def on_drained(self) -> None:
        """Fewer bytes wait in the filters than before."""

    def emit(self, event: str, **data: Any) -> None:
        """Report an event of this connection."""


class WebSocketChannel(Channel, Protocol):
    """An open WebSocket connection as faults see it."""

    connection: Connection
    """Its protocol state: what is queued there leaves with the next `flush`."""
    messages_out: int

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent."""

    def flush(self) -> None:
        """Send what the connection has queued."""

    def send_text(self, text: str) -> None:
        """Send a text message now, if the connection is open."""

    def send_pong(self, payload: bytes) -> None:
        """Queue a Pong, if the connection is open."""

    def set_muted(self, muted: bool) -> None:
        """Whether messages are dropped from here on; control frames are sent all the same."""

    def close(self, code: int | None, reason: str) -> None:
        """Start the closing handshake; a code that no endpoint may send is sent as it is."""

    def server_stats(self) -> dict[str, Any]:
        """The server's figures, as JSON values."""


@dataclass(slots=True, kw_only=True)
class Fault:
    """One behaviour of one connection. Hooks do nothing unless a fault overrides them."""

    name: ClassVar[str]
    """Its path without the leading slash."""
    summary: ClassVar[str]
    """One line of help: what the client sees."""
    group: ClassVar[FaultGroup]
    option: ClassVar[str | None]
    """Its command-line option without the dashes; None: it has none."""
    raw: ClassVar[bool] = False
    """Whether it also works between two TCP connections, without knowing frames."""
    auto_pong: ClassVar[bool] = True
    """Whether Pings are still answered as RFC 6455 asks."""

    timer: TimerHandle | None = field(default=None, init=False, repr=False)

    def silent_phase(self) -> SilentPhase | None:
        """On every path: what is not answered any more, before a request can name a path."""
        return None

    def advertises_connect(self) -> bool:
        """On every path: whether SETTINGS of HTTP/2 allow extended CONNECT."""
        return True

    def answer(self, request: Request) -> Reply | Hang | None:
        """What to do instead of the upgrade; None: go on."""
        return None

    def negotiate(self, response: HandshakeResponse, request: Request) -> None:
        """Change what the 101 will agree to."""

    def rewrite(self, reply: Reply) -> None:
        """Change the 101 itself."""

    def output_filter(self, channel: Channel, next_filter: OutputFilter) -> OutputFilter:
        """A filter for outgoing bytes in front of `next_filter`."""
        return next_filter

    def started(self, channel: Channel) -> None:
        """Bytes may flow now."""

    def opened(self, channel: WebSocketChannel) -> None:
        """The WebSocket connection is open."""

    def transferred(self, channel: Channel, sender: Sender, count: int) -> None:
        """`count` bytes crossed."""

    def received(self, channel: WebSocketChannel, event: Event) -> bool:
        """A message or control frame came; True: nobody else answers it."""
        return False

    def ended(self) -> None:
        """The connection is over, or the fault is taken off it."""
        if self.timer is not None:
            self.timer.cancel()

    def set_timer(self, channel: Channel, delay: float, action: Callable[[], None]) -> None:
        """Set this fault's one timer, `delay` seconds ahead."""
        if self.timer is not None:
            self.timer.cancel()
        self.timer = channel.loop.call_later(max(delay, 0.0), action)

    def run_after(self, channel: Channel, delay: float, action: Callable[[], None]) -> None:
        """As `set_timer`, but at once without a delay: right after the bytes of the upgrade."""
        if delay:
            self.set_timer(channel, delay, action)
        else:
            action()

    def overrides(self, hook: str) -> bool:
        """Whether this fault has its own version of a hook: others cost nothing per byte."""
        return getattr(type(self), hook) is not getattr(Fault, hook)


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
def fault(
    name: str,
    group: FaultGroup,
    *,
    option: str | None = "",
    raw: bool = False,
    auto_pong: bool = True,
) -> Callable[[type[AnyFault]], type[AnyFault]]:
    """Declare a fault: a dataclass whose docstring begins with its line of help (`summary`)."""

    def declare(cls: type[AnyFault]) -> type[AnyFault]:
        cls.name, cls.group, cls.raw, cls.auto_pong = name, group, raw, auto_pong
        cls.option = name.replace("/", "-") if option == "" else option
        summary = (cls.__doc__ or "").partition("\n")[0].removesuffix(".")
        cls.summary = summary[:1].lower() + summary[1:]
        return dataclass(slots=True, kw_only=True)(cls)

    return declare
