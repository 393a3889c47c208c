"""Statistics are compared with straightforward formulas over all samples."""

from __future__ import annotations

import math
import random
import statistics
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsdiag.statistics import RunningStatistics, SortedSamples

ROUND_TRIPS = st.lists(st.floats(0, 1e6, allow_nan=False), min_size=2, max_size=300)


def running(values: list[float]) -> RunningStatistics:
    figures = RunningStatistics()
    for value in values:
        figures.add(value)
    return figures


@given(ROUND_TRIPS)
def test_mean_and_deviation_are_those_of_the_population(values: list[float]) -> None:
    figures = running(values)
    assert figures.mean == pytest.approx(statistics.fmean(values), abs=1e-6)
    assert figures.stddev == pytest.approx(statistics.pstdev(values), rel=1e-6, abs=1e-4)


@given(ROUND_TRIPS)
def test_percentiles_are_type_7(values: list[float]) -> None:
    quartiles = statistics.quantiles(values, n=4, method="inclusive")  # "inclusive" is type 7
    figures = running(values)
    assert [figures.percentile(p) for p in (25, 50, 75)] == pytest.approx(quartiles)
    assert (figures.minimum, figures.maximum) == (min(values), max(values))


def test_percentiles_interpolate() -> None:
    figures = running([10.0, 20.0, 30.0, 40.0])
    assert figures.percentile(90) == pytest.approx(37.0)
    assert figures.percentile(50) == 25.0
    assert figures.percentile(100) == 40.0


def test_jitter_follows_rfc_3550() -> None:
    figures = running([10.0, 26.0, 10.0])
    first = 16 / 16  # J = 0 + (|16| - 0)/16
    assert figures.jitter == pytest.approx(first + (16 - first) / 16)


def test_a_constant_round_trip_has_no_jitter_and_no_deviation() -> None:
    figures = running([48.25] * 1000)
    assert figures.jitter == 0
    assert figures.stddev == pytest.approx(0, abs=1e-12)


def test_without_samples_nothing_is_claimed() -> None:
    figures = RunningStatistics()
    assert [figures.mean, figures.stddev, figures.jitter, figures.percentile(50)] == [None] * 4
    assert [figures.minimum, figures.maximum] == [None, None]
    assert running([3.0]).jitter is None


def test_order_is_kept_over_many_blocks() -> None:
    source = random.Random(8)
    values = [source.choice([1.0, 2.0, source.expovariate(1 / 40)]) for _ in range(20_000)]
    samples = SortedSamples()
    for value in values:
        samples.add(value)
    ordered = sorted(values)
    assert [samples.at(rank) for rank in range(0, len(values), 997)] == ordered[::997]
    assert samples.at(len(values) - 1) == ordered[-1]
    with pytest.raises(IndexError):
        samples.at(len(values))
    with pytest.raises(IndexError):
        samples.at(-1)


def test_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        SortedSamples().add(math.nan)


def test_a_sample_costs_little_more_than_its_eight_bytes() -> None:
    source = random.Random(1)
    tracemalloc.start()
    try:
        figures = RunningStatistics()
        for _ in range(60_000):
            figures.add(source.gauss(48, 3))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # 20 bytes for each second of a week are 12 MB.
    assert held / figures.count < 20
    assert figures.percentile(50) == pytest.approx(48, abs=0.2)


def test_only_the_latest_are_kept() -> None:
    figures = RunningStatistics(most=100)
    for number in range(10_000):
        figures.add(float(number % 1000))
    assert len(figures.samples) == 100
    assert (figures.minimum, figures.maximum) == (900.0, 999.0)
    assert figures.count == 10_000
    assert figures.mean == pytest.approx(499.5)
