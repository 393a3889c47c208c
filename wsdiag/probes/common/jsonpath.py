"""A strict subset of JSONPath (RFC 9535): one place in a JSON document.

Supported: `$`, then any number of `.name`, `['name']`, `["name"]`, `[0]`, `[-1]`. A path selects
at most one value. Everything else of RFC 9535 (wildcards, slices, filters, `..`) is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_NAME = re.compile(r"\.([A-Za-z_\u0080-\U0010ffff][\w\u0080-\U0010ffff]*)")
_INDEX = re.compile(r"\[(0|-?[1-9]\d{0,8})\]")
_QUOTED = re.compile(r"\[(?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\")\]")
_ESCAPED = re.compile(r"\\(.)")
_UNSUPPORTED = {
    "..": "descendants (..)",
    ".*": "wildcards",
    "[*": "wildcards",
    "[?": "filters",
    "[:": "slices",
}
_SUBSET = "wsdiag understands $.name, ['name'] and [0]"


class MissingError(LookupError):
    """A path that leads nowhere in a document; the message says where it ended."""


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A path as it was written, and its steps: names and indices."""

    text: str
    steps: tuple[str | int, ...]

    def __str__(self) -> str:
        """The path as it was written."""
        return self.text

    @classmethod
    def parse(cls, text: str) -> JsonPath:
        """Read `$.a['b'][0]`, its `$.` may be left out; ValueError says what is not supported."""
        bare = not text.startswith("$")
        whole = ("$" if text.startswith("[") else "$.") + text if bare else text
        steps, end = read_steps(whole)
        if end < len(whole):
            raise ValueError(f"{text!r}: a JSONPath ends before {whole[end:]!r}")
        if not steps and bare:
            raise ValueError("a JSONPath must not be empty")
        return cls(whole, steps)

    def find(self, document: Any) -> Any:
        """The value that the path selects; MissingError."""
        here, path = document, "$"
        for step in self.steps:
            try:
                here = _enter(here, step)
            except LookupError:
                raise MissingError(f"{path} has no {step!r}") from None
            path += f"[{step!r}]"
        return here

    def get(self, document: Any) -> Any:
        """The same for many documents; None where the path leads nowhere."""
        try:
            for step in self.steps:
                document = _enter(document, step)
        except LookupError:
            return None
        return document


def read_steps(text: str) -> tuple[tuple[str | int, ...], int]:
    """The steps of a path that begins with `$`, and where it ends: at a `=`, or with the text.

    ValueError names what is not supported, and where.
    """
    if not text.startswith("$"):
        raise ValueError(f"{text!r}: a JSONPath begins with $")
    at, steps = 1, []
    while at < len(text) and text[at] != "=":
        step, at = _step(text, at)
        steps.append(step)
    return tuple(steps), at


def _step(text: str, at: int) -> tuple[str | int, int]:
    if match := _NAME.match(text, at):
        return match[1], match.end()
    if match := _INDEX.match(text, at):
        return int(match[1]), match.end()
    if match := _QUOTED.match(text, at):
        return _ESCAPED.sub(r"\1", match[1] if match[1] is not None else match[2]), match.end()
    rest = text[at:]
    for sign, name in _UNSUPPORTED.items():
        if rest.startswith(sign):
            raise ValueError(f"{text!r}: {name} are not supported; {_SUBSET}")
    raise ValueError(f"{text!r}: cannot read {rest!r} at character {at + 1}; {_SUBSET}")


def _enter(value: Any, step: str | int) -> Any:
    fits = isinstance(value, dict) if isinstance(step, str) else isinstance(value, list)
    if not fits:
        raise LookupError(step)
    return value[step]
