"""The heartbeat notices when the loop did not run, and only then."""

from __future__ import annotations

import asyncio
import time

from wsdiag.probes.common.stalls import Stalls


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
