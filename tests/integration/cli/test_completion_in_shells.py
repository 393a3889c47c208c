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
# what the line came to, an argument each, when Enter is pressed
SHOW = "wsdiag() { printf '<%s>' \"$@\"; }"
START = {
    "bash": (["--norc", "--noprofile", "-i"], f"{SHOW}; source {FOLDER}/wsdiag.bash"),
    "zsh": (
        ["-f", "-i"],
        f"{SHOW}; autoload -Uz compinit; compinit -u -D; source {FOLDER}/_wsdiag",
    ),
    "zsh from fpath": (
        ["-f", "-i"],
        f"{SHOW}; fpath=({FOLDER} $fpath); autoload -Uz compinit; compinit -u -D",
    ),
    "fish": (
        ["--no-config", "-i"],
        f"function wsdiag; printf '<%s>' $argv; end; source {FOLDER}/wsdiag.fish",
    ),
}


@contextmanager
def _shell(name: str, folder: Path) -> Iterator[pexpect.spawn]:
    arguments, setup = START[name]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "TERM": "xterm", "LANG": "C.UTF-8"}
    child = pexpect.spawn(
        require_tool(name.split()[0]),
        arguments,
        env=environment,
        cwd=folder,
        timeout=BOUND_S,
        dimensions=(24, 200),
        encoding="utf-8",
    )
    try:
        child.sendline(
            f"{setup}; echo ready-$((40+2))"
            if name != "fish"
            else f"{setup}; echo ready-(math 40+2)"
        )
        child.expect("ready-42")
        yield child
    finally:
        child.close(force=True)


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("wsdiag id", "idle-probe"),
        ("wsdiag --json-s", "--json-schema"),
        ("wsdiag ping -v --outp", "--output"),
        ("wsdiag ping --mode bin", "binary"),
        ("wsdiag ping --output=cs", "csv"),
        ("wsdiag check -o gith", "github"),
        ("wsdiag serve --drop rst-", "rst-on-write"),
        ("wsdiag serve --drop=rst-", "rst-on-write"),
        ("wsdiag completion pow", "powershell"),
        ("wsdiag help idl", "idle-probe"),
        ("wsdiag connect wss://example.org/ws --show-s", "--show-secrets"),
        ("wsdiag connect --cacert some-ca", "some-ca-file.pem"),
        ("wsdiag connect --cacert ~/some-ca", "/some-ca-file.pem"),
        ("wsdiag ping --save=some-ca", "some-ca-file.pem"),
        ("wsdiag connect --key fold", "folder of keys"),
    ],
)
def test_tab_completes(name: str, typed: str, completed: str, tmp_path: Path) -> None:
    (tmp_path / "some-ca-file.pem").touch()
    (tmp_path / "folder of keys").mkdir()
    with _shell(name, tmp_path) as child:
        child.send(f"{typed}\t\r")
        child.expect(re.escape(completed) + "/?>")  # zsh takes a folder's slash back


def test_zsh_finds_the_script_in_a_folder_of_its_fpath(tmp_path: Path) -> None:
    with _shell("zsh from fpath", tmp_path) as child:
        child.send("wsdiag serve --drop=rst-\t\r")
        child.expect("<serve><--drop=rst-on-write>")
