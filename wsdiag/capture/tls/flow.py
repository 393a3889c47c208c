"""TLS of a recorded flow: what it negotiated, how it ended, and with a key log what is inside.

Records are walked in both directions. The two hellos, in the clear, say which secrets to look up
and how to make keys of them (`keys.py`); what opens is handed on as plaintext of its direction,
as TCP's bytes are (`flows.FlowListener`). A flow that cannot be opened stays dark, for a reason in
words, and its records are still walked, as TLS 1.2 shows that an alert is one.

Records come from a capture, so each direction is in one of three states:

* in step: the next byte is a record's, and its number is known. Where it does not open although
  nothing was missed, the keys have changed (in TLS 1.3 nothing outside tells), so the next secret's
  record 0 is tried. Records that are early data (0-RTT) open with neither, and are passed over.
* spoiled: bytes are missing within one record. Its end is known, and so is the number behind it.
* lost: bytes are missing, and where the next record begins is not known, nor its number. What looks
  like a header is tried with every number that so many bytes leave possible; TLS 1.2 with AES-GCM
  mostly tells by its explicit nonce. That costs a decryption each, so a budget that grows with what
  did open bounds the work: a hostile file cannot buy more of it than its own length allows.

Secrets may come late, as a browser writes its key log while the capture is read: records wait for
them, up to a bound.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from wsdiag.capture.tls import hello as tls_hello
from wsdiag.capture.tls.hello import TLS12, TLS13
from wsdiag.capture.tls.key_log import KeyLog, Label
from wsdiag.capture.tls.keys import (
    NEEDS_CRYPTOGRAPHY,
    TAG,
    RecordKeys,
    Suite,
    next_secret,
    suite,
    tls12_keys,
    tls13_keys,
)

_CHANGE_CIPHER_SPEC, _ALERT, _HANDSHAKE, _APPLICATION = 20, 21, 22, 23
_WARNING, _CLOSE_NOTIFY, _USER_CANCELED = 1, 0, 90
_HEADER = 5
_LONGEST_RECORD = (1 << 14) + 2048
_MOST_HANDSHAKE = 256 * 1024
_MOST_HELD = 16 * 1024
"""Bytes of records that wait for secrets."""
_BUDGET = 4 << 20
"""Bytes of trial decryptions that a flow may cost beside a multiple of what opened."""
_MOST_ALERTS = 8
_SMALLEST_SEALED = _HEADER + TAG + 1
_LOOKS_LIKE_RECORD = re.compile(rb"[\x14-\x17]\x03\x03", re.DOTALL)
_SECRETS: tuple[tuple[Label, Label], tuple[Label, Label]] = (
    ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0"),
    ("SERVER_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0"),
)
NO_SECRETS = "no secrets for this connection in the key log"
HANDSHAKE_SECRETS = (
    "the key log has its handshake's secrets only, which open nothing of the WebSocket: "
    "CLIENT_TRAFFIC_SECRET_0 and SERVER_TRAFFIC_SECRET_0 are missing"
)
NO_HANDSHAKE = "its handshake is not in the capture"
NO_KEY_LOG = "no key log was given"


def is_tls(data: bytes) -> bool:
    """Whether bytes of a flow begin with the header of a TLS record (RFC 8446, 5.1)."""
    return (
        len(data) >= _HEADER
        and _CHANGE_CIPHER_SPEC <= data[0] <= _APPLICATION
        and data[1] == 3
        and data[2] <= 4
        and 0 < int.from_bytes(data[3:5], "big") <= _LONGEST_RECORD
    )


class PlaintextListener(Protocol):
    """What is told of a flow's plaintext; a `FlowListener` will do."""

    def data(self, number: int, time_ns: int, data: bytes) -> None:
        """Application data from an end, in order."""

    def gap(self, number: int, time_ns: int, size: int) -> None:
        """Application data is missing; `size` is 0, as nobody knows how much."""


class Alert(NamedTuple):
    """An alert: from which end, when, and its name (`encrypted`: it could not be opened)."""

    number: int
    time_ns: int
    name: str


@dataclass(slots=True)
class _TlsDirection:
    buffer: bytearray
    skip: int = 0
    """Bytes of a record that are not wanted, or cannot be."""
    lost: bool = False
    """Where the next record begins is not known; the buffer begins with any byte."""
    missed: int = 0
    """How many records may have been missed since the last one that opened."""
    sealed: bool = False
    """TLS 1.2: its ChangeCipherSpec came."""
    keys: RecordKeys | None = None
    secret: bytes = b""
    """TLS 1.3: what the keys were made from."""
    stage: int = 0
    """TLS 1.3: 0 with the handshake's secret, then one more with each secret."""
    sequence: int = 0
    """The number of the next record, for these keys."""
    nonce: int | None = None
    """What record 0 had, or would have had, as its explicit nonce."""
    gap: bool = False
    """Application data was missed, and the listener does not know yet."""
    head: bytes = b""
    """The header of a handshake message that is coming, or as much as has come."""
    message: bytearray | None = None
    """As much of the message as has come; None: it is not wanted."""
    message_left: int = 0
    deaf: bool = False
    """Part of a handshake message was missed: where the next begins is not known."""


