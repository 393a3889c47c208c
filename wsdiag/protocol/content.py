"""An HTTP body as text: its Content-Encoding undone, its charset heeded (RFC 9110, 8.3 and 8.4).

The body is a peer's, and may be cut off anywhere: what can be read of it is read, within a bound.
"""

from __future__ import annotations

import codecs
import re
import zlib

from wsdiag.protocol.http import Headers, join_values

MAX_TEXT_BYTES = 8192
_SHOWN_BYTES = 8
# Up to one control character in so many is text, and will be escaped where it is shown.
_ODD_SHARE = 20

# Python's codecs include some that are no charsets, and some that take quadratic time.
_CHARSET = re.compile(
    r"(utf-?(8|16|32)([-_]?[lb]e)?|us-?ascii|iso[-_]?8859[-_]\d{1,2}|latin-?\d|(windows|cp)-?\d{3,4}"
    r"|koi8-?[ru]|shift[-_]?jis|sjis|euc-?(jp|kr)|iso-2022-jp|gb(2312|k|18030)|big5)",
    re.IGNORECASE,
)
_CHARSET_PARAMETER = re.compile(r"charset=[\"']?([\w-]{1,20})", re.IGNORECASE)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WINDOW_BITS = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def body_text(headers: Headers, body: bytes) -> str:
    """The beginning of a body as text, or words in its place where it cannot be read."""
    encodings = (join_values(headers, "Content-Encoding") or "").lower().split(",")
    names = [name.strip() for name in encodings if name.strip() not in ("", "identity")]
    if not names and body.startswith(b"\x1f\x8b"):
        names = ["gzip"]  # compressed by one hop, its header lost at another
    data = body
    for name in reversed(names):
        decoded = _decompress(name, data)
        if decoded is None:
            return _unreadable(body, f"compressed ({name[:20]})")
        data = decoded
    return _decode(data[:MAX_TEXT_BYTES], join_values(headers, "Content-Type") or "")


def _decompress(name: str, data: bytes) -> bytes | None:
    for bits in _WINDOW_BITS.get(name, ()):
        try:
            return zlib.decompressobj(bits).decompress(data, MAX_TEXT_BYTES)
        except zlib.error:
            continue
    return data if data.isascii() else None  # plain text that is labelled as compressed


def _decode(data: bytes, content_type: str) -> str:
    mark = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    beginning = data[:1024].decode("latin-1")  # of a page, which may name its charset itself
    for found in (_CHARSET_PARAMETER.search(content_type), _CHARSET_PARAMETER.search(beginning)):
        named = found[1] if found is not None else ""
        if mark is None and _CHARSET.fullmatch(named):
            mark = _known(named)
    try:
        text = codecs.getincrementaldecoder(mark or "utf-8")("strict").decode(data)
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace") if mark is None else data.decode(mark, "replace")
    odd = len(_CONTROL.findall(text))
    is_text = "\0" not in text and odd * _ODD_SHARE <= len(text)
    return text if is_text else _unreadable(data, "not text")


def _known(charset: str) -> str | None:
    try:
        return codecs.lookup(charset).name
    except LookupError:
        return None


def _unreadable(data: bytes, what: str) -> str:
    more = "…" if len(data) > _SHOWN_BYTES else ""
    return f"({len(data)} bytes that are {what}: {data[:_SHOWN_BYTES].hex(' ')}{more})"
