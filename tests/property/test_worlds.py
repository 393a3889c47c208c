"""In any world, a verdict is right or says that it does not know."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest

from tests.property.worlds import World, play
from tests.unit.judgement.recorded_trials import case, idle
from wsdiag.judgement.verdict.judge import judge
from wsdiag.judgement.verdict.spread import separate_groups
from wsdiag.probes.idle.options import IdleOptions
from wsdiag.records import IdleVerdict

GRAIN_S = 0.02


def options(rng: random.Random) -> IdleOptions:
    to_s = rng.choice([12.0, 60.0, 120.0, 120.0])
    most = rng.choice([2, 3, 8, 16, 32, 32])
    return IdleOptions(to_s=to_s, max_connections=most)


def timer(rng: random.Random, to_s: float) -> World:
    return World(timeout_s=rng.uniform(0.15, 0.95) * to_s)


def swept(rng: random.Random, to_s: float) -> World:
    period_s = rng.choice([1.0, 2.0, 5.0, 10.0]) * to_s / 120
    phase_s = rng.uniform(0, period_s)
    return World(rng.uniform(0.2, 0.85) * to_s, period_s=period_s, phase_s=phase_s)


def jittered(rng: random.Random, to_s: float) -> World:
    timeout_s = rng.uniform(0.2, 0.5) * to_s
    return World(timeout_s, jitter_s=timeout_s * rng.uniform(0.01, 0.8), seed=rng.randrange(10**6))


def lifetime(rng: random.Random, to_s: float) -> World:
    return World(lifetime_s=rng.uniform(0.15, 0.95) * to_s)


def lifetime_above(rng: random.Random, to_s: float) -> World:
    timeout_s = rng.uniform(0.2, 0.5) * to_s
    return World(timeout_s, lifetime_s=timeout_s * rng.uniform(1.02, 2.0))


def event(rng: random.Random, to_s: float) -> World:
    return World(event_s=rng.uniform(0.02, 0.95) * to_s)


def event_before_timeout(rng: random.Random, to_s: float) -> World:
    return World(rng.uniform(0.5, 0.9) * to_s, event_s=rng.uniform(0.02, 0.45) * to_s)


def right(verdict: IdleVerdict, world: World) -> bool:
    """Whether what it claims is so; to claim nothing is never wrong."""
    match verdict.verdict:
        case "idle-timeout":
            found = verdict.idle_timeout_s
            if found is None or world.timeout_s is None or found.high is None:
                return False
            if world.period_s is not None and "is looked at now and then" in " ".join(
                verdict.explanation
            ):
                return found.high + GRAIN_S >= world.timeout_s  # it says that it does not know
            longest_s = world.timeout_s + world.jitter_s
            return found.low - GRAIN_S <= longest_s and found.high + GRAIN_S >= world.timeout_s
        case "lifetime":
            found = verdict.lifetime_s
            if found is None or world.lifetime_s is None or found.high is None:
                return False
            return found.low - GRAIN_S <= world.lifetime_s <= found.high + GRAIN_S
        case "event":
            return world.event_s is not None
        case "application-timeout" | "local-fault":
            return False
    return True


@pytest.mark.parametrize(
    "make",
    [timer, swept, jittered, lifetime, lifetime_above, event, event_before_timeout],
    ids=lambda make: make.__name__,
)
@pytest.mark.parametrize("rounds", [1, 2])
def test_at_most_one_claim_in_a_thousand_is_wrong(
    make: Callable[[random.Random, float], World], rounds: int
) -> None:
    wrong: list[tuple[World, IdleOptions, IdleVerdict]] = []
    rng = random.Random(f"{make.__name__} {rounds}")
    cases = 400
    for _ in range(cases):
        asked = options(rng)
        world = make(rng, asked.to_s)
        verdict = judge(play(asked, world, rounds), case(longest_s=asked.longest_s, rtt_s=0.001))
        if not right(verdict, world):
            wrong.append((world, asked, verdict))
    assert len(wrong) <= cases // 1000, [
        (w, a, v.verdict, v.idle_timeout_s, v.explanation[0]) for w, a, v in wrong[:3]
    ]


@pytest.mark.parametrize(
    ("make", "wanted"),
    [(timer, "idle-timeout"), (swept, "idle-timeout"), (lifetime, "lifetime"), (event, "event")],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_what_can_be_known_is_mostly_said(
    make: Callable[[random.Random, float], World], wanted: str
) -> None:
    rng, asked = random.Random(7), IdleOptions()
    said: Counter[str] = Counter()
    for _ in range(100):
        world = make(rng, asked.to_s)
        said[judge(play(asked, world), case(rtt_s=0.001)).verdict] += 1
    assert said[wanted] >= 85, said


@pytest.mark.parametrize("shape", ["even", "about a mean", "late"])
def test_one_spread_is_rarely_taken_for_several_backends(shape: str) -> None:
    rng = random.Random(shape)
    wrong, runs = 0, 2000
    for _ in range(runs):
        count, width = rng.randint(8, 30), rng.uniform(2, 40)
        draw: Callable[[], float] = {
            "even": lambda width=width: rng.uniform(48, 48 + width),
            "about a mean": lambda width=width: max(1.0, rng.gauss(60, width / 4)),
            "late": lambda width=width: 48 + min(60.0, rng.expovariate(4 / width)),
        }[shape]
        wrong += separate_groups([draw() for _ in range(count)]) is not None
    assert wrong <= runs // 100


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
