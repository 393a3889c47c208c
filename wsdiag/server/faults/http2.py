"""Faults of HTTP/2 alone (`serve --http2`): over HTTP/1.1 they do nothing."""

from __future__ import annotations

from functools import partial

from wsdiag.protocol.http import Request
from wsdiag.server.fault import Channel, Fault, fault
from wsdiag.server.params import SECONDS, TEXT, ParamType, between, choice, param, whole
from wsdiag.server.reply import HandshakeResponse, Hang, Reply
from wsdiag.transport.stream.ends import HTTP2_ERRORS

_CLOSE_AFTER_S = 0.05


def _error_code(text: str) -> int:
    return HTTP2_ERRORS.index(text) if text in HTTP2_ERRORS else int(text)


ERROR_CODE = ParamType(
    "CODE",
    "an HTTP/2 error code: CANCEL, PROTOCOL_ERROR, … or its number",
    _error_code,
    between(0, 0xFFFFFFFF),
)


@fault("http2/refuse", "HTTP/2")
class Refuse(Fault):
    """Over HTTP/2: advertises extended CONNECT and answers it with this status."""

    status: int = param(400, whole(200, 599, "STATUS"), "the status")
    key: str = param(
        "refused", choice("refused", "accepted"), "whether a Sec-WebSocket-Key opens it"
    )

    def answer(self, request: Request) -> Reply | None:
        """Refuse over HTTP/2, and nothing else."""
        if request.version == "1.1" or not request.is_upgrade:
            return None
        if self.key == "accepted" and request.header("Sec-WebSocket-Key") is not None:
            return None
        return Reply(self.status, body=b"no WebSockets over HTTP/2 here\n")


@fault("http2/hang", "HTTP/2")
class HangOverHttp2(Fault):
    """Over HTTP/2: advertises extended CONNECT and never answers one."""

    def answer(self, request: Request) -> Hang | None:
        """Not over HTTP/2."""
        return Hang.ACKNOWLEDGED if request.version != "1.1" and request.is_upgrade else None


@fault("http2/unadvertised", "HTTP/2")
class Unadvertised(Fault):
    """Over HTTP/2: accepts extended CONNECT, and does not advertise it (as an option only)."""

    def advertises_connect(self) -> bool:
        """No."""
        return False


@fault("http2/goaway", "HTTP/2")
class GoAway(Fault):
    """Over HTTP/2: sends GOAWAY after this long, and ends the connection."""

    after: float = param(5.0, SECONDS, "how long after the opening")
    code: int = param(0, ERROR_CODE, "its error code")
    debug: str = param("", TEXT, "its debug text")
    then: str = param("close", choice("close", "stay"), "stay: open streams live on")

    def started(self, channel: Channel) -> None:
        """Start the timer."""
        if channel.http2 is not None:
            self.set_timer(channel, self.after, partial(self._go, channel))

    def _go(self, channel: Channel) -> None:
        if channel.http2 is None:
            return
        connection = channel.http2.connection
        connection.go_away(self.code, self.debug.encode())
        channel.emit("drop", fault=self.name, how="goaway")
        if self.then == "close":
            # the client must not read the end of TCP in the same moment
            self.set_timer(channel, _CLOSE_AFTER_S, connection.stream.close)


@fault("http2/rst-stream", "HTTP/2")
class RstStream(Fault):
    """Over HTTP/2: ends the stream by RST_STREAM with this error code."""

    code: int = param(8, ERROR_CODE, "the error code")
    when: str = param("open", choice("open", "request"), "request: instead of an answer")
    after: float = param(0.0, SECONDS, "how long after the opening")

    def answer(self, request: Request) -> Reply | None:
        """Instead of an answer."""
        if self.when == "open" or request.version == "1.1":
            return None
        return Reply(None, reset_code=self.code)

    def started(self, channel: Channel) -> None:
        """Now, or later."""
        if channel.http2 is not None:
            self.run_after(channel, self.after, partial(self._reset, channel))

    def _reset(self, channel: Channel) -> None:
        if channel.http2 is not None:
            channel.emit("drop", fault=self.name, how="rst-stream")
            channel.http2.reset(self.code)


@fault("http2/zero-window", "HTTP/2")
class ZeroWindow(Fault):
    """Over HTTP/2: never lets the client send a byte (INITIAL_WINDOW_SIZE 0)."""

    def negotiate(self, response: HandshakeResponse, request: Request) -> None:
        """Close the window before the answer."""
        if request.version != "1.1":
            response.window = 0
