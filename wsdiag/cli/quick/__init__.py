"""Ordinary command lines, read without typer: importing it takes longer than a Ping.

What is read here is read from a table made of the very declarations that typer gets, and only
where there is one way to read it: every option by one of its names, every value plain and valid.
Anything else (help, a mistake, a bundle of short options, a file) gives None, and then typer reads
the line. A test holds both to the same result for any line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from wsdiag.cli.quick.table import ARGUMENTS, COMMANDS, OPTIONS

_INTEGER = r"0|[1-9][0-9]{0,8}"
_NUMBER = r"(0|[1-9][0-9]{0,8})(\.[0-9]{1,6})?"


class NotPlain(ValueError):
    """There is something in the line that is for typer to read."""


def prepare(line: Sequence[str]) -> Callable[[], None] | None:
    """What a command line asks for, ready to be called; None: ask typer."""
    # The shell's completion speaks through the environment; on Windows click expands wildcards.
    if not line or line[0] not in COMMANDS or "_WSDIAG_COMPLETE" in os.environ or os.name == "nt":
        return None
    try:
        values = read(line[0], line[1:])
    except ValueError:
        return None
    command = _named(COMMANDS[line[0]])
    try:
        call: Callable[[], None] = command.prepare(values)
    except Exception:  # typer meets it again, and says it with the command's usage
        return None
    return call


def read(command: str, line: Sequence[str]) -> dict[str, Any]:
    """The parameters that a command's line gives, as typer would give them. ValueError: ask it."""
    values: dict[str, Any] = {}
    positional: list[str] = []
    words = iter(line)
    for word in words:
        if not word.isascii() or not word:
            raise NotPlain(word)
        if word.startswith("-"):
            _option(OPTIONS[command], word, words, values)
        else:
            positional.append(word)
    parameter, many = ARGUMENTS[command]
    if not positional or (len(positional) > 1 and not many):
        raise NotPlain
    values[parameter] = positional if many else positional[0]
    return values


def _option(
    options: dict[str, tuple[str, str, Any]], word: str, rest: Any, values: dict[str, Any]
) -> None:
    """Read one option, with its value out of the `rest` of the line, into `values`."""
    name, text = word, None
    if word.startswith("--") and "=" in word:
        name, _, text = word.partition("=")
    elif word not in options and not word.startswith("--"):
        name, text = word[:2], word[2:]
    if name not in options:
        raise NotPlain(word)
    parameter, kind, more = options[name]
    if kind == "flag":
        if text is not None:
            raise NotPlain(word)
        values[parameter] = more
        return
    text = next(rest, "") if text is None else text
    # an option's name in a value's place is a slip; @ reads a file, which may be read only once
    if not text.isascii() or text[:1] in ("", "-", "=", "@"):
        raise NotPlain(text)
    if kind == "texts":
        values.setdefault(parameter, []).append(text)
    else:
        values[parameter] = _value(kind, more, text)


def _value(kind: str, more: Any, text: str) -> Any:
    if kind == "text":
        return text
    if kind == "duration":
        from wsdiag.cli.params import parse_positive

        return parse_positive(text)
    if kind == "size":
        from wsdiag.units import parse_size

        return parse_size(text)
    if kind == "percent":
        from wsdiag.cli.params import parse_percent

        return parse_percent(text)
    if kind == "choice":
        return _named(more)(text)
    pattern, make = (_INTEGER, int) if kind == "integer" else (_NUMBER, float)
    low, high = more
    if not re.fullmatch(pattern, text):
        raise NotPlain(text)
    number = make(text)
    if (low is not None and number < low) or (high is not None and number > high):
        raise NotPlain(text)
    return number


def _named(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
