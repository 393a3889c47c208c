"""Run by hand: is the place where a flow died ever a wrong one? Chains of routers, loss, and load.

    python -m tests.attack.locate_under_load [RUNS] [LOSS_PERCENT] [BUSY_PROCESSES]

Needs root. Each run takes some ten seconds. Prints what was found, and how often it was wrong; a
place that is not told is no wrong one, and is counted by itself.
"""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.peers.certs import Authority
from tests.peers.chain import Chain
from tests.peers.peers import Peers

ARGS = ["--from", "1s", "--to", "5s", "--step", "1s", "--keepalive", "1s", "--pong-timeout", "1s"]
LOSS = """
table ip loss {{ chain pass {{
  type filter hook forward priority -10
  meta l4proto tcp numgen random mod 100 < {percent} drop
}}
}}
"""

Scene = tuple[str, Callable[[Chain], object], tuple[int, int]]


def scenes() -> list[Scene]:
    """(name, what the routers do, the bracket that is right)."""

    def nat(router: int) -> Scene:
        return (
            f"NAT at hop {router}",
            lambda chain: (chain.translate(router), chain.forget(router, 2)),
            (router, router + 1),
        )

    return [
        nat(1),
        nat(2),
        nat(3),
        ("silent hop 3", lambda c: (c.forget(2, 2), c.silence(3)), (2, 4)),
        ("hop 2 answers one in two", lambda c: (c.forget(3, 2), c.every_other(2)), (3, 4)),
        ("hop 3 answers one in two", lambda c: (c.forget(3, 2), c.every_other(3)), (3, 4)),
        ("reset at hop 3", lambda c: c.forget(3, 2, reset=True), (3, 4)),
    ]


def busy() -> None:
    """A process that takes all the processor it gets."""
    while True:
        pass


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    percent = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    busy_ones = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    load = [multiprocessing.Process(target=busy, daemon=True) for _ in range(busy_ones)]
    tally: Counter[str] = Counter()
    directory = Path(tempfile.mkdtemp())
    peers, chain = Peers(directory, Authority(directory)), Chain(5)
    try:
        server = peers.websockets(host=chain.server_address, netns=chain.server_ns)
        for process in load:
            process.start()
        for number in range(runs):
            name, prepare, right = scenes()[number % len(scenes())]
            for router in range(1, 6):
                chain.flush(router)
            prepare(chain)
            if percent:
                chain.rules(5, LOSS.format(percent=percent))
            argv = [sys.executable, "-m", "wsdiag", "idle-probe", *ARGS, "-o", "json", server.url]
            began = time.monotonic()
            done = subprocess.run(
                ["ip", "netns", "exec", chain.client_ns, *argv],
                capture_output=True,
                text=True,
                timeout=120,
            )
            verdict = json.loads(done.stdout.splitlines()[-1])
            found = verdict.get("location")
            place = None if found is None else (found["after_hop"], found["before_hop"])
            judged = "not told" if place is None else "right" if place == right else "wrong"
            if place is not None and place[0] <= right[0] and right[1] <= place[1] != right:
                judged = "right" if place == right else "wider"
            tally[judged] += 1
            took = time.monotonic() - began
            print(f"{number + 1:3} {name:26} {place} {judged}  {took:.1f} s", flush=True)
    finally:
        for process in load:
            process.kill()
        peers.close()
        chain.remove()
    print(dict(tally))


if __name__ == "__main__":
    main()
