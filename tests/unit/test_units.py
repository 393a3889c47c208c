"""Durations and sizes, read and written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsdiag.units import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("2s", 2),
        ("1m30s", 90),
        ("0.5", 0.5),
        (".5", 0.5),
        ("20", 20),
        ("1h", 3600),
        ("1d2h", 93600),
        ("500us", 0.0005),
        (" 3s ", 3),
        ("1.5m", 90),
    ],
)
def test_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "-1", "1 s", "1x", "1s2", "inf", "nan", "1e3", "١"])
def test_duration_refuses_what_it_cannot_be_sure_of(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


def test_duration_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        parse_duration("9" * 400)


@pytest.mark.parametrize(
    ("text", "count"),
    [("64", 64), ("16k", 16384), ("4M", 4 << 20), ("1g", 1 << 30), ("2KiB", 2048), ("3B", 3)],
)
def test_size_is_read(text: str, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "k", "-1", "1.5k", "1t", "1 k"])
def test_size_refuses_the_rest(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.25, "250 ms"),
        (0.9994, "999 ms"),
        (1, "1 s"),
        (59.9, "59.9 s"),
        (60, "1 m"),
        (90, "1 m 30 s"),
        (7500, "2 h 5 m"),
        (93600, "1 d 2 h"),
        (-2, "-2 s"),
    ],
)
def test_duration_is_written(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(min_value=1, max_value=10**6))
def test_whole_seconds_survive_writing_in_two_parts(seconds: int) -> None:
    shown = parse_duration(format_duration(seconds).replace(" ", ""))
    assert abs(shown - seconds) <= (3600 if seconds >= 86400 else 60 if seconds >= 3600 else 0.5)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (64, "64 B"), (1536, "1.5 KiB"), (16 << 20, "16 MiB")]
)
def test_size_is_written(count: int, text: str) -> None:
    assert format_size(count) == text
