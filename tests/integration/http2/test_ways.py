"""HTTP/2 on other ways: a Unix socket, a client certificate, redirects, a proxy."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import wsdiag
from tests.integration.http2.relaying import relaying
from tests.peers.certs import Authority
from tests.peers.http2_peers import start_nghttpx
from tests.peers.peer import Address
from tests.peers.peers import Peers
from wsdiag.transport.dial.options import DialOptions

HTTP2 = DialOptions(http_version="2")


def test_over_a_unix_socket(tmp_path: Path) -> None:
    async def go() -> wsdiag.ConnectResult:
        async with wsdiag.serve(http2=True) as server:
            path = str(tmp_path / "socket")
            async with await asyncio.start_unix_server(relaying(server.port), path):
                return await wsdiag.connect("ws://a.test/echo", replace(HTTP2, unix_socket=path))

    result = asyncio.run(go())
    assert result.ok, result.error
    assert result.http is not None
    assert (result.http.version, result.http.status) == ("2", 200)
    assert (result.address or "").endswith("/socket")
    assert result.phases.ping_ms is not None


@asynccontextmanager
async def mutual(ca: Authority) -> AsyncIterator[str]:
    """A front with TLS that wants a client's certificate, and passes h2 on."""
    cert = ca.cert()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca.pem)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(cert.cert, cert.key)
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with wsdiag.serve(http2=True) as server:
        front = await asyncio.start_server(relaying(server.port), "127.0.0.1", 0, ssl=context)
        async with front:
            yield f"wss://127.0.0.1:{front.sockets[0].getsockname()[1]}/echo"


def met_mutual(ca: Authority, options: DialOptions) -> wsdiag.ConnectResult:
    async def go() -> wsdiag.ConnectResult:
        async with mutual(ca) as url:
            return await wsdiag.connect(url, replace(options, cacert=ca.pem))

    return asyncio.run(go())


def test_a_client_certificate_is_shown(ca: Authority) -> None:
    own = ca.cert("client.test")
    result = met_mutual(ca, replace(HTTP2, cert=own.cert, key=own.key))
    assert result.ok, result.error


def test_a_client_certificate_that_is_missing_is_named(ca: Authority) -> None:
    result = met_mutual(ca, HTTP2)  # which ends the connection without an alert
    assert result.error is not None
    assert "asked for a client certificate, and none was sent" in result.error.message
    assert "--cert FILE" in (result.error.hint or "")


def test_the_alert_that_follows_tls_1_3s_handshake_is_told(
    tmp_path: Path, peers: Peers, ca: Authority
) -> None:
    url, own = peers.serve("--http2")[0], ca.cert("client.test")
    front = start_nghttpx(tmp_path, Address.of(url), ca.cert(), client_ca=ca.pem)
    try:
        options = replace(HTTP2, cacert=ca.pem)
        refused = asyncio.run(wsdiag.connect(front.url, options))
        shown = replace(options, cert=own.cert, key=own.key)
        opened = asyncio.run(wsdiag.connect(front.url, shown))
    finally:
        front.stop()
    assert opened.ok, opened.error
    assert refused.error is not None
    assert (refused.error.phase, refused.error.kind) == ("tls", "tls")
    assert "requires a client certificate" in refused.error.message


def test_redirects_are_followed_each_over_http2() -> None:
    async def go() -> wsdiag.ConnectResult:
        async with wsdiag.serve(http2=True) as server:
            options = replace(HTTP2, location=True)
            return await wsdiag.connect(server.url + "/redirect/2", options)

    result = asyncio.run(go())
    assert result.ok, result.error
    assert (result.reached or "").endswith("/redirect/0")
    assert len(result.redirects or ()) == 2
    assert result.http is not None
    assert result.http.version == "2"


def test_without_l_a_redirect_is_told() -> None:
    async def go() -> wsdiag.ConnectResult:
        async with wsdiag.serve(http2=True) as server:
            return await wsdiag.connect(server.url + "/redirect/1", HTTP2)

    result = asyncio.run(go())
    assert result.error is not None
    assert result.error.kind == "redirect"
    assert "connect -L" in (result.error.hint or "")


def test_a_proxy_is_passed_and_the_way_on_is_not_the_endpoints(peers: Peers) -> None:
    url, _ = peers.serve("--http2")
    far = peers.relay(Address.of(url), delay_ms=30)
    proxy = f"http://{peers.connect_proxy().authority}"

    async def pinged(version: str) -> wsdiag.PingSummary:
        dial = DialOptions(http_version=version, proxy=proxy)  # type: ignore[arg-type]
        target = f"ws://{far.authority}/echo"
        *_, summary = [
            each async for each in wsdiag.ping(target, dial=dial, count=5, interval_s=0.3)
        ]
        assert isinstance(summary, wsdiag.PingSummary)
        return summary

    for version in ("1.1", "2"):
        summary = asyncio.run(pinged(version))
        split = summary.attribution
        assert split is not None
        assert (split.network_ms, split.endpoint_ms) == (None, None)
        assert split.behind_proxy_ms is not None
        assert split.behind_proxy_ms > 50
        if version == "2":  # its PING goes through the proxy: the way on is before the edge
            assert split.edge_ms is not None
            assert split.edge_ms > 50
