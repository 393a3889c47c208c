"""One direction's bytes as frames, read on whatever rule is broken while lengths can be trusted.

The protocol's own parser stops at a peer's first offence, as an endpoint must. A reader of captures
goes on: the offence is often the very thing that is looked for, and what both ends did after it is
evidence. So the judgement is the parser's (its tables and its words), and the walk is by lengths.
A gap inside a frame's payload is skipped; a gap over a frame's border leaves the position unknown,
and it is found again where a segment's bytes make a plausible chain of frames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from wsdiag.protocol.codes import Opcode
from wsdiag.protocol.errors import ProtocolViolation
from wsdiag.protocol.masking import apply_mask
from wsdiag.protocol.parser import judge_first, valid_first_bytes

MOST_KEPT = 1 << 20
"""Bytes of one frame's payload that are kept; longer ones are counted and not read."""
_LONGEST = 1 << 40  # of a frame that one goes on behind: a terabyte is a misread length


class CapturedFrame(NamedTuple):
    """A frame as it crossed; `payload` is unmasked, and None where it was too long or had gaps."""

    began_ns: int
    time_ns: int
    fin: bool
    opcode: int
    rsv: int
    masked: bool
    length: int
    payload: bytes | None


_new = tuple.__new__  # of a named tuple: half the time that calling the class takes


