"""Everything that reads what somebody else wrote, as functions of one text, and texts that hurt.

    python -m tests.attack.readers [--every] [PART OF A NAME…]

Every reader with every text, doubled: processor time from 4 to 64 kB, and of those texts that take
the longest or grow the most up to there, lines of Python to 32 kB and time to 1 MB; `--every`: of
all texts. What reads a form of its own (certificates, frames, recordings) has texts of its own.

`tests/unit/test_linear.py` runs the part of it that takes seconds.
"""

from __future__ import annotations

import asyncio
import gc
import io
import re
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import h11
import typer
from h2.exceptions import H2Error
from hpack.exceptions import HPACKError
from hyperframe.exceptions import HyperframeError

from tests.attack.recordings import RECORDINGS, Recording
from wsdiag.capture.explain import ExplainOptions, ExplainRun
from wsdiag.capture.har import HarReader
from wsdiag.capture.log_formats import FORMATS
from wsdiag.capture.logs import LONGEST_LINE, LogReader, compile_format
from wsdiag.capture.own_records import read_objects
from wsdiag.capture.tls.key_log import KeyLog
from wsdiag.capture.totals import CaptureTotals
from wsdiag.capture.traces import TraceReader
from wsdiag.cli import params
from wsdiag.cli.check.file import CheckFileError, read_check_file
from wsdiag.cli.command_setup import secrets_of_urls
from wsdiag.cli.usage import nearest, usage_error
from wsdiag.credentials import find_jwts, secrets_in, secrets_of_headers
from wsdiag.dialects.catalogue import dialects, recognise
from wsdiag.dialects.engine import DialectSession
from wsdiag.dialects.heartbeat import likely_answer
from wsdiag.exporter.allow import Allowed
from wsdiag.exporter.http_connection import MAX_HEAD
from wsdiag.judgement.diagnosis import hints
from wsdiag.judgement.diagnosis.facts import facts_of
from wsdiag.judgement.diagnosis.page_text import excerpt
from wsdiag.judgement.products.endpoints import endpoints
from wsdiag.judgement.products.intermediaries import hops_from_headers
from wsdiag.judgement.recorded.facts import ConnectionFacts
from wsdiag.judgement.recorded.report import endpoint_of, recorded_url
from wsdiag.packets.encapsulation import inner_ip
from wsdiag.packets.icmp import parse_icmp_error
from wsdiag.packets.link import NAMES, ip_offset
from wsdiag.packets.segment import parse_segment
from wsdiag.probes.check.options import CheckOptions, HeaderExpectation, parse_statuses
from wsdiag.probes.check.rules.traffic import judge_message
from wsdiag.probes.common.jsonpath import JsonExpectation, JsonPath
from wsdiag.probes.common.participant import says_error
from wsdiag.probes.stream.content import ContentReader
from wsdiag.probes.stream.options import StreamOptions
from wsdiag.protocol.client_handshake import ClientHandshake
from wsdiag.protocol.codes import Role
from wsdiag.protocol.connection import Connection
from wsdiag.protocol.content import body_text
from wsdiag.protocol.deflate import PerMessageDeflate
from wsdiag.protocol.errors import HandshakeError
from wsdiag.protocol.events import TextMessage
from wsdiag.protocol.extended_connect import ExtendedConnect
from wsdiag.protocol.frames import encode_frame
from wsdiag.protocol.headers import parse_extensions, parse_tokens
from wsdiag.protocol.http import Response
from wsdiag.protocol.server_handshake import ServerHandshake
from wsdiag.records import ConnectResult, HttpInfo
from wsdiag.render.base.csv_rows import cell
from wsdiag.render.base.escape import defuse, escape, fold
from wsdiag.render.base.redact import Redactor
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.connect.view import print_connect
from wsdiag.render.stream.lines import _laid_out
from wsdiag.server.routes import build_faults, from_spec, resolve
from wsdiag.transport.dial import netrc, proxy, redirects, tunnel
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.target import Target
from wsdiag.transport.http2.protocol import client_protocol, server_protocol
from wsdiag.transport.http3.control import ControlStream
from wsdiag.transport.report import DialError, DialReport
from wsdiag.transport.tls import x509
from wsdiag.units import parse_duration, parse_size

