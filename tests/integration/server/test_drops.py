"""How connections are dropped, as a plain socket sees it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.server.raw_client import RawClient
from tests.integration.server.serving import serving
from tests.peers.peers import Peers
from tests.peers.records import parse_record
from wsdiag.server.background import BackgroundServer
from wsdiag.server.routes import from_spec
from wsdiag.transport.stream import blackhole, stream
from wsdiag.transport.tls.certs import throwaway_certificate

FIN_WAIT1 = 4

IDLE = "/idle/300ms?drop="


def test_close_carries_code_and_reason() -> None:
    with serving() as server, RawClient(server.url, IDLE + "close&code=4321&reason=gone") as client:
        frame = client.read(8)
        assert frame == b"\x88\x06" + (4321).to_bytes(2, "big") + b"gone"
        client.send(8, frame[2:4])
        assert client.read_to_end()[1] == "fin"
        event = server.wait("close")
        # the answer carries the code only: the reason is that of who closed
        assert (event["clean"], event["code"], event["reason"]) == (True, 4321, "gone")


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_tcp_ends_without_a_close_frame(how: str) -> None:
    with serving() as server, RawClient(server.url, IDLE + how) as client:
        data, end, after = client.read_to_end()
        assert (data, end) == (b"", how)
        assert 0.28 <= after < 5


@pytest.mark.parametrize("may_filter", [True, False])
def test_silent_is_a_black_hole(may_filter: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not may_filter:  # newer kernels keep socket filters for CAP_NET_ADMIN
        monkeypatch.setattr(blackhole, "_attach_drop_all", lambda sock: False)
    with serving() as server, RawClient(server.url, IDLE + "silent", timeout=1.0) as client:
        server.wait("drop")
        client.send(9, b"anyone?")
        data, end, _ = client.read_to_end()
        assert (data, end) == (b"", "nothing")
        if sys.platform == "linux":
            assert unacknowledged(client) > 0
            client.sock.shutdown(socket.SHUT_WR)
            time.sleep(0.2)
            assert tcp_state(client.sock) == FIN_WAIT1  # nobody acknowledged our FIN
        client.sock.close()
        time.sleep(0.2)
        # the server keeps its side until it ends itself, also when the client has given up
        assert not [event for event in server.events if event[1] == "close"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can be silenced")
def test_where_the_kernel_cannot_be_silenced_the_event_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream, "drop_incoming", lambda sock: False)
    with serving() as server, RawClient(server.url, IDLE + "silent"):
        assert server.wait("drop")["how"] == "hang"


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="to leave silently takes CAP_NET_ADMIN"
)
@pytest.mark.parametrize("path", [IDLE + "silent", "/lifetime/300ms?drop=silent"])
def test_a_silent_connection_is_silent_at_the_servers_end_too(path: str) -> None:
    with serving() as server, RawClient(server.url, path, timeout=0.5) as client:
        server.wait("drop")
        server.stop()
        assert client.read_to_end()[:2] == (b"", "nothing")


def tcp_state(sock: socket.socket) -> int:
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def test_hang_is_silent_but_tcp_acknowledges() -> None:
    with serving() as server, RawClient(server.url, IDLE + "hang", timeout=1.0) as client:
        server.wait("drop")
        client.send(9, b"anyone?")
        assert client.read_to_end()[:2] == (b"", "nothing")
        if sys.platform == "linux":
            assert unacknowledged(client) == 0


def unacknowledged(client: RawClient) -> int:
    import fcntl
    import struct
    import termios

    answer = fcntl.ioctl(client.sock, termios.TIOCOUTQ, bytes(4))
    return int(struct.unpack("i", answer)[0])


def test_rst_on_write_is_silent_until_written_to() -> None:
    with serving() as server, RawClient(server.url, IDLE + "rst-on-write") as client:
        server.wait("drop")
        time.sleep(0.3)
        assert not [event for event in server.events if event[1] == "close"]
        client.send(9, b"anyone?")
        assert client.read_to_end()[:2] == (b"", "rst")


def test_any_byte_restarts_the_idle_timer_and_the_lifetime_ignores_them() -> None:
    with serving() as server, RawClient(server.url, "/idle/2/lifetime/2500ms?drop=fin") as client:
        for number in range(8):
            time.sleep(0.25)
            client.send(9, bytes([number]))
        _, end, after = client.read_to_end()
        assert end == "fin"
        assert after >= 2.4
        assert server.wait("drop")["fault"] == "lifetime"


@pytest.mark.parametrize(
    ("counts", "idle", "dropped", "for_s"), [("client", 1.3, False, 1.5), ("server", 1, True, 20)]
)
def test_only_the_counted_side_restarts_the_timer(
    counts: str, idle: float, dropped: bool, for_s: float
) -> None:
    path = f"/sink/idle/{idle}?counts={counts}"
    with serving() as server, RawClient(server.url, path) as client:
        until = time.monotonic() + for_s  # longer than the timer runs
        drops = []
        while not drops and time.monotonic() < until:
            time.sleep(0.1)
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                client.send(1, b"x")
            drops = [event for event in server.events if event[1] == "drop"]
        assert bool(drops) is dropped


def test_cut_ends_in_mid_frame() -> None:
    with serving() as server, RawClient(server.url, "/cut?bytes=5") as client:
        data, end, _ = client.read_to_end()
        assert (len(data), end) == (5, "fin")
        assert data[1] > 3


def test_cut_after_counts_the_bytes_to_the_client() -> None:
    with serving() as server, RawClient(server.url, "/cut-after/10") as client:
        client.send(1, b"x" * 20)
        data, end, _ = client.read_to_end()
        assert (len(data), end) == (10, "fin")


@pytest.mark.parametrize("code", [1000, 1005, 4000])
def test_close_sends_any_code(code: int) -> None:
    with serving() as server, RawClient(server.url, f"/close/{code}?reason=why") as client:
        assert client.read(7) == b"\x88\x05" + code.to_bytes(2, "big") + b"why"


@pytest.mark.parametrize("phase", ["tcp", "tls", "upgrade"])
def test_a_path_that_hangs_never_answers(phase: str) -> None:
    with serving() as server, pytest.raises(TimeoutError):
        RawClient(server.url, f"/hang?phase={phase}", opens_within=0.5)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can leave a SYN unanswered")
@pytest.mark.parametrize("may_filter", [True, False])
def test_hang_tcp_answers_no_syn_and_can_be_taken_off(
    may_filter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not may_filter:
        monkeypatch.setattr(blackhole, "_attach_drop_all", lambda sock: False)
    with serving(faults=(from_spec("hang/tcp"),)) as server:
        with pytest.raises(TimeoutError):
            socket.create_connection(("127.0.0.1", server.server.port), 0.5)
        change(server, [])
        with RawClient(server.url, "/echo") as client:
            assert client.status == 101


@pytest.mark.parametrize("secure", [False, True])
def test_hang_tls_takes_the_connection_and_says_nothing(secure: bool, tmp_path: Path) -> None:
    chain, key = throwaway_certificate(["127.0.0.1"]).write(tmp_path) if secure else (None, None)
    with serving(cert=chain, key=key) as server:
        change(server, ["hang/tls"])
        with socket.create_connection(("127.0.0.1", server.server.port), 0.5) as client:
            client.sendall(b"\x16\x03\x01 or GET / HTTP/1.1")
            with pytest.raises(TimeoutError):
                client.recv(1)
        assert server.wait("drop")["how"] == "hang"


def change(server: BackgroundServer, specs: list[str]) -> None:
    """Change the faults in the server's own thread, as its control port does."""

    async def act() -> None:
        server.server.change_faults([from_spec(spec) for spec in specs])

    asyncio.run_coroutine_threadsafe(act(), server._loop).result(10)


