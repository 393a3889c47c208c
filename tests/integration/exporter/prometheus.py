"""A real Prometheus, its API, and an exporter in this process whose rare figures can be made."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.peers.peers import Peers
from tests.peers.proxies import launch
from tests.peers.tools import require_tool
from wsdiag.exporter.config import ExporterConfig
from wsdiag.exporter.exporter import Exporter


class Prometheus:
    """A running one, by its HTTP API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **query: str) -> Any:
        """`data` of an answer."""
        asked = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[Any]:
        """What an expression yields now."""
        found: list[Any] = self.get("query", query=expression)["result"]
        return found

    def until(self, expression: str, within_s: float = 60) -> list[Any]:
        """Ask until it yields something."""
        ends = time.monotonic() + within_s
        while not (found := self.query(expression)):
            assert time.monotonic() < ends, f"no data: {expression}"
            time.sleep(0.3)
        return found


def start_prometheus(peers: Peers, place: Path, config: str) -> Prometheus:
    """Start it with this prometheus.yml; it ends with the test."""
    program = require_tool("prometheus")
    (place / "prometheus.yml").write_text(config)

    def make(port: int) -> list[str]:
        return [
            program,
            f"--config.file={place / 'prometheus.yml'}",
            f"--storage.tsdb.path={place / f'data{port}'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ]

    peer = launch(make, place / "log", host="127.0.0.1", tls=False, netns=None)
    peers._keep(peer)
    peer.daemon.wait_until(lambda: _is_ready(peer.http_url), "it was ready")
    return Prometheus(peer.http_url)


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class Background:
    """An exporter with an event loop of its own; `call` runs something there."""

    def __init__(self, config: ExporterConfig) -> None:
        self._loop = asyncio.SelectorEventLoop()
        self._stop = asyncio.Event()
        self._started = threading.Event()
        self.exporter: Exporter
        self.url = ""
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._run(config),), daemon=True
        )
        self._thread.start()
        assert self._started.wait(30)

    async def _run(self, config: ExporterConfig) -> None:
        async with Exporter(config, port=0) as self.exporter:
            self.url = self.exporter.url
            self._started.set()
            await self._stop.wait()

    def call(self, what: Callable[[Exporter], None]) -> None:
        """Run it in the exporter's thread, and wait."""
        done = threading.Event()

        def run() -> None:
            what(self.exporter)
            done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(10)

    def stop(self) -> None:
        """End it in good order."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        self._loop.close()


@contextmanager
def exporting(config: ExporterConfig) -> Iterator[Background]:
    """A running exporter, stopped at the end."""
    running = Background(config)
    try:
        yield running
    finally:
        running.stop()
