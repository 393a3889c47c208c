"""Captures that are wrong in every way: no crash, no hang, and nothing that a packet steers."""

from __future__ import annotations

import io
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.capture.builder import Capture, Flow
from wsdiag.capture.explain import ExplainOptions, ExplainRun
from wsdiag.capture.flows import MOST_FLOWS, FlowTable
from wsdiag.capture.packet_files import PacketFile
from wsdiag.records.explain import ExplainConnection


def conversations(seed: int) -> Capture:
    """A few connections that end in different ways."""
    capture, chance = Capture(), random.Random(seed)
    for number in range(3):
        flow, at_s = Flow(capture, port=40000 + number), 0.3 * number
        flow.open(at_s)
        for step in range(chance.randrange(8)):
            who = chance.choice(("client", "server"))
            kind = chance.randrange(3)
            if kind == 0:
                flow.text(at_s + 1 + step, who, "x" * chance.randrange(3000))
            elif kind == 1:
                flow.ping(at_s + 1 + step, who, bytes(chance.randrange(8)))
            else:
                flow.pong(at_s + 1 + step, who)
        if number == 0:
            flow.close(at_s + 20, "server", chance.choice((None, 1000, 1002, 1009)))
        end = chance.choice((flow.fin, flow.rst))
        end(at_s + 21, chance.choice(("client", "server")))
    capture.packets.sort(key=lambda packet: packet[0])
    return capture


def read(data: bytes) -> list[ExplainConnection]:
    """All of `explain` over these bytes."""
    run = ExplainRun(["x"], ExplainOptions(show=True), lambda _: _Raw(data))
    return [event for event in run.events() if isinstance(event, ExplainConnection)]


class _Raw(io.BytesIO, io.RawIOBase):  # type: ignore[misc]
    """Bytes as a raw stream."""


MUTATIONS = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 1 << 16), st.integers(0, 255)), max_size=12
)


@given(st.integers(0, 50), MUTATIONS)
@settings(max_examples=150)
def test_packets_out_of_order_short_and_overlapping(
    seed: int, mutations: list[tuple[int, int, int]]
) -> None:
    capture = conversations(seed)
    packets = capture.packets
    for kind, where, value in mutations:
        at = where % len(packets)
        time_ns, data = packets[at]
        if kind == 0:
            packets.insert(value % len(packets), packets.pop(at))
        elif kind == 1:
            packets[at] = time_ns, data[: value % (len(data) + 1)]
        elif kind == 2:
            packets.insert(at, packets[at])
        elif kind == 3 and len(packets) > 2:
            del packets[at]
        elif kind == 4 and data:
            place = value % len(data)
            packets[at] = time_ns, data[:place] + bytes([value]) + data[place + 1 :]
        elif kind == 5 and len(data) > 42:  # another place in the sequence: overlap, or a hole
            shifted = (data[41] + value) % 256
            packets[at] = time_ns, data[:41] + bytes([shifted]) + data[42:]
        elif kind == 6:
            packets[at] = time_ns - value * 10**9, data
        elif kind == 7:
            packets[at] = time_ns, data + bytes([value]) * (where % 50)
    assert len(read(capture.pcap())) <= len(packets)


@given(st.integers(0, 50), MUTATIONS, st.booleans())
@settings(max_examples=100)
def test_bytes_of_a_file(seed: int, mutations: list[tuple[int, int, int]], newer: bool) -> None:
    capture = conversations(seed)
    data = bytearray(capture.pcapng() if newer else capture.pcap())
    for kind, where, value in mutations:
        at = where % len(data)
        if kind < 4:
            data[at] = value
        elif kind < 6:
            del data[at : at + value]
        else:
            data[at:at] = bytes([value]) * kind
        if not data:
            break
    read(bytes(data))


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    read(data)


@given(st.integers(0, 30), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_order_within_a_window_changes_nothing(seed: int, chance: random.Random) -> None:
    """Segments that arrive in another order, or twice, make the same messages."""
    capture = Capture()
    flow = Flow(capture)
    flow.open()
    opened = len(capture.packets)
    for step in range(10):
        flow.text(1 + step / 10, "server", f"{seed}: " + "y" * chance.randrange(4000))
    flow.close(3, "server")
    before = read(capture.pcap())[0]
    # the segments between the handshake and the Close, without acknowledgements: those tell holes
    moved = Capture(packets=capture.packets[:opened])
    data = [packet for packet in capture.packets[opened:-2] if len(packet[1]) > 54]
    times = [time_ns for time_ns, _ in data]
    chance.shuffle(data)
    moved.packets += [(at, each) for at, (_, each) in zip(times, data, strict=True)]
    moved.packets += capture.packets[-2:]
    after = read(moved.pcap())[0]
    assert (after.messages, after.bytes) == (before.messages, before.bytes)


def test_half_open_flows_are_bounded() -> None:
    ended: list[object] = []
    table = FlowTable(lambda flow: None, ended.append)
    for number in range(3 * MOST_FLOWS):
        ends = number.to_bytes(4, "big") + b"\1\2\3\4" + b"\0\1\0\x50"
        table.segment(number, ends, 7, 0, 2, 100, 64, b"", 0)
    assert len(table) <= MOST_FLOWS
    assert table.given_up == len(ended)


def test_a_capture_of_nothing_is_a_capture() -> None:
    assert list(PacketFile(io.BytesIO(Capture().pcap()))) == []
