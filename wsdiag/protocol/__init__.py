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

from typing import TYPE_CHECKING

from wsdiag._lazy import lazy_exports

if TYPE_CHECKING:
    from wsdiag.protocol.client_handshake import Accepted as Accepted
    from wsdiag.protocol.client_handshake import ClientHandshake as ClientHandshake
    from wsdiag.protocol.codes import Opcode as Opcode
    from wsdiag.protocol.codes import Role as Role
    from wsdiag.protocol.codes import State as State
    from wsdiag.protocol.codes import close_code_name as close_code_name
    from wsdiag.protocol.connection import Connection as Connection
    from wsdiag.protocol.deflate import DeflateOffer as DeflateOffer
    from wsdiag.protocol.deflate import PerMessageDeflate as PerMessageDeflate
    from wsdiag.protocol.errors import HandshakeError as HandshakeError
    from wsdiag.protocol.errors import LocalProtocolError as LocalProtocolError
    from wsdiag.protocol.errors import ProtocolViolation as ProtocolViolation
    from wsdiag.protocol.events import BinaryMessage as BinaryMessage
    from wsdiag.protocol.events import Close as Close
    from wsdiag.protocol.events import Event as Event
    from wsdiag.protocol.events import Ping as Ping
    from wsdiag.protocol.events import Pong as Pong
    from wsdiag.protocol.events import TextMessage as TextMessage
    from wsdiag.protocol.events import Violation as Violation
    from wsdiag.protocol.frames import Frame as Frame
    from wsdiag.protocol.frames import encode_frame as encode_frame
    from wsdiag.protocol.http import Request as Request
    from wsdiag.protocol.http import Response as Response
    from wsdiag.protocol.http import accept_key as accept_key
    from wsdiag.protocol.parser import FrameParser as FrameParser
    from wsdiag.protocol.server_handshake import ServerHandshake as ServerHandshake
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "client_handshake": "Accepted ClientHandshake",
            "codes": "Opcode Role State close_code_name",
            "connection": "Connection",
            "deflate": "DeflateOffer PerMessageDeflate",
            "errors": "HandshakeError LocalProtocolError ProtocolViolation",
            "events": "BinaryMessage Close Event Ping Pong TextMessage Violation",
            "frames": "Frame encode_frame",
            "http": "Request Response accept_key",
            "parser": "FrameParser",
            "server_handshake": "ServerHandshake",
        },
    )
