"""HAR files with `_webSocketMessages`, as Chrome, Playwright and mitmproxy write them.

A HAR knows messages and their times. It knows no frames, no Pings, and not how a connection ended:
Chrome's entry lasts until the connection closed, or until the last message where it was still open,
and does not say which. So idleness is not judged from it (Pings may have crossed unseen), and no
end is claimed.

It is read as a stream (`har_parts.py`): messages are counted as they come, before the rest of
their entry is known.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from wsdiag.capture.har_parts import MOST_TEXT, Part, parts
from wsdiag.capture.http import Head
from wsdiag.capture.messages import MOST_ACTIVITY, MOST_SHOWN, shown_text
from wsdiag.capture.packet_files import CaptureError
from wsdiag.capture.totals import CaptureTotals
from wsdiag.judgement.recorded.facts import CloseSeen, ConnectionFacts, DirectionFacts, Side

_MOST_HEADERS = 256
_LAST_WORDS = 400
_EXCERPT = 4096
_MOST_ERRORS, _MOST_CLOSES = 8, 8
_WEBSOCKET = re.compile(rb'"_webSocketMessages"|"wss?:|"status"\s*+:\s*+101\b')
_NAMES = {1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}
_LIMITS = "a HAR file has no control frames, and does not say when or how a connection ended"
_SIZES = "sizes are those of messages before compression"


class HarReader:
    """One HAR file. Iterate for the facts of its WebSockets; `totals` counts the rest.

    `show`: keep the first messages' payloads.
    """

    def __init__(self, stream: BinaryIO, source: str, *, show: bool = False) -> None:
        self.totals = CaptureTotals()
        self._stream, self._source, self._show = stream, source, show

    def __iter__(self) -> Iterator[ConnectionFacts]:
        """Facts in the order of the entries; never an exception for bad input."""
        totals, messages = self.totals, _Messages(self._show)
        try:
            for part in parts(self._stream):
                if part.messages:
                    messages.read(part)
                    continue
                facts = self._entry(part, messages)
                if facts is not None:
                    yield facts
                messages = _Messages(self._show)
        except CaptureError as error:
            totals.broken = error

    def _entry(self, part: Part, messages: _Messages) -> ConnectionFacts | None:
        totals, text = self.totals, part.text
        if messages.too_long is not None or (text is None and messages.any):
            what, offset = "an entry without its messages", part.offset
            if messages.too_long is not None:
                what, offset = "a message", messages.too_long
            totals.unreadable += 1
            totals.notes.append(
                f"{what} of more than {MOST_TEXT >> 20} MiB, behind byte {offset:,}: its "
                "connection was passed over"
            )
            return None
        if text is None or _WEBSOCKET.search(text) is None:
            totals.plain_http += 1
            return None
        try:
            entry = json.loads(text)
        except (ValueError, RecursionError):
            entry = None
        if entry is None or messages.broken:
            totals.unreadable += 1
            totals.broken = totals.broken or CaptureError("an entry is no JSON", part.offset)
            return None
        request, response = _object(entry, "request"), _object(entry, "response")
        listed = entry.get("_webSocketMessages")
        if isinstance(listed, list):
            for message in listed:  # whose name was written with escapes
                messages.add(message)
            return _facts(self._source, entry, request, response, messages)
        asked = str(request.get("url")).startswith(("ws:", "wss:"))
        if asked and _integer(response.get("status")) == 101:
            return _facts(self._source, entry, request, response, None)
        totals.refused += asked
        totals.plain_http += not asked
        return None


def _facts(
    source: str,
    entry: dict[str, Any],
    request: dict[str, Any],
    response: dict[str, Any],
    messages: _Messages | None,
) -> ConnectionFacts:
    facts = ConnectionFacts(source)
    facts.began = _date(entry.get("startedDateTime"))
    address = entry.get("serverIPAddress")
    facts.server_address = address[:64] if isinstance(address, str) and address else None
    _read_url(facts, request.get("url"))
    version = re.fullmatch(r"(?i)http/(\d(?:\.\d)?)", str(request.get("httpVersion")))
    facts.version = version[1] if version else None
    facts.status = _integer(response.get("status"))
    reason = response.get("statusText")
    facts.reason = reason[:_LAST_WORDS] if isinstance(reason, str) else None
    facts.request_headers = _headers(request)
    facts.response_headers = _headers(response)
    head = Head(("HTTP/1.1", "101", ""), facts.response_headers)
    facts.subprotocol, facts.extensions = head.subprotocol(), head.extensions()
    facts.notes.append(_LIMITS)
    facts.ends_shown = False
    if any(extension.startswith("permessage-deflate") for extension in facts.extensions):
        facts.notes.append(_SIZES)
    error = response.get("_error")
    if isinstance(error, str) and error:
        facts.notes.append(f"the browser says: {error[:_LAST_WORDS]}")

    timings = _object(entry, "timings")
    # mitmproxy's `connect` and `ssl` lie before `startedDateTime`, Chrome's behind it; and Chrome
    # lets `wait` grow with each message. The first message bounds both.
    answered_s = sum(max(_number(timings.get(name)), 0.0) for name in ("send", "wait")) / 1e3
    last_s = 0.0
    if messages is None:
        facts.notes.append("it has no messages (_webSocketMessages): Firefox and Safari save none")
    else:
        last_s = messages.tell(facts)
    first_s = min(
        (d.first_byte_s for d in (facts.sent, facts.received) if d.first_byte_s is not None),
        default=answered_s,
    )
    facts.opened_s = min(answered_s, first_s)
    facts.recorded_s = max(last_s, facts.opened_s, _number(entry.get("time")) / 1e3)
    return facts


class _Messages:
    """The messages of one entry, counted as they come. Their times are as the file has them until
    the entry says when it began."""

    def __init__(self, show: bool) -> None:
        self.any = False
        self.too_long: int | None = None
        """Where one is, or a little before, that is too long to be decoded."""
        self.broken = False
        """Whether one is no JSON."""
        self._sides = (DirectionFacts(bytes=0, messages=0), DirectionFacts(bytes=0, messages=0))
        self._activity: list[tuple[float, Side, str]] = []
        self._show = show
        self._shown: list[tuple[float, Side, str]] = []
        self._closes: list[CloseSeen] = []
        self._errors: list[str] = []
        self._last = 0.0

    def read(self, part: Part) -> None:
        """More of them, as text."""
        self.any = True
        text = part.text
        if text is None:
            self.too_long = part.offset if self.too_long is None else self.too_long
            return
        try:
            for message in json.loads(text):
                self.add(message)
        except (ValueError, RecursionError):
            self.broken = True

    def add(self, message: object) -> None:
        """One more."""
        if not isinstance(message, dict):
            return
        text = message.get("data")
        text = text if isinstance(text, str) else ""
        if message.get("type") == "error":
            if len(self._errors) < _MOST_ERRORS:
                self._errors.append(f"the browser says: {text[:_LAST_WORDS]}")
            return
        who: Side = "client" if message.get("type") == "send" else "server"
        side = self._sides[who == "server"]
        opcode = message.get("opcode", 1)
        at = _number(message.get("time"))
        self._last = max(self._last, at)
        side.last_byte_s = at
        if side.first_byte_s is None:
            side.first_byte_s = at
        if len(self._activity) < MOST_ACTIVITY:
            self._activity.append((at, who, _name(opcode)))
        if opcode == 8 and len(self._closes) < _MOST_CLOSES:
            self._closes.append(CloseSeen(who, at, _integer(message.get("code")), ""))
        if opcode not in (1, 2):
            return
        assert side.messages is not None
        assert side.bytes is not None
        if self._show and len(self._shown) < MOST_SHOWN:
            self._shown.append((at, who, shown_text(_payload(text, opcode))))
        size = _base64_size(text) if opcode == 2 else len(text.encode("utf-8", "replace"))
        side.messages += 1
        side.bytes += size
        side.largest_frame = max(side.largest_frame, size)
        if opcode == 1:
            side.last_message = text[:_LAST_WORDS]
            if side.first_message is None:
                side.first_message = side.last_message

    def tell(self, facts: ConnectionFacts) -> float:
        """Put them into the facts, where it is known when the entry began; the last one's moment.
        They are told once."""
        began = facts.began
        facts.sent, facts.received = self._sides
        for side in self._sides:
            if side.first_byte_s is not None and side.last_byte_s is not None:
                side.first_byte_s = _moment(side.first_byte_s, began)
                side.last_byte_s = _moment(side.last_byte_s, began)
        facts.activity = [(_moment(at, began), who, what) for at, who, what in self._activity]
        facts.shown = [(_moment(at, began), who, what) for at, who, what in self._shown]
        for close in self._closes:
            close.at_s = _moment(close.at_s, began)
        facts.closes = self._closes
        facts.notes += self._errors
        return max([_moment(self._last, began), *(at_s for at_s, _, _ in facts.activity)])


def _name(opcode: object) -> str:
    return _NAMES.get(opcode, "reserved") if isinstance(opcode, int) else "reserved"


def _read_url(facts: ConnectionFacts, url: object) -> None:
    if not isinstance(url, str):
        return
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    facts.scheme = "wss" if parts.scheme in ("wss", "https") else "ws"
    facts.host = parts.netloc.rpartition("@")[2] or None
    facts.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _object(value: Any, name: str) -> dict[str, Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _headers(message: dict[str, Any]) -> list[tuple[str, str]]:
    headers = message.get("headers")
    return [
        (header["name"], header["value"])
        for header in (headers if isinstance(headers, list) else [])[:_MOST_HEADERS]
        if isinstance(header, dict)
        and isinstance(header.get("name"), str)
        and isinstance(header.get("value"), str)
    ]


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and 0 < value < 1 << 16 else None


def _number(value: object) -> float:
    """A JSON number; 0 for anything else."""
    try:
        number = float(value) if isinstance(value, int | float) else 0.0
    except OverflowError:
        return 0.0
    return number if math.isfinite(number) else 0.0


def _date(value: object) -> float | None:
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _moment(at: float, began: float | None) -> float:
    """Seconds since the entry began; `at`: seconds or ms since 1970, or seconds since then."""
    if at > 1e11:
        at /= 1e3
    if at > 1e11:
        return 0.0
    return max(at - began, 0.0) if began is not None and at > 1e8 else at


def _payload(text: str, opcode: object) -> bytes:
    """The beginning of a message; a binary one is in base64."""
    if opcode == 2:
        with suppress(ValueError):
            return base64.b64decode(text[:_EXCERPT])
    return text[:_EXCERPT].encode("utf-8", "replace")


def _base64_size(text: str) -> int:
    return max(len(text) * 3 // 4 - text[-2:].count("="), 0)
