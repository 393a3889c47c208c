"""What a recording may cost: memory, time, and what is left of it when reading is stopped."""

from __future__ import annotations

import io
import struct
import tracemalloc
from collections.abc import Iterator

import pytest

from tests.attack.readers import lines
from tests.attack.recordings import RECORDINGS
from tests.capture.builder import ACK, PSH, Capture, Flow
from tests.unit.capture.growth import assert_linear
from tests.unit.capture.test_flows import begin, feed
from tests.unit.capture.test_http2 import REQUEST, Connection
from wsdiag.capture import reader
from wsdiag.capture.explain import ExplainOptions, ExplainRun
from wsdiag.capture.open_pings import OpenPings
from wsdiag.capture.reader import CaptureReader
from wsdiag.protocol.codes import Opcode


class Piped(io.RawIOBase):
    """A recording as a pipe gives it, up to some bytes."""

    def __init__(self, pieces: Iterator[bytes], size: int) -> None:
        self._pieces, self._left, self._held = pieces, size, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._held:
            self._held = b"" if self._left <= 0 else next(self._pieces, b"")
            self._left -= len(self._held)
        took = min(len(buffer), len(self._held))
        buffer[:took], self._held = self._held[:took], self._held[took:]
        return took


@pytest.mark.parametrize("name", [name for name in RECORDINGS if "gzip" not in name])
def test_a_hostile_recording_is_read_without_a_defect(name: str) -> None:
    traced: list[object] = []
    options = ExplainOptions(show=True, live=True)
    run = ExplainRun(
        ["-"], options, lambda _: Piped(RECORDINGS[name](), 100_000), traced.append,
        lambda: len(traced) > 5_000,
    )  # fmt: skip
    for event in run.events():
        assert event is not None


def test_flows_that_hold_too_much_together_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MOST_HELD", 4 << 20)
    capture = Capture()
    honest = Flow(capture, 2000)
    honest.open()
    for number in range(40):
        flow = Flow(capture, 3000 + number)
        flow.open(number / 100)
        flow.lost("server", b"a byte that the capture lacks")
        for _ in range(12):
            data = b"\x7f" * 60_000  # which makes no frames
            flow.packet(number / 100, "server", data, PSH | ACK)
            flow.lost("server", data)
    honest.close(5, "client")
    data = capture.pcap()
    tracemalloc.start()
    try:
        read = CaptureReader(io.BytesIO(data), "test.pcap")
        found = list(read)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 << 20, f"{peak / 2**20:.1f} MiB of {len(data) / 2**20:.0f}"
    assert len(found) == 41
    assert [each.closes[0].code for each in found if each.closes] == [1000]  # it held nothing
    assert "held too many bytes" in read.totals.notes[0]


def test_segments_out_of_order_take_linear_time() -> None:
    def early(count: int) -> None:
        flow, _ = begin(99)
        for number in range(count):
            feed(flow, 200 + 2 * (count - number), b"a")
        flow.close(9)

    assert_linear(early, 1000)


def test_a_pong_is_not_compared_with_every_ping() -> None:
    def work(open_pings: int) -> int:
        pings = OpenPings()
        for number in range(open_pings):
            pings.add(b"%d" % number, number)
        return lines(lambda payload: pings.answer(payload.encode()), "a")

    assert work(1000) == work(1) > 0


def test_pings_that_are_forgotten_or_overtaken_are_counted() -> None:
    pings = OpenPings()
    for number in range(1030):
        pings.add(b"%d" % (number % 1029), number)
    assert (len(pings), pings.forgotten, pings.unanswered) == (1024, 6, 1030)
    assert pings.answer(b"1") is None
    assert pings.answer(b"6") == 6
    assert pings.answer(b"100") == 100
    assert pings.answer(b"50") is None  # a later one was answered
    assert list(pings.oldest(2)) == [101, 102]
    assert pings.answer(b"0") == 1029
    assert (len(pings), pings.unanswered) == (0, 6)


def test_close_frames_without_end_are_not_all_kept() -> None:
    capture = Capture()
    flow = Flow(capture)
    flow.open()
    for number in range(1, 20):
        flow.close(number, "server", 1000 + number % 2)
    flow.close(20, "client", 1001)
    (facts,) = CaptureReader(io.BytesIO(capture.pcap()), "test.pcap")
    assert [(close.by, close.code) for close in facts.closes] == [
        ("server", 1001),
        ("client", 1001),
    ]


def test_a_stream_is_forgotten_when_both_ends_have_ended_it() -> None:
    made = Connection()
    for number in range(1030):  # more than are followed at once
        stream = made.open(number)
        made.ends["server"].end_stream(stream)
        made.cross(number + 0.1, "server")
        made.ends["client"].end_stream(stream)
        made.cross(number + 0.2, "client")
    facts, _ = made.read()
    assert len(facts) == 1030


def test_streams_that_are_over_do_not_wait_for_their_connection() -> None:
    made = Connection()
    for number in range(2100):
        stream = made.open(number)
        made.ends["client"].reset_stream(stream)
        made.cross(number + 0.1, "client")
    read = CaptureReader(io.BytesIO(made.capture.pcap()), "test.pcap")
    numbers = [read.totals.packets for _ in read]
    assert len(numbers) == 2100
    assert numbers[0] < numbers[-1] == read.totals.packets  # some were told before the end


def test_bytes_before_a_streams_answer_are_not_lost() -> None:
    made = Connection()
    stream = made.ends["client"].get_next_available_stream_id()
    made.ends["client"].send_headers(stream, REQUEST)
    made.frame(1.0, "client", stream, Opcode.TEXT, b"one")
    made.ends["server"].send_headers(stream, [(":status", "200")])
    made.cross(2.0, "server")
    facts, _ = made.read()
    assert [each.sent.messages for each in facts] == [1]


def test_interfaces_and_secrets_without_end() -> None:
    interface = struct.pack("<IIHHII", 1, 20, 1, 0, 0, 20)
    read = CaptureReader(io.BytesIO(Capture().pcapng() + interface * 20_000), "test.pcapng")
    assert list(read) == []
    assert read.totals.broken is not None
    assert "interfaces" in str(read.totals.broken)


def test_when_it_is_stopped_what_was_read_ahead_is_left_alone() -> None:
    capture = Capture()
    flow = Flow(capture)
    flow.open()
    for number in range(50):
        flow.text(number, "server", "a")
    traced: list[object] = []
    options = ExplainOptions(live=True)
    run = ExplainRun(
        ["-"], options, lambda _: Piped(iter([capture.pcap()]), 1 << 20), traced.append,
        lambda: len(traced) >= 10,
    )  # fmt: skip
    events = list(run.events())
    assert len(traced) == 10
    assert any(each.outcome == "open" for each in events if hasattr(each, "outcome"))
