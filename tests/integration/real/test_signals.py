"""Ctrl-C, SIGTERM, SIGQUIT and a reader that leaves: in good order, with what was measured."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.integration.explain.test_command import three_idle_ends
from tests.integration.waiting import wait_for
from tests.peers.command import ROOT, WSDIAG, Run, Running
from tests.peers.peer import Peer
from tests.peers.peers import Peers
from tests.peers.process import clean_environment

SIGNALS = {"int": signal.SIGINT, "term": signal.SIGTERM, "hup": signal.SIGHUP}
STOPS = pytest.mark.parametrize("number", SIGNALS.values(), ids=SIGNALS)


def close_codes(server: Peer) -> list[int]:
    """The close codes a websockets server has seen: 1006 where there was no Close frame."""
    wait_for(lambda: '"closed"' in server.log, seen=lambda: server.log)
    return [json.loads(line)["closed"] for line in server.log.splitlines() if '"closed"' in line]


@STOPS
def test_ping_ends_with_its_summary_and_a_close_frame(number: signal.Signals, peers: Peers) -> None:
    server = peers.websockets()
    running = peers.start_wsdiag("ping", server.url, "-i", "50ms", "-o", "json")
    for _ in range(3):
        running.wait_record("ping.reply")
    running.signal(number)
    run = running.wait(20)
    assert run.code == 0, run
    assert run.records[-1]["type"] == "ping.summary"
    assert run.records[-1]["received"] >= 3
    assert "Traceback" not in run.err
    assert set(close_codes(server)) <= {1000, 1001}


@STOPS
def test_ping_in_text_ends_with_its_statistics(number: signal.Signals, peers: Peers) -> None:
    running = peers.start_wsdiag("ping", peers.websockets().url, "-i", "50ms")
    while "seq=" not in running.read_line():
        pass
    running.signal(number)
    run = running.wait(20)
    assert run.code == 0, run
    assert "p50" in run.out
    assert "p95" in run.out


def interrupted_while_dialling(command: str, number: signal.Signals, peers: Peers) -> Run:
    """What it did at that signal, after its request and before any answer."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"ws://127.0.0.1:{mute.getsockname()[1]}"
        running = peers.start_wsdiag(command, url, "--connect-timeout", "60s")
        mute.settimeout(30)
        connection, _ = mute.accept()
        with connection:
            connection.settimeout(30)
            assert connection.recv(65536).startswith(b"GET / HTTP/1.1\r\n")
            running.signal(number)
            return running.wait(20)


@STOPS
def test_interrupted_before_anything_was_measured(number: signal.Signals, peers: Peers) -> None:
    run = interrupted_while_dialling("ping", number, peers)
    assert run.code == 130, run
    assert "Traceback" not in run.err


def start_connect(peers: Peers, trace: Path, url: str, *args: str, opcode: int) -> Running:
    """`connect`, once a frame with that opcode has been sent or received."""
    running = peers.start_wsdiag("connect", url, "--trace", str(trace), "-o", "json", *args)

    def seen() -> bool:
        return trace.exists() and f'"opcode":{opcode},' in trace.read_text()

    wait_for(seen, seen=lambda: running.err)
    return running


@STOPS
def test_connect_that_listens_ends_with_what_came(
    number: signal.Signals, peers: Peers, tmp_path: Path
) -> None:
    url = f"{peers.serve()[0]}/push/0.05"
    running = start_connect(peers, tmp_path / "trace", url, "--listen", "600s", opcode=1)
    running.signal(number)
    run = running.wait(20)
    result = run.record("connect.result")
    assert (run.code, result["ok"]) == (0, True), run
    assert result["messages"]
    assert result["close"]["clean"] is True
    assert [re.sub("[0-9.]+ s", "… s", note) for note in result["notes"]] == [
        "Interrupted after … s of waiting for messages."
    ]


def test_a_signal_ends_a_connect_that_waits_for_a_close(peers: Peers, tmp_path: Path) -> None:
    url = f"{peers.serve()[0]}/hang/close"
    running = start_connect(peers, tmp_path / "trace", url, opcode=8)
    running.signal(signal.SIGINT)
    run = running.wait(20)
    result = run.record("connect.result")
    assert (run.code, result["ok"], result["close"]["clean"]) == (0, True, False), run
    assert [re.sub("[0-9.]+ s", "… s", note) for note in result["notes"]] == [
        "Interrupted after … s of waiting for the closing handshake."
    ]


@STOPS
def test_connect_interrupted_before_it_was_open(number: signal.Signals, peers: Peers) -> None:
    run = interrupted_while_dialling("connect", number, peers)
    assert (run.code, run.out) == (130, ""), run
    assert "Traceback" not in run.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_waits_for_no_close(number: signal.Signals, peers: Peers) -> None:
    url = f"{peers.serve()[0]}/hang/close"
    running = peers.start_wsdiag("ping", url, "-i", "50ms", "-o", "json")
    running.wait_record("ping.reply")
    running.signal(number)
    running.wait_record("ping.summary")
    running.signal(number)
    assert running.wait(20).code == 0, "the statistics are complete"


