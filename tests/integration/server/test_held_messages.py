"""Unfinished messages of all clients share one budget."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.integration.server.serving import serving


def test_the_one_that_goes_beyond_is_closed_and_what_it_held_is_free_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wsdiag.server.server._MAX_HELD_BYTES", 100_000)
    with serving(max_message_size=50_000) as server:
        for _ in range(2):
            with (
                connect(server.url, proxy=None) as first,
                connect(server.url, proxy=None) as second,
            ):
                first.send(iter(["a" * 45_000, "b"]))
                assert first.recv() == "a" * 45_000 + "b"
                with connect(server.url, proxy=None) as third:
                    held = [connection.protocol for connection in (first, second, third)]
                    for protocol, client in zip(held, (first, second, third), strict=True):
                        protocol.send_text(b"a" * 45_000, fin=False)
                        client.socket.sendall(b"".join(protocol.data_to_send()))
                    assert server.wait("over-budget")["held_bytes"] == 45_000
                    server.forget()
            with connect(server.url, proxy=None) as after:
                after.send("x" * 45_000)
                assert after.recv() == "x" * 45_000


def test_who_went_beyond_is_told_to_try_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsdiag.server.server._MAX_HELD_BYTES", 10_000)
    with serving(max_message_size=5_000) as server, ExitStack() as stack:
        opening = (connect(server.url, proxy=None, compression=None) for _ in range(3))
        clients = [stack.enter_context(each) for each in opening]
        for client in clients:
            client.protocol.send_text(b"a" * 4_500, fin=False)
            client.socket.sendall(b"".join(client.protocol.data_to_send()))
        server.wait("over-budget")
        closed = first_closed(clients)
        assert closed.protocol.close_rcvd is not None
        assert closed.protocol.close_rcvd.code == 1013
        assert all(client.ping().wait(20) for client in clients if client is not closed)


def first_closed(clients: list[ClientConnection]) -> ClientConnection:
    """The first that has got a Close frame."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for client in clients:
            with suppress(TimeoutError, ConnectionClosed):
                client.recv(timeout=0.02)
            if client.protocol.close_rcvd is not None:
                return client
    raise AssertionError("nobody was closed")
