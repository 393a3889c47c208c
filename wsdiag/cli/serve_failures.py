"""Why `serve` did not start, in words."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsdiag.server import ServerOptions


def explain(options: ServerOptions, problem: Exception) -> tuple[str, str | None]:
    """A message and a hint for a server that did not start."""
    from wsdiag.server.server import ControlPortError

    if not isinstance(problem, OSError):
        return str(problem), None
    control = isinstance(problem, ControlPortError)
    option, port = ("--control-port", options.control_port) if control else ("--port", options.port)
    if problem.errno == errno.EADDRINUSE:
        return f"port {port} is in use", f"choose another {option}, or 0 for any free one"
    if problem.errno == errno.EACCES:
        return f"no permission to listen on port {port}", f"choose a {option} above 1023"
    if problem.errno == errno.EADDRNOTAVAIL:
        return f"{options.host} is not an address of this machine", "choose another --host"
    return f"cannot listen on {options.host}: {problem.strerror or problem}", None
