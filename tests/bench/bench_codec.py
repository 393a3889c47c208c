"""Codec benchmarks: our parser, masking and encoder against `websockets` and `wsproto`.

Run `python tests/bench/bench_codec.py`. Each figure is the best of several rounds, in the same
process and over the same bytes; a ratio below 1 means that wsdiag is faster. Nothing is asserted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import wsproto
from websockets.frames import Frame as PeerFrame
from websockets.frames import Opcode as PeerOpcode
from websockets.protocol import CLIENT, OPEN, SERVER, Protocol
from wsproto.connection import Connection as WsprotoConnection
from wsproto.connection import ConnectionType

from wsdiag.protocol.codes import Opcode, Role
from wsdiag.protocol.connection import Connection
from wsdiag.protocol.frames import encode_frame

READ = 64 * 1024
KEY = b"\x12\x34\x56\x78"


@dataclass(frozen=True)
class Case:
    """One row: what is done, and how long ours and each peer's way took per frame, in us."""

    name: str
    ours: float
    websockets: float
    wsproto: float
    target: str


def best_of(run: Callable[[], object], frames: int, rounds: int = 7) -> float:
    """The shortest of several rounds, in microseconds a frame."""
    shortest = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest / frames * 1e6


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


def parse_case(size: int, masked: bool, target: str) -> Case:
    chunks, count = reads(size, masked, 2 * 2**20)
    runs = [parse_ours, parse_websockets, parse_wsproto]
    for run in runs:
        assert run(chunks, masked) == count, run.__name__
    times = [best_of(lambda run=run: run(chunks, masked), count) for run in runs]  # type: ignore[misc]
    kind = "masked" if masked else "plain"
    return Case(f"parse {size} B {kind}", times[0], times[1], times[2], target)


def build_case(size: int, target: str) -> Case:
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

    times = [best_of(run, count) for run in (build_ours, build_websockets, build_wsproto)]
    return Case(f"build {size} B masked", times[0], times[1], times[2], target)


def main() -> None:
    """Run every case and print a table of times and ratios."""
    parse_target = "websockets 0.5, wsproto 0.2"
    cases = [
        parse_case(size, masked, parse_target) for size in (16, 1024) for masked in (False, True)
    ]
    cases.append(parse_case(65536, True, "wsproto 1.0"))
    cases += [build_case(size, "websockets 1.0") for size in (16, 1024)]
    cases.append(build_case(65536, "wsproto 1.0"))
    print(f"{'case':<22}{'us/frame':>10}{'/websockets':>13}{'/wsproto':>10}   target")
    for case in cases:
        ratios = f"{case.ours / case.websockets:13.2f}{case.ours / case.wsproto:10.2f}"
        print(f"{case.name:<22}{case.ours:10.2f}{ratios}   {case.target}")


if __name__ == "__main__":
    main()
