"""Codec benchmarks: our parser, masking and encoder against `websockets` and `wsproto`.

Run `python tests/bench/bench_codec.py`. Each figure is the best of several rounds, in which the
contenders take turns in the same process and over the same bytes. Nothing is asserted.

What pure Python cannot reach: XOR of 1 KiB takes it 1.5 us and C 0.1 us, and `websockets` with its
C extension spends 1.5 to 2.2 us on such a frame in all. Masked frames from about 500 bytes on are
therefore slower than there, however little the rest takes.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import wsproto
from websockets.frames import Frame as PeerFrame
from websockets.frames import Opcode as PeerOpcode
from websockets.protocol import CLIENT, OPEN, SERVER, Protocol
from wsproto.connection import Connection as WsprotoConnection
from wsproto.connection import ConnectionType

from wsdiag.protocol.codes import Opcode, Role
from wsdiag.protocol.connection import Connection
from wsdiag.protocol.frames import encode_frame

# Run by its path, it has its own folder to import from, but not the one that holds tests/.
sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.table import Row, show

READ = 64 * 1024
KEY = b"\x12\x34\x56\x78"


Targets = Mapping[str, float]
"""The largest ratio to each peer that is good enough."""


def best(
    runs: Mapping[str, Callable[[], object]], frames: int, rounds: int = 9
) -> dict[str, float]:
    """The shortest of several rounds of each, taken in turn, in microseconds a frame."""
    shortest = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            shortest[name] = min(shortest[name], time.perf_counter() - start)
    return {name: took / frames * 1e6 for name, took in shortest.items()}


def compared(what: str, us: Mapping[str, float], targets: Targets) -> list[Row]:
    """A row for each peer; `us` has microseconds a frame by name, ours under `wsdiag`."""
    ours = us["wsdiag"]
    return [
        Row(
            what,
            f"{ours:.2f} us",
            f"{peer} {took:.2f} us",
            ours / took,
            f"{peer} {targets[peer]:g}" if peer in targets else "",
            ours / took <= targets[peer] if peer in targets else None,
        )
        for peer, took in us.items()
        if peer != "wsdiag"
    ]


def reads(size: int, masked: bool, total: int) -> tuple[list[bytes], int]:
    """A stream of equal binary frames, cut into 64 KiB reads; and the number of frames."""
    frame = encode_frame(Opcode.BINARY, os.urandom(size), mask=KEY if masked else None)
    count = max(8, total // len(frame))
    stream = frame * count
    return [stream[at : at + READ] for at in range(0, len(stream), READ)], count


def parse_ours(chunks: list[bytes], masked: bool) -> int:
    connection = Connection(Role.SERVER if masked else Role.CLIENT)
    return sum(len(connection.receive_data(chunk)) for chunk in chunks)


def parse_websockets(chunks: list[bytes], masked: bool) -> int:
    protocol = Protocol(SERVER if masked else CLIENT, state=OPEN, max_size=None)
    seen = 0
    for chunk in chunks:
        protocol.receive_data(chunk)
        seen += len(protocol.events_received())
    return seen


def parse_wsproto(chunks: list[bytes], masked: bool) -> int:
    side = ConnectionType.SERVER if masked else ConnectionType.CLIENT
    connection = WsprotoConnection(side)
    seen = 0
    for chunk in chunks:
        connection.receive_data(chunk)
        for event in connection.events():
            assert isinstance(event, wsproto.events.BytesMessage)
            seen += event.message_finished
    return seen


PARSERS = {"wsdiag": parse_ours, "websockets": parse_websockets, "wsproto": parse_wsproto}


def parse_rows(size: int, masked: bool, targets: Targets) -> list[Row]:
    """Frames of one size in 64 KiB reads, every event looked at."""
    chunks, count = reads(size, masked, 2 * 2**20)
    for parse in PARSERS.values():
        assert parse(chunks, masked) == count, parse.__name__
    runs = {name: partial(parse, chunks, masked) for name, parse in PARSERS.items()}
    kind = "masked" if masked else "plain"
    return compared(f"parse {size} B {kind}", best(runs, count), targets)


def build_rows(size: int, targets: Targets) -> list[Row]:
    """Masked binary messages of one size, each as the bytes to send."""
    data, count = os.urandom(size), max(20, 2**20 // (size + 100))
    ours = Connection(Role.CLIENT)
    theirs = WsprotoConnection(ConnectionType.CLIENT)

    def build_ours() -> None:
        for _ in range(count):
            ours.send_binary(data)
            ours.data_to_send()

    def build_websockets() -> None:
        for _ in range(count):
            PeerFrame(PeerOpcode.BINARY, data).serialize(mask=True)

    def build_wsproto() -> None:
        for _ in range(count):
            theirs.send(wsproto.events.BytesMessage(data=data))

    runs = {"wsdiag": build_ours, "websockets": build_websockets, "wsproto": build_wsproto}
    return compared(f"build {size} B masked", best(runs, count), targets)


def rows() -> list[Row]:
    """Every case."""
    small = {"websockets": 0.5, "wsproto": 0.2}
    found = [
        row
        for size in (16, 1024)
        for masked in (False, True)
        for row in parse_rows(size, masked, small)
    ]
    found += parse_rows(65536, True, {"wsproto": 1.0})
    for size in (16, 125, 1024):
        found += build_rows(size, {"wsproto": 1.0, "websockets": 1.0})
    return found + build_rows(65536, {"wsproto": 1.0})


if __name__ == "__main__":
    show(rows())
