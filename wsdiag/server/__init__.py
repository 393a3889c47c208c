"""`wsdiag serve`: an endpoint that behaves, or misbehaves exactly as asked."""

from wsdiag.server.options import ServerOptions
from wsdiag.server.server import Server

__all__ = ["Server", "ServerOptions"]
