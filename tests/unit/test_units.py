"""Durations and sizes, read and written."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsdiag.units import (
    counted,
    format_duration,
    format_lags,
    format_latency,
    format_moment,
    format_ms,
    format_number,
    format_percent,
    format_rough_ms,
    format_seconds,
    format_size,
    parse_duration,
    parse_size,
    times,
)


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


WRITTEN: dict[Callable[..., str], dict[object, str]] = {
    format_duration: {
        0: "0 ms",
        0.25: "250 ms",
        0.9994: "999 ms",
        1: "1 s",
        59.9: "59.9 s",
        60: "1 m",
        90: "1 m 30 s",
        7500: "2 h 5 m",
        93600: "1 d 2 h",
        -2: "-2 s",
    },
    format_moment: {0.5: "0.5s", 60: "60s", 90: "90s", 150: "2m30s", 7200: "2h", 90061: "1d1h1m1s"},
    format_seconds: {
        60.0: "60 s",
        60.04: "60 s",
        60.06: "60.1 s",
        2.75: "2.75 s",
        0.254: "0.25 s",
        1e6: "1000000 s",
        None: "-",
    },
    format_ms: {
        0.0: "0.000",
        0.4123: "0.412",
        0.9996: "1.00",
        9.994: "9.99",
        9.996: "10.0",
        12.34: "12.3",
        99.96: "100",
        1234.5: "1234",
        -12.34: "-12.3",
        None: "-",
    },
    format_lags: {
        0.5: "0.500 ms",
        -1234.5: "-1234 ms",
        59_949: "59949 ms",
        -3_600_000: "-1 h",
        None: "-",
    },
    format_rough_ms: {0.123: "0.12", 4.83: "4.8", 4.0: "4", 48.4: "48", 1203.4: "1203"},
    format_latency: {0: "0", 0.2: "200 µs", 0.9996: "0.9996 ms", 5: "5 ms", 1500: "1.5 s"},
    format_size: {
        0: "0 B",
        64: "64 B",
        1023: "1023 B",
        1536: "1.5 KiB",
        8297251: "7.9 MiB",
        16 << 20: "16 MiB",
        3 << 40: "3072 GiB",
    },
    format_percent: {
        0.0: "0%",
        0.01: "<0.1%",
        3.333: "3.33%",
        99.99: "99.9%",
        100.0: "100%",
        None: "-",
    },
    format_number: {250.0: "250", 99.54321: "99.54", 9999.6: "10000", 12345.6: "12346"},
    times: {0: "0 times", 1: "once", 2: "twice", 3: "3 times"},
}


@pytest.mark.parametrize(
    ("written", "value", "text"),
    [(written, *case) for written, table in WRITTEN.items() for case in table.items()],
)
def test_figures_are_written(written: Callable[..., str], value: object, text: str) -> None:
    assert written(value) == text


def test_nouns_are_counted() -> None:
    assert [counted(n, "reply", "replies") for n in (0, 1, 2)] == [
        "0 replies",
        "1 reply",
        "2 replies",
    ]
    assert counted(3, "drop") == "3 drops"


@given(st.integers(min_value=1, max_value=10**6))
def test_whole_seconds_survive_writing_in_two_parts(seconds: int) -> None:
    shown = parse_duration(format_duration(seconds).replace(" ", ""))
    assert abs(shown - seconds) <= (3600 if seconds >= 86400 else 60 if seconds >= 3600 else 0.5)


@given(st.floats(min_value=0.1, max_value=99.9))
def test_no_percentage_of_some_reads_as_none_or_all(value: float) -> None:
    assert format_percent(value) not in ("0%", "100%")


def test_one_long_lag_makes_durations_of_all() -> None:
    assert format_lags(12.34, None, 99.96) == "12.3/-/100 ms"
    assert format_lags(-3_599_999, None, 7_200_000) == "-1 h/-/2 h"
