"""A wall clock that is set, and a machine that was suspended, as the clocks show them."""

from __future__ import annotations

import asyncio
import time

import pytest

import wsdiag
from wsdiag.probes.idle.clock import ProbeClock
from wsdiag.records import PingReply, PingSuspended
from wsdiag.transport import machine
from wsdiag.transport.machine import SuspendWatch
from wsdiag.transport.stream import stamps
from wsdiag.transport.stream.stamps import KernelClock

HOUR_NS = 3_600_000_000_000


class Clocks:
    """CLOCK_MONOTONIC, CLOCK_REALTIME and CLOCK_BOOTTIME, moved by hand; in ns."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mono_ns, self.real_ns, self.boot_ns = 10**12, 10**18, 10**12
        monkeypatch.setattr(stamps, "monotonic_ns", lambda: self.mono_ns)
        monkeypatch.setattr(stamps, "time_ns", lambda: self.real_ns)
        monkeypatch.setattr(machine.time, "monotonic", lambda: self.mono_ns / 1e9)
        monkeypatch.setattr(machine.time, "clock_gettime", lambda _: self.boot_ns / 1e9)

    def run(self, ns: int) -> None:
        self.mono_ns, self.real_ns, self.boot_ns = (
            self.mono_ns + ns,
            self.real_ns + ns,
            self.boot_ns + ns,
        )

    def suspend(self, ns: int) -> None:
        self.real_ns, self.boot_ns = self.real_ns + ns, self.boot_ns + ns


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


@pytest.mark.parametrize("step_ns", [HOUR_NS, -HOUR_NS, 1_000_000, -1_000_000])
def test_a_stamp_taken_around_a_step_is_not_believed(clocks: Clocks, step_ns: int) -> None:
    clock, began = KernelClock(), clocks.mono_ns
    clocks.run(5_000_000)
    assert clock.to_monotonic(clocks.real_ns - 1_000_000, began) == clocks.mono_ns - 1_000_000
    stamped = clocks.real_ns
    clocks.real_ns += step_ns
    clocks.run(1_000_000)
    assert clock.to_monotonic(stamped, began) is None
    clocks.run(1_000_000)  # the next one is of the new time, and good again
    assert clock.to_monotonic(clocks.real_ns, began) == clocks.mono_ns


def test_a_suspend_is_noticed_once_and_a_step_is_none(clocks: Clocks) -> None:
    watch = SuspendWatch()
    clocks.run(10**9)
    clocks.real_ns += HOUR_NS
    assert watch.lost_s() == 0.0
    clocks.suspend(30 * 10**9)
    assert watch.lost_s() == pytest.approx(30.0)
    assert watch.lost_s() == 0.0


def test_an_idle_probe_notes_when_it_was_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    async def probed() -> ProbeClock:
        clock = ProbeClock()
        beyond = machine._beyond_monotonic
        clock.note_suspend()
        monkeypatch.setattr(machine, "_beyond_monotonic", lambda: beyond() + 42.0)
        clock.note_suspend()
        clock.note_suspend()
        clock.stop()
        return clock

    ((_, lost_s),) = asyncio.run(probed()).suspends
    assert lost_s == pytest.approx(42.0, abs=0.2)


@pytest.mark.parametrize("step_ns", [HOUR_NS, -HOUR_NS])
def test_round_trips_outlive_a_step_of_the_wall_clock(
    monkeypatch: pytest.MonkeyPatch, step_ns: int
) -> None:
    stepped = False
    monkeypatch.setattr(stamps, "time_ns", lambda: time.time_ns() + stepped * step_ns)

    async def pinged() -> list[object]:
        nonlocal stepped
        events: list[object] = []
        async with wsdiag.serve() as server:
            async for event in wsdiag.ping(server.url, count=6, interval_s=0.02):
                events.append(event)
                stepped = stepped or sum(isinstance(each, PingReply) for each in events) >= 3
        return events

    events = asyncio.run(pinged())
    replies = [event for event in events if isinstance(event, PingReply)]
    assert len(replies) == 6
    assert all(0 < reply.rtt_ms < 60_000 for reply in replies)
    assert not any(isinstance(event, PingSuspended) for event in events)
