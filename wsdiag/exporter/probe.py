"""/probe: one check of one URL, as the blackbox exporter's clients ask for it.

A module is a table of `check`'s options, so what an endpoint must be is written once and in one
language: `probe_success` is 1 where it opened and every check passed. How long that may take is the
scraper's to say, less what it takes to answer; a probe that is cut off did not succeed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from wsdiag.exporter.config import ExporterConfig
from wsdiag.exporter.http_connection import HttpAnswer, HttpRequest
from wsdiag.probes.check.options import Endpoint
from wsdiag.probes.check.runner import EndpointReport, EndpointRun
from wsdiag.transport.dial.target import Target, UrlError
from wsdiag.transport.report import DialReport

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

AT_ONCE = 64
DEFAULT_S, LONGEST_S, SHORTEST_S = 10.0, 120.0, 0.1
ANSWERING_S = 0.5
"""What is kept of a scrape's timeout to send the answer, as in the blackbox exporter."""


class ProbeRefused(Exception):
    """A request for a probe that is not made; `status` is what HTTP calls it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """What is to be probed, and within how many seconds."""

    endpoint: Endpoint
    within_s: float


@dataclass(slots=True)
class ProbeFigures:
    """What a probe found."""

    took_s: float
    timed_out: bool
    result: EndpointReport
    dialled: DialReport

    @property
    def success(self) -> bool:
        """Whether it opened, and everything that was checked holds."""
        judged = self.result.results
        passed = any(each.status in ("pass", "warn") for each in judged)
        failed = any(each.status == "fail" or each.unmeasured for each in judged)
        return passed and not failed and not self.timed_out and self.result.error is None


def read_request(request: HttpRequest, config: ExporterConfig) -> ProbeRequest:
    """The probe that a request asks for. Raises ProbeRefused."""
    try:
        query = parse_qs(request.query, max_num_fields=16, strict_parsing=bool(request.query))
    except ValueError:
        raise ProbeRefused(400, "the query cannot be read") from None
    if len(query.get("target", ())) != 1:
        raise ProbeRefused(400, "name one URL: /probe?target=URL&module=NAME")
    if len(names := query.get("module", [""])) > 1:
        raise ProbeRefused(400, "name one module")
    module = config.modules.get(names[0])
    if module is None and names[0]:
        raise ProbeRefused(400, f"there is no [module.{names[0][:80]}] in the file")
    try:
        target = Target.parse(query["target"][0])
    except UrlError as error:
        raise ProbeRefused(400, f"target: {error.message}") from None
    if not config.allow.allows(target):
        why = "is not among those of allow" if config.allow.globs else "needs allow"
        raise ProbeRefused(403, f"this target {why}, in [exporter] of the file")
    endpoint = module or Endpoint(url=target.url)
    # a redirect could lead to where `allow` does not
    dial = replace(endpoint.dial, location=False)
    endpoint = replace(endpoint, url=target.url, name=None, dial=dial)
    return ProbeRequest(endpoint, _within_s(request.headers))


def _within_s(headers: Mapping[str, str]) -> float:
    text = headers.get("x-prometheus-scrape-timeout-seconds")
    if text is None:
        return DEFAULT_S
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ProbeRefused(400, "X-Prometheus-Scrape-Timeout-Seconds is not a number of seconds")
    kept_s = min(ANSWERING_S, seconds / 2)
    return min(max(seconds - kept_s, SHORTEST_S), LONGEST_S)


class Prober:
    """Makes probes, so many at once."""

    def __init__(self) -> None:
        self._running = 0

    async def probe(self, wanted: ProbeRequest) -> ProbeFigures:
        """One probe, in the time that it may take. ProbeRefused where there are too many."""
        if self._running >= AT_ONCE:
            raise ProbeRefused(503, f"{AT_ONCE} probes are under way")
        loop = asyncio.get_running_loop()
        run = EndpointRun(wanted.endpoint, lambda _: None, None)
        self._running += 1
        began_s, timed_out = loop.time(), False
        try:
            async with asyncio.timeout(wanted.within_s):
                await run.run()
        except TimeoutError:
            timed_out = True
        finally:
            self._running -= 1
        return ProbeFigures(loop.time() - began_s, timed_out, run.report(), run.dialled)


class ProbeCollector:
    """What prometheus-client renders: the figures of one probe."""

    def __init__(self, figures: ProbeFigures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """All families."""
        from prometheus_client.metrics_core import GaugeMetricFamily

        figures, report = self._figures, self._figures.dialled
        yield GaugeMetricFamily(
            "probe_success",
            "Displays whether or not the probe was a success",
            float(figures.success),
        )
        yield GaugeMetricFamily(
            "probe_duration_seconds",
            "Returns how long the probe took to complete in seconds",
            figures.took_s,
        )
        timed_out = "1 if the scrape's timeout cut the probe off."
        yield GaugeMetricFamily("probe_timed_out", timed_out, float(figures.timed_out))
        if report.phases_ms:
            phases = GaugeMetricFamily(
                "probe_connect_phase_seconds",
                "How long each phase of connecting took.",
                labels=["phase"],
            )
            for phase, took_ms in report.phases_ms.items():
                phases.add_metric([phase], took_ms / 1e3)
            yield phases
        if report.status is not None:
            status = "HTTP status of the answer to the upgrade; 101 for a WebSocket."
            yield GaugeMetricFamily("probe_http_status_code", status, report.status)
        expiry = None if report.tls is None else report.tls.not_after
        if expiry is not None:
            yield GaugeMetricFamily(
                "probe_tls_certificate_expiry_timestamp_seconds",
                "When the server's certificate expires.",
                datetime.fromisoformat(expiry).timestamp(),
            )
        yield from self._checks()

    def _checks(self) -> Iterator[Metric]:
        from prometheus_client.metrics_core import GaugeMetricFamily

        passed = GaugeMetricFamily(
            "probe_check_passed",
            "Each check that was judged: 1 passed (or is a warning), 0 failed.",
            labels=["check"],
        )
        for each in self._figures.result.results:
            if each.status != "skip":
                passed.add_metric([each.id], float(each.status != "fail"))
        yield passed


def answer(figures: ProbeFigures, *, openmetrics: bool) -> HttpAnswer:
    """The answer to a scrape, whatever the probe found."""
    from wsdiag.exporter.exposition import Format, text_of

    wanted = Format(openmetrics=openmetrics)
    return HttpAnswer(200, text_of(ProbeCollector(figures), wanted), wanted.content_type)
