"""What `stream` costs beside a ten-line script: a thousand messages a second, and fifty thousand.

The endpoint is a process that writes ready-made frames, so that it is no bottleneck. The script
counts messages with the `websockets` library and does nothing else.
"""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

from tests.bench.table import Row, show

_SOURCE = r"""
import asyncio, base64, hashlib, sys, time
rate, seconds = float(sys.argv[1]), float(sys.argv[2])
body = b'{"k":"btc","seq":%012d,"t":%020d}'
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
async def discard(reader):
    while await reader.read(65536):
        pass
async def serve(reader, writer):
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    key = next(line.split(":")[1].strip() for line in head if "websocket-key" in line.lower())
    accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest())
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n")
    writer.write(b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    discarding = asyncio.create_task(discard(reader))  # unread Pings would end this by RST
    began, sent = time.monotonic(), 0
    while (elapsed := time.monotonic() - began) < seconds:
        due = int(rate * elapsed)
        while sent < due:
            batch = range(sent + 1, min(due, sent + 500) + 1)
            frames = (b"\x81\x7e\x00\xc8" + (body % (n, n)).ljust(200) for n in batch)
            writer.write(b"".join(frames))
            sent = batch[-1]
            await writer.drain()
        await asyncio.sleep(0.001)
    print(sent, flush=True)
    writer.write(b"\x88\x02\x03\xe8")
    await writer.drain()
    await discarding
    writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(seconds + 60)
asyncio.run(main())
"""
_SCRIPT = """
import asyncio, sys, websockets
async def main():
    count = 0
    async with websockets.connect(sys.argv[1], compression=None) as connection:
        async for message in connection:
            count += 1
    print(count)
asyncio.run(main())
"""


@dataclass(frozen=True)
class Outcome:
    """What one reader did: messages it had, of how many, its share of a core, its peak memory."""

    messages: int
    sent: int
    core_pct: float
    peak_mib: float


def measure(rate: float, seconds: float, *argv: str, terminal: bool = False) -> Outcome:
    """Run a reader against the endpoint; its arguments are followed by the URL."""
    source = subprocess.Popen(
        [sys.executable, "-c", _SOURCE, str(rate), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert source.stdout is not None
    url = f"ws://127.0.0.1:{source.stdout.readline().strip()}/"
    began = time.monotonic()
    primary, secondary = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    out = secondary if terminal else subprocess.PIPE
    reader = subprocess.Popen([*argv, url], stdout=out, env=env)
    os.close(secondary)
    threading.Thread(target=_drain, args=(primary,), daemon=True).start()
    output = "" if reader.stdout is None else reader.stdout.read().decode()
    _, _, used = os.wait4(reader.pid, 0)  # its own figures, not those of all children
    took_s = time.monotonic() - began
    sent = int(source.stdout.readline())
    source.kill()
    source.wait()
    spent_s = used.ru_utime + used.ru_stime
    return Outcome(_messages(output), sent, 100 * spent_s / took_s, used.ru_maxrss / 1024)


def _drain(fd: int) -> None:
    try:
        while os.read(fd, 65536):
            pass
    except OSError:
        pass


def _messages(output: str) -> int:
    lines = output.strip().splitlines()
    if not lines:
        return -1
    last = json.loads(lines[-1])
    return last if isinstance(last, int) else int(last["messages"])


def rows(*, quick: bool = False) -> list[Row]:
    """The comparisons."""
    seconds = 5.0 if quick else 20.0
    stream = (sys.executable, "-m", "wsdiag", "stream", "--no-compression")
    script = (sys.executable, "-c", _SCRIPT)
    live = measure(1_000, seconds, *stream, "--seq", "$.seq", terminal=True)
    plain = measure(1_000, seconds, *script)
    found = [
        Row(
            "1,000 messages a second of 200 B, live view: share of a core",
            f"{live.core_pct:.1f} %",
            f"{plain.core_pct:.1f} %",
            live.core_pct / plain.core_pct,
            "under 20 %",
            live.core_pct < 20,
        )
    ]
    many = measure(50_000, seconds, *stream, "-o", "json")
    bare = measure(50_000, seconds, *script)
    found.append(
        Row(
            "50,000 a second: messages that were counted",
            f"{many.messages} of {many.sent} ({many.core_pct:.0f} %)",
            f"{bare.messages} of {bare.sent} ({bare.core_pct:.0f} %)",
            many.core_pct / bare.core_pct,
            "all",
            many.messages == many.sent and many.sent >= 0.9 * 50_000 * seconds,
        )
    )
    longer = measure(20_000, seconds * 2, *stream, "-o", "json", "--by", "$.k", "--seq", "$.seq")
    shorter = measure(20_000, seconds / 2, *stream, "-o", "json", "--by", "$.k", "--seq", "$.seq")
    found.append(
        Row(
            "four times as long: peak memory",
            f"{longer.peak_mib:.1f} MiB",
            f"{shorter.peak_mib:.1f} MiB",
            longer.peak_mib / shorter.peak_mib,
            "the same",
            longer.peak_mib < 1.1 * shorter.peak_mib,
        )
    )
    return found


if __name__ == "__main__":
    show(rows(quick="--quick" in sys.argv))
