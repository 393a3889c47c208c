from __future__ import annotations

import time

import pytest

from wsdiag.transport.stream import stamps
from wsdiag.transport.stream.stamps import Arrival, KernelClock, SendRecord, round_trip_ns

MS = 1_000_000


def test_kernel_to_kernel_where_both_stamps_hold() -> None:
    sent = SendRecord(100 * MS, tx_kernel_ns=101 * MS)
    assert round_trip_ns(sent, Arrival(110 * MS, kernel_ns=108 * MS)) == (7 * MS, "kernel")


def test_arrival_alone_starts_at_our_send_and_counts_as_user() -> None:
    received = Arrival(110 * MS, kernel_ns=108 * MS)
    assert round_trip_ns(SendRecord(100 * MS), received) == (8 * MS, "user")


def test_no_kernel_stamps_is_user_space() -> None:
    assert round_trip_ns(SendRecord(100 * MS, tx_kernel_ns=101 * MS), Arrival(110 * MS)) == (
        10 * MS,
        "user",
    )


@pytest.mark.parametrize(
    ("tx", "rx", "expected"),
    [
        (109 * MS, 108 * MS, 8 * MS),  # left after it arrived: only the arrival is believed
        (101 * MS, 99 * MS, 10 * MS),  # arrived before it was sent: neither is
        (50 * MS, 108 * MS, 8 * MS),  # longer than user space saw
        (101 * MS, 130 * MS, 10 * MS),  # arrived after we had read it
    ],
)
def test_a_stamp_that_cannot_be_falls_back_and_says_so(tx: int, rx: int, expected: int) -> None:
    sent = SendRecord(100 * MS, tx_kernel_ns=tx)
    assert round_trip_ns(sent, Arrival(110 * MS, kernel_ns=rx)) == (expected, "user")


class Clocks:
    """Two clocks a test can move."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mono, self.real = 1_000 * MS, 1_800_000_000_000 * MS
        monkeypatch.setattr(stamps, "monotonic_ns", lambda: self.mono)
        monkeypatch.setattr(stamps, "time_ns", lambda: self.real)

    def advance(self, ns: int) -> None:
        self.mono += ns
        self.real += ns


def test_a_wall_clock_stamp_moves_to_the_monotonic_axis(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    clock = KernelClock()
    stamped = clocks.real
    clocks.advance(3 * MS)
    assert clock.to_monotonic(stamped, 0) == 1_000 * MS


@pytest.mark.parametrize("step", [-3600_000 * MS, -1 * MS, 1 * MS, 3600_000 * MS])
def test_a_stepped_wall_clock_voids_one_stamp_then_is_known(
    monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    clocks = Clocks(monkeypatch)
    clock = KernelClock()
    stamped = clocks.real
    clocks.advance(5 * MS)
    clocks.real += step
    assert clock.to_monotonic(stamped, 0) is None
    later = clocks.real
    clocks.advance(1 * MS)
    assert clock.to_monotonic(later, 0) == 1_005 * MS


def test_a_stamp_before_its_send_or_in_the_future_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clocks = Clocks(monkeypatch)
    clock = KernelClock()
    assert clock.to_monotonic(clocks.real - 1 * MS, clocks.mono) is None
    assert clock.to_monotonic(clocks.real + 1 * MS, 0) is None


def test_a_process_off_the_cpu_between_two_clocks_believes_no_stamp(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clocks = Clocks(monkeypatch)
    clock = KernelClock()
    ticks = iter(range(10**6))
    monkeypatch.setattr(stamps, "monotonic_ns", lambda: 1_000 * MS + next(ticks) * MS)
    assert clock.to_monotonic(clocks.real, 0) is None


def test_real_clocks_agree() -> None:
    clock = KernelClock()
    before = time.monotonic_ns()
    moved = clock.to_monotonic(time.time_ns(), before - MS)
    assert moved is not None
    assert abs(moved - before) < 1_000 * MS
