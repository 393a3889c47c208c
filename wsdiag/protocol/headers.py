"""Header values by their grammar: token lists, quoted strings, Sec-WebSocket-Extensions."""

from __future__ import annotations

import re
from collections.abc import Iterable

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++")
_QUOTED = re.compile(r'"((?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t\x20-\x7e\x80-\xff])*+)"')
_SPACE = re.compile(r"[ \t]*+")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

Parameters = list[tuple[str, str | None]]


class HeaderSyntaxError(ValueError):
    """A header's value does not follow its grammar; the message says where."""


def is_token(text: str) -> bool:
    """Whether `text` is a token (RFC 9110, 5.6.2)."""
    return _TOKEN.fullmatch(text) is not None


def get_all(headers: Iterable[tuple[str, str]], name: str) -> list[str]:
    """The values of every header called `name`, in order; names compare without case."""
    wanted = name.lower()
    return [value for key, value in headers if key.lower() == wanted]


def parse_tokens(value: str) -> list[str]:
    """A comma-separated list of tokens (RFC 9110, 5.6.1: empty elements are skipped)."""
    tokens = [part.strip(" \t") for part in value.split(",")]
    tokens = [token for token in tokens if token]
    for token in tokens:
        if not is_token(token):
            raise HeaderSyntaxError(f"{token!r} is not a token")
    return tokens


def parse_extensions(value: str) -> list[tuple[str, Parameters]]:
    """Sec-WebSocket-Extensions (RFC 6455, 9.1): names with parameters, a flag's value is None."""
    cursor = _Cursor(value)
    extensions: list[tuple[str, Parameters]] = []
    while not cursor.at_end():
        if cursor.take(","):
            continue
        extensions.append((cursor.token(), cursor.parameters()))
        if not cursor.at_end():
            cursor.expect(",")
    return extensions


def format_extension(name: str, parameters: Parameters) -> str:
    """An extension as it is written in the header; values that are not tokens are quoted."""
    parts = [name]
    parts += [key if value is None else f"{key}={quote_value(value)}" for key, value in parameters]
    return "; ".join(parts)


def quote_value(value: str) -> str:
    """`value` as it is where that is a token, else as a quoted string (RFC 9110, 5.6.4)."""
    if is_token(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


class _Cursor:
    """A place in a header's value; every step skips the optional white space after it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._skip_space()

    def at_end(self) -> bool:
        return self._at == len(self._text)

    def take(self, char: str) -> bool:
        if not self._text.startswith(char, self._at):
            return False
        self._at += 1
        self._skip_space()
        return True

    def expect(self, char: str) -> None:
        if not self.take(char):
            raise self._error(f"expected {char!r}")

    def token(self) -> str:
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            raise self._error("expected a token")
        self._at = match.end()
        self._skip_space()
        return match.group()

    def value(self) -> str:
        """A token, or a quoted string that is a token once unquoted (RFC 6455, 9.1)."""
        match = _QUOTED.match(self._text, self._at)
        if match is None:
            return self.token()
        text = _ESCAPED.sub(r"\1", match.group(1))
        if not is_token(text):
            raise self._error("a quoted value must be a token")
        self._at = match.end()
        self._skip_space()
        return text

    def parameters(self) -> Parameters:
        found: Parameters = []
        while self.take(";"):
            name = self.token()
            found.append((name, self.value() if self.take("=") else None))
        return found

    def _skip_space(self) -> None:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _error(self, what: str) -> HeaderSyntaxError:
        return HeaderSyntaxError(f"{what} at character {self._at + 1} of {self._text!r}")
