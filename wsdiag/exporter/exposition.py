"""Figures as text: which format a scraper wants, and one rendering for scrapes that come together.

Rendering a thousand targets takes a good part of a second of processor time. In the event loop no
Ping could leave meanwhile; so it is done in one thread, from a snapshot. While it computes,
the event loop gets the interpreter back within `SWITCH_S` of asking for it: at Python's usual 5 ms
every system call of the loop would wait that long, and a thousand Pings a second make many.
"""

from __future__ import annotations

import asyncio
import gzip
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client.exposition import generate_latest as plain_text
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_text

from wsdiag.exporter.collector import SnapshotCollector
from wsdiag.exporter.snapshot import Snapshot
from wsdiag.whole_file import write_whole

CLASSIC = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
SWITCH_S = 0.0002
_GZIP_LEVEL = 1  # the way to a scraper is short; the size is a tenth all the same


class Format(NamedTuple):
    """How a scraper wants its metrics."""

    openmetrics: bool = False
    gzip: bool = False

    @property
    def content_type(self) -> str:
        """The header's value."""
        return OPENMETRICS if self.openmetrics else CLASSIC


def negotiate(accept: str, accept_encoding: str) -> Format:
    """The format of a request's headers (RFC 9110, 12.5): OpenMetrics where it is preferred."""
    wanted = _weights(accept)
    openmetrics = wanted.get("application/openmetrics-text", 0.0)
    encodings = _weights(accept_encoding)
    return Format(
        openmetrics > 0 and openmetrics >= wanted.get("text/plain", 0.0),
        encodings.get("gzip", 0.0) > 0,
    )


def _weights(header: str) -> dict[str, float]:
    """The highest weight of each name in a header."""
    found: dict[str, float] = {}
    for part in header.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = float(parameter[2:])
                except ValueError:
                    weight = 0.0
        found[name] = max(weight, found.get(name, 0.0))
    return found


class Exposition:
    """Renders snapshots; `take` makes one in the event loop."""

    def __init__(self, take: Callable[[], Awaitable[Snapshot]]) -> None:
        self._take = take
        self._thread = ThreadPoolExecutor(1, "wsdiag-render")
        self._under_way: dict[Format, asyncio.Task[bytes]] = {}
        self.rendered = 0
        """How many were made: fewer than were asked for where scrapes came together."""
        sys.setswitchinterval(min(SWITCH_S, sys.getswitchinterval()))

    async def render(self, wanted: Format) -> bytes:
        """The metrics now, or of the moment when the rendering that is under way began."""
        task = self._under_way.get(wanted)
        if task is None:
            task = asyncio.create_task(self._render(wanted))
            self._under_way[wanted] = task
            task.add_done_callback(lambda _: self._under_way.pop(wanted))
        return await asyncio.shield(task)  # a scraper that leaves does not end the others' scrape

    async def _render(self, wanted: Format) -> bytes:
        snapshot = await self._take()
        self.rendered += 1
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, rendered, snapshot, wanted
        )

    async def write(self, path: Path) -> None:
        """Replace the file `path` by the metrics in classic text (node_exporter); OSError."""
        text = await self.render(Format())
        # node_exporter runs as another user
        replace = partial(write_whole, path, text, mode=0o644)
        await asyncio.get_running_loop().run_in_executor(self._thread, replace)

    def close(self) -> None:
        """Render no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def rendered(snapshot: Snapshot, wanted: Format) -> bytes:
    """A snapshot as bytes."""
    return text_of(SnapshotCollector(snapshot), wanted)


def text_of(collector: Any, wanted: Format) -> bytes:
    """What a collector yields, as bytes."""
    text: bytes = (openmetrics_text if wanted.openmetrics else plain_text)(collector)
    return gzip.compress(text, _GZIP_LEVEL) if wanted.gzip else text
