"""pcap and pcapng files as packets, read as a stream: a file may be a pipe, and larger than memory.

Both formats have grown variants: either byte order (the magic number tells), microseconds or
nanoseconds, several interfaces with link types and clocks of their own, several sections. A file
that was cut off, or is broken in the middle, gives its packets up to there and then a
`CaptureError` with the offset.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

_PCAP_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000, 0),
    b"\xa1\xb2\xc3\xd4": (">", 1000, 0),
    b"\x4d\x3c\xb2\xa1": ("<", 1, 0),
    b"\xa1\xb2\x3c\x4d": (">", 1, 0),
    b"\x34\xcd\xb2\xa1": ("<", 1000, 8),  # a patched libpcap of old, with more in each header
    b"\xa1\xb2\xcd\x34": (">", 1000, 8),
}
_SECTION = b"\x0a\x0d\x0d\x0a"
MAGIC_NUMBERS = (*_PCAP_MAGIC, _SECTION)
_INTERFACE, _PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET, _SECRETS = 1, 2, 3, 6, 10
_TLS_KEY_LOG = 0x544C534B
_MOST_PACKET = 16 * 2**20
"""Bytes; a longer packet or block is a sign that the file is broken, not of a jumbo frame."""

_MOST_INTERFACES = 10_000


class CaptureError(Exception):
    """The file cannot be read any further: what is wrong, and at which byte."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(f"{message}, at byte {offset:,}")
        self.message, self.offset = message, offset


class CapturedPacket(NamedTuple):
    """One packet: when (ns since 1970), its link type, the bytes kept, and how long it was."""

    time_ns: int
    link_type: int
    data: bytes
    wire_length: int


class PacketFile:
    """The packets of one pcap or pcapng stream; `stream` stands at the file's first byte."""

    def __init__(
        self, stream: BinaryIO, on_secrets: Callable[[bytes], None] = lambda _: None
    ) -> None:
        """`on_secrets` gets TLS secrets that the file carries (Decryption Secrets Blocks)."""
        self._on_secrets = on_secrets
        self.packets = 0
        self._stream = stream
        self._offset = 0

    def __iter__(self) -> Iterator[CapturedPacket]:
        """Every packet; CaptureError where the file is broken or cut off."""
        magic = self._read(4, "the file is empty")
        if magic in _PCAP_MAGIC:
            return self._pcap(*_PCAP_MAGIC[magic])
        if magic == _SECTION:
            return self._pcapng()
        raise CaptureError("neither pcap nor pcapng", 0)

    def _read(self, size: int, cut: str = "the file was cut off") -> bytes:
        data = self._stream.read(size)
        if len(data) < size:
            raise CaptureError(cut, self._offset + len(data))
        self._offset += size
        return data

    def _pcap(self, order: str, scale: int, extra: int) -> Iterator[CapturedPacket]:
        link_type = struct.unpack(order + "16xI", self._read(20))[0] & 0xFFFF
        unpack = struct.Struct(order + "IIII").unpack
        read, head = self._stream.read, 16 + extra
        new, packet = tuple.__new__, CapturedPacket  # half the time that calling the class takes
        while True:
            header = read(head)
            if not header:
                return
            if len(header) < head:
                raise CaptureError("the file was cut off", self._offset + len(header))
            seconds, fraction, size, wire = unpack(header[:16] if extra else header)
            if size > _MOST_PACKET:
                raise CaptureError(f"a packet of {size:,} bytes", self._offset)
            data = read(size)
            if len(data) < size:
                raise CaptureError("the file was cut off", self._offset + head + len(data))
            self._offset += head + size
            self.packets += 1
            yield new(packet, (seconds * 10**9 + fraction * scale, link_type, data, wire))

    def _pcapng(self) -> Iterator[CapturedPacket]:
        order = self._section()
        interfaces: list[_Interface] = []
        last_ns = 0
        while True:
            head = self._stream.read(4)
            if not head:
                return
            if len(head) < 4:
                raise CaptureError("the file was cut off", self._offset + len(head))
            self._offset += 4
            if head == _SECTION:
                order, interfaces = self._section(), []
                continue
            kind = struct.unpack(order + "I", head)[0]
            body = self._body(order)
            try:
                if kind == _INTERFACE:
                    if len(interfaces) >= _MOST_INTERFACES:
                        message = f"more than {_MOST_INTERFACES:,} interfaces"
                        raise CaptureError(message, self._offset - len(body) - 4)
                    interfaces.append(_interface(order, body))
                elif kind in (_ENHANCED_PACKET, _PACKET, _SIMPLE_PACKET):
                    packet = _packet(order, kind, body, interfaces, last_ns)
                    last_ns = packet.time_ns
                    self.packets += 1
                    yield packet
                elif kind == _SECRETS:
                    self._secrets(order, body)
            except (struct.error, IndexError):
                raise CaptureError("a block is malformed", self._offset - len(body) - 4) from None

    def _section(self) -> str:
        """The rest of a section's header; the byte order that it sets."""
        size, magic = self._read(4), self._read(4)
        orders = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
        if magic not in orders:
            raise CaptureError("a section without its byte-order magic", self._offset - 4)
        length = struct.unpack(orders[magic] + "I", size)[0]
        if not 28 <= length <= _MOST_PACKET or length % 4:
            raise CaptureError(f"a section header of {length:,} bytes", self._offset - 8)
        self._read(length - 12)
        return orders[magic]

    def _body(self, order: str) -> bytes:
        length = struct.unpack(order + "I", self._read(4))[0]
        if not 12 <= length <= _MOST_PACKET or length % 4:
            raise CaptureError(f"a block of {length:,} bytes", self._offset - 8)
        return self._read(length - 8)[:-4]

    def _secrets(self, order: str, body: bytes) -> None:
        kind, size = struct.unpack_from(order + "II", body)
        if kind == _TLS_KEY_LOG:
            self._on_secrets(body[8 : 8 + size])


