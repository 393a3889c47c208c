"""What a failed connection is told as: from real bytes on a real socket to words."""

from __future__ import annotations

import asyncio

import pytest

from wsdiag.probes.connect.run import connect
from wsdiag.records import ConnectResult
from wsdiag.transport.dial.options import DialOptions


async def connect_to_bytes(answer: bytes, options: DialOptions, *, hold: bool) -> ConnectResult:
    """`connect` to a server that answers whatever it reads with `answer`, then ends or waits."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(4096)
            writer.write(answer)
            await writer.drain()
            if hold:
                await reader.read()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        return await connect(f"ws://127.0.0.1:{port}/ws", options)


def told(answer: bytes, *, hold: bool = False, **options: object) -> ConnectResult:
    dial = DialOptions(**{"connect_timeout": 5.0, **options})  # type: ignore[arg-type]
    result = asyncio.run(connect_to_bytes(answer, dial, hold=hold))
    assert not result.ok
    return result


def refusal(status: str, body: str = "", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body.encode())}", *headers]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


def switching(*headers: str) -> bytes:
    lines = ["HTTP/1.1 101 Switching Protocols", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


UPGRADED = ("Upgrade: websocket", "Connection: Upgrade")
NGINX = "Server: nginx/1.22.1"

ANSWERS: dict[str, tuple[bytes, str, str]] = {
    "a page": (refusal("200 OK", "<h1>It works!</h1>"), "a web page came", "Check the path"),
    "a login page": (
        refusal("200 OK", '<form>Sign in <input type="password"></form>'),
        "a login page",
        "-b",
    ),
    "a captive portal": (
        refusal("302 Found", "", "Location: http://portal.hotel.test/login"),
        "302 Found",
        "captive portal",
    ),
    "a redirect": (
        refusal("301 Moved Permanently", "", "Location: https://a.test/ws/"),
        "to wss://a.test/ws/",
        "wsdiag connect -L ws://127.0.0.1:",
    ),
    "bad request": (refusal("400 Bad Request", "missing room"), "missing room", "--subprotocol"),
    "an HTTP/1.0 proxy": (
        refusal("400 Bad Request", "unsupported protocol; expected HTTP/1.1: GET / HTTP/1.0"),
        "400 Bad Request",
        "proxy_http_version 1.1",
    ),
    "unauthorized": (refusal("401 Unauthorized"), "authentication", "--bearer-env"),
    "an origin refused": (
        refusal("403 Forbidden", "Origin not allowed"),
        "refuses the origin",
        "--origin http://",
    ),
    "forbidden": (refusal("403 Forbidden"), "the server refuses", "--origin http://127.0.0.1:"),
    "not found": (refusal("404 Not Found"), "nothing at /ws", "slash"),
    "upgrade required behind nginx": (
        refusal("426 Upgrade Required", "Upgrade Required", NGINX),  # as Node's ws says it
        "behind nginx",
        "proxy_set_header Upgrade $http_upgrade",
    ),
    "upgrade required": (
        refusal("426 Upgrade Required", "Upgrade Required"),
        "as if our Upgrade header had not",
        "hop-by-hop",
    ),
    "HTTP/2 only": (refusal("426 Upgrade Required", "", "Upgrade: h2c"), "HTTP/2 only", "HTTP/1.1"),
    "too many": (
        refusal("429 Too Many Requests", "", "Retry-After: 30"),
        "too many",
        "Retry-After: 30",
    ),
    "bad gateway": (refusal("502 Bad Gateway", "", NGINX), "nginx/1.22.1", "backend"),
    "unavailable": (refusal("503 Service Unavailable"), "takes no connection now", "health"),
    "a wrong accept key": (
        switching(*UPGRADED, "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        "does not match our key",
        "caches",
    ),
    "no accept key": (switching(*UPGRADED), "Sec-WebSocket-Accept", "a draft before RFC 6455"),
    "an upgrade to something else": (
        switching("Upgrade: h2c", "Connection: Upgrade"),
        "not to WebSocket",
        "protocol that was not asked for",
    ),
    "SSH": (b"SSH-2.0-OpenSSH_9.2p1\r\n", "does not speak HTTP", "Another service"),
    "HTTP/2 frames": (
        bytes.fromhex("000012040000000000000300000064000400100000"),
        "HTTP/2 from the first byte",
        "HTTP/2-only",
    ),
    "a header without end": (
        b"HTTP/1.1 200 OK\r\n" + b"X-Filler: " + b"x" * 200_000,
        "does not end",
        "curl -sv",
    ),
    "half an answer": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso",
        "before it answered",
        "without a word",
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_each_answer_has_its_diagnosis(name: str) -> None:
    answer, seen, change = ANSWERS[name]
    error = told(answer).error
    assert error is not None
    assert seen in error.message, error
    assert change in (error.hint or ""), error
    assert "{" not in f"{error.message}{error.hint}"
    assert error.message.count(seen) == 1  # said once, not again by what it quotes


def test_the_first_lines_of_a_refusal_are_kept() -> None:
    result = told(refusal("503 Service Unavailable", "sorry\x1b[2J\nback at noon"))
    assert result.http is not None
    assert result.http.body == "sorry\x1b[2J\nback at noon"
    assert result.error is not None
    assert "back at noon" in result.error.message


def test_a_server_that_never_answers() -> None:
    error = told(b"", hold=True, connect_timeout=0.5).error
    assert error is not None
    assert (error.kind, error.phase) == ("timeout", "upgrade")
    assert "within 0.5 s" in error.message


def test_nobody_listens() -> None:
    result = asyncio.run(connect("ws://127.0.0.1:1/", DialOptions()))
    assert result.error is not None
    assert result.error.kind == "refused"
    assert result.address == "127.0.0.1:1"
    assert result.http is None


def test_a_bad_url_is_a_usage_error_with_the_place_marked() -> None:
    result = asyncio.run(connect("ws://a.test/#top", DialOptions()))
    assert result.error is not None
    assert (result.error.kind, result.error.phase) == ("usage", "url")
    assert "ws://a.test/»#top" in result.error.message
