"""A connection before its upgrade: reads the request, finds the route, answers."""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import Any

from wsdiag.protocol.deflate import DeflateOffer, PerMessageDeflate
from wsdiag.protocol.errors import HandshakeError
from wsdiag.protocol.http import Request
from wsdiag.protocol.server_handshake import ServerHandshake
from wsdiag.server import page
from wsdiag.server.connection.channel import ConnectionOwner, ServerChannel
from wsdiag.server.connection.client_connection import ClientConnection
from wsdiag.server.connection.relay_connection import RelayConnection
from wsdiag.server.connection.upstream import dial_upstream, forwarded, upstream_refusal
from wsdiag.server.fault import Fault
from wsdiag.server.reply import HandshakeResponse, Hang, Reply
from wsdiag.server.routes import RouteError, resolve
from wsdiag.transport.report import DialError, DialReport
from wsdiag.transport.stream.byte_stream import ByteStream
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import Arrival
from wsdiag.transport.stream.stream import CHUNK

_LINGER_S = 2.0
_MAX_EARLY_BYTES = CHUNK // 2
"""They are read in one callback, with what came in one read with the request."""


class _Phase(Enum):
    READING = auto()
    """The request is not whole yet."""
    WAITING = auto()
    """The upstream is asked first, or nobody will ever answer."""
    DONE = auto()
    """Answered, or the stream is somebody else's by now."""


