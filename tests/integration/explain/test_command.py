"""`wsdiag explain` as scripts use it: exit codes, inputs told by content, live input, selection."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.capture.builder import Capture, Flow
from tests.integration.waiting import wait_for
from tests.peers.peers import Peers
from tests.peers.process import popen
from tests.unit.capture.test_har import archive, entry, said

WSDIAG = [sys.executable, "-m", "wsdiag"]


def three_idle_ends(code: int | None = None) -> Capture:
    """Three connections that the server ends after 60 s of idleness: by FIN, or a Close frame."""
    capture = Capture()
    for number in range(3):
        flow, at_s = Flow(capture, port=40000 + number), 7.3 * number
        flow.open(at_s)
        flow.text(at_s + 5 + 11 * number, "client", "hello \x1b[31m secret")
        end_s = at_s + 65 + 11 * number
        if code is None:
            flow.fin(end_s, "server")
        else:
            flow.close(end_s, "server", code)
            flow.fin(end_s + 0.1, "server")
            flow.fin(end_s + 0.1, "client")
    capture.packets.sort(key=lambda packet: packet[0])
    return capture


def test_exit_codes(peers: Peers, tmp_path: Path) -> None:
    idle, clean = tmp_path / "idle.pcap", tmp_path / "clean.pcap"
    three_idle_ends().write(idle)
    three_idle_ends(1000).write(clean)
    empty = tmp_path / "empty.pcap"
    Capture().write(empty)
    picture = tmp_path / "night.pcap"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    peers.wsdiag("explain", str(idle), ok=0)
    assert "no WebSocket connection" in peers.wsdiag("explain", str(empty), ok=1).err
    assert "--only" in peers.wsdiag("explain", "--only", "17", str(idle), ok=1).err
    peers.wsdiag("explain", "--require-clean", str(idle), ok=3)
    peers.wsdiag("explain", "--require-clean", str(clean), ok=0)
    run = peers.wsdiag("explain", str(picture), ok=2)
    assert "this is a PNG picture (byte 0)" in run.err
    run = peers.wsdiag("explain", "-o", "json", str(tmp_path / "none"), str(idle), ok=2)
    assert run.record("error")["kind"] == "usage"
    assert len(run.of("explain.connection")) == 3


def test_a_log_of_json_lines(peers: Peers, tmp_path: Path) -> None:
    log, given = tmp_path / "access.log", '{"status":"$status","time":"$request_time"}'
    log.write_text('{"status":"101","time":"60.001"}\n' * 3)
    run = peers.wsdiag("explain", "-o", "json", "--log-format", given, str(log), ok=0)
    assert [one["age_s"] for one in run.of("explain.connection")] == [60.001] * 3


def test_inputs_are_told_by_content(peers: Peers, tmp_path: Path) -> None:
    capture, place = three_idle_ends(), tmp_path / "some file"
    for content in (
        capture.pcap(">"),
        capture.pcap(nanoseconds=True),
        capture.pcapng(),
        gzip.compress(capture.pcapng(">")),
    ):
        place.write_bytes(content)
        found = peers.wsdiag("explain", "-o", "json", str(place), ok=0).record("explain.verdict")
        assert (found["verdict"], found["outcomes"]) == ("idle-timeout", {"idle-timeout": 3})


def test_a_file_that_breaks_is_read_up_to_there(peers: Peers, tmp_path: Path) -> None:
    whole = three_idle_ends().pcap()
    for name, content in (("plain", whole[:-30]), ("packed", gzip.compress(whole)[:-40])):
        place = tmp_path / name
        place.write_bytes(content)
        run = peers.wsdiag("explain", "-o", "json", str(place), ok=0)
        assert run.of("explain.connection")
        assert "cut off" in run.err
        assert "at byte" in run.err


def test_payloads_are_hidden_and_escaped(peers: Peers, tmp_path: Path) -> None:
    place = three_idle_ends().write(tmp_path / "c.pcap")
    run = peers.wsdiag("explain", str(place), ok=0)
    assert "secret" not in run.out + run.err
    run = peers.wsdiag("explain", "--show", str(place), ok=0)
    assert "hello \\e[31m secret" in run.out
    assert "\x1b" not in run.out
    run = peers.wsdiag("explain", "--show-secrets", str(place), ok=0)
    assert "?token=secret" in run.out


def test_payloads_of_a_har_file_and_of_a_trace(peers: Peers, tmp_path: Path) -> None:
    har, trace = tmp_path / "page.har", tmp_path / "t.ndjson"
    har.write_bytes(archive(entry([said("send", 0.5, "hello \x1b[31m secret")])))
    place = three_idle_ends(1001).write(tmp_path / "c.pcap")
    peers.wsdiag("explain", "--show", "--trace", str(trace), str(place), ok=0)
    for recording in (har, trace):
        run = peers.wsdiag("explain", str(recording), ok=0)
        assert "hello" not in run.out
        run = peers.wsdiag("explain", "--show", str(recording), ok=0)
        assert "> hello \\e[31m secret" in run.out
        run = peers.wsdiag("explain", "--show", "-o", "json", str(recording), ok=0)
        for one in run.of("explain.connection"):
            (shown,) = one["shown"]
            assert shown[1:] == ["sent", "hello \x1b[31m secret"]
    peers.wsdiag("explain", "--trace", str(trace), str(place), ok=0)  # without payloads
    assert "secret" not in peers.wsdiag("explain", "--show", str(trace), ok=0).out


def test_frames_are_traced(peers: Peers, tmp_path: Path) -> None:
    place, trace = three_idle_ends(1001).write(tmp_path / "c.pcap"), tmp_path / "t.ndjson"
    run = peers.wsdiag("explain", "-v", "--trace", str(trace), str(place), ok=0)
    assert "#10.0.0.1:40001 > GET /feed?token=*** HTTP/1.1" in run.err
    assert run.err.count("< CLOSE") == 3
    assert "secret" not in run.err + trace.read_text()
    again = peers.wsdiag("explain", "-o", "json", str(trace), ok=0)
    found = again.of("explain.connection")
    assert [(one["outcome"], one["messages"]["sent"]) for one in found] == [("close", 1)] * 3


def test_the_legend_comes_with_timelines_only(peers: Peers, tmp_path: Path) -> None:
    place, picture = three_idle_ends().write(tmp_path / "c.pcap"), tmp_path / "picture.txt"
    assert "F FIN" in peers.wsdiag("explain", str(place), ok=0).out
    run = peers.wsdiag("explain", "-q", "--save", str(picture), str(place), ok=0)
    assert "3 connections" in run.out
    assert "F FIN" not in run.out
    assert "F FIN" in picture.read_text()


def test_an_end_that_is_not_known_is_not_unclean(peers: Peers, tmp_path: Path) -> None:
    flow = Flow(Capture())
    flow.shake()
    flow.send(0.1, "client", b"\x16\x03\x01\x00\x05hello")
    flow.fin(9.0, "server")
    place = flow.capture.write(tmp_path / "dark.pcap")
    run = peers.wsdiag("explain", "--require-clean", str(place), ok=0)
    assert "how 1 connection ended is not known" in run.err


def test_rows_and_pictures(peers: Peers, tmp_path: Path) -> None:
    place = three_idle_ends().write(tmp_path / "c.pcap")
    picture = tmp_path / "c.svg"
    run = peers.wsdiag("explain", "-o", "csv", "--save", str(picture), str(place), ok=0)
    header, *rows = run.out.splitlines()
    assert header.startswith("url,event,source")
    assert [row.split(",")[1] for row in rows] == ["connection"] * 3 + ["verdict"]
    assert "idle-timeout" in picture.read_text()
    run = peers.wsdiag("explain", "--only", "2-3", "-o", "json", str(place), ok=0)
    assert [one["number"] for one in run.of("explain.connection")] == [2, 3]
    run = peers.wsdiag("explain", "-q", str(place), ok=0)
    assert "#1" not in run.out
    assert "Idle connections are dropped after 60 s" in run.out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_live_input_ends_with_the_verdict_so_far(number: signal.Signals) -> None:
    process = popen([*WSDIAG, "explain", "-o", "json", "-"], stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(three_idle_ends(1001).pcap())
        process.stdin.flush()
        first = json.loads(process.stdout.readline())
        assert (first["type"], first["number"]) == ("explain.connection", 1)
        process.send_signal(number)
        rest = [json.loads(line) for line in process.stdout.read().splitlines()]
        assert process.wait(20) == 0
        assert rest[-1]["type"] == "explain.verdict"
        assert rest[-1]["connections"] == 3
    finally:
        process.kill()
        process.wait()


def has_pipe_of_its_own(pid: int) -> bool:
    """Whether a process has opened the pipe by which its reading is ended."""
    opened = [each for each in Path(f"/proc/{pid}/fd").iterdir() if int(each.name) > 2]
    with suppress(FileNotFoundError):  # one was closed meanwhile
        return any("pipe:" in os.readlink(each) for each in opened)
    return False


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_live_input_that_says_nothing_is_interrupted() -> None:
    process = popen([*WSDIAG, "explain", "-"], stdin=subprocess.PIPE)
    try:
        wait_for(lambda: has_pipe_of_its_own(process.pid))
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    finally:
        process.kill()
        process.wait()


def test_own_records_are_drawn_again(peers: Peers, tmp_path: Path) -> None:
    url, _ = peers.serve()
    pings = tmp_path / "pings.ndjson"
    pings.write_text(peers.wsdiag("ping", "-c", "3", "-i", "20ms", "-o", "json", url, ok=0).out)
    run = peers.wsdiag("explain", "--save", str(tmp_path / "p.svg"), str(pings), ok=0)
    assert "3 sent, 3 received" in run.out
    assert (tmp_path / "p.svg").read_text().startswith("<svg")
    again = peers.wsdiag("explain", "-o", "json", str(pings), ok=0)
    assert again.record("ping.summary")["received"] == 3


def test_a_stream_and_a_path_are_drawn_again(peers: Peers, tmp_path: Path) -> None:
    server, file = peers.websockets(), tmp_path / "records"
    stream = peers.wsdiag("stream", "-o", "json", "-w", "1s", server.url)
    path = peers.wsdiag("path", "-o", "json", "-c", "1", server.url)
    file.write_text(stream.out + path.out)
    run = peers.wsdiag("explain", str(file), ok=0)
    assert "stream statistics" in run.out
    assert f"PATH {server.url}" in run.out
    assert "not drawn" not in run.out


def test_what_connect_and_check_found_is_drawn_again(peers: Peers, tmp_path: Path) -> None:
    url, log = peers.websockets().url, tmp_path / "run.ndjson"
    for command, says in (("connect", "✓ connected to"), ("check", "all checks passed")):
        peers.wsdiag(command, "--log", str(log), url, ok=0)
        run = peers.wsdiag("explain", str(log), ok=0)
        assert says in run.out
        assert "not drawn" not in run.out
        run = peers.wsdiag("explain", "-o", "csv", str(log), ok=2)
        assert f"wsdiag's own records {command}.result" in run.err
    records = peers.wsdiag("explain", "-o", "json", str(log), ok=0).records
    assert [each["type"] for each in records][-1] == "check.summary"


def test_what_explain_found_is_said_again(peers: Peers, tmp_path: Path) -> None:
    log = tmp_path / "run.ndjson"
    place = three_idle_ends().write(tmp_path / "c.pcap")
    first = peers.wsdiag("explain", "--log", str(log), str(place), ok=0)
    assert peers.wsdiag("explain", str(log), ok=0).out == first.out.replace("   30 packets", "")
    again = peers.wsdiag("explain", "-o", "json", "--only", "2", str(log), ok=0)
    assert [one["number"] for one in again.of("explain.connection")] == [2]
    peers.wsdiag("explain", "--require-clean", str(log), ok=3)
    rows = peers.wsdiag("explain", "-o", "csv", str(log), ok=0).out
    assert rows == peers.wsdiag("explain", "-o", "csv", str(place), ok=0).out


def test_records_that_say_nothing_here_are_refused(peers: Peers, tmp_path: Path) -> None:
    listening, log = tmp_path / "serve.ndjson", tmp_path / "run.ndjson"
    record = {"type": "serve.listening", "url": "ws://h", "host": "h", "port": 1, "tls": False}
    whole = json.dumps({"schema_version": "2.0", **record}, separators=(",", ":"))
    listening.write_text(whole + "\n")
    run = peers.wsdiag("explain", str(listening), ok=2)
    assert "nothing to draw of wsdiag's own records serve.listening" in run.err
    assert "give a capture" in run.err
    peers.wsdiag("explain", "-o", "json", str(listening), ok=0)
    log.write_text(whole.replace(',"port":1', "") + "\n")
    run = peers.wsdiag("explain", str(log), ok=1)
    assert "a record serve.listening is not readable: without port" in run.err


def test_for_python(tmp_path: Path) -> None:
    import wsdiag

    place = three_idle_ends().write(tmp_path / "c.pcap")
    *connections, verdict = wsdiag.explain(place)
    assert [one.outcome for one in connections] == ["idle-timeout"] * 3
    assert isinstance(verdict, wsdiag.ExplainVerdict)
    (tmp_path / "x").write_bytes(io.BytesIO(b"PK\x03\x04").getvalue())
    with pytest.raises(ValueError, match="ZIP"):
        list(wsdiag.explain(tmp_path / "x"))
