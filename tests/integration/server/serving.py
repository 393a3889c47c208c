"""A server of ours in a thread, for clients of any kind in the test's own thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wsdiag.server import ServerOptions
from wsdiag.server.background import BackgroundServer


@contextmanager
def serving(**options: Any) -> Iterator[BackgroundServer]:
    """A server with these options, stopped at the end."""
    running = BackgroundServer(ServerOptions(**options))
    try:
        yield running
    finally:
        running.stop()
