"""Nothing is concluded that was not seen: TLS called plain, answers without end, last words."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from rich.console import Console

from tests.integration.scripted import ScriptedClient, scripted
from wsdiag.probes.connect.run import connect
from wsdiag.protocol.codes import Opcode
from wsdiag.protocol.http import accept_key
from wsdiag.records import ConnectResult
from wsdiag.render.connect.view import connect_view
from wsdiag.transport.dial import race, secure
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.stream.tcp import Address

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PLAIN_400 = (
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nThis port wants TLS, and got plain HTTP"
)


async def serve(handler: Handler) -> asyncio.Server:
    """A server on loopback that does what `handler` does, whatever its client does."""

    async def quiet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(quiet, "127.0.0.1", 0)


def connect_to(
    handler: Handler, scheme: str = "ws", host: str = "127.0.0.1", path: str = "/ws", **options: Any
) -> ConnectResult:
    """`connect` to a server that does what `handler` does; `use_…` go to `connect` itself."""
    use = {name.removeprefix("use_"): options.pop(name) for name in [*options] if "use_" in name}

    async def main() -> ConnectResult:
        async with await serve(handler) as server:
            port = server.sockets[0].getsockname()[1]
            dial = DialOptions(**{"connect_timeout": 3.0, "proxy": "", **options})
            return await connect(f"{scheme}://{host}:{port}{path}", dial, **use)

    return asyncio.run(main())


def told(result: ConnectResult) -> str:
    assert result.error is not None
    return f"{result.error.message} {result.error.hint}"


# -- TLS ---------------------------------------------------------------------------------------


async def is_plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Whether the client speaks plain HTTP, which is answered as a server with TLS does."""
    if (await reader.read(3))[:1] == b"\x16":
        return False
    writer.write(PLAIN_400)
    await writer.drain()
    return True


def test_a_tls_server_that_stays_silent_is_not_called_plain() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await is_plain(reader, writer):
            await reader.read()
            await asyncio.sleep(10)

    result = connect_to(silent, "wss", connect_timeout=1.5)
    assert result.error is not None
    assert (result.error.kind, result.error.phase) == ("timeout", "tls")
    assert "does not speak TLS" not in told(result)
    assert "ws://127" not in told(result)
    assert "MTU" in told(result)


@pytest.mark.parametrize("how", ["FIN", "RST"])
@pytest.mark.parametrize("answers_http", [True, False])
def test_a_clienthello_that_ends_the_connection_is_not_a_plain_port(
    how: str, answers_http: bool
) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (answers_http and await is_plain(reader, writer)) or not await reader.read(3):
            return
        if how == "RST":
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    for host, filtered in (("localhost", True), ("127.0.0.1", False)):
        result = connect_to(cut, "wss", host)
        assert "does not speak TLS" not in told(result)
        assert "ClientHello" in told(result)
        assert ("SNI" in told(result)) is filtered, "an address is not sent (RFC 6066, 3)"
        assert ("with an address in the URL none is sent" in told(result)) is not filtered


@pytest.mark.parametrize("host", ["a.test", "127.0.0.1"])
def test_an_end_behind_a_proxys_clienthello_may_be_the_proxys_own(host: str) -> None:
    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await reader.read(3)

    async def main() -> ConnectResult:
        async with await serve(proxy) as server:
            port = server.sockets[0].getsockname()[1]
            dial = DialOptions(proxy=f"http://127.0.0.1:{port}", connect_timeout=3.0)
            return await connect(f"wss://{host}/ws", dial)

    result = asyncio.run(main())
    assert "The proxy's log tells which" in told(result)
    assert "--noproxy" in told(result)
    assert "--sni" not in told(result)
    assert "--resolve" not in told(result)


def test_a_line_that_ends_behind_the_clienthello_shows_a_plain_server() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    began = time.monotonic()
    result = connect_to(plain, "wss", connect_timeout=20)
    assert result.error is not None
    assert "does not speak TLS" in result.error.message
    assert time.monotonic() - began < 10, "well before the deadline"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    ca, path = trustme.CA(), tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return ca, path


