"""Bytes to frames, by offset over what a read brought; each header is judged as it completes.

Only the unfinished tail of a read is kept, so the events do not depend on how the bytes were cut
and a byte at a time costs no more than linear time.
"""

from __future__ import annotations

import re

from wsdiag.protocol.codes import MESSAGE_TOO_BIG, Opcode, Role
from wsdiag.protocol.errors import ProtocolViolation
from wsdiag.protocol.frames import Frame
from wsdiag.protocol.masking import apply_mask, mask_in_place

_FRAMING = "RFC 6455, 5.2"
# an HTTP body, debug output; a chunk's size, an empty line
_TEXT = re.compile(rb"[\t\r\n -~]{6}|[0-9A-Fa-f]{0,8}\r\n")
HTTP_AGAIN = "HTTP came where a frame was due"
_UNLIMITED = 1 << 63


FirstByte = tuple[bool, Opcode, bool]
"""What a legal first byte says: FIN, opcode, RSV1."""


def valid_first_bytes(*, in_message: bool, rsv1: bool) -> tuple[FirstByte | None, ...]:
    """The meaning of each first byte; None where a rule of 5.2, 5.4 or 5.5 forbids it."""
    data = (Opcode.CONT,) if in_message else (Opcode.TEXT, Opcode.BINARY)
    table: list[FirstByte | None] = [None] * 256
    for opcode in data:
        for fin in (0, 0x80):
            table[fin | opcode] = (fin != 0, opcode, False)
            if rsv1 and not in_message:
                table[fin | 0x40 | opcode] = (fin != 0, opcode, True)
    for opcode in (Opcode.CLOSE, Opcode.PING, Opcode.PONG):
        table[0x80 | opcode] = (True, opcode, False)
    return tuple(table)


def judge_first(first: int, *, in_message: bool, rsv1: bool) -> ProtocolViolation:
    """Which rule a first byte breaks that `valid_first_bytes` does not list."""
    opcode = first & 0x0F
    if first & 0x30 or (first & 0x40 and not rsv1):
        return ProtocolViolation("reserved bit set without an extension that uses it", _FRAMING)
    if 3 <= opcode <= 7 or opcode >= 11:
        return ProtocolViolation(f"reserved opcode {opcode:#x}", _FRAMING)
    if first & 0x40 and (opcode == 0 or opcode & 8):
        what = "continuation" if opcode == 0 else "control"
        return ProtocolViolation(f"RSV1 set on a {what} frame", "RFC 7692, 6.1")
    if opcode & 8:
        return ProtocolViolation("fragmented control frame", "RFC 6455, 5.5")
    if in_message:
        return ProtocolViolation("new message inside a fragmented one", "RFC 6455, 5.4")
    return ProtocolViolation("continuation without a message to continue", "RFC 6455, 5.4")


def _non_minimal(length: int, size: int) -> ProtocolViolation:
    message = f"length {length} written in {size} bytes, not in the fewest possible"
    return ProtocolViolation(message, _FRAMING)


