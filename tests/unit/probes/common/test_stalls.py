"""The heartbeat notices when the loop did not run, and only then."""

from __future__ import annotations

import asyncio
import time

import pytest

from wsdiag.probes.common.stalls import BEAT_S, REPORTED_S, Stalls


def test_a_held_up_loop_is_noticed_while_it_happens_and_afterwards() -> None:
    async def go() -> tuple[float, float, float, int]:
        loop, stalls = asyncio.get_running_loop(), Stalls()
        await asyncio.sleep(0.1)
        began = loop.time()
        time.sleep(0.4)  # noqa: ASYNC251
        during = stalls.within(began, loop.time())
        ended = loop.time()
        await asyncio.sleep(0.1)
        after = stalls.within(began, ended)
        before = stalls.within(began - 10, began - 5)
        stalls.stop()
        return during, after, before, stalls.count

    during, after, before, count = asyncio.run(go())
    assert during >= 0.3
    assert after >= 0.3
    assert before == 0
    assert count >= 1


def test_memory_of_stalls_is_bounded() -> None:
    async def go() -> int:
        stalls = Stalls()
        for number in range(1000):
            stalls._past.append((float(number), number + 0.5))
        stalls.stop()
        return len(stalls._past)

    assert asyncio.run(go()) == 256


def test_its_clock_stands_still_while_the_process_does_not_run() -> None:
    async def go(continued: bool) -> tuple[float, float, float]:
        stalls = Stalls()
        began = stalls.time()
        time.sleep(1.0)  # noqa: ASYNC251
        during = stalls.time() - began
        if continued:
            stalls.continued()
        again = stalls.time() - began
        await asyncio.sleep(0.05)
        stalls.stop()
        return during, again, stalls.time() - began

    for continued in (False, True):
        during, again, after = asyncio.run(go(continued))
        assert during == pytest.approx(BEAT_S + REPORTED_S, abs=0.02)
        assert during <= again < after < 1.0


def test_a_stop_is_counted_once_and_a_signal_to_go_on_alone_is_none() -> None:
    async def go() -> Stalls:
        stalls = Stalls()
        stalls.continued()
        assert (stalls.stops, stalls.stopped_s) == (0, 0.0)
        time.sleep(0.5)  # noqa: ASYNC251
        stalls.continued()
        stalls.continued()
        stalls.stop()
        return stalls

    stalls = asyncio.run(go())
    assert stalls.stops == 1
    assert stalls.stopped_s >= 0.5 - BEAT_S
    assert stalls.just_before(stalls._past[-1][1]) == stalls.stopped_s
    # long after: until it is asked, the loop does not run again
    assert stalls.just_before(stalls._past[-1][1] + 60) == 0.0
