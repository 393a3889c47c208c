"""Redirect chains on a real server, as the command shows them."""

from __future__ import annotations

import asyncio
import http
import shlex
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from tests.peers.certs import Authority
from tests.peers.peers import Peers
from wsdiag.transport.dial.dialer import dial
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialError

CODES = (301, 302, 303, 307, 308)


class Hopping:
    """`/to/CODE/LOCATION` redirects (LOCATION percent-encoded), anything else is a WebSocket."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self._server: Server = serve(
            self._echo, "127.0.0.1", 0, process_request=self._process, ssl=context
        )
        self.port: int = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _echo(self, ws: ServerConnection) -> None:
        for message in ws:
            ws.send(message)

    def _process(self, _: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        if not request.path.startswith("/to/"):
            return None
        code, location = request.path.removeprefix("/to/").split("/", 1)
        headers = Headers(Location=unquote(location), **{"Content-Length": "0"})
        return Response(int(code), http.HTTPStatus(int(code)).phrase, headers, b"")

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join(30)


@pytest.fixture
def hopping() -> Iterator[Hopping]:
    made = Hopping()
    yield made
    made.stop()


@pytest.fixture
def other() -> Iterator[Hopping]:
    made = Hopping()
    yield made
    made.stop()


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("kind", ["relative", "absolute", "ws"])
def test_every_code_is_followed(kind: str, code: int, hopping: Hopping, peers: Peers) -> None:
    location = {
        "relative": "%2Fend%3Fa=%2520b",
        "absolute": f"http:%2F%2F{hopping.authority}%2Fend%3Fa=%2520b",
        "ws": f"WS:%2F%2F{hopping.authority}%2Fend%3Fa=%2520b",
    }[kind]
    url = f"ws://{hopping.authority}/to/{code}/{location}"
    result = peers.wsdiag("connect", "-L", url, "-o", "json", ok=0).record("connect.result")
    assert [request.path for request in hopping.requests][1:] == ["/end?a=%20b"]
    assert result["redirects"] == [url]
    assert result["reached"] == f"ws://{hopping.authority}/end?a=%20b"


def test_a_chain_is_shown_hop_by_hop(hopping: Hopping, other: Hopping, peers: Peers) -> None:
    last = f"http:%252F%252F{other.authority}%252Fend"
    url = f"ws://ann:sesame-7@{hopping.authority}/to/302/%2Fto%2F307%2F{last}"
    run = peers.wsdiag("connect", "-L", "-v", url, "-b", "sid=cookie-7", ok=0)
    lines = [line.split(" ", 1)[1] for line in run.err.splitlines()]
    asked = [line for line in lines if line.startswith("> GET")]
    assert [line.split()[2] for line in asked] == [
        request.path for request in (*hopping.requests, *other.requests)
    ]
    assert [line for line in lines if line.startswith("< HTTP/1.1")] == [
        "< HTTP/1.1 302 Found",
        "< HTTP/1.1 307 Temporary Redirect",
        "< HTTP/1.1 101 Switching Protocols",
    ]
    flat = " ".join(run.out.split())
    assert f"-> ws://{other.authority}/end" in flat
    assert "Credentials and cookies were not sent on" in flat
    for request, sent in [(r, True) for r in hopping.requests] + [(other.requests[0], False)]:
        assert ("Authorization" in request.headers, "Cookie" in request.headers) == (sent, sent)


def test_the_picture_shows_the_request_that_was_answered(
    hopping: Hopping, peers: Peers, tmp_path: Path
) -> None:
    picture = tmp_path / "view.txt"
    url = f"ws://{hopping.authority}/to/302/%2Fend"
    peers.wsdiag("connect", "-L", "-v", url, "--save", str(picture), ok=0)
    assert "> GET /end HTTP/1.1" in picture.read_text()


def test_a_proxy_cannot_redirect_us() -> None:
    """curl does not follow a CONNECT's redirect either: anybody on the way could send one."""
    asked: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://evil.test/\r\n\r\n")
        writer.close()

    async def main() -> DialError:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        proxy = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(DialError) as caught:
            await dial("wss://h.test/", DialOptions(proxy=proxy, location=True))
        server.close()
        return caught.value

    error = asyncio.run(main())
    assert (error.phase, error.code, len(asked)) == ("proxy", "proxy-http-302", 1)


@pytest.fixture
def secure(ca: Authority) -> Iterator[Hopping]:
    made = ca.cert()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.cert, made.key)
    hopping = Hopping(context)
    yield hopping
    hopping.stop()


def test_a_downgrade_needs_insecure(
    secure: Hopping, hopping: Hopping, ca: Authority, peers: Peers
) -> None:
    url = f"wss://{secure.authority}/to/301/http:%2F%2F{hopping.authority}%2Fend"
    trust = ("--cacert", str(ca.pem))
    run = peers.wsdiag("connect", "-L", url, *trust, "-o", "json", ok=1)
    error = run.record("connect.result")["error"]
    assert (error["kind"], "would give up TLS" in error["message"]) == ("redirect", True)
    assert hopping.requests == []
    peers.wsdiag("connect", "-L", "-k", url, ok=0)
    assert len(hopping.requests) == 1


def test_an_upgrade_to_tls_is_followed(
    secure: Hopping, hopping: Hopping, ca: Authority, peers: Peers
) -> None:
    url = f"ws://{hopping.authority}/to/308/https:%2F%2F{secure.authority}%2Fend"
    run = peers.wsdiag("connect", "-L", url, "--cacert", str(ca.pem), "-o", "json", ok=0)
    result = run.record("connect.result")
    assert result["reached"] == f"wss://{secure.authority}/end"
    assert result["tls"]["verified"] is True


def test_without_location_the_command_to_type_works(hopping: Hopping, peers: Peers) -> None:
    url = f"ws://{hopping.authority}/to/302/%2Fend?a=1&b=2"
    run = peers.wsdiag("connect", url, "-o", "json", ok=1)
    error = run.record("connect.result")["error"]
    assert f"to ws://{hopping.authority}/end?a=1&b=2" in error["message"]
    command = shlex.split(error["hint"].partition("To follow it: wsdiag ")[2])
    assert command == ["connect", "-L", url]
    peers.wsdiag(*command, ok=0)


def test_a_loop_and_too_many(hopping: Hopping, peers: Peers) -> None:
    url = f"ws://{hopping.authority}/to/302/%3F"
    run = peers.wsdiag("connect", "-L", url, "-o", "json", ok=1)
    assert (
        run.record("connect.result")["error"]["message"] == f"redirected in a loop, back to {url}"
    )
    url = f"ws://{hopping.authority}/to/302/%2Fto%2F302%2F%252Fend"
    run = peers.wsdiag("connect", "-L", "--max-redirs", "1", url, "-o", "json", ok=1)
    error = run.record("connect.result")["error"]
    assert (error["kind"], error["message"]) == ("redirect", "more than 1 redirect")
    assert "--max-redirs N" in error["hint"]
