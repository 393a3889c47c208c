"""The Autobahn Testsuite in both roles, where it is available.

WSDIAG_AUTOBAHN names the folder that holds it: `run_client_against.sh URL OUT` runs its fuzzing
client, `run_server.sh PORT OUT` its fuzzing server, `summarize.py OUT --json` counts. The quick
part runs unless WSDIAG_AUTOBAHN_EXCLUDE says otherwise; empty, it means all 517 cases.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.echo_client import OPTIONS, echo
from tests.peers.records import judge_lines
from wsdiag.protocol.events import TextMessage
from wsdiag.transport.dial.dialer import dial

QUICK = "9.*,12.*,13.*"
EXCLUDE = os.environ.get("WSDIAG_AUTOBAHN_EXCLUDE", QUICK)
LIMIT_S = 120 if EXCLUDE else 1800
AGENT = "wsdiag"

pytestmark = [pytest.mark.autobahn, pytest.mark.slow, pytest.mark.timeout(LIMIT_S + 60)]


@pytest.fixture(scope="module")
def suite() -> Path:
    """The folder of the suite; a skip that says why, or a failure under CI."""
    folder = os.environ.get("WSDIAG_AUTOBAHN")
    if folder and (Path(folder) / "summarize.py").exists():
        return Path(folder)
    why = "the Autobahn Testsuite is not available: WSDIAG_AUTOBAHN names no folder that holds it"
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


def environment() -> dict[str, str]:
    """What the suite's scripts read: which cases, our name, and how long they may take."""
    asked = {"EXCLUDE": EXCLUDE, "AGENT": AGENT, "LIMIT": str(LIMIT_S), "DETACH": "1"}
    return os.environ | asked


def judge(suite: Path, out: Path) -> None:
    """Every case OK or informational; at least as many as the quick part has."""
    counted = subprocess.run(
        [sys.executable, suite / "summarize.py", out, "--json"], capture_output=True, check=False
    )
    results: list[dict[str, Any]] = json.loads(counted.stdout)
    assert len(results) == 1, results
    result = results[0]
    print({name: value for name, value in result.items() if isinstance(value, int | float)})
    bad = {name: result[name] for name in ("failed_cases", "missing_cases", "nonstrict_cases")}
    assert bad == {"failed_cases": [], "missing_cases": [], "nonstrict_cases": []}
    assert result["ok"] + result["informational"] == result["total"]
    assert result["informational"] <= 3
    assert result["ok"] >= (244 if EXCLUDE else 514)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """`wsdiag serve` on a free port; the URL of its echo endpoint."""
    out, errors = folder / "serve.ndjson", folder / "serve.log"
    command = [sys.executable, "-m", "wsdiag", "serve", "--port", "0", "-o", "json"]
    # To a file, since an event a connection would fill a pipe that nobody reads.
    with out.open("wb") as stdout, errors.open("wb") as stderr:
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr)
    try:
        yield wait_for_url(process, out) + "/echo"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        with out.open(encoding="utf-8") as lines:
            judge_lines(lines)


def wait_for_url(process: subprocess.Popen[bytes], out: Path) -> str:
    """What the first record says; the process must not end before it comes."""
    while b"\n" not in out.read_bytes():
        assert process.poll() is None, "serve ended before it listened"
        time.sleep(0.05)
    url: str = json.loads(out.read_bytes().splitlines()[0])["url"]
    return url


def test_our_server_against_the_fuzzing_client(suite: Path, tmp_path: Path) -> None:
    with serving(tmp_path) as url, (tmp_path / "run.log").open("wb") as log:
        script = suite / "run_client_against.sh"
        command = [str(script), url, str(tmp_path / "out")]
        subprocess.run(command, env=environment(), stdout=log, stderr=log, check=False)
    judge(suite, tmp_path / "out")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def drive(base: str) -> None:
    """Run every case of a fuzzing server with our echo client, then ask for the reports."""
    session = await dial(f"{base}/getCaseCount", OPTIONS)
    counted = await session.receive(timeout=30)
    assert counted is not None
    assert isinstance(counted.event, TextMessage)
    await session.close()
    for case in range(1, int(counted.event.text) + 1):
        await echo(f"{base}/runCase?case={case}&agent={AGENT}")
    await echo(f"{base}/updateReports?agent={AGENT}")


def test_our_client_against_the_fuzzing_server(suite: Path, tmp_path: Path) -> None:
    out, port = tmp_path / "out", free_port()
    with (tmp_path / "run.log").open("wb") as log:
        command = [str(suite / "run_server.sh"), str(port), str(out)]
        subprocess.run(command, env=environment(), stdout=log, stderr=log, check=True)
    try:
        asyncio.run(asyncio.wait_for(drive(f"ws://127.0.0.1:{port}"), LIMIT_S))
    finally:
        os.kill(int((out / "pid").read_text()), signal.SIGTERM)
    judge(suite, out)
