"""What `serve` tells: where it listens, and what happens to its connections."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from wsdiag.records.base import Time


@dataclass(frozen=True, slots=True)
class ServeListening:
    """Record `serve.listening`: the first record that `serve` prints."""

    type: ClassVar[str] = "serve.listening"
    url: Annotated[str, "The URL to connect to"]
    host: Annotated[str, "The address that it listens on"]
    port: Annotated[int, "TCP port"]
    tls: Annotated[bool, "True for wss://"]


@dataclass(frozen=True, slots=True)
class ServeEvent:
    """Record `serve.event`: something that happened to a connection of `serve`.

    Further members depend on `event`.
    """

    type: ClassVar[str] = "serve.event"
    time: Time
    connection: Annotated[int, "Number of the connection, from 1; 0 is the server itself"]
    event: Annotated[str, "What happened: `open`, `drop`, `close`, `refused`, …"]
    data: Annotated[dict[str, Any], "Further members, merged into the record"] = field(
        default_factory=dict, metadata={"merged": True}
    )
