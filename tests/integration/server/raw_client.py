"""A client made of a plain socket: what is seen is what was on the wire."""

from __future__ import annotations

import socket
import time
from types import TracebackType
from urllib.parse import urlsplit

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


class RawClient:
    """One upgraded connection; `rest` holds bytes that came behind the 101.

    `timeout`: of each read and write after the 101; `opens_within`: of those up to it.
    """

    def __init__(
        self,
        url: str,
        path: str,
        *,
        headers: str = "",
        timeout: float = 10.0,
        opens_within: float = 10.0,
    ) -> None:
        parts = urlsplit(url)
        self.sock = socket.create_connection((parts.hostname or "", parts.port or 0), opens_within)
        # before the request: the server's timers start while its answer is on the way
        self.opened = time.monotonic()
        self.sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n".encode()
        )
        self.head, self.rest = self._head()
        self.sock.settimeout(timeout)

    def __enter__(self) -> RawClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.sock.close()

    def _head(self) -> tuple[str, bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            part = self.sock.recv(4096)
            if not part:
                break
            data += part
        head, _, rest = data.partition(b"\r\n\r\n")
        return head.decode("latin-1"), rest

    @property
    def status(self) -> int:
        return int(self.head.split(" ")[1])

    def send(self, opcode: int, payload: bytes) -> None:
        """A masked frame, its mask all zeros."""
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        self.sock.sendall(bytes([0x80 | opcode]) + length + bytes(4) + payload)

    def read(self, count: int) -> bytes:
        while len(self.rest) < count:
            part = self.sock.recv(65536)
            if not part:
                break
            self.rest += part
        data, self.rest = self.rest[:count], self.rest[count:]
        return data

    def read_to_end(self) -> tuple[bytes, str, float]:
        """All bytes, `fin` or `rst` or `nothing` (the timeout came), and seconds since `opened`."""
        try:
            while part := self.sock.recv(65536):
                self.rest += part
            how = "fin"
        except ConnectionResetError:
            how = "rst"
        except TimeoutError:
            how = "nothing"
        return self.rest, how, time.monotonic() - self.opened
