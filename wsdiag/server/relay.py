"""A relay of messages: a client's connection on one side, a real endpoint's on the other."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from wsdiag.protocol.deflate import PerMessageDeflate
from wsdiag.protocol.errors import LocalProtocolError
from wsdiag.protocol.events import BinaryMessage, Close, Event, Ping, Pong, TextMessage, Violation
from wsdiag.protocol.server_handshake import refusal
from wsdiag.server.link import QUEUE_HIGH, DropMode, drop_stream
from wsdiag.server.peer import Peer
from wsdiag.transport.dial.dialer import dial
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.target import Target
from wsdiag.transport.report import DialError, DialReport
from wsdiag.transport.session import Received, Session
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stream import Stream

if TYPE_CHECKING:
    from wsdiag.protocol.http import Request
    from wsdiag.server.options import ServerOptions
    from wsdiag.server.server import Server

HOLD_UPSTREAM = 4
_LOOK_AGAIN_S = 0.01
# Headers that belong to one hop, or that our own handshake writes (RFC 9110, 7.6.1).
_OWN = frozenset(
    {
        "host",
        "upgrade",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "content-length",
        "proxy-connection",
        "proxy-authorization",
        "origin",
        "user-agent",
    }
)


async def dial_upstream(options: ServerOptions, request: Request) -> Session:
    """A session with the upstream for a client's request: its path, headers, subprotocols.

    The upstream's own path goes before the client's where it has one. DialError.
    """
    assert options.upstream is not None
    return await dial(
        upstream_url(options.upstream, request.target),
        _dial_options(options, request),
        auto_pong=False,
        timestamps=False,
    )


def upstream_url(upstream: str, target: str) -> str:
    """The upstream with the client's path and query, unless it has a path of its own."""
    parsed = Target.parse(upstream)
    if parsed.path_and_query != "/":
        return upstream
    return upstream.rstrip("/") + (target if target.startswith("/") else "/")


def _dial_options(options: ServerOptions, request: Request) -> DialOptions:
    headers = tuple(
        (name, value)
        for name, value in request.headers
        if name.lower() not in _OWN and not name.lower().startswith("sec-websocket-")
    )
    return DialOptions(
        headers=headers,
        subprotocols=tuple(request.offered_subprotocols),
        origin=request.header("Origin"),
        user_agent=request.header("User-Agent"),
        insecure=options.insecure,
        cacert=options.cacert,
        compression=options.compression,
        max_message_size=options.max_message_size,
    )


def upstream_headers(report: DialReport) -> list[tuple[str, str]]:
    """What of the upstream's answer is for the client: cookies and all that is not of one hop."""
    return [
        (name, value)
        for name, value in report.headers
        if name.lower() not in _OWN and not name.lower().startswith("sec-websocket-")
    ]


def upstream_refusal(error: DialError) -> bytes:
    """The upstream's own answer when it refused the upgrade; 502 with the reason otherwise."""
    report = error.report
    if report.status is not None and report.status != 101:
        return refusal(report.status, upstream_headers(report), report.body)
    return refusal(502, (), f"upstream: {error.message}\n".encode())


class RelayPeer(Peer):
    """A client whose messages, Pings and Close go to the upstream, and back."""

    __slots__ = ("_session",)

    auto_pong = False

    def __init__(
        self,
        server: Server,
        number: int,
        stream: Stream,
        deflate: PerMessageDeflate | None,
        session: Session,
    ) -> None:
        super().__init__(server, number, stream, deflate)
        self._session = session

    def begin(self) -> None:
        """Take what the upstream sends, beginning with what has come already."""
        self._session.push(self._from_upstream, self._upstream_ended)

    # -- client to upstream --------------------------------------------------------------------

    def deliver(self, event: Event) -> None:
        """Pass a message on."""
        with suppress(LocalProtocolError):
            if isinstance(event, TextMessage):
                self._session.send_text(event.text, stamp=False)
            elif isinstance(event, BinaryMessage):
                self._session.send_binary(event.data, stamp=False)
        self._mind_upstream()

    def control(self, event: Event) -> None:
        """Pass a Ping or Pong on."""
        with suppress(LocalProtocolError):
            if isinstance(event, Ping):
                self._session.ping(event.payload)
            elif isinstance(event, Pong):
                self._session.pong(event.payload)

    def client_closing(self, event: Event) -> None:
        """Pass the client's Close on; ours to the client is sent already."""
        assert isinstance(event, Close)
        self._close_upstream(event.code, event.reason)

    def _close_upstream(self, code: int | None, reason: str) -> None:
        with suppress(LocalProtocolError):
            self._session.connection.close(code, reason)
            self._session.stream.write(self._session.connection.data_to_send(), stamp=False)
        self.loop.call_later(2.0, self._session.stream.close)

    def _mind_upstream(self) -> None:
        """Read no more from the client while the upstream does not take what there is."""
        if self._session.stream.unsent > QUEUE_HIGH:
            self.hold(HOLD_UPSTREAM)
            self.loop.call_later(_LOOK_AGAIN_S, self._mind_upstream)
        else:
            self.release(HOLD_UPSTREAM)

    # -- upstream to client --------------------------------------------------------------------

    def _from_upstream(self, received: Received) -> None:
        event = received.event
        if not self.is_open:
            return
        if isinstance(event, TextMessage):
            self.connection.send_text(event.text)
            self.messages_out += 1
        elif isinstance(event, BinaryMessage):
            self.connection.send_binary(event.data)
            self.messages_out += 1
        elif isinstance(event, Ping):
            self.connection.ping(event.payload)
        elif isinstance(event, Pong):
            self.connection.pong(event.payload)
        elif isinstance(event, Close):
            self.closed_by = "upstream"
            self.close(event.code, event.reason)
            return
        elif isinstance(event, Violation):
            self.emit("violation", by="upstream", message=event.error.message)
            self.close(1011, "the upstream broke the protocol")
            return
        self.flush()
        if self.out.held > QUEUE_HIGH:
            self._session.stream.pause_reading()

    def eased(self) -> None:
        """Read on, from both sides."""
        super().eased()
        if self.out.held <= QUEUE_HIGH and self._session.ended is None and not self.over:
            self._session.stream.resume_reading()

    def _upstream_ended(self, end: StreamEnd) -> None:
        """The upstream's TCP ended: so does the client's, in the same way where that is known."""
        # our half of it too, at once: an endpoint waits for that after its FIN
        self._session.stream.close()
        self.server.parted(self._session.stream)
        if self.over or self.connection.close_sent is not None:
            return
        self.emit("upstream-ended", how=end.how)
        self.closed_by = "upstream"
        self.dropped = "rst" if end.how == "rst" else "fin"
        self.over = True
        self.end_faults()
        drop_stream(self.stream, self.dropped)

    # -- endings -------------------------------------------------------------------------------

    def abandon(self, how: DropMode) -> None:
        """A fault dropped the client: the upstream sees the same."""
        if how == "rst-on-write":
            drop_stream(self._session.stream, "silent")
        else:
            drop_stream(self._session.stream, how)

    def close(self, code: int | None, reason: str) -> None:
        """Close both sides in good order."""
        super().close(code, reason)
        if self.closed_by != "upstream":
            self._close_upstream(code, reason)

    def gone(self, end: StreamEnd) -> None:
        """The client is gone: so is the upstream."""
        super().gone(end)
        if self.dropped in ("silent", "hang"):
            self.let_go(self._session.stream)
        elif end.how == "rst":
            self._session.stream.reset()
        elif self._session.connection.close_sent is None:
            self._session.stream.close()
        elif self._session.ended is None:
            self.server.parting(self._session.stream)
