"""In any world, a verdict is right or says that it does not know."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from tests.property.kinds_of_worlds import (
    KINDS,
    Make,
    event,
    lifetime,
    messages_only,
    options,
    swept,
    timer,
    wants_a_hello,
    wrong,
)
from tests.property.worlds import Dropper, World, probe
from tests.unit.judgement.recorded_trials import case, idle
from wsdiag.judgement.verdict.judge import judge
from wsdiag.judgement.verdict.spread import separate_groups
from wsdiag.probes.idle.options import IdleOptions

# Far more are drawn outside the suite (CONTRIBUTING.md); of these few, none may be wrong.
DRAWN = 10


@pytest.mark.parametrize("rounds", [1, 2])
@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_nothing_is_claimed_that_is_not_so(make: Make, rounds: int) -> None:
    rng = random.Random(f"{make.__name__} {rounds}")
    for _ in range(DRAWN // rounds):
        asked = replace(options(rng), repeat=rounds)
        world = make(rng, asked.to_s)
        verdict = probe(asked, world)
        assert wrong(verdict, world) is None, (world, asked, verdict)


@pytest.mark.parametrize("first_s", [0.5, 0.958])
@pytest.mark.parametrize("repeat", [1, 2])
def test_restarts_at_equal_intervals_are_no_lifetime(first_s: float, repeat: int) -> None:
    """Each connection opened when the one before had ended would be as old as the others."""
    asked = IdleOptions(to_s=12.0, max_connections=1, repeat=repeat)
    world = World(events_s=tuple(first_s + 0.9602 * n for n in range(60)))
    verdict = probe(asked, world)
    assert wrong(verdict, world) is None, verdict


def test_a_sweep_may_come_later_in_the_second_round() -> None:
    """What was in use in the first then proves nothing, as idle ones grew older in the second."""
    dropper = Dropper(timeout_s=35.02, period_s=10.0, phase_s=0.026)
    verdict = probe(IdleOptions(repeat=2), world := World(droppers=(dropper,)))
    assert wrong(verdict, world) is None, verdict
    assert "that is looked at" in verdict.explanation[0]


@pytest.mark.parametrize("make", [wants_a_hello, messages_only])
def test_what_messages_of_ours_were_for_is_not_claimed(make: Make) -> None:
    """That a first one is enough, or that they are needed again and again, looks the same."""
    rng = random.Random(f"sent {make.__name__}")
    said: Counter[str] = Counter()
    for _ in range(DRAWN):
        asked = replace(options(rng), send="hello")
        world = make(rng, asked.to_s)
        verdict = probe(asked, world)
        assert wrong(verdict, world) is None, (world, asked, verdict)
        said[verdict.keepalives["data"]] += 1
    assert said["holds"] > DRAWN // 3, said


@pytest.mark.parametrize(
    ("make", "wanted"),
    [(timer, "idle-timeout"), (swept, "idle-timeout"), (lifetime, "lifetime"), (event, "event")],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_what_can_be_known_is_mostly_said(make: Make, wanted: str) -> None:
    rng, asked = random.Random(7), IdleOptions()
    said = Counter(probe(asked, make(rng, asked.to_s)).verdict for _ in range(25))
    assert said[wanted] >= 22, said  # type: ignore[index]


def test_two_backends_are_told_apart() -> None:
    rng = random.Random(1)
    for _ in range(200):
        values = [30 + rng.uniform(0, 0.3) for _ in range(rng.randint(4, 12))]
        values += [60 + rng.uniform(0, 0.3) for _ in range(rng.randint(4, 12))]
        groups = separate_groups(values)
        assert groups is not None
        assert len(groups) == 2
        verdict = judge([idle(at, "fin", connection=n) for n, at in enumerate(values)], case())
        assert verdict.verdict == "inconsistent"
        assert "groups" in verdict.explanation[0]
