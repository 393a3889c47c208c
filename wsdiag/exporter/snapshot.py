"""All figures of one moment, taken in the event loop and read in the thread that renders them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from wsdiag.exporter.fleet import Fleet
from wsdiag.exporter.watched import TargetFigures

# Some 2 ms. On a starved machine a turn of the loop takes long, and a scrape waits for them all.
_AT_ONCE = 200
_LAG_WINDOW_S = 60.0


@dataclass(slots=True)
class ReloadState:
    """What became of the config: at the start it is in force."""

    successful: bool = True
    at: float = 0.0
    """When it was last read successfully, seconds since 1970."""


@dataclass(slots=True)
class OwnFigures:
    """The exporter's own: whether it kept up, and what it was asked."""

    reload: ReloadState
    lag_s: float = 0.0
    """The longest that its event loop did not run, in the last minute."""
    stalled_s: float = 0.0
    stalls: int = 0
    requests: dict[tuple[str, int], int] | None = None
    """By path (one that is served, or `other`) and status."""
    connections: int = 0


@dataclass(slots=True)
class Snapshot:
    """Each target's labels and figures, and the exporter's own."""

    targets: list[tuple[dict[str, str], TargetFigures]]
    own: OwnFigures


async def take(fleet: Fleet, own: OwnFigures) -> Snapshot:
    """A snapshot; between a few hundred targets the loop's other work has its turn."""
    targets = []
    for number, watched in enumerate(list(fleet.watched), 1):
        targets.append((watched.labels, watched.figures()))
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
    stalls = fleet.stalls
    own.lag_s = stalls.worst_since(asyncio.get_running_loop().time() - _LAG_WINDOW_S)
    own.stalled_s, own.stalls = stalls.lost_s, stalls.count
    return Snapshot(targets, own)
