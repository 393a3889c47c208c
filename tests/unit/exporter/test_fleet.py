"""A bug of ours in one target's pinging: told, seen in its figures, and no obstacle to its end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.integration.waiting import until
from wsdiag.exporter import fleet as fleets
from wsdiag.exporter.config import ExporterConfig, ExporterTarget
from wsdiag.exporter.fleet import Fleet
from wsdiag.exporter.watched import WatchedTarget
from wsdiag.judgement.totals import Outages, PingTotals
from wsdiag.records import Phases, PingStart

TARGET = ExporterTarget(url="ws://a.example/", name="a")


class BrokenPinger:
    """Connects, and breaks down."""

    made = 0
    session = None

    def __init__(self, url: str, *_: Any, queue: WatchedTarget, **__: Any) -> None:
        type(self).made += 1
        self._queue, self.totals = queue, PingTotals(sent=1)

    async def run(self, delay_s: float) -> None:
        self._queue.put_nowait(PingStart(TARGET.url, "192.0.2.1:80", Phases(), "kernel"))
        raise RuntimeError("a bug")

    def outages(self) -> Outages:
        return Outages()

    def stop(self) -> None:
        pass

    abort = stop


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    monkeypatch.setattr(fleets, "Pinger", BrokenPinger)
    monkeypatch.setattr(BrokenPinger, "made", 0)
    return []


async def broken(told: list[object]) -> Fleet:
    """A fleet whose only target has broken down, and waits to be begun again."""
    fleet = Fleet(lambda _target, change: told.append(change))
    fleet.apply(ExporterConfig(targets=(TARGET,)))
    await until(lambda: told)
    return fleet


def test_it_is_not_up_until_it_begins_again(
    told: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleets, "RESTART_S", 0.2)

    async def run() -> None:
        fleet = await broken(told)
        seen = fleet.watched[0].figures()
        assert (seen.connected, seen.connections, seen.failures) == (False, 1, {"protocol": 1})
        await until(lambda: BrokenPinger.made == 3)
        await fleet.stop()

    asyncio.run(run())


def test_a_target_that_is_gone_does_not_begin_again(
    told: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleets, "RESTART_S", 0.2)

    async def run() -> None:
        fleet = await broken(told)
        assert fleet.apply(ExporterConfig()) == (0, 1)
        made = BrokenPinger.made
        await asyncio.sleep(0.5)
        assert BrokenPinger.made == made
        await fleet.stop()

    asyncio.run(run())


def test_the_end_does_not_wait_for_it(told: list[object]) -> None:
    async def run() -> None:
        fleet = await broken(told)
        tasks = [task for each in fleet._tasks.values() for task in each]
        stopping = asyncio.create_task(fleet.stop())
        async with asyncio.timeout(30):
            while not stopping.done():
                assert not fleet._ending or any(task.cancelling() for task in tasks)
                await asyncio.sleep(0)
        assert all(task.cancelled() for task in tasks)

    asyncio.run(run())
