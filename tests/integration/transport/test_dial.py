"""dial against endpoints that behave, refuse, hang up, stall, or speak something else."""

from __future__ import annotations

import asyncio
import base64
import select
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.asyncio.server import ServerConnection, serve

from wsdiag.judgement.diagnosis.hints import diagnose
from wsdiag.protocol.events import Pong, TextMessage
from wsdiag.transport.dial import fallback_probes, race, resolve
from wsdiag.transport.dial.dialer import dial
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialError
from wsdiag.transport.session import SessionEnded
from wsdiag.transport.stream.stamps import round_trip_ns
from wsdiag.transport.stream.tcp import Address
from wsdiag.transport.tls import trust
from wsdiag.transport.trace import FrameTraced, HeadersTraced, PhaseTraced, TraceEvent


@pytest.fixture(autouse=True)
def short_fallback_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that neither speak nor hang up are probed for two seconds otherwise."""
    monkeypatch.setattr(fallback_probes, "PROBE_TIMEOUT_S", 0.5)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OPTIONS = DialOptions(connect_timeout=10, proxy="")


async def echo(ws: ServerConnection) -> None:
    async for message in ws:
        await ws.send(message)


@asynccontextmanager
async def websocket_server(host: str = "127.0.0.1", **options: Any) -> AsyncIterator[int]:
    async with serve(echo, host, 0, **options) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def raw_server(handler: Handler, **options: Any) -> AsyncIterator[int]:
    async def quiet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(quiet, "127.0.0.1", 0, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def answering(answer: bytes, *, then_wait: bool = False) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if then_wait:
            await asyncio.sleep(60)

    return handler


async def failure(url: str, options: DialOptions = OPTIONS) -> DialError:
    with pytest.raises(DialError) as caught:
        await dial(url, options)
    return caught.value


def test_a_session_from_name_to_clean_close() -> None:
    async def main() -> None:
        async with websocket_server(subprotocols=["chat"]) as port:
            options = replace(OPTIONS, subprotocols=("chat", "other"), compression=True)
            session = await dial(f"ws://localhost:{port}/path?query", options)
            report = session.report
            assert report is not None
            assert set(report.phases_ms) == {"dns", "tcp", "upgrade"}
            assert report.status == 101
            assert report.request_line == "GET /path?query HTTP/1.1"
            assert report.subprotocol == "chat"
            assert report.extensions[0].startswith("permessage-deflate")
            assert report.address is not None
            assert report.address.endswith(f":{port}")
            mark = session.ping(b"one")
            received = await session.receive(10)
            assert received is not None
            assert received.event == Pong(b"one")
            assert round_trip_ns(mark, received.at)[0] > 0
            session.send_text("hé" * 50_000)
            received = await session.receive(10)
            assert received is not None
            assert received.event == TextMessage("hé" * 50_000)
            assert await session.receive(0.01) is None
            outcome = await session.close(1000, "bye", timeout=10)
            assert (outcome.code, outcome.clean, outcome.tcp_ended_by) == (1000, True, "server")
            for _ in range(2):
                with pytest.raises(SessionEnded):
                    await session.receive(1)

    asyncio.run(main())


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_address_literals_have_no_dns_phase(host: str) -> None:
    async def main() -> None:
        async with websocket_server(host.strip("[]")) as port:
            session = await dial(f"ws://{host}:{port}/", OPTIONS)
            assert session.report is not None
            assert session.report.address == f"{host}:{port}"
            assert "dns" not in session.report.phases_ms
            await session.close()

    asyncio.run(main())


def test_resolve_replaces_the_name_and_family_restricts() -> None:
    async def main() -> None:
        async with websocket_server() as port:
            options = replace(OPTIONS, resolve=(("nowhere.test", port, "127.0.0.1"),))
            session = await dial(f"ws://nowhere.test:{port}/", options)
            assert session.report is not None
            assert ("Host", f"nowhere.test:{port}") in session.report.request_headers
            await session.close()
            error = await failure(f"ws://127.0.0.1:{port}/", replace(OPTIONS, family=6))
            assert (error.kind, error.code) == ("dns", "dns-no-such-family")

    asyncio.run(main())


def test_unix_sockets(tmp_path: Path) -> None:
    async def main() -> None:
        from websockets.asyncio.server import unix_serve

        path = str(tmp_path / "ws.sock")
        async with unix_serve(echo, path):
            options = replace(OPTIONS, unix_socket=path)
            session = await dial("ws://some.host/x", options)
            assert session.report is not None
            assert session.report.address == path
            assert ("Host", "some.host") in session.report.request_headers
            await session.close()
        error = await failure("ws://h/", replace(OPTIONS, unix_socket=str(tmp_path / "none")))
        assert (error.kind, error.code) == ("connect", "no-such-socket")

    asyncio.run(main())


def test_what_is_sent_along() -> None:
    heads: list[bytes] = []

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heads.extend([head] if head.startswith(b"GET ") else [])  # no fallback probes

    async def main() -> None:
        async with raw_server(keep) as port:
            options = replace(
                OPTIONS,
                headers=(("X-A", "1"), ("Host", "other"), ("cookie", "c=3")),
                cookies=("a=1", "b=2"),
                origin="http://o",
                user="me:pä",
                user_agent="mine/1",
            )
            await failure(f"ws://127.0.0.1:{port}/", options)
            await failure(f"ws://u:p%40@127.0.0.1:{port}/", OPTIONS)
            await failure(f"ws://127.0.0.1:{port}/", replace(OPTIONS, bearer="tok"))

    asyncio.run(main())
    first = heads[0].decode().split("\r\n")
    basic = base64.b64encode("me:pä".encode()).decode()
    for line in (
        "X-A: 1",
        "Host: other",
        "Cookie: c=3; a=1; b=2",
        "Origin: http://o",
        f"Authorization: Basic {basic}",
        "User-Agent: mine/1",
    ):
        assert line in first
    assert sum(line.lower().startswith("host:") for line in first) == 1
    assert b"Authorization: Basic " + base64.b64encode(b"u:p@") in heads[1]
    assert b"Authorization: Bearer tok" in heads[2]


# -- failures ----------------------------------------------------------------------------------


def test_a_bad_url_is_a_usage_error() -> None:
    error = asyncio.run(failure("ws://h/ x"))
    assert (error.kind, error.code, error.facts["position"]) == ("usage", "bad-url", 7)


def test_a_header_http_cannot_carry_is_a_usage_error() -> None:
    async def main() -> None:
        async with websocket_server() as port:
            error = await failure(
                f"ws://127.0.0.1:{port}/", replace(OPTIONS, headers=(("X", "a\nb"),))
            )
            assert (error.kind, error.code) == ("usage", "bad-header")

    asyncio.run(main())


def test_refused_names_every_address() -> None:
    async def main() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            options = replace(
                OPTIONS, resolve=(("h.test", port, "127.0.0.1"), ("h.test", port, "127.0.0.2"))
            )
            error = await failure(f"ws://h.test:{port}/", options)
        assert (error.kind, error.phase, error.code) == ("refused", "tcp", "refused")
        told = diagnose(f"ws://h.test:{port}/", error).message
        assert told.startswith(f"127.0.0.1:{port} refused the connection")
        assert f"(tried as well: 127.0.0.2:{port}: Connection refused)" in told

    asyncio.run(main())


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (socket.EAI_NONAME, "dns", "dns-not-found"),
        (socket.EAI_AGAIN, "dns", "dns-unavailable"),
        (socket.EAI_FAIL, "dns", "dns-failed"),
    ],
)
def test_the_resolvers_refusals(
    monkeypatch: pytest.MonkeyPatch, number: int, kind: str, code: str
) -> None:
    real = socket.getaddrinfo

    def refusing(host: str, *args: Any, flags: int = 0, **rest: Any) -> Any:
        if flags & socket.AI_NUMERICHOST:
            return real(host, *args, flags=flags, **rest)
        raise socket.gaierror(number, "as the test says")

    monkeypatch.setattr(resolve.socket, "getaddrinfo", refusing)
    error = asyncio.run(failure("ws://name.test/"))
    assert (error.kind, error.phase, error.code) == (kind, "dns", code)


def test_a_name_that_cannot_be_one() -> None:
    error = asyncio.run(failure(f"ws://{'a' * 64}.test/"))
    assert (error.kind, error.code) == ("dns", "dns-bad-name")


def test_a_resolver_that_hangs_does_not_keep_us(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    release = threading.Event()
    real = socket.getaddrinfo

    def hanging(host: str, *args: Any, flags: int = 0, **rest: Any) -> Any:
        if flags & socket.AI_NUMERICHOST:
            return real(host, *args, flags=flags, **rest)
        release.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "late")

    monkeypatch.setattr(resolve.socket, "getaddrinfo", hanging)
    error = asyncio.run(failure("ws://slow.test/", replace(OPTIONS, connect_timeout=0.2)))
    assert not release.is_set()
    release.set()
    assert (error.kind, error.phase, error.code) == ("timeout", "dns", "dns-timeout")


def test_a_silent_listener_times_out_by_phase() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        async with raw_server(silent) as port:
            options = replace(OPTIONS, connect_timeout=0.3)
            error = await failure(f"ws://127.0.0.1:{port}/", options)
            assert (error.kind, error.phase, error.code) == (
                "timeout",
                "upgrade",
                "upgrade-timeout",
            )
            assert set(error.report.phases_ms) == {"tcp", "upgrade"}
            error = await failure(f"wss://127.0.0.1:{port}/", options)
            assert (error.kind, error.phase, error.code) == ("timeout", "tls", "tls-timeout")

    asyncio.run(main())


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 429, 502, 503])
def test_refusals_carry_their_answer(status: int) -> None:
    body = b"<html>the reason</html>"
    answer = (
        b"HTTP/1.1 %d Some Words\r\nContent-Length: %d\r\nX-Who: me\r\n\r\n" % (status, len(body))
        + body
    )

    async def main() -> None:
        async with raw_server(answering(answer, then_wait=True)) as port:
            error = await failure(f"ws://127.0.0.1:{port}/")
            assert (error.kind, error.code) == ("upgrade", f"http-{status}")
            assert (error.report.status, error.report.reason) == (status, "Some Words")
            assert error.report.body == body
            assert ("X-Who", "me") in error.report.headers

    asyncio.run(main())


def test_a_body_without_an_end_does_not_hide_the_refusal() -> None:
    async def main() -> None:
        answer = b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbut\r\n"
        async with raw_server(answering(answer, then_wait=True)) as port:
            error = await failure(f"ws://127.0.0.1:{port}/")
            assert error.code == "http-403"
            assert error.report.body == b"but"

    asyncio.run(main())


def test_hanging_up_in_the_handshake() -> None:
    async def rst(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def main() -> None:
        for handler, how in (
            (answering(b""), "fin"),
            (rst, "rst"),
            (answering(b"HTTP/1.1 101 Swi"), "fin"),
        ):
            async with raw_server(handler) as port:
                error = await failure(f"ws://127.0.0.1:{port}/")
                assert (error.kind, error.code) == ("closed", "closed-in-handshake")
                assert error.facts["how"] == how

    asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not-http"),
        (
            b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: AAAA\r\n\r\n",
            "bad-accept",
        ),
        (
            b"HTTP/1.1 101 X\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(10_000)) + b"\r\n",
            "headers-too-large",
        ),
        (b"HTTP/1.1 101 X\r\nA: " + b"x" * (1 << 17), "headers-too-large"),
    ],
)
def test_answers_that_are_none(answer: bytes, code: str) -> None:
    async def main() -> None:
        async with raw_server(answering(answer, then_wait=True)) as port:
            assert (await failure(f"ws://127.0.0.1:{port}/")).code == code

    asyncio.run(main())


def test_a_header_a_byte_at_a_time_ends_at_the_deadline() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 101 Slow\r\nX: ")
        while True:
            writer.write(b"y")
            await writer.drain()
            await asyncio.sleep(0.02)

    async def main() -> None:
        async with raw_server(drip) as port:
            error = await failure(f"ws://127.0.0.1:{port}/", replace(OPTIONS, connect_timeout=0.4))
            assert error.code == "upgrade-timeout"

    asyncio.run(main())


# -- TLS ---------------------------------------------------------------------------------------


def server_context(
    ca: trustme.CA,
    *names: str,
    not_after: datetime | None = None,
    not_before: datetime | None = None,
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made = ca.issue_cert(
        *(names or ("localhost", "127.0.0.1")), not_after=not_after, not_before=not_before
    )
    made.configure_cert(context)
    return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, DialOptions]:
    made = trustme.CA()
    path = tmp_path_factory.mktemp("trust") / "ca.pem"
    made.cert_pem.write_to_path(str(path))
    return made, replace(OPTIONS, cacert=path)


Trusted = tuple[trustme.CA, DialOptions]


def test_tls_facts(authority: Trusted) -> None:
    ca, options = authority

    async def main() -> None:
        async with websocket_server(ssl=server_context(ca)) as port:
            session = await dial(f"wss://localhost:{port}/", options)
            assert session.report is not None
            tls = session.report.tls
            assert tls is not None
            assert tls.verified
            assert tls.version in ("TLSv1.2", "TLSv1.3")
            assert tls.sans == ("localhost", "127.0.0.1")
            assert tls.expires_in_days is not None
            assert tls.issuer is not None
            assert session.report.phases_ms["tls"] > 0
            outcome = await session.close(timeout=10)
            assert (outcome.clean, outcome.tcp_ended_by) == (True, "server")
            insecure = replace(OPTIONS, insecure=True)
            session = await dial(f"wss://localhost:{port}/", insecure)
            assert session.report is not None
            assert session.report.tls is not None
            assert session.report.tls == tls._replace(verified=False)
            await session.close()

    asyncio.run(main())


def test_reading_certificates_is_not_the_handshakes_time(
    authority: Trusted, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca, options = authority
    real = trust.client_context

    def slow(*args: Any, **rest: Any) -> ssl.SSLContext:
        time.sleep(0.5)
        return real(*args, **rest)

    monkeypatch.setattr(trust, "client_context", slow)

    async def main() -> None:
        async with websocket_server(ssl=server_context(ca)) as port:
            session = await dial(f"wss://localhost:{port}/", options)
            report = session.report
            assert report is not None
            assert report.total_ms - sum(report.phases_ms.values()) >= 500
            await session.close()

    asyncio.run(main())


DAY = timedelta(days=1)
NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("code", "host", "made"),
    [
        ("cert-expired", "localhost", {"not_after": NOW - DAY}),
        ("cert-not-yet-valid", "localhost", {"not_before": NOW + DAY}),
        ("cert-wrong-name", "127.0.0.1", {"names": ["other.test", "*.other.test"]}),
        ("cert-wrong-name", "localhost", {"names": ["other.test"]}),
    ],
)
def test_broken_certificates_are_told_in_full(
    authority: Trusted, code: str, host: str, made: dict[str, Any]
) -> None:
    ca, options = authority
    made = dict(made)
    names = made.pop("names", ())

    async def main() -> None:
        async with websocket_server(ssl=server_context(ca, *names, **made)) as port:
            error = await failure(f"wss://{host}:{port}/", options)
            assert (error.kind, error.phase, error.code) == ("cert", "tls", code)
            assert error.facts["wanted"] == host
            tls = error.report.tls
            assert tls is not None
            assert not tls.verified
            assert tls.sans == tuple(names or ("localhost", "127.0.0.1"))
            assert tls.not_before is not None
            assert tls.not_after is not None
            assert set(error.report.phases_ms) <= {"dns", "tcp", "tls"}

    asyncio.run(main())


def test_an_unknown_ca_is_named(authority: Trusted) -> None:
    async def main() -> None:
        other = trustme.CA(organization_name="Nobody Knows Ltd")
        async with websocket_server(ssl=server_context(other)) as port:
            error = await failure(f"wss://localhost:{port}/", authority[1])
            assert error.code == "cert-unknown-ca"
            assert error.report.tls is not None
            assert "Nobody Knows Ltd" in (error.report.tls.issuer or "")

    asyncio.run(main())


def test_a_self_signed_certificate(authority: Trusted, tmp_path: Path) -> None:
    async def main() -> None:
        lonely = trustme.CA()
        path = tmp_path / "lonely.pem"
        lonely.private_key_pem.write_to_path(str(path))
        lonely.cert_pem.write_to_path(str(path), append=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        async with websocket_server(ssl=context) as port:
            error = await failure(f"wss://localhost:{port}/", authority[1])
            assert error.code == "cert-self-signed"
            assert error.report.tls is not None
            assert error.report.tls.subject == error.report.tls.issuer

    asyncio.run(main())


def test_a_folder_of_certificates_is_trusted(authority: Trusted, tmp_path: Path) -> None:
    ca, options = authority
    ca.cert_pem.write_to_path(str(tmp_path / "one.pem"))
    (tmp_path / "README").write_text("not a certificate")

    async def main() -> None:
        async with websocket_server(ssl=server_context(ca)) as port:
            await (
                await dial(f"wss://localhost:{port}/", replace(options, cacert=tmp_path))
            ).close()

    asyncio.run(main())


def test_sni_is_asked_for_and_verified(authority: Trusted) -> None:
    ca, options = authority
    asked: list[str | None] = []

    async def main() -> None:
        context = server_context(ca, "inner.test")
        context.sni_callback = lambda _, name, __: asked.append(name)  # type: ignore[assignment, return-value]
        async with websocket_server(ssl=context) as port:
            url = f"wss://127.0.0.1:{port}/"
            await (await dial(url, replace(options, sni="inner.test"))).close()
            assert asked == ["inner.test"]
            error = await failure(url, replace(options, sni="other.test"))
            assert (error.code, error.facts["wanted"]) == ("cert-wrong-name", "other.test")

    asyncio.run(main())


async def refused_by(context: ssl.SSLContext, options: DialOptions) -> DialError:
    """asyncio's servers hang up without OpenSSL's alert; a plain TLS socket sends it."""

    def refuse(listener: socket.socket) -> None:
        sock, _ = listener.accept()
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(sock, server_side=True)
        sock.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        refusing = asyncio.create_task(asyncio.to_thread(refuse, listener))
        error = await failure(f"wss://localhost:{listener.getsockname()[1]}/", options)
        await refusing
    return error


def test_client_certificates_with_an_encrypted_key(authority: Trusted, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as ser

    ca, options = authority
    mine = ca.issue_cert("me.test")
    key = ser.load_pem_private_key(mine.private_key_pem.bytes(), None)
    encrypted = key.private_bytes(
        ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.BestAvailableEncryption(b"sesame")
    )
    (tmp_path / "me.key").write_bytes(encrypted)
    mine.cert_chain_pems[0].write_to_path(str(tmp_path / "me.pem"))
    with_cert = replace(options, cert=tmp_path / "me.pem", key=tmp_path / "me.key")

    async def main() -> None:
        context = server_context(ca)
        ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        async with websocket_server(ssl=context) as port:
            url = f"wss://localhost:{port}/"
            await (await dial(url, replace(with_cert, key_password="sesame"))).close()
            for password in (None, "wrong"):
                error = await failure(url, replace(with_cert, key_password=password))
                assert (error.kind, error.code) == ("usage", "bad-tls-option")
        error = await refused_by(context, options)
        assert (error.kind, error.code) == ("tls", "client-cert-required")

    asyncio.run(main())


def test_tls_versions_that_do_not_meet(authority: Trusted) -> None:
    ca, options = authority

    context = server_context(ca)
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    async def main() -> None:
        error = await refused_by(context, replace(options, tls_min="1.3"))
        assert (error.kind, error.code) == ("tls", "tls-version")
        assert error.facts["offered"] == "1.3"
        async with websocket_server(ssl=context) as port:
            url = f"wss://localhost:{port}/"
            session = await dial(url, replace(options, tls_max="1.2"))
            assert session.report is not None
            assert session.report.tls is not None
            assert session.report.tls.version == "TLSv1.2"
            await session.close()

    asyncio.run(main())


def test_unusable_tls_files_are_usage_errors(tmp_path: Path) -> None:
    async def main() -> None:
        junk = tmp_path / "junk.pem"
        junk.write_text("not a certificate")
        async with websocket_server() as port:
            for options in (replace(OPTIONS, cacert=junk), replace(OPTIONS, cert=junk)):
                error = await failure(f"wss://127.0.0.1:{port}/", options)
                assert (error.kind, error.code) == ("usage", "bad-tls-option")
                assert "junk.pem" in error.message

    asyncio.run(main())


@pytest.mark.parametrize("manner", ["answers", "hangs up", "waits", "a WebSocket server"])
def test_tls_to_a_plain_port(manner: str) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.read(1000)
        if head.startswith(b"GET"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        elif manner == "answers":
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        elif manner == "waits":
            await reader.read()

    async def main() -> None:
        server = websocket_server() if manner == "a WebSocket server" else raw_server(plain)
        async with server as port:
            options = replace(OPTIONS, connect_timeout=3)
            error = await failure(f"wss://127.0.0.1:{port}/", options)
            assert (error.kind, error.code) == ("tls", "tls-on-plain-port")

    asyncio.run(main())


def test_plain_to_a_tls_port(authority: Trusted) -> None:
    async def main() -> None:
        async with websocket_server(ssl=server_context(authority[0])) as port:
            error = await failure(f"ws://127.0.0.1:{port}/")
            assert (error.kind, error.code) == ("upgrade", "plain-on-tls-port")

    asyncio.run(main())


# -- redirects ---------------------------------------------------------------------------------


def redirecting(*locations: bytes, status: int = 302) -> tuple[Handler, list[bytes]]:
    heads: list[bytes] = []
    left = list(locations)

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        location = left.pop(0) if left else b"/end"
        writer.write(
            b"HTTP/1.1 %d Over There\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"
            % (status, location)
        )
        await writer.drain()

    return handler, heads


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_when_asked(status: int) -> None:
    async def main() -> None:
        async with websocket_server() as port:
            to = f"http://127.0.0.1:{port}/there?x=1".encode()
            handler, heads = redirecting(b"/second", to, status=status)
            async with raw_server(handler) as first:
                url = f"ws://127.0.0.1:{first}/"
                options = replace(OPTIONS, location=True, bearer="secret")
                session = await dial(url, options)
                report = session.report
                assert report is not None
                assert report.redirects == (url, f"ws://127.0.0.1:{first}/second")
                assert report.url == f"ws://127.0.0.1:{port}/there?x=1"
                assert report.address == f"127.0.0.1:{port}"
                assert all(b"Bearer secret" in head for head in heads)
                names = {name.lower() for name, _ in report.request_headers}
                assert "authorization" not in names
                await session.close()

    asyncio.run(main())


def test_without_location_the_redirect_is_the_answer() -> None:
    async def main() -> None:
        handler, _ = redirecting(b"/x")
        async with raw_server(handler) as port:
            error = await failure(f"ws://127.0.0.1:{port}/")
            assert (error.kind, error.code) == ("redirect", "http-302")
            assert ("Location", "/x") in error.report.headers

    asyncio.run(main())


def test_redirects_without_end() -> None:
    async def main() -> None:
        handler, heads = redirecting(*(b"/%d" % n for n in range(50)))
        async with raw_server(handler) as port:
            url = f"ws://127.0.0.1:{port}/"
            error = await failure(url, replace(OPTIONS, location=True, max_redirs=3))
            assert (error.kind, error.code) == ("redirect", "too-many-redirects")
            assert len(heads) == 4
        handler, heads = redirecting(b"/a", b"/b", b"/a")
        async with raw_server(handler) as port:
            url = f"ws://127.0.0.1:{port}/"
            error = await failure(url, replace(OPTIONS, location=True))
            assert error.code == "redirect-loop"

    asyncio.run(main())


# -- races and traces --------------------------------------------------------------------------


def test_the_first_address_to_answer_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    real = race.connect_one
    started: list[Any] = []

    async def slow_v6(address: Address) -> socket.socket:
        started.append(address[0])
        if address[0] == socket.AF_INET6:
            await asyncio.sleep(60)
        return await real(address)

    monkeypatch.setattr(race, "connect_one", slow_v6)
    monkeypatch.setattr(race, "ATTEMPT_DELAY_S", 0.05)

    async def main() -> None:
        async with websocket_server() as port:
            options = replace(
                OPTIONS, resolve=(("h.test", port, "::1"), ("h.test", port, "127.0.0.1"))
            )
            session = await dial(f"ws://h.test:{port}/", options)
            assert session.report is not None
            assert session.report.address == f"127.0.0.1:{port}"
            assert started == [socket.AF_INET6, socket.AF_INET]
            await session.close()
        assert len(asyncio.all_tasks()) == 1, "the loser is gone"

    asyncio.run(main())


def test_families_are_interleaved() -> None:
    v4, v6 = socket.AF_INET, socket.AF_INET6
    found: list[Address] = [
        (v6, ("a", 1)),
        (v6, ("b", 1)),
        (v4, ("c", 1)),
        (v6, ("a", 1)),
        (v4, ("d", 1)),
    ]
    assert [where[0] for _, where in resolve.interleave(found)] == ["a", "c", "b", "d"]
    assert resolve.interleave([]) == []


def test_a_trace_of_everything() -> None:
    events: list[TraceEvent] = []

    async def main() -> None:
        async with websocket_server() as port:
            url = f"ws://localhost:{port}/"
            session = await dial(url, OPTIONS, tracer=events.append)
            session.send_text("x" * 500)
            await session.receive(10)
            await session.close()

    asyncio.run(main())
    phases = [event.phase for event in events if isinstance(event, PhaseTraced)]
    assert phases == ["dns", "tcp", "upgrade"]
    heads = [event for event in events if isinstance(event, HeadersTraced)]
    assert [head.direction for head in heads] == ["sent", "received"]
    frames = [event for event in events if isinstance(event, FrameTraced)]
    assert [(f.direction, f.opcode) for f in frames] == [
        ("sent", 1),
        ("received", 1),
        ("sent", 8),
        ("received", 8),
    ]
    assert (frames[0].length, len(frames[0].excerpt), frames[0].masked) == (500, 128, True)
    assert [event.time for event in events] == sorted(event.time for event in events)


def test_a_connection_that_is_reset_before_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer's address is then no longer known to its socket."""

    class Watcher:
        seen: tuple[tuple[str, int], tuple[Any, ...]] | None = None

        def connecting(self, peer: tuple[Any, ...]) -> None:
            pass

        def connected(self, local: tuple[str, int], peer: tuple[Any, ...]) -> None:
            self.seen = (local, peer)

    watcher = Watcher()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reset(sock: socket.socket) -> None:
            accepted, _ = listener.accept()
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            accepted.close()
            select.select([sock], [], [], 10)

        monkeypatch.setattr(race, "_handshake_ns", reset)
        port = listener.getsockname()[1]
        with pytest.raises(DialError) as caught:
            asyncio.run(dial(f"ws://127.0.0.1:{port}/", OPTIONS, watcher=watcher))
    assert caught.value.kind in ("closed", "upgrade")
    assert watcher.seen is not None
    assert watcher.seen[1] == ("127.0.0.1", port)
