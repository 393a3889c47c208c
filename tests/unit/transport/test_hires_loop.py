"""The loop's sleep: to the microsecond, and woken by what happens meanwhile."""

from __future__ import annotations

import asyncio
import select
import selectors
import socket
import sys
from contextlib import closing

import pytest

from wsdiag.transport.hires_loop import event_loop

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="epoll is Linux's")


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the selector asked the kernel for."""
    asked: list[float] = []
    real = select.select

    def spy(reads: list[int], writes: list[int], errors: list[int], timeout: float) -> object:
        asked.append(timeout)
        return real(reads, writes, errors, timeout)

    monkeypatch.setattr(select, "select", spy)
    return asked


def test_a_timer_is_slept_for_as_long_as_it_says(slept: list[float]) -> None:
    with closing(event_loop()) as loop:
        loop.run_until_complete(asyncio.sleep(0.5004))
    assert slept, "by select, not in epoll's whole milliseconds"
    assert all(0 < seconds <= 0.5004 for seconds in slept)


def test_data_end_the_sleep(slept: list[float]) -> None:
    from wsdiag.transport.hires_loop import HiresSelector

    one, other = socket.socketpair()
    with HiresSelector() as selector, one, other:
        key = selector.register(one, selectors.EVENT_READ)
        other.send(b"x")
        for timeout in (0.001, 60.0):
            assert selector.select(timeout) == [(key, selectors.EVENT_READ)]
        one.recv(1)
        assert selector.select(0.0001) == []
    assert slept == [0.001, 60.0, 0.0001]


@pytest.mark.parametrize("timeout", [0, -1])
def test_no_wait_is_no_detour(timeout: float, slept: list[float]) -> None:
    from wsdiag.transport.hires_loop import HiresSelector

    with HiresSelector() as selector:
        assert selector.select(timeout) == []
    assert slept == []


def test_a_loop_without_hires_timers_sleeps_as_asyncio_does(slept: list[float]) -> None:
    with closing(event_loop(hires=False)) as loop:
        loop.run_until_complete(asyncio.sleep(0.001))
    assert slept == []
