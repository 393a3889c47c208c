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
    """The data frames of one direction, in order, to messages of at most `max_size` bytes.

    Of a message that comes in pieces, `keep` bytes are kept, and the rest is only checked: so
    compressed text is validated as it comes then (see `preview`). None: all of it is kept.
    """

    def __init__(
        self, deflate: PerMessageDeflate | None, max_size: int | None, keep: int | None = None
    ) -> None:
        self._deflate = deflate
        self._max_size = max_size
        self._keep = keep
        self._opcode: Opcode | None = None
        self._compressed = False
        self._buffer = bytearray()
        self._validator: Utf8Validator | None = None
        self._previewed = self._validated = self._size = 0

    def add(self, frame: Frame) -> TextMessage | BinaryMessage | None:
        """Take a data frame; the message when this was its last."""
        fin, opcode, payload, compressed, _, _, _, dropped = frame
        if self._opcode is None:
            if fin and not compressed and self._validator is None and not dropped:
                self._previewed = 0
                if opcode is _BINARY:
                    return BinaryMessage(payload)
                return TextMessage(decode_text(payload))
            self._start(opcode, compressed)
        fresh = payload[self._previewed - dropped :] if self._previewed else payload
        self._previewed = 0
        if self._compressed and self._deflate is not None:
            fresh = self._deflate.decode(fresh, fin=fin, limit=self._max_size)
            self._append(fresh)
            if self._keep is None:
                fresh = bytes(self._buffer[self._validated :]) if self._validator else b""
                self._validated = len(self._buffer)
        else:
            self._append(payload)
            self._size += dropped
        if self._validator is not None:
            self._validator.feed(fresh)
        return self._finish() if fin else None

    @property
    def unfinished(self) -> bool:
        """Whether frames of a message have come, but not its last."""
        return self._opcode is not None

    @property
    def held_bytes(self) -> int:
        """Bytes of a message whose end has not come, decompressed."""
        return len(self._buffer)

    def discard(self) -> None:
        """Forget the unfinished message; what follows of it is a protocol error."""
        self._opcode, self._validator, self._buffer = None, None, bytearray()
        self._compressed, self._previewed, self._validated = False, 0, 0

    def preview(self, parser: FrameParser) -> None:
        """Look into a data frame that is still arriving: text must fail at its first bad byte, and
        what is compressed is inflated as it comes, as all at once would take long. Compressed text
        is validated frame by frame: zlib keeps back what came before an error, so which of two
        errors is first would depend on how the bytes were cut."""
        if parser.unfinished is None:
            return
        _, opcode, rsv1 = parser.unfinished
        if opcode & 8:
            return
        if rsv1 and self._opcode is None:
            self._start(opcode, compressed=True)
        if opcode is Opcode.TEXT and self._validator is None:
            self._validator = Utf8Validator()
        if self._validator is None and not self._compressed and self._keep is None:
            return
        fresh = parser.peek()
        self._previewed += len(fresh)
        if self._compressed and self._deflate is not None:
            fresh = self._deflate.decode(fresh, fin=False, limit=self._max_size)
            self._append(fresh)
            if self._keep is None:
                return
        if self._validator is not None:
            self._validator.feed(fresh)

    def _append(self, data: bytes) -> None:
        """Add to the message what is to be kept of it."""
        self._size += len(data)
        self._buffer += data if self._keep is None else data[: self._keep - len(self._buffer)]

    def _start(self, opcode: Opcode, compressed: bool) -> None:
        self._opcode = opcode
        self._compressed = compressed
        self._buffer, self._validated, self._size = bytearray(), 0, 0
        if opcode is Opcode.TEXT and self._validator is None:
            self._validator = Utf8Validator()

    def _finish(self) -> TextMessage | BinaryMessage:
        opcode, validator = self._opcode, self._validator
        self._opcode = self._validator = None
        self._compressed = False
        data, self._buffer = self._buffer, bytearray()
        if validator is not None:
            validator.finish()
        if opcode is _BINARY:
            return BinaryMessage(bytes(data), self._size - len(data))
        if self._size == len(data):
            return TextMessage(decode_text(data))
        text = data.decode(errors="ignore")  # it was validated, and a character may be cut
        return TextMessage(text, self._size - len(text.encode()))
