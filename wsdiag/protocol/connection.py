"""A WebSocket connection after its opening handshake: bytes in, events out; calls in, bytes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from wsdiag.protocol.assembly import Assembler
from wsdiag.protocol.closing import TRANSITIONS, Step, decode_close, encode_close
from wsdiag.protocol.codes import Opcode, Role, State
from wsdiag.protocol.errors import LocalProtocolError, ProtocolViolation
from wsdiag.protocol.events import Close, Event, Ping, Pong, Violation
from wsdiag.protocol.frames import Frame, encode_header
from wsdiag.protocol.masking import apply_mask, mask_short, mask_source
from wsdiag.protocol.parser import FrameParser
from wsdiag.protocol.utf8 import Utf8Validator

if TYPE_CHECKING:
    from wsdiag.protocol.deflate import PerMessageDeflate

FrameHook = Callable[[Literal["sent", "received"], Frame], None]

# Pongs queued between two drains; beyond, only the latest Ping is answered (RFC 6455, 5.5.3).
MAX_QUEUED_PONGS = 64
_MAX_CONTROL = 125
# The first byte of a final frame by opcode: an enum's own operators and look-ups are slow.
_BINARY = Opcode.BINARY
_FINAL = tuple(0x80 | opcode for opcode in range(16))


class Connection:
    """One end of a connection, strict in both directions.

    `max_message_size` in bytes bounds a received message, inflated or not; None: no limit.
    `keep_of_message`: how many bytes are kept, and reported, of a received message that comes in
    pieces, for callers that look at its beginning only; all of it is checked. None: all is kept.
    `auto_pong` queues the Pong to each Ping at once. `auto_close` answers a Close; that answer, and
    the Close that names a violation, leave with `data_to_send`, after what is sent until then: the
    messages that came before can still be answered.
    """

    def __init__(
        self,
        role: Role,
        *,
        deflate: PerMessageDeflate | None = None,
        max_message_size: int | None = 16 * 2**20,
        keep_of_message: int | None = None,
        auto_pong: bool = True,
        auto_close: bool = True,
        on_frame: FrameHook | None = None,
        mask: Callable[[], bytes] | None = None,
    ) -> None:
        self.role = role
        self.state = State.OPEN
        self.close_sent: tuple[int | None, str] | None = None
        self.close_received: tuple[int | None, str] | None = None
        self.violation: ProtocolViolation | None = None
        self.truncated = False
        """Whether the violation is only that the stream ended inside a frame."""
        self.deflate = deflate
        self.on_frame = on_frame
        self.auto_pong = auto_pong
        self.auto_close = auto_close
        self._assembler = Assembler(deflate, max_message_size, keep_of_message)
        bound = max_message_size
        self._parser = FrameParser(
            role,
            max_message_size=bound,
            # compressed, fixed Huffman codes spend at most 9 bits on a byte
            max_compressed_size=None if bound is None else bound + bound // 8 + 64,
            rsv1_allowed=deflate is not None,
            keep=keep_of_message,
        )
        self._next_mask = (mask or mask_source()) if role is Role.CLIENT else None
        self._out: list[bytes] = []
        self._pongs_queued = 0
        self._held_ping: bytes | None = None
        self._pending_close: tuple[int | None, str] | None = None
        self._sending: Opcode | None = None
        self._sending_compressed = False
        self._sending_text: Utf8Validator | None = None

    # -- receiving ---------------------------------------------------------------------------

    @property
    def held_bytes(self) -> int:
        """Bytes that are held of a message whose end has not come, and of its last frame."""
        return self._assembler.held_bytes + self._parser.held_bytes

    @property
    def inside_frame(self) -> bool:
        """Whether the bytes so far end inside a frame."""
        return self._parser.pending > 0

    @property
    def inside_message(self) -> bool:
        """Whether a message has begun whose end has not come."""
        frame = self._parser.unfinished
        return self._assembler.unfinished or (frame is not None and not frame[1] & 8)

    @property
    def unfinished_frame(self) -> tuple[int, int] | None:
        """(announced length, bytes so far) of a frame whose payload has not come whole."""
        return self._parser.announced

    def discard_unfinished(self) -> None:
        """Forget a message whose end has not come, for a connection that is given up."""
        self._assembler.discard()
        self._parser.discard()

    def receive_data(self, data: bytes) -> list[Event]:
        """The events in these bytes; the peer's first violation is the last of them."""
        events: list[Event] = []
        if self.state is State.CLOSED or self.close_received or self.violation:
            return events
        frames = self._parser.feed(data)
        add, append, hook = self._assembler.add, events.append, self.on_frame
        try:
            for frame in frames:
                if hook is not None:
                    hook("received", frame)
                if frame[1] < 8:  # its opcode; by index, for this passes every frame
                    message = add(frame)
                    if message is not None:
                        append(message)
                elif self._control(frame, events):
                    return events
            if self._parser.violation is not None:
                raise self._parser.violation
            self._assembler.preview(self._parser)
        except ProtocolViolation as violation:
            events.append(self._fail(violation))
        return events

    def receive_eof(self) -> list[Event]:
        """The byte stream ended: a Violation when that was in the middle of a frame."""
        cut = self._parser.pending > 0 and self.state is not State.CLOSED
        concluded = self.close_received is not None or self.violation is not None
        self._pending_close = None
        self.state = TRANSITIONS[self.state, Step.ENDED]
        if not cut or concluded:
            return []
        message = f"stream ended inside a frame, after {self._parser.pending} of its bytes"
        self.truncated = True
        self.violation = ProtocolViolation(message, "RFC 6455, 5.2")
        return [Violation(self.violation)]

    def _control(self, frame: Frame, events: list[Event]) -> bool:
        """Act on a control frame; True when it was a Close, after which nothing is read."""
        if frame.opcode is Opcode.PING:
            events.append(Ping(frame.payload))
            if self.auto_pong and self.close_sent is None:
                self._answer(frame.payload)
        elif frame.opcode is Opcode.PONG:
            events.append(Pong(frame.payload))
        else:
            code, reason = self.close_received = decode_close(frame.payload)
            self.state = TRANSITIONS[self.state, Step.GOT_CLOSE]
            events.append(Close(code, reason))
            if self.auto_close and self.close_sent is None:
                self._pending_close = (code, "")
            return True
        return False

    def _answer(self, payload: bytes) -> None:
        """Queue a Pong, or hold the Ping while enough Pongs wait to be sent."""
        if self._pongs_queued >= MAX_QUEUED_PONGS:
            self._held_ping = payload
            return
        self._pongs_queued += 1
        self._send_frame(Opcode.PONG, payload)

    def _fail(self, violation: ProtocolViolation) -> Violation:
        """Fail the connection (RFC 6455, 7.1.7): a Close says why, and no more is read."""
        self.violation = violation
        self.discard_unfinished()
        if self.close_sent is None:
            self._pending_close = (violation.code, violation.message)
        self.state = TRANSITIONS[self.state, Step.FAILED]
        return Violation(violation)

    # -- sending -----------------------------------------------------------------------------

    def send_text(
        self, text: str | bytes, *, fin: bool = True, compress: bool | None = None
    ) -> None:
        """Queue a text message, or its first fragment with `fin=False`; bytes must be UTF-8."""
        data = _encode_text(text) if isinstance(text, str) else text
        valid = fin and data is not text  # what was encoded here is valid UTF-8
        self._begin(Opcode.TEXT, data, fin, compress, valid=valid)

    def send_binary(self, data: bytes, *, fin: bool = True, compress: bool | None = None) -> None:
        """Queue a binary message, or its first fragment with `fin=False`."""
        if fin and self.deflate is None and self._sending is None and not compress:
            self._require_sendable()  # a whole message: there is nothing to remember
            self._send_frame(_BINARY, data)
        else:
            self._begin(_BINARY, data, fin, compress)

    def send_continuation(self, data: str | bytes, fin: bool = True) -> None:
        """Queue the next fragment of the message under way."""
        self._require_sendable()
        if self._sending is None:
            raise LocalProtocolError("there is no fragmented message to continue")
        data = _encode_text(data) if isinstance(data, str) else data
        self._send_data(Opcode.CONT, data, fin)

    def ping(self, payload: bytes = b"") -> None:
        """Queue a Ping with at most 125 bytes."""
        self._send_control(Opcode.PING, payload)

    def pong(self, payload: bytes = b"") -> None:
        """Queue a Pong with at most 125 bytes, unsolicited or not."""
        self._send_control(Opcode.PONG, payload)

    def close(self, code: int | None = 1000, reason: str = "") -> None:
        """Queue the Close frame, or its answer; a reason over 123 bytes is cut."""
        self._require_sendable()
        self._send_close(code, reason)

    def send_raw(self, data: bytes) -> None:
        """Queue bytes as they are, whatever the state: for faults and adversarial checks."""
        self._out.append(data)

    def data_to_send(self, *, conclude: bool = True) -> bytes:
        """Drain what is queued; a pending Close comes last, or not yet without `conclude`.

        While the transport's own buffer is full, leave it queued: a flood of Pings then costs at
        most `MAX_QUEUED_PONGS` Pongs.
        """
        if self._held_ping is not None:
            payload, self._held_ping = self._held_ping, None
            if self.close_sent is None:
                self._send_frame(Opcode.PONG, payload)
        if conclude and self._pending_close is not None:
            self._send_close(*self._pending_close)
        self._pongs_queued = 0
        out, self._out = self._out, []
        return b"".join(out)

    def _require_sendable(self) -> None:
        if self.close_sent is not None:
            raise LocalProtocolError("a Close frame was sent: nothing may follow it (5.5.1)")
        if self.state is State.CLOSED:
            raise LocalProtocolError("the connection is closed")

    def _begin(
        self, opcode: Opcode, data: bytes, fin: bool, compress: bool | None, valid: bool = False
    ) -> None:
        self._require_sendable()
        if self._sending is not None:
            raise LocalProtocolError("a fragmented message is under way: send its continuation")
        if compress and self.deflate is None:
            raise LocalProtocolError("permessage-deflate was not negotiated")
        self._sending_compressed = self.deflate is not None and compress is not False
        self._sending_text = None if valid or opcode is not Opcode.TEXT else Utf8Validator()
        self._send_data(opcode, data, fin)

    def _send_data(self, opcode: Opcode, data: bytes, fin: bool) -> None:
        rsv1 = False
        if self._sending_text is not None:
            self._check_text(self._sending_text, data, fin)
        if self._sending_compressed and self.deflate is not None:
            data = self.deflate.encode(data, fin=fin)
            rsv1 = opcode is not Opcode.CONT
        self._sending = None if fin else (self._sending or opcode)
        self._send_frame(opcode, data, fin, rsv1)

    def _check_text(self, validator: Utf8Validator, data: bytes, fin: bool) -> None:
        try:
            validator.feed(data)
            if fin:
                validator.finish()
        except ProtocolViolation as error:
            raise LocalProtocolError(error.message) from None

    def _send_control(self, opcode: Opcode, payload: bytes) -> None:
        self._require_sendable()
        if len(payload) > _MAX_CONTROL:
            message = f"{opcode.name.title()} payload of {len(payload)} bytes, the limit is 125"
            raise LocalProtocolError(message)
        self._send_frame(opcode, payload)

    def _send_close(self, code: int | None, reason: str) -> None:
        payload = encode_close(code, reason)
        self._send_frame(Opcode.CLOSE, payload)
        self.close_sent = decode_close(payload)
        self._held_ping = self._pending_close = None
        self.state = TRANSITIONS[self.state, Step.SENT_CLOSE]

    def _send_frame(
        self, opcode: Opcode, payload: bytes, fin: bool = True, rsv1: bool = False
    ) -> None:
        first = _FINAL[opcode] if fin else opcode
        if rsv1:
            first |= 0x40
        size = len(payload)
        if self._next_mask is None:
            self._out += (encode_header(first, size), payload)
        elif size < 126:
            key = self._next_mask()
            self._out += (bytes((first, 0x80 | size)), key, mask_short(payload, key))
        else:
            key = self._next_mask()
            self._out += (encode_header(first, size, 0x80), key, apply_mask(payload, key))
        if self.on_frame is not None:
            masked = self._next_mask is not None
            self.on_frame("sent", Frame(fin, opcode, payload, rsv1, masked=masked))


def _encode_text(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"text is not valid Unicode: {error.reason}") from None