def test_the_second_signal_ends_an_idle_probe_with_its_verdict(peers: Peers) -> None:
    url = f"{peers.serve()[0]}/hang/close"
    periods = ("--from", "0.5s", "--to", "60s", "--step", "20s")
    running = peers.start_wsdiag("idle-probe", url, *periods, "-o", "json")
    running.wait_record("idle.trial")
    running.signal(signal.SIGINT)
    time.sleep(0.2)
    running.signal(signal.SIGINT)
    assert running.wait(20).record("idle.verdict")["partial"] is True


def test_the_second_hangup_is_the_same_as_the_first(peers: Peers) -> None:
    """The kernel sends one, and the shell that it ends another."""
    running = peers.start_wsdiag("ping", peers.websockets().url, "-i", "50ms", "-o", "json")
    running.wait_record("ping.reply")
    for _ in range(3):
        running.signal(signal.SIGHUP)
    run = running.wait(20)
    assert (run.code, run.err) == (0, "")
    assert run.records[-1]["type"] == "ping.summary"


def test_a_hangup_that_comes_when_the_run_is_over_hides_no_exit_code(peers: Peers) -> None:
    running = peers.start_wsdiag("ping", peers.websockets().url, "-i", "50ms", "-o", "json")
    running.wait_record("ping.reply")
    running.signal(signal.SIGHUP)
    running.wait_record("ping.summary")
    for _ in range(500):  # until it has ended, and longer
        running.signal(signal.SIGHUP)
        time.sleep(0.001)
    run = running.wait(20)
    assert (run.code, run.err) == (0, "")


