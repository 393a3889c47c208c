"""Recordings without end that mean harm, for `explain -`: each is an iterator of bytes."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from itertools import chain, count, cycle, repeat

from hpack import Encoder
from hyperframe.frame import ContinuationFrame, DataFrame, HeadersFrame, SettingsFrame

from tests.capture.builder import ACK, ANSWER, PSH, REQUEST, SYN, Capture, Flow
from wsdiag.protocol.codes import Opcode
from wsdiag.protocol.frames import encode_frame

Recording = Callable[[], Iterator[bytes]]
RECORD = b'{"schema_version":"2.0","type":"ping.reply","url":"ws://a/","seq":%d,"rtt_ms":1.0}\n'
TRACE = b'{"schema_version":"2.0","type":"trace.frame","url":"ws://a.test/%d","n":%d,"opcode":1}\n'
LINE = b'192.0.2.7 - - [28/Nov/2026:03:00:07 +0000] "GET /%s HTTP/1.1" 101 5 "-" "a" %d\n'
ENTRY = b'{"request":{"url":"ws://a.test/%d"},"response":{"status":101},"_webSocketMessages":[%s]},'


def again(data: bytes) -> Iterator[bytes]:
    """The same for ever, in pieces of some size."""
    return cycle([data * (65536 // len(data) + 1)])


def packets(made: Capture) -> bytes:
    """The packets of a capture, without the file's header."""
    return made.pcap()[24:]


