"""What `serve` prints while it runs."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from wsdiag.cli.event_printer import EventPrinter

if TYPE_CHECKING:
    from wsdiag.records import ServeEvent
    from wsdiag.render.base.terminal import Terminal
    from wsdiag.server import Server, ServerOptions

LOOPBACK = ("127.", "::1", "localhost")


class Reporter:
    """Prints the server's events: NDJSON on stdout, or lines for people on stderr."""

    def __init__(self, terminal: Terminal, *, json: bool) -> None:
        from wsdiag.render.serve import print_event

        self._terminal, self._json = terminal, json
        self.printer = EventPrinter(terminal, json=json, show=print_event, left_out=_left_out)
        self.finish = self.printer.finish

    def listening(self, server: Server, options: ServerOptions) -> None:
        """Print first of all where it listens, so that a script can wait for it."""
        from wsdiag.records import ServeListening
        from wsdiag.render.serve import print_listening

        record = ServeListening(server.url, server.host, server.port, options.cert is not None)
        if self._json:
            self._terminal.json(record)
        else:
            print_listening(self._terminal, record)
        if not server.host.startswith(LOOPBACK):
            where = "everywhere" if server.host in ("0.0.0.0", "::") else server.host
            self._terminal.log(
                f"warning: listening on {where}, not on loopback alone: "
                "whoever reaches this machine can connect"
            )
        if server.control_url is not None:
            self.event(0, "control", {"url": server.control_url, "token": server.control_token})

    def event(self, connection: int, event: str, data: dict[str, Any]) -> None:
        """Print one event of one connection as soon as there is room for it; `-q`: none."""
        from wsdiag.records import ServeEvent, utc_now

        self.printer.print(ServeEvent(utc_now(), connection, event, data))

    def failed(self, options: ServerOptions, problem: Exception) -> None:
        """Say why it cannot listen, and what to change."""
        from wsdiag.records import Error
        from wsdiag.render.base.error import print_error

        scheme = "wss" if options.cert is not None else "ws"
        url = f"{scheme}://{options.host}:{options.port}"
        error = Error(url, "listen", "usage", *_explain(options, problem))
        if self._json:
            self._terminal.json(error)
        print_error(self._terminal, error)


def _left_out(count: int) -> ServeEvent:
    from wsdiag.records import ServeEvent, utc_now

    details = {"count": count, "message": "nobody read these events"}
    return ServeEvent(utc_now(), 0, "left-out", details)


def _explain(options: ServerOptions, problem: Exception) -> tuple[str, str | None]:
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
