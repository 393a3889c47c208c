"""Waiting for what no event tells of, in a test or in its event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(
    happened: Callable[[], T], within_s: float = 60, *, seen: Callable[[], object] = lambda: ""
) -> T:
    """The first value that is true, asked for again and again; `seen`: told where none comes."""
    end = time.monotonic() + within_s
    while not (value := happened()):
        assert time.monotonic() < end, seen()
        time.sleep(0.02)
    return value


async def until(happened: Callable[[], object], within_s: float = 60) -> None:
    """Let other tasks run until this is true."""
    async with asyncio.timeout(within_s):
        while not happened():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
