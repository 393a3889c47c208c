"""For any timeout, steps and jitter: the verdict is right, and its range contains the truth."""

from __future__ import annotations

import random
from itertools import accumulate

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.unit.judgement.recorded_trials import World, case, idle, play
from wsdiag.judgement.verdict.clocks import proof_margin_s
from wsdiag.judgement.verdict.judge import judge
from wsdiag.probes.idle.options import IdleOptions
from wsdiag.records import DropHow, IdleTrial

SCALES = st.sampled_from([0.05, 1.0])
EVENTS: st.SearchStrategy[DropHow] = st.sampled_from(["fin", "rst", "tls-eof", "close"])
SILENT: st.SearchStrategy[DropHow] = st.sampled_from(["silent", "rst-on-write"])


@st.composite
def options(draw: st.DrawFn) -> IdleOptions:
    scale = draw(SCALES)
    start = draw(st.floats(20, 40)) * scale
    return IdleOptions(
        from_s=start,
        to_s=start + draw(st.floats(20, 90)) * scale,
        step_s=draw(st.floats(2, 10)) * scale,
        keepalive_s=start * draw(st.floats(0.2, 0.7)),
        repeat=1,
        max_connections=draw(st.integers(12, 60)),
    )


def jitter(seed: int, width: float):  # type: ignore[no-untyped-def]
    return lambda number: random.Random(seed * 1000 + number).uniform(0, width)


@given(options(), st.floats(0.3, 0.98), EVENTS, st.integers(0, 99), st.booleans())
@settings(max_examples=300)
def test_an_announced_drop_is_found_within_a_second(
    asked: IdleOptions, share: float, how: DropHow, seed: int, pong_counts: bool
) -> None:
    timeout = asked.to_s * share
    world = World(
        timeout, how, pong_counts=pong_counts, product_jitter=jitter(seed, 0.04 * min(1.0, timeout))
    )
    verdict = judge(play(asked, world), case(longest_s=asked.longest_s))
    found = verdict.idle_timeout_s
    assert verdict.verdict == "idle-timeout", verdict.explanation
    assert found is not None
    assert found.high is not None
    assert found.low <= timeout <= found.high
    unknown = any("looked at now and then" in sentence for sentence in verdict.explanation)
    assert found.high - found.low <= 1.0 + (proof_margin_s(timeout) if unknown else 0.0)
    if verdict.recommended_ping_interval_s is not None:
        assert verdict.recommended_ping_interval_s <= min(20.0, timeout / 2)
    assert verdict.keepalives["ping"] in ("holds", "untested")


@given(options(), st.floats(0.1, 0.98), SILENT, st.integers(0, 99), st.floats(0, 0.49))
@settings(max_examples=300)
def test_a_silent_drop_lies_between_the_last_answer_and_the_first_silence(
    asked: IdleOptions, share: float, how: DropHow, seed: int, width: float
) -> None:
    timeout = asked.to_s * share
    world = World(timeout, how, tcp_counts=True, our_jitter=jitter(seed, width * asked.step_s))
    verdict = judge(play(asked, world), case(longest_s=asked.longest_s))
    found = verdict.idle_timeout_s
    assert verdict.verdict == "idle-timeout", verdict.explanation
    assert found is not None
    assert found.high is not None
    assert round(found.low - 0.01, 2) <= timeout <= found.high + 0.01
    assert verdict.keepalives.get("tcp-keepalive", "holds") != "drops"


@given(options(), st.floats(0.2, 0.98), st.integers(0, 99), st.floats(0, 1))
@settings(max_examples=200)
def test_a_timer_that_is_late_by_up_to_a_second_is_still_one_timer(
    asked: IdleOptions, share: float, seed: int, late: float
) -> None:
    assume(asked.from_s > 10)
    timeout = asked.to_s * share
    assume(timeout > 10)
    world = World(timeout, "fin", product_jitter=jitter(seed, late))
    verdict = judge(play(asked, world), case(longest_s=asked.longest_s))
    assert verdict.verdict == "idle-timeout", verdict.explanation
    found = verdict.idle_timeout_s
    assert found is not None
    assert found.high is not None
    assert found.low <= timeout + late
    assert found.high >= timeout


@given(options())
def test_no_drop_is_no_drop(asked: IdleOptions) -> None:
    verdict = judge(play(asked, World(None)), case(longest_s=asked.longest_s))
    assert verdict.verdict == "no-drop"
    assert verdict.tested_up_to_s is not None
    assert verdict.tested_up_to_s >= asked.longest_s - 0.001
    assert verdict.candidates == ()


@given(options(), st.floats(0.75, 0.98), EVENTS)
def test_a_lifetime_is_not_taken_for_an_idle_timeout(
    asked: IdleOptions, share: float, how: DropHow
) -> None:
    lifetime = asked.to_s * share
    world = World(None, how, lifetime_s=lifetime)
    verdict = judge(play(asked, world), case(longest_s=asked.longest_s))
    assert verdict.verdict == "lifetime", verdict.explanation
    assert verdict.lifetime_s is not None
    assert verdict.lifetime_s.low <= lifetime <= (verdict.lifetime_s.high or 0)
    assert verdict.idle_timeout_s is None
    assert verdict.recommended_ping_interval_s is None


@st.composite
def times_far_apart(draw: st.DrawFn) -> list[float]:
    """At least 4.1 s from one to the next, over more than 20 s; less than half are in pairs."""
    alone = list(accumulate(draw(st.lists(st.floats(4.1, 9), min_size=6, max_size=12))))
    pairs = draw(st.integers(0, (len(alone) - 1) // 3))
    return alone + [time + draw(st.floats(0, 1)) for time in alone[:pairs]]


@given(times_far_apart(), st.randoms())
def test_drops_far_apart_are_never_one_timeout(times: list[float], shuffled: random.Random) -> None:
    trials = [idle(t, "fin", connection=n) for n, t in enumerate(sorted(times))]
    shuffled.shuffle(trials)
    assert judge(trials, case()).verdict == "inconsistent"


@given(options(), st.floats(0.3, 0.98), EVENTS, st.randoms())
def test_the_order_of_the_records_does_not_matter(
    asked: IdleOptions, share: float, how: DropHow, shuffled: random.Random
) -> None:
    trials: list[IdleTrial] = play(asked, World(asked.to_s * share, how))
    before = judge(trials, case())
    shuffled.shuffle(trials)
    after = judge(trials, case())
    assert (before.verdict, before.idle_timeout_s) == (after.verdict, after.idle_timeout_s)
