"""Captures made by hand: TCP segments of an imagined connection, as pcap or pcapng."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

from wsdiag.protocol.codes import Opcode, Role
from wsdiag.protocol.connection import Connection
from wsdiag.protocol.http import accept_key

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
REQUEST = (
    "GET /feed?token=secret HTTP/1.1\r\nHost: feed.test\r\nUpgrade: websocket\r\n"
    f"Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()
ANSWER = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Accept: {accept_key(KEY)}\r\n\r\n"
).encode()
BEGAN_NS = 1_700_000_000 * 10**9


@dataclass
class Capture:
    """Packets in order; `link_type` wraps them."""

    link_type: int = 1
    packets: list[tuple[int, bytes]] = field(default_factory=list)

    def add(self, at_s: float, ip: bytes, version: int = 4) -> None:
        """One IP packet at a moment."""
        kind = b"\x08\x00" if version == 4 else b"\x86\xdd"
        heads = {
            1: b"\0" * 12 + kind,
            113: b"\0" * 14 + kind,
            276: kind + b"\0" * 18,
            101: b"",
            0: b"\x02\0\0\0" if version == 4 else b"\x1e\0\0\0",
        }
        self.packets.append((BEGAN_NS + round(at_s * 1e9), heads[self.link_type] + ip))

    def pcap(self, order: str = "<", nanoseconds: bool = False, snap: int = 262144) -> bytes:
        """The file, in either byte order and resolution."""
        magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
        out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snap, self.link_type)]
        for time_ns, data in self.packets:
            fraction = time_ns % 10**9 // (1 if nanoseconds else 1000)
            kept = data[:snap]
            out += [
                struct.pack(order + "IIII", time_ns // 10**9, fraction, len(kept), len(data)),
                kept,
            ]
        return b"".join(out)

    def pcapng(self, order: str = "<", resolution: int = 9, secrets: bytes = b"") -> bytes:
        """The file in the newer format, one section, one interface."""

        def block(kind: int, body: bytes) -> bytes:
            body += b"\0" * (-len(body) % 4)
            size = len(body) + 12
            return struct.pack(order + "II", kind, size) + body + struct.pack(order + "I", size)

        option = struct.pack(order + "HHBxxxHH", 9, 1, resolution, 0, 0)
        out = [
            block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)),
            block(1, struct.pack(order + "HHI", self.link_type, 0, 0) + option),
        ]
        if secrets:
            out.append(block(10, struct.pack(order + "II", 0x544C534B, len(secrets)) + secrets))
        for time_ns, data in self.packets:
            ticks = time_ns * 10**resolution // 10**9
            head = struct.pack(
                order + "IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data)
            )
            out.append(block(6, head + data))
        return b"".join(out)

    def write(self, path: Path) -> Path:
        """As a little-endian pcap with microseconds."""
        path.write_bytes(self.pcap())
        return path


class Flow:
    """One TCP connection being captured. `client` and `server`: what each end sends next."""

    def __init__(self, capture: Capture, port: int = 40000, version: int = 4) -> None:
        self.capture, self.version = capture, version
        self.ports = {"client": port, "server": 8080}
        self.seq = {"client": 1000, "server": 0xFFFFFF00}  # the server's wraps soon
        self.addresses = {"client": b"\x0a\0\0\x01", "server": b"\x0a\0\0\x02"}
        self.hop_limit = {"client": 64, "server": 57}
        self.ends = {
            "client": Connection(Role.CLIENT, mask=lambda: b"\x11\x22\x33\x44"),
            "server": Connection(Role.SERVER),
        }

    def packet(
        self,
        at_s: float,
        who: str,
        payload: bytes = b"",
        flags: int = ACK,
        *,
        seq: int | None = None,
        window: int = 500,
        hop_limit: int | None = None,
        ack: int | None = None,
    ) -> None:
        """One segment, whatever it says; numbers do not move."""
        peer = "server" if who == "client" else "client"
        tcp = struct.pack(
            ">HHIIBBHHH",
            self.ports[who],
            self.ports[peer],
            (self.seq[who] if seq is None else seq) % 2**32,
            (self.seq[peer] if ack is None else ack) % 2**32 if flags & ACK else 0,
            5 << 4,
            flags,
            window,
            0,
            0,
        )
        body, ttl = tcp + payload, hop_limit or self.hop_limit[who]
        number = self.addresses
        if self.version == 4:
            ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0x4000, ttl, 6, 0)
            ip += number[who] + number[peer]
        else:
            ip = struct.pack(">IHBB", 6 << 28, len(body), 6, ttl)
            ip += b"\xfd" + b"\0" * 11 + number[who] + b"\xfd" + b"\0" * 11 + number[peer]
        self.capture.add(at_s, ip + body, self.version)

    def send(self, at_s: float, who: str, payload: bytes, *, size: int = 1400) -> None:
        """Bytes in order, in segments of at most `size`, acknowledged by the other end."""
        for at in range(0, len(payload), size):
            self.packet(at_s, who, payload[at : at + size], PSH | ACK)
            self.seq[who] += len(payload[at : at + size])
        self.packet(at_s + 1e-4, "server" if who == "client" else "client")

    def lost(self, who: str, payload: bytes) -> None:
        """Bytes that the capture lacks."""
        self.seq[who] += len(payload)

    def shake(self, at_s: float = 0.0) -> None:
        """TCP's three-way handshake."""
        self.packet(at_s, "client", flags=SYN)
        self.seq["client"] += 1
        self.packet(at_s + 1e-4, "server", flags=SYN | ACK)
        self.seq["server"] += 1
        self.packet(at_s + 2e-4, "client")

    def open(self, at_s: float = 0.0, request: bytes = REQUEST, answer: bytes = ANSWER) -> None:
        """TCP's handshake and WebSocket's."""
        self.shake(at_s)
        self.send(at_s + 0.001, "client", request)
        self.send(at_s + 0.002, "server", answer)

    def text(self, at_s: float, who: str, text: str) -> None:
        """One text message."""
        self.ends[who].send_text(text)
        self.send(at_s, who, self.ends[who].data_to_send())

    def ping(self, at_s: float, who: str, payload: bytes = b"") -> None:
        """One Ping."""
        self.send(at_s, who, self.frame(who, Opcode.PING, payload))

    def pong(self, at_s: float, who: str, payload: bytes = b"") -> None:
        """One Pong."""
        self.send(at_s, who, self.frame(who, Opcode.PONG, payload))

    def close(self, at_s: float, who: str, code: int | None = 1000, reason: str = "") -> None:
        """One Close frame."""
        payload = b"" if code is None else code.to_bytes(2, "big") + reason.encode()
        self.send(at_s, who, self.frame(who, Opcode.CLOSE, payload))

    def frame(self, who: str, opcode: Opcode, payload: bytes) -> bytes:
        """A control frame's bytes, whatever was sent before."""
        if who == "server":
            return bytes([0x80 | opcode, len(payload)]) + payload
        key = b"\x11\x22\x33\x44"
        masked = bytes(b ^ key[n % 4] for n, b in enumerate(payload))
        return bytes([0x80 | opcode, 0x80 | len(payload)]) + key + masked

    def fin(self, at_s: float, who: str, hop_limit: int | None = None) -> None:
        """The end of one direction."""
        self.packet(at_s, who, flags=FIN | ACK, hop_limit=hop_limit)
        self.seq[who] += 1

    def sealed(self, at_s: float, who: str, size: int, kind: int = 23) -> None:
        """A TLS record of `size` bytes, of which nothing can be read."""
        self.send(at_s, who, bytes([kind, 3, 3]) + size.to_bytes(2, "big") + b"\0" * size)

    def rst(self, at_s: float, who: str, hop_limit: int | None = None) -> None:
        """A reset."""
        self.packet(at_s, who, flags=RST, hop_limit=hop_limit)
