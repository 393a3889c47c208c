"""Frames of both directions to the facts of a connection: messages, Pings, Close frames, offences.

What the frames of one direction say is read as far as it can be: compressed messages are inflated
for their text, Pongs are matched with the other direction's Pings, and what breaks a rule is noted
in the words of our own judge.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from wsdiag.capture.frames import CapturedFrame, FrameReader
from wsdiag.capture.notebook import Direction, Notebook, words_of
from wsdiag.judgement.recorded.facts import ANSWER, CloseSeen, ConnectionFacts, Side
from wsdiag.protocol.closing import decode_close
from wsdiag.protocol.codes import Opcode, Role
from wsdiag.protocol.deflate import MAX_WINDOW_BITS, PerMessageDeflate
from wsdiag.protocol.errors import ProtocolViolation

MOST_ACTIVITY = 512
MOST_RTTS = 4096
_MOST_VIOLATIONS = 8
MOST_SHOWN = 200
_LAST_WORDS = 400
_MOST_INFLATED = 4 << 20
_NAMES = ["reserved"] * 16
_NAMES[:3], _NAMES[8:11] = ("continuation", "text", "binary"), ("close", "ping", "pong")


class Messages:
    """What both directions' frames say, into `facts`. `on_close` is told of each Close frame: the
    direction's number, and when. `show`: keep the first messages' payloads.
    """

    def __init__(
        self,
        book: Notebook,
        on_close: Callable[[int, int], None],
        *,
        show: bool,
        most_activity: int,
    ) -> None:
        self.facts, self._sides, self._began_ns = book.facts, book.sides, book.began_ns
        self._book, self._on_close, self._show = book, on_close, show
        self._most_activity = most_activity
        self.spoke = False
        """A frame other than Close was seen since this was reset."""

    def begin(self, deflate: dict[str, str | None] | None, *, synchronized: bool) -> None:
        """What follows is frames; `deflate`: the parameters that were agreed on; `synchronized`:
        the next byte is a frame's first."""
        rsv1 = deflate is not None if self.facts.status is not None else None
        for number, side in enumerate(self._sides):
            from_client = number == self._book.client
            who: Side = "client" if from_client else "server"
            side.heads = None
            facts = side.facts
            facts.bytes = facts.messages = facts.pings = facts.pongs = 0
            side.inflate = None if deflate is None else _inflater(from_client, deflate)

            def on_violation(at: int, broken: ProtocolViolation, who: Side = who) -> None:
                violated(self.facts, who, broken.message, broken.section, self._book.since(at))

            side.frames = FrameReader(
                from_client,
                rsv1,
                partial(self._frame, side, who),
                on_violation,
                synchronized=synchronized,
            )

    def _frame(self, side: Direction, who: Side, frame: CapturedFrame) -> None:
        _, time_ns, _, opcode, _, _, length, _ = frame
        facts, at_s = side.facts, (time_ns - self._began_ns) / 1e9
        if self._book.tracing is not None:
            self._book.tracing.frame(who, frame)
        activity = self.facts.activity
        if len(activity) >= self._most_activity:
            del activity[self._most_activity // 2 :: 2]  # it stays a sample of the whole
        what = _NAMES[opcode]
        if opcode == Opcode.PONG and self._ponged(side, frame, at_s):
            what = ANSWER
        activity.append((at_s, who, what))
        if opcode < 8:
            facts.earlier_largest_frame, facts.last_frame = facts.largest_frame, length
            if length > facts.largest_frame:
                facts.largest_frame = length
            facts.bytes = (facts.bytes or 0) + length
            if opcode:
                facts.messages = (facts.messages or 0) + 1
            self._message(side, who, frame, at_s)
        elif opcode == Opcode.PING:
            self._pinged(side, frame, at_s)
        elif opcode == Opcode.CLOSE:
            self._closed(who, frame, at_s)
            self._on_close(0 if side is self._sides[0] else 1, frame.time_ns)
        if opcode != 8:
            self.spoke = True

    def _message(self, side: Direction, who: Side, frame: CapturedFrame, at_s: float) -> None:
        payload = frame.payload
        if frame.opcode:
            side.compressed = frame.rsv > 3
        if side.compressed:
            payload = self._inflated(side, who, frame, at_s)
        if payload is None:
            return
        if frame.opcode == 1:
            side.last_text = payload[: 4 * _LAST_WORDS]
            if side.facts.first_message is None:
                side.facts.first_message = words_of(side.last_text)
            if frame.fin and not side.compressed and not _is_utf8(payload):
                violated(self.facts, who, "text that is not UTF-8", "RFC 6455, 8.1", at_s)
        if self._show and len(self.facts.shown) < MOST_SHOWN:
            self.facts.shown.append((at_s, who, shown_text(payload)))

    def _inflated(
        self, side: Direction, who: Side, frame: CapturedFrame, at_s: float
    ) -> bytes | None:
        if side.inflate is None or frame.payload is None:
            side.inflate = None
            return None
        try:
            return side.inflate.decode(frame.payload, fin=frame.fin, limit=_MOST_INFLATED)
        except ProtocolViolation as broken:
            side.inflate = None
            if broken.section != "RFC 6455, 10.4":  # too much for us is no offence
                violated(self.facts, who, broken.message, broken.section, at_s)
            return None

    def _pinged(self, side: Direction, frame: CapturedFrame, at_s: float) -> None:
        assert side.facts.pings is not None
        side.facts.pings += 1
        side.pings.add(frame.payload, at_s)

    def _ponged(self, side: Direction, frame: CapturedFrame, at_s: float) -> bool:
        """Whether this Pong answers a Ping."""
        assert side.facts.pongs is not None
        side.facts.pongs += 1
        sent_s = self._sides[1 if side is self._sides[0] else 0].pings.answer(frame.payload)
        if sent_s is not None and len(self.facts.rtts_ms) < MOST_RTTS:
            self.facts.rtts_ms.append(round((at_s - sent_s) * 1000, 3))
        return sent_s is not None

    def _closed(self, who: Side, frame: CapturedFrame, at_s: float) -> None:
        code, reason = None, ""
        try:
            code, reason = decode_close(frame.payload or b"")
        except ProtocolViolation as broken:
            violated(self.facts, who, broken.message, broken.section, at_s)
            payload = frame.payload or b""
            code = int.from_bytes(payload[:2], "big") if len(payload) > 1 else None
            reason = payload[2:].decode("utf-8", "replace")
        self.facts.closed(CloseSeen(who, at_s, code, reason))


def shown_text(payload: bytes) -> str:
    """The beginning of a message as `--show` has it: bytes that are not UTF-8 as `\\xff`."""
    return payload[: 4 * _LAST_WORDS].decode("utf-8", "backslashreplace")[:_LAST_WORDS]


def violated(
    facts: ConnectionFacts, who: Side, what: str, section: str, at_s: float | None = None
) -> None:
    """Note that an end broke a rule, and when."""
    if len(facts.violations) < _MOST_VIOLATIONS:
        when = "" if at_s is None else f" at {at_s:.3f} s"
        facts.violations.append(f"{who}: {what}{when} ({section})")


def _inflater(client: bool, parameters: dict[str, str | None]) -> PerMessageDeflate:
    """The reader of one direction's compressed messages, seen from the end that receives them."""

    def bits(name: str) -> int:
        value = parameters.get(name) or ""
        return int(value) if value.isdecimal() and 8 <= int(value) <= 15 else MAX_WINDOW_BITS

    return PerMessageDeflate(
        Role.SERVER if client else Role.CLIENT,
        "server_no_context_takeover" in parameters,
        "client_no_context_takeover" in parameters,
        bits("server_max_window_bits"),
        bits("client_max_window_bits"),
    )


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
