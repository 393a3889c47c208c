"""tcpdump around a test's traffic, and clients that speak WebSocket by hand."""

from __future__ import annotations

import base64
import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.peers.netns import entered
from tests.peers.process import popen
from tests.peers.tools import require_tool

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


@contextlib.contextmanager
def recorded(
    path: Path,
    *,
    port: int | tuple[int, int] | None = None,
    device: str = "lo",
    netns: str | None = None,
) -> Iterator[Path]:
    """tcpdump writes what crosses `device` to `path`; the file is complete behind the block."""
    tcpdump = require_tool("tcpdump")
    path.touch(mode=0o666)
    path.chmod(0o666)
    argv = [
        tcpdump,
        "-i",
        device,
        "-U",
        "--immediate-mode",
        "-B",
        "65536",  # KiB; each packet takes the whole length that -s allows, the largest on lo here
        "-s",
        "65549",
        "-Z",
        "root",
        "-w",
        str(path),
    ]
    ports = port if isinstance(port, tuple) else (port,) if port else ()
    wanted = " or ".join(f"port {each}" for each in ports) or "tcp"
    process = popen([*argv, wanted], netns=netns)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if b"listening on" in line:
                break
        yield path
        _settled(process)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stderr.close()
        if process.stdout is not None:
            process.stdout.close()


def _settled(tcpdump: subprocess.Popen[bytes]) -> None:
    """Until it has written what it saw: from one time to the next its figures are the same."""
    assert tcpdump.stderr is not None
    figures, end = b"", time.monotonic() + 20
    while time.monotonic() < end:
        tcpdump.send_signal(signal.SIGUSR1)
        before, figures = figures, tcpdump.stderr.readline()
        if figures == before:
            assert b" 0 packets dropped by kernel" in figures, figures
            return
        time.sleep(0.2)


def opened(host: str, port: int, path: str = "/", *, netns: str | None = None) -> socket.socket:
    """A WebSocket by hand: a socket on which the upgrade was answered with 101."""
    with entered(netns):
        client = socket.create_connection((host, port), 10)
    key = f"{time.monotonic_ns():016d}"[-16:].encode()
    client.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {base64.b64encode(key).decode()}\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        more = client.recv(4096)
        assert more, f"ended within the handshake: {answer!r}"
        answer += more
    assert answer.startswith(b"HTTP/1.1 101"), answer
    return client


def text(client: socket.socket, message: str) -> None:
    """Send a short text message, masked with zeros."""
    payload = message.encode()
    client.sendall(bytes([0x81, 0x80 | len(payload)]) + b"\0\0\0\0" + payload)


def drained(client: socket.socket, timeout: float = 30.0) -> None:
    """Read until the connection ends, then close it."""
    client.settimeout(timeout)
    with contextlib.suppress(ConnectionError):
        while client.recv(4096):
            pass
    client.close()
