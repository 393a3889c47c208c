"""What a relay passes on between a real client and a real server, and what it costs to do so."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve
from websockets.utils import accept_key

from tests.integration.server.raw_client import RawClient
from tests.integration.server.serving import serving
from tests.peers.certs import Authority
from wsdiag.protocol.frames import encode_frame
from wsdiag.server.faults.bad_frames import BINARY, CONT
from wsdiag.server.routes import from_spec
from wsdiag.transport.tls.certs import throwaway_certificate

QUEUES = 16 * 2**20  # the kernel's buffers on two hops, and our own on each side


@contextmanager
def upstream(handle: Any, **options: Any) -> Iterator[str]:
    """A server of the `websockets` library; its authority."""
    server = serve(handle, "127.0.0.1", 0, **options)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.socket.getsockname()[1]}"
    finally:
        server.shutdown()
        thread.join()


def echo(client: ServerConnection) -> None:
    try:
        for message in client:
            client.send(message)
    except ConnectionClosed:
        pass


def test_credentials_cookies_and_origin_reach_the_upstream_and_its_cookie_the_client() -> None:
    seen: list[Headers] = []

    def note(_: ServerConnection, request: Request) -> None:
        seen.append(request.headers)

    def add(_: ServerConnection, __: Request, response: Response) -> Response:
        response.headers["Set-Cookie"] = "session=7"
        return response

    with (
        upstream(echo, process_request=note, process_response=add) as address,
        serving(upstream=f"ws://{address}", allow_origins=("https://example.test",)) as relay,
        connect(
            relay.url,
            proxy=None,
            origin="https://example.test",  # type: ignore[arg-type]
            additional_headers={"Authorization": "Bearer abc", "Cookie": "a=1; b=2"},
        ) as client,
    ):
        assert client.response is not None
        assert client.response.headers["Set-Cookie"] == "session=7"
    (headers,) = seen
    assert headers["Authorization"] == "Bearer abc"
    assert headers["Cookie"] == "a=1; b=2"
    assert headers["Origin"] == "https://example.test"
    assert headers["Host"] == address


def test_the_upstreams_refusal_is_the_clients() -> None:
    def refuse(client: ServerConnection, _: Request) -> Response:
        response = client.respond(HTTPStatus.UNAUTHORIZED, "who are you?\n")
        response.headers["WWW-Authenticate"] = "Bearer"
        return response

    with (
        upstream(echo, process_request=refuse) as address,
        serving(upstream=f"ws://{address}") as relay,
        pytest.raises(InvalidStatus) as caught,
    ):
        connect(relay.url, proxy=None)
    response = caught.value.response
    assert (response.status_code, response.body) == (401, b"who are you?\n")
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_an_upstream_that_is_no_websocket_is_a_502_with_its_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(4096)
                sock.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with (
            serving(upstream=f"ws://127.0.0.1:{listener.getsockname()[1]}") as relay,
            pytest.raises(InvalidStatus) as caught,
        ):
            connect(relay.url, proxy=None)
        thread.join()
    assert caught.value.response.status_code == 502
    assert b"does not speak HTTP" in (caught.value.response.body or b"")


def test_an_upstream_with_a_private_ca(ca: Authority) -> None:
    cert = ca.cert()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert.cert, cert.key)
    with upstream(echo, ssl=context) as address:
        with serving(upstream=f"wss://{address}") as relay, pytest.raises(InvalidStatus) as caught:
            connect(relay.url, proxy=None)
        assert caught.value.response.status_code == 502
        assert b"certificate" in (caught.value.response.body or b"")
        for trust in ({"cacert": ca.pem}, {"insecure": True}):
            with serving(upstream=f"wss://{address}", **trust) as relay:
                with connect(relay.url, proxy=None) as client:
                    client.send("over TLS")
                    assert client.recv(10) == "over TLS"


def test_a_relay_with_tls_of_its_own(tmp_path: Path) -> None:
    chain, key = throwaway_certificate(["localhost", "127.0.0.1"]).write(tmp_path)
    with (
        upstream(echo) as address,
        serving(upstream=f"ws://{address}", cert=chain, key=key) as relay,
        connect(relay.url, proxy=None, ssl=ssl._create_unverified_context()) as client,
    ):
        client.send("in, and out again")
        assert client.recv(10) == "in, and out again"


@pytest.mark.parametrize("compression", ["deflate", None])
def test_fragments_become_one_message_whole(compression: str | None) -> None:
    with (
        upstream(echo, compression=compression) as address,
        serving(upstream=f"ws://{address}") as relay,
        connect(relay.url, proxy=None, compression=compression) as client,
    ):
        client.send(iter(["in ", "three ", "frames"]))
        assert client.recv(10) == "in three frames"


@pytest.mark.parametrize("raw", [False, True])
def test_a_client_that_does_not_read_holds_the_upstream_back(raw: bool) -> None:
    sent = [0]

    def flood(client: ServerConnection) -> None:
        try:
            while sent[0] < 200 * 2**20:
                client.send(bytes(100_000))
                sent[0] += 100_000
        except ConnectionClosed:
            pass

    with (
        upstream(flood, compression=None) as address,
        serving(upstream=f"ws://{address}", raw=raw) as relay,
        RawClient(relay.url, "/"),
    ):
        assert settled(lambda: sent[0]) < QUEUES


@pytest.mark.parametrize("raw", [False, True])
def test_an_upstream_that_does_not_read_holds_the_client_back(raw: bool) -> None:
    frame = encode_frame(BINARY, bytes(100_000), mask=bytes(4))
    with (
        deaf_upstream() as address,
        serving(upstream=f"ws://{address}", raw=raw) as relay,
        RawClient(relay.url, "/", timeout=1.0) as client,
    ):
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 200 * 2**20:
                client.sock.sendall(frame)
                sent += len(frame)
        assert sent < QUEUES


@contextmanager
def deaf_upstream() -> Iterator[str]:
    """Takes one connection, upgrades it, and reads nothing any more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        kept: list[socket.socket] = []

        def upgrade() -> None:
            sock, _ = listener.accept()
            kept.append(sock)
            request = sock.recv(65536).decode()
            key = next(
                line.split(": ")[1]
                for line in request.splitlines()
                if line.lower().startswith("sec-websocket-key")
            )
            sock.sendall(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n".encode()
            )

        thread = threading.Thread(target=upgrade)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            thread.join()
            for sock in kept:
                sock.close()