class FrameReader:
    """Frames of one direction: `data` and `gap` in, `on_frame` and `on_violation` out.

    `from_client`: its frames are to be masked. `rsv1`: permessage-deflate was agreed on; None: not
    known, so that RSV1 is no offence.
    """

    def __init__(
        self,
        from_client: bool,
        rsv1: bool | None,
        on_frame: Callable[[CapturedFrame], None],
        on_violation: Callable[[int, ProtocolViolation], None],
        *,
        synchronized: bool = True,
    ) -> None:
        self.synchronized = synchronized
        """Whether it is known where frames begin."""
        self.unread = 0
        """Bytes that were passed over because it was not."""
        self.missed = False
        """Whether bytes are missing behind the last frame that was read."""
        self._passed: tuple[int, bytes] | None = None
        """The last bytes that were passed over, and when: with the gap behind them, perhaps a
        frame."""
        self._from_client, self._rsv1 = from_client, rsv1
        allowed = rsv1 is not False
        self._leads = tuple(
            valid_first_bytes(in_message=inside, rsv1=allowed) for inside in (False, True)
        )
        self._on_frame, self._on_violation = on_frame, on_violation
        self._in_message = False
        self._head = b""
        # The frame whose payload is arriving.
        self._frame: tuple[int, int, int, bytes] | None = None  # (began, first, length, key)
        self._missing = 0
        self._payload: list[bytes] | None = None

    @property
    def inside(self) -> bool:
        """Whether a frame is unfinished."""
        return self._frame is not None or bool(self._head)

    def held(self) -> int:
        """How many bytes of an unfinished frame it keeps."""
        parts = 0 if self._payload is None else sum(map(len, self._payload))
        return parts + (0 if self._passed is None else len(self._passed[1]))

    @property
    def unfinished(self) -> int:
        """Payload bytes that the header of an unfinished data frame announced; 0: there is none."""
        return 0 if self._frame is None or self._frame[1] & 8 else self._frame[2]

    def data(self, time_ns: int, data: bytes) -> None:
        """Bytes of this direction, in order."""
        if not self.synchronized:
            if not plausible(data, self._from_client):
                self.unread += len(data)
                self._passed = time_ns, data
                return
            self.synchronized, self.missed, self._passed = True, False, None
        at, end = 0, len(data)
        if self._frame is not None:
            at = self._fill(time_ns, data)
        elif self._head:
            data, self._head = self._head + data, b""
            end = len(data)
        while at < end and self.synchronized:
            if end - at > 8:
                stop = self._whole(time_ns, data, at, end)
                if stop:
                    at = stop
                    continue
            at = self._begin(time_ns, data, at, end)

    def _whole(self, time_ns: int, data: bytes, at: int, end: int) -> int:
        """Where the frame at `at` ends, if it is all there, short, and breaks no rule, as nearly
        every one; else 0, and nothing is done."""
        from_client, first = self._from_client, data[at]
        length, body = data[at + 1] ^ (128 if from_client else 0), at + 2
        if length > 125:
            if length != 126 or first & 8:
                return 0
            length, body = data[body] << 8 | data[body + 1], body + 2
            if length < 126:
                return 0
        if from_client:
            body += 4
        stop = body + length
        if stop > end or self._leads[self._in_message][first] is None:
            return 0
        payload = data[body:stop]
        if from_client:
            payload = apply_mask(payload, data[body - 4 : body])
        if not first & 8:
            self._in_message = first < 128
        opcode, rsv = first & 15, first >> 4 & 7
        fields = (time_ns, time_ns, first > 127, opcode, rsv, from_client, length, payload)
        self._on_frame(_new(CapturedFrame, fields))
        return stop

    def gap(self, size: int) -> None:
        """Bytes are missing; 0: nobody knows how many."""
        if self._passed is not None:
            passed, self._passed = self._passed, None
            if size and plausible(passed[1], self._from_client, size):
                self.unread -= len(passed[1])
                self.synchronized, self.missed = True, False
                self.data(*passed)
        if self._frame is not None and 0 < size <= self._missing:
            self._missing -= size
            self._payload = None
            return
        self._frame, self._head, self._in_message = None, b"", False
        self.synchronized, self.missed = False, True

    def _fill(self, time_ns: int, data: bytes) -> int:
        """Give the unfinished frame its bytes; how many of `data` that took."""
        took = min(self._missing, len(data))
        if self._payload is not None:
            self._payload.append(data[:took])
        self._missing -= took
        if not self._missing:
            assert self._frame is not None
            began, first, length, key = self._frame
            payload = None if self._payload is None else b"".join(self._payload)
            self._frame = self._payload = None
            self._emit(began, time_ns, first, length, key, payload)
        return took

    def _begin(self, time_ns: int, data: bytes, at: int, end: int) -> int:
        """The frame that begins at `at`; where the next one does, or the end of the data."""
        if end - at < 2:
            self._head = data[at:]
            return end
        first, second = data[at], data[at + 1]
        length, body = second & 127, at + 2
        if length > 125:
            size = 2 if length == 126 else 8
            if body + size > end:
                self._head = data[at:]
                return end
            length, body = int.from_bytes(data[body : body + size], "big"), body + size
        masked = second & 128
        if masked:
            body += 4
            if body > end:
                self._head = data[at:]
                return end
        if (
            self._leads[self._in_message][first] is None
            or bool(masked) is not self._from_client
            or length > 125
        ):
            self._judge(time_ns, first, second, length)
            if length > _LONGEST:
                self.synchronized = False
                self.unread += end - at
                return end
        if not first & 8:
            self._in_message = first < 128
        key = data[body - 4 : body] if masked else b""
        stop = body + length
        if stop <= end:
            self._emit(time_ns, time_ns, first, length, key, data[body:stop])
            return stop
        self._frame, self._missing = (time_ns, first, length, key), stop - end
        self._payload = [data[body:]] if length <= MOST_KEPT else None
        return end

    def _emit(
        self, began: int, time_ns: int, first: int, length: int, key: bytes, payload: bytes | None
    ) -> None:
        if payload and key:
            payload = apply_mask(payload, key)
        rsv = first >> 4 & 7
        frame = (began, time_ns, first > 127, first & 15, rsv, bool(key), length, payload)
        self._on_frame(CapturedFrame(*frame))

    def _judge(self, time_ns: int, first: int, second: int, length: int) -> None:
        """Which rule this header breaks, if any, in the parser's words."""
        violation = None
        if self._leads[self._in_message][first] is None:
            allowed = self._rsv1 is not False
            violation = judge_first(first, in_message=self._in_message, rsv1=allowed)
        elif bool(second & 128) is not self._from_client:
            what = "unmasked frame from a client"
            what = what if self._from_client else "masked frame from a server"
            violation = ProtocolViolation(what, "RFC 6455, 5.1")
        elif first & 8 and length > 125:
            violation = ProtocolViolation("control frame with more than 125 bytes", "RFC 6455, 5.5")
        elif second & 127 > 125 and length < (126 if second & 127 == 126 else 65536):
            message = f"length {length} written in more bytes than it needs"
            violation = ProtocolViolation(message, "RFC 6455, 5.2")
        elif length >> 63:
            violation = ProtocolViolation("64-bit length with its top bit set", "RFC 6455, 5.2")
        if violation is not None:
            self._on_violation(time_ns, violation)


_OPCODES = frozenset(Opcode)


def plausible(data: bytes, from_client: bool, missing: int = 0) -> bool:
    """Whether bytes look like whole frames from their first byte on, the last perhaps cut, or
    ending with `missing` bytes more.

    Random bytes pass with a chance of about 1 in 200 for a server's first frame, and a client's
    need a mask bit more; so a chain of several, or one that ends with the data, is asked for.
    """
    at, frames = 0, 0
    while at + 2 <= len(data):
        first, second = data[at], data[at + 1]
        opcode, length = first & 15, second & 127
        if first & 0x30 or opcode not in _OPCODES or bool(second & 128) is not from_client:
            return False
        if opcode & 8 and (first < 128 or first & 0x40 or length > 125):
            return False
        if not opcode and first & 0x40:  # RSV1 stands on a message's first frame (RFC 7692, 6.1)
            return False
        if length > 125:
            size = 2 if length == 126 else 8
            length = int.from_bytes(data[at + 2 : at + 2 + size], "big")
            if length < (126 if size == 2 else 65536) or length > _LONGEST:
                return at + 2 + size > len(data) and frames > 0
            at += size
        at += 2 + (4 if from_client else 0) + length
        frames += 1
    return frames > 1 or at == len(data) + missing
