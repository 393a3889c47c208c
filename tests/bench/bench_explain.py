"""`explain` on a large capture: CPU beside tshark's on the same file, and the memory it takes.

Run `python tests/bench/bench_explain.py [MEGABYTES]` (60 if not given). The capture is made first:
fifty connections, messages of 300 bytes. Resident memory is measured on the file and on one a third
of its size: what does not grow between them does not grow with the file. Nothing is asserted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

# Run by its path, it has its own folder to import from, but not the one that holds tests/.
sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.table import Row, show
from tests.capture.builder import Capture, Flow
from tests.peers.tools import require_tool


def make(path: Path, size: int) -> Path:
    """A capture of about so many bytes."""
    capture = Capture()
    flows = [Flow(capture, port=40000 + number) for number in range(50)]
    for number, flow in enumerate(flows):
        flow.open(number * 0.01)
    with path.open("wb") as file:
        file.write(capture.pcap())
        turn = 0
        while file.tell() < size:
            capture.packets.clear()
            for _ in range(500):
                turn += 1
                who = "client" if turn % 3 == 0 else "server"
                flows[turn % 50].text(1 + turn / 1000, who, "x" * 300)
            file.write(capture.pcap()[24:])
    return path


def cost(*argv: str) -> tuple[float, float]:
    """(CPU seconds, resident MiB) of a command."""
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{argv[0]} failed: {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    ours = [sys.executable, "-m", "wsdiag", "explain", "-q"]
    with tempfile.TemporaryDirectory() as place:
        large = make(Path(place) / "large.pcap", megabytes << 20)
        small = make(Path(place) / "small.pcap", (megabytes << 20) // 3)
        cpu_s, memory = cost(*ours, str(large))
        _, less = cost(*ours, str(small))
        peer_s, peer_memory = cost(require_tool("tshark"), "-r", str(large), "-Y", "websocket")
    show(
        [
            Row(
                f"explain {megabytes} MB: CPU",
                f"{cpu_s:.1f} s",
                f"{peer_s:.1f} s (tshark)",
                cpu_s / peer_s,
                "<= 1",
                cpu_s <= peer_s,
            ),
            Row(
                "explain: resident memory",
                f"{memory:.0f} MiB ({less:.0f} for a third)",
                f"{peer_memory:.0f} MiB (tshark)",
                memory / peer_memory,
                "< 200 MiB",
                memory < 200,
            ),
        ]
    )


if __name__ == "__main__":
    main()