def server_context(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    return context


def served(context: ssl.SSLContext, options: DialOptions, *, wait_s: float = 0.0) -> ConnectResult:
    """`connect` to a server whose handshake begins late; plain HTTP is told that TLS is wanted."""

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.settimeout(10)
            if sock.recv(1, socket.MSG_PEEK) != b"\x16":
                sock.sendall(PLAIN_400)
                sock.close()
                continue
            time.sleep(wait_s)
            try:
                with context.wrap_socket(sock, server_side=True) as tls:
                    head = tls.recv(4096).decode()
                    if not head:
                        continue
                    key = head.split("Sec-WebSocket-Key: ")[1].split("\r\n")[0]
                    tls.sendall(upgraded(key))
                    tls.recv(4096)
            except OSError:
                continue

    async def main() -> ConnectResult:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving = asyncio.create_task(asyncio.to_thread(serve, listener))
            port = listener.getsockname()[1]
            try:
                return await connect(
                    f"wss://localhost:{port}/", options, ping_timeout_s=0.1, close_timeout_s=0.1
                )
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                await serving

    return asyncio.run(main())


def upgraded(key: str, version: str = "1.1", *lines: str) -> bytes:
    head = [
        f"HTTP/{version} 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_key(key)}",
        *lines,
    ]
    return ("\r\n".join(head) + "\r\n\r\n").encode()


def test_a_slow_handshake_has_the_whole_dials_time(
    authority: tuple[trustme.CA, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secure, "_SILENCE_S", 0.2)
    ca, path = authority
    result = served(server_context(ca), DialOptions(cacert=path, proxy=""), wait_s=1.0)
    assert result.http is not None, result.error
    assert result.http.status == 101
    assert result.phases.tls_ms is not None
    assert result.phases.tls_ms > 900


def test_a_client_certificate_that_tls_1_2_asks_for_is_named(
    authority: tuple[trustme.CA, Path],
) -> None:
    ca, path = authority
    context = server_context(ca)
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    result = served(context, DialOptions(cacert=path, proxy=""))
    assert "requires a client certificate" in told(result)
    assert "--cert FILE" in told(result)


def test_a_key_log_is_written_where_the_environment_asks_for_it(
    authority: tuple[trustme.CA, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca, path = authority
    options = DialOptions(cacert=path, proxy="")
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "none" / "keys.log"))
    assert served(server_context(ca), options).http is not None, "no reason to fail"
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    assert served(server_context(ca), options).http is not None
    assert "CLIENT_TRAFFIC_SECRET_0 " in (tmp_path / "keys.log").read_text()


# -- answers without end -----------------------------------------------------------------------


def test_a_body_without_end_has_one_second_in_all() -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"4\r\nwait\r\n")
            await writer.drain()
            await asyncio.sleep(0.3)

    began = time.monotonic()
    result = connect_to(trickle, connect_timeout=20)
    assert time.monotonic() - began < 15, "not the dial's 20 s"
    assert "503 Busy" in told(result)
    assert result.http is not None
    assert (result.http.body or "").startswith("waitwait")
    assert result.phases.upgrade_ms is not None
    assert result.phases.upgrade_ms < 900, "the answer, not its body"


def test_the_status_is_told_when_the_deadline_comes_before_the_bodys_end() -> None:
    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 100\r\n\r\nup")
        await reader.read()

    result = connect_to(begin, connect_timeout=0.6)
    assert "502 Bad Gateway" in told(result)
    assert result.http is not None
    assert result.http.status == 502


def test_half_an_answer_at_the_deadline_is_told_as_that() -> None:
    half = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso"

    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(half)
        await reader.read()

    result = connect_to(begin, connect_timeout=0.6)
    assert result.error is not None
    assert result.error.kind == "timeout"
    assert f"an answer began: {len(half)} bytes in 0.6 s" in result.error.message


# -- after the 101 -----------------------------------------------------------------------------


async def take_upgrade(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, version: str = "1.1", *lines: str
) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    writer.write(upgraded(head.split("Sec-WebSocket-Key: ")[1].split("\r\n")[0], version, *lines))
    await writer.drain()


@pytest.mark.parametrize("frames_before", [b"", b"\x81\x02hi"])
def test_http_behind_the_101_is_told_as_http(frames_before: bytes) -> None:
    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await take_upgrade(reader, writer)
        writer.write(frames_before + b"HTTP/1.1 404 Not Here\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    result = connect_to(twice)
    assert "HTTP again, not a frame: HTTP/1.1 404 Not Here" in told(result)
    assert "Two handlers" in told(result)


def test_a_refusal_behind_the_101_is_told_by_its_own_words() -> None:
    async def engine_io(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await take_upgrade(reader, writer)
        why = b"Unsupported protocol version"
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n" % len(why) + why)
        await reader.read()

    result = connect_to(engine_io, path="/socket.io/?EIO=3&transport=websocket")
    assert "(EIO=3): 400 Bad Request: Unsupported protocol version" in told(result)
    assert "allowEIO3" in told(result)
    assert "Two handlers" not in told(result)


def test_compressed_messages_that_were_not_agreed_on_are_told_as_that() -> None:
    async def script(client: ScriptedClient) -> None:
        client.writer.write(b"\xc1\x03\xca\x00\x00")
        await client.writer.drain()
        await asyncio.sleep(0.2)

    async def main() -> ConnectResult:
        async with scripted(script) as (url, _):
            return await connect(url, DialOptions())

    said = told(asyncio.run(main()))
    assert "reserved bit" in said
    assert "--no-compression" in said


def test_an_end_right_after_the_opening_may_be_a_refusal() -> None:
    async def script(client: ScriptedClient) -> None:
        client.writer.close()

    async def main() -> ConnectResult:
        async with scripted(script) as (url, _):
            return await connect(url, DialOptions())

    said = told(asyncio.run(main()))
    assert "without a Close frame" in said
    assert "refused without a word" in said


def test_an_old_version_and_odd_lines_of_a_101_are_noted() -> None:
    async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await take_upgrade(reader, writer, "1.0", "this is no header", "X-Good: yes")
        await reader.read(100)

    result = connect_to(odd, use_ping_timeout_s=0.1, use_close_timeout_s=0.1)
    assert result.http is not None, result.error
    assert result.http.version == "1.0"
    assert ("X-Good", "yes") in result.http.headers
    notes = " ".join(result.notes)
    assert "HTTP/1.0" in notes
    assert "'this is no header'" in notes


@pytest.mark.parametrize("line", ["Transfer-Encoding: chunked", "Content-Length: 0"])
def test_a_body_that_a_101_announces_is_noted(line: str) -> None:
    async def framed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await take_upgrade(reader, writer, "1.1", line)
        await reader.read(100)

    result = connect_to(framed, use_ping_timeout_s=0.1, use_close_timeout_s=0.1)
    (note,) = (each for each in result.notes if "The 101 has" in each)
    assert f"The 101 has {line}, which it must not have" in note


async def ends_later(client: ScriptedClient) -> None:
    async for frame in client.frames():
        client.send(Opcode.PONG, frame.payload)
        client.send(Opcode.TEXT, b"bye")
        await client.writer.drain()
        return


def test_a_connection_that_ends_while_we_listen_is_no_failed_ping() -> None:
    async def main() -> ConnectResult:
        async with scripted(ends_later) as (url, _):
            return await connect(url, DialOptions(), listen_s=20.0)

    result = asyncio.run(main())
    assert result.phases.ping_ms is not None
    console = Console(width=100)
    with console.capture() as capture:
        console.print(connect_view(result))
    assert "connection lost for ws://" in capture.get()
    assert "first Ping failed" not in capture.get()


@pytest.mark.parametrize(("answers", "phase"), [(False, "ping"), (True, "messages")])
def test_nobody_listens_any_more_after_a_broken_rule(answers: bool, phase: str) -> None:
    async def breaks_and_stays(client: ScriptedClient) -> None:
        async for frame in client.frames():
            if frame.opcode is Opcode.CLOSE:
                return
            if answers:
                client.send(Opcode.PONG, frame.payload)
            client.writer.write(b"\xc1\x00")  # RSV1 without an extension

    async def main() -> ConnectResult:
        async with scripted(breaks_and_stays) as (url, _):
            return await connect(url, DialOptions(), listen_s=30.0)

    began = time.monotonic()
    result = asyncio.run(main())
    assert time.monotonic() - began < 20
    assert result.error is not None
    assert (result.error.kind, result.error.phase) == ("protocol", phase)
    assert not any("No message" in note for note in result.notes)


def test_no_subprotocol_of_those_offered_is_noted() -> None:
    async def main() -> ConnectResult:
        async def script(client: ScriptedClient) -> None:
            async for frame in client.frames():
                if frame.opcode is Opcode.PING:
                    client.send(Opcode.PONG, frame.payload)
                elif frame.opcode is Opcode.CLOSE:
                    client.send(Opcode.CLOSE, frame.payload)
                    return

        async with scripted(script) as (url, _):
            return await connect(url, DialOptions(subprotocols=("mqtt", "stomp")))

    result = asyncio.run(main())
    assert result.ok
    assert "mqtt, stomp" in result.notes[0]
    assert "browsers end such a connection" in result.notes[0]


def test_last_words_and_a_close_without_a_code() -> None:
    async def script(client: ScriptedClient) -> None:
        client.send(Opcode.TEXT, b'{"error":"plan expired"}')
        client.send(Opcode.CLOSE)
        await client.writer.drain()
        await asyncio.sleep(0.3)

    async def main() -> ConnectResult:
        async with scripted(script) as (url, _):
            return await connect(url, DialOptions())

    result = asyncio.run(main())
    assert "without a code (1005)" in told(result)
    assert 'the last message was \'{"error":"plan expired"}\'' in told(result)
    assert "It names no fault" not in told(result)
    assert "its last message, which may say why" in told(result)
    assert [message.text for message in result.messages or ()] == ['{"error":"plan expired"}']


@pytest.mark.parametrize(
    ("reason", "helps"),
    [
        (b"origin not allowed", "--origin http://127.0.0.1"),
        (b"token expired", "Fetch a new one"),
        (b"no such room", "Its reason or log says which"),
    ],
)
def test_a_reason_that_names_its_cause_is_taken_at_its_word(reason: bytes, helps: str) -> None:
    async def script(client: ScriptedClient) -> None:
        client.send(Opcode.CLOSE, (1008).to_bytes(2, "big") + reason)
        await client.writer.drain()

    async def main() -> ConnectResult:
        async with scripted(script) as (url, _):
            return await connect(url, DialOptions())

    assert helps in told(asyncio.run(main()))


@pytest.mark.parametrize("closes", [True, False])
def test_socket_io_asked_for_polling_is_told_by_the_url(closes: bool) -> None:
    """socket.io closes without a code, python-socketio ends TCP."""

    async def script(client: ScriptedClient) -> None:
        if closes:
            client.send(Opcode.CLOSE)
            await client.writer.drain()

    async def main(query: str) -> ConnectResult:
        async with scripted(script) as (url, _):
            return await connect(f"{url.rstrip('/')}/socket.io/?{query}", DialOptions())

    polling = asyncio.run(main("transport=polling&EIO=4"))
    assert "transport=websocket in the query" in told(polling)
    other = asyncio.run(main("EIO=4&transport=websocket"))
    assert "long-polling" not in told(other)


def test_a_close_is_timed_by_its_frame_and_not_by_tcps_end() -> None:
    async def script(client: ScriptedClient) -> None:
        client.send(Opcode.CLOSE, struct.pack("!H", 4003) + b"forbidden")
        async for _ in client.frames():
            pass
        await asyncio.sleep(30)  # TCP stays open

    async def main() -> ConnectResult:
        async with scripted(script) as (url, _):
            return await connect(url, DialOptions(), close_timeout_s=1.0)

    result = asyncio.run(main())
    assert result.error is not None
    after = result.error.message.partition("'forbidden', ")[2].partition(" ms")[0]
    assert float(after) < 900
    assert "left TCP open" in " ".join(result.notes)


def test_messages_are_sent_and_what_comes_is_shown() -> None:
    async def script(client: ScriptedClient) -> None:
        async for frame in client.frames():
            if frame.opcode is Opcode.PING:
                client.send(Opcode.PONG, frame.payload)
            elif frame.opcode is Opcode.TEXT:
                client.send(Opcode.TEXT, b"you said " + frame.payload)
                client.send(Opcode.BINARY, b"\x00\xff")
            elif frame.opcode is Opcode.CLOSE:
                client.send(Opcode.CLOSE, frame.payload)
                return

    async def main(**use: Any) -> ConnectResult:
        async with scripted(script) as (url, _):
            return await connect(url, DialOptions(), **use)

    result = asyncio.run(main(send=["one"]))
    assert result.ok
    first, *_ = result.messages or ()
    assert (first.kind, first.text, first.bytes) == ("text", "you said one", 12)
    result = asyncio.run(main(send=["1", "2", "3", "4"]))
    texts = [message.text for message in result.messages or () if message.kind == "text"]
    assert texts[:2] == ["you said 1", "you said 2"]
    result = asyncio.run(main(send=["a", "b"], listen_s=0.5))
    kinds = [(message.kind, message.bytes) for message in result.messages or ()]
    assert kinds == [("text", 10), ("binary", 2)] * 2
    assert asyncio.run(main(listen_s=0.1)).messages == ()
    assert asyncio.run(main()).messages is None


def test_the_whole_of_it_is_bounded() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await take_upgrade(reader, writer)
        await asyncio.sleep(30)

    began = time.monotonic()
    result = connect_to(mute, connect_timeout=20, use_listen_s=30.0, use_max_time_s=1.0)
    assert time.monotonic() - began < 15, "neither the dial's 20 s nor the 30 s of listening"
    assert result.http is not None


# -- addresses ---------------------------------------------------------------------------------


def connect_to_both(first: str, listening: str) -> ConnectResult:
    """`connect` to a name that has two addresses, at the second of which a server listens."""

    async def opens(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await take_upgrade(reader, writer)
        await reader.read(100)

    async def main() -> ConnectResult:
        async with await asyncio.start_server(opens, listening, 0) as server:
            port = server.sockets[0].getsockname()[1]
            resolve = (("h.test", port, first), ("h.test", port, listening))
            options = DialOptions(resolve=resolve, proxy="")
            return await connect(
                f"ws://h.test:{port}/", options, ping_timeout_s=0.1, close_timeout_s=0.1
            )

    return asyncio.run(main())


def test_a_first_address_that_refuses_is_named() -> None:
    result = connect_to_both("127.0.0.1", "127.0.0.2")
    assert result.notes[0].startswith("127.0.0.1:")
    assert "failed (Connection refused)" in result.notes[0]
    assert f"connected to {result.address}" in result.notes[0]


def test_addresses_that_do_not_answer_in_time_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = race.connect_one

    async def silent(address: Address) -> socket.socket:
        if address[1][0] == "127.0.0.1":
            await asyncio.sleep(60)
        return await real(address)

    monkeypatch.setattr(race, "connect_one", silent)
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.2", 0))
        port = taken.getsockname()[1]
        resolve = (("h.test", port, "127.0.0.1"), ("h.test", port, "127.0.0.2"))
        options = DialOptions(resolve=resolve, proxy="", connect_timeout=1.0)
        said = told(asyncio.run(connect(f"ws://h.test:{port}/", options)))
    assert f"no answer from 127.0.0.1:{port} to the TCP connection" in said
    assert f"(tried as well: 127.0.0.2:{port}: Connection refused)" in said


def test_a_silent_first_address_is_named_and_its_wait_is_not_the_winners_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = race.connect_one

    async def silent_v6(address: Address) -> socket.socket:
        if address[0] == socket.AF_INET6:
            await asyncio.sleep(60)
        return await real(address)

    monkeypatch.setattr(race, "connect_one", silent_v6)
    monkeypatch.setattr(race, "ATTEMPT_DELAY_S", 0.3)

    result = connect_to_both("::1", "127.0.0.1")
    assert result.address is not None
    assert result.notes[0].startswith("[::1]:")
    assert f"connected to {result.address}" in result.notes[0]
    assert result.phases.tcp_ms is not None
    assert result.phases.tcp_ms < 250
