"""The application protocols that are known, and how to tell that an endpoint speaks one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

Message = str | bytes
MATCHED = 65536
"""Characters of a message that patterns are searched in: a peer chooses how long it is."""
MOST_RECORDS = 4096
"""Records of a message that are looked at: more would take longer than a callback may."""


@dataclass(frozen=True, slots=True)
class CloseMeaning:
    """What a Close frame with this code (and reason, where there is a pattern) means."""

    code: int
    meaning: str
    reason: str | None = None

    def matches(self, code: int | None, reason: str | None) -> bool:
        """Whether this is the Close frame that is meant."""
        if code != self.code:
            return False
        return self.reason is None or re.search(self.reason, (reason or "")[:MATCHED]) is not None


@dataclass(frozen=True, slots=True)
class Dialect:
    """One application protocol; the members are described at the top of `dialects.toml`."""

    name: str
    title: str
    evidence: str
    encoding: Literal["text", "hex"] = "text"
    separator: str | None = None
    packets: bool = False
    subprotocols: Sequence[str] = ()
    path: str | None = None
    query: Mapping[str, str] | None = None
    first: str | None = None
    hello: Sequence[str] = ()
    hello_clock: str | None = None
    hello_answer: str | None = None
    hello_refused: str | None = None
    no_hello: str | None = None
    beat: str | None = None
    beat_answer: str | None = None
    ping: str | None = None
    pong: str | None = None
    ping_shown: str | None = None
    no_pong: str | None = None
    clock: str | None = None
    close: Sequence[CloseMeaning] = ()

    def meaning_of(self, code: int | None, reason: str | None) -> str | None:
        """What its Close frame means; None: nothing that is known."""
        return next((each.meaning for each in self.close if each.matches(code, reason)), None)

    def opens(self, record: str) -> bool:
        """Whether a record is the one that the endpoint begins with, which carries no data."""
        return any(
            pattern is not None and re.search(pattern, record) is not None
            for pattern in (self.first, self.clock)
        )

    def records(self, message: Message) -> list[str]:
        """A message as the text that patterns are searched in: one record, or several."""
        if self.encoding == "hex":
            data = message if isinstance(message, bytes) else message[:MATCHED].encode()
            return [data[: MATCHED // 2].hex()]
        if isinstance(message, bytes):
            message = message[:MATCHED].decode("utf-8", "replace")
        text = message[:MATCHED]
        if self.separator is None:
            return [text]
        records = text.split(self.separator, MOST_RECORDS)[:MOST_RECORDS]
        return [record for record in records if record]


@dataclass(frozen=True, slots=True)
class Recognised:
    """A dialect, and what gave it away, in words: "its subprotocol graphql-transport-ws"."""

    dialect: Dialect
    by: str


@cache
def dialects() -> tuple[Dialect, ...]:
    """Every known dialect, the most common first."""
    import tomllib  # only when there is something to tell a dialect by
    from importlib import resources

    text = resources.files("wsdiag.dialects").joinpath("dialects.toml").read_text("utf-8")
    return tuple(_dialect(table) for table in tomllib.loads(text)["dialect"])


def dialect_named(name: str) -> Dialect | None:
    """The dialect that `--dialect` calls so; None: there is none."""
    if name in ("auto", "none"):
        return None
    return next((each for each in dialects() if each.name == name), None)


def recognise(
    url: str, subprotocol: str | None, first_message: Message | None = None
) -> Recognised | None:
    """The dialect of an endpoint, by the surest sign first; None: none is known to be spoken.

    `subprotocol`: the one the server chose. A path alone says nothing: anything may be mounted
    at `/websocket`.
    """
    if subprotocol is None and first_message is None and "?" not in url:
        return None  # nothing to go by; the table is read when there is
    from urllib.parse import parse_qsl, urlsplit

    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True, max_num_fields=1000))
    for each in dialects():
        if subprotocol is not None and subprotocol in each.subprotocols:
            return Recognised(each, f"its subprotocol {subprotocol}")
    for each in dialects():
        if each.query and _matches(each, parts.path, query):
            names = "&".join(f"{name}={query[name]}" for name in each.query)
            return Recognised(each, f"{names} in its URL")
    if first_message is not None:
        for each in dialects():
            if each.first is not None and re.search(each.first, _text(each, first_message)):
                return Recognised(each, "its first message")
    return None


def _matches(dialect: Dialect, path: str, query: Mapping[str, str]) -> bool:
    if dialect.path is not None and not re.search(dialect.path, path):
        return False
    wanted = dialect.query or {}
    return all(re.search(pattern, query.get(name, "")) for name, pattern in wanted.items())


def _text(dialect: Dialect, message: Message) -> str:
    """A whole message for `first`, its separators included."""
    if isinstance(message, bytes):
        return message[:MATCHED].decode("utf-8", "replace") if dialect.encoding == "text" else ""
    return message[:MATCHED]


def _dialect(table: dict[str, Any]) -> Dialect:
    closes = tuple(CloseMeaning(**each) for each in table.pop("close", ()))
    return Dialect(**{key: _frozen(value) for key, value in table.items()}, close=closes)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
