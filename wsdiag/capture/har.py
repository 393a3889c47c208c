"""HAR files with `_webSocketMessages`, as Chrome, Playwright and mitmproxy write them.

A HAR knows messages and their times. It knows no frames, no Pings, and not how a connection ended:
Chrome's entry lasts until the connection closed, or until the last message where it was still open,
and does not say which. So idleness is not judged from it (Pings may have crossed unseen), and no
end is claimed.

A file may have hundreds of megabytes, mostly bodies of other requests. It is read as a stream:
brackets and strings are counted to find where each entry begins and ends, and only entries of
WebSockets are decoded, one at a time, up to `MOST_ENTRY` bytes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from wsdiag.capture.http import Head
from wsdiag.capture.messages import MOST_ACTIVITY
from wsdiag.capture.packet_files import CaptureError
from wsdiag.capture.totals import CaptureTotals
from wsdiag.judgement.recorded.facts import CloseSeen, ConnectionFacts, Side

MOST_ENTRY = 64 << 20
"""Bytes of JSON; a longer entry is passed over, and that is told."""
_READ = 1 << 18
_MOST_HEADERS = 256
_LAST_WORDS = 400
_OUTSIDE = re.compile(rb'["{}\[\]]')
_LONGEST_NAME = 16
_INSIDE = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_WEBSOCKET = re.compile(rb'"_webSocketMessages"|"wss?:|"status"\s*+:\s*+101\b')
_NAMES = {1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}
_LIMITS = "a HAR file has no control frames, and does not say when or how a connection ended"
_SIZES = "sizes are those of messages before compression"


class HarReader:
    """One HAR file. Iterate for the facts of its WebSockets; `totals` counts the rest."""

    def __init__(self, stream: BinaryIO, source: str) -> None:
        self.totals = CaptureTotals()
        self._stream, self._source = stream, source

    def __iter__(self) -> Iterator[ConnectionFacts]:
        """Facts in the order of the entries; never an exception for bad input."""
        totals = self.totals
        try:
            for offset, text in _entries(self._stream):
                if text is None:
                    totals.unreadable += 1
                    totals.notes.append(
                        f"an entry of more than {MOST_ENTRY >> 20} MiB, at byte {offset:,}, was "
                        "passed over"
                    )
                elif _WEBSOCKET.search(text) is None:
                    totals.plain_http += 1
                else:
                    facts = self._decoded(offset, text)
                    if facts is not None:
                        yield facts
        except CaptureError as error:
            totals.broken = error

    def _decoded(self, offset: int, text: bytes) -> ConnectionFacts | None:
        totals = self.totals
        try:
            entry = json.loads(text)
        except (ValueError, RecursionError):
            totals.unreadable += 1
            totals.broken = totals.broken or CaptureError("an entry is no JSON", offset)
            return None
        request, response = _object(entry, "request"), _object(entry, "response")
        messages = entry.get("_webSocketMessages")
        asked = str(request.get("url")).startswith(("ws:", "wss:"))
        status = _integer(response.get("status"))
        if not isinstance(messages, list):
            if not asked or status != 101:
                totals.refused += asked
                totals.plain_http += not asked
                return None
            messages = None
        return _facts(self._source, entry, request, response, messages)


def _facts(
    source: str,
    entry: dict[str, Any],
    request: dict[str, Any],
    response: dict[str, Any],
    messages: list[Any] | None,
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
        last_s = _read_messages(facts, messages)
    first_s = min(
        (d.first_byte_s for d in (facts.sent, facts.received) if d.first_byte_s is not None),
        default=answered_s,
    )
    facts.opened_s = min(answered_s, first_s)
    facts.recorded_s = max(last_s, facts.opened_s, _number(entry.get("time")) / 1e3)
    return facts


def _read_messages(facts: ConnectionFacts, messages: list[Any]) -> float:
    """Count them; the last one's moment."""
    last_s = 0.0
    sides = (facts.sent, facts.received)
    for side in sides:
        side.bytes = side.messages = 0
    for message in messages:
        if not isinstance(message, dict):
            continue
        text = message.get("data")
        text = text if isinstance(text, str) else ""
        if message.get("type") == "error":
            if len(facts.notes) < 8:
                facts.notes.append(f"the browser says: {text[:_LAST_WORDS]}")
            continue
        who: Side = "client" if message.get("type") == "send" else "server"
        side = sides[who == "server"]
        opcode = message.get("opcode", 1)
        at_s = _moment(message.get("time"), facts.began)
        last_s = max(last_s, at_s)
        side.last_byte_s = at_s
        if side.first_byte_s is None:
            side.first_byte_s = at_s
        if len(facts.activity) < MOST_ACTIVITY:
            facts.activity.append((at_s, who, _name(opcode)))
        if opcode == 8:
            facts.closes.append(CloseSeen(who, at_s, _integer(message.get("code")), ""))
        if opcode not in (1, 2):
            continue
        assert side.messages is not None
        assert side.bytes is not None
        size = _base64_size(text) if opcode == 2 else len(text.encode("utf-8", "replace"))
        side.messages += 1
        side.bytes += size
        side.largest_frame = max(side.largest_frame, size)
        if opcode == 1:
            side.last_message = text[:_LAST_WORDS]
            if side.first_message is None:
                side.first_message = side.last_message
    return last_s


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


