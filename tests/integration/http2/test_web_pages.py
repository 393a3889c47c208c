"""A page of the web reaches `serve --http2` only where that was allowed, as over HTTP/1.1."""

from __future__ import annotations

import asyncio

import h2.events
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection

import wsdiag
from tests.integration.http2.test_own_server import connected
from wsdiag.transport.dial.options import DialOptions


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://localhost:3000", True),
        ("https://app.example", True),
        ("https://evil.example", False),
        ("null", False),
        ("http://localhost.evil.example", False),
    ],
)
@pytest.mark.parametrize("path", ["/echo", "/push", "/"])
def test_origins(path: str, origin: str | None, allowed: bool) -> None:
    async def go() -> wsdiag.ConnectResult:
        options = DialOptions(http_version="2", origin=origin)
        async with wsdiag.serve(http2=True, allow_origins=("https://app.example",)) as server:
            return await wsdiag.connect(server.url + path, options)

    result = asyncio.run(go())
    assert result.http is not None
    assert (result.http.status == 200) is allowed, result.error


@pytest.mark.parametrize("path", ["/stats", "/headers"])
@pytest.mark.parametrize(
    ("authority", "more", "status"),
    [
        ("127.0.0.1:1", [], b"200"),
        ("localhost", [], b"200"),
        ("rebound.example", [], b"403"),
        ("rebound.example", [("host", "localhost")], None),  # they differ: no HTTP/2
        ("localhost.rebound.example", [], b"403"),
    ],
)
def test_figures_are_told_under_an_address_only(
    path: str, authority: str, more: list[tuple[str, str]], status: bytes | None
) -> None:
    assert asyncio.run(asked(path, authority, more)) == status


async def asked(path: str, authority: str, more: list[tuple[str, str]]) -> bytes | None:
    """The status of a GET over h2c; None: the connection was ended instead."""
    async with wsdiag.serve(http2=True) as server, asyncio.timeout(30):
        port = int(server.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        client = H2Connection(H2Configuration(validate_outbound_headers=False))
        client.initiate_connection()
        pseudo = [(":method", "GET"), (":scheme", "http"), (":authority", authority)]
        client.send_headers(1, [*pseudo, (":path", path), *more], end_stream=True)
        writer.write(client.data_to_send())
        try:
            while data := await reader.read(65536):
                for event in client.receive_data(data):
                    if isinstance(event, h2.events.ResponseReceived):
                        return dict(event.headers)[b":status"]
                writer.write(client.data_to_send())
        finally:
            writer.close()
    return None


def test_the_refusal_says_what_lets_a_page_in() -> None:
    options = DialOptions(http_version="2", origin="https://evil.example")
    result = connected("/echo", options=options)
    assert result.http is not None
    assert result.http.status == 403
    assert "--allow-origin" in (result.http.body or "")
