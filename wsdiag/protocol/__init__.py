"""WebSocket without I/O: bytes in, events out; calls in, bytes out. RFC 6455 and RFC 7692.

No socket, no clock, no event loop. A client and a server that talk to each other in memory:

>>> from wsdiag import protocol as ws
>>> client = ws.ClientHandshake("example.org", "/chat")
>>> server = ws.ServerHandshake()
>>> request = server.receive(client.request())
>>> reply, deflate = server.accept(request)
>>> accepted = client.receive(reply)
>>> accepted.response.status
101

With the handshake done, each end is a `Connection`. What arrives goes into `receive_data`, what
`data_to_send` returns goes out; Pings are answered, and so is a Close:

>>> here = ws.Connection(ws.Role.CLIENT, deflate=accepted.deflate)
>>> there = ws.Connection(ws.Role.SERVER, deflate=deflate)
>>> here.send_text("hello")
>>> here.ping(b"1")
>>> there.receive_data(here.data_to_send())
[TextMessage(text='hello'), Ping(payload=b'1')]
>>> here.receive_data(there.data_to_send())
[Pong(payload=b'1')]

A peer that breaks a rule is an event, not an exception, and names the rule; being asked to send
what is forbidden raises `LocalProtocolError`. `encode_frame` writes any frame, legal or not:

>>> frame = ws.encode_frame(ws.Opcode.PING, b"x" * 126)
>>> ws.Connection(ws.Role.CLIENT).receive_data(frame)[0].error.section
'RFC 6455, 5.5'

What `__all__` names is public; the modules it comes from may change.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsdiag.protocol.client_handshake import Accepted, ClientHandshake
    from wsdiag.protocol.codes import Opcode, Role, State, close_code_name
    from wsdiag.protocol.connection import Connection
    from wsdiag.protocol.deflate import DeflateOffer, PerMessageDeflate
    from wsdiag.protocol.errors import HandshakeError, LocalProtocolError, ProtocolViolation
    from wsdiag.protocol.events import (
        BinaryMessage,
        Close,
        Event,
        Ping,
        Pong,
        TextMessage,
        Violation,
    )
    from wsdiag.protocol.frames import Frame, encode_frame
    from wsdiag.protocol.http import Request, Response, accept_key
    from wsdiag.protocol.parser import FrameParser
    from wsdiag.protocol.server_handshake import ServerHandshake

_HOMES = {
    "client_handshake": ("Accepted", "ClientHandshake"),
    "codes": ("Opcode", "Role", "State", "close_code_name"),
    "connection": ("Connection",),
    "deflate": ("DeflateOffer", "PerMessageDeflate"),
    "errors": ("HandshakeError", "LocalProtocolError", "ProtocolViolation"),
    "events": ("BinaryMessage", "Close", "Event", "Ping", "Pong", "TextMessage", "Violation"),
    "frames": ("Frame", "encode_frame"),
    "http": ("Request", "Response", "accept_key"),
    "parser": ("FrameParser",),
    "server_handshake": ("ServerHandshake",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Accepted",
    "BinaryMessage",
    "ClientHandshake",
    "Close",
    "Connection",
    "DeflateOffer",
    "Event",
    "Frame",
    "FrameParser",
    "HandshakeError",
    "LocalProtocolError",
    "Opcode",
    "PerMessageDeflate",
    "Ping",
    "Pong",
    "ProtocolViolation",
    "Request",
    "Response",
    "Role",
    "ServerHandshake",
    "State",
    "TextMessage",
    "Violation",
    "accept_key",
    "close_code_name",
    "encode_frame",
]


if not TYPE_CHECKING:  # or to a type checker every name would be there

    def __getattr__(name: str) -> Any:
        # Lazily: whoever needs one module of this package does not pay for h11 and zlib.
        if name not in _HOME:
            raise AttributeError(f"module 'wsdiag.protocol' has no attribute {name!r}")
        value = getattr(import_module(f"wsdiag.protocol.{_HOME[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
