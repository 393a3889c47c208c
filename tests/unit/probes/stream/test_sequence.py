"""Sequence numbers: what is missing, came twice, came late, or began anew."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from wsdiag.probes.stream.sequence import SequenceCheck, as_number


def judged(numbers: Sequence[int]) -> tuple[list[str], SequenceCheck]:
    check = SequenceCheck()
    found = [each.kind for number in numbers if (each := check.add(number)) is not None]
    return found, check


@pytest.mark.parametrize(
    ("numbers", "kinds", "missing"),
    [
        ([1, 2, 3, 4], [], 0),
        ([500, 501, 502], [], 0),
        ([1, 2, 5, 6], ["missing"], 2),
        ([1, 2, 2, 3], ["repeated"], 0),
        ([1, 3, 2, 4], ["missing", "reordered"], 0),
        ([5, 4, 6], ["reordered"], 0),
        # Late ones of the beginning are eight at most, however far down they go.
        (list(range(900, 890, -1)), ["reordered"] * 8 + ["restarted"], 0),
        ([1, 2, 3, 4, 5, 1, 2, 3], ["restarted"], 0),
        ([700, 701, 3, 4], ["restarted"], 0),
        ([1, 10, 5, 4, 11], ["missing", "reordered", "reordered"], 6),
        ([10**18, 10**18 + 1, 10**18 + 3], ["missing"], 1),
        ([1, 2, 3, 9, 1, 2], ["missing", "restarted"], 5),
    ],
)
def test_numbers_are_judged(numbers: list[int], kinds: list[str], missing: int) -> None:
    found, check = judged(numbers)
    assert found == kinds
    assert check.counts.missing == missing


def test_memory_of_what_is_missing_is_bounded() -> None:
    _, check = judged(range(1, 100_001, 2))
    assert check.counts.missing == 49_999
    assert len(check._missing) <= 64


@pytest.mark.parametrize(
    ("numbers", "missed"), [([12], 1), ([11], 0), ([329], 318), ([9], 0), ([1], None)]
)
def test_what_was_missed_between_two_connections(numbers: list[int], missed: int | None) -> None:
    _, check = judged(range(1, 11))
    check.reconnected, check.missed = True, -1
    for number in numbers:
        check.add(number)
    assert check.missed == missed


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3),
        ("17", 17),
        (4.0, 4),
        (4.5, None),
        (True, None),
        (None, None),
        ("x", None),
        ([], None),
        (-5, -5),
        (2**64 - 1, 2**64 - 1),
        (2**64, None),
        ("9" * 20, None),
        (1.7e308, None),
        (float("inf"), None),
    ],
)
def test_what_counts_as_a_number(value: object, number: int | None) -> None:
    assert as_number(value) == number


U = None  # a message whose number is not known


@pytest.mark.parametrize(
    ("numbers", "kinds", "missing"),
    [
        ([1, 2, U, 4], [], 0),
        ([1, 2, U, 3], [], 0),
        ([1, 2, U, U, 7], ["missing"], 2),
        ([1, U, 3, 5], ["missing"], 1),
        ([U, 500, 501], [], 0),
        ([1, 2, U, 2, 4], ["repeated"], 0),
        # What came late was not the unread one's; what is missing is never less than none.
        ([1, U, 4, 2], ["missing", "reordered"], 0),
        ([1, U, 3, 2], ["reordered"], 0),
        ([1, U, U, 6, 3, 4, 2, 5], ["missing", *["reordered"] * 4], 0),
        ([1, U, U, 8, 4, 3, 2], ["missing", *["reordered"] * 3], 1),
    ],
)
def test_a_number_that_is_not_known_is_not_missing(
    numbers: list[int | None], kinds: list[str], missing: int
) -> None:
    check, found = SequenceCheck(), []
    for number in numbers:
        if number is None:
            check.unread += 1
        elif (each := check.add(number)) is not None:
            found.append(each.kind)
    assert found == kinds
    assert check.counts.missing == missing