def settled(value: Any) -> int:
    """The value once it has not changed for a second."""
    end, last, since = time.monotonic() + 60, -1, time.monotonic()
    while time.monotonic() < end:
        now = value()
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > 1.0:
            break
        time.sleep(0.05)
    return int(last)


def test_half_a_message_goes_nowhere_and_costs_no_more_than_its_limit() -> None:
    with (
        upstream(echo) as address,
        serving(upstream=f"ws://{address}", max_message_size=2**20) as relay,
        RawClient(relay.url, "/", timeout=10.0) as client,
    ):
        piece = encode_frame(BINARY, bytes(600_000), fin=False, mask=bytes(4))
        client.sock.sendall(piece)
        client.sock.sendall(bytes([CONT]) + piece[1:])  # 1.2 MB by now
        assert client.read(4)[2:4] == (1009).to_bytes(2, "big")


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.test"}, {"Origin": "null"}, {"Host": "rebound.evil.test:80"}],
)
def test_no_web_page_reaches_the_control_port_even_with_the_token(headers: dict[str, str]) -> None:
    with serving(control_port=0, control_token="secret") as server:
        status, answer = control(server.server.control_url, headers, "secret")
        assert (status, "browser requests" in answer["error"]) == (403, True)
        assert control(server.server.control_url, {}, "secret")[0] == 200
        assert control(server.server.control_url, {}, "other")[0] == 401
        status, _ = control(server.server.control_url, {"Origin": "http://a.test"}, "", "OPTIONS")
        assert status == 403


def control(
    url: str | None, headers: dict[str, str], token: str, method: str = "GET"
) -> tuple[int, Any]:
    assert url is not None
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=10)
    connection.request(method, "/faults", headers={"Authorization": f"Bearer {token}", **headers})
    response = connection.getresponse()
    assert not [name for name, _ in response.getheaders() if name.lower().startswith("access-")]
    body = json.loads(response.read())
    connection.close()
    return response.status, body


def test_faults_stand_before_the_upstream_is_asked() -> None:
    with serving(upstream="ws://127.0.0.1:9", faults=(from_spec("status/418"),)) as relay:
        with pytest.raises(InvalidStatus) as caught:
            connect(relay.url, proxy=None)
        assert caught.value.response.status_code == 418
