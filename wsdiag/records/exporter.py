"""What `exporter` tells beside its metrics: where it listens, and what happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from wsdiag.records.base import Time


@dataclass(frozen=True, slots=True)
class ExporterListening:
    """Record `exporter.listening`: the first record that `exporter` prints."""

    type: ClassVar[str] = "exporter.listening"
    url: Annotated[str, "The URL to scrape, without its path"]
    host: Annotated[str, "The address that it listens on"]
    port: Annotated[int, "TCP port"]
    tls: Annotated[bool, "True for https://"]
    targets: Annotated[int, "How many targets it watches"]


@dataclass(frozen=True, slots=True)
class ExporterEvent:
    """Record `exporter.event`: a target that went down, a config that was read, a request refused.

    Further members depend on `event`.
    """

    type: ClassVar[str] = "exporter.event"
    time: Time
    event: Annotated[
        str,
        "What happened: `drop`, `unreachable`, `reload`, `reload-failed`, `refused`, `starved`, "
        "`textfile-failed`",
    ]
    data: Annotated[dict[str, Any], "Further members, merged into the record"] = field(
        default_factory=dict, metadata={"merged": True}
    )
