"""Files that a command writes: what cannot be written is told before the run or after it."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import typer

from tests.golden.terminals import err, terminal
from wsdiag.cli.files import with_files
from wsdiag.cli.options import OutputOptions


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc, which takes no files")
@pytest.mark.parametrize("option", ["log", "save", "trace"])
def test_a_file_that_cannot_be_written_at_all_is_a_usage_error(option: str) -> None:
    path = Path("/proc", "none.svg" if option == "save" else "none.ndjson")
    with pytest.raises(typer.BadParameter, match=f"cannot write {path}") as caught:
        OutputOptions(**{option: path if option == "trace" else [path]})
    assert caught.value.param_hint == f"--{option}"


@pytest.mark.parametrize(("code", "ends"), [(0, 1), (1, 1), (2, 2), (3, 3), (130, 130)])
def test_a_file_that_is_not_whole_makes_0_a_1_and_leaves_the_rest(code: int, ends: int) -> None:
    t = terminal()
    assert with_files(t, code) == code
    for name in ("a.ndjson", "b.svg", "a.ndjson"):
        with t.writing(Path(name)):
            raise OSError(errno.ENOSPC, "No space left on device")
    assert with_files(t, code) == ends
    assert err(t).splitlines() == [
        f"error: cannot write {name}: No space left on device" for name in ("a.ndjson", "b.svg")
    ]


def test_a_name_that_is_too_long_is_a_usage_error() -> None:
    with pytest.raises(typer.BadParameter, match="File name too long"):
        OutputOptions(save=[Path("x" * 300 + ".svg")])
