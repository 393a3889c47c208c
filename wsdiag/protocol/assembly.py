"""Frames to messages: fragments joined, inflated and decoded, each bounded (RFC 6455, 5.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsdiag.protocol.codes import Opcode
from wsdiag.protocol.events import BinaryMessage, TextMessage
from wsdiag.protocol.frames import Frame
from wsdiag.protocol.parser import FrameParser
from wsdiag.protocol.utf8 import Utf8Validator, decode_text

if TYPE_CHECKING:
    from wsdiag.protocol.deflate import PerMessageDeflate

_BINARY = Opcode.BINARY


class Assembler:
    """The data frames of one direction, in order, to messages of at most `max_size` bytes."""

    def __init__(self, deflate: PerMessageDeflate | None, max_size: int | None) -> None:
        self._deflate = deflate
        self._max_size = max_size
        self._opcode: Opcode | None = None
        self._compressed = False
        self._buffer = bytearray()
        self._validator: Utf8Validator | None = None
        self._previewed = 0

    def add(self, frame: Frame) -> TextMessage | BinaryMessage | None:
        """Take a data frame; the message when this was its last."""
        fin, opcode, payload, compressed, _, _, _ = frame
        if self._opcode is None:
            if fin and not compressed and self._validator is None:
                if opcode is _BINARY:
                    return BinaryMessage(payload)
                return TextMessage(decode_text(payload))
            self._start(opcode, compressed)
        fresh = payload[self._previewed :] if self._previewed else payload
        self._previewed = 0
        if self._compressed and self._deflate is not None:
            fresh = payload = self._deflate.decode(fresh, fin=fin, limit=self._max_size)
        if self._validator is not None:
            self._validator.feed(fresh)
        self._buffer += payload
        return self._finish() if fin else None

    @property
    def held_bytes(self) -> int:
        """Bytes of a message whose end has not come, decompressed."""
        return len(self._buffer)

    def discard(self) -> None:
        """Forget the unfinished message; what follows of it is a protocol error."""
        self._opcode, self._validator, self._buffer = None, None, bytearray()
        self._compressed, self._previewed = False, 0

    def preview(self, parser: FrameParser) -> None:
        """Look into a data frame that is still arriving: text must fail at its first bad byte, and
        what is compressed is inflated as it comes, as all at once would take long."""
        if parser.unfinished is None:
            return
        _, opcode, rsv1 = parser.unfinished
        if opcode & 8:
            return
        if rsv1 and self._opcode is None:
            self._start(opcode, compressed=True)
        if opcode is Opcode.TEXT and self._validator is None:
            self._validator = Utf8Validator()
        if self._validator is None and not self._compressed:
            return
        fresh = parser.peek()
        self._previewed += len(fresh)
        if self._compressed and self._deflate is not None:
            fresh = self._deflate.decode(fresh, fin=False, limit=self._max_size)
            self._buffer += fresh
        if self._validator is not None:
            self._validator.feed(fresh)

    def _start(self, opcode: Opcode, compressed: bool) -> None:
        self._opcode = opcode
        self._compressed = compressed
        self._buffer = bytearray()
        if opcode is Opcode.TEXT and self._validator is None:
            self._validator = Utf8Validator()

    def _finish(self) -> TextMessage | BinaryMessage:
        opcode, validator = self._opcode, self._validator
        self._opcode = self._validator = None
        self._compressed = False
        data, self._buffer = bytes(self._buffer), bytearray()
        if validator is not None:
            validator.finish()
        if opcode is _BINARY:
            return BinaryMessage(data)
        return TextMessage(decode_text(data))
