"""What `serve` prints while it runs."""

from __future__ import annotations

import asyncio
import errno
import os
import select
import stat
from collections import deque
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsdiag.records import ServeEvent
    from wsdiag.render.base.terminal import Terminal
    from wsdiag.server import Server, ServerOptions

_MOST_WAITING = 10_000
_LAST_S = 1.0
LOOPBACK = ("127.", "::1", "localhost")


class Reporter:
    """Prints the server's events: NDJSON on stdout, or lines for people on stderr.

    A pipe that nobody reads must not stop the server: its events wait, then the newest are left
    out and counted.
    """

    def __init__(self, terminal: Terminal, *, json: bool) -> None:
        self._terminal, self._json = terminal, json
        self._file = terminal.out.file if json else terminal.err.file
        self._waiting: deque[ServeEvent] = deque()
        self._left_out = 0
        self._watched: int | None = None

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
        if self._terminal.quiet:
            return
        if len(self._waiting) >= _MOST_WAITING:
            self._left_out += 1
            return
        from wsdiag.records import ServeEvent, utc_now

        if self._left_out:
            left_out, self._left_out = self._left_out, 0
            details = {"count": left_out, "message": "nobody read these events"}
            self._waiting.append(ServeEvent(utc_now(), 0, "left-out", details))
        self._waiting.append(ServeEvent(utc_now(), connection, event, data))
        self._print()

    def _print(self) -> None:
        from wsdiag.render.serve import print_event

        while self._waiting and has_room(self._file):
            record = self._waiting.popleft()
            if self._json:
                self._terminal.json(record)
            else:
                print_event(self._terminal, record)
        self._watch(bool(self._waiting))

    def _watch(self, full: bool) -> None:
        """Go on when somebody reads."""
        if full and self._watched is None:
            self._watched = self._file.fileno()
            asyncio.get_running_loop().add_writer(self._watched, self._print)
        elif not full and self._watched is not None:
            asyncio.get_running_loop().remove_writer(self._watched)
            self._watched = None

    def finish(self) -> None:
        """Print what is left to a reader that is merely slow."""
        while self._waiting and has_room(self._file, _LAST_S):
            self._print()

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


def has_room(file: IO[str], within_s: float = 0.0) -> bool:
    """Whether a line can be written without waiting; only pipes can be full."""
    try:
        number = file.fileno()
        if not stat.S_ISFIFO(os.fstat(number).st_mode):
            return True
        return bool(select.select([], [number], [], within_s)[1])
    except (OSError, ValueError):  # no file descriptor, or (Windows) none that select knows
        return True


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
