"""Make what a peer sent harmless to print: nothing of it may steer the terminal or hide."""

from __future__ import annotations

_NAMED = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0", "\x1b": "\\e"}


def escape(text: str, *, keep: str = "") -> str:
    r"""`text` with control, bidi and invisible characters as `\n`, `\x9b`, `\u202e`.

    Characters of `keep` stay. A backslash stays too: the output is for eyes, not for a parser.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char in keep else _visible(char) for char in text)


def _visible(char: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    # not printable: C0, DEL, C1, bidi controls, zero-width, tags, surrogates, odd separators
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def escape_bytes(data: bytes, limit: int = 64) -> str:
    r"""An excerpt of a payload: text where it is UTF-8, `\xff` where not; `…` when cut."""
    shown = escape(data[:limit].decode("utf-8", "backslashreplace"))
    return shown + ("…" if len(data) > limit else "")
