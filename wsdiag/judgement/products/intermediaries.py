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

EvidenceGrade = Literal["measured", "documented", "reported", "unsure"]
Resets = Literal["any", "from-client", "from-server", "segment", "nothing"]

# A header's value is the peer's claim and may be of any length.
_EVIDENCE_CHARS, _MATCHED_CHARS = 80, 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One row of intermediaries.toml, where the columns are explained; durations in seconds."""

    name: str
    key: str
    kind: Literal["idle", "lifetime", "event"]
    evidence: EvidenceGrade
    default_s: float | None = None
    directive: str | None = None
    set: str | None = None
    seen: tuple[str, ...] | None = None
    resets: Resets | None = None
    early_s: float = 0.0
    tick_s: float = 0.0
    codes: tuple[int, ...] | None = None
    reason: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A header that names a product: lower-case name, and a pattern for its value (None: any)."""

    name: str
    value: re.Pattern[str] | None
    product: str
    key: str

    def fits(self, name: str, value: str) -> bool:
        """Whether this header line is such a one."""
        if name.lower() != self.name:
            return False
        return self.value is None or self.value.search(value[:_MATCHED_CHARS]) is not None


@cache
def products() -> tuple[Product, ...]:
    """All rows of the table, in its order."""
    rows = [dict(row) for row in _table()["product"]]
    for row in rows:
        for name in ("seen", "codes"):
            if name in row:
                row[name] = tuple(row[name])
    return tuple(Product(**row) for row in rows)


@cache
def fingerprints() -> tuple[Fingerprint, ...]:
    """All header patterns, in the table's order."""
    return tuple(
        Fingerprint(
            row["name"],
            re.compile(row["value"], re.IGNORECASE) if "value" in row else None,
            row["product"],
            row["key"],
        )
        for row in _table()["header"]
    )


def _table() -> dict[str, Any]:
    folder = resources.files("wsdiag.judgement.products")
    return tomllib.loads(folder.joinpath("intermediaries.toml").read_text("utf-8"))


def hops_from_headers(headers: Iterable[tuple[str, str]]) -> list[Hop]:
    """Products that the answer's header lines name, each once, in the order of the lines."""
    hops: dict[str, Hop] = {}
    for name, value in headers:
        for fingerprint in fingerprints():
            if fingerprint.product not in hops and fingerprint.fits(name, value):
                hops[fingerprint.product] = Hop(fingerprint.product, _evidence(name, value))
    return list(hops.values())


def keys_of(hops: Sequence[Hop]) -> frozenset[str]:
    """The table's keys of these hops."""
    named = {hop.product for hop in hops}
    return frozenset(f.key for f in fingerprints() if f.product in named)


def _evidence(name: str, value: str) -> str:
    # A cookie's name tells the product, its value is a secret of the session.
    text = value.split("=", 1)[0] + "=…" if name.lower() == "set-cookie" else value
    if len(text) > _EVIDENCE_CHARS:
        text = text[: _EVIDENCE_CHARS - 1] + "…"
    return f"{name}: {text}"
