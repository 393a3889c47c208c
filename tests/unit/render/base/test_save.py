"""`--save` leaves a picture whatever else the run prints, and says so when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.text import Text

from tests.golden import examples
from tests.golden.terminals import terminal
from wsdiag.records import Error, PingEvent
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.connect.view import save_connect
from wsdiag.render.ping.output import ping_output


def _run(t: Terminal, events: list[PingEvent]) -> None:
    view = ping_output(t, [examples.EDGE])
    view.start()
    for event in events:
        view.handle(event)
    view.finish()
    view.stop()


@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.parametrize("suffix", [".svg", ".html", ".txt"])
def test_a_ping_without_a_terminal_saves_chart_and_summary(
    tmp_path: Path, suffix: str, quiet: bool
) -> None:
    t = terminal(quiet=quiet)
    t.save_paths = [tmp_path / f"run{suffix}"]
    _run(t, [*examples.ping_run(count=45), examples.PING_SUMMARY])
    saved = (
        t.save_paths[0].read_text(encoding="utf-8").replace("&#160;", " ").replace("\u00a0", " ")
    )
    assert "statistics" in saved, "no summary"
    assert "╳" in saved, "no legend, so no chart"


def test_a_ping_that_never_connected_saves_why(tmp_path: Path) -> None:
    t = terminal()
    t.save_paths = [tmp_path / "run.txt"]
    _run(t, [Error(examples.EDGE, "tcp", "refused", "nothing listens there", "start it")])
    assert "nothing listens there" in t.save_paths[0].read_text(encoding="utf-8")


def test_data_on_stdout_does_not_keep_the_picture_from_being_saved(tmp_path: Path) -> None:
    t = terminal()
    t.save_paths = [tmp_path / "run.txt"]
    view = ping_output(t, [examples.EDGE], "csv")
    view.start()
    for event in [*examples.ping_run(count=45), examples.PING_SUMMARY]:
        view.handle(event)
    view.finish()
    assert "statistics" in t.save_paths[0].read_text(encoding="utf-8")


def test_files_that_cannot_be_written_keep_no_other_from_being_written(tmp_path: Path) -> None:
    t = terminal()
    t.save_paths = [tmp_path / name for name in ("none/run.svg", "run.txt", "none/run.md")]
    first, written, last = t.save_paths
    save_connect(t, examples.CONNECTED)
    assert [each.filename for each in t.unwritten] == [str(first), str(last)]
    assert written.exists()


def test_every_file_of_save_is_written(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.svg", "b.html", "c.txt", "d.md")]
    t = terminal()
    t.save_paths = paths
    t.save(Text("```\nas it is"), title="wsdiag ping")
    assert [path.read_text("utf-8")[:4] for path in paths] == ["<svg", "<!DO", "```\n", "**ws"]
    assert "````text\n```\nas it is\n````" in paths[3].read_text("utf-8"), "a longer fence"
