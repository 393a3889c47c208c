from __future__ import annotations

import socket
import struct
import time

import pytest

from wsdiag.transport.stream import timestamping
from wsdiag.transport.stream.stamps import SendRecord
from wsdiag.transport.stream.timestamping import ACK_REPORT, SEND_REPORT, TxTimestamps

Message = tuple[bytes, list[tuple[int, int, bytes]], int, None]


def report(kind: int, number: int, real_ns: int, *, level: tuple[int, int] = (0, 11)) -> Message:
    """A message of the error queue, as Linux lays it out."""
    stamp = struct.pack("=qqqqqq", real_ns // 10**9, real_ns % 10**9, 0, 0, 0, 0)
    error = struct.pack("=IBBBBII", 42, 4, 0, 0, 0, kind, number & 0xFFFFFFFF)
    return b"", [(socket.SOL_SOCKET, 37, stamp), (*level, error + bytes(16))], 0x2000, None


class ErrorQueue:
    """A socket that is nothing but its error queue."""

    def __init__(self, *messages: Message) -> None:
        self.messages = list(messages)

    def recvmsg(self, *_: int) -> Message:
        if not self.messages:
            raise BlockingIOError
        return self.messages.pop(0)


@pytest.fixture
def mark() -> SendRecord:
    return SendRecord(time.monotonic_ns(), end=100)


def drained(marks: list[SendRecord], *messages: Message) -> TxTimestamps:
    departures = TxTimestamps(ErrorQueue(*messages))  # type: ignore[arg-type]
    for mark in marks:
        departures.track(mark)
    departures.drain()
    return departures


def test_the_report_of_the_last_byte_is_the_marks(mark: SendRecord) -> None:
    departures = drained([mark], report(SEND_REPORT, 99, time.time_ns()))
    assert mark.tx_kernel_ns is not None
    assert mark.ack_kernel_ns is None
    assert departures.waiting


def test_an_earlier_byte_of_a_partial_write_is_not_yet_the_mark(mark: SendRecord) -> None:
    drained([mark], report(SEND_REPORT, 49, time.time_ns()))
    assert mark.tx_kernel_ns is None


def test_merged_segments_share_the_report_of_the_last() -> None:
    now = time.monotonic_ns()
    marks = [SendRecord(now, end=10), SendRecord(now, end=20), SendRecord(now, end=30)]
    drained(marks, report(SEND_REPORT, 19, time.time_ns()))
    first, second = marks[0].tx_kernel_ns, marks[1].tx_kernel_ns
    assert first is not None
    assert second is not None
    assert abs(first - second) < 1_000_000  # each moved to the monotonic axis on its own
    assert marks[2].tx_kernel_ns is None


def test_a_retransmission_does_not_move_the_departure(mark: SendRecord) -> None:
    first = time.time_ns()
    drained([mark], report(SEND_REPORT, 99, first), report(SEND_REPORT, 99, first + 900_000))
    moved = mark.tx_kernel_ns
    drained([again := SendRecord(mark.mono_ns, end=100)], report(SEND_REPORT, 99, first))
    assert moved is not None
    assert again.tx_kernel_ns is not None
    assert abs(moved - again.tx_kernel_ns) < 450_000


def test_acknowledgements_are_kept_apart_and_end_the_waiting(mark: SendRecord) -> None:
    when = time.time_ns()
    departures = drained([mark], report(SEND_REPORT, 99, when), report(ACK_REPORT, 120, when))
    assert mark.ack_kernel_ns is not None
    assert not departures.waiting


def test_ipv6_reports_are_read(mark: SendRecord) -> None:
    drained([mark], report(SEND_REPORT, 99, time.time_ns(), level=(41, 25)))
    assert mark.tx_kernel_ns is not None


def test_the_byte_counter_wraps_after_four_gibibytes() -> None:
    mark = SendRecord(time.monotonic_ns(), end=(1 << 32) + 5)
    drained([mark], report(SEND_REPORT, (1 << 32) - 1, time.time_ns()))
    assert mark.tx_kernel_ns is None
    drained([mark], report(SEND_REPORT, (1 << 32) + 4, time.time_ns()))
    assert mark.tx_kernel_ns is not None


def test_a_departure_before_its_send_is_not_believed(mark: SendRecord) -> None:
    drained([mark], report(SEND_REPORT, 99, time.time_ns() - 10**9))
    assert mark.tx_kernel_ns is None


def test_messages_of_other_origins_are_passed_over(mark: SendRecord) -> None:
    icmp = struct.pack("=IBBBBII", 113, 2, 3, 1, 0, 0, 0)
    foreign: Message = (b"", [(0, 11, icmp + bytes(16))], 0x2000, None)
    cut: Message = (b"", [(0, 11, b"\0" * 4)], 0x2000, None)
    drained([mark], foreign, cut, report(SEND_REPORT, 99, time.time_ns()))
    assert mark.tx_kernel_ns is not None


def test_marks_that_are_never_reported_do_not_pile_up() -> None:
    departures = TxTimestamps(ErrorQueue())  # type: ignore[arg-type]
    for end in range(10_000):
        departures.track(SendRecord(0, end=end))
    assert len(departures._sent) == len(departures._acked) == timestamping._RECORDS_KEPT


def test_arrival_without_a_stamp_is_none() -> None:
    assert timestamping.arrival([]) is None
    assert timestamping.arrival([(socket.SOL_SOCKET, 37, bytes(48))]) is None
    assert timestamping.arrival([(socket.SOL_SOCKET, 37, b"short")]) is None


def test_unix_sockets_have_no_timestamps() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert not timestamping.enable(one)
