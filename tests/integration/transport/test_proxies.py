"""dial through real proxies: Squid, a dante SOCKS server, and one that does as it is told."""

from __future__ import annotations

import asyncio
import base64
import builtins
import os
import socket
import ssl
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.peers.certs import Authority
from tests.peers.peer import Peer
from tests.peers.peers import Peers
from tests.peers.proxies import launch
from tests.peers.tools import missing, require_tool
from wsdiag.judgement.diagnosis.hints import diagnose
from wsdiag.protocol.events import Pong
from wsdiag.transport.dial.dialer import dial
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialError
from wsdiag.transport.trace import HeadersTraced, TraceEvent

SQUID = """\
{listen}
pid_filename none
cache deny all
memory_cache_shared off
cache_log /dev/null
access_log none
cache_store_log none
netdb_filename none
pinger_enable off
shutdown_lifetime 0 seconds
cache_effective_user nobody
visible_hostname squid.test
{rules}
"""
SQUID_AUTH = """\
auth_param basic program {helper} {dir}/passwords
auth_param basic children 1
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
"""
DANTE = """\
logoutput: stderr
internal: 127.0.0.1 port = {port}
external: 127.0.0.1
clientmethod: none
socksmethod: {method}
user.privileged: root
user.unprivileged: nobody
client pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}
socks pass {{ from: 127.0.0.0/8 to: 127.0.0.0/8 command: connect }}
"""
SQUID_HELPERS = ("/usr/lib/squid/basic_ncsa_auth", "/usr/lib64/squid/basic_ncsa_auth")


async def echo(ws: ServerConnection) -> None:
    async for message in ws:
        await ws.send(message)


