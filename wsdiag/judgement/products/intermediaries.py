"""What is known of the products on the path: their timeouts, and the headers that name them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from wsdiag.records import Hop

Evidence = Literal["measured", "documented", "reported", "unsure"]
Resets = Literal["any", "from-client", "from-server", "segment", "nothing"]

# A header's value is the peer's claim and may be of any length.
_EVIDENCE_CHARS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One row of intermediaries.toml, where the columns are explained; durations in seconds."""

    name: str
    key: str
    kind: Literal["idle", "lifetime"]
    evidence: Evidence
    default_s: float | None = None
    directive: str | None = None
    set: str | None = None
    seen: tuple[str, ...] | None = None
    resets: Resets | None = None
    tick_s: tuple[float, float] | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A header that names a product: lower-case name, and a pattern for its value (None: any)."""

    name: str
    value: re.Pattern[str] | None
    product: str
    key: str


@cache
def products() -> tuple[Product, ...]:
    """All rows of the table, in its order."""
    return tuple(_product(row) for row in _table()["product"])


@cache
def fingerprints() -> tuple[Fingerprint, ...]:
    """All header patterns, in the table's order."""
    return tuple(_fingerprint(row) for row in _table()["header"])


def hops_from_headers(headers: Iterable[tuple[str, str]]) -> list[Hop]:
    """Products that the answer's header lines name, each once, in the order of the lines."""
    hops: dict[str, Hop] = {}
    for name, value in headers:
        for print_ in fingerprints():
            if print_.product not in hops and _matches(print_, name, value):
                hops[print_.product] = Hop(print_.product, _evidence(name, value))
    return list(hops.values())


def keys_of(hops: Sequence[Hop]) -> frozenset[str]:
    """The table's keys of these hops."""
    named = {hop.product for hop in hops}
    return frozenset(print_.key for print_ in fingerprints() if print_.product in named)


def _matches(print_: Fingerprint, name: str, value: str) -> bool:
    if name.lower() != print_.name:
        return False
    return print_.value is None or print_.value.search(value) is not None


def _evidence(name: str, value: str) -> str:
    # A cookie's name tells the product, its value is a secret of the session.
    shown = value.split("=", 1)[0] + "=…" if name.lower() == "set-cookie" else value
    if len(shown) > _EVIDENCE_CHARS:
        shown = shown[: _EVIDENCE_CHARS - 1] + "…"
    return f"{name}: {shown}"


def _table() -> dict[str, Any]:
    text = (
        resources.files("wsdiag.judgement.products")
        .joinpath("intermediaries.toml")
        .read_text("utf-8")
    )
    return tomllib.loads(text)


def _product(row: dict[str, Any]) -> Product:
    lists: dict[str, Any] = {name: tuple(row[name]) for name in ("seen", "tick_s") if name in row}
    return Product(**{**row, **lists})


def _fingerprint(row: dict[str, str]) -> Fingerprint:
    pattern = re.compile(row["value"], re.IGNORECASE) if "value" in row else None
    return Fingerprint(row["name"], pattern, row["product"], row["key"])
