"""What `serve` tells: where it listens, and what happens to its connections."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class ServeListening:
    """Record `serve.listening`: the first thing `serve` prints."""

    type: ClassVar[str] = "serve.listening"
    url: str
    host: str
    port: int
    tls: bool


@dataclass(frozen=True, slots=True)
class ServeEvent:
    """Record `serve.event`: something that happened to one connection of `serve`."""

    type: ClassVar[str] = "serve.event"
    time: datetime
    connection: int
    event: str
    data: dict[str, Any] = field(default_factory=dict)
    """Further members, merged into the record."""
