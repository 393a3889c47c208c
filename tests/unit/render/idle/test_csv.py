"""`idle-probe -o csv`, read back as a spreadsheet would."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from tests.golden.terminals import err, out, terminal
from wsdiag.records import Drop, Error, IdleTrial, IdleVerdict, Range, TrialStarted
from wsdiag.render.idle.csv import COLUMNS, IdleCsv
from wsdiag.render.idle.output import idle_output

URL = "wss://example.com/socket"
DROP = Drop("close", 60.0, code=1001)


def rows_of(*events: object) -> list[dict[str, str]]:
    t = terminal()
    view = IdleCsv(t)
    view.start()
    for event in events:
        view.handle(event)  # type: ignore[arg-type]
    view.finish()
    return list(csv.DictReader(io.StringIO(out(t))))


def test_trials_and_verdicts_are_rows_of_one_table() -> None:
    trial = IdleTrial(URL, "idle", 60.0, None, "dropped", 60.0004, DROP, age_s=60.001)
    verdict = IdleVerdict(
        URL,
        "idle-timeout",
        Range(59.9, 60.05),
        drop=DROP,
        keepalives={"ping": "holds", "tcp-keepalive": "drops"},
        recommended_ping_interval_s=20.0,
        explanation=["Dropped after 60 s, with a comma.", "More."],
    )
    first, second = rows_of(TrialStarted(URL, 0, "idle", 60.0, None, 120.0), trial, verdict)
    assert tuple(first) == COLUMNS
    assert {k: v for k, v in first.items() if v} == {
        "url": URL,
        "event": "trial",
        "trial": "idle",
        "idle_for_s": "60.0",
        "outcome": "dropped",
        "idle_s": "60.000",
        "age_s": "60.001",
        "how": "close",
        "code": "1001",
    }
    assert {k: v for k, v in second.items() if v} == {
        "url": URL,
        "event": "verdict",
        "outcome": "idle-timeout",
        "how": "close",
        "code": "1001",
        "low_s": "59.900",
        "high_s": "60.050",
        "ping": "holds",
        "tcp_keepalive": "drops",
        "ping_interval_s": "20.0",
        "answer": "Dropped after 60 s, with a comma.",
    }


def test_data_on_stdout_does_not_keep_the_picture_from_being_saved(tmp_path: Path) -> None:
    t = terminal()
    t.save_paths = [tmp_path / "run.txt"]
    view = idle_output(t, [URL], "csv")
    view.start()
    for event in (
        TrialStarted(URL, 0, "idle", 60.0, None, 120.0),
        IdleTrial(URL, "idle", 60.0, None, "dropped", 60.0, DROP, age_s=60.0),
        IdleVerdict(URL, "idle-timeout", Range(59.9, 60.05), explanation=["Dropped after 60 s."]),
    ):
        view.handle(event)
    view.finish()
    saved = t.save_paths[0].read_text(encoding="utf-8")
    assert "Dropped after 60 s." in saved
    assert "idle 60 s" in saved, "no timeline"
    assert len(out(t).splitlines()) == 3, "rows, and nothing else"


def test_a_lifetime_has_its_range_and_an_open_one_no_upper_bound() -> None:
    (row,) = rows_of(IdleVerdict(URL, "lifetime", lifetime_s=Range(30.0, None)))
    assert (row["low_s"], row["high_s"], row["answer"]) == ("30.000", "", "")


def test_errors_go_to_stderr_and_cells_are_no_formulas() -> None:
    t = terminal()
    view = IdleCsv(t)
    view.handle(Error(URL, "tcp", "refused", "nothing listens there", "start it"))
    view.handle(IdleVerdict("=1+1", "no-drop", explanation=["@SUM(A1)"]))
    assert "nothing listens" in err(t)
    (cells,) = csv.reader(io.StringIO(out(t)))
    assert (cells[0], cells[-1]) == ("'=1+1", "'@SUM(A1)")


def test_the_range_of_an_application_timeout_has_its_columns() -> None:
    verdict = IdleVerdict(
        URL, "application-timeout", application_timeout_s=Range(2.9, 3.1), drop=DROP
    )
    (row,) = rows_of(verdict)
    assert (row["low_s"], row["high_s"]) == ("2.900", "3.100")
