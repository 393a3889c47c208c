"""Payloads that name their own Ping, so that no other Pong or message is taken for its answer."""

from __future__ import annotations

import os
import re
from typing import Literal

from wsdiag.protocol.events import BinaryMessage, Event, Pong, TextMessage

Mode = Literal["ping", "text", "binary"]

SHORTEST = 8
LONGEST_PING = 125  # RFC 6455, 5.5: a control frame's payload
LOAD_MARK = b"wsdiag-load:"
_TOKEN_BYTES = 8
_LABEL = b"wsdiag:"
# An endpoint may answer with our message inside its own: a JSON member, a line with a prefix.
_LABELLED = rb"wsdiag:([0-9a-z]{8})"
_DIGITS = b"0123456789abcdefghijklmnopqrstuvwxyz"
_SEARCHED = 65536


class Payloads:
    """Makes payloads of `size` bytes for one mode and recognises their answers."""

    def __init__(self, mode: Mode, size: int) -> None:
        self.mode = mode
        self.size = size
        self._filler = b"." * size

    def make(self, seq: int) -> tuple[bytes, bytes]:
        """(key, payload) for a sequence number; the key is what `keys` finds in the answer."""
        if self.mode == "ping":
            payload = (seq & 0xFFFFFFFF).to_bytes(4) + os.urandom(4) + self._filler[8:]
            return payload, payload
        token = bytes(_DIGITS[byte % len(_DIGITS)] for byte in os.urandom(_TOKEN_BYTES))
        label = _LABEL if self.size >= len(_LABEL) + _TOKEN_BYTES else b""
        return token, (label + token + self._filler)[: self.size]

    def keys(self, event: Event) -> list[bytes]:
        """The keys that an event may answer; empty when it cannot be an answer at all."""
        if self.mode == "ping":
            return [event.payload] if isinstance(event, Pong) else []
        if isinstance(event, TextMessage):
            return self._search(event.text[:_SEARCHED].encode("utf-8", "replace"))
        return self._search(event.data[:_SEARCHED]) if isinstance(event, BinaryMessage) else []

    def _search(self, data: bytes) -> list[bytes]:
        return [data[:_TOKEN_BYTES], *re.findall(_LABELLED, data)]


def is_load(event: Event) -> bool:
    """Whether a message is our own load, echoed."""
    if isinstance(event, BinaryMessage):
        return event.data.startswith(LOAD_MARK)
    return isinstance(event, TextMessage) and event.text.startswith(LOAD_MARK.decode())
