"""The peer's control stream, read beside aioquic, which passes over GOAWAY (RFC 9114, 5.2)."""

from __future__ import annotations

from aioquic.buffer import Buffer, BufferReadError  # type: ignore[attr-defined]

_SERVERS_UNIDIRECTIONAL = 3  # the lowest two bits of such a stream's number (RFC 9000, 2.1)
_CONTROL, _GOAWAY = b"\x00", 0x7


class ControlStream:
    """Finds the control stream among the peer's, and the GOAWAYs on it."""

    def __init__(self) -> None:
        self.goaway: int | None = None
        """The first stream that the peer does not process, as its last GOAWAY says."""
        self._is_control: dict[int, bool] = {}
        self._held = b""
        self._passing = 0

    def received(self, stream_id: int, data: bytes) -> None:
        """Take bytes of any stream, in order."""
        if stream_id & 3 != _SERVERS_UNIDIRECTIONAL or not data:
            return
        if stream_id not in self._is_control:  # its type comes first (RFC 9114, 6.2)
            self._is_control[stream_id], data = data[:1] == _CONTROL, data[1:]
        if self._is_control[stream_id]:
            self._read(data)

    def _read(self, data: bytes) -> None:
        data = self._held + data
        frames, at = Buffer(data=data), 0
        while at < len(data):
            passed = min(self._passing, len(data) - at)
            self._passing -= passed
            at += passed
            frames.seek(at)
            try:
                kind, size = frames.pull_uint_var(), frames.pull_uint_var()
                head = frames.tell()
                if kind == _GOAWAY and size:
                    self.goaway = frames.pull_uint_var()
            except BufferReadError:  # the rest of it follows
                break
            at, self._passing = head, size
        self._held = data[at:]
