"""One timer with a random part is not taken for several, nor what it spared by chance for help.

Simulated are idle times alone: thousands in a second, with seeds that are always the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from wsdiag.judgement.verdict.spread import by_chance, separate_groups

SHAPES: dict[str, Callable[[random.Random], float]] = {
    "even": lambda chance: chance.random(),
    "about a mean": lambda chance: chance.gauss(0.5, 0.15),
    "about a mean, cut off": lambda chance: min(1.0, max(0.0, chance.gauss(0.5, 1 / 6))),
    "with a tail": lambda chance: chance.expovariate(4.0),
    "with a tail, cut off": lambda chance: min(1.0, chance.expovariate(4.0)),
    "with a tail below": lambda chance: 1.0 - chance.expovariate(4.0),
    "with a heavy tail": lambda chance: chance.lognormvariate(-1.0, 0.6),
    "with a very heavy tail": lambda chance: chance.paretovariate(1.5) - 1.0,
    "lopsided": lambda chance: chance.triangular(0.0, 1.0, 0.2),
    "mostly early": lambda chance: chance.random() ** 2,
}
SIZES = [(60.0, 20.0), (60.0, 6.0), (60.0, 60.0), (10.0, 8.0), (1.0, 1.4)]
DRAWN = 3000


@pytest.mark.parametrize("shape", SHAPES)
def test_several_backends_are_claimed_of_few_spreads(shape: str) -> None:
    """Of 0.3 % at most, as docs/idle-probe.md says."""
    chance, draw = random.Random(shape), SHAPES[shape]
    for base_s, width_s in SIZES:
        claimed = 0
        for _ in range(DRAWN):
            drops = chance.randint(8, 30)
            idle_s = [base_s + width_s * draw(chance) for _ in range(drops)]
            claimed += separate_groups(idle_s) is not None
        assert claimed <= 0.003 * DRAWN, (base_s, width_s)


@pytest.mark.parametrize(("shorter", "longer"), [(4, 4), (3, 5), (6, 2), (8, 8), (15, 15), (28, 2)])
def test_two_backends_are_seen(shorter: int, longer: int) -> None:
    chance, seen = random.Random(7), 0
    for _ in range(200):
        idle_s = [10.0 + 0.3 * chance.random() for _ in range(shorter)]
        idle_s += [14.0 + 0.3 * chance.random() for _ in range(longer)]
        seen += separate_groups(idle_s) is not None
    assert seen >= 190


@pytest.mark.parametrize("shape", ["even", "about a mean", "with a tail", "mostly early"])
@pytest.mark.parametrize(("idle", "kept"), [(3, 1), (3, 2), (8, 1), (8, 2), (20, 1)])
def test_a_keepalive_without_effect_is_hardly_ever_said_to_hold(
    shape: str, idle: int, kept: int
) -> None:
    chance, draw, believed = random.Random(f"{shape} {idle} {kept}"), SHAPES[shape], 0
    for _ in range(DRAWN):
        ages_s = [60.0 + 20.0 * draw(chance) for _ in range(idle)]
        kept_s = [60.0 + 20.0 * draw(chance) for _ in range(kept)]
        outlived = min(kept_s) > max(ages_s) + 1.1
        believed += outlived and not by_chance(ages_s, kept_s)
    assert believed <= DRAWN / 50


def test_an_exact_timer_is_outlived_by_no_chance() -> None:
    assert not by_chance([60.0, 60.05, 60.1], [66.0])
    assert by_chance([46.5, 48.8, 48.9], [54.3])
