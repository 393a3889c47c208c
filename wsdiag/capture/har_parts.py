"""A HAR file's entries and their WebSocket messages as pieces of JSON text, read as a stream.

A file may have hundreds of megabytes, mostly bodies of other requests, and decoded JSON takes up to
forty times its text. So brackets and strings are counted to find where each entry begins and ends,
and each message in it; what is decoded at once is a few messages, or an entry without its messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from wsdiag.capture.packet_files import CaptureError

MOST_TEXT = 8 << 20
"""Bytes of JSON that are decoded at once; a longer piece is passed over."""
_FEW = 1 << 16
"""As many bytes of messages are decoded at once, and the rest of the last one."""
_READ = 1 << 18
_OUTSIDE = re.compile(rb'["{}\[\]]')
_LONGEST_NAME = 24
_INSIDE = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
# Depths of brackets: {"log": {"entries": [ {"_webSocketMessages": [ {
_ENTRIES, _ENTRY, _MESSAGES, _MESSAGE = 3, 4, 5, 6


class Part:
    """A list of some messages, or an entry whose list of messages was emptied."""

    def __init__(self, offset: int, *, messages: bool = False) -> None:
        self.offset, self.messages = offset, messages
        """Where it begins in the file."""
        self.size = 0
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> None:
        """More of it."""
        self.size += len(piece)
        self._pieces.append(piece)
        if self.size > MOST_TEXT:
            self._pieces.clear()

    @property
    def text(self) -> bytes | None:
        """None: it is too long."""
        if self.size > MOST_TEXT:
            return None
        text = b"".join(self._pieces)
        return b"[" + text + b"]" if self.messages else text


def parts(stream: BinaryIO) -> Iterator[Part]:
    """The elements of log.entries; before each, those of its `_webSocketMessages`.

    CaptureError where the file ends too early, or has no such list.
    """
    brackets, cutter, offset = _Brackets(), _Cutter(), 0
    while chunk := stream.read(_READ):
        cutter.start = 0
        for at, mark in brackets.feed(chunk):
            if mark in b"{[":
                cutter.opened(chunk, at, offset, brackets.last if mark == b"[" else b"")
            elif (part := cutter.closed(chunk, at)) is not None:
                yield part
        cutter.rest(chunk)
        offset += len(chunk)
    if cutter.depth > 0 or brackets.inside:
        raise CaptureError("the file was cut off", offset)
    if not cutter.found:
        raise CaptureError("no HAR file: it has no log with entries", 0)


class _Cutter:
    """Cuts text at its brackets into parts."""

    def __init__(self) -> None:
        self.depth = self.start = 0
        """`start`: where in the chunk what is not yet in a part begins."""
        self.found = False
        """There was a list of entries."""
        self._listing = self._telling = False
        """Within the list of entries, and within the list of an entry's messages."""
        self._entry = Part(0)
        self._messages: Part | None = None

    def opened(self, chunk: bytes, at: int, offset: int, name: bytes) -> None:
        """An opening bracket; `offset`: the chunk's, `name`: a list's."""
        self.depth += 1
        if self.depth == _ENTRIES and name == b"entries":
            self._listing = self.found = True
        elif self.depth == _ENTRY and self._listing:
            self._entry, self.start = Part(offset + at), at
        elif self.depth == _MESSAGES and self._listing and name == b"_webSocketMessages":
            self._entry.add(chunk[self.start : at + 1])
            self._telling = True
        elif self.depth == _MESSAGE and self._telling and self._messages is None:
            self._messages, self.start = Part(offset + at, messages=True), at

    def closed(self, chunk: bytes, at: int) -> Part | None:
        """A closing bracket; the part that is whole by it."""
        self.depth -= 1
        found = self._messages
        if self.depth == _MESSAGES and found is not None:
            if found.size + at - self.start < _FEW:
                return None
            found.add(chunk[self.start : at + 1])
            self._messages = None
            return found
        if self.depth == _ENTRY and self._telling:
            if found is not None:
                found.add(chunk[self.start : at])
            self._telling, self._messages, self.start = False, None, at
            return found
        if self.depth == _ENTRIES and self._listing:
            self._entry.add(chunk[self.start : at + 1])
            return self._entry
        if self.depth < _ENTRIES:
            self._listing = False
        return None

    def rest(self, chunk: bytes) -> None:
        """The chunk ends."""
        if self._messages is not None:
            self._messages.add(chunk[self.start :])
        elif self._listing and self.depth >= _ENTRY and not self._telling:
            self._entry.add(chunk[self.start :])


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
