"""Axes in round units, moments in bounded memory, marks where they belong."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsdiag.render.ping.axis import latency_label, latency_scale, time_label, time_step
from wsdiag.render.ping.canvas import STYLES, Canvas
from wsdiag.render.ping.chart import LatencyChart
from wsdiag.render.ping.series import Buckets, Sample, Series, Tally


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
    assert [latency_label(v) for v in (0, 0.2, 5, 1500)] == ["0", "200 µs", "5 ms", "1.5 s"]
    assert [time_label(v) for v in (0.5, 60, 90, 150, 7200)] == [
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


def test_percentiles_are_right_to_their_digits() -> None:
    rng = random.Random(1)
    values = sorted(rng.lognormvariate(2, 1) for _ in range(5000))
    tally = Tally()
    for value in values:
        tally.add(Sample(0, value))
    tally.add(Sample(0, None))
    for percent, found in zip((50, 95, 99), tally.percentiles(50, 95, 99), strict=True):
        assert found == pytest.approx(values[round(len(values) * percent / 100) - 1], rel=1e-3)
    assert tally.max_ms == values[-1]
    assert tally.loss_pct == pytest.approx(100 / 5001)


@pytest.mark.parametrize("name", ["braille", "block", "ascii"])
def test_strokes_fill_their_dots_and_no_others(name: str) -> None:
    style = STYLES[name]  # type: ignore[index]
    canvas = Canvas(3, 4, style)
    canvas.stroke(style.across, 1, canvas.height - 2, 1)
    bits = sum(mask.bit_count() for row in canvas.masks for mask in row)
    assert bits == canvas.height - 2
    assert all(canvas.text(row)[0] == " " for row in range(4))
