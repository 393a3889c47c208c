"""What lives long is passed over by collections, and looked at once an hour."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from wsdiag.exporter import heap


class Cycle:
    """Garbage that only a collection finds."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


async def until_gone(seen: weakref.ref[Cycle]) -> None:
    async with asyncio.timeout(30):
        while seen() is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def test_what_is_there_once_targets_have_connected_is_frozen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heap, "SETTLED_S", 0.01)

    async def run() -> None:
        made = heap.Heap()
        before, kept = gc.get_freeze_count(), [[number] for number in range(5000)]
        made.grew()
        async with asyncio.timeout(30):
            while gc.get_freeze_count() < before + len(kept):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        made.stop()

    asyncio.run(run())


def test_frozen_garbage_is_found_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "WHOLE_S", 0.05)

    async def run() -> None:
        cycle = Cycle()
        seen = weakref.ref(cycle)
        gc.freeze()
        del cycle
        gc.collect()
        assert seen() is not None
        made = heap.Heap()
        await until_gone(seen)
        made.stop()

    asyncio.run(run())