Reader = Callable[[str], object]
Tracer = Callable[[FrameType, str, Any], Any]
REFUSALS = (
    *(ValueError, LookupError, typer.BadParameter, CheckFileError, DialError, HandshakeError),
    *(x509.CertificateError, h11.RemoteProtocolError, tunnel.HeadError, OSError),
    *(H2Error, HPACKError, HyperframeError),
)
"""What a reader says no with; anything else is a defect."""
REDACTOR = Redactor(["correct-horse", "a" * 5000, '{"type":"connection_init"}' * 9])
BEGINNING = 1 << 14
STREAMED = StreamOptions(by="$.k", seq="$.seq")
FORMAT = '$remote_addr [$time_local] "$request" $status "$http_user_agent" $request_time'


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _answer(text: str, head: bytes, end: bytes = b"\r\n\r\n", piece: int = 1000) -> object:
    """An answer to the opening handshake, as it comes from a socket."""
    handshake = ClientHandshake("localhost", "/")
    handshake.request()
    data = head + _bytes(text) + end
    for at in range(0, len(data), piece):
        handshake.receive(data[at : at + piece])
    return handshake.receive_eof()


def _request(text: str, head: bytes, piece: int = 1000) -> None:
    handshake, data = ServerHandshake(), head + _bytes(text) + b"\r\n\r\n"
    for at in range(0, len(data), piece):
        handshake.receive(data[at : at + piece])


def _of_a_proxy(text: str, head: bytes, size: int = 1000) -> object:
    data = [head + _bytes(text) + b"\r\n\r\n"]
    http = h11.Connection(h11.CLIENT)
    http.send(h11.Request(method="CONNECT", target="a:1", headers=[("Host", "a:1")]))

    async def read() -> tuple[bytes, int]:
        if not data:
            raise ValueError("ended")
        piece, rest = data[0][:size], data[0][size:]
        data[:] = [rest] if rest else []
        return piece, 0

    reader: Any = SimpleNamespace(read=read)
    return asyncio.run(tunnel._answer(reader, http))


def _refusal(text: str) -> DialError:
    headers = [(name, text) for name in ("Server", "Via", "Set-Cookie", "Location", "X-Error")]
    report = DialReport(
        f"ws://localhost/{text[:100]}", status=400, reason=text, headers=tuple(headers),
        body=_bytes(text),
    )  # fmt: skip
    return DialError("upgrade", "upgrade", "http-status", text, report, host=text)


def _diagnosed(text: str) -> None:
    error = _refusal(text)
    facts = facts_of("ws://localhost/", error)
    facts = dict.fromkeys(("host", "peer_message", "reason"), text[:4096]) | facts
    for hint in hints.hints():
        hint.fits(hint.codes[0].rstrip("*"), facts)
    hints.diagnose("ws://localhost/", error)


def _heard(text: str) -> None:
    recognise(f"ws://localhost/?a={text}", text, text)
    for dialect in dialects():
        session = DialectSession(dialect)
        for message in (text, _bytes(text)):
            session.hear(message)
    for endpoint in endpoints():
        endpoint.recognised(text, text)
        endpoint.recognised(None, text)


def _drawn(text: str) -> None:
    http = HttpInfo(403, text, [("Via", text), ("Location", text)], body=text)
    result = ConnectResult(f"ws://localhost/?q={text}", False, http=http, notes=(text,))
    out = io.StringIO()
    print_connect(Terminal(stdout=out, stderr=out, width=20, redactor=REDACTOR), result)


def _file(text: str) -> object:
    with tempfile.NamedTemporaryFile(suffix=".toml") as file:
        file.write(_bytes(text))
        file.flush()
        return read_check_file(Path(file.name), {})


def _header_file(text: str) -> object:
    with tempfile.NamedTemporaryFile() as file:
        file.write(_bytes(text))
        file.flush()
        return params.read_headers([f"@{file.name}"])


def _logged(text: str) -> None:
    data = _bytes(text)
    list(LogReader(io.BytesIO(data), "log"))
    list(LogReader(io.BytesIO(data), "log", compile_format(FORMAT)))
    for parse in FORMATS.values():
        parse(text[:LONGEST_LINE].split(" "))


