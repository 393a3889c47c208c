"""The opening handshake (RFC 6455, 4), both roles: one place to import it from."""

from wsdiag.protocol.client_handshake import Accepted, ClientHandshake, new_key
from wsdiag.protocol.http import Request, Response, accept_key
from wsdiag.protocol.server_handshake import ServerHandshake

__all__ = [
    "Accepted",
    "ClientHandshake",
    "Request",
    "Response",
    "ServerHandshake",
    "accept_key",
    "new_key",
]
