"""Axes in round units, moments in bounded memory, marks where they belong."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import wsdiag
from wsdiag.render.ping.axis import latency_scale, time_step
from wsdiag.render.ping.canvas import STYLES, Canvas
from wsdiag.render.ping.chart import LatencyChart
from wsdiag.render.ping.series import Buckets, RoundTripFigures, Sample, Series, SeriesGroup
from wsdiag.statistics import RunningStatistics
from wsdiag.units import format_latency, format_moment


def chart_of(samples: Iterable[Sample], *, height: int, name: str = "") -> LatencyChart:
    """A chart of one series over its whole time."""
    series, end_s = Series(name), 0.0
    for sample in samples:
        series.add(sample)
        end_s = max(end_s, sample.t_s)
    return LatencyChart([series], end_s, height)


def _rows(chart: LatencyChart, width: int = 60) -> list[str]:
    return ["".join(part.text for part in line) for line in chart.lines(width)]


@pytest.mark.parametrize(
    ("low", "high", "ticks", "marks"),
    [
        (0.2, 0.9, 4, (0, 0.5)),
        (1.0, 9.3, 4, (0, 5)),
        (40, 103, 4, (0, 50, 100)),
        (46, 48, 4, (46, 46.5, 47, 47.5, 48)),
    ],
)
def test_scales_are_round_and_hold_all(
    low: float, high: float, ticks: int, marks: tuple[float, ...]
) -> None:
    scale = latency_scale(low, high, ticks)
    assert scale.low <= low
    assert scale.high >= high
    assert scale.ticks == pytest.approx(marks) or set(marks) <= set(scale.ticks)


@given(
    st.floats(1e-3, 1e5),
    st.floats(1.0, 1e4),
    st.integers(1, 12),
    st.booleans(),
    st.one_of(st.none(), st.floats(0.01, 1e5)),
)
def test_any_scale_is_sane(
    low: float, factor: float, ticks: int, log: bool, top: float | None
) -> None:
    scale = latency_scale(low, low * factor, ticks, top=top, log=log)
    assert scale.low < scale.high
    assert len(scale.ticks) <= 3 * ticks + 4
    assert 0.0 <= scale.at(low) <= scale.at(low * factor) <= 1.0


def test_labels() -> None:
    assert [format_latency(v) for v in (0, 0.2, 5, 1500)] == ["0", "200 µs", "5 ms", "1.5 s"]
    assert [format_moment(v) for v in (0.5, 60, 90, 150, 7200)] == [
        "0.5s",
        "60s",
        "90s",
        "2m30s",
        "2h",
    ]
    assert [time_step(60, 4), time_step(3, 10), time_step(7 * 86400, 7)] == [15, 0.5, 86400]


def test_a_loss_is_a_wall_and_a_mark() -> None:
    rows = _rows(chart_of([Sample(t, None if t == 5 else 10.0) for t in range(10)], height=12))
    column = rows[-2].index("╳")
    assert all(row[column] == "│" for row in rows[:3])
    assert rows[-2].count("╳") == 1


def test_a_late_pong_a_close_and_each_cause_have_marks_of_their_own() -> None:
    samples = [Sample(t, 10.0) for t in range(20)]
    samples += [Sample(20, 30.0, late=True), Sample(24, None, closed=True)]
    for t, cause in enumerate(("network", "endpoint", "queue", "local"), 30):
        samples.append(Sample(t * 2, 50.0, cause=cause))  # type: ignore[arg-type]
    text = "\n".join(_rows(chart_of(samples, height=12), 100))
    assert all(mark in text for mark in "◌▼▲◆■●")


def test_everything_lost_is_still_a_picture() -> None:
    rows = _rows(chart_of([Sample(t, None) for t in range(60)], height=12))
    assert rows[-2].count("╳") > 40


@pytest.mark.parametrize("width", [5, 20, 29, 30, 40, 80, 200])
@pytest.mark.parametrize("height", [1, 3, 5, 22, 48])
def test_lines_are_as_wide_as_asked(width: int, height: int) -> None:
    chart = chart_of([Sample(t / 10, 10 + t % 7) for t in range(300)], height=height)
    rows = _rows(chart, width)
    assert {len(row) for row in rows} == {width}
    assert len(rows) == max(height, 3)


def test_no_samples_no_crash() -> None:
    assert len(_rows(LatencyChart([Series("x")], 0.0, 10, 60.0))) == 10


def test_no_sample_is_decimated_away() -> None:
    samples = [Sample(t / 1000, 500.0 if t == 31_415 else 1.0) for t in range(60_000)]
    series = Series("x")
    for sample in samples:
        series.add(sample)
    for window in (60.0, None):
        rows = _rows(LatencyChart([series], 60.0, 20, window))
        assert any("⡇" in row or "⢸" in row or "⣿" in row for row in rows[1:3])


def test_moments_stay_bounded_and_lose_nothing() -> None:
    whole, recent = Buckets(0.01, 64, rolling=False), Buckets(1.0, 64, rolling=True)
    for t in range(100_000):
        sample = Sample(t * 1.0, None if t % 1000 == 0 else 5.0 + t % 3)
        whole.add(sample)
        recent.add(sample)
    kept = [moment for _, moment in whole.between(0, 1e9)]
    assert len(kept) <= 64
    assert sum(moment.lost for moment in kept) == 100
    assert len(list(recent.between(0, 1e9))) <= 64


def test_the_panel_has_the_figures_of_the_summary() -> None:
    rng = random.Random(1)
    values = [rng.lognormvariate(2, 1) for _ in range(5000)]
    summary = RunningStatistics()
    shown = RoundTripFigures()
    for value in values:
        summary.add(value)
        shown.add(Sample(0, value))
    shown.add(Sample(0, None))
    shown.add(Sample(0, 9999.0, late=True))
    assert shown.values_ms() == {
        "now": values[-1],
        "min": summary.minimum,
        "p50": summary.percentile(50),
        "p95": summary.percentile(95),
        "p99": summary.percentile(99),
        "max": summary.maximum,
    }
    assert shown.loss_pct == pytest.approx(100 / 5001)


def test_what_a_run_shows_last_is_what_its_summary_says() -> None:
    async def run() -> tuple[RoundTripFigures, wsdiag.PingSummary]:
        async with wsdiag.serve() as server:
            url = server.url + "/latency/30?jitter=30&distribution=uniform"
            group = SeriesGroup([url], str, 60.0)
            async for event in wsdiag.ping(url, count=40, interval_s=0.01, timeout_s=0.04):
                if isinstance(event, wsdiag.PingReply):
                    group.add(url, Sample(0, event.rtt_ms, late=event.late))
                elif isinstance(event, wsdiag.PingLost):
                    group.add(url, Sample(0, None))
                elif isinstance(event, wsdiag.PingSummary):
                    return group.figures, event
        raise AssertionError("no summary")

    shown, summary = asyncio.run(run())
    assert shown.lost
    assert (shown.received, shown.lost, shown.loss_pct) == (
        summary.received,
        summary.lost,
        summary.loss_pct,
    )
    for name in ("min", "p50", "p95", "p99", "max"):
        assert shown.values_ms()[name] == getattr(summary, f"{name}_ms")


@pytest.mark.parametrize("name", ["braille", "block", "ascii"])
def test_strokes_fill_their_dots_and_no_others(name: str) -> None:
    style = STYLES[name]  # type: ignore[index]
    canvas = Canvas(3, 4, style)
    canvas.stroke(style.across, 1, canvas.height - 2, 1)
    bits = sum(mask.bit_count() for row in canvas.masks for mask in row)
    assert bits == canvas.height - 2
    assert all(canvas.text(row)[0] == " " for row in range(4))
