"""Clients that mean harm to `serve`: each is got rid of, and an honest one is served meanwhile."""

import base64
import os
import socket
import struct
import time
import zlib
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.peers.peers import Peers
from wsdiag.protocol.frames import encode_frame

BOUND_S = 30.0
MOST_MEMORY_KB = 200_000
MASK = b"\x01\x02\x03\x04"


@pytest.fixture(scope="module")
def endpoint(session_peers: Peers) -> tuple[str, int, int]:
    """(host, port, process id) of one server that all of them attack, one after the other."""
    return _serve(session_peers, "200")


def _serve(peers: Peers, most: str) -> tuple[str, int, int]:
    url, running = peers.serve("--max-connections", most, "--max-message-size", "8M")
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port, running.pid


def _open(endpoint: tuple[str, int, int], *, upgrade: bool = True) -> socket.socket:
    sock = socket.create_connection(endpoint[:2], timeout=BOUND_S)
    if upgrade:
        key = base64.b64encode(os.urandom(16)).decode()
        sock.sendall(
            f"GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(4096)
        assert b" 101 " in head
    return sock


def _pour(sock: socket.socket, chunk: bytes, most: int = 256 * 2**20) -> int:
    """Send until the server ends it, or nothing is taken for two seconds; bytes taken."""
    sock.settimeout(2)
    sent = 0
    with suppress(OSError):
        while sent < most:
            sent += sock.send(chunk)
    return sent


def _ended_while_pouring(sock: socket.socket, chunk: bytes) -> bool:
    """Whether the server, which may listen on for a while so that its answer is read, ends it."""
    sock.settimeout(BOUND_S)
    began = time.monotonic()
    try:
        while time.monotonic() - began < BOUND_S:
            sock.sendall(chunk)
    except ConnectionError:
        return True
    return False


def _closed(sock: socket.socket) -> bytes:
    """What comes until the server ends the connection, which it must."""
    sock.settimeout(BOUND_S)
    received = b""
    with suppress(ConnectionError):
        while data := sock.recv(65536):
            received += data[: 2**20]
    return received


def _still_serves(endpoint: tuple[str, int, int]) -> None:
    with _open(endpoint) as sock:
        sock.sendall(encode_frame(9, b"well?", mask=MASK))
        sock.settimeout(BOUND_S)
        assert sock.recv(100) == encode_frame(10, b"well?")
    status = Path(f"/proc/{endpoint[2]}/status").read_text()
    resident = int(status.partition("VmRSS:")[2].split()[0])
    assert resident < MOST_MEMORY_KB


def test_an_endless_header_is_refused(endpoint: tuple[str, int, int]) -> None:
    with _open(endpoint, upgrade=False) as sock:
        sock.sendall(b"GET /echo HTTP/1.1\r\nX: ")
        assert _ended_while_pouring(sock, b"a" * 65536)
    _still_serves(endpoint)


def test_ten_thousand_headers_are_refused(endpoint: tuple[str, int, int]) -> None:
    with _open(endpoint, upgrade=False) as sock, suppress(ConnectionError):
        lines = "".join(f"X-{number}: y\r\n" for number in range(10_000))
        sock.sendall(f"GET /echo HTTP/1.1\r\nHost: x\r\n{lines}".encode())
        assert b"HTTP/1.1 4" in _closed(sock)
    _still_serves(endpoint)


def test_a_handshake_that_never_ends_is_given_up(endpoint: tuple[str, int, int]) -> None:
    with _open(endpoint, upgrade=False) as sock:
        sock.sendall(b"GET /echo HTTP/1.1\r\n")
        began = time.monotonic()
        _closed(sock)
        assert time.monotonic() - began < BOUND_S
    _still_serves(endpoint)


def test_pings_that_are_never_read_do_not_pile_up(endpoint: tuple[str, int, int]) -> None:
    with _open(endpoint) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        _pour(sock, encode_frame(9, b"p" * 125, mask=MASK) * 500, 64 * 2**20)
        _still_serves(endpoint)


def test_messages_whose_echo_is_never_read_do_not_pile_up(endpoint: tuple[str, int, int]) -> None:
    with _open(endpoint) as sock:
        _pour(sock, encode_frame(2, b"x" * 65536, mask=MASK))
        _still_serves(endpoint)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (encode_frame(2, b"unmasked"), 1002),
        (b"\x82\xff" + struct.pack("!Q", 2**63) + MASK, 1002),
        (b"\x82\xff" + struct.pack("!Q", 2**62) + MASK, 1009),
        (encode_frame(3, b"", mask=MASK), 1002),
        (encode_frame(9, b"", fin=False, mask=MASK), 1002),
        (encode_frame(1, b"\xff", mask=MASK), 1007),
        (encode_frame(8, b"\x03", mask=MASK), 1002),
    ],
)
def test_a_broken_rule_is_answered_by_its_code(
    endpoint: tuple[str, int, int], frame: bytes, code: int
) -> None:
    with _open(endpoint) as sock:
        sock.sendall(frame)
        answer = _closed(sock)
    assert answer[0] == 0x88
    assert int.from_bytes(answer[2:4], "big") == code
    _still_serves(endpoint)


def test_a_compression_bomb_is_too_big(endpoint: tuple[str, int, int]) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(200))
    bomb += packer.flush(zlib.Z_SYNC_FLUSH)[:-4]
    with _open(endpoint) as sock:
        sock.sendall(encode_frame(2, bomb, rsv1=True, mask=MASK))
        answer = _closed(sock)
    assert int.from_bytes(answer[2:4], "big") == 1009
    _still_serves(endpoint)


def test_fragments_without_end_are_too_big(endpoint: tuple[str, int, int]) -> None:
    with _open(endpoint) as sock:
        sock.sendall(encode_frame(2, b"x", fin=False, mask=MASK))
        assert _ended_while_pouring(sock, encode_frame(0, b"x" * 65536, fin=False, mask=MASK))
    _still_serves(endpoint)


def test_resets_in_each_phase_leave_nothing_behind(endpoint: tuple[str, int, int]) -> None:
    for upgrade in (False, True):
        for _ in range(20):
            sock = _open(endpoint, upgrade=upgrade)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
    _still_serves(endpoint)


def test_beyond_the_limit_it_says_503(session_peers: Peers) -> None:
    endpoint = _serve(session_peers, "3")
    socks = [_open(endpoint) for _ in range(3)]
    with _open(endpoint, upgrade=False) as sock:
        sock.sendall(b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 503 " in _closed(sock)
    for each in socks:
        each.close()