class _Brackets:
    """The brackets of JSON text that comes in pieces; those in strings are none."""

    def __init__(self) -> None:
        self.inside = False
        """The text so far ends within a string."""
        self.last = b""
        """The last string's first bytes: before an opening bracket it is a member's name."""
        self._escaped = False

    def feed(self, chunk: bytes) -> Iterator[tuple[int, bytes]]:
        """(position in the chunk, bracket) of each, in order."""
        at = 0
        while at < len(chunk):
            if self._escaped:
                at, self._escaped = at + 1, False
            elif self.inside:
                match = _INSIDE.match(chunk, at)
                assert match is not None
                if len(self.last) < _LONGEST_NAME:
                    self.last += chunk[at : min(match.end(), at + _LONGEST_NAME)]
                at = match.end()
                self._escaped = chunk[at : at + 1] == b"\\"  # the chunk's last byte
                self.inside = self._escaped or at == len(chunk)
                at += 1
            else:
                token = _OUTSIDE.search(chunk, at)
                if token is None:
                    return
                at = token.end()
                if token[0] == b'"':
                    self.inside, self.last = True, b""
                else:
                    yield at - 1, token[0]


def _entries(stream: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """The elements of log.entries with their offsets; None for one that is too long.

    CaptureError where the file ends too early, or has no such list.
    """
    brackets, depth, offset, found, listing = _Brackets(), 0, 0, False, False
    pieces: list[bytes] = []
    began = size = 0
    while chunk := stream.read(_READ):
        start = 0
        for at, mark in brackets.feed(chunk):
            if mark in b"{[":
                depth += 1
                if depth == 3 and mark == b"[" and brackets.last == b"entries":
                    listing = found = True
                elif depth == 4 and listing:
                    began, start, pieces, size = offset + at, at, [], 0
                continue
            depth -= 1
            if depth == 3 and listing:
                pieces.append(chunk[start : at + 1])
                size += at + 1 - start
                yield began, b"".join(pieces) if size <= MOST_ENTRY else None
            elif depth < 3:
                listing = False
        if listing and depth > 3:
            size += len(chunk) - start
            pieces.append(chunk[start:])
            if size > MOST_ENTRY:
                pieces.clear()
        offset += len(chunk)
    if depth > 0 or brackets.inside:
        raise CaptureError("the file was cut off", offset)
    if not found:
        raise CaptureError("no HAR file: it has no log with entries", 0)


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


def _moment(value: object, began: float | None) -> float:
    """Seconds since the entry began; `value`: seconds or ms since 1970, or seconds since then."""
    at = _number(value)
    if at > 1e11:
        at /= 1e3
    if at > 1e11:
        return 0.0
    return max(at - began, 0.0) if began is not None and at > 1e8 else at


def _base64_size(text: str) -> int:
    return max(len(text) * 3 // 4 - text[-2:].count("="), 0)
