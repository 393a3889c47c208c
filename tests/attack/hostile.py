"""Hostile servers and proxies against every command that dials: bounded in time and in memory.

    python -m tests.attack.hostile [COMMAND...]

Each run has a deadline (`-m`), and must be over two seconds after it, in 150 MB, by an exit code of
the contract and without a traceback.
"""

from __future__ import annotations

import asyncio
import os
import random
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import typer

from tests.integration.hostile.test_hostile_servers import (
    AFTER_THE_UPGRADE,
    BEFORE_THE_UPGRADE,
    _forever,
    _upgrade,
)
from wsdiag.cli.app import app
from wsdiag.cli.reference.model import describe
from wsdiag.protocol.frames import encode_frame

DEADLINE_S, GRACE_S, MOST_MB = 4, 2.0, 150
CODES = {0, 1, 2, 3, 130}
Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Behaviour = Callable[[Reader, Writer], Awaitable[None]]


async def tls_alerts(reader: Reader, writer: Writer) -> None:
    await reader.read(65536)
    await _forever(writer, b"\x15\x03\x03\x00\x02\x01\x5a" * 9000)


async def tls_garbage(reader: Reader, writer: Writer) -> None:
    await reader.read(65536)
    await _forever(writer, b"\x16\x03\x03\x40\x00" + b"\x02\x00\x40\x00" * 4096)


async def socks_endless(reader: Reader, writer: Writer) -> None:
    await reader.read(3)
    await _forever(writer, b"\x05\x00" + b"\xff" * 65536)


async def socks_slow(reader: Reader, writer: Writer) -> None:
    await reader.read(3)
    for byte in b"\x05\x00\x05\x00\x00\x03\xff" + b"a" * 300:
        writer.write(bytes((byte,)))
        await asyncio.sleep(0.2)


async def socks_random(reader: Reader, writer: Writer) -> None:
    chosen = random.Random(time.monotonic_ns())
    for _ in range(50):
        await reader.read(300)
        size = chosen.choice((1, 2, 3, 10, 300))
        writer.write(b"\x05" * chosen.randrange(2) + chosen.randbytes(size))
    writer.close()


async def silence(reader: Reader, writer: Writer) -> None:
    await asyncio.sleep(3600)


async def silence_after_the_upgrade(reader: Reader, writer: Writer) -> None:
    await _upgrade(reader, writer)
    await asyncio.sleep(3600)


async def tiny_frames(reader: Reader, writer: Writer) -> None:
    await _upgrade(reader, writer)
    await _forever(writer, encode_frame(1, b"") * 30_000)


async def long_lines(reader: Reader, writer: Writer) -> None:
    await reader.read(65536)
    headers = "".join(f"X-{n}: {'token=a;' * 700}\r\n" for n in range(9))
    writer.write(f"HTTP/1.1 403 {'a:' * 2000}\r\n{headers}\r\n{'<a b=' * 9000}".encode())
    writer.close()


async def close_with_noise(reader: Reader, writer: Writer) -> None:
    await _upgrade(reader, writer)
    writer.write(encode_frame(8, struct.pack("!H", 4999) + "\u202e::error::x".encode()))
    await _forever(writer, os.urandom(65536))


PLAIN: list[Behaviour] = [
    *(behaviour for behaviour, _ in BEFORE_THE_UPGRADE),
    *AFTER_THE_UPGRADE,
    *(silence, silence_after_the_upgrade, tiny_frames, long_lines, close_with_noise),
]
OVER_TLS: list[Behaviour] = [tls_alerts, tls_garbage, silence]
OVER_SOCKS: list[Behaviour] = [socks_endless, socks_slow, socks_random, silence]
BOUNDS = {
    "ping": ["-i", "100ms", "-W", "1s", "-w", "3s"],
    "idle-probe": ["--from", "500ms", "--to", "1s", "--step", "500ms", "--pong-timeout", "1s"],
    "stream": ["-w", "3s"],
    "path": ["-c", "2"],
    "check": ["--adversarial", "--conformance"],
}


def served(behaviour: Behaviour) -> tuple[int, Callable[[], None]]:
    """The port of a server that behaves so, and what ends it."""
    loop, port = asyncio.new_event_loop(), threading.Event()
    found: list[int] = []

    async def serve(reader: Reader, writer: Writer) -> None:
        with suppress(ConnectionError, OSError):
            await behaviour(reader, writer)

    async def start() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        found.append(server.sockets[0].getsockname()[1])
        port.set()

    def run() -> None:
        loop.set_exception_handler(lambda *_: None)
        loop.create_task(start())
        loop.run_forever()

    threading.Thread(target=run, daemon=True).start()
    port.wait(10)
    return found[0], lambda: loop.call_soon_threadsafe(loop.stop) and None


def measured(args: list[str]) -> tuple[float, float, int, str]:
    """(seconds, MB, exit code, output) of one run."""
    with tempfile.TemporaryFile() as out:
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "wsdiag", *args], stdout=out, stderr=subprocess.STDOUT
        )
        timer = threading.Timer(DEADLINE_S + 20, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        took = time.monotonic() - began
        out.seek(0)
        said = out.read(1 << 20).decode(errors="replace")
    return took, usage.ru_maxrss / 1024, process.returncode, said


def main(only: list[str]) -> int:
    line = describe(typer.main.get_command(app))
    names = [c.name for c in line.commands if c.operand and "URL" in c.operand.value]
    worst_s = worst_mb = 0.0
    runs = bad = 0
    start_s, _, _, _ = measured(["connect", "ws://127.0.0.1:1/"])
    for kind, behaviours in (("ws", PLAIN), ("wss", OVER_TLS), ("socks5h", OVER_SOCKS)):
        for behaviour in behaviours:
            port, stop = served(behaviour)
            url = f"{'ws' if kind == 'socks5h' else kind}://127.0.0.1:{port}/"
            way = ["-x", f"socks5h://127.0.0.1:{port}"] if kind == "socks5h" else []
            url = "ws://far.test/" if way else url
            for name in names:
                if only and name not in only:
                    continue
                args = [name, url, *BOUNDS.get(name, []), *way, "-m", str(DEADLINE_S)]
                took, mb, code, said = measured([*args, "--connect-timeout", "2s", "-v"])
                took -= start_s  # what a busy machine takes to start Python
                wrong = code not in CODES or "Traceback" in said or "bug in wsdiag" in said
                wrong |= took > DEADLINE_S + GRACE_S or mb > MOST_MB or "\x1b]" in said
                runs, bad = runs + 1, bad + wrong
                worst_s, worst_mb = max(worst_s, took), max(worst_mb, mb)
                if wrong:
                    what = f"{kind} {behaviour.__name__} {name}"
                    print(f"FAIL {what}: {took:.1f} s, {mb:.0f} MB, {code}", flush=True)
            stop()
    print(f"{runs} runs, {bad} bad; slowest {worst_s:.1f} s, largest {worst_mb:.0f} MB")
    return bool(bad)


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    sys.exit(main(sys.argv[1:]))