def test_nohup_outlives_the_hangup(peers: Peers) -> None:
    command = [*WSDIAG, "ping", peers.websockets().url, "-i", "50ms", "-o", "json"]
    environment = clean_environment({"PYTHONPATH": str(ROOT)})
    with subprocess.Popen(
        ["nohup", *command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as running:
        assert running.stdout is not None
        lines = iter(running.stdout.readline, b"")
        try:
            next(line for line in lines if b"ping.reply" in line)
            running.send_signal(signal.SIGHUP)
            after = [next(line for line in lines if b"ping.reply" in line) for _ in range(10)]
            assert len(after) == 10
        finally:
            running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0


def test_a_limit_broken_so_far_counts_after_ctrl_c(peers: Peers) -> None:
    url = peers.relay(peers.websockets(), delay_ms=10).url
    running = peers.start_wsdiag("ping", url, "-i", "50ms", "-o", "json", "--max-p95", "1ms")
    running.wait_record("ping.reply")
    running.signal(signal.SIGINT)
    assert running.wait(20).code == 3


def test_sigquit_prints_statistics_and_goes_on(peers: Peers) -> None:
    running = peers.start_wsdiag("ping", peers.websockets().url, "-i", "50ms", "-o", "json")
    running.wait_record("ping.reply")
    running.signal(signal.SIGQUIT)
    partial = running.wait_record("ping.summary")
    assert partial["partial"] is True
    after = running.wait_record("ping.reply")
    running.signal(signal.SIGINT)
    run = running.wait(20)
    assert run.code == 0
    assert run.records[-1]["type"] == "ping.summary"
    assert run.records[-1]["partial"] is False
    assert run.records[-1]["received"] > partial["received"]
    assert after["seq"] >= partial["received"] - 1


def test_sigquit_in_text_goes_on_too(peers: Peers) -> None:
    running = peers.start_wsdiag("ping", peers.websockets().url, "-i", "50ms")
    while "seq=" not in running.read_line():
        pass
    running.signal(signal.SIGQUIT)
    while "statistics so far" not in running.read_line():
        pass
    while "seq=" not in running.read_line():
        pass
    running.signal(signal.SIGINT)
    run = running.wait(20)
    assert run.code == 0, run
    assert run.out.count("p50") == 2, run


@pytest.mark.parametrize("output", ["text", "json", "csv"])
def test_a_reader_that_leaves_ends_ping_quietly(output: str, peers: Peers) -> None:
    url = peers.websockets().url
    command = shlex.join([*WSDIAG, "ping", url, "-i", "20ms", "-o", output])
    done = _in_bash(f'{command} | head -n 2; echo "${{PIPESTATUS[0]}}" >&2')
    assert len(done.stdout.splitlines()) == 2
    # nothing on stderr but the exit code: no traceback, no "Broken pipe"
    assert done.stderr.strip() == "0", done.stderr


@pytest.mark.parametrize("output", ["text", "json", "csv"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["ping", "-i", "20ms", "--max-p50", "0.000001"],
        ["stream", "-i", "200ms", "--min-rate", "9999"],
    ],
    ids=["ping", "stream"],
)
def test_a_reader_that_leaves_does_not_hide_a_broken_limit(
    arguments: list[str], output: str, peers: Peers
) -> None:
    command = shlex.join([*WSDIAG, *arguments, "-o", output, peers.serve()[0] + "/push/0.05"])
    done = _in_bash(f'{command} | head -n 3; echo "${{PIPESTATUS[0]}}" >&2')
    assert len(done.stdout.splitlines()) == 3
    assert done.stderr.strip() == "3", done.stderr


def test_a_reader_that_left_at_once_hides_no_exit_code(peers: Peers, tmp_path: Path) -> None:
    recording, log = str(tmp_path / "night.pcap"), tmp_path / "log.ndjson"
    three_idle_ends().write(Path(recording))
    picture, url = tmp_path / "picture.txt", peers.websockets().url
    drops = peers.serve()[0] + "/idle/1?drop=fin"
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        refused = f"ws://127.0.0.1:{nobody.getsockname()[1]}"
    for code, *arguments in (
        (1, "connect", refused),
        (1, "ping", "-c", "1", refused),
        (1, "check", refused),
        (3, "check", "--max-p95", "0.000001", url),
        (3, "idle-probe", "--from", "2", "--to", "2", "--require", "2", drops),
        (3, "explain", "--require-clean", "--log", str(log), "--save", str(picture), recording),
        (1, "explain", "--only", "17", recording),
    ):
        for output in ("text", "json"):
            reader, writer = os.pipe()
            os.close(reader)
            done = subprocess.run(
                [*WSDIAG, *arguments, "-o", output],
                env=clean_environment({"PYTHONPATH": str(ROOT)}),
                stdout=writer,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
            )
            os.close(writer)
            assert (done.returncode, "Traceback" in done.stderr) == (code, False), done
    assert "explain.verdict" in log.read_text()  # what goes to files is not cut short
    assert "idle-timeout" in picture.read_text()


def _in_bash(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", script],
        env=clean_environment({"PYTHONPATH": str(ROOT)}),
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_reader_that_leaves_ends_the_tour_with_its_first_step() -> None:
    done = _in_bash(f'{shlex.join([*WSDIAG, "demo"])} | head -n 3; echo "${{PIPESTATUS[0]}}" >&2')
    assert "wsdiag connect" in done.stdout
    assert done.stderr.strip() == "0", done.stderr  # nothing of the steps behind it either


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_ctrl_c_ends_the_tour_and_not_its_step_alone(peers: Peers) -> None:
    running = peers.start_wsdiag("demo")
    while "wsdiag ping" not in running.read_line():
        pass
    while "seq=5" not in running.read_line():
        pass
    running.signal(signal.SIGINT)
    run = running.wait(20)
    assert run.code == 130
    assert "ping statistics" in run.out
    assert "wsdiag idle-probe" not in run.out


@pytest.mark.parametrize("command", [["ping", "-c", "1"], ["connect"], ["demo"], ["--version"]])
def test_a_full_disk_is_not_called_a_defect(command: list[str], peers: Peers) -> None:
    urls = [peers.websockets().url] if command[0] in ("ping", "connect") else []
    done = _in_bash(f"{shlex.join([*WSDIAG, *command, *urls])} >/dev/full")
    assert done.returncode == 1
    assert done.stderr.startswith("error: the output cannot be written: No space left"), done.stderr
    assert "hint: make room" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    ("command", "shown", "code"),
    [
        (["ping", "-c", "1"], "1 sent, 1 received", 1),
        (["ping", "-c", "1", "--max-p50", "0.001ms"], "1 sent, 1 received", 3),
        (["connect"], "connected to", 1),
        (["check", "--only", "ping"], "all checks passed", 1),
        (["check", "--max-p95", "0.001ms"], "1 check failed", 3),
    ],
)
def test_files_on_a_full_disk_are_told_behind_what_was_measured(
    command: list[str], shown: str, code: int, peers: Peers, tmp_path: Path
) -> None:
    files = []
    for number, option in enumerate(("--log", "--log", "--save", "--save")):
        files.append(tmp_path / f"{number}{'.ndjson' if option == '--log' else '.txt'}")
        files[-1].symlink_to("/dev/full")
        command = [*command, option, str(files[-1])]
    run = peers.wsdiag(*command, peers.websockets().url)
    assert run.code == code
    assert shown in run.out
    told = sorted(line for line in run.err.splitlines() if line.startswith("error:"))
    assert told == [f"error: cannot write {each}: No space left on device" for each in files]


@STOPS
def test_serve_closes_its_connections(number: signal.Signals, peers: Peers) -> None:
    url, serve = peers.serve()
    ping = peers.start_wsdiag("ping", url, "-i", "50ms", "-o", "json")
    ping.wait_record("ping.reply")
    serve.signal(number)
    assert serve.wait(20).code == 0
    run = ping.wait(20)
    assert run.code == 1
    drop = run.record("ping.closed")["drop"]
    assert (drop["how"], drop["code"]) == ("close", 1001)


def test_idle_probe_tells_its_verdict_so_far(peers: Peers) -> None:
    server = peers.websockets()
    args = ("--from", "1s", "--to", "60s", "--trials", "idle", "-o", "json")
    running = peers.start_wsdiag("idle-probe", server.url, *args)
    running.wait_record("idle.trial")
    running.signal(signal.SIGINT)
    run = running.wait(20)
    assert run.record("idle.verdict")["partial"] is True
    assert "Traceback" not in run.err
    assert set(close_codes(server)) <= {1000, 1001}
