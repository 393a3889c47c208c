"""What is known of endpoints with a clock of their own: when they end connections, and how."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from wsdiag.judgement.products.intermediaries import EvidenceGrade, Resets
from wsdiag.records import Drop

_MATCHED_CHARS = 2048
EndpointKind = Literal["idle", "hello", "heartbeat", "pong", "event", "refusal", "expiry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEndpoint:
    """One row of endpoints.toml, where the columns are explained; durations in seconds."""

    name: str
    kind: EndpointKind
    evidence: EvidenceGrade
    how: tuple[str, ...] = ()
    codes: tuple[int, ...] = ()
    not_codes: tuple[int, ...] = ()
    reason: re.Pattern[str] | None = None
    subprotocol: re.Pattern[str] | None = None
    first: re.Pattern[str] | None = None
    default_s: float | None = None
    tick_s: float = 0.0
    directive: str | None = None
    wants: str | None = None
    resets: Resets | None = None
    note: str = ""

    def ends_like(self, drop: Drop) -> bool:
        """Whether this end is one of those that it is known for."""
        how = "fin" if drop.how == "tls-eof" else drop.how
        if self.how and how not in self.how:
            return False
        if how == "goaway":
            return self._says(drop.detail)
        if how != "close":
            return True
        if self.codes and (drop.code or 1005) not in self.codes:
            return False
        return drop.code not in self.not_codes and self._says(drop.reason)

    def _says(self, said: str | None) -> bool:
        return self.reason is None or bool(self.reason.search((said or "").strip()[:123]))

    def recognised(self, subprotocol: str | None, first_message: str | None) -> bool:
        """Whether the subprotocol, or the first message, names it."""
        named = self.subprotocol is not None and subprotocol is not None
        if named and self.subprotocol is not None and subprotocol is not None:
            return bool(self.subprotocol.search(subprotocol[:_MATCHED_CHARS]))
        return (
            self.first is not None
            and first_message is not None
            and bool(self.first.search(first_message[:_MATCHED_CHARS]))
        )


def wants_a_hello(ends: Sequence[Drop]) -> KnownEndpoint | None:
    """The row of an endpoint whose Close code, or reason, says itself that it wanted to be greeted;
    None: these do not say so."""
    rows = [r for r in endpoints() if r.kind == "hello" and all(map(r.ends_like, ends))]
    return next((r for r in rows if r.reason is not None or set(r.codes) == {4408}), None)


def limits_pings(end: Drop) -> bool:
    """Whether the Close reason, or the GOAWAY, says that too many Pings came."""
    return any(row.kind == "refusal" and row.ends_like(end) for row in endpoints())


TOKENS_EXPIRED = "the token that they were opened with expired then"
"""What is said of connections that ended at one moment, where all ends say so."""


def token_expired(end: Drop | None) -> bool:
    """Whether the Close reason says that a token was valid no longer."""
    return end is not None and any(r.kind == "expiry" and r.ends_like(end) for r in endpoints())


@cache
def endpoints() -> tuple[KnownEndpoint, ...]:
    """All rows of the table, in its order."""
    folder = resources.files("wsdiag.judgement.products")
    table = tomllib.loads(folder.joinpath("endpoints.toml").read_text("utf-8"))
    rows = [dict(row) for row in table["endpoint"]]
    for row in rows:
        for name in ("how", "codes", "not_codes"):
            if name in row:
                row[name] = tuple(row[name])
        for name in ("reason", "subprotocol", "first"):
            if name in row:
                row[name] = re.compile(row[name])
    return tuple(KnownEndpoint(**row) for row in rows)
