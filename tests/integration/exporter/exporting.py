"""`wsdiag exporter` as a user runs it, and what it answers."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as classic

from tests.peers.command import Running
from tests.peers.peers import Peers

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
Labels = Mapping[str, str]


@dataclass(frozen=True)
class Response:
    """What a request was answered."""

    status: int
    headers: Labels
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Metrics:
    """One scrape's samples."""

    def __init__(self, text: str, *, is_openmetrics: bool = False) -> None:
        self.text = text
        self.families = list((openmetrics if is_openmetrics else classic)(text))
        self.samples = [sample for family in self.families for sample in family.samples]

    def all(self, metric: str, /, **labels: str) -> list[tuple[Labels, float]]:
        """Labels and value of every sample of this metric that has these labels."""
        return [
            (sample.labels, sample.value)
            for sample in self.samples
            if sample.name == metric and labels.items() <= sample.labels.items()
        ]

    def one(self, metric: str, /, **labels: str) -> float:
        """The value of the only such sample."""
        found = self.all(metric, **labels)
        assert len(found) == 1, f"{metric} {labels}: {found}"
        return found[0][1]

    def total(self, metric: str, /, **labels: str) -> float:
        """The sum of such samples; 0 where there is none."""
        return sum(value for _, value in self.all(metric, **labels))


class Exporting:
    """A running exporter."""

    def __init__(self, running: Running, url: str, context: ssl.SSLContext | None) -> None:
        self.running, self.url, self._context = running, url, context

    def get(
        self, path: str, headers: Labels | None = None, method: str = "GET", timeout: float = 30
    ) -> Response:
        """The answer to one request."""
        where = urlsplit(self.url)
        assert where.hostname is not None
        if where.scheme == "https":
            made: http.client.HTTPConnection = http.client.HTTPSConnection(
                where.hostname, where.port, timeout=timeout, context=self._context
            )
        else:
            made = http.client.HTTPConnection(where.hostname, where.port, timeout=timeout)
        try:
            made.request(method, path, headers=dict(headers or {}))
            answer = made.getresponse()
            return Response(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            made.close()

    def metrics(self) -> Metrics:
        """A scrape in the classic format."""
        answer = self.get("/metrics")
        assert answer.status == 200
        return Metrics(answer.text)

    def until(self, holds: Callable[[Metrics], object], within_s: float = 30) -> Metrics:
        """Scrape until something holds."""
        ends = time.monotonic() + within_s
        while not holds(seen := self.metrics()):
            assert time.monotonic() < ends, f"{seen.text}\n{self.running.err}"
            time.sleep(0.1)
        return seen


def write(path: Path, *tables: str) -> Path:
    """A file of targets, whole at once as editors write it."""
    beside = path.with_suffix(".new")
    beside.write_text("\n".join(tables))
    beside.replace(path)
    return path


def endpoint(url: str, **options: str | float | bool) -> str:
    """A table [[endpoint]]."""
    lines = [f"{key.replace('_', '-')} = {json.dumps(value)}" for key, value in options.items()]
    return "\n".join(["[[endpoint]]", f"url = {json.dumps(url)}", *lines, ""])


def start(
    peers: Peers, config: Path, *args: str, context: ssl.SSLContext | None = None
) -> Exporting:
    """Start it on a free port."""
    line = ("exporter", "-f", str(config), "--listen", "127.0.0.1:0", "-o", "json", *args)
    running = peers.start_wsdiag(*line)
    return Exporting(running, running.wait_record("exporter.listening")["url"], context)
