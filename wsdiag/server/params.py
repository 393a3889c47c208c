"""Parameters of faults, declared once: paths, options, `--list`, the page and docs come from it."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wsdiag.units import parse_duration, parse_size

MAX_SECONDS = 86400.0 * 7


@dataclass(frozen=True, slots=True)
class ParamType:
    """A parameter's type: `expected` says in words what `parse` takes, `metavar` in one word."""

    metavar: str
    expected: str
    parse: Callable[[str], Any]
    choices: tuple[str, ...] = ()
    any_word: bool = False
    """Takes any word, names of faults as well: in a path those are faults."""


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of one fault; `default` None: not set."""

    name: str
    attribute: str
    kind: ParamType
    default: Any
    help: str

    def read(self, text: str) -> Any:
        """The value of `text`; an empty text is the default. ValueError with what was expected."""
        if text == "":
            return self.default
        try:
            return self.kind.parse(text)
        except ValueError:
            raise ValueError(f"{self.name}={text!r} is not {self.kind.expected}") from None

    def show(self) -> str:
        """The default as users would write it."""
        if self.default is None:
            return ""
        if isinstance(self.default, float):
            return f"{self.default:g}"
        return str(self.default)


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


def _seconds(text: str) -> float:
    seconds = parse_duration(text)
    if seconds > MAX_SECONDS:
        raise ValueError(text)
    return seconds


def _interval(text: str) -> float:
    seconds = _seconds(text)
    if seconds < 0.001:
        raise ValueError(text)
    return seconds


def _milliseconds(text: str) -> float:
    try:
        return _seconds(f"{float(text)}ms") * 1e3
    except ValueError:
        return _seconds(text) * 1e3


def _rate(text: str) -> int:
    rate = parse_size(text.removesuffix("/s"))
    if rate < 1:
        raise ValueError(text)
    return rate


def _bounded_size(text: str) -> int:
    size = parse_size(text)
    if size > 64 * 2**20:
        raise ValueError(text)
    return size


def _token(text: str) -> str:
    if not text.isascii() or not text.isprintable() or not text or set(text) & set(' ,;"'):
        raise ValueError(text)
    return text


def _location(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(text)
    return text


def _redirect_status(text: str) -> int:
    if text not in ("301", "302", "303", "307", "308"):
        raise ValueError(text)
    return int(text)


def _short_text(text: str) -> str:
    if len(text.encode("utf-8", "replace")) > 123:
        raise ValueError(text)
    return text


def _share(text: str) -> float:
    number = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    if not (math.isfinite(number) and 0 <= number <= 1):
        raise ValueError(text)
    return number


def whole(low: int, high: int, metavar: str = "N") -> ParamType:
    """A whole number from `low` to `high`."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise ValueError(text)
        return int(text)

    return ParamType(metavar, f"a whole number from {low} to {high}", parse)


def choice(*choices: str) -> ParamType:
    """One of some words."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(text)
        return text

    return ParamType("|".join(choices), "one of " + ", ".join(choices), parse, choices)


SECONDS = ParamType("SECONDS", "a duration: 60, 250ms, 1m30s (at most a week)", _seconds)
INTERVAL = ParamType("SECONDS", "a duration of 1 ms or more: 20, 250ms, 1m30s", _interval)
MILLISECONDS = ParamType("MS", "milliseconds (50) or a duration (50ms, 2s)", _milliseconds)
RATE = ParamType("BYTES/S", "bytes per second, 1 or more: 500, 64k, 1M", _rate)
SIZE = ParamType("BYTES", "a size of at most 64M: 64, 16k, 4M", _bounded_size)
SHARE = ParamType("SHARE", "a share from 0 to 1, or 10%", _share)
CODE = whole(0, 65535, "CODE")
TEXT = ParamType("TEXT", "a text of at most 123 bytes", _short_text, any_word=True)
TOKEN = ParamType("NAME", "a name without spaces, commas or quotes", _token, any_word=True)
LOCATION = ParamType("URL", "a URL or path without spaces", _location, any_word=True)
REDIRECT = ParamType("STATUS", "301, 302, 303, 307 or 308", _redirect_status)
