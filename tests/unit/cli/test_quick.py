"""Ordinary lines are read without typer, and as typer would read them."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdiag.cli import quick
from wsdiag.cli.app import app
from wsdiag.cli.quick import declarations
from wsdiag.cli.quick.table import COMMANDS, OPTIONS

URL = "ws://127.0.0.1:9/echo"
VALUES = [
    "1",
    "5",
    "0",
    "-1",
    "20",
    "100000000000",
    "0.5",
    ".5",
    "1e3",
    "nan",
    "1_000",
    " 1",
    "250ms",
    "2s",
    "1m30s",
    "0s",
    "16k",
    "4M",
    "json",
    "text",
    "JSON",
    "ping",
    "binary",
    "auto",
    "never",
    "1.2",
    "1.3",
    "max",
    "X-A: b",
    "no colon",
    "chat",
    "user:pw",
    "name=value",
    "=x",
    "",
    "@",
    "-",
    "--",
    "-q",
    "--output",
    "é",
    "h:443:127.0.0.1",
    "idle,ping",
    "http://p:1",
    "*",
    "\udcff",
]


class Recorder:
    """A command with another's parameters that keeps what typer hands it."""

    def __init__(self, name: str) -> None:
        command = declarations.QUICK[name]
        self.__signature__ = command.__signature__
        self.__annotations__ = command.__annotations__
        self.__name__ = "recorder"
        self.values: dict[str, Any] = {}
        alone = typer.Typer(add_completion=False)
        alone.command()(self)
        self.main = typer.main.get_command(alone)

    def __call__(self, **values: Any) -> None:
        self.values = values

    def read(self, line: list[str]) -> dict[str, Any] | None:
        """What typer makes of a line; None when it refuses it, or answers it itself."""
        self.values = {}
        try:
            self.main(line, standalone_mode=False)
        except Exception:
            return None
        return self.values or None


RECORDERS = {name: Recorder(name) for name in COMMANDS}


SPELLINGS = ("{0} {1}", "{0}={1}", "{0}{1}")
FITTING = {
    "text": ["chat", "16k", "max", "a b", "idle,ping", "*"],
    "texts": ["X-A: b", "chat", "a=b"],
    "duration": ["250ms", "2s", "1m30s", ".5", "1e3", "0"],
    "percent": ["0", "5", "0.5", "10%", "100", "101", "-1", "nan", "x"],
    "size": ["8", "16k", "4M", "x"],
    "integer": ["0", "1", "5", "999999999", "1000000000", "007", "1_000", " 1"],
    "number": ["0", "0.5", "100", "101", "1e1", "nan", "inf", "99.99"],
    "choice": ["json", "text", "auto", "never", "ping", "1.2", "JSON"],
}
STRANGE = [
    ["-h"],
    ["--help"],
    ["--nonsense"],
    ["-qv"],
    ["--save", "x.svg"],
    ["-46"],
    ["--"],
    ["-"],
    [""],
]


def lines(command: str) -> st.SearchStrategy[list[str]]:
    """Lines that are mostly good: any option, spelt in any way, mostly with a value of its kind."""

    @st.composite
    def option(draw: st.DrawFn) -> list[str]:
        name = draw(st.sampled_from(sorted(OPTIONS[command])))
        _, kind, _ = OPTIONS[command][name]
        if kind == "flag":
            return [name]
        value = draw(st.sampled_from(FITTING[kind] * 5 + VALUES))
        spelling = draw(st.sampled_from(SPELLINGS))
        if spelling == SPELLINGS[0]:
            return [name, value]
        return [spelling.format(name, value)]

    urls = st.sampled_from([[URL], ["localhost"], ["wss://h/?a=b"], []])
    odd = st.one_of([option()] * 12 + [urls, st.sampled_from(STRANGE)])
    return st.builds(
        lambda before, url, after: [*sum(before, []), *url, *sum(after, [])],  # noqa: RUF017
        st.lists(odd, max_size=4),
        urls,
        st.lists(odd, max_size=3),
    )


def test_the_table_is_what_the_declarations_make_of_it() -> None:
    path = Path(inspect.getfile(declarations)).with_name("table.py")
    assert path.read_text(encoding="utf-8") == declarations.table_text(), (
        "the declarations have changed: python -m wsdiag.cli.quick"
    )


def assert_same(command: str, line: list[str]) -> None:
    """What is read without typer is what typer would have read."""
    try:
        ours = quick.read(command, line)
    except ValueError:
        return  # typer reads it
    theirs = RECORDERS[command].read(line)
    assert theirs is not None, line
    defaults = {
        name: parameter.default
        for name, parameter in declarations.QUICK[command].__signature__.parameters.items()
    }
    # a list that nothing was added to is empty or None, by typer's version
    given = {name: None if value == [] else value for name, value in theirs.items()}
    assert {**defaults, **ours} == given


@pytest.mark.parametrize("command", sorted(COMMANDS))
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_line_means_what_typer_takes_it_for(command: str, data: st.DataObject) -> None:
    assert_same(command, data.draw(lines(command)))


@pytest.mark.parametrize(
    "line",
    [
        ["--compression", "--no-compression", URL],
        ["--no-compression", "--compression", URL],
        ["-c", "1", "-c", "2", URL],
        ["-o", "json", "--output=text", URL],
        ["-b", "a=b", "-bc=d", URL],
        ["--max-loss", "100", URL],
        [URL, "-q", "wss://other", "-v"],
    ],
)
def test_the_last_word_counts_and_lists_grow(line: list[str]) -> None:
    assert quick.read("ping", line)
    assert_same("ping", line)


@pytest.mark.parametrize(
    "line",
    [
        ["ping", "-c", "1", "-o", "json", URL],
        ["ping", "-c5", "-i", "200ms", "--max-p95=250ms", "-W2s", "--max-loss", "0.5", URL, URL],
        ["ping", URL, "-q", "--mode", "text", "-s", "16k", "-H", "X-A: b", "-H", "X-C: d"],
        ["connect", "-v", "--no-compression", "--tls-min", "1.2", "-4", "wss://example.org"],
        ["idle-probe", "--from", "2s", "--to", "4s", "--trials", "idle,ping", "-o", "json", URL],
    ],
)
def test_ordinary_lines_are_read_without_typer(line: list[str]) -> None:
    assert quick.prepare(line) is not None


@pytest.mark.parametrize(
    "line",
    [
        [],
        ["--help"],
        ["ping"],
        ["ping", "-h"],
        ["ping", URL, "--nonsense"],
        ["ping", "-c", URL],
        ["ping", "-c", "0", URL],
        ["ping", "-i", "0.0001", URL],
        ["ping", "-qv", URL],
        ["connect", URL, URL],
        ["ping", "-o", "xml", URL],
        ["ping", "-H", "@headers", URL],
        ["ping", "-4", "-6", URL],
        ["check", URL],
        ["ping", "--", URL],
        ["ping", "-H", "no", URL],
        ["ping", "-i", "soon", URL],
        ["ping", "--max-loss", "100.5", URL],
        ["idle-probe", "--repeat", "101", URL],
        ["ping", "--bearer-env", "SURELY_NOT_SET", URL],
    ],
)
def test_everything_else_is_left_to_typer(line: list[str]) -> None:
    assert quick.prepare(line) is None


def test_completion_is_left_to_typer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_WSDIAG_COMPLETE", "bash_source")
    assert quick.prepare(["ping", URL]) is None


def test_every_quick_command_is_a_command() -> None:
    assert set(COMMANDS) <= {info.name for info in app.registered_commands}
