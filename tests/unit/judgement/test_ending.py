"""The cause of a drop: one word, and none that its ends do not carry."""

from __future__ import annotations

from wsdiag.judgement.ending import Ended, cause_of
from wsdiag.records import Drop


def ends(*pairs: tuple[float, float], how: str = "fin", **more: object) -> list[Ended]:
    """Ends at these ages, after these times of idleness."""
    return [Ended(Drop(how, age_s, **more), idle_s) for age_s, idle_s in pairs]  # type: ignore[arg-type]


def test_one_end_alone() -> None:
    assert cause_of(ends((60.0, 0.4))) == "unknown"
    assert cause_of(ends((60.0, 60.0))) == "unknown"
    assert cause_of(ends((60.0, 0.4), how="rst")) == "unknown"
    assert cause_of(ends((60.0, 0.4), how="silent")) == "silent"
    assert cause_of(ends((60.0, 0.4), how="close", code=1001)) == "close"
    assert cause_of(ends((60.0, 0.4), how="close", code=1009)) == "size-limit"
    assert cause_of(ends((60.0, 0.4), how="close", code=1002)) == "protocol-error"
    timeout = ends((60.0, 0.4), how="close", code=1011, reason="keepalive ping timeout")
    assert cause_of(timeout) == "pong-timeout"


def test_a_lifetime_shows_by_the_third() -> None:
    busy = ends((300.0, 0.4), (300.1, 0.9), (299.9, 0.1))
    assert [cause_of(busy[:count]) for count in (1, 2, 3)] == ["unknown", "unknown", "lifetime"]
    assert cause_of([*busy, *ends((12.0, 0.3))]) == "unknown"


def test_an_idle_timeout_is_not_a_lifetime() -> None:
    at_ages = ends((120.3, 60.0), (240.1, 60.1), (61.0, 60.0))
    assert cause_of(at_ages) == "idle-timeout"
    # idle all their lives: it may be either, unless an idle probe has found which
    both = ends((60.0, 60.0), (60.1, 60.1), (60.0, 60.0))
    assert cause_of(both) == "unknown"
    assert cause_of(both, "idle-timeout") == "idle-timeout"
    assert cause_of(both, "no-drop") == "unknown"


def test_ends_of_other_kinds_do_not_count() -> None:
    mixed = [*ends((300.0, 0.4), (300.0, 0.4)), *ends((300.0, 0.4), how="rst")]
    assert cause_of(mixed) == "unknown"
    short = ends((0.2, 0.1), (0.2, 0.1), (0.2, 0.1))
    assert cause_of(short) == "unknown"