def _har(text: str) -> None:
    list(HarReader(io.BytesIO(_bytes(text)), "har"))
    entry = f'{{"log":{{"entries":[{{"request":{{"url":"ws://a/"}},"x":"{text}"}}]}}}}'
    list(HarReader(io.BytesIO(_bytes(entry)), "har"))


def _recorded(text: str) -> None:
    facts = ConnectionFacts("capture")
    facts.host, facts.path, facts.subprotocol = text, f"/{text}?{text}", text
    recorded_url(facts)
    endpoint_of(facts)


def _frames(text: str) -> None:
    connection, data = Connection(Role.CLIENT), _bytes(text)
    wire = encode_frame(2, data[:1000], fin=False)
    wire += b"".join(
        encode_frame(0, data[at : at + 10], fin=False) for at in range(1000, len(data), 10)
    )
    wire += encode_frame(0, b"", fin=True)
    for at in range(0, len(wire), 100):
        connection.receive_data(wire[at : at + 100])


def _garbage(text: str, piece: int = 100) -> None:
    connection, data = Connection(Role.CLIENT), encode_frame(1, _bytes(text)) + _bytes(text)
    for at in range(0, len(data), piece):
        connection.receive_data(data[at : at + piece])


def _framed(text: str) -> None:
    """Frames as they are, also where RSV1 says that they are compressed."""
    connection = Connection(Role.CLIENT, deflate=PerMessageDeflate(Role.CLIENT))
    data = text.encode("latin-1")
    for at in range(0, len(data), 8192):
        connection.receive_data(data[at : at + 8192])
        connection.data_to_send()


def _scraped(text: str, piece: int = 1000) -> None:
    http, data = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD), _bytes(text)
    for at in range(0, len(data), piece):
        http.receive_data(b"GET /probe?target=" * (at == 0) + data[at : at + piece])
        http.next_event()


def _http2(text: str, *, client: bool) -> None:
    protocol = client_protocol() if client else server_protocol()
    data = b"" if client else b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    data += b"\0\0\0\4\0\0\0\0\0" + text.encode("latin-1")
    for at in range(0, len(data), 8192):
        protocol.receive_data(data[at : at + 8192])
        protocol.data_to_send()


def _packet(text: str) -> None:
    """One packet of every link type, and an answer of ICMP."""
    data = text.encode("latin-1")
    for kind in NAMES:
        at = ip_offset(kind, data)
        if at is not None:
            parse_segment(data, at)
            inner_ip(data, at)
    for version in (4, 6):
        parse_icmp_error(data, 0, version)


def _explained(text: str, recording: Recording) -> None:
    """So much of a recording that means harm, behind what it has to begin with."""
    pieces: list[bytes] = []
    size, wanted = 0, BEGINNING + len(text)
    for piece in recording():
        pieces.append(piece)
        size += len(piece)
        if size >= wanted:
            break
    made: Any = io.BytesIO(b"".join(pieces)[:wanted])
    for _ in ExplainRun(["-"], ExplainOptions(show=True), lambda _: made).events():
        pass


class _Unusable(typer.BadParameter):
    """A usage error as typer words it."""

    def format_message(self) -> str:
        return f"Invalid value for '--x': {self.message} (Did you mean --y?)"


def _misused(text: str) -> None:
    usage_error(_Unusable(text))
    nearest(f"--{text}", ["--max-time", "--timeout"])


def _headers_of_http2(text: str) -> None:
    """Decoded header blocks of 64 kB, which is what h2 takes, as an answer to extended CONNECT."""
    for at in range(0, len(text), 65536):
        part = text[at : at + 65536]
        headers = [
            ("sec-websocket-protocol", part),
            ("sec-websocket-extensions", part),
            ("x", part),
        ]
        hops_from_headers([("server", part), ("via", part)])
        handshake = ExtendedConnect("localhost", "/", scheme="https")
        with suppress(HandshakeError):
            handshake.judge(Response(200, "", headers, b"", "2"))


def _certificate(text: str) -> object:
    body = _bytes(text)
    return x509.parse(_der(0x30, body))


def _der(tag: int, *contents: bytes) -> bytes:
    body = b"".join(contents)
    return bytes((tag, 0x84)) + len(body).to_bytes(4, "big") + body


