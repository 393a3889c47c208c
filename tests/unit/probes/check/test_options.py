"""Expectations as a user writes them: statuses, headers."""

from __future__ import annotations

import pytest

from wsdiag.probes.check.options import HeaderExpectation, parse_statuses


@pytest.mark.parametrize(
    ("text", "codes"), [("403", {403}), ("401, 403", {401, 403}), ("4xx", set(range(400, 500)))]
)
def test_statuses(text: str, codes: set[int]) -> None:
    assert parse_statuses(text) == codes


@pytest.mark.parametrize("text", ["", "40", "4x", "600", "403,", "abc", "4033"])
def test_statuses_refused(text: str) -> None:
    with pytest.raises(ValueError, match="HTTP status"):
        parse_statuses(text)


@pytest.mark.parametrize("text", ["", "X", ": x", "X: ("])
def test_header_expectations_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        HeaderExpectation.parse(text)
