"""SOCKS5 and HTTP proxies whose answers are wrong: in each byte, cut off at each byte, without end.

    python -m tests.attack.proxies [PART OF A NAME…]

The dial must end at its deadline, by a DialError of the phase `proxy` with a code that is known; or
of the upgrade, where an answer was one that agrees.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

from wsdiag.judgement.diagnosis.hints import diagnose
from wsdiag.transport.dial.dialer import dial
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialError

TARGET = "ws://far.test:81/"
DEADLINE_S = 1.0
GRACE_S = 2.0
CODES = {
    *("proxy-socks", "proxy-socks-auth", "proxy-timeout", "proxy-closed", "proxy-not-http"),
    *("proxy-auth", "proxy-is-web-server"),
}
AGREED = {"closed-in-handshake", "upgrade-timeout", "not-http", "headers-too-large"}
"""How it goes on where the proxy agreed: the tunnel leads nowhere."""

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Play = Callable[[Reader, Writer], Awaitable[None]]
Case = tuple[str, str, Play]
"""(what is wrong, the proxy without its address, what it does to a connection)"""

GREETING, GRANTED = b"\x05\x00", b"\x01\x00"
CONNECTED = {
    "IPv4": b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x51",
    "IPv6": b"\x05\x00\x00\x04" + bytes(15) + b"\x01\x00\x51",
    "name": b"\x05\x00\x00\x03\x04a.bc\x00\x51",
}
OK = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 a\r\n\r\n"
REFUSED = (
    b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=a\r\n"
    b"Content-Length: 5\r\n\r\nlogin"
)


def _reset(writer: Writer) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def says(answers: list[bytes], *, reset: bool = False) -> Play:
    """Each answer after something was heard; then the end."""

    async def play(reader: Reader, writer: Writer) -> None:
        for answer in answers:
            if not await reader.read(4096):
                return
            writer.write(answer)
            await writer.drain()
        if reset:
            _reset(writer)

    return play


def _floods(answers: list[bytes], chunk: bytes) -> Play:
    async def play(reader: Reader, writer: Writer) -> None:
        await says(answers)(reader, writer)
        while True:
            writer.write(chunk)
            await writer.drain()

    return play


def _is_silent_after(answers: list[bytes]) -> Play:
    async def play(reader: Reader, writer: Writer) -> None:
        await says(answers)(reader, writer)
        await asyncio.sleep(60)

    return play


def _spoilt(answer: bytes, values: range | list[int]) -> Iterator[tuple[str, bytes]]:
    for at in range(len(answer)):
        for value in values:
            if answer[at] != value:
                yield f"byte {at} is {value}", answer[:at] + bytes((value,)) + answer[at + 1 :]


def socks() -> Iterator[Case]:
    conversations = {
        f"{kind}{' with a password' if auth else ''}": (
            "socks5h://me:sesame@" if auth else "socks5h://",
            [b"\x05\x02", GRANTED, end] if auth else [GREETING, end],
        )
        for kind, end in CONNECTED.items()
        for auth in (False, True)
    }
    for name, (proxy, answers) in conversations.items():
        for step, answer in enumerate(answers):
            before, after = answers[:step], answers[step + 1 :]
            for wrong, spoilt in _spoilt(answer, range(256)):
                yield f"{name}, answer {step}: {wrong}", proxy, says([*before, spoilt, *after])
            for cut in range(len(answer)):
                for reset in (False, True):
                    end = "reset" if reset else "end"
                    play = says([*before, answer[:cut]], reset=reset)
                    yield f"{name}, answer {step}: {end} after {cut} bytes", proxy, play
            for chunk in (b"\0", b"\x05", b"\xff", bytes(range(256))):
                play = _floods([*before, answer], chunk * 65536)
                yield f"{name}, answer {step}: a flood of {chunk[:1]!r}", proxy, play
            yield f"{name}, silence after {step}", proxy, _is_silent_after(answers[:step])
    for seed in range(500):
        chosen = random.Random(seed)
        said = [b"\x05" * chosen.randrange(2) + chosen.randbytes(chosen.randrange(300))] * 3
        yield f"noise {seed}", chosen.choice(("socks5h://", "socks5h://a:b@")), says(said)


def http() -> Iterator[Case]:
    values = [0, 9, 10, 13, 32, 48, 58, 65, 127, 128, 255]
    for name, answer in (("200", OK), ("407", REFUSED)):
        for wrong, spoilt in _spoilt(answer, values):
            yield f"{name}: {wrong}", "http://", says([spoilt])
        for cut in range(len(answer)):
            for reset in (False, True):
                end = "reset" if reset else "end"
                yield f"{name}: {end} after {cut}", "http://", says([answer[:cut]], reset=reset)
        for cut in range(0, len(answer), 20):
            for chunk in (b"a", b" ", b"\r\n", b"a: b\r\n", b"\0", b"HTTP/1.1 100 a\r\n\r\n"):
                play = _floods([answer[:cut]], chunk * (65536 // len(chunk)))
                yield f"{name}: a flood of {chunk!r} after {cut}", "http://", play
    for status in range(100, 1000):
        head = b"HTTP/1.1 %d a\r\n" % status
        for rest in (b"\r\n", b"Content-Length: 5\r\n\r\nhello", b"Content-Length: x\r\n\r\n"):
            yield f"{status} {rest[:16]!r}", "http://", says([head + rest])
    for size in (b"-1", b"1" * 5000, b"5, 6", b"0x5", b"", b"\xb2"):
        for status in (200, 407):
            head = b"HTTP/1.1 %d a\r\nContent-Length: %s\r\n\r\n" % (status, size)
            yield f"{status}, length {size[:9]!r}", "http://", says([head])
    for chunk in (b"fffffffffffffffff\r\n", b"-1\r\n", b"5;" + b"a" * 70000, b"zz\r\n"):
        for status in (200, 403):
            head = b"HTTP/1.1 %d a\r\nTransfer-Encoding: chunked\r\n\r\n" % status
            yield f"{status}, chunk {chunk[:9]!r}", "http://", says([head + chunk])
    for seed in range(500):
        noise = random.Random(seed).randbytes(300)
        yield f"noise {seed}", "http://", says([b"HTTP/1.1 " * (seed % 2) + noise])


EVERY = {"socks": socks, "http": http}


async def dialled(proxy: str, play: Play) -> tuple[str, str | None]:
    """(the code it ended with, what is wrong or None)."""
    over: set[asyncio.Task[None]] = set()

    async def serve(reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        over.add(task)
        with suppress(ConnectionError, asyncio.CancelledError):
            await play(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    way = f"{proxy}127.0.0.1:{server.sockets[0].getsockname()[1]}"
    began = time.monotonic()
    try:
        async with asyncio.timeout(DEADLINE_S + GRACE_S):
            session = await dial(TARGET, DialOptions(proxy=way, connect_timeout=DEADLINE_S))
        session.close()
        return "none", "a session"
    except DialError as error:
        told = diagnose(TARGET, error)
        if error.code not in CODES | AGREED and not error.code.startswith("proxy-http-"):
            return error.code, f"{error.code}: {error.message}"
        if error.phase != ("upgrade" if error.code in AGREED else "proxy"):
            return error.code, f"{error.code} in phase {error.phase}"
        return error.code, None if told else f"{error.code}: no words for it"
    except Exception as error:
        took = time.monotonic() - began
        return "none", f"{type(error).__name__} after {took:.1f} s: {error}"
    finally:
        server.close()
        for task in over:
            task.cancel()
        await asyncio.gather(*over, return_exceptions=True)


async def attack(only: list[str]) -> tuple[Counter[str], list[str]]:
    """(how often each code was met, problems), some dials at a time."""
    met: Counter[str] = Counter()
    bad: list[str] = []
    waiting = [
        (f"{kind}: {name}", proxy, play)
        for kind, cases in EVERY.items()
        for name, proxy, play in cases()
        if not only or any(part in f"{kind}: {name}" for part in only)
    ]

    async def some() -> None:
        while waiting:
            name, proxy, play = waiting.pop()
            code, wrong = await dialled(proxy, play)
            met[code] += 1
            if wrong is not None:
                bad.append(f"{name}: {wrong}")

    await asyncio.gather(*(some() for _ in range(8)))
    return met, bad


def main(only: list[str]) -> int:
    began = time.monotonic()
    met, bad = asyncio.run(attack(only))
    print("\n".join(bad[:200]))
    print(", ".join(f"{code} {count}" for code, count in met.most_common()))
    print(f"{met.total()} dials in {time.monotonic() - began:.0f} s, {len(bad)} bad")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
