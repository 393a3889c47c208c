"""What the records of several commands share: phases, the end of a connection, an error."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

SCHEMA_VERSION = "2.0"

DropHow = Literal["close", "fin", "rst", "tls-eof", "silent", "rst-on-write", "timeout"]
ErrorKind = Literal[
    "dns",
    "connect",
    "refused",
    "proxy",
    "tls",
    "cert",
    "upgrade",
    "redirect",
    "protocol",
    "timeout",
    "closed",
    "usage",
]


def optional() -> Any:
    """A field whose None means "does not apply": the JSON record leaves it out."""
    return field(default=None, metadata={"omit_none": True})


def utc_now() -> datetime:
    """The wall clock, for `time` fields only; never for measuring."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Phases:
    """How long each phase of one connection took, in ms; one that did not happen is left out."""

    dns_ms: float | None = optional()
    tcp_ms: float | None = optional()
    proxy_ms: float | None = optional()
    tls_ms: float | None = optional()
    upgrade_ms: float | None = optional()
    ping_ms: float | None = optional()
    close_ms: float | None = optional()
    total_ms: float | None = optional()


@dataclass(frozen=True, slots=True)
class Hop:
    """A hint of an intermediary: a product's name and the header line that gave it away."""

    product: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Drop:
    """How a connection ended.

    `how`: see `DropHow`. `at_s`: seconds since the upgrade completed. `tcp_acknowledged`: whether
    TCP still acknowledged what we wrote (None: not known). `code`/`reason`: only for `close`.
    """

    how: DropHow
    at_s: float
    tcp_acknowledged: bool | None = None
    code: int | None = optional()
    reason: str | None = optional()
    detail: str | None = optional()


@dataclass(frozen=True, slots=True)
class Error:
    """A failure as a diagnosis: the phase, what was seen (`message`), what to change (`hint`)."""

    type: ClassVar[str] = "error"
    url: str
    phase: str
    kind: ErrorKind
    message: str
    hint: str | None = None