class _Interface(NamedTuple):
    link_type: int
    snap_length: int
    ticks_per_s: int
    offset_ns: int


def _interface(order: str, body: bytes) -> _Interface:
    link_type, snap_length = struct.unpack_from(order + "H2xI", body)
    ticks, offset_s, at = 10**6, 0, 8
    while at + 4 <= len(body):
        code, size = struct.unpack_from(order + "HH", body, at)
        value = body[at + 4 : at + 4 + size]
        if code == 0:
            break
        if code == 9 and size == 1:  # if_tsresol: a power of ten, or of two with the top bit set
            ticks = 2 ** (value[0] & 127) if value[0] & 128 else 10 ** min(value[0], 18)
        elif code == 14 and size == 8:  # if_tsoffset, in seconds
            offset_s = struct.unpack(order + "q", value)[0]
        at += 4 + (size + 3) // 4 * 4
    return _Interface(link_type, snap_length, ticks, offset_s * 10**9)


def _packet(
    order: str, kind: int, body: bytes, interfaces: list[_Interface], last_ns: int
) -> CapturedPacket:
    if kind == _SIMPLE_PACKET:  # it has no time of its own
        wire = struct.unpack_from(order + "I", body)[0]
        size = min(wire, interfaces[0].snap_length or wire, len(body) - 4)
        return CapturedPacket(last_ns, interfaces[0].link_type, body[4 : 4 + size], wire)
    if kind == _ENHANCED_PACKET:
        number, high, low, size, wire = struct.unpack_from(order + "IIIII", body)
    else:
        number, high, low, size, wire = struct.unpack_from(order + "H2xIIII", body)
    interface = interfaces[number]
    ticks = high << 32 | low
    time_ns = ticks * 10**9 // interface.ticks_per_s + interface.offset_ns
    return CapturedPacket(time_ns, interface.link_type, body[20 : 20 + size], wire)
