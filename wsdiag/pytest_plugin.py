"""pytest plugin: the fixture `wsdiag_server`, an endpoint that misbehaves exactly as asked.

    def test_my_client_reconnects(wsdiag_server):
        client = MyClient(wsdiag_server.url + "/idle/1?drop=rst")
        client.run(seconds=3)
        assert client.reconnects >= 1
        assert wsdiag_server.count("drop") >= 1

All paths: `wsdiag serve --list`. wsdiag is imported only when the fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from wsdiag.server.background import BackgroundServer


_running: list[BackgroundServer] = []


@pytest.fixture(scope="session")
def wsdiag_server() -> Iterator[BackgroundServer]:
    """`wsdiag serve` on a free loopback port, in a thread; `.url` has no trailing slash.

    One server for the whole run; its `events`, `count()` and `wait()` are about the running test.
    """
    from wsdiag.server.background import BackgroundServer
    from wsdiag.server.options import ServerOptions

    server = BackgroundServer(ServerOptions())
    _running.append(server)
    try:
        yield server
    finally:
        _running.remove(server)
        server.stop()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Events of the test before must not show up in the next one."""
    for server in _running:
        server.forget()
