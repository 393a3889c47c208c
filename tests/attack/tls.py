"""TLS servers that break off, flood or change their mind, at every point of a connection.

    python -m tests.attack.tls [PART OF A NAME…]

After each record of the handshake, after it, after the request, after the upgrade: every alert,
plain text, records that are empty or cut, HelloRequests, session tickets and KeyUpdates without
end. What is sealed is sealed with the connection's own keys. A connect must end at its deadlines,
by an error or a note with words for it.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers.certs import Authority
from wsdiag.capture.tls.key_log import KeyLog, Label
from wsdiag.capture.tls.keys import RecordKeys, next_secret, suite, tls12_keys, tls13_keys
from wsdiag.probes.connect.run import connect
from wsdiag.protocol.frames import encode_frame
from wsdiag.protocol.server_handshake import ServerHandshake
from wsdiag.records import ConnectResult
from wsdiag.transport.dial.options import DialOptions

DEADLINE_S = 2.0
LONGEST_S = 7.0
"""For a Ping and a Close, each at its deadline, beside a flood from this very process."""
Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23
REFUSED = b"HTTP/1.1 403 Forbidden\r\nServer: a\r\n\r\nno"


@dataclass
class Server:
    """The server's end of one connection: TLS by OpenSSL, and records of our own beside it."""

    reader: Reader
    writer: Writer
    context: ssl.SSLContext
    keylog: Path
    tls13: bool

    def __post_init__(self) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = self.context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.randoms = [b"", b""]
        self.cipher = 0
        self.sealed = 0
        """Records that were sent under the keys in force."""

    async def read(self) -> bool:
        data = await self.reader.read(65536)
        if not self.randoms[0]:
            self.randoms[0] = data[11:43]
        self.incoming.write(data)
        return bool(data)

    def records(self) -> list[bytes]:
        """What OpenSSL wants to send, record by record."""
        data, found = self.outgoing.read(), []
        while data:
            size = 5 + int.from_bytes(data[3:5], "big")
            found.append(data[:size])
            data = data[size:]
            if found[-1][5:6] == b"\2" and not self.cipher:  # ServerHello
                hello = found[-1]
                self.randoms[1] = hello[11:43]
                at = 44 + hello[43]
                self.cipher = int.from_bytes(hello[at : at + 2], "big")
        return found

    async def shake_hands(self, most: int = 1000) -> bool:
        """The handshake, `most` records of ours at most; whether it is over."""
        sent = 0
        while True:
            over = True
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                over = False
            for record in self.records():
                if sent == most:
                    return False
                sent += 1
                self.writer.write(record)
                self.sealed += record[0] == DATA
            if over:
                self.sealed = 0 if self.tls13 else 1  # Finished was sealed with TLS 1.2's keys
                return True
            if sent == most or not await self.read():
                return False

    def keys(self) -> RecordKeys | None:
        log, (ours, theirs) = KeyLog(self.keylog), self.randoms
        if not self.tls13:
            master = log.secret("CLIENT_RANDOM", ours)
            return tls12_keys(suite(self.cipher), master, ours, theirs)[1] if master else None
        label: Label = "SERVER_HANDSHAKE_TRAFFIC_SECRET"
        if self.tls.version() and log.secret("SERVER_TRAFFIC_SECRET_0", ours) and self.over:
            label = "SERVER_TRAFFIC_SECRET_0"
        self.secret = log.secret(label, ours)
        found = self.secret and self.cipher
        return tls13_keys(suite(self.cipher), self.secret) if found and self.secret else None

    over = False
    secret: bytes | None = None
    """TLS 1.3: what the keys in force were made from."""

    def record(self, kind: int, data: bytes, *, plain: bool = False) -> bytes:
        """A record, sealed where there are keys."""
        keys = None if plain else self.keys_in_force
        if keys is None:
            return bytes((kind, 3, 3)) + len(data).to_bytes(2, "big") + data
        aead: Any = keys._aead
        number, self.sealed = self.sealed, self.sealed + 1
        if self.tls13:
            head = bytes((DATA, 3, 3)) + (len(data) + 17).to_bytes(2, "big")
            nonce = (keys._iv ^ number).to_bytes(12, "big")
            return head + aead.encrypt(nonce, data + bytes((kind,)), head)  # type: ignore[no-any-return]
        explicit = number.to_bytes(8, "big")
        beside = explicit + bytes((kind, 3, 3)) + len(data).to_bytes(2, "big")
        body = explicit + aead.encrypt(keys._fixed + explicit, data, beside)
        return bytes((kind, 3, 3)) + len(body).to_bytes(2, "big") + body

    def key_update(self, *, asks: bool) -> bytes:
        """A KeyUpdate (RFC 8446, 4.6.3): what follows it is sealed with the next keys."""
        made = self.record(HANDSHAKE, b"\x18\0\0\1" + bytes((asks,)))
        if self.tls13 and self.secret is not None:
            self.secret, self.sealed = next_secret(suite(self.cipher), self.secret), 0
            self.keys_in_force = tls13_keys(suite(self.cipher), self.secret)
        return made

    keys_in_force: RecordKeys | None = None

    async def reach(self, point: str) -> None:
        """Behave until `point`."""
        if point.startswith("record"):
            await self.shake_hands(int(point.split()[1]))
            if self.tls13 and self.sealed:
                self.keys_in_force = self.keys()
            return
        if not await self.shake_hands():
            raise ConnectionError
        self.over = True
        self.keys_in_force = self.keys()
        assert self.keys_in_force is not None
        if point == "handshake":
            return
        handshake, request = ServerHandshake(), None
        while request is None:
            with suppress(ssl.SSLWantReadError):
                request = handshake.receive(self.tls.read(65536))
                continue
            if not await self.read():
                raise ConnectionError
        if point == "request":
            return
        answer = REFUSED if point.startswith("refusal") else handshake.accept(request)[0]
        if point.startswith("message"):
            answer += encode_frame(1, b"hello") + encode_frame(8, b"\x03\xe9bye")
        self.writer.write(self.record(DATA, answer))
        if not point.endswith("at once"):
            await self.writer.drain()
            await asyncio.sleep(0.05)


