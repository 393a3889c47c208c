"""Parameters of faults, declared once: paths, options, `--list`, the page and docs come from it."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wsdiag.units import parse_duration, parse_size

_WEEK = 86400.0 * 7  # seconds
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class ParamType:
    """A parameter's type: `convert` makes a value of a text, `accepts` judges the value.

    `expected` says in words what that comes to, `metavar` in one word.
    """

    metavar: str
    expected: str
    convert: Callable[[str], Any]
    accepts: Callable[[Any], bool]
    choices: tuple[str, ...] = ()
    any_word: bool = False
    """Takes any word, names of faults as well: in a path those are faults."""

    def parse(self, text: str) -> Any:
        """The value of a text; ValueError says what was expected."""
        try:
            value = self.convert(text)
            accepted = self.accepts(value)
        except ValueError:
            accepted = False
        if not accepted:
            raise ValueError(f"{text!r} is not {self.expected}")
        return value


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of one fault; `default` None: not set."""

    name: str
    attribute: str
    kind: ParamType
    default: Any
    help: str

    def read(self, text: str) -> Any:
        """The value of `text`; an empty text is the default. ValueError says what was expected."""
        try:
            return self.kind.parse(text) if text else self.default
        except ValueError as error:
            raise ValueError(f"{self.name}={error}") from None

    def show(self) -> str:
        """The default as users would write it."""
        if self.default is None:
            return ""
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)


def param(default: Any, kind: ParamType, help: str, *, name: str | None = None) -> Any:
    """Declare a dataclass field as a parameter; `name` where Python's name cannot be the user's."""
    return dataclasses.field(default=default, metadata={"kind": kind, "help": help, "name": name})


def params_of(fault: type) -> tuple[Param, ...]:
    """Declared parameters of a fault class, its own before inherited ones, in order.

    The first may be part of the path.
    """
    own = inspect.get_annotations(fault)
    fields = sorted(dataclasses.fields(fault), key=lambda field: field.name not in own)
    return tuple(
        Param(
            field.metadata["name"] or field.name,
            field.name,
            field.metadata["kind"],
            field.default,
            field.metadata["help"],
        )
        for field in fields
        if "kind" in field.metadata
    )


def between(low: float, high: float) -> Callable[[float], bool]:
    """Whether a number is from `low` to `high`."""
    return lambda number: low <= number <= high


def whole(low: int, high: int, metavar: str = "N") -> ParamType:
    """A whole number from `low` to `high`."""
    return ParamType(metavar, f"a whole number from {low} to {high}", _decimal, between(low, high))


def choice(*choices: str) -> ParamType:
    """One of some words."""
    expected = "one of " + ", ".join(choices)
    return ParamType("|".join(choices), expected, str, lambda text: text in choices, choices)


def _decimal(text: str) -> int:
    if not text.isdecimal():  # int() also takes "+1", " 1" and "1_0"
        raise ValueError(text)
    return int(text)


def _milliseconds(text: str) -> float:
    try:
        return parse_duration(f"{float(text)}ms") * 1e3
    except ValueError:
        return parse_duration(text) * 1e3


def _rate(text: str) -> int:
    return parse_size(text.removesuffix("/s"))


def _share(text: str) -> float:
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


def _is_word(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


SECONDS = ParamType(
    "SECONDS", "a duration: 60, 250ms, 1m30s (at most a week)", parse_duration, between(0, _WEEK)
)
INTERVAL = ParamType(
    "SECONDS", "a duration of 1 ms or more: 20, 250ms, 1m30s", parse_duration, between(1e-3, _WEEK)
)
MILLISECONDS = ParamType(
    "MS", "milliseconds (50) or a duration (50ms, 2s)", _milliseconds, between(0, _WEEK * 1e3)
)
RATE = ParamType(
    "BYTES/S", "bytes per second, 1 or more: 500, 64k, 1M", _rate, between(1, math.inf)
)
SIZE = ParamType("BYTES", "a size of at most 64M: 64, 16k, 4M", parse_size, between(0, 64 * 2**20))
SHARE = ParamType("SHARE", "a share from 0 to 1, or 10%", _share, between(0, 1))
CODE = whole(0, 65535, "CODE")
REDIRECT = ParamType("STATUS", "301, 302, 303, 307 or 308", _decimal, _REDIRECTS.__contains__)
TEXT = ParamType(
    "TEXT",
    "a text of at most 123 bytes",
    str,
    lambda text: len(text.encode("utf-8", "replace")) <= 123,
    any_word=True,
)
TOKEN = ParamType(
    "NAME",
    "a name without spaces, commas or quotes",
    str,
    lambda text: text != "" and _is_word(text) and not set(text) & set(',;"'),
    any_word=True,
)
LOCATION = ParamType("URL", "a URL or path without spaces", str, _is_word, any_word=True)