def captured(write: Callable[[Flow, int], None]) -> Iterator[bytes]:
    """A capture of one flow after the other, each as `write` makes it."""
    yield Capture().pcap()
    for number in count():
        flow = Flow(Capture(), 1024 + number % 64000)
        # another client for each 64,000 flows
        flow.addresses["client"] = struct.pack(">I", 0x0B000001 + number // 64000)
        write(flow, number)
        yield packets(flow.capture)


def _going_on(
    flow: Flow, who: str, pieces: Iterator[bytes], every_s: float = 0.01, size: int = 1400
) -> Iterator[bytes]:
    """The capture of a flow so far, and one end of it going on like this."""
    yield flow.capture.pcap()
    for number, data in enumerate(pieces):
        flow.capture = Capture()
        flow.send(every_s * number, who, data, size=size)
        yield packets(flow.capture)


def _upgraded(
    of_the_server: Iterator[bytes], request: bytes = REQUEST, answer: bytes = ANSWER
) -> Iterator[bytes]:
    """A capture of one WebSocket in which the server goes on like this."""
    flow = Flow(Capture())
    flow.open(0.0, request, answer)
    return _going_on(flow, "server", of_the_server)


def noise() -> Iterator[bytes]:
    while True:
        yield os.urandom(65536)


def noise_in_a_capture() -> Iterator[bytes]:
    yield Capture().pcap()
    yield from noise()


def noise_in_packets() -> Iterator[bytes]:
    yield Capture().pcap()
    while True:
        yield b"".join(
            struct.pack("<IIII", 1, 0, 200, 200) + b"\0" * 12 + b"\x08\0\x45" + os.urandom(185)
            for _ in range(200)
        )


def many_flows() -> Iterator[bytes]:
    return captured(lambda flow, number: flow.packet(number / 1e4, "client", flags=SYN))


def many_upgrades() -> Iterator[bytes]:
    return captured(lambda flow, number: flow.open(number / 1e4))


def holes() -> Iterator[bytes]:
    """10,000 connections, each with a megabyte behind a segment that never comes."""

    def write(flow: Flow, number: int) -> None:
        flow.open(number / 1e4)
        flow.seq["server"] += 100
        for at in range(0, 1 << 20, 60_000):
            flow.packet(number / 1e4, "server", bytes(60_000), PSH | ACK, seq=flow.seq["server"])
            flow.seq["server"] += 60_000 + at % 2

    return captured(write)


def unfinished() -> Iterator[bytes]:
    """Frames of a megabyte of which the end never comes, in ever more connections."""

    def write(flow: Flow, number: int) -> None:
        flow.open(number / 1e4)
        flow.send(number / 1e4, "server", b"\x82\x7f" + (1 << 20).to_bytes(8, "big"))
        flow.send(number / 1e4, "server", bytes(1 << 19), size=60_000)

    return captured(write)


def endless_heads() -> Iterator[bytes]:
    def write(flow: Flow, number: int) -> None:
        flow.shake(number / 1e4)
        flow.send(number / 1e4, "client", REQUEST[:-2] + b"A: " + b"a" * 50_000, size=60_000)

    return captured(write)


def tiny_heads() -> Iterator[bytes]:
    """Requests without end, in packets as large as there are."""
    flow = Flow(Capture())
    flow.shake()
    return _going_on(flow, "client", repeat(b"GET / HTTP/1.1\r\n\r\n" * 3300), size=60_000)


def tiny_chunks() -> Iterator[bytes]:
    flow = Flow(Capture())
    flow.shake()
    flow.send(0, "client", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    flow.send(0, "server", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    return _going_on(flow, "server", repeat(b"1\r\na\r\n" * 10_000), size=60_000)


def bytes_of_a_head() -> Iterator[bytes]:
    flow = Flow(Capture())
    flow.shake()
    flow.send(0, "client", b"GET / HTTP/1.1\r\nA: ")
    return _going_on(flow, "client", repeat(b"a"))


def bytes_of_a_frame() -> Iterator[bytes]:
    return _upgraded(chain([b"\x82\x7f" + (1 << 20).to_bytes(8, "big")], repeat(b"a")))


def records_of_tls() -> Iterator[bytes]:
    """Records of a byte each, of an end whose keys nobody has."""
    flow = Flow(Capture())
    flow.shake()
    flow.send(0, "client", b"\x16\x03\x01\x00\x01\x01")
    return _going_on(flow, "server", again(b"\x17\x03\x03\x00\x01a"))


def tiny_frames() -> Iterator[bytes]:
    return _upgraded(again(encode_frame(1, b"")))


def pings() -> Iterator[bytes]:
    return _upgraded(again(encode_frame(9, b"p" * 125)))


def pongs() -> Iterator[bytes]:
    """Pongs that answer nothing, while as many Pings wait for theirs as are remembered."""
    flow = Flow(Capture())
    flow.open()
    waiting = (flow.frame("client", Opcode.PING, n.to_bytes(2, "big")) for n in range(1024))
    flow.send(0, "client", b"".join(waiting))
    return _going_on(flow, "server", again(encode_frame(10, b"p")))


def closes() -> Iterator[bytes]:
    return _upgraded(again(encode_frame(8, b"")))


def fragments() -> Iterator[bytes]:
    return _upgraded(again(encode_frame(0, b"f" * 1000, fin=False)))


def bombs() -> Iterator[bytes]:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    small = packer.compress(bytes(1 << 26)) + packer.flush(zlib.Z_SYNC_FLUSH)
    offered = b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    frame = encode_frame(1, small, rsv1=True)
    return _upgraded(repeat(frame), REQUEST[:-2] + offered, ANSWER[:-2] + offered)


def http2_headers() -> Iterator[bytes]:
    """A client's header blocks without end, of names that nobody has seen."""
    encoder = Encoder()

    def blocks() -> Iterator[bytes]:
        for number in count():
            pairs = [(f"x-{number}-{n}", os.urandom(20).hex()) for n in range(20)]
            stream, block = 2 * number + 1, encoder.encode([(":method", "CONNECT"), *pairs])
            rest = ContinuationFrame(stream, block[500:], flags=["END_HEADERS"])
            yield HeadersFrame(stream, block[:500], flags=[]).serialize() + rest.serialize()

    return _http2(blocks())


def http2_continuations() -> Iterator[bytes]:
    """A header block in frames of a byte each."""
    begun = HeadersFrame(1, b"", flags=[]).serialize()
    more = ContinuationFrame(1, b"\x82", flags=[]).serialize()
    return _http2(chain([begun], again(more)))


def http2_references() -> Iterator[bytes]:
    """Header blocks of a few bytes that name a long header again and again."""
    value = b"a" * 3900
    long = b"\x40\x01a\x7f" + bytes([(len(value) - 127) & 127 | 128, (len(value) - 127) >> 7])
    kept = HeadersFrame(1, long + value, flags=["END_HEADERS"]).serialize()
    named = HeadersFrame(1, b"\xbe" * 15, flags=["END_HEADERS"]).serialize()
    return _http2(chain([kept], again(named)))


def http2_streams() -> Iterator[bytes]:
    """WebSockets over HTTP/2 without end, none of which is ever closed."""
    encoder = Encoder()
    pairs = [
        *((":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https")),
        *((":authority", "a.test"), (":path", "/")),
    ]

    def streams() -> Iterator[bytes]:
        for number in count():
            block = encoder.encode(pairs)
            opened = HeadersFrame(2 * number + 1, block, flags=["END_HEADERS"]).serialize()
            yield opened + DataFrame(2 * number + 1, b"\x82\x7e\xff\xff" + b"a" * 9000).serialize()

    return _http2(streams())


def _http2(of_the_client: Iterator[bytes]) -> Iterator[bytes]:
    flow = Flow(Capture())
    flow.shake()
    flow.send(0, "client", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SettingsFrame(0).serialize())
    flow.send(0, "server", SettingsFrame(0, settings={8: 1, 1: 1 << 24}).serialize())
    return _going_on(flow, "client", of_the_client, 0.001)


def interfaces() -> Iterator[bytes]:
    """A section of pcapng that has interfaces and nothing else."""
    yield Capture().pcapng()
    yield from again(struct.pack("<IIHHII", 1, 20, 1, 0, 0, 20))


def secrets_of_tls() -> Iterator[bytes]:
    """Secrets without end, each of another connection."""
    yield Capture().pcapng()
    while True:
        line = b"".join(
            b"CLIENT_RANDOM %s %s\n" % (os.urandom(32).hex().encode(), b"ab" * 48)
            for _ in range(300)
        )
        line += b" " * (-len(line) % 4)
        size = len(line) + 20
        yield struct.pack("<IIII", 10, size, 0x544C534B, len(line)) + line + struct.pack("<I", size)


def hellos() -> Iterator[bytes]:
    """TLS handshakes that never end."""

    def write(flow: Flow, number: int) -> None:
        flow.shake(number / 1e4)
        hello = b"\x01\x00\xff\xff" + b"\x03\x03" + os.urandom(32) + bytes(16000)
        flow.send(number / 1e4, "client", b"\x16\x03\x01\x3e\x80" + hello[:16000], size=60_000)

    return captured(write)


def one_line() -> Iterator[bytes]:
    return again(b"a")


def one_record() -> Iterator[bytes]:
    yield RECORD % 1 + b'{"schema_version":"2.0","type":"ping.reply","url":"'
    yield from again(b"a")


def records() -> Iterator[bytes]:
    return (b"".join(RECORD % n for n in range(at, at + 500)) for at in count(0, 500))


def odd_records() -> Iterator[bytes]:
    """Each of another type, with what no record has."""
    yield RECORD % 1
    for number in count():
        yield b'{"schema_version":"2.0","type":"x%d","url":[[{}]],"seq":1e400}\n' % number


def traces() -> Iterator[bytes]:
    return (b"".join(TRACE % (n, n) for n in range(at, at + 500)) for at in count(0, 500))


def deep_json() -> Iterator[bytes]:
    yield b'{"log":{"entries":['
    yield from again(b"[")


def har_entries() -> Iterator[bytes]:
    yield b'{"log":{"entries":['
    for number in count():
        yield ENTRY % (number, b",".join([b'{"type":"send","time":1,"opcode":1,"data":"a"}'] * 9))


def har_of_one_entry() -> Iterator[bytes]:
    """Messages whose JSON is forty times as large when it is read."""
    while True:
        yield b'{"log":{"entries":[{"request":{"url":"ws://a/"},"_webSocketMessages":['
        for _ in range(16):
            yield b"{}," * 65536
        yield b"0]},"
        yield from again(b'{"a":""},')


def log_lines() -> Iterator[bytes]:
    return (
        b"".join(LINE % (b"%d" % n, n % 977) for n in range(at, at + 500)) for at in count(0, 500)
    )


def long_log_lines() -> Iterator[bytes]:
    yield LINE % (b"a", 1)
    yield from again(LINE % (b"a\\x22%" * 8000, 1))


def zeros_in_gzip() -> Iterator[bytes]:
    packed = gzip.compress(Capture().pcap() + bytes(1 << 26))
    yield from again(packed)


def gzip_of_a_line() -> Iterator[bytes]:
    yield from again(gzip.compress(LINE % (b"a" * 60_000, 1) * 1000))


RECORDINGS: dict[str, Recording] = {
    each.__name__: each
    for each in (
        *(noise, noise_in_a_capture, noise_in_packets, many_flows, many_upgrades, holes),
        *(unfinished, endless_heads, tiny_heads, tiny_chunks, bytes_of_a_head, bytes_of_a_frame),
        *(tiny_frames, pings, pongs, closes, fragments, bombs, records_of_tls, hellos),
        *(http2_headers, http2_continuations, http2_references, http2_streams),
        *(interfaces, secrets_of_tls, one_line, one_record, records, odd_records, traces),
        *(deep_json, har_entries, har_of_one_entry, log_lines, long_log_lines),
        *(zeros_in_gzip, gzip_of_a_line),
    )
}
