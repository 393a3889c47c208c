"""UTF-8 that arrives in pieces, refused at the first byte that cannot be part of it.

Python's incremental decoder runs in C but waits: after E0 80 it wants a third byte, though no
byte can make it valid. So the decoder does the bulk, and the three bytes at most that it leaves
over are checked by a table (Unicode 15, table 3-7).
"""

from __future__ import annotations

from codecs import utf_8_decode

from wsdiag.protocol.codes import INVALID_DATA
from wsdiag.protocol.errors import ProtocolViolation

_ANY = range(0x80, 0xC0)
# Lead bytes whose second byte is narrower than 80..BF: overlong forms, surrogates, > U+10FFFF.
_NARROW = {
    0xE0: range(0xA0, 0xC0),
    0xED: range(0x80, 0xA0),
    0xF0: range(0x90, 0xC0),
    0xF4: range(0x80, 0x90),
}


def invalid_utf8(offset: int) -> ProtocolViolation:
    """The violation of text that is not UTF-8 from byte `offset` of the message on."""
    message = f"text is not valid UTF-8 from byte {offset} of the message on"
    return ProtocolViolation(message, "RFC 6455, 8.1", INVALID_DATA)


def is_viable(tail: bytes) -> bool:
    """Whether some bytes could follow an unfinished sequence and make it valid."""
    if not tail:
        return True
    lead = tail[0]
    if not 0xC2 <= lead <= 0xF4:
        return False
    if len(tail) > 1 and tail[1] not in _NARROW.get(lead, _ANY):
        return False
    return all(byte in _ANY for byte in tail[2:])


class Utf8Validator:
    """Checks text fed in pieces. Raises ProtocolViolation (1007) at the first bad byte."""

    __slots__ = ("_offset", "_tail")

    def __init__(self) -> None:
        self._tail = b""
        self._offset = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the message."""
        data = self._tail + data if self._tail else data
        try:
            used = utf_8_decode(data, "strict", False)[1]
        except UnicodeDecodeError as error:
            raise invalid_utf8(self._offset + error.start) from None
        self._offset += used
        self._tail = data[used:]
        if not is_viable(self._tail):
            raise invalid_utf8(self._offset)

    def finish(self) -> None:
        """The message ends here: an unfinished sequence is now an error."""
        if self._tail:
            raise invalid_utf8(self._offset)


def decode_text(data: bytes | bytearray) -> str:
    """A whole text message as str. Raises ProtocolViolation (1007) when it is not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise invalid_utf8(error.start) from None
