"""Whole processes, from the shell's fork to their end: CPU and wall time beside other tools.

Run `python tests/bench/bench_startup.py [WSDIAG]`; WSDIAG is the command to measure, the one of
this environment if not given (measure an ordinary `pip install`, compiled to bytecode: that is
what users have). Peers are those of this environment and `WSDIAG_NODE_MODULES`; websocat and wsstat
count where installed. The runs take turns, so that a busy machine is busy for all; each figure is
the median of its runs. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Run by its path, it has its own folder to import from, but not the one that holds tests/.
sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.table import Row, show

RUNS = 21
SCRIPT = """\
import asyncio, sys, time
from websockets.asyncio.client import connect

async def main():
    async with connect(sys.argv[1]) as ws:
        began = time.perf_counter()
        await (await ws.ping())
        print(f"{(time.perf_counter() - began) * 1000:.3f} ms")

asyncio.run(main())
"""

SERVER = """\
import asyncio
from contextlib import suppress
from websockets.exceptions import ConnectionClosedError
from websockets.asyncio.server import serve

async def echo(ws):
    with suppress(ConnectionClosedError):  # wscat ends TCP without a Close
        async for message in ws:
            await ws.send(message)

async def main():
    async with serve(echo, "127.0.0.1", 0) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

asyncio.run(main())
"""


@dataclass(frozen=True)
class Took:
    """What one process took, in milliseconds."""

    wall_ms: float
    cpu_ms: float


def run_once(command: Sequence[str]) -> Took:
    """Run a command to its end; RuntimeError when it fails."""
    # What a session sets for its own Python would be measured as well: no bytecode, no buffers.
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    wall_ms = (time.perf_counter() - began) * 1e3
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return Took(wall_ms, (used.ru_utime + used.ru_stime) * 1e3)


def medians(commands: Mapping[str, Sequence[str]], runs: int = RUNS) -> dict[str, Took]:
    """The median of each command's runs, which take turns; a first round warms the caches."""
    taken: dict[str, list[Took]] = {name: [] for name in commands}
    for _ in range(runs + 1):
        for name, command in commands.items():
            taken[name].append(run_once(command))
    return {
        name: Took(
            statistics.median(each.wall_ms for each in times[1:]),
            statistics.median(each.cpu_ms for each in times[1:]),
        )
        for name, times in taken.items()
    }


def peers(url: str) -> dict[str, list[str]]:
    """Commands that do what `ping -c 1` does, as far as this machine has them."""
    found = {"websockets script": [sys.executable, "-c", SCRIPT, url]}
    modules = os.environ.get("WSDIAG_NODE_MODULES")
    if modules and (wscat := Path(modules, ".bin", "wscat")).exists():
        found["wscat"] = [str(wscat), "-c", url, "-x", "hi", "-w", "0"]
    if (websocat := shutil.which("websocat")) is not None:
        found["websocat"] = ["sh", "-c", f"echo hi | {websocat} -1 {url}"]
    if (wsstat := shutil.which("wsstat")) is not None:
        found["wsstat"] = [wsstat, url]
    return found


def against(what: str, ours: Took, peer: str, theirs: Took, target: float | None) -> list[Row]:
    """Two rows, wall and CPU; `target` is the largest ratio that is good enough."""
    wanted = "" if target is None else f"{peer} {target:g}"
    rows = []
    for clock, mine, its in (
        ("wall", ours.wall_ms, theirs.wall_ms),
        ("CPU", ours.cpu_ms, theirs.cpu_ms),
    ):
        ratio = mine / its
        met = None if target is None else ratio <= target
        rows.append(
            Row(f"{what}, {clock}", f"{mine:.1f} ms", f"{peer} {its:.1f} ms", ratio, wanted, met)
        )
    return rows


def ping_rows(wsdiag: str, url: str) -> list[Row]:
    """One Ping as a whole process, against every peer that this machine has."""
    others = peers(url)
    took = medians({"wsdiag": [wsdiag, "ping", "-c", "1", "-o", "json", url], **others})
    targets = {"websockets script": 1.3, "wscat": 1.0}
    return [
        row
        for peer in others
        for row in against("ping -c 1 -o json", took["wsdiag"], peer, took[peer], targets.get(peer))
    ]


def answer_rows(wsdiag: str) -> list[Row]:
    """What is answered without a network, against an empty Python."""
    bare = "python -c pass"
    lines = {"--version": 6.0, "--help": 15.0, "completion bash": 15.0}
    commands = {line: [wsdiag, *line.split()] for line in lines}
    took = medians({bare: [sys.executable, "-c", "pass"], **commands})
    return [
        row
        for line, target in lines.items()
        for row in against(line, took[line], bare, took[bare], target)
    ]


async def measure(wsdiag: str) -> list[Row]:
    """All rows; the endpoint is the `websockets` library's, on loopback, in its own process."""
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert server.stdout is not None
        port = int(await asyncio.wait_for(server.stdout.readline(), 30))
        pinged = await asyncio.to_thread(ping_rows, wsdiag, f"ws://127.0.0.1:{port}/")
    finally:
        server.terminate()
        await server.wait()
    return [*pinged, *await asyncio.to_thread(answer_rows, wsdiag)]


def rows(wsdiag: str | None = None) -> list[Row]:
    """Measure; `wsdiag` is the command to measure, None: the one beside this Python."""
    found = wsdiag or shutil.which("wsdiag", path=str(Path(sys.executable).parent))
    if found is None:
        raise FileNotFoundError(f"no wsdiag beside {sys.executable}: name the command to measure")
    run_once([found, "--version"])
    return asyncio.run(measure(found))


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("wsdiag", nargs="?", help="the command to measure")
    show(rows(parser.parse_args().wsdiag))


if __name__ == "__main__":
    main()