class FrameParser:
    """One direction of a connection: `feed` bytes, get whole frames.

    `role` is ours. `max_frame_size` bounds the payload of a data frame, `max_message_size` that of
    all frames of a message, `max_compressed_size` the same for messages that RSV1 begins; all in
    bytes on the wire, None: no limit (control frames have their own of 125). Of a frame that comes
    in pieces, what `peek` has shown is dropped, but for the first `keep` bytes; None: nothing is.
    """

    def __init__(
        self,
        role: Role,
        *,
        max_frame_size: int | None = None,
        max_message_size: int | None = None,
        max_compressed_size: int | None = None,
        rsv1_allowed: bool = False,
        keep: int | None = None,
    ) -> None:
        self.violation: ProtocolViolation | None = None
        self._mask_bit = 0x80 if role is Role.SERVER else 0
        self._rsv1 = rsv1_allowed
        self._valid_first = valid_first_bytes(in_message=False, rsv1=rsv1_allowed)
        self._valid_in_message = valid_first_bytes(in_message=True, rsv1=rsv1_allowed)
        self._max_frame = _UNLIMITED if max_frame_size is None else max_frame_size
        self._max_message = _UNLIMITED if max_message_size is None else max_message_size
        self._max_compressed = _UNLIMITED if max_compressed_size is None else max_compressed_size
        self._max_any = min(self._max_frame, self._max_message, self._max_compressed)
        self._max_this = self._max_message
        self._in_message = False
        self._message_size = 0
        self._tail = b""
        # The frame whose header is judged but whose payload is not all here: what its first byte
        # says, its length and key, and the bytes so far.
        self._open: tuple[FirstByte, int, bytes] | None = None
        self._body = bytearray()
        self._keep = keep
        self._peeked = self._dropped = 0

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished frame's header or payload have come."""
        return len(self._tail) + self._arrived + (2 if self._open else 0)

    @property
    def held_bytes(self) -> int:
        """How many bytes of an unfinished frame's payload are held."""
        return len(self._body)

    @property
    def _arrived(self) -> int:
        return self._dropped + len(self._body)

    def discard(self) -> None:
        """Forget the payload of an unfinished frame, for a connection that is given up."""
        self._dropped, self._body = self._arrived, bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete; `violation` is set once a rule is broken."""
        frames: list[Frame] = []
        if self.violation is not None:
            return frames
        start = 0
        if self._open is not None:
            start = self._fill(data, frames)
        elif self._tail:
            data, self._tail = self._tail + data, b""
        try:
            self._parse(data, start, frames)
        except ProtocolViolation as violation:
            self.violation = violation
        return frames

    @property
    def unfinished(self) -> FirstByte | None:
        """FIN, opcode and RSV1 of the frame whose header is here but whose payload is not."""
        return None if self._open is None else self._open[0]

    @property
    def announced(self) -> tuple[int, int] | None:
        """Of the unfinished frame: the length that its header announces, the bytes so far."""
        return None if self._open is None else (self._open[1], self._arrived)

    def peek(self) -> bytes:
        """Payload bytes, unmasked, of the unfinished frame that no peek has shown yet."""
        if self._open is None:
            return b""
        seen, self._peeked = self._peeked, self._arrived
        fresh = bytes(memoryview(self._body)[seen - self._dropped :])
        if self._keep is not None and len(self._body) > self._keep:
            del self._body[self._keep :]
            self._dropped = seen + len(fresh) - self._keep
        if not self._mask_bit:
            return fresh
        turn = seen & 3
        key = self._open[2]
        return apply_mask(fresh, key[turn:] + key[:turn])

    def _fill(self, data: bytes, frames: list[Frame]) -> int:
        """Give the unfinished frame its bytes; how many of `data` that took."""
        assert self._open is not None
        meaning, length, key = self._open
        missing = length - self._arrived
        self._body += data[:missing]
        if len(data) < missing:
            return len(data)
        if key:
            mask_in_place(self._body, key)
        payload, self._body = bytes(self._body), bytearray()
        rsv1, dropped = meaning[2], self._dropped
        frames.append(Frame(*meaning[:2], payload, rsv1, masked=bool(key), dropped=dropped))
        self._open = None
        return missing

    def _parse(self, data: bytes, start: int, frames: list[Frame]) -> None:
        """Frames from `start` on; keeps the tail. Raises the first violation.

        The loop that every byte passes through: rare work is called, not inlined.
        """
        end = len(data)
        mask_bit, max_any = self._mask_bit, self._max_any
        masked = mask_bit != 0
        key_size = 4 if masked else 0
        # Past the named tuple's own constructor, which is written in Python.
        new, from_bytes, append = tuple.__new__, int.from_bytes, frames.append
        valid_first = self._valid_in_message if self._in_message else self._valid_first
        while end - start >= 2:
            first = data[start]
            length = data[start + 1] ^ mask_bit
            meaning = valid_first[first]
            body = start + 2 + key_size
            if length == 126 and meaning is not None and not first & 8 and body + 2 <= end:
                length = data[start + 2] << 8 | data[start + 3]
                body += 2
                if length < 126:
                    raise _non_minimal(length, 2)
            elif meaning is None or length > 125:
                self._judge(data, start, meaning)
                length, at = self._long_length(data, start + 2, length)
                body = at + key_size
            if body > end:
                break
            assert meaning is not None
            fin, opcode, rsv1 = meaning
            if first < 0x80 or length > max_any or not opcode:
                self._enter(first, length)
                valid_first = self._valid_in_message if self._in_message else self._valid_first
            stop = body + length
            if stop > end:
                self._open = (meaning, length, data[body - key_size : body])
                self._body += data[body:]
                self._peeked = self._dropped = 0
                return
            payload = data[body:stop]
            if masked:
                key = data[body - 4 : body]
                if length < 126:  # apply_mask without the call, which takes as long as the work
                    word = from_bytes(payload, "little") ^ from_bytes((key * 32)[:length], "little")
                    payload = word.to_bytes(length, "little")
                else:
                    payload = apply_mask(payload, key)
            append(new(Frame, (fin, opcode, payload, rsv1, False, False, masked, 0)))
            start = stop
        self._tail = data[start:]

    def _judge(self, data: bytes, start: int, meaning: FirstByte | None) -> None:
        """Raise the violation in a header's first two bytes, if there is one."""
        first, second = data[start], data[start + 1]
        if meaning is None:
            if data.startswith(b"HTTP/", start):
                raise ProtocolViolation(HTTP_AGAIN, _FRAMING, excerpt=data[start : start + 256])
            violation = judge_first(first, in_message=self._in_message, rsv1=self._rsv1)
            if _TEXT.match(data, start):
                violation.excerpt = data[start : start + 256]
            raise violation
        if second & 0x80 != self._mask_bit:
            what = (
                "unmasked frame from a client" if self._mask_bit else "masked frame from a server"
            )
            raise ProtocolViolation(what, "RFC 6455, 5.1")
        if first & 8:
            raise ProtocolViolation("control frame with more than 125 bytes", "RFC 6455, 5.5")

    def _long_length(self, data: bytes, at: int, short: int) -> tuple[int, int]:
        """The length and the offset after it; an offset beyond the data when some is missing."""
        size = 2 if short == 126 else 8
        length = int.from_bytes(data[at : at + size], "big")
        if at + size > len(data):
            return 0, at + size
        if length >> 63:
            raise ProtocolViolation("64-bit length with its top bit set", _FRAMING)
        if length < (126 if size == 2 else 65536):
            raise _non_minimal(length, size)
        return length, at + size

    def _enter(self, first: int, length: int) -> None:
        """Account a fragment, or a frame over a limit (control frames count for neither)."""
        if first & 8:
            return
        if not self._in_message:
            self._max_this = self._max_compressed if first & 0x40 else self._max_message
        size = self._message_size + length
        if length > self._max_frame:
            message = f"frame of {length} bytes, the limit is {self._max_frame}"
            raise ProtocolViolation(message, "RFC 6455, 10.4", MESSAGE_TOO_BIG)
        if size > self._max_this:
            message = f"message of at least {size} bytes, the limit is {self._max_this}"
            raise ProtocolViolation(message, "RFC 6455, 10.4", MESSAGE_TOO_BIG)
        self._in_message = first < 0x80
        self._message_size = size if self._in_message else 0
