"""`--log`: the records of a run in a file, whatever is shown of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.golden import examples
from tests.golden.terminals import out, terminal
from wsdiag.records import Error, PingEvent, PingLost, PingReply, PingSent, TrialStarted
from wsdiag.render.base.record_log import log_records
from wsdiag.render.idle.output import idle_output
from wsdiag.render.ping.output import ping_output

URL = examples.EDGE
EVENTS: tuple[PingEvent, ...] = (
    PingReply(URL, 1, examples.at(1), 20.0),
    PingSent(URL, 2, 1, 0),
    PingLost(URL, 2, examples.at(2), 1000.0),
    Error(URL, "tcp", "refused", "refused"),
)


def test_records_go_to_the_file_and_lines_to_the_screen(tmp_path: Path) -> None:
    t = terminal()
    t.log_paths = [tmp_path / "run.ndjson"]
    output = ping_output(t, [URL])
    output.start()
    for event in EVENTS:
        output.handle(event)
    whole = t.log_paths[0].read_text()  # flushed at once: it may be killed
    output.finish()
    output.stop()
    assert t.log_paths[0].read_text() == whole
    types = [json.loads(line)["type"] for line in whole.splitlines()]
    assert types == ["ping.reply", "ping.lost", "error"]
    assert "seq=1 time=20.0 ms" in out(t)


def test_each_file_is_written(tmp_path: Path) -> None:
    t = terminal()
    t.log_paths = [tmp_path / "run.ndjson", tmp_path / "run.csv", tmp_path / "again.ndjson"]
    output = ping_output(t, [URL])
    output.start()
    for event in EVENTS:
        output.handle(event)
    output.finish()
    output.stop()
    records, rows, again = (path.read_text() for path in t.log_paths)
    assert records == again
    assert [json.loads(line)["type"] for line in records.splitlines()][-1] == "error"
    assert [row.split(",")[2] for row in rows.splitlines()] == ["event", "reply", "lost"]
    log_records(t, EVENTS[-1])
    assert t.log_paths[0].read_text() == t.log_paths[2].read_text() != records


def test_csv_has_the_rows_of_the_format(tmp_path: Path) -> None:
    t = terminal()
    t.log_paths = [tmp_path / "run.csv"]
    output = ping_output(t, [URL], "json")
    output.start()
    for event in EVENTS:
        output.handle(event)
    output.stop()
    head, *rows = t.log_paths[0].read_text().splitlines()
    assert head.startswith("time,url,event,seq")
    assert [row.split(",")[2] for row in rows] == ["reply", "lost"]


def test_idle_probe_has_it_too(tmp_path: Path) -> None:
    t = terminal()
    t.log_paths = [tmp_path / "run.ndjson"]
    output = idle_output(t, [URL], "csv")
    output.start()
    for _, event in examples.idle_run(65):
        output.handle(event)
    output.stop()
    records = [json.loads(line) for line in t.log_paths[0].read_text().splitlines()]
    assert records
    assert {record["type"] for record in records} == {"idle.trial"}
    assert any(isinstance(event, TrialStarted) for _, event in examples.idle_run(65))


def test_secrets_are_masked_and_a_bad_path_is_an_error(tmp_path: Path) -> None:
    t = terminal(secrets=("hunter2",))
    t.log_paths = [tmp_path / "run.ndjson"]
    log_records(t, Error(URL, "tcp", "refused", "hunter2 was refused"))
    assert "hunter2" not in t.log_paths[0].read_text()
    t.log_paths = [tmp_path / "no" / "run.ndjson"]
    log_records(t)
    assert [(each.filename, each.strerror) for each in t.unwritten] == [
        (str(t.log_paths[0]), "No such file or directory")
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("name", ["full.ndjson", "full.csv"])
def test_a_full_disk_ends_the_log_and_not_the_run(name: str, tmp_path: Path) -> None:
    t = terminal()
    t.log_paths = [tmp_path / name, tmp_path / "run.ndjson"]
    t.log_paths[0].symlink_to("/dev/full")
    output = ping_output(t, [URL])
    output.start()
    for event in (*EVENTS, examples.PING_SUMMARY):
        output.handle(event)
    output.finish()
    output.stop()  # gives a live view's terminal back
    assert [each.filename for each in t.unwritten] == [str(t.log_paths[0])]
    assert "ping statistics" in out(t)
    assert len(t.log_paths[1].read_text().splitlines()) == 4
    log_records(t, EVENTS[-1])
    assert len(t.log_paths[1].read_text().splitlines()) == 1
