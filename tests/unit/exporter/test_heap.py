"""What lives long is passed over by collections, from the start, and looked at once an hour."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from tests.integration.waiting import until
from wsdiag.exporter import heap


class Cycle:
    """Garbage that only a collection finds."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_is_there_once_targets_have_connected_is_frozen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heap, "SETTLED_S", 0.01)

    async def run() -> None:
        made = heap.Heap()
        before, kept = gc.get_freeze_count(), [[number] for number in range(5000)]
        made.changed(1, 0, 1)
        await until(lambda: gc.get_freeze_count() >= before + len(kept))
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
        await until(lambda: seen() is None)
        made.stop()

    asyncio.run(run())


def test_frozen_garbage_is_found_once_more_targets_are_gone_than_left() -> None:
    async def run() -> None:
        cycle = Cycle()
        seen = weakref.ref(cycle)
        gc.freeze()
        del cycle
        made = heap.Heap()
        made.changed(0, 300, 300)
        gc.collect()
        assert seen() is not None
        made.changed(0, 1, 299)
        assert seen() is None
        made.stop()

    asyncio.run(run())


def test_targets_that_connect_bring_no_full_collection_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A scrape would, in their first seconds: it looks at every object while no Ping can leave."""
    monkeypatch.setattr(heap, "SETTLED_S", 0.5)
    full = 0

    def seen(phase: str, info: dict[str, int]) -> None:
        nonlocal full
        full += phase == "start" and info["generation"] == 2

    async def run() -> None:
        made = heap.Heap()
        usual, before = gc.get_threshold(), gc.get_freeze_count()
        made.changed(1, 0, 1)
        gc.callbacks.append(seen)
        try:
            kept = [[number] for number in range(200_000)]
        finally:
            gc.callbacks.remove(seen)
        assert full == 0
        await until(lambda: gc.get_freeze_count() >= before + len(kept))
        assert gc.get_threshold() == usual
        made.changed(1, 0, 1)
        made.stop()
        assert gc.get_threshold() == usual

    gc.freeze()
    gc.collect()  # what is old by now is nothing, so what is new is much
    asyncio.run(run())
