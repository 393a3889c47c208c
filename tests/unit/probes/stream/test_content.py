"""Paths into messages, times in any unit, and what is no JSON."""

from __future__ import annotations

import pytest

from wsdiag.probes.common.jsonpath import JsonPath
from wsdiag.probes.stream.content import ContentReader, is_json, read_json
from wsdiag.probes.stream.lag import LagMeter, read_time
from wsdiag.probes.stream.options import StreamOptions

MESSAGE = '{"data":{"s":"btc","n":"7","t":1767225600123},"list":[1,{"x":2}]}'


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("$", ()),
        ("$.a.b", ("a", "b")),
        ("a.b", ("a", "b")),
        ("a.b[0]['c d']", ("a", "b", 0, "c d")),
        ("[1].x", (1, "x")),
        ('$["q\\"t"]', ('q"t',)),
    ],
)
def test_paths_are_read_with_and_without_their_beginning(path: str, steps: object) -> None:
    assert JsonPath.parse(path).steps == steps


@pytest.mark.parametrize("path", ["", "$..a", "$.*", "$[*]", "a b", "$.a=1", "$[01]", "$.a[", "$."])
def test_what_is_no_path_is_refused_with_a_reason(path: str) -> None:
    with pytest.raises(ValueError, match=r"JSONPath|supported|cannot read"):
        JsonPath.parse(path)


def test_a_long_path_takes_time_in_proportion() -> None:
    assert len(JsonPath.parse("$" + ".a" * 100_000).steps) == 100_000


def test_what_the_paths_find() -> None:
    options = StreamOptions(
        by="data.s", seq="$.data.n", time="$.data.t", field="list[1].x", show="text"
    )
    content = ContentReader(options).read(MESSAGE)
    assert content[:5] == (True, "btc", "7", 1767225600123, 2)
    assert ContentReader(options).read('{"data":[]}')[:5] == (True, None, None, None, None)
    assert not ContentReader(options).read("hello").json


@pytest.mark.parametrize("message", ['42["price",{"s":1}]', '42/feed,17["price",{"s":1}]'])
def test_an_event_of_socket_io_is_json_behind_its_prefix(message: str) -> None:
    assert JsonPath.parse("$[1].s").find(read_json(message)) == 1


@pytest.mark.parametrize("message", ["", "push 1", b"\xff\xfe", "[" * 100_000, "2", "1" * 5000])
def test_odd_messages_do_no_harm(message: str | bytes) -> None:
    assert is_json(read_json(message)) == (message == "2")


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (1767225600, "s"),
        (1767225600.5, "s"),
        (1767225600123, "ms"),
        ("1767225600123", "ms"),
        (1767225600123456, "us"),
        (1767225600123456789, "ns"),
        ("2026-01-01T00:00:00Z", "RFC 3339"),
        ("2026-01-01T01:00:00+01:00", "RFC 3339"),
        ("2026-01-01T00:00:00", "ISO 8601 without a zone, taken for UTC"),
    ],
)
def test_the_unit_of_a_time_is_guessed_from_its_size(value: object, unit: str) -> None:
    read = read_time(value)
    assert read is not None
    assert read[1] == unit
    assert read[0] == pytest.approx(1767225600, abs=1)


@pytest.mark.parametrize(
    "value", [None, True, 12, "soon", {}, float("nan"), 10**400, "9" * 200, "0001-01-01T00:00:00Z"]
)
def test_what_is_no_time(value: object) -> None:
    assert read_time(value) is None


def test_lag_may_be_negative_where_clocks_differ() -> None:
    meter = LagMeter()
    assert meter.add(1767225601, 1767225600.5) == pytest.approx(-500)
    assert meter.add("now", 0) is None
    assert meter.record().untimed == 1
