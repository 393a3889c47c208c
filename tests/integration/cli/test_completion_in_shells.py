"""The TAB key in real shells, in a pseudo-terminal, without Python behind it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

from tests.peers.tools import require_tool

FOLDER = Path(__file__).parents[3] / "completions"
BOUND_S = 30
START = {
    "bash": (["--norc", "--noprofile", "-i"], f"source {FOLDER}/wsdiag.bash"),
    "zsh": (
        ["-f", "-i"],
        f"autoload -Uz compinit; compinit -u -D; source {FOLDER}/_wsdiag",
    ),
    "fish": (["--no-config", "-i"], f"source {FOLDER}/wsdiag.fish"),
}


@contextmanager
def _shell(name: str, folder: Path) -> Iterator[pexpect.spawn]:
    arguments, setup = START[name]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "TERM": "xterm", "LANG": "C.UTF-8"}
    child = pexpect.spawn(
        require_tool(name), arguments, env=environment, cwd=folder, timeout=BOUND_S,
        dimensions=(24, 200), encoding="utf-8",
    )  # fmt: skip
    try:
        child.sendline(f"{setup}; echo ready-$((40+2))" if name != "fish" else
                       f"{setup}; echo ready-(math 40+2)")  # fmt: skip
        child.expect("ready-42")
        yield child
    finally:
        child.close(force=True)


@pytest.mark.parametrize("name", START)
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("wsdiag id", "idle-probe"),
        ("wsdiag ping --mode bin", "binary"),
        ("wsdiag serve --drop rst-", "rst-on-write"),
        ("wsdiag connect --cacert some-ca", "some-ca-file.pem"),
        ("wsdiag completion pow", "powershell"),
    ],
)
def test_tab_completes(name: str, typed: str, completed: str, tmp_path: Path) -> None:
    (tmp_path / "some-ca-file.pem").touch()
    with _shell(name, tmp_path) as child:
        child.send(f"{typed}\t")
        # what is drawn: the shell adds only the part that was not typed yet
        missing = completed.removeprefix(typed.rsplit(" ", 1)[1])
        child.expect(re.escape(missing))
