"""pcap and pcapng in their variants, whole, cut off and broken."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.capture.builder import BEGAN_NS, Capture, Flow
from wsdiag.capture.packet_files import CaptureError, PacketFile
from wsdiag.capture.reader import CaptureReader


def sample(link_type: int = 1, version: int = 4) -> Capture:
    """A short connection."""
    flow = Flow(Capture(link_type), version=version)
    flow.open()
    flow.text(1.5, "server", "news")
    flow.close(2.0, "client")
    return flow.capture


def messages(data: bytes) -> list[tuple[int | None, int | None, int | None]]:
    """(status, messages received, code) of each connection in a file."""
    return [
        (facts.status, facts.received.messages, facts.closes[0].code if facts.closes else None)
        for facts in CaptureReader(io.BytesIO(data), "x")
    ]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("link_type", [1, 113, 276, 101, 0])
@pytest.mark.parametrize("version", [4, 6])
def test_every_variant_gives_the_same(order: str, link_type: int, version: int) -> None:
    capture = sample(link_type, version)
    expected = [(101, 1, 1000)]
    assert messages(capture.pcap(order)) == expected
    assert messages(capture.pcap(order, nanoseconds=True)) == expected
    assert messages(capture.pcapng(order)) == expected
    assert messages(capture.pcapng(order, resolution=6)) == expected


@pytest.mark.parametrize("resolution", [3, 6, 9])
def test_times_are_nanoseconds_whatever_the_file_counts(resolution: int) -> None:
    capture = sample()
    file = PacketFile(io.BytesIO(capture.pcapng(resolution=resolution)))
    times = [packet.time_ns - BEGAN_NS for packet in file]
    wanted = [time_ns - BEGAN_NS for time_ns, _ in capture.packets]
    unit = 10 ** (9 - resolution)
    assert times == [time // unit * unit for time in wanted]


def test_vlan_tags_are_passed_over() -> None:
    capture = sample()
    tagged = Capture()
    tag = b"\x81\x00\x00\x05\x88\xa8\x00\x07"
    tagged.packets = [(t, d[:12] + tag + d[12:]) for t, d in capture.packets]
    assert messages(tagged.pcap()) == [(101, 1, 1000)]


def test_a_file_carries_its_own_tls_secrets() -> None:
    told: list[bytes] = []
    file = PacketFile(io.BytesIO(sample().pcapng(secrets=b"CLIENT_RANDOM aa bb\n")), told.append)
    list(file)
    assert told == [b"CLIENT_RANDOM aa bb\n"]


@pytest.mark.parametrize("make", [Capture.pcap, Capture.pcapng], ids=["pcap", "pcapng"])
def test_what_was_cut_off_gives_what_is_there(make) -> None:  # type: ignore[no-untyped-def]
    data = make(sample())
    reader = CaptureReader(io.BytesIO(data[:-7]), "x")
    (facts,) = reader
    assert facts.status == 101
    assert reader.totals.broken is not None
    assert reader.totals.broken.offset == len(data) - 7
    assert "cut off" in str(reader.totals.broken)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"PK\x03\x04 and so on", "neither pcap nor pcapng"),
        (struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0, 1) + b"\xff" * 16, "a packet of"),
        (b"\x0a\x0d\x0d\x0a" + b"\0" * 24, "byte-order magic"),
    ],
)
def test_what_is_broken_is_named_with_its_place(data: bytes, says: str) -> None:
    reader = CaptureReader(io.BytesIO(data), "x")
    assert list(reader) == []
    assert says in str(reader.totals.broken)


@given(st.data())
def test_mutated_files_never_crash(data: st.DataObject) -> None:
    make = data.draw(st.sampled_from([Capture.pcap, Capture.pcapng]))
    raw = bytearray(make(sample(data.draw(st.sampled_from([1, 113, 276, 101, 0])))))
    for _ in range(data.draw(st.integers(1, 12))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    for facts in CaptureReader(io.BytesIO(bytes(raw[:cut])), "x"):
        assert facts.recorded_s is not None


def test_only_the_first_bytes_of_each_packet() -> None:
    flow = Flow(Capture())
    flow.open()
    flow.text(1.0, "server", "x" * 900)
    flow.text(2.0, "server", "short")
    flow.fin(3.0, "server")
    (facts,) = CaptureReader(io.BytesIO(flow.capture.pcap(snap=400)), "x")
    assert facts.received.messages == 2
    assert facts.received.bytes == 905
    assert facts.received.lost_bytes > 0


def test_a_file_that_ends_is_no_error() -> None:
    with pytest.raises(CaptureError, match="empty"):
        list(PacketFile(io.BytesIO(b"")))
    reader = CaptureReader(io.BytesIO(sample().pcap()), "x")
    assert len(list(reader)) == 1
    assert reader.totals.broken is None
