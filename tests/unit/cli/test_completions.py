"""The shipped completion scripts are those that the command line makes now."""

from pathlib import Path

import pytest

from wsdiag.cli.app import app
from wsdiag.cli.completions.model import describe
from wsdiag.cli.completions.scripts import SHELLS

FOLDER = Path(__file__).parents[3] / "completions"


@pytest.mark.parametrize("shell", SHELLS)
def test_shipped_script_has_not_drifted(shell: str) -> None:
    name, generate = SHELLS[shell]
    assert (FOLDER / name).read_text(encoding="utf-8") == generate(*describe(app)), (
        "run: python -m wsdiag.cli.completions completions"
    )


def test_model_knows_choices_files_and_plain_values() -> None:
    commands, top = describe(app)
    by_name = {command.name: command for command in commands}
    flags = {name: flag for flag in by_name["ping"].flags for name in flag.names}
    assert flags["--mode"].choices == ("ping", "text", "binary")
    assert flags["--cacert"].files
    assert flags["-c"] is flags["--count"]
    assert flags["-c"].takes_value
    assert not flags["--flood"].takes_value
    assert {"--compression", "--no-compression"} <= set(flags)
    assert by_name["completion"].arguments == ("bash", "zsh", "fish", "powershell")
    serve = {name: flag for flag in by_name["serve"].flags for name in flag.names}
    assert "silent" in serve["--drop"].choices
    assert any("--json-schema" in flag.names for flag in top)
