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


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Saw]:
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
            timeout=60,
        )
    assert run.returncode == 0, run.stderr
    return dict(json.loads(run.stdout))


def test_every_declared_fault_is_visited() -> None:
    visited = {type(fault) for visit in VISITS for fault in resolve(visit.path)}
    assert visited == set(FAULTS), "say in visits.py what a client sees there"


@pytest.mark.node
@pytest.mark.parametrize("visit", VISITS, ids=lambda visit: visit.path)
def test_the_client_sees_it(visit: Visit, seen: dict[str, Saw]) -> None:
    assert visit.saw(seen[visit.path]), json.dumps(seen[visit.path])