Harm = Callable[[Server], Awaitable[None]]


def alert(level: int, number: int, *, plain: bool) -> Harm:
    async def harm(server: Server) -> None:
        server.writer.write(server.record(ALERT, bytes((level, number)), plain=plain))
        await server.writer.drain()

    return harm


def _flood(kind: int, data: bytes, *, plain: bool = False) -> Harm:
    async def harm(server: Server) -> None:
        while True:
            made = b"".join(server.record(kind, data, plain=plain) for _ in range(500))
            server.writer.write(made)
            await server.writer.drain()

    return harm


def _key_updates(*, ask: bool) -> Harm:
    async def harm(server: Server) -> None:
        while True:
            server.writer.write(b"".join(server.key_update(asks=ask) for _ in range(100)))
            await server.writer.drain()
            await asyncio.sleep(0)  # they take long to make, and the client has this loop as well

    return harm


def _says(data: bytes) -> Harm:
    async def harm(server: Server) -> None:
        server.writer.write(data)
        await server.writer.drain()

    return harm


def _forever(data: bytes) -> Harm:
    async def harm(server: Server) -> None:
        while True:
            server.writer.write(data)
            await server.writer.drain()

    return harm


def _once(kind: int, data: bytes) -> Harm:
    async def harm(server: Server) -> None:
        server.writer.write(server.record(kind, data))
        await server.writer.drain()
        await asyncio.sleep(30)

    return harm


TICKET = (
    b"\4\0\0\x1f" + b"\0\0\x0e\x10" + bytes(4) + b"\1a" + b"\0\x10" + bytes(16) + b"\0\0" + b"\0"
)
TICKET = TICKET[:1] + (len(TICKET) - 5).to_bytes(3, "big") + TICKET[4:-1]
POINTS = (
    *("record 0", "record 1", "record 2", "record 3", "record 4", "record 5"),
    *("handshake", "request", "refusal", "refusal at once", "upgrade", "upgrade at once"),
    *("message", "message at once"),
)
FEW = {
    "plain text": _says(b"HTTP/1.1 400 Bad Request\r\n\r\nThe plain HTTP request was sent"),
    "plain text for ever": _forever(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 2000),
    "noise": _says(bytes(range(256)) * 4),
    "a record of 65535": _says(b"\x17\x03\x03\xff\xff" + bytes(65535)),
    "half a record": _says(b"\x17\x03\x03\x01\x00aaa"),
    "a record of no kind": _says(b"\x63\x03\x03\x00\x01a"),
    "SSL 3": _says(b"\x16\x03\x00\x00\x01a"),
    "ChangeCipherSpec for ever": _flood(CHANGE_CIPHER_SPEC, b"\1", plain=True),
    "empty records for ever": _flood(DATA, b""),
    "empty handshake records": _flood(HANDSHAKE, b""),
    "empty alerts": _flood(ALERT, b""),
    "plain empty records": _flood(DATA, b"", plain=True),
    "warnings for ever": _flood(ALERT, b"\1\x5a"),
    "plain warnings for ever": _flood(ALERT, b"\1\x5a", plain=True),
    "a HelloRequest": _once(HANDSHAKE, bytes(4)),
    "HelloRequests for ever": _flood(HANDSHAKE, bytes(4)),
    "tickets for ever": _flood(HANDSHAKE, TICKET),
    "a KeyUpdate": _once(HANDSHAKE, b"\x18\0\0\1\1"),
    "KeyUpdates of one key": _flood(HANDSHAKE, b"\x18\0\0\1\0"),
    "KeyUpdates for ever": _key_updates(ask=False),
    "KeyUpdates for ever that want one": _key_updates(ask=True),
    "a CertificateRequest": _once(HANDSHAKE, b"\x0d\0\0\x0b\1a\0\x08\0\x0d\0\4\0\2\4\3"),
    "a ClientHello": _once(HANDSHAKE, b"\1\0\0\x26\3\3" + bytes(36)),
    "a handshake message of 16 MB": _flood(HANDSHAKE, b"\x0b\xff\xff\xff" + bytes(16000)),
    "data for ever": _flood(DATA, bytes(16000)),
}