def _names(text: str) -> None:
    """A certificate with these bytes in the place of every name, identifier and extension."""
    data = _bytes(text)
    algorithm, moment = _der(0x30, _der(6, b"\x2a")), _der(0x17, b"200101000000Z")

    def certificate(kind: bytes, value: bytes, extension: bytes = b"") -> None:
        name = _der(0x30, _der(0x31, _der(0x30, _der(6, kind), _der(12, value))))
        extensions = b"".join(
            _der(0x30, _der(6, b"\x55\x1d" + each), _der(4, _der(0x30, extension)))
            for each in (b"\x11", b"\x25")
        )
        x509.parse(_der(0x30, _der(
            0x30, _der(2, b"\1"), algorithm, name, _der(0x30, moment, moment), name,
            _der(0x30, algorithm), _der(0xA3, _der(0x30, extensions)),
        )))  # fmt: skip

    certificate(data + b"\1", data)
    certificate(
        b"\x55\4\3", data, b"".join(_der(6, data[at : at + 50]) for at in range(0, len(data), 50))
    )
    certificate(b"\x55\4\3", data, _der(0x82, data))


READERS: dict[str, Reader] = {
    "redaction: text": REDACTOR.text,
    "redaction: header": lambda text: REDACTOR.header("X-Other", text),
    "redaction: cookies": lambda text: REDACTOR.header("Set-Cookie", text),
    "redaction: subprotocols": lambda text: REDACTOR.header("Sec-WebSocket-Protocol", text),
    "redaction: record": lambda text: REDACTOR.clean({"body": text, "headers": [(text, text)]}),
    "redaction: what a user gave": secrets_in,
    "redaction: headers given": lambda text: secrets_of_headers(
        [("Cookie", text), ("Authorization", text), ("X-Key", text), ("X", text)]
    ),
    "redaction: tokens": lambda text: list(find_jwts(text)),
    "redaction: a URL's secrets": lambda text: Redactor(
        secrets_of_urls([f"ws://localhost/?{text}"])
    ).text(text),
    "escaping": escape,
    "escaping: commands": defuse,
    "escaping: ASCII": fold,
    "escaping: CSV": cell,
    "grammar: extensions": parse_extensions,
    "grammar: list": parse_tokens,
    "answer: status line": partial(_answer, head=b"HTTP/1.1 200 "),
    "answer: header": partial(_answer, head=b"HTTP/1.1 200 OK\r\nA: "),
    "answer: blanks": lambda t: _answer(t, b"HTTP/1.1 200 OK\r\nA: b", b"\x01\r\n\r\n"),
    "answer: extensions": partial(
        _answer, head=b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: "
    ),
    "answer: a byte at a time": partial(_answer, head=b"HTTP/1.1 200 OK\r\nA: ", piece=1),
    "answer: body": partial(_answer, head=b"HTTP/1.1 403 OK\r\n\r\n"),
    "answer: body in chunks": partial(
        _answer, head=b"HTTP/1.1 403 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    ),
    "request: target": partial(_request, head=b"GET /"),
    "request: header": partial(_request, head=b"GET / HTTP/1.1\r\nHost: a\r\nA: "),
    "request: a byte at a time": partial(_request, head=b"GET / HTTP/1.1\r\nA: ", piece=1),
    "proxy: status line": partial(_of_a_proxy, head=b"HTTP/1.1 200 "),
    "proxy: header": partial(_of_a_proxy, head=b"HTTP/1.1 200 OK\r\nA: b"),
    "proxy: a few bytes at a time": partial(_of_a_proxy, head=b"HTTP/1.1 200 OK\r\nA: b", size=8),
    "body: text": lambda t: body_text([("Content-Type", f"text/html;{t}")], _bytes(t)),
    "body: excerpt": excerpt,
    "hints": _diagnosed,
    "products": lambda t: hops_from_headers([(n, t) for n in ("Server", "Via", "X-Cache", t)]),
    "dialects and endpoints": _heard,
    "hello: an error?": says_error,
    "hello: a heartbeat?": likely_answer,
    "check: message": lambda t: judge_message(
        CheckOptions(expect_json=(JsonExpectation.parse("$.a=1"),)), TextMessage(t)
    ),
    "view: connect": _drawn,
    "view: stream": lambda t: _laid_out(f'[["{t}"]]'),
    "frames: fragments": _frames,
    "frames: text and garbage": _garbage,
    "frames: a byte at a time": lambda t: _garbage(t, 1),
    "frames": _framed,
    "packet": _packet,
    "certificate": _certificate,
    "certificate: names": _names,
    "capture: logs": _logged,
    "capture: HAR": _har,
    "capture: own records": lambda t: list(read_objects(io.BytesIO(_bytes(t)), CaptureTotals())),
    "capture: trace": lambda t: list(TraceReader(io.BytesIO(_bytes(t)), "trace")),
    "capture: key log": lambda t: KeyLog().add(_bytes(t)),
    "capture: URL": _recorded,
    "capture: log format": lambda t: compile_format(f"{t} $status $request_time"),
    "URL": Target.parse,
    "URL: host": lambda t: Target.parse(f"ws://{t}/"),
    "URL: userinfo": lambda t: Target.parse(f"ws://{t}@localhost/"),
    "URL: port": lambda t: Target.parse(f"ws://localhost:{t}/"),
    "URL: path": lambda t: Target.parse(f"ws://localhost/{t}?{t}"),
    "redirect": lambda t: redirects.follow(Target.parse("ws://localhost/"), DialOptions(), t),
    "option: proxy": lambda t: proxy.parse(t, "-x"),
    "option: noproxy": lambda t: proxy.bypassed("192.0.2.1", 1, t),
    "option: resolve": lambda t: params.parse_resolve(f"a:1:{t}"),
    "option: header": params.parse_header,
    "option: cookie": lambda t: params.read_cookies([t]),
    "option: sni": params.read_server_name,
    "option: duration": parse_duration,
    "option: size": parse_size,
    "option: regex": params.parse_regex,
    "option: JSON path": JsonExpectation.parse,
    "option: JSON expectation": lambda t: JsonExpectation.parse("$.a.b[0]").judge({"a": t}),
    "option: header expected": lambda t: HeaderExpectation.parse(f"A: {re.escape(t)}"),
    "option: statuses": parse_statuses,
    "option: misused": _misused,
    "option: message": lambda t: params.read_message(t, "--send"),
    "file: headers": _header_file,
    "file: netrc": netrc.parse,
    "file: TOML": _file,
    "file: TOML key": lambda t: _file(f'[defaults]\n"{t}" = 1\n'),
    "file: TOML value": lambda t: _file(f'[[endpoint]]\nurl = "{t}"\n'),
    "serve: path": lambda t: resolve(f"/{t}"),
    "serve: path and query": lambda t: resolve(f"/{t[: len(t) // 2]}?{t[len(t) // 2 :]}"),
    "serve: fault": from_spec,
    "serve: faults": lambda t: build_faults(t.split("\n")),
    "exporter: request": _scraped,
    "exporter: a byte at a time": lambda t: _scraped(t, 1),
    "exporter: glob": lambda t: Allowed((f"ws://{t}", f"ws://a{t}:*/{t}")),
    "exporter: URL asked for": lambda t: Allowed(("ws://*a*b*.test/*c*d",)).allows(
        Target.parse(f"ws://a{t[:4000]}/{t}")
    ),
    "stream: JSON path": lambda t: JsonPath.parse(f"$.{t}"),
    "stream: message": lambda t: ContentReader(STREAMED).read(f'{{"seq":"{t}","k":"{t}"}}'),
    "stream: bare message": ContentReader(STREAMED).read,
    "HTTP/2: headers": _headers_of_http2,
    "HTTP/2: frames of a server": partial(_http2, client=True),
    "HTTP/2: frames of a client": partial(_http2, client=False),
    "HTTP/3: control stream": lambda t: ControlStream().received(3, b"\0" + t.encode("latin-1")),
    **{f"recording: {name}": partial(_explained, recording=r) for name, r in RECORDINGS.items()},
}
UNITS = (
    *("a", "a:", "a.", "a,", "a;", 'a;b="', "-", ", ", " ", "\t", "\n", "é", "…", "\x1b", "\\"),
    *("://", "://a@", "@", "://USER:PASSWORD@HOST", "?token=", "&a=", "=", "?", "%41", "[", "]"),
    *("eyJ", "eyJa.", "eyJ-", "-eyJ", "eyJhbGciOi.", '"', '"a":', '"token":"', '\\"token\\":\\"'),
    *("cookie:", "cookie ", "authorization", "x-token: a\n", "Bearer ", "correct", '{"type'),
    *("<!--", "<script", "<style>", "<title ", "<a ", "&amp;", "{", "(", "(a", "a|", "a{1,9}"),
    *("::", "::error ", "##[", "1", "1.", "1/", "[a]\n", "a=1\n", "machine a ", "\r\n", "\r\n "),
    *("echo/", "latency/", "jitter=1&", '{"a":1}\n', "101 ", " \\\n", "$", "$a", "${a}", "'", "#"),
    *(
        "1\r\na\r\n",
        "\x30\x82",
        "0\x80",
        "[[a]]\n",
        "version ",
        "client version",
        "*",
        "~1",
        "\u202e",
    ),
)
_FRAMES_OF_HTTP2 = (
    *("\0\0\1\1\4\0\0\0\1\x82", "\0\0\1\x09\0\0\0\0\1\x82", "\0\0\0\4\0\0\0\0\0"),
    *("\0\0\x08\6\0\0\0\0\0aaaaaaaa", "\0\0\4\3\0\0\0\0\1\0\0\0\x08", "\0\0\1\xbb\0\0\0\0\0a"),
    *("\0\0\4\x08\0\0\0\0\0\0\0\0\1", "\0\0\5\2\0\0\0\0\1\0\0\0\0\1", "\0\0\0\0\0\0\0\0\1"),
    *("\0\0\x08\7\0\0\0\0\0\x7f\xff\xff\xff\0\0\0\0", "\0\0\6\4\0\0\0\0\0\0\4\0\0\xff\xff"),
)
OWN: dict[str, tuple[str, ...]] = {
    "frames": (
        *(
            "\x81\0",
            "\x01\0\x80\0",
            "\x89\0",
            "\x8a\x01a",
            "\x88\0",
            "\xc1\0",
            "\xc1\x03\x4a\x04\0",
        ),
        *("\x82\x7e\x04\0" + "a" * 1024, "\x00\x01a", "\x89\x7d" + "p" * 125, "\x83\0"),
    ),
    "packet": (
        *("\x81\0", "\0\0\x81\0\0\1", "\x88\x47\0\0\0\0", "\x60" + "\0" * 39, "E\0\0\x14"),
        *(
            "E" + "\0" * 8 + "\4" + "\0" * 10,
            "E" + "\0" * 8 + "/" + "\0" * 12 + "\x08\0",
            "\0",
            "\xff",
        ),
    ),
    "HTTP/2: frames of a server": _FRAMES_OF_HTTP2,
    "HTTP/2: frames of a client": _FRAMES_OF_HTTP2,
    "HTTP/3: control stream": ("\x21\0", "\x21\1a", "\7\1\0", "\x40\x21\x40\0", "\0", "\xff"),
    **{f"recording: {name}": ("a",) for name in RECORDINGS},
    **dict.fromkeys(
        (
            *("answer: a byte at a time", "request: a byte at a time", "frames: a byte at a time"),
            *("proxy: a few bytes at a time", "exporter: a byte at a time"),
        ),
        ("a", " ", ":", "\r\n ", "a: b\r\n", "1\r\na\r\n", "é"),
    ),
}
"""Texts of the readers of what has a form of its own; one for what is only asked for its size."""
FEW = 12
SIZES = tuple(1 << power for power in range(12, 21))
COUNTED = SIZES[:4]
DOUBLING = 2.5
_TOO_FEW = 200
_TOO_SMALL_S = 0.002
"""What takes less is not compared: a clock's tick and a cold cache are as long."""


def texts(reader: str) -> tuple[str, ...]:
    """What this reader is given, to be repeated."""
    return OWN.get(reader, UNITS)


def made_of(unit: str, size: int) -> str:
    """Whole units only: how a text ends may decide what is made of it."""
    return unit * (size // len(unit))


def cpu_s(read: Reader, text: str, times: int = 1) -> float:
    """Processor time of this thread, the best of some; no garbage collection is in it, whose time
    is that of all the process holds."""
    best, collecting = float("inf"), gc.isenabled()
    gc.disable()
    try:
        for _ in range(times):
            began = time.thread_time()
            with suppress(*REFUSALS):
                read(text)
            best = min(best, time.thread_time() - began)
    finally:
        if collecting:
            gc.enable()
    return best


def lines(read: Reader, text: str) -> int:
    """Lines of Python that reading a text runs: work that is counted, the same on any machine."""
    count = 0

    def line(_frame: FrameType, event: str, _of: object) -> Tracer | None:
        nonlocal count
        count += event == "line"
        return line

    before = sys.gettrace()
    sys.settrace(line)
    try:
        with suppress(*REFUSALS):
            read(text)
    finally:
        sys.settrace(before)
    return count


def counted(read: Reader, unit: str) -> float:
    """The worst factor for a doubling, of lines of Python; that of two doublings, its root."""
    runs = [lines(read, made_of(unit, size)) for size in COUNTED]
    pairs = zip(runs, runs[2:], strict=False)
    return max((float(b / a) ** 0.5 for a, b in pairs if b > _TOO_FEW), default=0.0)


def timed(
    read: Reader, unit: str, sizes: tuple[int, ...] = SIZES, limit_s: float = 60.0
) -> tuple[float, float, int]:
    """The worst factor for a doubling; seconds for the largest text that was read; its size.

    A factor is the root of that of two doublings: buffers that grow fourfold are paid for by every
    second one. What looks too much is measured again, both sizes in turn: a collection or a
    neighbour on this core is no work of the reader's. It counts where the next two doublings keep
    it: what outgrows a cache or takes fresh memory is slower once, what is not linear always.
    """
    factors, took = [0.0], [cpu_s(read, made_of(unit, size)) for size in sizes[:2]]
    for before, size in zip(sizes, sizes[2:], strict=False):
        took.append(cpu_s(read, made_of(unit, size)))
        factors.append(0.0)
        if took[-1] > _TOO_SMALL_S:
            factors[-1] = _root(took[-3], took[-1])
            for _ in range(20):
                if factors[-1] <= DOUBLING:
                    break
                took[-3] = min(took[-3], cpu_s(read, made_of(unit, before)))
                took[-1] = min(took[-1], cpu_s(read, made_of(unit, size)))
                factors[-1] = _root(took[-3], took[-1])
        if took[-1] > limit_s or min(factors[-3::2]) > DOUBLING:
            break
    worst = max(*map(min, factors, factors[2:]), *factors[-2:])
    return worst, took[-1], sizes[len(took) - 1]


def _root(before: float, after: float) -> float:
    return (after / max(before, _TOO_SMALL_S / 4)) ** 0.5  # type: ignore[no-any-return]


def telling(read: Reader, units: tuple[str, ...]) -> list[str]:
    """Those that take the longest up to 64 kB, and those that grow the most."""
    rows = {unit: timed(read, unit, SIZES[:5]) for unit in units}
    by_time = sorted(units, key=lambda unit: rows[unit][1])[-FEW // 2 :]
    return list(
        dict.fromkeys([*by_time, *sorted(units, key=lambda unit: rows[unit][0])[-FEW // 2 :]])
    )


def main(args: list[str]) -> int:
    names = [name for name in args if name != "--every"]
    chosen = {n: r for n, r in READERS.items() if not names or any(part in n for part in names)}
    failed: list[str] = []
    small = large = 0
    for name, read in chosen.items():
        units = texts(name)
        lines(read, "a")  # what is compiled once
        enlarged = list(units) if "--every" in args else telling(read, units)
        lined, most = max((counted(read, unit), unit) for unit in enlarged)
        small, large = small + len(units), large + len(enlarged)
        rows = [(*timed(read, unit), unit) for unit in enlarged]
        factor, _, _, unit = max(rows)
        slowest_s, size, slow = max(row[1:] for row in rows)
        bad = max(factor, lined) > DOUBLING or min(row[2] for row in rows) < SIZES[-1]
        failed += [name] * bad
        print(
            f"{'FAIL' if bad else 'ok  '} {name:28} lines x{lined:.2f} ({most!r:.30}), "
            f"time x{factor:.2f} ({unit!r:.30}), "
            f"slowest {slowest_s * 1e3:7.1f} ms for {size >> 10} kB of {slow!r:.30}",
            flush=True,
        )
    print(
        f"{len(chosen)} of {len(READERS)} readers: {small} texts to 64 kB, {large} of them to "
        f"{SIZES[-1] >> 10} kB; {len(failed)} not linear {failed or ''}"
    )
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
