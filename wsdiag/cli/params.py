"""Parameter types of the command line: each parser says what it wanted when it refuses."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, overload

import typer

from wsdiag.transport.dial.netrc import NetrcEntry
from wsdiag.transport.dial.netrc import parse as parse_netrc
from wsdiag.units import parse_duration, parse_port, parse_size

T = TypeVar("T")

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"


def usage(parse: Callable[[str], T]) -> Callable[[str], T]:
    """Turn a parser's ValueError into a usage error that keeps the parser's own words."""

    def parser(text: str) -> T:
        if not isinstance(text, str):  # a default that is already a value
            return text
        try:
            return parse(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    return parser


def values_of(group: Any, *without: str) -> dict[str, Any]:
    """The options of a group by name, `without` some: keywords for the probe's own options."""
    return {
        field.name: getattr(group, field.name)
        for field in fields(group)
        if field.name not in without
    }


@contextmanager
def usage_errors(option: str | None = None) -> Iterator[None]:
    """Turn a ValueError in the block into a usage error that keeps its words."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def parse_positive(text: str) -> float:
    """Seconds of a duration that is more than zero; ValueError."""
    seconds = parse_duration(text)
    if seconds <= 0:
        raise ValueError(f"{text!r} must be more than zero")
    return seconds


def parse_ping_interval(text: str) -> float:
    """Seconds between two Pings, 1 ms at least; ValueError."""
    seconds = parse_positive(text)
    if seconds < 0.001:
        raise ValueError(f"{text!r}: 1ms is the shortest interval")
    return seconds


def parse_percent(text: str) -> float:
    """0 to 100, with or without a percent sign; ValueError."""
    try:
        share = float(text.strip().removesuffix("%"))
    except ValueError:
        share = -1.0
    if not 0 <= share <= 100:
        raise ValueError(f"{text!r} is not a percentage from 0 to 100")
    return share


def parse_message(text: str) -> str:
    """A text to send, as it is; ValueError where it cannot be one (RFC 6455, 5.6)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a text message has to be UTF-8") from None
    return text


def _kind(name: str, parse: Callable[[str], Any]) -> dict[str, Any]:
    return {"parser": usage(parse), "metavar": name}


# Kinds of values, as keywords for typer.Option.
DURATION = _kind("DURATION", parse_positive)
"""`250ms`, `2s`, `1m30s` or bare seconds, as float seconds."""
PING_INTERVAL = _kind("DURATION", parse_ping_interval)
"""The same, 1 ms at least."""
MILLISECONDS = _kind("DURATION", lambda text: parse_positive(text) * 1e3)
"""A duration, as float milliseconds."""
PERCENT = _kind("PERCENT", parse_percent)
"""`5`, `0.5` or `10%`, as float percent."""
SIZE = _kind("SIZE", parse_size)
"""`64`, `16k` or `4M`, as int bytes."""
FILE: dict[str, Any] = {"metavar": "FILE", "dir_okay": False}
EXISTING_FILE: dict[str, Any] = {**FILE, "exists": True}
FILE_OR_FOLDER: dict[str, Any] = {"metavar": "FILE", "exists": True, "readable": True}
REGEX = _kind("REGEX", lambda text: parse_regex(text))
"""A regular expression, checked."""
JSONPATH = _kind("JSONPATH", lambda text: parse_jsonpath(text))
"""A path into JSON messages, checked; it stays text."""
DIALECT = _kind("NAME", lambda text: parse_dialect(text))
"""A dialect's name, `auto` or `none`."""
MESSAGE = _kind("TEXT", parse_message)
"""A text to send, checked."""
MESSAGE_OR_FILE: dict[str, Any] = {**MESSAGE, "metavar": "TEXT|@FILE"}
"""The same, or `@FILE`: see read_message()."""
PORT: dict[str, Any] = {"metavar": "PORT", "min": 0, "max": 65535}


def parse_header(text: str) -> tuple[str, str]:
    """(name, value) of `Name: value`; ValueError where RFC 9110, 5.1 and 5.5 forbid it."""
    name, colon, value = text.partition(":")
    if not colon and text.endswith(";"):  # curl's way to send an empty one
        name, colon = text[:-1], ":"
    if not colon:
        raise ValueError(f"{_first_word(text)} has no colon: write 'Name: value'")
    if not re.fullmatch(_TOKEN, name.strip()):
        raise ValueError(f"{_first_word(name)} is not a header name")
    if any((ord(char) < 0x20 and char != "\t") or ord(char) == 0x7F for char in value):
        raise ValueError(f"the value of {name.strip()!r} has a control character")
    return name.strip(), value.strip()


def _first_word(text: str) -> str:
    """Which header it is, to quote: what follows a forgotten colon may be a credential."""
    word, space, _ = text.strip().partition(" ")
    return repr(f"{word} …" if space else word)


def read_headers(values: list[str]) -> tuple[tuple[str, str], ...]:
    """Headers of repeated `-H`; `@file` reads one header a line (`@-` stdin), as curl(1) does."""
    lines: list[str] = []
    for value in values:
        lines += _header_file(value[1:]) if value.startswith("@") else [value]
    with usage_errors("'-H' / '--header'"):
        return tuple(parse_header(line) for line in lines)