class PendingUpgrade:
    """One opening handshake, bounded in time and size; hands the stream on, or ends it."""

    def __init__(
        self, owner: ConnectionOwner, number: int, stream: ByteStream, *, full: bool
    ) -> None:
        self.owner, self.number, self.stream = owner, number, stream
        self.loop = asyncio.get_running_loop()
        self._handshake = ServerHandshake(subprotocols=owner.options.subprotocols)
        self._phase = _Phase.READING
        self._hang: Hang | None = None
        self._full = full
        self._early = b""
        self._task: asyncio.Task[None] | None = None
        self._timer = self.loop.call_later(
            owner.options.handshake_timeout, self._refuse, 408, "timeout", "the request timed out"
        )

    # -- the stream's side ---------------------------------------------------------------------

    def data_received(self, data: bytes, at: Arrival) -> None:
        """Bytes of the request."""
        if self._phase is _Phase.WAITING:
            self._early += data  # frames sent before the upgrade is answered wait for it
            if len(self._early) > _MAX_EARLY_BYTES:
                self.stream.pause_reading()
        if self._phase is not _Phase.READING:
            return
        try:
            request = self._handshake.receive(data)
        except HandshakeError as error:
            self.emit("refused", code=error.code, message=error.message)
            self._answer(Reply(None, body=error.reply))
            return
        if request is not None:
            self.take(request)

    def take(self, request: Request) -> None:
        """The request is whole: answer it."""
        self._timer.cancel()
        if self._full:
            self._refuse(503, "busy", "all of this server's --max-connections are in use")
        else:
            self._serve(request)

    def stream_ended(self, end: StreamEnd) -> None:
        """The client left before the handshake was over."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        self.stream.close()
        if self._phase is not _Phase.DONE:
            self.emit("gone", how=end.how)
        self._phase = _Phase.DONE
        self.owner.on_closed(self)

    def emit(self, event: str, **data: Any) -> None:
        """Report an event of this connection."""
        self.owner.emit(self.number, event, {"peer": self.stream.peer, **data})

    def stop(self) -> None:
        """The server stops."""
        if self._hang is Hang.BLACKHOLED:
            self.stream.close_silently()
        elif self._phase is _Phase.WAITING:
            self.stream.reset()
        else:
            self.stream.close()

    # -- answers -------------------------------------------------------------------------------

    def _answer(self, reply: Reply) -> None:
        """Answer with HTTP, then end; what still comes is read: a RST could lose the answer."""
        self._phase = _Phase.DONE
        self._timer.cancel()
        self.send_reply(reply)
        self.stream.half_close()
        self._timer = self.loop.call_later(_LINGER_S, self.stream.close)

    def send_reply(self, reply: Reply) -> None:
        """Write a reply as this version of HTTP has it."""
        self.stream.write(reply.render(), stamp=False)

    def channel_of(self, channel: ServerChannel, response: HandshakeResponse) -> None:
        """What a channel gets from the connection that carries it: over HTTP/1.1 nothing."""

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer before the request is known."""
        self.emit("refused", code=code, message=message)
        self._answer(Reply(status, body=message.encode() + b"\n"))

    def _serve(self, request: Request) -> None:
        """Answer the request: under a relay, paths are the upstream's."""
        relayed = self.owner.options.upstream is not None
        if refusal := self._refusal(request):
            self._refuse(403, *refusal)
            return
        try:
            faults = self.owner.combine([] if relayed else resolve(request.target))
        except RouteError as error:
            self.emit("refused", code="bad-route", path=request.path, message=str(error))
            self._answer(Reply(error.status, body=f"{error}\n".encode()))
            return
        for fault in faults:
            answer = fault.answer(request)
            if answer is not None:
                self.emit("refused", code=fault.name, path=request.path)
                if isinstance(answer, Reply):
                    self._answer(answer)
                else:
                    self._phase, self._hang = _Phase.WAITING, answer
                    self.stream.freeze(blackholed=answer is Hang.BLACKHOLED)
                return
        if not request.is_upgrade:
            reply = self._plain_reply(request)
            self.emit("http", path=request.path, status=reply.status)
            self._answer(reply)
        elif relayed:
            self._phase = _Phase.WAITING
            self._task = self.loop.create_task(self._relay(request, faults))
        else:
            reply, deflate, response = self._accept(request, faults)
            channel = ClientConnection(self.owner, self.number, self.stream, deflate)
            self.channel_of(channel, response)
            self._hand_over(request, faults, reply, channel)

    def _refusal(self, request: Request) -> tuple[str, str] | None:
        """(code, message) for a request of a web page that has no business here."""
        options, host = self.owner.options, request.header("Host")
        if request.is_upgrade and not options.allows_origin(request.header("Origin"), host):
            return "origin", "pages of this origin may not connect; --allow-origin ORIGIN lets them"
        tells = request.path.rstrip("/") in ("/stats", "/headers") and not request.is_upgrade
        if tells and options.upstream is None and not options.is_own_host(host):
            return "host", "this is told under an address or localhost only"
        return None

    def _plain_reply(self, request: Request) -> Reply:
        """The answer to a request that asks for no WebSocket: the page, or figures as JSON."""
        path = request.path.rstrip("/")
        if request.method not in ("GET", "HEAD"):
            return Reply(405, [("Allow", "GET, HEAD")])
        if path == "":
            reply = Reply(200, page.HEADERS, page.render())
        elif path == "/stats":
            reply = Reply.json(200, self.owner.stats())
        elif path == "/headers":
            reply = Reply.json(200, {"target": request.target, "headers": request.headers})
        else:
            body = b"this is a WebSocket endpoint: connect with ws:// or wss://\n"
            reply = Reply(426, [("Upgrade", "websocket")], body)
        if request.method == "HEAD":
            length = ("Content-Length", str(len(reply.body)))
            reply = Reply(reply.status, [*reply.headers, length])
        return reply

    # -- the upgrade ---------------------------------------------------------------------------

    async def _relay(self, request: Request, faults: list[Fault]) -> None:
        """The upstream is asked first, so that its refusal can be the client's."""
        try:
            session = await dial_upstream(self.owner.options, request)
        except DialError as error:
            self.emit("upstream-failed", code=error.code, message=error.message)
            self._answer(upstream_refusal(error))
            return
        if self._phase is _Phase.DONE or self.stream.ended is not None:
            session.stream.close()
            return
        reply, deflate, response = self._accept(request, faults, session.report)
        channel = RelayConnection(self.owner, self.number, self.stream, deflate, session)
        self.channel_of(channel, response)
        self._hand_over(request, faults, reply, channel)
        channel.start()

    def _accept(
        self, request: Request, faults: list[Fault], upstream: DialReport | None = None
    ) -> tuple[Reply, PerMessageDeflate | None, HandshakeResponse]:
        """The 101, in which faults and the upstream had their say, the codec it promises, and what
        was agreed."""
        deflate = DeflateOffer() if self.owner.options.compression else None
        response = HandshakeResponse(self._handshake.choose_subprotocol(request), deflate)
        for fault in faults:
            fault.negotiate(response, request)
        if upstream is not None:
            response.subprotocol = upstream.subprotocol
        headers, codec = self._handshake.accept_headers(
            request, subprotocol=response.subprotocol, deflate=response.deflate or False
        )
        reply = Reply(101, headers + (forwarded(upstream.headers) if upstream is not None else []))
        for fault in faults:
            fault.rewrite(reply)
        return reply, codec, response

    def _hand_over(
        self, request: Request, faults: list[Fault], reply: Reply, channel: ServerChannel
    ) -> None:
        """Send the 101, and let the channel have the stream and what came early."""
        self._phase = _Phase.DONE
        self.send_reply(reply)
        self.owner.on_opened(channel)
        self.owner.on_closed(self)
        channel.emit(
            "open",
            peer=self.stream.peer,
            path=request.target,
            subprotocol=reply.header("Sec-WebSocket-Protocol"),
            extensions=reply.header("Sec-WebSocket-Extensions"),
            faults=[fault.name for fault in faults],
        )
        self.stream.start(channel)
        self.stream.resume_reading()
        channel.set_faults(faults)
        early = self._handshake.trailing + self._early
        if early:
            channel.data_received(early, Arrival(0))
