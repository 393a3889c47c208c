"""tcpdump around a test's traffic, and clients that speak WebSocket by hand."""

from __future__ import annotations

import base64
import contextlib
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

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
        said = []
        for line in process.stderr:
            said.append(line)
            if b"listening on" in line:
                break
        else:
            raise AssertionError(f"tcpdump did not begin: {said}")
        first = _figures(process)
        yield path
        _settled(process, device, first)
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


class _Figures(NamedTuple):
    captured: int
    received: int
    """What the kernel has had for it, written or not; before its filter was set, all there was."""
    dropped: int


def _figures(tcpdump: subprocess.Popen[bytes]) -> _Figures:
    assert tcpdump.stderr is not None
    tcpdump.send_signal(signal.SIGUSR1)
    line = tcpdump.stderr.readline()
    found = re.findall(rb"(\d+) packets?", line)[:3]
    assert len(found) == 3, f"tcpdump said no figures: {line!r}"
    return _Figures(*map(int, found))


def _settled(tcpdump: subprocess.Popen[bytes], device: str, first: _Figures) -> None:
    """Until it has written what the kernel has for it, and nothing more comes."""
    times = 2 if device == "lo" else 1  # there each packet is seen to leave and to arrive
    figures, end = first, time.monotonic() + 20
    while time.monotonic() < end:
        before, figures = figures, _figures(tcpdump)
        assert figures.dropped == 0, figures
        whole = times * (figures.captured - first.captured) == figures.received - first.received
        if figures == before and whole:
            return
        time.sleep(0.2)
    raise AssertionError(f"packets that it was given are not written: {first}, {figures}")


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