@contextmanager
def readable_folder() -> Iterator[Path]:
    """Squid gives up root, and pytest's folders are for their owner only."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def start_squid(place: Path, ca: Authority, *, auth: bool, tls: bool = False) -> Peer:
    squid = require_tool("squid")
    helper = next((path for path in SQUID_HELPERS if Path(path).exists()), None)
    if auth and helper is None:
        missing("squid's basic_ncsa_auth helper is not installed")
    made = ca.cert()
    # openssl passwd -apr1 -salt wsdiag00 sesame
    (place / "passwords").write_text("me:$apr1$wsdiag00$ZoRWI975KmUQQs5/1WHC4.\n")

    def make(port: int) -> list[str]:
        listen = f"http_port 127.0.0.1:{port}"
        if tls:
            listen = f"https_port 127.0.0.1:{port} tls-cert={made.cert} tls-key={made.key}"
        rules = SQUID_AUTH.format(helper=helper, dir=place) if auth else "http_access allow all"
        (place / "squid.conf").write_text(SQUID.format(listen=listen, dir=place, rules=rules))
        # its shared memory is named after the service
        return [
            squid,
            "-n",
            f"wsd{os.getpid()}p{port}",
            "-N",
            "-d1",
            "-f",
            str(place / "squid.conf"),
        ]

    return launch(make, place / "log", host="127.0.0.1", tls=tls, netns=None)


# openssl passwd -6 -salt wsdiag00 sesame
DANTE_USER = (
    "wsdiagsocks:x:64999:64999::/nonexistent:/usr/sbin/nologin",
    "wsdiagsocks:{hashed}:19000:0:99999:7:::",
)


def start_dante(place: Path, *, auth: bool = False) -> Peer:
    danted = require_tool("danted")
    way = ["sh", "-c", 'exec "$0" "$@"']
    if auth:
        # dante asks the system for its users: this one exists in a mount namespace only
        unshare = require_tool("unshare")
        if os.geteuid() != 0:
            missing("a SOCKS server with users needs root")
        hashed = subprocess.run(
            [require_tool("openssl"), "passwd", "-6", "-salt", "wsdiag00", "sesame"],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout.strip()
        for name, line in zip(("passwd", "shadow"), DANTE_USER, strict=True):
            own = Path("/etc", name).read_text() + line.format(hashed=hashed) + "\n"
            (place / name).write_text(own)
            (place / name).chmod(0o600 if name == "shadow" else 0o644)
        binds = " && ".join(
            f"mount --bind {place / name} /etc/{name}" for name in ("passwd", "shadow")
        )
        way = [unshare, "--mount", "sh", "-c", f'{binds} && exec "$0" "$@"']

    def make(port: int) -> list[str]:
        method = "username" if auth else "none"
        (place / "danted.conf").write_text(DANTE.format(port=port, method=method))
        return [*way, danted, "-f", str(place / "danted.conf"), "-p", str(place / "danted.pid")]

    return launch(make, place / "log", host="127.0.0.1", tls=False, netns=None)


@pytest.fixture(scope="module")
def squid(ca: Authority) -> Iterator[Peer]:
    with readable_folder() as place:
        peer = start_squid(place, ca, auth=False)
        yield peer
        peer.stop()


@pytest.fixture(scope="module")
def locked_squid(ca: Authority) -> Iterator[Peer]:
    with readable_folder() as place:
        peer = start_squid(place, ca, auth=True)
        yield peer
        peer.stop()


@pytest.fixture(scope="module")
def tls_squid(ca: Authority) -> Iterator[Peer]:
    with readable_folder() as place:
        peer = start_squid(place, ca, auth=False, tls=True)
        yield peer
        peer.stop()


@pytest.fixture(scope="module")
def dante(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    peer = start_dante(tmp_path_factory.mktemp("dante"))
    yield peer
    peer.stop()


@pytest.fixture(scope="module")
def locked_dante(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    peer = start_dante(tmp_path_factory.mktemp("locked-dante"), auth=True)
    yield peer
    peer.stop()


@asynccontextmanager
async def websocket_server(ca: Authority | None) -> AsyncIterator[str]:
    context = None
    if ca is not None:
        made = ca.cert()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made.cert, made.key)
    async with serve(echo, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"{'ws' if ca is None else 'wss'}://localhost:{port}/path"


def pinged_through(proxy: str, ca: Authority, *, tls: bool, **options: Any) -> None:
    """One Ping and a clean close through `proxy`, its facts in the report."""

    async def main() -> None:
        async with websocket_server(ca if tls else None) as url:
            session = await dial(url, DialOptions(proxy=proxy, cacert=ca.pem, **options))
            report = session.report
            assert report is not None
            assert (report.proxy, report.proxy_why) == (proxy, "-x")
            assert report.phases_ms["proxy"] > 0
            assert report.address is not None
            assert report.address.endswith(proxy.rpartition(":")[2])
            assert (report.tls is not None) is tls
            session.ping(b"through")
            received = await session.receive(10)
            assert received is not None
            assert received.event == Pong(b"through")
            assert (await session.close(timeout=10)).clean

    asyncio.run(main())


async def failed(url: str, proxy: str, **options: Any) -> DialError:
    with pytest.raises(DialError) as caught:
        await dial(url, DialOptions(proxy=proxy, **options))
    return caught.value


@pytest.mark.squid
@pytest.mark.parametrize("tls", [False, True])
def test_squid(squid: Peer, ca: Authority, tls: bool) -> None:
    pinged_through(f"http://127.0.0.1:{squid.port}", ca, tls=tls)


@pytest.mark.squid
@pytest.mark.parametrize("tls", [False, True])
def test_squid_over_tls(tls_squid: Peer, ca: Authority, tls: bool) -> None:
    pinged_through(f"https://localhost:{tls_squid.port}", ca, tls=tls)


@pytest.mark.squid
@pytest.mark.parametrize("tls", [False, True])
def test_squid_with_credentials(locked_squid: Peer, ca: Authority, tls: bool) -> None:
    pinged_through(f"http://me:sesame@127.0.0.1:{locked_squid.port}", ca, tls=tls)


@pytest.mark.squid
@pytest.mark.parametrize("user", ["", "me:wrong@"])
def test_squid_without_the_right_credentials(locked_squid: Peer, user: str) -> None:
    proxy = f"http://{user}127.0.0.1:{locked_squid.port}"
    error = asyncio.run(failed("ws://localhost:1/", proxy))
    assert (error.kind, error.phase, error.code) == ("proxy", "proxy", "proxy-auth")
    assert error.report.status == 407
    assert error.facts["schemes"].startswith("Basic")
    assert b"Access Denied" in error.report.body or b"<html" in error.report.body.lower()
    assert set(error.report.phases_ms) == {"tcp", "proxy"}


@pytest.mark.squid
def test_a_407_is_explained(locked_squid: Peer) -> None:
    for user, words in (("", "None were sent"), ("me:wrong@", "password is wrong")):
        proxy = f"http://{user}127.0.0.1:{locked_squid.port}"
        told = diagnose("ws://h.test/", asyncio.run(failed("ws://h.test/", proxy)))
        assert "407" in told.message
        assert words in (told.hint or "")


@pytest.mark.squid
def test_squid_cannot_reach_the_target(squid: Peer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"wss://127.0.0.1:{taken.getsockname()[1]}/"
        error = asyncio.run(failed(url, f"http://127.0.0.1:{squid.port}"))
    assert (error.kind, error.code) == ("proxy", "proxy-http-503")
    assert error.report.body
    told = diagnose(url, error).message
    assert "ERROR" in told, "the proxy's own words"
    assert "<" not in told, "without its markup"


@pytest.mark.squid
def test_a_proxys_own_certificate_is_verified(tls_squid: Peer, tmp_path: Path) -> None:
    other = Authority(tmp_path)
    proxy = f"https://localhost:{tls_squid.port}"
    error = asyncio.run(failed("ws://localhost:1/", proxy, cacert=other.pem))
    assert (error.kind, error.code) == ("proxy", "proxy-cert")
    assert "--cacert" in (diagnose("ws://localhost:1/", error).hint or "")


@pytest.mark.squid
def test_a_proxy_without_tls_of_its_own_is_told(squid: Peer) -> None:
    error = asyncio.run(failed("ws://localhost:1/", f"https://localhost:{squid.port}"))
    assert (error.kind, error.code) == ("proxy", "proxy-tls")
    assert "-x http://HOST:PORT" in (diagnose("ws://localhost:1/", error).hint or "")


@pytest.mark.dante
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_dante(dante: Peer, ca: Authority, scheme: str, tls: bool) -> None:
    # this dante goes out over IPv4 only, so a name that we look up must not become ::1
    pinged_through(f"{scheme}://127.0.0.1:{dante.port}", ca, tls=tls, family=4)


@pytest.mark.dante
@pytest.mark.parametrize("tls", [False, True])
def test_dante_with_credentials(locked_dante: Peer, ca: Authority, tls: bool) -> None:
    proxy = f"socks5h://wsdiagsocks:sesame@127.0.0.1:{locked_dante.port}"
    pinged_through(proxy, ca, tls=tls)


@pytest.mark.dante
@pytest.mark.parametrize("user", ["", "wsdiagsocks:wrong@"])
def test_dante_without_the_right_credentials(locked_dante: Peer, user: str) -> None:
    proxy = f"socks5h://{user}127.0.0.1:{locked_dante.port}"
    error = asyncio.run(failed("ws://localhost:1/", proxy))
    assert (error.kind, error.phase, error.code) == ("proxy", "proxy", "proxy-socks-auth")
    told = diagnose("ws://localhost:1/", error)
    assert "USER:PASSWORD" in (told.hint or "")
    assert set(error.report.phases_ms) == {"tcp", "proxy"}


@pytest.mark.dante
def test_socks_proxies_are_reached_as_everything_else(dante: Peer, ca: Authority) -> None:
    """--resolve and the families count for the way to the proxy, and TCP has its own phase."""

    async def main() -> None:
        async with websocket_server(None) as url:
            options = DialOptions(
                proxy=f"socks5h://proxy.test:{dante.port}",
                family=4,
                resolve=(("proxy.test", dante.port, "127.0.0.1"),),
            )
            session = await dial(url, options)
            report = session.report
            assert report is not None
            assert set(report.phases_ms) == {"tcp", "proxy", "upgrade"}
            assert (await session.close(timeout=10)).clean

    asyncio.run(main())


@pytest.mark.dante
def test_dante_cannot_reach_the_target(dante: Peer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}/"
        error = asyncio.run(failed(url, f"socks5h://127.0.0.1:{dante.port}"))
    assert (error.kind, error.phase, error.code) == ("proxy", "proxy", "proxy-socks")


def test_a_proxy_that_is_not_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        http = asyncio.run(failed("ws://h.test/", f"http://127.0.0.1:{port}"))
        socks = asyncio.run(failed("ws://h.test/", f"socks5h://127.0.0.1:{port}"))
    assert (http.kind, http.phase, http.code) == ("refused", "tcp", "refused")
    assert (socks.kind, socks.phase, socks.code) == ("refused", "tcp", "refused")


def test_without_the_socks_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name.startswith("python_socks"):
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    error = asyncio.run(failed("ws://127.0.0.1/", "socks5h://127.0.0.1:1"))
    assert (error.kind, error.code) == ("usage", "socks-extra-missing")
    assert "wsdiag[socks]" in error.message


# -- a SOCKS5 proxy with credentials (RFC 1928, RFC 1929) ----------------------------------------


@asynccontextmanager
async def locked_socks(user: bytes, password: bytes) -> AsyncIterator[int]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        if 2 not in await reader.readexactly(count):
            writer.write(b"\x05\xff")
            writer.close()
            return
        writer.write(b"\x05\x02")
        _, size = await reader.readexactly(2)
        name = await reader.readexactly(size)
        word = await reader.readexactly((await reader.readexactly(1))[0])
        ok = (name, word) == (user, password)
        writer.write(b"\x01\x00" if ok else b"\x01\x01")
        if ok:
            await connect(reader, writer)
        writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        *_, kind = await reader.readexactly(4)
        assert kind == 3, "the name is left to the proxy"
        host = await reader.readexactly((await reader.readexactly(1))[0])
        port = int.from_bytes(await reader.readexactly(2), "big")
        far_reader, far_writer = await asyncio.open_connection(host.decode(), port, family=2)
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def test_socks_with_credentials() -> None:
    async def main() -> None:
        async with locked_socks(b"me", b"p@ss") as port, websocket_server(None) as url:
            session = await dial(url, DialOptions(proxy=f"socks5h://me:p%40ss@127.0.0.1:{port}"))
            assert (await session.close(timeout=10)).clean
            for user in ("", "me:wrong@"):
                error = await failed(url, f"socks5h://{user}127.0.0.1:{port}")
                assert (error.kind, error.code) == ("proxy", "proxy-socks-auth")

    asyncio.run(main())


# -- an HTTP proxy that answers as it is told ---------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"", "proxy-closed"),
        (b"SSH-2.0-hello\r\n\r\n", "proxy-not-http"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!", "proxy-http-403"),
        (b"HTTP/1.1 502 Bad\r\n\r\n" + b"x" * 100_000, "proxy-http-502"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://evil.test/\r\n\r\n", "proxy-http-302"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100_000, "proxy-not-http"),
    ],
)
def test_what_a_proxy_may_answer(answer: bytes, code: str) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        error = await failed("ws://h.test/", f"http://127.0.0.1:{port}", location=True)
        assert (error.kind, error.phase, error.code) == ("proxy", "proxy", code)
        assert len(error.report.body) <= 4096
        server.close()

    asyncio.run(main())


def test_what_a_proxy_is_asked() -> None:
    heads: list[bytes] = []
    events: list[TraceEvent] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        proxy = f"http://me:p%40ss@127.0.0.1:{server.sockets[0].getsockname()[1]}"
        options = DialOptions(proxy=proxy, bearer="for the target only")
        for url in ("ws://h.test/x", "wss://[::1]:9/"):
            with pytest.raises(DialError):
                await dial(url, options, tracer=events.append)
        server.close()

    asyncio.run(main())
    assert heads[0].startswith(b"CONNECT h.test:80 HTTP/1.1\r\nHost: h.test:80\r\n")
    assert heads[1].startswith(b"CONNECT [::1]:9 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"me:p@ss") in heads[0]
    assert b"for the target" not in heads[0]
    first_lines = [event.first_line for event in events if isinstance(event, HeadersTraced)]
    assert first_lines[0] == "CONNECT h.test:80 HTTP/1.1"


@pytest.mark.squid
def test_json_and_verbose_say_which_proxy_and_why(squid: Peer, peers: Peers) -> None:
    url = peers.websockets().url
    proxy = f"http://127.0.0.1:{squid.port}"
    for bypass, named in (("", True), ("127.0.0.0/8", False)):
        env = {"WS_PROXY": proxy, "NO_PROXY": bypass}
        why = "WS_PROXY" if named else "NO_PROXY covers 127.0.0.1, so that WS_PROXY does not apply"
        for command, kind in (("connect", "connect.result"), ("ping", "ping.start")):
            count = ("-c", "1") if command == "ping" else ()
            run = peers.wsdiag(command, url, *count, "-o", "json", "-v", env=env, ok=0)
            record = run.record(kind)
            assert (record.get("proxy"), record["proxy_why"]) == (proxy if named else None, why)
            assert (f"(named by {why})" if named else f"(no proxy: {why})") in run.err
        text = peers.wsdiag("connect", url, env=env, ok=0).out
        assert ("first hop only" in " ".join(text.split())) is named
        text = peers.wsdiag("ping", url, "-c", "1", env=env, ok=0).out
        assert (f"through the proxy {proxy}" in text) is named


@pytest.mark.squid
def test_both_heads_of_a_connect_are_traced(squid: Peer) -> None:
    events: list[TraceEvent] = []

    async def main() -> None:
        async with websocket_server(None) as url:
            proxy = DialOptions(proxy=f"http://127.0.0.1:{squid.port}")
            await (await dial(url, proxy, tracer=events.append)).close(timeout=10)

    asyncio.run(main())
    heads = [event for event in events if isinstance(event, HeadersTraced)]
    assert [head.direction for head in heads] == ["sent", "received"] * 2
    assert heads[1].first_line.startswith("HTTP/1.1 200")
