"""What a source is, told by its first bytes and never by its name; and its reader.

A source may be a pipe that goes on for hours, so no more is read ahead than it takes to tell: four
bytes for the binary formats, a line or two for text. gzip is seen through. What is none of the
formats is named where its first bytes name it, as "not readable" alone helps nobody. Only the
reader that is needed is imported.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal

from wsdiag.capture.packet_files import MAGIC_NUMBERS
from wsdiag.capture.totals import CaptureTotals

if TYPE_CHECKING:
    from wsdiag.capture.gunzip import Gunzipped
    from wsdiag.capture.har import HarReader
    from wsdiag.capture.log_formats import LogLine
    from wsdiag.capture.logs import LogReader
    from wsdiag.capture.reader import CaptureReader
    from wsdiag.capture.tls.key_log import KeyLog
    from wsdiag.capture.traces import TraceReader
    from wsdiag.judgement.recorded.facts import ConnectionFacts
    from wsdiag.transport.trace import Tracer

    Reader = CaptureReader | HarReader | TraceReader | LogReader

_HEAD = 1 << 16
_BUFFER = 1 << 18
_GZIP = b"\x1f\x8b"
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"BZh", "a bzip2 archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"snoop\0\0\0", "a capture in snoop's format"),
    (b"GMBU", "a capture of Microsoft Network Monitor"),
    (b"XCP\0", "a capture in NetXRay's format"),
    (b"\x7fELF", "a program (ELF)"),
    (b"MZ", "a program for Windows"),
    (b"\x89PNG", "a PNG picture"),
    (b"GIF8", "a GIF picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"%PDF", "a PDF document"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\xd0\xcf\x11\xe0", "an old Microsoft Office document"),
    (b"<?xml", "XML"),
    (b"<!DOCTYPE", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself"),
    (b"-----BEGIN", "a PEM file"),
    (b"CLIENT_RANDOM ", "a TLS key log: give it as --keylog FILE beside a capture"),
    (b"CLIENT_HANDSHAKE_TRAFFIC_SECRET ", "a TLS key log: give it as --keylog FILE"),
    (b"SERVER_HANDSHAKE_TRAFFIC_SECRET ", "a TLS key log: give it as --keylog FILE"),
    (b"# SSL/TLS secrets", "a TLS key log: give it as --keylog FILE beside a capture"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)
READABLE = (
    "explain reads pcap and pcapng, HAR files, wsdiag's own records and traces, and access logs of "
    "nginx, HAProxy, Envoy, AWS ALB, Traefik and Caddy (--log-format for others), each also gzipped"
)

Kind = Literal["capture", "HAR file", "records", "trace", "access log"]


class UnknownSource(Exception):
    """A source of no known format: what it is instead, and the byte at which that shows."""

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.message, self.offset = message, offset


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read sources: secrets for TLS, an access log's format, and whether payloads are kept.

    `key_log` and `log_format` are read once, for all sources.
    """

    key_log: KeyLog | None = None
    parse_log: Callable[[str], LogLine | None] | None = None
    show: bool = False
    live: bool = False
    """Connections are given as soon as they are over."""
    tracer: Tracer | None = None
    """Told of every handshake and frame of a capture."""
    stopped: Callable[[], bool] = lambda: False
    """Whether reading was stopped: what was read ahead is left alone then."""


class Source:
    """One opened source. `kind` says what it is; UnknownSource where it is nothing that is read."""

    def __init__(self, raw: io.RawIOBase, name: str, options: ReadOptions) -> None:
        self.name = name
        self._gzip: Gunzipped | None = None
        stream, head = _peeked(raw, options.stopped)
        if head.startswith(_GZIP):
            from wsdiag.capture import gunzip

            self._gzip = gunzip.Gunzipped(stream)
            stream, head = _peeked(self._gzip, options.stopped)
            if not head and self._gzip.broken is not None:
                raise UnknownSource(*self._gzip.broken)
        self.stream: BinaryIO = stream
        self.kind = _kind(head, options.parse_log)
        self.reader: Reader | None = self._reader(options)
        """None for own records, which are not connections: `own_records` reads them."""
        self.totals = CaptureTotals() if self.reader is None else self.reader.totals
        """What else the source held."""

    def _reader(self, options: ReadOptions) -> Reader | None:
        match self.kind:
            case "capture":
                from wsdiag.capture.reader import CaptureReader

                return CaptureReader(
                    self.stream,
                    self.name,
                    show=options.show,
                    key_log=options.key_log,
                    live=options.live,
                    tracer=options.tracer,
                    stopped=options.stopped,
                )
            case "HAR file":
                from wsdiag.capture.har import HarReader

                return HarReader(self.stream, self.name, show=options.show)
            case "trace":
                from wsdiag.capture.traces import TraceReader

                return TraceReader(self.stream, self.name, show=options.show)
            case "access log":
                from wsdiag.capture.logs import LogReader

                return LogReader(self.stream, self.name, options.parse_log)
        return None

    @property
    def broken(self) -> str | None:
        """Where it could not be read any further, and why."""
        if self._gzip is not None and self._gzip.broken is not None:
            message, offset = self._gzip.broken
            return f"{message}, at byte {offset:,}"
        return None if self.totals.broken is None else str(self.totals.broken)

    def __iter__(self) -> Iterator[ConnectionFacts]:
        """The connections of the source."""
        return iter(self.reader or ())


def _kind(head: bytes, parse_log: Callable[[str], LogLine | None] | None) -> Kind:
    if head[:4] in MAGIC_NUMBERS:
        return "capture"
    from wsdiag.capture.logs import recognise
    from wsdiag.capture.own_records import is_own

    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if is_own(text):
        return "trace" if b'"type":"trace.' in text[:64] else "records"
    if text.startswith(b"{"):
        lines = parse_log is not None and b'"log"' not in text[:4096]
        return "access log" if lines or recognise(text.partition(b"\n")[0]) else "HAR file"
    if not head:
        raise UnknownSource("the file is empty")
    for magic, name in _OTHERS:
        if text.startswith(magic):
            raise UnknownSource(f"this is {name}")
    binary = next((at for at, byte in enumerate(head) if byte < 9 or 13 < byte < 27), None)
    if binary is not None:
        raise UnknownSource("binary data of no known format", binary)
    if parse_log is not None or recognise(text) is not None:
        return "access log"
    raise UnknownSource("text of no known format")


def _peeked(raw: io.RawIOBase, stopped: Callable[[], bool]) -> tuple[io.BufferedReader, bytes]:
    """A buffered stream that begins at the first byte, and as much of it as tells what it is."""
    head = b""
    while len(head) < 4 or (_is_text(head) and b"\n" not in head and len(head) < _HEAD):
        more = raw.read(_HEAD)
        if not more:
            break
        head += more
    return io.BufferedReader(_Prefixed(head, raw, stopped), _BUFFER), head


def _is_text(head: bytes) -> bool:
    return head[:4] not in MAGIC_NUMBERS and not head.startswith(_GZIP) and b"\0" not in head


class _Prefixed(io.RawIOBase):
    """Bytes that were read ahead, then the rest, until it is stopped: gzip has much more in hand
    than was read."""

    def __init__(self, head: bytes, rest: io.RawIOBase, stopped: Callable[[], bool]) -> None:
        self._head, self._rest, self._stopped = head, rest, stopped

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._stopped():
            return 0
        if self._head:
            took = min(len(self._head), len(buffer))
            buffer[:took] = self._head[:took]
            self._head = self._head[took:]
            return took
        return self._rest.readinto(buffer) or 0