def test_hang_in_the_close_never_echoes() -> None:
    with serving() as server, RawClient(server.url, "/hang/close", timeout=0.5) as client:
        client.send(8, b"\x03\xe8")
        assert client.read_to_end()[:2] == (b"", "nothing")


@pytest.mark.parametrize(("drop", "ragged"), [("fin", False), ("tls-eof", True)])
def test_tls_ends_with_or_without_close_notify(tmp_path: Path, drop: str, ragged: bool) -> None:
    chain, key = throwaway_certificate(["localhost", "127.0.0.1"]).write(tmp_path)
    context = ssl._create_unverified_context()
    with serving(cert=chain, key=key) as server:
        port = server.server.port
        with context.wrap_socket(
            socket.create_connection(("127.0.0.1", port), 10), suppress_ragged_eofs=False
        ) as sock:
            sock.sendall(
                f"GET {IDLE}{drop} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                "Sec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            assert b"101" in sock.recv(4096)
            if ragged:
                with pytest.raises(ssl.SSLEOFError):
                    sock.recv(4096)
            else:
                assert sock.recv(4096) == b""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_out_of_file_descriptors_is_said_and_gets_better(peers: Peers) -> None:
    url, serve = peers.serve()
    resource = pytest.importorskip("resource")
    resource.prlimit(serve.pid, resource.RLIMIT_NOFILE, (48, 48))
    clients = [
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 10) for _ in range(60)
    ]
    record = serve.wait_record("serve.event")
    assert record["event"] == "starved"
    assert "ulimit -n" in record["message"]
    for client in clients:
        client.close()
    with RawClient(url, "/echo") as late:
        assert late.status == 101


def test_events_that_nobody_reads_stop_neither_the_server_nor_its_end() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "wsdiag", "serve", "--port", "0", "-o", "json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        for _ in range(400):  # some 150 KB of events, a pipe holds 64
            with RawClient(url, "/close/1000") as client:
                assert client.read(2)[0] == 0x88
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_slow_reader_gets_every_event() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "wsdiag", "serve", "--port", "0", "-o", "json"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        for _ in range(400):
            with RawClient(url, "/close/1000") as client:
                assert client.read(2)[0] == 0x88
        records = []
        while sum(record["event"] == "open" for record in records) < 400:
            records.append(json.loads(process.stdout.readline()))
        process.terminate()
        assert process.stdout.read() is not None
        assert process.wait(20) == 0
        assert not [record for record in records if record["event"] == "left-out"]


def test_serve_ends_with_zero_on_sigterm_and_tells_clients() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "wsdiag", "serve", "--port", "0", "-o", "json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        first = parse_record(process.stdout.readline())
        assert first["type"] == "serve.listening"
        with RawClient(first["url"], "/echo") as client:
            process.terminate()
            assert client.read(4)[2:4] == b"\x03\xe9"
            client.send(8, b"\x03\xe9")
            assert client.read_to_end()[1] == "fin"
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
