"""A strict subset of JSONPath (RFC 9535): one place in a JSON document, and what stands there.

Supported: `$`, then any number of `.name`, `['name']`, `["name"]`, `[0]`, `[-1]`. A path selects
at most one value. Everything else of RFC 9535 (wildcards, slices, filters, `..`) is refused.
"""

from __future__ import annotations

import json
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
        steps, end = _read_steps(whole)
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


@dataclass(frozen=True, slots=True)
class JsonExpectation:
    """A value that a JSON message must hold; `value` None: the path must exist."""

    path: JsonPath
    value: str | None

    def __str__(self) -> str:
        """As it was written."""
        return str(self.path) + ("" if self.value is None else f"={self.value}")

    @classmethod
    def parse(cls, text: str) -> JsonExpectation:
        """Read `$.a['b'][0]=VALUE`; ValueError names what is not supported, and where."""
        steps, end = _read_steps(text)
        return cls(JsonPath(text[:end], steps), text[end + 1 :] if end < len(text) else None)

    def judge(self, document: Any) -> str | None:
        """What is wrong with a document; None when it holds what it should."""
        try:
            found = self.path.find(document)
        except MissingError as missing:
            return str(missing)
        if self.value is None or _equal(found, self.value):
            return None
        return f"{self.path} is {_shown(found)}"


def _read_steps(text: str) -> tuple[tuple[str | int, ...], int]:
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


def _equal(found: Any, wanted: str) -> bool:
    """Whether a value is what the user wrote: as JSON, or, for a string, literally."""
    if isinstance(found, str) and found == wanted:
        return True
    try:
        value = json.loads(wanted)
    except ValueError:
        return False
    # JSON's true is not 1, but Python's is
    return json.dumps(found, sort_keys=True) == json.dumps(value, sort_keys=True) or (
        _is_number(found) and _is_number(value) and bool(found == value)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    """A JSON value, cut to what fits into a line."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
