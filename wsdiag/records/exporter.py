"""What `exporter` tells beside its metrics: where it listens, and what happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from wsdiag.records.base import Time, optional


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
    """Record `exporter.event`: a target that went down, a file that was read, a request refused."""

    type: ClassVar[str] = "exporter.event"
    time: Time
    event: Annotated[
        str,
        "What happened: `drop`, `unreachable`, `reachable` (again), `reload`, `reload-failed`, "
        "`refused`, `starved`, `textfile-failed`, `left-out` (events that are not told)",
    ]
    name: Annotated[str | None, "The target's name"] = optional()
    url: Annotated[str | None, "The target's URL, credentials masked"] = optional()
    peer: Annotated[str | None, "`ip:port` of the client that was refused"] = optional()
    message: Annotated[str | None, "What was seen, for people"] = optional()
    hint: Annotated[str | None, "What to change"] = optional()
    kept: Annotated[int | None, "Targets that a new file did not change"] = optional()
    new: Annotated[int | None, "Targets that are new, or changed"] = optional()
    gone: Annotated[int | None, "Targets that are no longer there, or changed"] = optional()
