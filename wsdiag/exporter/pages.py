"""What each path of the exporter's port answers; all others are 404, however they are spelt."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Awaitable, Callable

from wsdiag.exporter import probe
from wsdiag.exporter.config import ExporterConfig
from wsdiag.exporter.exposition import Exposition, negotiate
from wsdiag.exporter.http_connection import HttpAnswer, HttpRequest
from wsdiag.version import __version__

_SHOWN_TARGETS = 1000
_SHOWN_METHOD, _SHOWN_PATH = 16, 200

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>wsdiag exporter</title>
<style>body{{font:16px/1.5 sans-serif;margin:2em;max-width:60em}}td,th{{text-align:left;
padding:.1em 1em .1em 0}}</style>
<h1>wsdiag exporter</h1>
<p>Version {version}. {count} targets.</p>
<ul><li><a href="/metrics">/metrics</a>
<li>/probe?target=URL&amp;module=NAME
<li><a href="/-/healthy">/-/healthy</a>
<li><a href="/-/ready">/-/ready</a></ul>
{table}</html>
"""
_PAGE_HEADERS = [
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ("Referrer-Policy", "no-referrer"),
]


class Pages:
    """Answers requests; `config` and `is_ready` say what is so at the moment."""

    def __init__(
        self,
        exposition: Exposition,
        config: Callable[[], ExporterConfig],
        is_ready: Callable[[], bool],
        on_refused: Callable[[str, str], None],
    ) -> None:
        self._exposition, self._config, self._is_ready = exposition, config, is_ready
        self._on_refused = on_refused
        self._prober = probe.Prober()
        self.requests: Counter[tuple[str, int]] = Counter()
        self._paths: dict[str, Callable[[HttpRequest], Awaitable[HttpAnswer]]] = {
            "/": self._page,
            "/metrics": self._metrics,
            "/probe": self._probe,
            "/-/healthy": self._healthy,
            "/-/ready": self._ready,
        }

    async def answer(self, request: HttpRequest) -> HttpAnswer:
        """The answer to any request, counted."""
        page = self._paths.get(request.path)
        if page is None:
            answer = HttpAnswer(404, b"not found\n")
        elif request.method not in ("GET", "HEAD"):
            answer = HttpAnswer(405, b"use GET\n", headers=[("Allow", "GET, HEAD")])
        else:
            answer = await page(request)
        if answer.status in (403, 404, 405):
            asked = f"{request.method[:_SHOWN_METHOD]} {request.path[:_SHOWN_PATH]}"
            self._on_refused(request.peer, f"{asked}: {answer.status}")
        self.requests["other" if page is None else request.path, answer.status] += 1
        return answer

    async def _metrics(self, request: HttpRequest) -> HttpAnswer:
        accept, encoding = (request.headers.get(name, "") for name in ("accept", "accept-encoding"))
        wanted = negotiate(accept, encoding)
        body = await self._exposition.render(wanted)
        headers = [("Vary", "Accept, Accept-Encoding")]
        if wanted.gzip:
            headers.append(("Content-Encoding", "gzip"))
        return HttpAnswer(200, body, wanted.content_type, headers)

    async def _probe(self, request: HttpRequest) -> HttpAnswer:
        try:
            wanted = probe.read_request(request, self._config())
            figures = await self._prober.probe(wanted)
        except probe.ProbeRefused as refused:
            return HttpAnswer(refused.status, f"{refused}\n".encode())
        wants = negotiate(request.headers.get("accept", ""), "")
        return probe.answer(figures, openmetrics=wants.openmetrics)

    async def _healthy(self, request: HttpRequest) -> HttpAnswer:
        return HttpAnswer(200, b"healthy\n")

    async def _ready(self, request: HttpRequest) -> HttpAnswer:
        ready = self._is_ready()
        return HttpAnswer(200 if ready else 503, b"ready\n" if ready else b"not ready\n")

    async def _page(self, request: HttpRequest) -> HttpAnswer:
        targets = self._config().targets
        rows = "".join(
            f"<tr><td>{html.escape(each.name)}<td>{html.escape(each.shown_url)}\n"
            for each in targets[:_SHOWN_TARGETS]
        )
        table = f"<table><tr><th>name<th>url\n{rows}</table>" if targets else ""
        page = _PAGE.format(version=__version__, count=len(targets), table=table)
        return HttpAnswer(200, page.encode(), "text/html; charset=utf-8", list(_PAGE_HEADERS))
