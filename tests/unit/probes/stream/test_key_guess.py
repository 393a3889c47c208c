"""A key that was not asked for: told where it mends the numbers, and only there."""

from __future__ import annotations

import json
import random

import pytest

from wsdiag.probes.stream.analysis import StreamAnalysis
from wsdiag.probes.stream.key_guess import KeyGuess
from wsdiag.probes.stream.options import StreamOptions
from wsdiag.records.stream import StreamSummary


def interleaved(keys: int, messages: int) -> list[tuple[str, int]]:
    """Keys that count by themselves, in a random order; they began at different times."""
    source = random.Random(keys)
    counts = {f"k{number}": number * 1000 for number in range(keys)}
    found = []
    for _ in range(messages):
        key = source.choice(list(counts))
        counts[key] += 1
        found.append((key, counts[key]))
    return found


def guessed(documents: list[dict[str, object]]) -> str | None:
    guess = KeyGuess()
    for document in documents:
        number = document["n"]
        assert isinstance(number, int)
        guess.add(document, number)
    found = guess.found()
    return None if found is None else found.path


@pytest.mark.parametrize("keys", [2, 20])
def test_the_field_by_which_they_follow_is_found(keys: int) -> None:
    side = random.Random(1)
    documents: list[dict[str, object]] = [
        {
            "type": "trade",
            "n": number,
            "data": {"a b": key, "side": side.choice(["buy", "sell"]), "price": side.random()},
        }
        for key, number in interleaved(keys, 400)
    ]
    assert guessed(documents) == "$.data['a b']"


def test_a_channel_is_found_by_its_number_too() -> None:
    documents: list[dict[str, object]] = [
        {"n": number, "channel": int(key[1:])} for key, number in interleaved(5, 200)
    ]
    assert guessed(documents) == "$.channel"


def test_a_key_that_has_gaps_of_its_own_is_found_all_the_same() -> None:
    lossy = [pair for at, pair in enumerate(interleaved(2, 200)) if at % 20]
    assert guessed([{"n": number, "k": key} for key, number in lossy]) == "$.k"


@pytest.mark.parametrize(
    "documents",
    [
        [{"n": number, "k": f"k{number % 3}"} for number in range(200)],  # one sequence
        [{"n": number * 7 % 200, "k": "one"} for number in range(200)],  # nothing mends it
        [{"n": number, "id": f"{key}-{number}"} for key, number in interleaved(5, 200)],
        [{"n": number, "k": key} for key, number in interleaved(3, 10)],  # too few
    ],
)
def test_otherwise_none_is_told(documents: list[dict[str, object]]) -> None:
    assert guessed(documents) is None


def summary_of(messages: list[str], **options: object) -> tuple[StreamSummary, str]:
    analysis = StreamAnalysis("ws://feed", StreamOptions(**options))  # type: ignore[arg-type]
    analysis.opened(0.0)
    for number, message in enumerate(messages):
        analysis.message(message, number * 0.1, number * 0.1)
    told = " ".join(event.message for event in analysis.take_events())
    analysis.interval(len(messages) * 0.1, 0.0)
    told += " ".join(event.message for event in analysis.take_events())
    return analysis.summary(len(messages) * 0.1), told


def test_the_summary_suggests_it_with_the_evidence() -> None:
    messages = [json.dumps({"k": key, "n": number}) for key, number in interleaved(3, 300)]
    summary, told = summary_of(messages, seq="$.n", max_gap=10**6)
    assert summary.suggested_by == "$.k"
    assert [(one.measured, one.ok) for one in summary.thresholds] == [(None, False)]
    said = " ".join(summary.explanation)
    assert "of 299 numbers do not follow the one before, but by $.k all do" in said
    assert "--by '$.k'" in said
    assert "by $.k they do (--by)" in told
    mended, _ = summary_of(messages, seq="$.n", by="$.k")
    assert mended.suggested_by is None
    assert mended.gaps is not None
    assert (mended.gaps.missing, mended.gaps.compared) == (0, 297)


def test_keys_that_never_come_twice_put_nothing_in_order() -> None:
    messages = [json.dumps({"id": f"m{number}", "n": number * 3}) for number in range(50)]
    summary, _ = summary_of(messages, seq="$.n", by="$.id", max_gap=0)
    assert summary.gaps is not None
    assert (summary.gaps.missing, summary.gaps.compared) == (0, 0)
    assert "No two numbers have the same key at $.id" in " ".join(summary.explanation)
    assert [(one.measured, one.ok) for one in summary.thresholds] == [(None, False)]
