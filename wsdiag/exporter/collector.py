"""A snapshot as prometheus-client's collector: what targets tell, round trips, the exporter's own.

Samples are made while they are rendered, in the rendering thread: a thousand targets have seventy
thousand of them.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from wsdiag.exporter.families import FAMILIES, Kind, Row, Rows
from wsdiag.exporter.snapshot import OwnFigures, Snapshot
from wsdiag.version import __version__

_RTT = "wsdiag_ping_rtt_seconds"


class _Lazy:
    """Samples that are made when they are asked for."""

    def __init__(self, samples: Callable[[], Iterator[Sample]]) -> None:
        self._samples = samples

    def __iter__(self) -> Iterator[Sample]:
        return self._samples()


class SnapshotCollector:
    """What prometheus-client renders: one snapshot's families."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """All families, each with all of its samples."""
        for name, kind, help_, rows in FAMILIES:
            yield self._family(name, kind, help_, rows)
        histogram: Any = Metric(_RTT, "Round trips of Pings, late ones included.", "histogram")
        histogram.samples = _Lazy(self._histogram)
        yield histogram
        yield from _own(self._snapshot.own, len(self._snapshot.targets))
        yield from ProcessCollector(registry=None).collect()

    def _family(self, name: str, kind: Kind, help_: str, rows: Rows) -> Metric:
        sample = f"{name}_total" if kind == "counter" else name

        def samples() -> Iterator[Sample]:
            for labels, figures in self._snapshot.targets:
                for own, value in rows(figures):
                    yield Sample(sample, labels | own if own else labels, value)

        family: Any = Metric(name, help_, kind)
        family.samples = _Lazy(samples)
        return family  # type: ignore[no-any-return]

    def _histogram(self) -> Iterator[Sample]:
        bucket, texts = f"{_RTT}_bucket", list[str]()
        for labels, figures in self._snapshot.targets:
            rtt, count = figures.rtt, 0
            if len(texts) != len(rtt.counts):
                texts = [*map(floatToGoString, rtt.bounds_s), "+Inf"]
            for text, own in zip(texts, rtt.counts, strict=True):
                count += own
                yield Sample(bucket, {**labels, "le": text}, count)
            yield Sample(f"{_RTT}_count", labels, count)
            yield Sample(f"{_RTT}_sum", labels, rtt.sum_s)


def _own(own: OwnFigures, targets: int) -> Iterator[Metric]:
    def family(name: str, kind: Kind, help_: str, *rows: Row) -> Metric:
        made = Metric(name, help_, kind)
        suffix = "_total" if kind == "counter" else ""
        for labels, value in rows:
            made.add_sample(name + suffix, labels, value)
        return made

    built = {"version": __version__, "python": platform.python_version()}
    yield family("wsdiag_build_info", "gauge", "The version that runs; always 1.", (built, 1))
    yield family("wsdiag_exporter_targets", "gauge", "Targets that are watched.", ({}, targets))
    yield family(
        "wsdiag_exporter_config_last_reload_successful",
        "gauge",
        "0 while the file is broken and the one before it is in force, else 1.",
        ({}, float(own.reload.successful)),
    )
    yield family(
        "wsdiag_exporter_config_last_reload_success_timestamp_seconds",
        "gauge",
        "When the file that is in force was read.",
        ({}, own.reload.at),
    )
    yield family(
        "wsdiag_exporter_lag_seconds",
        "gauge",
        "The longest that the exporter itself did not run, in the last minute.",
        ({}, own.lag_s),
    )
    yield family(
        "wsdiag_exporter_stalled_seconds",
        "counter",
        "Time in which the exporter itself should have run and did not (from 10 ms on).",
        ({}, own.stalled_s),
    )
    yield family(
        "wsdiag_exporter_stalls",
        "counter",
        "Times when the exporter itself did not run for more than 100 ms.",
        ({}, own.stalls),
    )
    yield family(
        "wsdiag_exporter_http_connections",
        "gauge",
        "Connections to the exporter's own port that are open.",
        ({}, own.connections),
    )
    yield family(
        "wsdiag_exporter_http_requests",
        "counter",
        "Requests that were answered, by path and status.",
        *(
            ({"path": path, "code": str(code)}, count)
            for (path, code), count in sorted((own.requests or {}).items())
        ),
    )