def read_header_variables(values: list[str]) -> tuple[tuple[str, str], ...]:
    """Headers of repeated `--header-env NAME=VARIABLE`: their values are seen in no `ps`."""
    option, headers = "--header-env", []
    for text in values:
        name, equals, variable = text.partition("=")
        if not equals or not variable:
            message = f"{text!r} is not NAME=VARIABLE, as in X-Api-Key=API_KEY"
            raise typer.BadParameter(message, param_hint=option)
        with usage_errors(option):
            headers.append(parse_header(f"{name}: {read_environment(variable, option)}"))
    return tuple(headers)


def read_cookies(values: list[str]) -> tuple[str, ...]:
    """Cookies of repeated `-b`; a usage error for one that is a file's name, as in curl(1)."""
    for value in values:
        if "=" not in value:
            raise typer.BadParameter(
                f"{value!r} is not NAME=VALUE; files of cookies are not read", param_hint="-b"
            )
    return tuple(values)


def read_netrc() -> tuple[NetrcEntry, ...]:
    """The entries of $NETRC or ~/.netrc; a usage error where it cannot be read."""
    path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return parse_netrc(file.read())
    except OSError as error:
        message = f"cannot read {path}: {error.strerror or error}"
        raise typer.BadParameter(message, param_hint="'-n' / '--netrc'") from None


def _header_file(name: str) -> list[str]:
    try:
        if name == "-":
            text = sys.stdin.read()
        else:
            with open(name, encoding="utf-8") as file:
                text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise typer.BadParameter(
            f"cannot read headers from {name!r}: {why}", param_hint="'-H' / '--header'"
        ) from None
    return [line for line in text.splitlines() if line.strip()]


def parse_resolve(text: str) -> tuple[tuple[str, int, str], ...]:
    """(host, port, address) for each address of `HOST:PORT:ADDRESS[,ADDRESS…]`, as in curl(1).

    ValueError otherwise: a name in the address's place would be looked up as if nothing were said.
    """
    import ipaddress

    from wsdiag.transport.dial.target import Target

    host, _, rest = text.partition(":")
    port, _, listed = rest.partition(":")
    addresses = [part.strip().removeprefix("[").removesuffix("]") for part in listed.split(",")]
    number = parse_port(port)
    if not (host and number and listed):
        raise ValueError(f"{text!r} is not HOST:PORT:ADDRESS, as in example.org:443:127.0.0.1")
    try:
        named = "*" if host == "*" else Target.parse(f"ws://{host}/").host
    except ValueError:
        raise ValueError(f"{host!a} is not the name of a host") from None
    for address in addresses:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise ValueError(
                f"{address!r} is not an IP address: HOST:PORT:ADDRESS is wanted, as in "
                "example.org:443:127.0.0.1"
            ) from None
    return tuple((named.lower(), number, address) for address in addresses)


def read_server_name(name: str | None) -> str | None:
    """The name of `--sni`; a usage error for one that TLS cannot carry (RFC 6066, 3)."""
    if name is None:
        return None
    labels = name.removesuffix(".").split(".")
    if not all(0 < len(label) < 64 for label in labels) or not name.isprintable():
        raise typer.BadParameter(f"{name!a} is not the name of a host", param_hint="--sni")
    return name


def read_environment(name: str | None, option: str) -> str | None:
    """A secret from the environment variable that an option names; a usage error when unset."""
    if name is None:
        return None
    value = os.environ.get(name)
    if not value:
        raise typer.BadParameter(f"environment variable {name} is not set", param_hint=option)
    return value


@overload
def read_message(text: str, option: str) -> str | bytes: ...
@overload
def read_message(text: str | None, option: str) -> str | bytes | None: ...
def read_message(text: str | None, option: str) -> str | bytes | None:
    """A message as typed, or of `@FILE`: text where it is UTF-8, else binary."""
    if text is None or not text.startswith("@"):
        return text
    try:
        data = Path(text[1:]).read_bytes()
    except OSError as error:
        raise typer.BadParameter(
            f"cannot read {text[1:]!r}: {error.strerror}", param_hint=option
        ) from None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def parse_regex(text: str) -> str:
    """A regular expression of Python's syntax; ValueError says where it is wrong."""
    from wsdiag.patterns import compile_regex

    return compile_regex(text).pattern


def parse_jsonpath(text: str) -> str:
    """A path into a JSON document; ValueError says what is not understood."""
    from wsdiag.probes.common.jsonpath import JsonPath

    return JsonPath.parse(text).text


def parse_dialect(text: str) -> str:
    """The name of a dialect, `auto` or `none`; ValueError."""
    if text in ("auto", "none"):
        return text
    from wsdiag.dialects.catalogue import dialects

    names = ["auto", "none", *(each.name for each in dialects())]
    if text not in names:
        raise ValueError(f"{text!r} is not known: choose from {', '.join(names)}")
    return text