def cases() -> Iterator[tuple[str, bool, str, Harm]]:
    """(what it is, TLS 1.3, where, harm) of each connection."""
    for tls13 in (True, False):
        for point in POINTS:
            where = f"TLS 1.{2 + tls13}, {point}"
            for name, harm in FEW.items():
                yield f"{where}: {name}", tls13, point, harm
            numbers = range(256) if point in ("record 0", "handshake", "upgrade") else KNOWN
            for number in numbers:
                for level in (1, 2):
                    for plain in (False, True):
                        name = f"{'plain ' * plain}alert {level} {number}"
                        yield f"{where}: {name}", tls13, point, alert(level, number, plain=plain)


KNOWN = (
    *(0, 10, 20, 21, 22, 30, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 60, 70, 71, 80),
    *(86, 90, 100, 109, 110, 111, 112, 113, 114, 115, 116, 120, 121, 255),
)
"""Alerts that are registered, and one that is not."""


class Lab:
    """Certificates, and contexts by version."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = Authority(folder)
        self.cert = self.ca.cert()
        self.made = 0

    def context(self, *, tls13: bool) -> tuple[ssl.SSLContext, Path]:
        self.made += 1
        keylog = self.folder / f"keys{self.made}"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert.cert, self.cert.key)
        version = ssl.TLSVersion.TLSv1_3 if tls13 else ssl.TLSVersion.TLSv1_2
        context.minimum_version = context.maximum_version = version
        context.set_ciphers("ECDHE+AESGCM")
        context.num_tickets = 0
        context.keylog_filename = str(keylog)
        return context, keylog


@asynccontextmanager
async def served(lab: Lab, tls13: bool, point: str, harm: Harm) -> AsyncIterator[str]:
    """The URL of such a server."""
    over: set[asyncio.Task[None]] = set()
    context, keylog = lab.context(tls13=tls13)

    async def serve(reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        over.add(task)
        server = Server(reader, writer, context, keylog, tls13)
        with suppress(OSError, asyncio.CancelledError):
            async with asyncio.timeout(3 * LONGEST_S):
                await server.read()
                await server.reach(point)
                await harm(server)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"wss://localhost:{listening.sockets[0].getsockname()[1]}/"
    finally:
        listening.close()
        for task in over:
            task.cancel()
        await asyncio.gather(*over, return_exceptions=True)
        keylog.unlink(missing_ok=True)


async def connected(
    lab: Lab, tls13: bool, point: str, harm: Harm, deadline_s: float = DEADLINE_S
) -> ConnectResult:
    options = DialOptions(connect_timeout=deadline_s, cacert=lab.ca.pem, compression=True)
    async with served(lab, tls13, point, harm) as url, asyncio.timeout(deadline_s + LONGEST_S):
        return await connect(url, options, ping_timeout_s=1, close_timeout_s=1, look_at_http2=False)


def outcome(point: str, result: ConnectResult) -> tuple[str, str | None]:
    """(how it ended, what is wrong or None)."""
    if (error := result.error) is not None:
        said = f"{error.kind}/{error.phase}: {error.message}"
        if point.startswith("refusal") and (result.http is None or result.http.status != 403):
            return said, f"{said}: it was a refusal"
        if point.startswith("message") and error.phase == "upgrade":
            return said, f"{said}: it was open"
        return said, None if error.hint else f"{said}: no words for it"
    return f"ok: {'; '.join(result.notes)}", None


async def attack(only: list[str]) -> tuple[Counter[str], list[str]]:
    """(how often it ended how, problems), some connections at a time; what looks bad once more,
    alone: all floods are made in this process."""
    met: Counter[str] = Counter()
    waiting = [case for case in cases() if not only or any(part in case[0] for part in only)]
    again: list[tuple[str, bool, str, Harm]] = []
    bad: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder))

        async def ended(case: tuple[str, bool, str, Harm], deadline_s: float) -> str | None:
            name, tls13, point, harm = case
            try:
                how, wrong = outcome(point, await connected(lab, tls13, point, harm, deadline_s))
            except Exception as error:
                how = wrong = f"{type(error).__name__}: {error}"
            if wrong is None:
                met[re.sub(r"127\.0\.0\.1:\d+|\d+ (ms|bytes)", "…", how)] += 1
            return None if wrong is None else f"{name}: {wrong}"

        async def some() -> None:
            while waiting:
                case = waiting.pop()
                if await ended(case, DEADLINE_S) is not None:
                    again.append(case)

        await asyncio.gather(*(some() for _ in range(6)))
        bad += [wrong for case in again if (wrong := await ended(case, 5 * DEADLINE_S)) is not None]
    return met, bad


def main(only: list[str]) -> int:
    began = time.monotonic()
    met, bad = asyncio.run(attack(only))
    print("\n".join(bad[:200]))
    print("\n".join(f"{count:6} {how:.150}" for how, count in met.most_common()))
    print(
        f"{met.total() + len(bad)} connections in {time.monotonic() - began:.0f} s, {len(bad)} bad"
    )
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