class TlsFlow:
    """TLS of one flow; `key_log` None: only what is in the clear."""

    def __init__(self, key_log: KeyLog | None, listener: PlaintextListener) -> None:
        self.facts: dict[str, str] = {}
        """`version`, `cipher`, `sni` and `alpn`, as far as they were seen."""
        self.alerts: list[Alert] = []
        self.dark: str | None = None
        """Why the flow cannot be opened, or could not from some point on."""
        self.client: int | None = None
        """Which end is TLS's client; None: no ClientHello was seen."""
        self._key_log, self._listener = key_log, listener
        self._directions = (_TlsDirection(bytearray()), _TlsDirection(bytearray()))
        self._randoms = [b"", b""]
        """Of the last hellos, the client's first."""
        self._version = 0
        self._suite: Suite | None = None
        self._held: deque[tuple[int, int, bytes, bytes]] = deque()
        self._held_bytes = 0
        self._budget = _BUDGET

    # -- records -----------------------------------------------------------------------------

    def data(self, number: int, time_ns: int, data: bytes) -> None:
        """Bytes of the flow, in order, from an end."""
        direction = self._directions[number]
        if direction.skip:
            skipped = min(direction.skip, len(data))
            direction.skip -= skipped
            data = data[skipped:]
        direction.buffer += data
        if direction.lost:
            self._scan(number, time_ns)
        if not direction.lost:
            self._walk(number, time_ns)

    def gap(self, number: int, time_ns: int, size: int) -> None:
        """Bytes that are missing from the flow; 0: nobody knows how many."""
        direction = self._directions[number]
        buffer, left = direction.buffer, direction.skip
        if self._held:
            self._go_dark("bytes of its handshake are missing from the capture")
        if len(buffer) >= _HEADER and not direction.lost:
            left = _HEADER + int.from_bytes(buffer[3:5], "big") - len(buffer)
            if 0 < size <= left and (direction.sealed or buffer[0] == _APPLICATION):
                direction.sequence += 1
                direction.missed += 1
        del buffer[:]
        direction.deaf, direction.head, direction.message_left = True, b"", 0
        if 0 < size <= left:
            direction.skip = left - size
            return
        direction.skip, direction.lost = 0, True
        direction.missed += (size - left) // _SMALLEST_SEALED + 2 if size else 1024
        if self._suite is None:
            self._go_dark("its handshake is not complete in the capture")

    def held(self) -> int:
        """How many bytes of unfinished records and messages it keeps."""
        buffers = sum(len(each.buffer) + len(each.message or b"") for each in self._directions)
        return self._held_bytes + buffers

    def finish(self) -> None:
        """No more bytes will come: what still waits for secrets will not have them."""
        if self._held and self.dark is None:
            self._go_dark(NO_SECRETS if self._suite else NO_HANDSHAKE)
        if (
            self.dark is None
            and self._version == TLS13
            and all(
                each.keys and each.missed and not each.stage and self._next_keys(number) is None
                for number, each in enumerate(self._directions)
            )
        ):
            self._go_dark(HANDSHAKE_SECRETS)

    def _walk(self, number: int, time_ns: int) -> None:
        direction = self._directions[number]
        buffer, at = direction.buffer, 0
        while len(buffer) - at >= _HEADER:
            header = bytes(buffer[at : at + _HEADER])
            if not is_tls(header):
                self._go_dark("what it sends is not TLS, or not any more")
                direction.lost, at = True, len(buffer)
                break
            end = at + _HEADER + int.from_bytes(header[3:], "big")
            if self.dark is not None:
                if header[0] == _ALERT:
                    self._alert(number, time_ns, "encrypted")
                direction.skip = max(end - len(buffer), 0)
            elif end > len(buffer):
                break
            else:
                self._record(number, time_ns, header, bytes(buffer[at + _HEADER : end]))
            at = min(end, len(buffer))
        del buffer[:at]

    def _scan(self, number: int, time_ns: int) -> None:
        """Look for a record that opens, in bytes that begin anywhere."""
        direction = self._directions[number]
        buffer, at = direction.buffer, 0
        if not self._ready(number):
            self._go_dark(NO_SECRETS)
            del buffer[:]
            return
        while (found := _LOOKS_LIKE_RECORD.search(buffer, at)) is not None:
            at = found.start()
            header = bytes(buffer[at : at + _HEADER])
            if len(header) < _HEADER:
                break
            size = int.from_bytes(header[3:], "big")
            if size <= _LONGEST_RECORD:
                if len(buffer) - at < _HEADER + size:
                    break
                body = bytes(buffer[at + _HEADER : at + _HEADER + size])
                if self._unseal(number, time_ns, header, body):
                    at += _HEADER + size
                    direction.lost = False
                    break
                if self.dark is not None:
                    break
            at += 1
        else:
            at = max(at, len(buffer) - 2)
        del buffer[:at]

    def _record(self, number: int, time_ns: int, header: bytes, body: bytes) -> None:
        direction, kind = self._directions[number], header[0]
        if kind == _CHANGE_CIPHER_SPEC and not direction.sealed:
            direction.sealed = self._version == TLS12  # in TLS 1.3 it only pleases middleboxes
        elif not direction.sealed and kind != _APPLICATION:
            self._content(number, time_ns, kind, body)
        else:
            self._held.append((number, time_ns, header, body))
            self._held_bytes += len(body)
            self._release()

    def _release(self) -> None:
        """Open what waits, both directions in the order of their coming."""
        while self._held and self.dark is None:
            number, time_ns, header, body = self._held[0]
            if not self._ready(number):
                if self._held_bytes > _MOST_HELD:
                    self.finish()
                return
            self._held.popleft()
            self._held_bytes -= len(body)
            self._unseal(number, time_ns, header, body)

    # -- keys --------------------------------------------------------------------------------

    def _ready(self, number: int) -> bool:
        """Whether this direction has keys; False: not yet, or the flow is dark."""
        direction = self._directions[number]
        if self.client is None:
            self._go_dark(NO_HANDSHAKE)
        if self.dark is None and direction.keys is not None:
            return True
        if self.dark is not None or self._suite is None or self._key_log is None:
            return False
        try:
            return self._make_keys(number, self._suite, self._key_log)
        except ImportError:
            self._go_dark(NEEDS_CRYPTOGRAPHY)
            return False

    def _make_keys(self, number: int, suite: Suite, key_log: KeyLog) -> bool:
        direction, by_server = self._directions[number], number != self.client
        client_random, server_random = self._randoms
        if self._version == TLS12:
            master = key_log.secret("CLIENT_RANDOM", client_random)
            if master is None:
                return False
            direction.keys = tls12_keys(suite, master, client_random, server_random)[by_server]
            direction.sealed = True
            return True
        for stage, label in enumerate(_SECRETS[by_server]):
            secret = key_log.secret(label, client_random)
            if secret is not None:
                direction.secret, direction.stage = secret, stage
                direction.keys = tls13_keys(suite, secret)
                return True
        return False

    def _next_keys(self, number: int) -> tuple[RecordKeys, bytes] | None:
        """TLS 1.3: those that come after the direction's present ones."""
        direction = self._directions[number]
        if self._version != TLS13 or self._suite is None or self._key_log is None:
            return None
        if direction.stage:
            secret: bytes | None = next_secret(self._suite, direction.secret)
        else:
            label = _SECRETS[number != self.client][1]
            secret = self._key_log.secret(label, self._randoms[0])
        return None if secret is None else (tls13_keys(self._suite, secret), secret)

    # -- opening -----------------------------------------------------------------------------

    def _unseal(self, number: int, time_ns: int, header: bytes, body: bytes) -> bool:
        """Open a record and take in what is in it; False: it did not open."""
        direction = self._directions[number]
        assert direction.keys is not None
        plain = direction.keys.open(direction.sequence, header, body)
        if plain is None:
            plain = self._search(number, header, body)
        if plain is None:
            if not direction.lost:
                direction.missed += 1
                if direction.sequence:
                    direction.sequence += 1
                elif not direction.stage:
                    direction.gap = True  # early data: its keys are still to come
            return False
        if direction.missed:
            direction.missed = 0
            handshake_only = (0, 1) if self._version == TLS12 else (1, 0)
            if (direction.stage, direction.sequence) > handshake_only:
                direction.gap = True
        explicit = direction.keys.explicit_nonce(body)
        direction.nonce = None if explicit is None else explicit - direction.sequence
        direction.sequence += 1
        self._budget = min(self._budget + 16 * len(body), 64 * _BUDGET)
        kind = header[0]
        if self._version == TLS13:
            plain = plain.rstrip(b"\0")  # the type is the last byte that is no padding
            kind, plain = plain[-1] if plain else _APPLICATION, plain[:-1]
        if kind == _CHANGE_CIPHER_SPEC:  # TLS 1.2: what was negotiated anew begins
            direction.keys, direction.sequence, direction.deaf = None, 0, False
        else:
            self._content(number, time_ns, kind, plain)
        return True

    def _search(self, number: int, header: bytes, body: bytes) -> bytes | None:
        """Open a record whose number or keys are not the expected ones, and go on from there."""
        direction = self._directions[number]
        for keys, secret, sequence in self._candidates(number, body):
            self._budget -= len(body) + 512
            if self._budget < 0:
                self._go_dark("the number of its next record was not found behind a gap")
                return None
            plain = keys.open(sequence, header, body)
            if plain is not None:
                if keys is not direction.keys:
                    direction.keys, direction.secret = keys, secret
                    direction.stage += 1
                    direction.deaf = False
                direction.sequence = sequence
                return plain
        return None

    def _candidates(self, number: int, body: bytes) -> Iterator[tuple[RecordKeys, bytes, int]]:
        direction = self._directions[number]
        keys, first = direction.keys, direction.sequence + 1
        assert keys is not None
        explicit = keys.explicit_nonce(body)
        if direction.missed and explicit is not None and direction.nonce is not None:
            told = explicit - direction.nonce
            if first <= told < first + direction.missed:
                yield keys, b"", told
        following = self._next_keys(number)
        if following is not None:
            yield *following, 0
        for sequence in range(first, first + direction.missed):
            yield keys, b"", sequence
            if following is not None:
                yield *following, sequence - first + 1

    # -- what is inside ----------------------------------------------------------------------

    def _content(self, number: int, time_ns: int, kind: int, data: bytes) -> None:
        if kind == _APPLICATION:
            direction = self._directions[number]
            if direction.gap:
                direction.gap = False
                self._listener.gap(number, time_ns, 0)
            if data:
                self._listener.data(number, time_ns, data)
        elif kind == _ALERT and len(data) == 2 and self._ends(*data):
            self._alert(number, time_ns, tls_hello.ALERTS.get(data[1], f"alert {data[1]}"))
        elif kind == _HANDSHAKE and not self._directions[number].deaf:
            self._handshake(number, data)

    def _ends(self, level: int, what: int) -> bool:
        """Whether an alert ends the connection: TLS 1.2 has warnings that do not (7.2)."""
        if self._version == TLS13:
            return what != _USER_CANCELED
        return level != _WARNING or what == _CLOSE_NOTIFY

    def _alert(self, number: int, time_ns: int, name: str) -> None:
        if len(self.alerts) < _MOST_ALERTS:
            self.alerts.append(Alert(number, time_ns, name))

    def _handshake(self, number: int, data: bytes) -> None:
        """Messages, which may span records; those that are not wanted are passed over."""
        direction, at = self._directions[number], 0
        while at < len(data) and self.dark is None:
            if not direction.message_left:
                more = 4 - len(direction.head)
                direction.head += data[at : at + more]
                at += more
                if len(direction.head) < 4:
                    return
                size = int.from_bytes(direction.head[1:], "big")
                wanted = direction.head[0] in tls_hello.WANTED
                if wanted and size > _MOST_HANDSHAKE:
                    self._go_dark(f"a handshake message of {size:,} bytes")
                    return
                direction.message_left = size
                direction.message = bytearray() if wanted else None
            part = data[at : at + direction.message_left]
            at += len(part)
            direction.message_left -= len(part)
            if direction.message is not None:
                direction.message += part
            if not direction.message_left:
                kind, body = direction.head[0], direction.message
                direction.head, direction.message = b"", None
                if body is not None:
                    self._message(number, kind, bytes(body))

    def _message(self, number: int, kind: int, body: bytes) -> None:
        try:
            hello = tls_hello.parse(kind, body)
        except ValueError:
            self._go_dark("a handshake message is malformed")
            return
        if kind == tls_hello.CLIENT_HELLO and self.client in (None, number):
            self.client, self._randoms[0] = number, hello.random
            if hello.sni is not None:
                self.facts["sni"] = hello.sni
        elif kind == tls_hello.SERVER_HELLO and self.client == 1 - number and not hello.retry:
            self._server_hello(hello)
        if hello.alpn is not None and self.client == 1 - number:
            self.facts["alpn"] = hello.alpn

    def _server_hello(self, hello: tls_hello.Hello) -> None:
        chosen = suite(hello.cipher)
        version = tls_hello.VERSIONS.get(hello.version, f"TLS 0x{hello.version:04X}")
        self.facts["version"], self.facts["cipher"] = version, chosen.name
        self._randoms[1], self._version = hello.random, hello.version
        if hello.version not in (TLS12, TLS13):
            self._go_dark(f"{version} is not supported")
        elif not chosen.key_size:
            self._go_dark(f"{chosen.name} is not supported")
        elif self._key_log is None:
            self._go_dark(NO_KEY_LOG)
        else:
            self._suite = chosen

    def _go_dark(self, reason: str) -> None:
        self.dark = self.dark or reason
        self._held.clear()
        self._held_bytes = 0
