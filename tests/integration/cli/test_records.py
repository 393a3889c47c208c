"""What scripts rely on in every command's records: which `-q` leaves, whose they are, `--log`."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.capture.builder import Capture, Flow
from tests.peers.peers import Peers

IDLE = ("--from", "0.2", "--to", "0.4", "--step", "0.2", "--pong-timeout", "30")
RUNS = {
    "connect": (),
    "ping": ("-c", "2", "-i", "50ms"),
    "idle-probe": IDLE,
    "stream": ("-c", "2"),
    "path": ("-c", "1"),
    "check": (),
}


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    flow = Flow(Capture())
    flow.open(1.0)
    flow.text(1.5, "client", "hello")
    flow.close(2.0, "server", 1001)
    flow.fin(2.1, "server")
    return flow.capture.write(tmp_path / "one.pcap")


def types(text: str) -> list[str]:
    return [json.loads(line)["type"] for line in text.splitlines()]


@pytest.mark.parametrize(
    ("command", "left"),
    [
        ("connect", ["connect.result"]),
        ("ping", ["ping.summary"]),
        ("idle-probe", ["idle.verdict"]),
        ("stream", ["stream.summary"]),
        ("path", ["path.summary"]),
        ("check", ["check.summary"]),
    ],
)
def test_quiet_records_are_the_conclusion(peers: Peers, command: str, left: list[str]) -> None:
    url = f"{peers.serve()[0]}/push/0.05"
    assert types(peers.wsdiag(command, "-q", "-o", "json", *RUNS[command], url, ok=0).out) == left


def test_quiet_records_of_check_have_what_failed(peers: Peers) -> None:
    url = f"{peers.serve()[0]}/latency/20"
    run = peers.wsdiag("check", "-q", "-o", "json", "--max-p95", "1ms", url, ok=3)
    assert types(run.out) == ["check.result", "check.summary"]
    assert run.record("check.result")["id"] == "ping.p95"


def test_quiet_records_have_errors(peers: Peers) -> None:
    run = peers.wsdiag("ping", "-q", "-o", "json", "ws://127.0.0.1:1/", ok=1)
    assert types(run.out) == ["error", "ping.summary"]


def test_quiet_records_of_explain(peers: Peers, recording: Path, tmp_path: Path) -> None:
    run = peers.wsdiag("explain", "-q", "-o", "json", str(recording), ok=0)
    assert types(run.out) == ["explain.verdict"]
    own = tmp_path / "own.ndjson"
    url = f"{peers.serve()[0]}/echo"
    own.write_text(peers.wsdiag("ping", "-o", "json", *RUNS["ping"], url, ok=0).out)
    run = peers.wsdiag("explain", "-q", "-o", "json", str(own), ok=0)
    assert types(run.out) == ["ping.summary"]


def test_quiet_serve_says_where_it_listens_and_no_more(peers: Peers) -> None:
    url, serving = peers.serve("-q")
    peers.wsdiag("ping", "-c", "1", f"{url}/echo", ok=0)
    serving.signal(signal.SIGTERM)
    assert types(serving.wait().out) == ["serve.listening"]


def test_every_record_of_several_urls_has_its_number(peers: Peers, tmp_path: Path) -> None:
    """Tokens are masked, so that two URLs may look the same."""
    served, trace = peers.serve()[0], tmp_path / "trace.ndjson"
    urls = [f"{served}/status/403?body=x&token={token}" for token in ("first-one", "second-one")]
    for command in ("ping", "idle-probe", "check"):
        line = (command, "-o", "json", "--trace", str(trace), *RUNS[command], *urls)
        records = peers.wsdiag(*line).records
        traced = [json.loads(line) for line in trace.read_text().splitlines()]
        assert len({one["url"] for one in (*records, *traced) if "url" in one}) == 1
        whole = {"check.summary"}
        for found in (records, traced):
            numbers = [one.get("target") for one in found if one["type"] not in whole]
            assert set(numbers) == {1, 2}, (command, numbers)


def test_reports_of_check_keep_endpoints_apart_that_look_the_same(
    peers: Peers, tmp_path: Path
) -> None:
    served = peers.serve()[0]
    urls = [f"{served}/status/403?token={token}" for token in ("first-one", "second-one")]
    run = peers.wsdiag("check", "-o", "junit", *urls, ok=1)
    assert run.out.count("<testsuite ") == 2
    assert "token=*** (2)" in peers.wsdiag("check", *urls, ok=1).out


@pytest.mark.parametrize("command", [*RUNS, "explain"])
def test_log_has_the_records_of_every_command(
    peers: Peers, recording: Path, tmp_path: Path, command: str
) -> None:
    log = tmp_path / "log.ndjson"
    what = str(recording) if command == "explain" else f"{peers.serve()[0]}/push/0.05"
    line = (command, "--log", str(log), "-q", *RUNS.get(command, ()), what)
    assert types(peers.wsdiag(*line, "-o", "json", ok=0).out) == types(log.read_text())[-1:]


def test_explain_logs_rows_and_own_records(peers: Peers, recording: Path, tmp_path: Path) -> None:
    log, own = tmp_path / "log.csv", tmp_path / "own.ndjson"
    peers.wsdiag("explain", "--log", str(log), str(recording), ok=0)
    assert [row.split(",")[1] for row in log.read_text().splitlines()] == [
        *("event", "connection", "verdict")
    ]
    url = f"{peers.serve()[0]}/echo"
    own.write_text(peers.wsdiag("ping", "-o", "json", *RUNS["ping"], url, ok=0).out)
    peers.wsdiag("explain", "--log", str(log), str(own), ok=0)
    assert [row.split(",")[2] for row in log.read_text().splitlines()] == ["event", *["reply"] * 2]
    log = tmp_path / "log.ndjson"
    peers.wsdiag("explain", "--log", str(log), str(own), ok=0)
    assert log.read_text() == own.read_text()
