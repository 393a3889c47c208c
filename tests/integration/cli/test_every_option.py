"""A sample of every option and environment variable with values that make no sense."""

from __future__ import annotations

from tests.attack.options import attack


def test_what_makes_no_sense_is_told_as_the_users() -> None:
    done, found = attack(0.002, seed=17)
    assert found == []
    assert done > 50
