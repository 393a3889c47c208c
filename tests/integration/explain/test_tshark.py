"""Frame by frame as tshark reads the same capture."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

from tests.capture.builder import Capture, Flow
from tests.integration.explain.recording import drained, opened, recorded, text
from tests.peers.peers import Peers
from tests.peers.tools import require_tool
from wsdiag.capture.reader import CaptureReader
from wsdiag.judgement.recorded.facts import ANSWER

NUMBERS = {"continuation": 0, "text": 1, "binary": 2, "close": 8, "ping": 9, "pong": 10}
NUMBERS[ANSWER] = 10


def by_tshark(capture: Path, port: int) -> list[tuple[str, int]]:
    """(side, opcode) of every frame, in the order of their ends; the server listens on `port`."""
    fields = ("tcp.stream", "tcp.srcport", "websocket.opcode")
    argv = [require_tool("tshark"), "-r", str(capture), "-Y", "websocket", "-T", "fields"]
    argv += [word for field in fields for word in ("-e", field)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    frames: list[tuple[str, int]] = []
    for line in done.stdout.splitlines():
        stream, source, opcodes = line.split("\t")
        side = "server" if int(source.split(",")[0]) == port else "client"
        frames += [(f"{stream} {side}", int(opcode)) for opcode in opcodes.split(",")]
    return sorted(frames, key=lambda frame: int(frame[0].split()[0]))


def by_us(capture: Path) -> list[tuple[str, int]]:
    """The same by our reader."""
    with capture.open("rb") as file:
        found = sorted(CaptureReader(file, "c"), key=lambda facts: facts.began or 0.0)
    return [
        (f"{stream} {who}", NUMBERS[what])
        for stream, facts in enumerate(found)
        for _, who, what in facts.activity
    ]


def test_real_traffic(peers: Peers, tmp_path: Path) -> None:
    server = peers.websockets()
    with recorded(tmp_path / "c.pcap", port=server.port) as capture:
        peers.wsdiag("ping", "-c", "20", "-i", "10ms", server.url, ok=0)
        peers.wsdiag(
            *("ping", "--mode", "text", "-s", "3000", "-c", "20", "-i", "10ms", server.url), ok=0
        )
        peers.wsdiag("connect", server.url, ok=0)
        client = opened(server.host, server.port)
        for number in range(5):
            text(client, f"number {number}")
        client.sendall(b"\x01\x82\0\0\0\0ab\x89\x80\0\0\0\0\x80\x82\0\0\0\0cd")  # in one segment
        client.sendall(b"\x88\x82\0\0\0\0\x03\xe8")
        reader = threading.Thread(target=drained, args=(client,))
        reader.start()
        reader.join(20)
    ours, theirs = by_us(capture), by_tshark(capture, server.port)
    assert len(theirs) >= 90
    assert ours == theirs


def test_a_capture_that_joins_in_the_middle(tmp_path: Path) -> None:
    capture = Capture()
    flow = Flow(capture)
    flow.open()
    handshake = len(capture.packets)
    flow.text(1.0, "client", "hello there")
    flow.ping(2.0, "server", b"abcd")
    flow.pong(2.1, "client", b"abcd")
    flow.text(3.0, "server", "x" * 5000)
    flow.close(4.0, "server", 1001)
    whole = [what for _, what in by_tshark(capture.write(tmp_path / "whole.pcap"), 8080)]
    del capture.packets[:handshake]
    joined = capture.write(tmp_path / "joined.pcap")
    assert [what for _, what in by_us(joined)] == whole == [1, 9, 10, 1, 8]
    assert len(by_tshark(joined, 8080)) < len(whole)
