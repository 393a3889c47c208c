"""Every path of `serve` visited by Node's `ws`, all at once; each test looks at one of them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.integration.server.serving import serving
from tests.integration.server.visits import VISITS, Saw, Visit
from tests.peers.servers import PROGRAMS
from tests.peers.tools import require_node_ws, require_tool
from wsdiag.server.faults import FAULTS
from wsdiag.server.routes import resolve

GOOD_MS, MOST_MS = 250, 1000


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Saw]:
    tries: list[tuple[float, dict[str, Saw]]] = []
    while len(tries) < 3 and (not tries or tries[-1][0] > GOOD_MS):
        tries.append(visit_all(tmp_path_factory))
    late_ms, best = min(tries, key=lambda one: one[0])
    if late_ms > MOST_MS:
        pytest.skip(f"short of CPU: the client was late by {late_ms:.0f} ms, of {MOST_MS} at most")
    return best


def visit_all(tmp_path_factory: pytest.TempPathFactory) -> tuple[float, dict[str, Saw]]:
    """By how much the client's timers were late at worst, and what it saw."""
    node, env = require_tool("node"), {**os.environ, **require_node_ws()}
    with serving() as server:
        jobs = [{"name": v.path, "url": server.url + v.path, **v.does} for v in VISITS]
        file: Path = tmp_path_factory.mktemp("visits") / "jobs.json"
        file.write_text(json.dumps(jobs))
        run = subprocess.run(
            [node, str(PROGRAMS / "ws_visits.js"), str(file)],
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    return float(found["lag_ms"]), dict(found["seen"])


def test_every_declared_fault_is_visited() -> None:
    visited = {type(fault) for visit in VISITS for fault in resolve(visit.path)}
    assert visited == set(FAULTS), "say in visits.py what a client sees there"


@pytest.mark.node
@pytest.mark.parametrize("visit", VISITS, ids=lambda visit: visit.path)
def test_the_client_sees_it(visit: Visit, seen: dict[str, Saw]) -> None:
    assert visit.saw(seen[visit.path]), json.dumps(seen[visit.path])
