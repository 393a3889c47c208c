"""One exporter: targets watched, requests answered, the config read again, an orderly end.

How a new config comes into force. It is read in a thread, whole, and only what could be read is
applied: `Fleet.apply` keeps every target that is equal to one before, its connection and counters
with it. What cannot be read changes nothing but a metric, and a line in the log. Reads are asked
for by `reload()` (SIGHUP) and by a change of `source.signature()`, which is looked at every other
second: that works for editors that write in place, for those that rename, and for Kubernetes, which
turns a symbolic link. One read at a time; a change during it is noticed by the next look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from contextlib import suppress
from pathlib import Path
from time import time
from typing import Any, Protocol

from wsdiag.exporter.config import ConfigError, ExporterConfig
from wsdiag.exporter.exposition import Exposition
from wsdiag.exporter.fleet import Fleet
from wsdiag.exporter.http import HttpServer
from wsdiag.exporter.pages import Pages
from wsdiag.exporter.snapshot import OwnFigures, ReloadState, Snapshot, take
from wsdiag.exporter.watched import Change, WatchedTarget
from wsdiag.records import Error, ExporterEvent, PingStart, utc_now
from wsdiag.records.drops import drop_phrase
from wsdiag.transport.listen import ServerTls
from wsdiag.units import format_duration

LOOK_S = 2.0
TEXTFILE_S = 15.0

OnEvent = Callable[[ExporterEvent], None]


class ConfigSource(Protocol):
    """Where a config comes from; `read` is called in a thread."""

    def read(self) -> ExporterConfig:
        """The config as it is now. Raises ConfigError."""

    def signature(self) -> Hashable:
        """What changes when the config does."""


class Exporter:
    """Watches, and answers on a port; `async with` starts and ends it. It prints nothing.

    `port` 0: any free one. `source`: where a new config is read from, when asked or when it
    changed. `textfile`: a file of metrics for node_exporter, written every 15 s.
    """

    def __init__(
        self,
        config: ExporterConfig,
        *,
        host: str = "127.0.0.1",
        port: int = 9753,
        tls: ServerTls | None = None,
        textfile: Path | None = None,
        source: ConfigSource | None = None,
        on_event: OnEvent = lambda _event: None,
        look_s: float = LOOK_S,
        textfile_s: float = TEXTFILE_S,
    ) -> None:
        self.config = config
        self._host, self._port, self._tls = host, port, tls
        self._textfile, self._source, self._on_event = textfile, source, on_event
        self._look_s, self._textfile_s = look_s, textfile_s
        self._asked = asyncio.Event()
        self._own = OwnFigures(ReloadState(at=time()))
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Listen and begin. OSError when it cannot listen, TrustError for unusable certificates."""
        self._seen = None if self._source is None else self._source.signature()
        self._exposition = Exposition(self._take)
        self._pages = Pages(
            self._exposition, lambda: self.config, lambda: not self._stopping, self._refused
        )
        self._http = HttpServer(self._pages.answer, self._refused)
        await self._http.start(self._host, self._port, self._tls, self._starved)
        self._fleet = Fleet(self._changed)
        self._fleet.apply(self.config)
        if self._source is not None:
            self._tasks.append(asyncio.create_task(self._keep_reading(self._source)))
        if self._textfile is not None:
            self._tasks.append(asyncio.create_task(self._keep_writing(self._textfile)))

    @property
    def url(self) -> str:
        """Where it answers, without a trailing slash."""
        host, port = self._http.address
        shown = f"[{host}]" if ":" in host else host
        return f"{'http' if self._tls is None else 'https'}://{shown}:{port}"

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens: host and port."""
        return self._http.address

    def reload(self) -> None:
        """Read the config again, soon."""
        self._asked.set()

    async def stop(self) -> None:
        """End every connection in good order."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(self._http.stop(), self._fleet.stop())
        self._exposition.close()

    async def __aenter__(self) -> Exporter:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # -- the config ------------------------------------------------------------------------------

    async def _keep_reading(self, source: ConfigSource) -> None:
        while True:
            asked = False
            with suppress(TimeoutError):
                asked = await asyncio.wait_for(self._asked.wait(), self._look_s)
            signature = source.signature()
            if asked or signature != self._seen:
                self._asked.clear()
                self._seen = signature
                await self._read(source)

    async def _read(self, source: ConfigSource) -> None:
        state = self._own.reload
        try:
            config = await asyncio.to_thread(source.read)
        except Exception as error:
            state.successful = False
            known = isinstance(error, ConfigError)
            message = str(error) if known else f"{type(error).__name__}: {error}"
            self._tell("reload-failed", message=message)
            return
        new, gone = self._fleet.apply(config)
        self.config = config
        state.successful, state.at = True, time()
        kept = len(config.targets) - new
        self._tell("reload", kept=kept, new=new, gone=gone)

    # -- metrics ---------------------------------------------------------------------------------

    async def _take(self) -> Snapshot:
        own = self._own
        own.requests = dict(self._pages.requests)
        for status, count in self._http.statuses.items():
            own.requests["other", status] = own.requests.get(("other", status), 0) + count
        own.connections = self._http.open
        return await take(self._fleet, own)

    async def _keep_writing(self, path: Path) -> None:
        while True:
            try:
                await self._exposition.write(path)
            except OSError as error:
                self._tell("textfile-failed", message=f"{path}: {error.strerror or error}")
            await asyncio.sleep(self._textfile_s)

    # -- what is told ----------------------------------------------------------------------------

    def _tell(self, event: str, **facts: Any) -> None:
        self._on_event(ExporterEvent(utc_now(), event, **facts))

    def _changed(self, watched: WatchedTarget, change: Change) -> None:
        name, url = watched.labels["name"] or None, watched.labels["url"]
        if isinstance(change, Error):
            self._tell("unreachable", name=name, url=url, message=change.message, hint=change.hint)
        elif isinstance(change, PingStart):
            at = "" if change.address is None else f" to {change.address}"
            self._tell("reachable", name=name, url=url, message=f"connected again{at}")
        else:
            age, how = format_duration(change.drop.at_s), drop_phrase(change.drop)
            self._tell("drop", name=name, url=url, message=f"dropped after {age}: {how}")

    def _refused(self, peer: str, why: str) -> None:
        self._tell("refused", peer=peer, message=why)

    def _starved(self, error: OSError) -> None:
        message = f"new connections wait: {error.strerror}; `ulimit -n` allows more"
        self._tell("starved", message=message)
