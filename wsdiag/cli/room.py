"""Room for many connections: the limit on open files raised, or the run refused in good time."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wsdiag.cli.runtime import USAGE

if TYPE_CHECKING:
    from wsdiag.render.base.terminal import Terminal

# The terminal, the loop, a trace, modules still to be read; and while dialing, a second address.
_OURS, _DIALING = 32, 128


def make_room(connections: int, terminal: Terminal, *, json: bool) -> None:
    """Allow so many connections at once; exit with 2 and a message where the system does not."""
    from wsdiag.transport.machine import allow_files

    limit = allow_files(connections + _OURS + _DIALING)
    if limit is not None and limit < connections + _OURS:
        _refuse(connections, limit, terminal, json=json)


def _refuse(connections: int, limit: int, terminal: Terminal, *, json: bool) -> None:
    from wsdiag.records import Error
    from wsdiag.render.base.error import print_error

    error = Error(
        "",
        "connect",
        "usage",
        f"{connections} connections at once, but this process may open {limit} files only",
        f"raise the limit (ulimit -n {connections + _OURS + _DIALING}), or ask for fewer at once",
    )
    if json:
        terminal.json(error)
    print_error(terminal, error)
    sys.exit(USAGE)
