from __future__ import annotations

import asyncio
import re
import signal
import time

import pytest

from wsdiag.patterns import LIMIT_S, PatternTooSlow, compile_regex, matches

EXPONENTIAL = re.compile("(a+)+$")


def test_a_search_that_would_take_for_ever_is_given_up() -> None:
    async def in_a_loop() -> float:
        began = time.thread_time()
        with pytest.raises(PatternTooSlow, match=r"\(a\+\)\+\$.*41 characters"):
            matches(EXPONENTIAL, "a" * 40 + "b")
        return time.thread_time() - began

    assert asyncio.run(in_a_loop()) < 3 * LIMIT_S


def test_others_are_answered_and_leave_no_timer() -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    assert matches(re.compile("b"), "ab")
    assert not matches(re.compile("c"), "ab")
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGVTALRM) == before


@pytest.mark.parametrize("text", ["(", "(" * 4000, "a{99999999999999999999}", "(?P<a", "*"])
def test_what_is_none_is_told_in_a_line(text: str) -> None:
    with pytest.raises(ValueError, match="is not a regular expression") as told:
        compile_regex(text)
    assert len(str(told.value)) < 300


@pytest.mark.filterwarnings("error")
def test_odd_ones_warn_of_nothing() -> None:
    assert compile_regex("[[a]").search("[")
