"""A connection before its upgrade: reads the request, finds the route, answers."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from wsdiag.protocol.deflate import PerMessageDeflate
from wsdiag.protocol.errors import HandshakeError
from wsdiag.protocol.http import Request
from wsdiag.protocol.server_handshake import ServerHandshake
from wsdiag.server import page
from wsdiag.server.fault import Fault
from wsdiag.server.link import Link
from wsdiag.server.peer import Peer
from wsdiag.server.relay import RelayPeer, dial_upstream, upstream_headers, upstream_refusal
from wsdiag.server.routes import RouteError, resolve
from wsdiag.server.terms import Terms
from wsdiag.transport.report import DialError
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import Arrival
from wsdiag.transport.stream.stream import Stream

if TYPE_CHECKING:
    from wsdiag.server.server import Server

_LINGER_S = 2.0
_KEPT_MOST = 65536
_BUSY = b"this server's --max-connections are in use\n"
_JSON = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]


class Opening:
    """One opening handshake, bounded in time and size; hands the stream on, or ends it."""

    __slots__ = (
        "_deaf",
        "_full",
        "_handshake",
        "_kept",
        "_mute",
        "_over",
        "_task",
        "_timer",
        "loop",
        "number",
        "server",
        "stream",
    )

    def __init__(self, server: Server, number: int, stream: Stream, *, full: bool) -> None:
        self.server, self.number, self.stream = server, number, stream
        self.loop = asyncio.get_running_loop()
        options = server.options
        self._handshake = ServerHandshake(
            subprotocols=options.subprotocols, deflate=options.compression
        )
        self._over = self._mute = False
        self._deaf = False
        self._full = full
        self._kept = b""
        self._task: asyncio.Task[None] | None = None
        self._timer = self.loop.call_later(options.handshake_timeout, self._too_slow)

    # -- the stream's side ---------------------------------------------------------------------

    def data_received(self, data: bytes, at: Arrival) -> None:
        """Bytes of the request."""
        if self._mute:
            self._kept += data  # frames sent before the upgrade is answered wait for it
            if len(self._kept) > _KEPT_MOST:
                self.stream.pause_reading()
        if self._over or self._mute:
            return
        try:
            request = self._handshake.receive(data)
        except HandshakeError as error:
            self.emit("refused", code=error.code, message=error.message)
            self.answer(error.reply)
            return
        if request is not None:
            self._timer.cancel()
            if self._full:
                self.refuse(503, "busy", _BUSY)
            else:
                self._serve(request)

    def stream_ended(self, end: StreamEnd) -> None:
        """The client left before the handshake was over."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        self.stream.close()
        if not self._over:
            self.emit("gone", how=end.how)
        self._over = True
        self.server.gone(self)

    def emit(self, event: str, **data: Any) -> None:
        """Tell the server's listener."""
        self.server.emit(self.number, event, {"peer": self.stream.peer, **data})

    def stop(self) -> None:
        """The server goes away."""
        if self._deaf:
            self.stream.close_silently()
        elif self._mute:
            self.stream.reset()
        else:
            self.stream.close()

    def _too_slow(self) -> None:
        self.refuse(408, "timeout", b"the request took too long\n")

    def refuse(self, status: int, code: str, body: bytes) -> None:
        """Answer before the request is known."""
        self.emit("refused", code=code, message=body.decode().strip())
        self.answer(self._handshake.reject(status, body=body))

    # -- answers -------------------------------------------------------------------------------

    def answer(self, reply: bytes) -> None:
        """Answer with HTTP, then end; dropping what still comes, lest a RST eat the answer."""
        self._over = True
        self._timer.cancel()
        self.stream.write(reply, stamp=False)
        self.stream.half_close()
        self._timer = self.loop.call_later(_LINGER_S, self.stream.close)

    def _serve(self, request: Request) -> None:
        try:
            faults = self.server.combine(self._own_faults(request))
        except RouteError as error:
            self.emit("refused", code="bad-route", path=request.path, message=str(error))
            self.answer(self._handshake.reject(error.status, body=f"{error}\n".encode()))
            return
        for fault in faults:
            reply = fault.answer(request)
            if reply is not None:
                self._instead(fault, request, reply)
                return
        if request.is_upgrade:
            self._upgrade(request, faults)
        else:
            self._plain(request)

    def _own_faults(self, request: Request) -> list[Fault]:
        """What the path asks for; a relay's paths are the upstream's."""
        return [] if self.server.options.upstream is not None else resolve(request.target)

    def _instead(self, fault: Fault, request: Request, reply: bytes) -> None:
        self.emit("refused", code=fault.name, path=request.path)
        if reply:
            self.answer(reply)
        else:
            self._mute = True
            self._deaf = fault.deafens
            self.stream.freeze(blackholed=self._deaf)

    def _plain(self, request: Request) -> None:
        """A request that asks for no WebSocket: the page, or figures as JSON."""
        path = request.path.rstrip("/")
        if request.method not in ("GET", "HEAD"):
            reply = self._handshake.reject(405, [("Allow", "GET, HEAD")])
        elif path == "":
            reply = self._handshake.reject(200, page.HEADERS, page.render())
        elif path == "/stats":
            reply = self._json(self.server.stats())
        elif path == "/headers":
            reply = self._json({"target": request.target, "headers": request.headers})
        else:
            body = b"a WebSocket lives here: connect with ws:// or wss://\n"
            reply = self._handshake.reject(426, [("Upgrade", "websocket")], body)
        self.emit("http", path=request.path, status=int(reply[9:12]))
        head, _, _ = reply.partition(b"\r\n\r\n")
        self.answer(head + b"\r\n\r\n" if request.method == "HEAD" else reply)

    def _json(self, value: Any) -> bytes:
        return self._handshake.reject(200, _JSON, json.dumps(value, indent=1).encode() + b"\n")

    # -- the upgrade ---------------------------------------------------------------------------

    def _upgrade(self, request: Request, faults: list[Fault]) -> None:
        if self.server.options.upstream is None:
            reply, deflate = self._accept(request, self._agree(request, faults))
            self._attach(
                request, faults, reply, Peer(self.server, self.number, self.stream, deflate)
            )
        else:
            self._mute = True
            self._task = self.loop.create_task(self._relay(request, faults))

    async def _relay(self, request: Request, faults: list[Fault]) -> None:
        """The upstream is asked first, so that its refusal can be the client's."""
        options = self.server.options
        try:
            session = await dial_upstream(options, request)
        except DialError as error:
            self._mute = False
            self.emit("upstream-failed", code=error.code, message=error.message)
            self.answer(upstream_refusal(error))
            return
        if self._over or self.stream.ended is not None:
            session.stream.close()
            return
        terms = self._agree(request, faults)
        if session.report is not None:
            terms.subprotocol = session.report.subprotocol
            terms.headers = upstream_headers(session.report)
        reply, deflate = self._accept(request, terms)
        peer = RelayPeer(self.server, self.number, self.stream, deflate, session)
        self._attach(request, faults, reply, peer)
        peer.begin()

    def _accept(self, request: Request, terms: Terms) -> tuple[bytes, PerMessageDeflate | None]:
        handshake = ServerHandshake(deflate=terms.deflate or False)
        return handshake.accept(request, subprotocol=terms.subprotocol, headers=terms.headers)

    def _agree(self, request: Request, faults: list[Fault]) -> Terms:
        terms = Terms(
            self._handshake.choose_subprotocol(request), self.server.options.deflate_terms
        )
        for fault in faults:
            fault.agree(terms, request)
        return terms

    def _attach(self, request: Request, faults: list[Fault], reply: bytes, link: Link) -> None:
        for fault in faults:
            reply = fault.rewrite(reply)
        self._over = True
        trailing = self._handshake.trailing + self._kept
        self.stream.write(reply, stamp=False)
        self.server.replace(self, link)
        self.emit(
            "open",
            path=request.target,
            subprotocol=_header(reply, "sec-websocket-protocol"),
            extensions=_header(reply, "sec-websocket-extensions"),
            faults=[fault.name for fault in faults],
        )
        self.stream.start(link)
        self.stream.resume_reading()
        link.set_faults(faults)
        if trailing:
            link.data_received(trailing, Arrival(0))


def _header(reply: bytes, name: str) -> str | None:
    for line in reply.split(b"\r\n\r\n", 1)[0].split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name.encode():
            return value.strip().decode("latin-1")
    return None
